//! What a hostile folder, agent or system may cost: bounded steps, bounded stack, and no value that slips past a rule.

use kernel::judge::{Judge, Verdict};
use kernel::ports::Output;
use serde_json::{Value, json};

use super::shop::{Day, Files, NOON, bundle, edited, files, problems, run, tool};
use crate::query::{Query, Scope};

/// Runs on a stack as small as a worker's: an overflow would end the process, and this test with it.
fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread");
    thread.join().expect("no panic")
}

fn codes(files: &Files) -> Vec<String> {
    problems(files).into_iter().map(|problem| problem.code).collect()
}

#[test]
fn steps_of_an_expression_are_counted() {
    let many = format!("[{}]", vec!["1"; 2_000].join(","));
    let scope = Scope { output: Some(&many), ..Scope::default() };
    let pairs = Query::compile("[.output[] as $a | .output[] as $b | .output[] as $c | empty]").unwrap();
    assert_eq!(pairs.run(scope).unwrap_err(), "more than 500000 steps");
    // The budget is new for each run.
    let few = Scope { output: Some("[1,2,3]"), ..Scope::default() };
    assert!(pairs.run(few).is_ok());
}

#[test]
fn a_caught_error_buys_no_steps() {
    let many = format!("[{}]", vec!["1"; 2_000].join(","));
    let scope = Scope { output: Some(&many), ..Scope::default() };
    let query = Query::compile("[.output[] as $a | .output[] as $b | (error)? // empty]").unwrap();
    assert_eq!(query.run(scope).unwrap_err(), "more than 500000 steps");
}

#[test]
fn a_deep_text_is_not_read_as_a_number() {
    on_a_small_stack(|| {
        let deep = json!({ "amount": "[".repeat(500_000) });
        let scope = Scope { arguments: Some(&deep), ..Scope::default() };
        assert!(Query::compile(".arguments.amount | tonumber").unwrap().one(scope).is_err());
        assert!(Query::compile(".arguments.amount | fromjson").unwrap().one(scope).is_err());
    });
    let amount = json!({ "amount": "712.40" });
    let scope = Scope { arguments: Some(&amount), ..Scope::default() };
    assert_eq!(
        Query::compile(".arguments.amount | tonumber").unwrap().one(scope).unwrap().to_string(),
        "712.40"
    );
}

#[test]
fn expressions_without_bottom_are_refused() {
    on_a_small_stack(|| {
        let nested =
            ["(", "[", "{a:", "\"\\(", "-", "1|", ".[", "if 1 then ", "1,", "try ", "not|", ". as $x|"];
        for part in nested {
            let text: String = part.repeat(4_096 / part.len());
            assert!(Query::compile(&text).is_err(), "{part}");
            // Just inside the bounds: it may be taken, and must not overflow.
            for times in [30, 190] {
                drop(Query::compile(&format!("{}1", part.repeat(times))));
            }
        }
        let long = format!("1{}", "|1".repeat(190));
        assert!(Query::compile(&long).unwrap().one(Scope::default()).is_ok());
    });
    for loops in
        ["reduce .a[] as $x (0; . + $x)", "foreach .a[] as $x (0; . + $x)", ".a * 9", "\"x\" * 1000000000"]
    {
        assert!(Query::compile(loops).is_err(), "{loops}");
    }
}

#[test]
fn a_member_may_have_the_name_of_a_function() {
    for text in
        ["{limit: 10, range: .arguments.range}", "{input: .arguments.now}", "[limit(2; .arguments.a[])]"]
    {
        assert!(Query::compile(text).is_ok(), "{text}");
    }
    for text in ["{a: env}", "{(env): 1}", "$__loc__ | env", "{\"a\": input}"] {
        assert!(Query::compile(text).is_err(), "{text}");
    }
}

