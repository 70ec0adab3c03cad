//! Values taken out of answers: exact to the last digit, or not taken.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use kernel::judge::{Fact, FactFault, Judge};
use kernel::ports::Output;
use serde_json::{Value, json};

use super::shop::{Files, NOON, bundle, edited, files, tool};
use crate::Bundle;

fn take(files: &Files, answer: &str) -> Result<Fact, FactFault> {
    of(&bundle(files), answer)
}

fn of(bundle: &Bundle, answer: &str) -> Result<Fact, FactFault> {
    let output = Output::text_of(answer, false);
    bundle.fact(&tool("crm.refund"), "refund", &json!({"order_id": "A"}), Some(&output), NOON)
}

fn check(files: &Files, answers: &[&str], expected: Expect) {
    let (bundle, mut told) = (bundle(files), String::new());
    for answer in answers {
        match of(&bundle, answer) {
            Ok(fact) => writeln!(told, "{answer}: {} ({})", fact.value, fact.shown).unwrap(),
            Err(fault) => writeln!(told, "{answer}: {fault:?}").unwrap(),
        }
    }
    expected.assert_eq(&told);
}

/// The fact's lines in the connector's file replaced by these.
fn refund(lines: &str) -> Files {
    let text = &files()["connectors/crm.toml"];
    let start = text.find("type = \"money\"").unwrap();
    let end = text.find("[tools.refund.lookup]").unwrap();
    edited(
        "connectors/crm.toml",
        &text[start..end],
        &format!("read = \"get_order\"\narguments = '{{id: \"A\"}}'\n{lines}\n"),
    )
}

const MONEY: [&str; 12] = [
    r#"{"items":[{"price":499.995}]}"#,
    r#"{"items":[{"price":500.00}]}"#,
    r#"{"items":[{"price":500.01}]}"#,
    r#"{"items":[{"price":"500.01"}]}"#,
    r#"{"items":[{"price":90071992547409.91}]}"#,
    r#"{"items":[{"price":90071992547409.92}]}"#,
    r#"{"items":[{"price":5e2}]}"#,
    r#"{"items":[{"price":1e999}]}"#,
    r#"{"items":[{"price":null}]}"#,
    r#"{"items":[]}"#,
    r#"{"status":"gone"}"#,
    "no such order",
];

