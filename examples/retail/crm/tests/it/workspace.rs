//! The expressions of the example's workspace, worked out on this CRM's own answers: refunds are what the CRM moves, and a
//! look-up tells a write that happened from one that did not.

use std::collections::BTreeMap;
use std::fs;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read};
use retail_crm::manifest::{Effect, TOOLS};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::recorded::{Conversation, lines};
use crate::stage::{Stage, example};

#[derive(Debug, Deserialize)]
struct Connector {
    tools: BTreeMap<String, Tool>,
}

#[derive(Debug, Deserialize)]
struct Tool {
    class: String,
    headline: String,
    conflict_key: Option<String>,
    lookup: Option<Lookup>,
    #[serde(default)]
    facts: BTreeMap<String, Fact>,
}

#[derive(Debug, Deserialize)]
struct Lookup {
    tool: String,
    arguments: String,
    applied: String,
}

#[derive(Debug, Deserialize)]
struct Fact {
    read: String,
    arguments: String,
    value: String,
}

fn tools() -> BTreeMap<String, Tool> {
    let text = fs::read_to_string(example().join("workspace/connectors/crm.toml")).unwrap();
    toml::from_str::<Connector>(&text).unwrap().tools
}

/// Works out an expression; the result as JSON text.
fn jq(expression: &str, input: &str) -> String {
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(defs).load(&arena, File { code: expression, path: () }).unwrap();
    let filter = Compiler::default().with_funs(funs).compile(modules).unwrap();
    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let input = read::parse_single(input.as_bytes()).unwrap();
    let outputs: Vec<Val> = filter.id.run((context, input)).map(|out| unwrap_valr(out).unwrap()).collect();
    assert_eq!(outputs.len(), 1, "{expression}");
    outputs[0].to_string()
}