#[test]
fn policies_without_bottom_are_refused() {
    on_a_small_stack(|| {
        let rule = |condition: &str| {
            let text = format!(
                "@id(\"deep\") @never(\"true\") forbid (principal is Run, action in Action::\"tool\", resource) when {{ {condition} }};\n"
            );
            edited("policies/shop.cedar", "", &text)
        };
        let around = |open: &str, times: usize, close: &str| {
            rule(&format!("{}true{}", open.repeat(times), close.repeat(times)))
        };
        let brackets = [
            ("(", ")", 3_000),
            ("[", "]", 3_000),
            ("{a: ", "}", 1_500),
            ("if true then ", " else true", 600),
        ];
        for (open, close, times) in brackets.into_iter().chain([("!", "", 7_000), ("-", "", 7_000)]) {
            let deep = around(open, times, close);
            assert!(codes(&deep).iter().any(|code| code.starts_with("policy_")), "{open}");
            drop(problems(&around(open, 25, close)));
        }
        for chain in ["true && ", "false || ", "1 + "] {
            let long = rule(&format!("{}true", chain.repeat(1_500)));
            assert!(codes(&long).iter().any(|code| code == "policy_too_large"), "{chain}");
            drop(problems(&rule(&format!("{}true", chain.repeat(400)))));
        }
    });
}

#[test]
fn a_schema_fetches_nothing_and_matches_patterns_in_bounded_time() {
    let with = |property: &str| {
        let from = "\"text\": {\"type\": \"string\"}";
        edited("connectors/crm.manifest.json", from, &format!("\"text\": {property}"))
    };
    for outside in ["http://127.0.0.1:1/x.json", "file:///etc/passwd"] {
        assert!(codes(&with(&format!("{{\"$ref\": \"{outside}\"}}"))).contains(&"schema_invalid".to_owned()));
    }
    let slow = json!({ "order_id": "A", "text": format!("{}!", "a".repeat(50_000)) });
    for pattern in ["^(a+)+$", "^(?=a)(a+)+$"] {
        let bundle = bundle(&with(&format!("{{\"type\": \"string\", \"pattern\": \"{pattern}\"}}")));
        assert!(bundle.parse(&tool("crm.note"), slow.clone()).is_err(), "{pattern}");
    }
}

/// An optional whole number beyond what Cedar holds: left out of the request, it would slip past a gate that asks `has`.
#[test]
fn a_number_that_no_rule_can_see_is_refused() {
    let mut files = edited("connectors/crm.manifest.json", "\"required\": [\"by\"]", "\"required\": []");
    let rules = r#"
        @id("work") permit (principal, action == Action::"crm.scale", resource);
        @id("large") @never("true") forbid (principal, action == Action::"crm.scale", resource)
        when { context.input has by && context.input.by > 10 };
    "#;
    files.insert("policies/shop.cedar".to_owned(), rules.to_owned());
    let mut day = Day::new(&files);
    let mut verdict =
        |by: Value| day.ask(&tool("crm.scale"), json!({ "by": by }), "").map(|said| said.verdict);
    assert_eq!(verdict(json!(10)), Ok(Verdict::Autonomous));
    assert_eq!(verdict(json!(10.0)), Ok(Verdict::Autonomous));
    for large in [json!(11), json!(11.0), json!(u64::MAX), json!(1e300), json!(9_007_199_254_740_993_i64)] {
        assert_ne!(verdict(large.clone()), Ok(Verdict::Autonomous), "{large}");
    }
}

#[test]
fn one_number_has_one_text() {
    let mut files = edited(
        "connectors/crm.manifest.json",
        "\"by\": {\"type\": \"integer\"}",
        "\"by\": {\"type\": \"number\"}",
    );
    let rules = r#"
        @id("work") permit (principal, action == Action::"crm.scale", resource);
        @id("not-500") @never("true") forbid (principal, action == Action::"crm.scale", resource)
        when { context.input.by == "500" };
    "#;
    files.insert("policies/shop.cedar".to_owned(), rules.to_owned());
    let mut day = Day::new(&files);
    for same in ["500", "500.0", "5e2", "500.000"] {
        let by: Value = serde_json::from_str(same).unwrap();
        let said = day.ask(&tool("crm.scale"), json!({ "by": by }), "").unwrap();
        assert_eq!(said.verdict, Verdict::Never, "{same}");
    }
}

