//! The CRM's own ledger: what really happened, by the system that it happened in.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use retail_agent::Call;
use serde_json::Value;

/// The tools that change a record.
const WRITES: [&str; 7] = [
    "cancel_pending_order",
    "exchange_delivered_order_items",
    "modify_pending_order_address",
    "modify_pending_order_items",
    "modify_pending_order_payment",
    "modify_user_address",
    "return_delivered_order_items",
];

/// Whether a tool changes a record.
pub(crate) fn is_write(tool: &str) -> bool {
    WRITES.contains(&tool)
}

/// Writes by tool and arguments, with how often.
pub(crate) type Effects = BTreeMap<(String, String), u64>;

/// Counts one write.
pub(crate) fn count(effects: &mut Effects, tool: &str, arguments: &Value) {
    *effects.entry((tool.to_owned(), sorted(arguments))).or_default() += 1;
}

/// Equal arguments as equal texts, whatever the order of their members on the wire.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<&String, String> =
                members.iter().map(|(name, value)| (name, sorted(value))).collect();
            let members: Vec<String> =
                members.iter().map(|(name, text)| format!("{name:?}:{text}")).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}

/// The applied writes of a ledger: a JSON array, or one object a line.
pub(crate) fn applied(text: &str) -> Result<Effects> {
    let lines: Vec<Value> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).context("the ledger is not JSON")?
    } else {
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .context("a line of the ledger is not JSON")?
    };
    let mut effects = Effects::new();
    for line in lines {
        let kind = line["kind"].as_str().unwrap_or("applied");
        let tool = line["tool"].as_str().unwrap_or_default();
        if kind == "applied" && is_write(tool) {
            count(&mut effects, tool, &line["arguments"]);
        }
    }
    Ok(effects)
}

/// How many writes happened too often, and how many too seldom.
pub(crate) fn compare(expected: &Effects, happened: &Effects) -> (u64, u64) {
    let mut both: Vec<_> = expected.keys().chain(happened.keys()).collect();
    both.sort();
    both.dedup();
    both.into_iter().fold((0, 0), |(more, less), write| {
        let wanted = expected.get(write).copied().unwrap_or(0);
        let seen = happened.get(write).copied().unwrap_or(0);
        (more + seen.saturating_sub(wanted), less + wanted.saturating_sub(seen))
    })
}

/// Whether the ledger holds one more of this write than was accounted for.
pub(crate) fn holds(happened: &Effects, accounted: &Effects, call: &Call) -> bool {
    let write = (call.tool.clone(), sorted(&call.arguments));
    happened.get(&write).copied().unwrap_or(0) > accounted.get(&write).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_twice_and_what_never_did_are_counted() {
        let ledger = concat!(
            r#"{"kind":"applied","tool":"cancel_pending_order","arguments":{"b":1,"a":2}}"#,
            "\n",
            r#"{"kind":"applied","tool":"cancel_pending_order","arguments":{"a":2,"b":1}}"#,
            "\n",
            r#"{"kind":"refused","tool":"modify_user_address","arguments":{}}"#,
            "\n"
        );
        let happened = applied(ledger).expect("a ledger");
        let mut expected = Effects::new();
        count(&mut expected, "cancel_pending_order", &serde_json::json!({"a": 2, "b": 1}));
        count(&mut expected, "modify_user_address", &serde_json::json!({}));
        assert_eq!(compare(&expected, &happened), (1, 1));
    }
}
