//! The example's workspace, compiled as Countersign compiles it and asked about this CRM's own answers: refunds are what the
//! CRM moves, a look-up tells a write that happened from one that did not, verdicts are those that the recordings name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use expect_test::expect;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::{PersonId, Role, ToolId};
use kernel::judge::{
    ApproverQuestion, EffectClass, Fact, Judge, Judgement, Question, ReadCall, RunSubject, Verdict,
};
use kernel::ports::Output;
use policy::Bundle;
use retail_crm::manifest::{Effect, TOOLS};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::recorded::{Conversation, lines};
use crate::stage::{Stage, example};

/// 2026-03-02, noon in New York.
const AT: Millis = Millis(1_772_470_800_000);

fn files(folder: &Path, under: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = format!("{under}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &format!("{path}/"), found);
        } else {
            found.insert(path, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

/// The workspace, and what was warned about.
fn workspace() -> (Arc<Bundle>, String) {
    let mut found = BTreeMap::new();
    files(&example().join("workspace"), "", &mut found);
    let compiled = Bundle::compile(&found).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mut warnings = String::new();
    for problem in &compiled.warnings {
        writeln!(warnings, "{}: {}", problem.file, problem.message).unwrap();
    }
    (compiled.bundle, warnings)
}

fn id(tool: &str) -> ToolId {
    format!("crm.{tool}").parse().unwrap()
}

fn subject(stage: &str) -> RunSubject {
    RunSubject {
        run: "run_00000000000000000000000001".parse().unwrap(),
        agent: "shop-agent".parse().unwrap(),
        owner: "mara".parse().unwrap(),
        deputy: None,
        stage: stage.to_owned(),
        on_behalf_of: None,
        depth: 0,
        tainted: false,
    }
}

/// The CRM behind the bundle: reads are made as the server makes them.
struct Table {
    bundle: Arc<Bundle>,
    stage: Stage,
    counters: BTreeMap<String, i64>,
}

impl Table {
    fn new() -> Self {
        Self { bundle: workspace().0, stage: Stage::new(), counters: BTreeMap::new() }
    }

    fn read(&self, call: &ReadCall) -> Output {
        let tool = call.tool.to_string();
        let answer = self.stage.call(tool.strip_prefix("crm.").unwrap(), call.arguments.clone());
        Output::text_of(answer.text, answer.is_error)
    }

    fn facts(&self, tool: &str, arguments: &Json) -> Vec<Fact> {
        let tool = id(tool);
        let needs = self.bundle.needs(&tool, arguments).unwrap();
        let taken = needs.iter().map(|need| {
            let answer = need.read.as_ref().map(|call| self.read(call));
            self.bundle.fact(&tool, &need.name, arguments, answer.as_ref(), AT).unwrap()
        });
        taken.collect()
    }

    fn refund(&self, tool: &str, arguments: Json) -> String {
        self.facts(tool, &arguments).into_iter().map(|fact| fact.shown).collect()
    }

    fn applied(&self, tool: &str, arguments: &Json) -> bool {
        let (call, settle_after) = self.bundle.look_up(&id(tool), arguments).unwrap();
        assert_eq!(settle_after, Millis(1_000));
        self.bundle.looked_up(&id(tool), arguments, &self.read(&call)).unwrap()
    }

    fn judge(&self, stage: &str, tool: &str, arguments: &Json) -> (Judgement, Question) {
        let arguments = self.bundle.parse(&id(tool), arguments.clone()).unwrap();
        let facts = self.facts(tool, &arguments);
        let mut question = Question {
            workspace: "retail".parse().unwrap(),
            run: subject(stage),
            tool: id(tool),
            arguments,
            facts,
            counters: BTreeMap::new(),
        };
        for used in self.bundle.counters(&question, AT).unwrap() {
            let value = self.counters.get(&used.name).copied().unwrap_or_default();
            question.counters.insert(used.name, value);
        }
        (self.bundle.judge(&question), question)
    }

    /// Counts what an action that was done adds.
    fn count(&mut self, question: &Question) {
        for used in self.bundle.counters(question, AT).unwrap() {
            *self.counters.entry(used.name).or_insert(0) += used.amount;
        }
    }

    fn verdict(&self, tool: &str, arguments: Json) -> String {
        let (judgement, _) = self.judge("production", tool, &arguments);
        format!("{:?} {}", judgement.verdict, judgement.rules.join(" "))
    }
}

fn cancel(order: &str) -> Json {
    json!({"order_id": order, "reason": "no longer needed"})
}

/// One call of each write that has a look-up.
fn writes() -> Vec<(&'static str, Json)> {
    let moved = |key: &str, id: &str| {
        json!({key: id, "address1": "1 Elm Street", "address2": "", "city": "Barre", "state": "VT", "country": "USA",
            "zip": "05641"})
    };
    vec![
        ("cancel_pending_order", cancel("#W1000006")),
        (
            "return_delivered_order_items",
            json!({"order_id": "#W1000013", "item_ids": ["3100800002", "3100400003", "3100400003"],
                "payment_method_id": "gift_card_8200003"}),
        ),
        (
            "exchange_delivered_order_items",
            json!({"order_id": "#W1000002", "item_ids": ["3100400002", "3100300002"],
                "new_item_ids": ["3100400003", "3100300003"], "payment_method_id": "credit_card_8100001"}),
        ),
        (
            "modify_pending_order_items",
            json!({"order_id": "#W1000006", "item_ids": ["3100800001", "3100800001"],
                "new_item_ids": ["3100800003", "3100800002"], "payment_method_id": "gift_card_8200002"}),
        ),
        (
            "modify_pending_order_payment",
            json!({"order_id": "#W1000019", "payment_method_id": "paypal_8300004"}),
        ),
        ("modify_pending_order_address", moved("order_id", "#W1000001")),
        ("modify_user_address", moved("user_id", "nora_lind_1042")),
    ]
}

#[test]
fn the_workspace_compiles_and_its_warnings_are_known() {
    let (bundle, warnings) = workspace();
    assert_eq!(bundle.name(), "retail");
    expect![[r#"
        connectors/crm.toml: `transfer_to_human_agents` declares no conflict key: two calls on one record may overlap
        connectors/crm.toml: an unknown outcome of `transfer_to_human_agents` will wait for a person
    "#]].assert_eq(&warnings);
}

#[test]
fn every_tool_is_classified_and_every_write_of_records_can_be_looked_up() {
    let (bundle, _) = workspace();
    assert_eq!(bundle.tools().len(), TOOLS.len());
    let calls: BTreeMap<_, _> = writes().into_iter().collect();
    for spec in TOOLS {
        let class = if spec.effect == Effect::Read { EffectClass::Read } else { EffectClass::Once };
        assert_eq!(bundle.tools()[&id(spec.name)].class, class, "{}", spec.name);
        if spec.effect == Effect::Write {
            let arguments = &calls[spec.name];
            let key = bundle.conflict_key(&id(spec.name), arguments, &[]).unwrap().unwrap();
            assert!(key.contains("order/#W") || key.contains("user/nora_lind_1042"), "{key}");
            assert!(bundle.look_up(&id(spec.name), arguments).is_some());
        }
    }
}

#[test]
fn a_look_up_tells_before_from_after() {
    for (tool, arguments) in writes() {
        let table = Table::new();
        assert!(!table.applied(tool, &arguments), "{tool} before");
        let answer = table.stage.call(tool, arguments.clone());
        assert!(!answer.is_error, "{tool}: {}", answer.text);
        assert!(table.applied(tool, &arguments), "{tool} after");
        let mut other = arguments.clone();
        for key in ["reason", "payment_method_id", "address1"] {
            if let Some(value) = other.get_mut(key) {
                *value = json!("something else");
            }
        }
        assert!(!table.applied(tool, &other), "{tool} with other arguments");
    }
}

#[test]
fn a_refund_is_what_the_crm_moves() {
    let table = Table::new();
    let of_order = |order: &str| table.refund("cancel_pending_order", cancel(order));
    assert_eq!(of_order("#W1000009"), "500.00 USD");
    assert_eq!(of_order("#W1000010"), "500.01 USD");
    table.stage.call("modify_pending_order_payment", writes()[4].1.clone());
    assert_eq!(of_order("#W1000019"), "392.40 USD", "the old system refunds every line");
    let change = json!({"order_id": "#W1000016", "item_ids": ["3100600002"], "new_item_ids": ["3100600003"],
        "payment_method_id": "credit_card_8100005"});
    table.stage.call("modify_pending_order_items", change);
    assert_eq!(of_order("#W1000016"), "778.00 USD", "763.60 and 14.399999999999977");
    let back = |items: Json| {
        let arguments =
            json!({"order_id": "#W1000013", "item_ids": items, "payment_method_id": "gift_card_8200003"});
        table.refund("return_delivered_order_items", arguments)
    };
    assert_eq!(back(json!(["3100400003"])), "141.75 USD");
    assert_eq!(back(json!(["3100400003", "3100800002", "3100400003"])), "395.55 USD");
    assert_eq!(back(json!(["3100400003", "1"])), "141.75 USD");
    assert_eq!(back(json!([])), "0.00 USD");
}

#[test]
fn the_three_levels_are_where_they_should_be() {
    let mut table = Table::new();
    let mut out = String::new();
    for order in ["#W1000001", "#W1000009", "#W1000010", "#W1000014"] {
        writeln!(out, "{order}: {}", table.verdict("cancel_pending_order", cancel(order))).unwrap();
    }
    writeln!(out, "payment: {}", table.verdict(writes()[4].0, writes()[4].1.clone())).unwrap();
    writeln!(out, "address: {}", table.verdict(writes()[6].0, writes()[6].1.clone())).unwrap();
    let (judgement, _) = table.judge("experiment", "cancel_pending_order", &cancel("#W1000001"));
    writeln!(out, "experiment: {:?} {}", judgement.verdict, judgement.rules.join(" ")).unwrap();
    for (spent, about) in [(989_660, "10,000.00"), (989_661, "10,000.01")] {
        table.counters = BTreeMap::from([("refunded_today".to_owned(), spent)]);
        writeln!(out, "{about} today: {}", table.verdict("cancel_pending_order", cancel("#W1000001")))
            .unwrap();
    }
    expect![[r#"
        #W1000001: Autonomous help-with-orders
        #W1000009: Autonomous help-with-orders
        #W1000010: Approve refund-above-500
        #W1000014: Never refund-above-500 refund-above-5000
        payment: Never payments-stay
        address: Autonomous keep-addresses
        experiment: Never writes-only-when-released
        10,000.00 today: Autonomous help-with-orders
        10,000.01 today: Approve budget-of-refunds
    "#]]
    .assert_eq(&out);
}

#[test]
fn finance_answers_and_the_owner_does_not() {
    let table = Table::new();
    let (judgement, _) = table.judge("production", "cancel_pending_order", &cancel("#W1000010"));
    let obligations = judgement.obligations.unwrap();
    let may = |person: &str, roles: &[&str]| {
        let roles: BTreeSet<Role> = roles.iter().map(|role| role.parse().unwrap()).collect();
        let person: PersonId = person.parse().unwrap();
        table.bundle.may_answer(&ApproverQuestion {
            workspace: "retail".parse().unwrap(),
            person,
            roles,
            action: "act_00000000000000000000000001".parse().unwrap(),
            tool: id("cancel_pending_order"),
            run: subject("production"),
            obligations: obligations.clone(),
        })
    };
    assert_eq!(may("jonas", &["reviewer", "finance"]), Ok(()));
    assert!(may("mara", &["reviewer", "owner"]).is_err());
    assert!(
        may("mara", &["reviewer", "owner", "finance"]).is_err(),
        "nobody approves what the own agent wants"
    );
}

#[test]
fn the_recordings_name_the_verdicts_that_the_workspace_gives() {
    #[derive(Deserialize)]
    struct Named {
        verdicts: BTreeMap<String, Verdict>,
    }
    let path = example().join("recordings/trajectories.jsonl");
    let (mut table, mut seen) = (Table::new(), BTreeMap::new());
    for (conversation, named) in lines::<Conversation>(&path).iter().zip(lines::<Named>(&path)) {
        // A fresh CRM for each, while the counter of the day goes on.
        table.stage = Stage::new();
        for (call, _) in conversation.calls() {
            let arguments = Json::Object(call.arguments);
            let (judgement, question) = table.judge("production", &call.name, &arguments);
            assert_eq!(judgement.verdict, named.verdicts[&call.id], "{} {judgement:?}", call.id);
            *seen.entry(judgement.verdict).or_insert(0) += 1;
            let headline = table.bundle.headline(&id(&call.name), &arguments, &question.facts);
            assert!(!headline.contains("unknown"), "{headline}");
            if judgement.verdict != Verdict::Never && !table.stage.call(&call.name, arguments).is_error {
                table.count(&question);
            }
        }
    }
    assert_eq!(seen, BTreeMap::from([(Verdict::Autonomous, 24), (Verdict::Approve, 3), (Verdict::Never, 1)]));
}

#[test]
fn the_pinned_tools_are_the_live_ones() {
    let (bundle, _) = workspace();
    let Json::Array(live) = retail_crm::manifest::manifest() else { panic!("a list") };
    for tool in live {
        let pinned: Digest = bundle.tools()[&id(tool["name"].as_str().unwrap())].manifest;
        assert_eq!(pinned, policy::manifest_digest(&tool));
    }
}