#[test]
fn a_default_that_is_none_is_not_bound() {
    let generated = "\"reason\": {\"type\": \"string\", \"default\": null}";
    let files = edited(
        "connectors/crm.manifest.json",
        "\"reason\": {\"type\": \"string\", \"default\": \"none\"}",
        generated,
    );
    let bound = bundle(&files).parse(&tool("crm.refund"), json!({"order_id": "A"}));
    assert_eq!(bound, Ok(json!({"order_id": "A"})));
    let nested = "\"memo\": {\"type\": \"object\", \"properties\": {\"lang\": {\"type\": \"string\", \"default\": \"en\"}}}";
    let files = edited("connectors/crm.manifest.json", "\"memo\": {\"type\": \"string\"}", nested);
    let bound = bundle(&files).parse(&tool("crm.refund"), json!({"order_id": "A", "memo": {}}));
    assert_eq!(bound, Ok(json!({"order_id": "A", "reason": "none", "memo": {"lang": "en"}})));
}

/// The gate reads the roles of the agent's owner: they stand in the request, so that the rule is not blind.
#[test]
fn rules_see_the_roles_of_owner_and_requester() {
    let rule = r#"@id("legal-agents") @never("true") forbid (principal is Run, action in Action::"tool", resource)
        when { principal.owner in Role::"finance" };"#;
    let mut day = Day::new(&edited("policies/shop.cedar", "", rule));
    let said = day.ask(&tool("crm.get_order"), json!({"id": "A"}), "").unwrap();
    assert_eq!(said.rules, ["legal-agents"]);
    let rule = r#"@id("no-answers-about-crm") @never("true") @reason("not from this connector")
        forbid (principal is Person, action == Action::"approve", resource) when { resource.tool in Connector::"crm" };"#;
    let question = kernel::judge::ApproverQuestion {
        workspace: "shop".parse().unwrap(),
        person: "lea".parse().unwrap(),
        roles: ["finance".parse().unwrap()].into(),
        action: "act_00000000000000000000000001".parse().unwrap(),
        tool: tool("crm.refund"),
        run: run(),
        obligations: kernel::judge::Obligations::default(),
    };
    assert_eq!(bundle(&files()).may_answer(&question), Ok(()));
    let told = bundle(&edited("policies/shop.cedar", "", rule)).may_answer(&question);
    assert_eq!(told, Err("not from this connector".to_owned()));
}

#[test]
fn a_refund_below_zero_makes_no_room() {
    let day = Day::new(&files());
    let mut question =
        day.question(&tool("crm.refund"), json!({"order_id": "A"}), r#"{"items":[{"price":5}]}"#).unwrap();
    let output = Output::text_of(r#"{"items":[{"price":-900}]}"#, false);
    let refund =
        day.bundle.fact(&tool("crm.refund"), "refund", &question.arguments, Some(&output), NOON).unwrap();
    assert_eq!(refund.value, json!(-90_000));
    question.facts = vec![refund];
    let used = day.bundle.counters(&question, NOON).unwrap();
    let amounts: Vec<(&str, i64)> = used.iter().map(|used| (used.name.as_str(), used.amount)).collect();
    assert_eq!(amounts, [("refunded_today", 0), ("refunds_of_run", 1)]);
}

#[test]
fn an_unseen_fact_or_counter_is_never() {
    let day = Day::new(&files());
    let mut question =
        day.question(&tool("crm.refund"), json!({"order_id": "A"}), r#"{"items":[{"price":5}]}"#).unwrap();
    // Without counters: the engine forgot them.
    let said = day.bundle.judge(&question);
    assert_eq!((said.verdict, said.code.as_str()), (Verdict::Never, "policy_error"));
    question.counters = [("refunded_today".to_owned(), 0), ("refunds_of_run".to_owned(), 0)].into();
    assert_eq!(day.bundle.judge(&question).verdict, Verdict::Autonomous);
    question.facts.clear();
    assert_eq!(day.bundle.judge(&question).verdict, Verdict::Never);
}