#[test]
fn money_at_its_borders() {
    check(
        &files(),
        &MONEY,
        expect![[r#"
        {"items":[{"price":499.995}]}: Invalid
        {"items":[{"price":500.00}]}: 50000 (500.00 USD)
        {"items":[{"price":500.01}]}: 50001 (500.01 USD)
        {"items":[{"price":"500.01"}]}: 50001 (500.01 USD)
        {"items":[{"price":90071992547409.91}]}: 9007199254740991 (90071992547409.91 USD)
        {"items":[{"price":90071992547409.92}]}: Invalid
        {"items":[{"price":5e2}]}: Invalid
        {"items":[{"price":1e999}]}: Absent
        {"items":[{"price":null}]}: Absent
        {"items":[]}: 0 (0.00 USD)
        {"status":"gone"}: Absent
        no such order: Absent
    "#]],
    );
}

#[test]
fn money_that_is_rounded() {
    let rounded = |rounding: &str| {
        refund(&format!(
            "type = \"money\"\ncurrency = \"USD\"\nrounding = \"{rounding}\"\nvalue = \"[.output.items[].price]\""
        ))
    };
    check(
        &rounded("up"),
        &MONEY[..3],
        expect![[r#"
        {"items":[{"price":499.995}]}: 50000 (500.00 USD)
        {"items":[{"price":500.00}]}: 50000 (500.00 USD)
        {"items":[{"price":500.01}]}: 50001 (500.01 USD)
    "#]],
    );
    let ties = [r#"{"items":[{"price":499.985}]}"#, r#"{"items":[{"price":0.04999999999999716}]}"#];
    check(
        &rounded("half_even"),
        &ties,
        expect![[r#"
        {"items":[{"price":499.985}]}: 49998 (499.98 USD)
        {"items":[{"price":0.04999999999999716}]}: 5 (0.05 USD)
    "#]],
    );
}

#[test]
fn items_are_added_as_integers() {
    let order = |prices: [&str; 10]| {
        let items: Vec<String> = prices.iter().map(|price| format!("{{\"price\":{price}}}")).collect();
        format!("{{\"items\":[{}]}}", items.join(","))
    };
    let tenths = order(["0.1"; 10]);
    let mixed = order(["0.1", "0.2", "0.3", "1.1", "2.2", "33.33", "66.67", "99.99", "0.07", "296.05"]);
    // What a float makes of it.
    let float: f64 = [0.1; 10].iter().sum();
    assert!(float < 1.0);
    check(
        &files(),
        &[&tenths, &mixed],
        expect![[r#"
        {"items":[{"price":0.1},{"price":0.1},{"price":0.1},{"price":0.1},{"price":0.1},{"price":0.1},{"price":0.1},{"price":0.1},{"price":0.1},{"price":0.1}]}: 100 (1.00 USD)
        {"items":[{"price":0.1},{"price":0.2},{"price":0.3},{"price":1.1},{"price":2.2},{"price":33.33},{"price":66.67},{"price":99.99},{"price":0.07},{"price":296.05}]}: 50001 (500.01 USD)
    "#]],
    );
}

#[test]
fn a_sum_that_jq_makes_is_a_float_and_refused() {
    let added = refund("type = \"money\"\ncurrency = \"USD\"\nvalue = \"[.output.items[].price] | add\"");
    check(
        &added,
        &[r#"{"items":[{"price":0.1},{"price":0.2}]}"#, r#"{"items":[{"price":1},{"price":2}]}"#],
        expect![[r#"
            {"items":[{"price":0.1},{"price":0.2}]}: Invalid
            {"items":[{"price":1},{"price":2}]}: 300 (3.00 USD)
        "#]],
    );
}

#[test]
fn facts_of_other_types() {
    let cases = [
        ("integer", vec!["3", "3.0", "3.5", "\"3\"", "true", "9007199254740993", "null"]),
        ("text", vec!["\"gold\"", "3", "null"]),
        ("bool", vec!["true", "\"true\"", "null"]),
        ("texts", vec!["[\"a\",\"b\"]", "[]", "[1]", "\"a\"", "null"]),
    ];
    let mut told = String::new();
    for (kind, answers) in cases {
        let files = refund(&format!("type = \"{kind}\"\nvalue = \".output\""));
        // The counter adds the fact up, so only a number may stand there.
        let workspace = files["workspace.toml"].replace("amount = \"facts.refund\"", "amount = 1");
        let rules = "@id(\"look\") permit (principal, action in Action::\"read\", resource);".to_owned();
        let mut files = files;
        files.extend([("workspace.toml".to_owned(), workspace), ("policies/shop.cedar".to_owned(), rules)]);
        let bundle = bundle(&files);
        for answer in answers {
            match of(&bundle, answer) {
                Ok(fact) => writeln!(told, "{kind} {answer}: {} ({})", fact.value, fact.shown).unwrap(),
                Err(fault) => writeln!(told, "{kind} {answer}: {fault:?}").unwrap(),
            }
        }
    }
    expect![[r#"
        integer 3: 3 (3)
        integer 3.0: 3 (3)
        integer 3.5: Invalid
        integer "3": 3 (3)
        integer true: Invalid
        integer 9007199254740993: Invalid
        integer null: Absent
        text "gold": "gold" (gold)
        text 3: Invalid
        text null: Absent
        bool true: true (yes)
        bool "true": Invalid
        bool null: Absent
        texts ["a","b"]: ["a","b"] (a, b)
        texts []: [] ()
        texts [1]: Invalid
        texts "a": ["a"] (a)
        texts null: Absent
    "#]]
    .assert_eq(&told);
}

#[test]
fn a_fact_out_of_the_arguments() {
    let files = refund("type = \"text\"\nvalue = \".arguments.order_id\"");
    let rewritten = files.into_iter().map(|(path, text)| {
        let text = text.replace("read = \"get_order\"\narguments = '{id: \"A\"}'\n", "");
        (path, text.replace("amount = \"facts.refund\"", "amount = 1").replace("context.facts.refund", "1"))
    });
    let bundle = bundle(&rewritten.collect::<Files>());
    let needs = bundle.needs(&tool("crm.refund"), &json!({"order_id": "A"})).unwrap();
    assert!(needs[0].read.is_none());
    let fact = bundle.fact(&tool("crm.refund"), "refund", &json!({"order_id": "A"}), None, NOON).unwrap();
    assert_eq!((fact.shown.as_str(), fact.source.as_str()), ("A", "arguments"));
}

#[test]
fn an_answer_that_is_an_error_yields_no_fact() {
    let output = Output::text_of(r#"{"items":[{"price":1}]}"#, true);
    let fact = bundle(&files()).fact(&tool("crm.refund"), "refund", &json!({}), Some(&output), NOON);
    assert_eq!(fact, Err(FactFault::Absent));
}

#[test]
fn a_fact_moves_when_it_leaves_its_tolerance() {
    let bundle = bundle(&files());
    let fact = |price: &str| of(&bundle, &format!("{{\"items\":[{{\"price\":{price}}}]}}")).unwrap();
    let moved = |to: &str| bundle.moved(&tool("crm.refund"), &fact("500.00"), &fact(to));
    assert_eq!(moved("500.50"), None);
    assert_eq!(moved("499.50"), None);
    assert_eq!(moved("500.51").unwrap(), "refund was 500.00 USD, is now 500.51 USD");
}

#[test]
fn reads_are_named_with_their_arguments() {
    let bundle = bundle(&files());
    let needs = bundle.needs(&tool("crm.refund"), &json!({"order_id": "A"})).unwrap();
    let read = needs[0].read.as_ref().unwrap();
    assert_eq!((read.tool.as_str(), &read.arguments), ("crm.get_order", &json!({"id": "A"})));
    assert_eq!(read.manifest, bundle.tools()[&tool("crm.get_order")].manifest);
}

#[test]
fn an_unknown_outcome_is_looked_up() {
    let bundle = bundle(&files());
    let (refund, arguments) = (tool("crm.refund"), json!({"order_id": "A"}));
    let (call, settle_after) = bundle.look_up(&refund, &arguments).unwrap();
    assert_eq!((call.tool.as_str(), settle_after.0), ("crm.get_order", 1_000));
    let read = |text: &str, is_error| bundle.looked_up(&refund, &arguments, &Output::text_of(text, is_error));
    assert_eq!(read(r#"{"status":"refunded"}"#, false), Ok(true));
    assert_eq!(read(r#"{"status":"open"}"#, false), Ok(false));
    assert_eq!(read(r#"{"status":"refunded"}"#, true), Err(FactFault::Absent));
    assert_eq!(read("down for repairs", false), Err(FactFault::Absent));
    assert_eq!(bundle.look_up(&tool("crm.note"), &arguments), None);
}

#[test]
fn a_conflict_key_names_the_record() {
    let bundle = bundle(&files());
    let key = |name: &str, arguments: Value| bundle.conflict_key(&tool(name), &arguments, &[]);
    assert_eq!(key("crm.refund", json!({"order_id": "A"})), Ok(Some("crm:order/A".to_owned())));
    assert_eq!(key("crm.note", json!({"order_id": "A"})), Ok(Some("crm:A".to_owned())));
    assert_eq!(key("crm.note", json!({})), Err(FactFault::Absent));
    assert_eq!(key("crm.get_order", json!({"id": "A"})), Ok(None));
}

#[test]
fn a_headline_says_what_will_run() {
    let bundle = bundle(&files());
    let (arguments, fact) =
        (json!({"order_id": "A"}), take(&files(), r#"{"items":[{"price":712.4}]}"#).unwrap());
    let refund = tool("crm.refund");
    assert_eq!(bundle.headline(&refund, &arguments, &[fact]), "Refund 712.40 USD of order A");
    assert_eq!(bundle.headline(&refund, &arguments, &[]), "Refund null of order A");
    let long = json!({"order_id": "A".repeat(300)});
    assert_eq!(bundle.headline(&tool("crm.note"), &long, &[]).chars().count(), 200);
    assert_eq!(bundle.headline(&tool("crm.scale"), &json!({"by": 2}), &[]), "crm.scale: by 2");
    assert_eq!(bundle.subject(&refund, &arguments).unwrap(), "crm:A");
    assert_eq!(bundle.subject(&tool("crm.scale"), &json!({"by": 2})), None);
}
