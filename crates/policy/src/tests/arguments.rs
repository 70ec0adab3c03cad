//! What reaches a tool: arguments that fit its pinned schema, with defaults bound, and nothing that policy cannot see.

use expect_test::{Expect, expect};
use kernel::judge::Judge;
use serde_json::Value;

use super::shop::{bundle, files, tool};

fn check(calls: &[(&str, &str)], expected: Expect) {
    let bundle = bundle(&files());
    let told: String = calls
        .iter()
        .map(|(name, arguments)| {
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            match bundle.parse(&tool(name), arguments) {
                Ok(bound) => format!("{bound}\n"),
                Err(error) => format!("{error}\n"),
            }
        })
        .collect();
    expected.assert_eq(&told);
}

#[test]
fn arguments_are_checked_against_the_pinned_schema() {
    check(
        &[
            ("crm.refund", r#"{"order_id":"A"}"#),
            ("crm.refund", r#"{"order_id":"A","reason":"late","memo":"x"}"#),
            ("crm.refund", r#"{"order_id":"A","meno":"x"}"#),
            ("crm.refund", r#"{"order_id":"A","whatever":1}"#),
            ("crm.note", r#"{"order_id":"A","txt":"x"}"#),
            ("crm.refund", "{}"),
            ("crm.refund", "null"),
            ("crm.refund", r#"{"order_id":7}"#),
            ("crm.note", r#"{"order_id":"A","tags":["a",2]}"#),
            ("crm.scale", r#"{"by":2.0}"#),
            ("crm.scale", r#"{"by":2.5}"#),
            ("crm.scale", "[1]"),
            ("crm.refunds", "{}"),
            ("shop.teleport", "{}"),
        ],
        expect![[r#"
            {"order_id":"A","reason":"none"}
            {"order_id":"A","reason":"late","memo":"x"}
            the arguments do not fit `crm.refund`: `meno` is not an argument; did you mean `memo`?
            the arguments do not fit `crm.refund`: `whatever` is not an argument
            the arguments do not fit `crm.note`: `txt` is not an argument; did you mean `text`?
            the arguments do not fit `crm.refund`: "order_id" is a required property
            the arguments do not fit `crm.refund`: "order_id" is a required property
            the arguments do not fit `crm.refund`: /order_id: 7 is not of type "string"
            the arguments do not fit `crm.note`: /tags/1: 2 is not of type "string"
            {"by":2.0}
            the arguments do not fit `crm.scale`: /by: 2.5 is not of type "integer"
            the arguments do not fit `crm.scale`: [1] is not of type "object"
            there is no tool `crm.refunds`; did you mean `crm.refund`?
            there is no tool `shop.teleport`
        "#]],
    );
}

/// Not golden, so that no re-recording can take it back: an unknown name is refused whatever the schema says of others,
/// unless it says that there may be more.
#[test]
fn what_policy_cannot_see_reaches_no_tool() {
    let closed = [
        r#"{"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"], "additionalProperties": false}"#,
        r#"{"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}"#,
        r#"{"type": "object", "additionalProperties": false}"#,
        r#"{"type": "object"}"#,
    ];
    let open =
        r#"{"type": "object", "properties": {"order_id": {"type": "string"}}, "additionalProperties": true}"#;
    let taken = |schema: &str| {
        let manifest = format!(r#"[{{"name": "free", "description": "", "inputSchema": {schema}}}]"#);
        let connector = "name = \"free\"\nkind = \"mcp\"\nurl = \"http://127.0.0.1:1/mcp\"\n[tools.free]\nclass = \"read\"\n";
        let mut files = files();
        files.insert("connectors/free.toml".to_owned(), connector.to_owned());
        files.insert("connectors/free.manifest.json".to_owned(), manifest);
        bundle(&files).parse(&tool("free.free"), serde_json::json!({"order_id": "A", "hidden": 1})).is_ok()
    };
    for schema in closed {
        assert!(!taken(schema), "{schema}");
    }
    assert!(taken(open));
}
