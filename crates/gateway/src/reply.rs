//! An action as a tool result: the tool's own words where it was performed, ours where it was not.

use rmcp::model::CallToolResult;
use serde_json::{Value, json};

/// The result for an action as it stands.
pub(crate) fn of_action(action: &api::Action) -> CallToolResult {
    let meta = json!({
        "countersign/action": action.id,
        "countersign/status": action.status,
        "countersign/settled": action.settled,
    });
    match &action.output {
        Some(output) if matches!(action.status.as_str(), "confirmed" | "compensated" | "failed") => {
            let mut result = json!({
                "content": output.content,
                "isError": output.is_error,
                "_meta": meta,
            });
            // What is not as the tool's schema promises is passed on as text only.
            if let Some(structured) = output.structured.as_ref().filter(|_| !action.output_invalid) {
                result["structuredContent"] = structured.clone();
            }
            result_of(result)
        }
        _ => {
            // Waiting is no error: the call was taken. What will not happen is one, so that the model notices.
            let stopped = action.settled && !matches!(action.status.as_str(), "confirmed" | "compensated");
            result_of(json!({
                "content": [{ "type": "text", "text": words(action) }],
                "structuredContent": { "status": action.status, "handle": action.id, "settled": action.settled },
                "isError": stopped,
                "_meta": meta,
            }))
        }
    }
}

fn words(action: &api::Action) -> String {
    if action.settled {
        action.message.clone()
    } else {
        format!(
            "{}\nHandle: {}. Call the tool `countersign__await` with this handle to wait for the result; do not call \
             `{}` again for it.",
            action.message, action.id, action.tool
        )
    }
}

/// The result for a request that was not taken.
pub(crate) fn of_problem(problem: &api::Problem) -> CallToolResult {
    let more: Vec<&str> = problem.problems.iter().map(|one| one.message.as_str()).collect();
    let more = if more.is_empty() { String::new() } else { format!("\n- {}", more.join("\n- ")) };
    result_of(json!({
        "content": [{ "type": "text", "text": format!("{} ({}). {}{more}", problem.detail, problem.code, problem.hint) }],
        "structuredContent": { "status": "not_taken", "code": problem.code },
        "isError": true,
    }))
}

fn result_of(value: Value) -> CallToolResult {
    // A tool's content blocks are passed on as they came; one that MCP does not know becomes text.
    serde_json::from_value(value.clone()).unwrap_or_else(|_| {
        let text = value["content"].to_string();
        let plain = json!({ "content": [{ "type": "text", "text": text }], "isError": value["isError"] });
        serde_json::from_value(plain).expect("one text block is a tool result")
    })
}
