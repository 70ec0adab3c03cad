//! What a system answered, bounded and tamed before anybody else sees it.
//!
//! Numbers that other JSON readers would round become text (the rule of journal entries), nesting and the number of
//! blocks are capped. The meaning of an answer is not judged here.

use kernel::json::SAFE_INTEGER_MAX;
use kernel::ports::Output;
use rmcp::model::CallToolResult;
use serde_json::Value;

use crate::fault::Fault;
use crate::wire;

/// Objects and arrays inside one another.
const DEPTH_MAX: usize = 64;
/// Content blocks of one answer.
const BLOCKS_MAX: usize = 1_024;

/// Takes in the result of an MCP tool.
pub(crate) fn of_mcp(result: CallToolResult, bytes_max: usize) -> Result<Output, Fault> {
    if result.content.len() > BLOCKS_MAX {
        return Err(Fault::unknown(format!("the answer has more than {BLOCKS_MAX} content blocks")));
    }
    let content: Result<Vec<Value>, _> = result.content.into_iter().map(serde_json::to_value).collect();
    let content = content.map_err(|error| Fault::unknown(format!("the answer cannot be kept: {error}")))?;
    let structured = result.structured_content.filter(|value| !value.is_null());
    let output = Output { content, structured, is_error: result.is_error == Some(true) };
    bounded(output, bytes_max)
}

/// Takes in the body of a plain HTTP answer: text, or JSON as text and as a structured result.
pub(crate) fn of_http(media: &str, body: &[u8], bytes_max: usize) -> Result<Output, Fault> {
    let Ok(text) = std::str::from_utf8(body) else {
        return Err(Fault::unknown(format!("the answer (`{}`) is not text", crate::spec::shown(media))));
    };
    let is_json = media == "application/json" || media.ends_with("+json");
    let is_text = media.is_empty() || media.starts_with("text/");
    if !(is_json || is_text || text.is_empty()) {
        return Err(Fault::unknown(format!(
            "the answer is `{}`, neither JSON nor text",
            crate::spec::shown(media)
        )));
    }
    let mut output = Output::text_of(text, false);
    if is_json && !text.is_empty() {
        let value = serde_json::from_str(text);
        output.structured =
            Some(value.map_err(|error| Fault::unknown(format!("the answer is not valid JSON: {error}")))?);
    }
    bounded(output, bytes_max)
}

/// The bytes were counted when they arrived; written out again they may take up to twice the room (a text beside its
/// structured twin, other escapes). A line of a child process is bounded here only.
fn bounded(mut output: Output, bytes_max: usize) -> Result<Output, Fault> {
    for value in output.content.iter_mut().chain(&mut output.structured) {
        tame(value, 0)?;
    }
    let mut room = Room(bytes_max.saturating_mul(2));
    match serde_json::to_writer(&mut room, &(&output.content, &output.structured)) {
        Ok(()) => Ok(output),
        Err(_) => Err(wire::too_large(bytes_max)),
    }
}

/// Recursion is bounded by `DEPTH_MAX`; the parser stopped at 128 before.
fn tame(value: &mut Value, depth: usize) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::unknown(format!("the answer is nested deeper than {DEPTH_MAX} levels")));
    }
    match value {
        Value::Number(number) => {
            let exact = match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => (-SAFE_INTEGER_MAX..=SAFE_INTEGER_MAX).contains(&integer),
                #[expect(clippy::cast_precision_loss, reason = "2^53 is exact in a double")]
                (None, Some(float)) => float.abs() <= SAFE_INTEGER_MAX as f64,
                (None, None) => false,
            };
            if !exact {
                *value = Value::String(number.to_string());
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| tame(item, depth + 1)),
        Value::Object(members) => members.values_mut().try_for_each(|member| tame(member, depth + 1)),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

/// Counts bytes and keeps none.
struct Room(usize);

impl std::io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