fn read_back(stage: &Stage, tool: &str, arguments_of: &str, arguments: &Json) -> String {
    let wanted = jq(arguments_of, &json!({ "arguments": arguments }).to_string());
    let answer = stage.call(tool, serde_json::from_str(&wanted).unwrap());
    assert!(!answer.is_error, "{}", answer.text);
    // The answer's own text is put in as it is: numbers keep their digits.
    format!(r#"{{"arguments": {arguments}, "output": {}}}"#, answer.text)
}

fn applied(stage: &Stage, tool: &Tool, arguments: &Json) -> String {
    let lookup = tool.lookup.as_ref().unwrap();
    jq(&lookup.applied, &read_back(stage, &lookup.tool, &lookup.arguments, arguments))
}

fn refund(stage: &Stage, tool: &str, arguments: &Json) -> String {
    let tools = tools();
    let fact = &tools[tool].facts["refund"];
    jq(&fact.value, &read_back(stage, &fact.read, &fact.arguments, arguments))
}

/// One call of each write that has a look-up.
fn writes() -> Vec<(&'static str, Json)> {
    let order = |id: &str, key: &str| {
        json!({key: id, "address1": "1 Elm Street", "address2": "", "city": "Barre", "state": "VT", "country": "USA",
            "zip": "05641"})
    };
    vec![
        ("cancel_pending_order", json!({"order_id": "#W1000006", "reason": "ordered by mistake"})),
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
        ("modify_pending_order_address", order("#W1000001", "order_id")),
        ("modify_user_address", order("nora_lind_1042", "user_id")),
    ]
}

#[test]
fn every_tool_is_classified_and_every_write_can_be_looked_up() {
    let tools = tools();
    assert!(tools.keys().map(String::as_str).eq(TOOLS.iter().map(|tool| tool.name)));
    for spec in TOOLS {
        let tool = &tools[spec.name];
        let expected = if spec.effect == Effect::Read { "read" } else { "once" };
        assert_eq!(tool.class, expected, "{}", spec.name);
        let changes = spec.effect == Effect::Write;
        assert_eq!((tool.lookup.is_some(), tool.conflict_key.is_some()), (changes, changes), "{}", spec.name);
        assert!(!tool.headline.is_empty());
    }
    let looked_up: Vec<&str> = writes().into_iter().map(|(name, _)| name).collect();
    assert!(
        TOOLS.iter().filter(|tool| tool.effect == Effect::Write).all(|tool| looked_up.contains(&tool.name))
    );
}

#[test]
fn a_look_up_tells_before_from_after() {
    let tools = tools();
    for (name, arguments) in writes() {
        let stage = Stage::new();
        let tool = &tools[name];
        assert_eq!(applied(&stage, tool, &arguments), "false", "{name} before");
        let answer = stage.call(name, arguments.clone());
        assert!(!answer.is_error, "{name}: {}", answer.text);
        assert_eq!(applied(&stage, tool, &arguments), "true", "{name} after");
        let mut other = arguments.clone();
        for key in ["reason", "payment_method_id", "address1"] {
            if let Some(value) = other.get_mut(key) {
                *value = json!("something else");
            }
        }
        assert_eq!(applied(&stage, tool, &other), "false", "{name} with other arguments");
        let key = jq(tool.conflict_key.as_ref().unwrap(), &json!({ "arguments": arguments }).to_string());
        assert!(key.starts_with("\"order/#W") || key == "\"user/nora_lind_1042\"", "{key}");
    }
}

#[test]
fn a_refund_is_what_the_crm_moves() {
    let stage = Stage::new();
    let cancel = |order: &str| json!({"order_id": order, "reason": "no longer needed"});
    assert_eq!(refund(&stage, "cancel_pending_order", &cancel("#W1000009")), "[500.0]");
    assert_eq!(refund(&stage, "cancel_pending_order", &cancel("#W1000010")), "[500.01]");
    stage.call("modify_pending_order_payment", writes()[4].1.clone());
    assert_eq!(refund(&stage, "cancel_pending_order", &cancel("#W1000019")), "[130.8,130.8,130.8]");
    let back = |items: Json| json!({"order_id": "#W1000013", "item_ids": items, "payment_method_id": "x"});
    let of = |items: Json| refund(&stage, "return_delivered_order_items", &back(items));
    assert_eq!(of(json!(["3100400003"])), "[141.75]");
    assert_eq!(of(json!(["3100400003", "3100800002", "3100400003"])), "[141.75,112.05,141.75]");
    assert_eq!(of(json!(["3100400003", "1"])), "[141.75]");
    assert_eq!(of(json!([])), "[]");
}

/// The verdicts that the recordings name, worked out with the limits as they stand in the policies.
#[test]
fn the_recordings_name_the_verdicts_of_the_limits() {
    #[derive(Deserialize)]
    struct Verdicts {
        verdicts: BTreeMap<String, String>,
    }
    let path = example().join("recordings/trajectories.jsonl");
    let named = lines::<Verdicts>(&path);
    let tools = tools();
    let mut seen = BTreeMap::new();
    for (conversation, named) in lines::<Conversation>(&path).iter().zip(named) {
        let stage = Stage::new();
        for (call, _) in conversation.calls() {
            let arguments = Json::Object(call.arguments);
            let gated = tools[&call.name].facts.contains_key("refund") && {
                let amounts: Vec<f64> =
                    serde_json::from_str(&refund(&stage, &call.name, &arguments)).unwrap();
                amounts.iter().sum::<f64>() > 500.0
            };
            let verdict = match call.name.as_str() {
                "modify_pending_order_payment" => "never",
                _ if gated => "approve",
                _ => "autonomous",
            };
            assert_eq!(named.verdicts[&call.id], verdict, "{}", call.id);
            *seen.entry(verdict).or_insert(0) += 1;
            stage.call(&call.name, arguments);
        }
    }
    assert_eq!(seen, BTreeMap::from([("approve", 3), ("autonomous", 24), ("never", 1)]));
}
