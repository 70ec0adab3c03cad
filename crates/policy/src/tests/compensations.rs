//! What is registered to take an effect back, and answers against the schema that was pinned.

use kernel::clock::Millis;
use kernel::judge::{FactFault, Judge};
use kernel::ports::Output;
use serde_json::{Value, json};

use super::shop::{Files, bundle, files, tool};

/// The shop: notes can be taken back, and orders promise what they look like.
fn shop() -> Files {
    let mut files = files();
    let connector = files.get_mut("connectors/crm.toml").unwrap();
    connector.push_str(
        "[tools.note.compensation]\ntool = \"note\"\n\
         arguments = \"{order_id: .arguments.order_id, text: .output.before}\"\n",
    );
    let manifest = files.get_mut("connectors/crm.manifest.json").unwrap();
    let promise = r#""name": "get_order", "outputSchema": {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}"#;
    *manifest = manifest.replacen(r#""name": "get_order""#, promise, 1);
    files
}

fn output(structured: Value) -> Output {
    let content = vec![json!({"type": "text", "text": structured.to_string()})];
    Output { content, structured: Some(structured), is_error: false }
}

#[test]
fn a_compensation_is_made_of_what_was_asked_and_answered() {
    let bundle = bundle(&shop());
    let registered = bundle.compensation(&tool("crm.note")).unwrap();
    assert_eq!(registered.tool, tool("crm.note"));
    let arguments = json!({"order_id": "A", "text": "new"});
    let undo = |answer: Value| bundle.compensate(&registered, &arguments, &[], &output(answer));
    assert_eq!(undo(json!({"before": "old"})), Ok(json!({"order_id": "A", "text": "old"})));
    assert_eq!(undo(json!([1])), Err(FactFault::Absent));
    assert!(bundle.compensation(&tool("crm.refund")).is_none());
}

#[test]
fn an_answer_that_does_not_fit_is_told_and_is_no_fact() {
    let bundle = bundle(&shop());
    let order = tool("crm.get_order");
    let items = json!([{"price": "1.00"}]);
    let (good, bad) =
        (output(json!({"status": "new", "items": items})), output(json!({"status": 7, "items": items})));
    assert_eq!(bundle.output_problem(&order, &good), None);
    assert_eq!(bundle.output_problem(&order, &bad).unwrap(), "/status: 7 is not of type \"string\"");
    let bare = Output { structured: None, ..good.clone() };
    assert!(bundle.output_problem(&order, &bare).is_some(), "promised and not there");
    assert_eq!(bundle.output_problem(&order, &Output { is_error: true, ..bare.clone() }), None);
    assert_eq!(bundle.output_problem(&tool("crm.note"), &bare), None, "nothing was promised");

    let refund = tool("crm.refund");
    let fact = |answer: &Output| {
        bundle
            .fact(&refund, "refund", &json!({"order_id": "A"}), Some(answer), Millis(0))
            .map(|fact| fact.value)
    };
    assert_eq!(fact(&good), Ok(json!(100)));
    assert_eq!(fact(&bad), Err(FactFault::Invalid));
    let paid = output(json!({"status": 7}));
    assert_eq!(bundle.looked_up(&refund, &json!({}), &paid), Err(FactFault::Invalid));
}
