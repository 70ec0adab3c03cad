//! Recorded conversations: one JSON object a line, with the messages of customer, agent and tools.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Recordings larger than this are not conversations.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why recordings cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("`{path}` cannot be read: {cause}")]
    Unreadable { path: PathBuf, cause: std::io::Error },
    /// The file is too large.
    #[error("`{path}` is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge { path: PathBuf },
    /// A line is not a conversation.
    #[error("`{path}`, line {line}: {cause}")]
    Line { path: PathBuf, line: usize, cause: serde_json::Error },
    /// A call has no answer.
    #[error("`{path}`, line {line}: the call `{call}` has no answer")]
    Unanswered { path: PathBuf, line: usize, call: String },
}

/// One recorded conversation.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Names it among all of a file: `RUN/TASK/TRIAL`.
    pub id: String,
    /// The task.
    pub task: String,
    /// The trial of the task.
    pub trial: i64,
    /// The customer's first words, for people.
    pub title: String,
    /// Its tool calls, in order.
    pub calls: Vec<Call>,
}

/// One recorded tool call with its answer.
#[derive(Clone, Debug)]
pub struct Call {
    /// Position in the conversation, from 0.
    pub index: usize,
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
    /// What the agent said with it or last before it.
    pub said: Option<String>,
    /// What the tool answered then.
    pub output: String,
    /// The tool refused.
    pub error: bool,
}

#[derive(Deserialize)]
struct Line {
    run: String,
    #[serde(default)]
    trial: i64,
    task_id: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
    #[serde(default)]
    tool_call_id: Option<String>,
    #[serde(default)]
    error: bool,
}

#[derive(Deserialize)]
struct ToolCall {
    id: String,
    name: String,
    arguments: Value,
}

/// Reads every conversation of a file, or of every `*.jsonl` file of a folder in order of name.
pub fn load(path: &Path) -> Result<Vec<Conversation>, RecordingError> {
    let unreadable = |cause| RecordingError::Unreadable { path: path.to_owned(), cause };
    if path.is_dir() {
        // A folder of recordings holds its conversations in one file; what else lies there is for comparing.
        return load(&path.join("trajectories.jsonl"));
    }
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(RecordingError::TooLarge { path: path.to_owned() });
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            let number = index + 1;
            let line: Line = serde_json::from_str(line).map_err(|cause| RecordingError::Line {
                path: path.to_owned(),
                line: number,
                cause,
            })?;
            conversation(line).map_err(|call| RecordingError::Unanswered {
                path: path.to_owned(),
                line: number,
                call,
            })
        })
        .collect()
}

/// Pairs calls with their answers; the error names a call without one.
fn conversation(line: Line) -> Result<Conversation, String> {
    let mut calls: Vec<Call> = vec![];
    let mut said: Option<String> = None;
    let title = line.messages.iter().find(|m| m.role == "user").and_then(|m| m.content.clone());
    let answer =
        |id: &str| line.messages.iter().find(|m| m.role == "tool" && m.tool_call_id.as_deref() == Some(id));
    for message in line.messages.iter().filter(|m| m.role == "assistant") {
        if let Some(text) = message.content.as_deref().filter(|text| !text.is_empty()) {
            said = Some(text.chars().take(2_000).collect());
        }
        for call in &message.tool_calls {
            let answer = answer(&call.id).ok_or_else(|| call.id.clone())?;
            calls.push(Call {
                index: calls.len(),
                tool: call.name.clone(),
                arguments: call.arguments.clone(),
                said: said.clone(),
                output: answer.content.clone().unwrap_or_default(),
                error: answer.error,
            });
        }
    }
    Ok(Conversation {
        id: format!("{}/{}/{}", line.run, line.task_id, line.trial),
        task: line.task_id,
        trial: line.trial,
        title: title.unwrap_or_default().chars().take(120).collect(),
        calls,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Conversation, String> {
        conversation(serde_json::from_str(text).expect("a line"))
    }

    #[test]
    fn calls_are_paired_with_their_answers_and_the_words_before_them() {
        let line = r#"{"run":"r","task_id":"7","messages":[
            {"role":"user","content":"hello"},
            {"role":"assistant","content":"I look","tool_calls":[{"id":"a","name":"get","arguments":{"x":1}}]},
            {"role":"tool","tool_call_id":"a","content":"out","error":false},
            {"role":"assistant","content":null,"tool_calls":[{"id":"b","name":"put","arguments":{}}]},
            {"role":"tool","tool_call_id":"b","content":"Error: no","error":true}]}"#;
        let conversation = parse(line).expect("whole");
        let calls: Vec<_> = conversation
            .calls
            .iter()
            .map(|c| (c.index, c.tool.as_str(), c.said.as_deref(), c.output.as_str(), c.error))
            .collect();
        assert_eq!(
            calls,
            [(0, "get", Some("I look"), "out", false), (1, "put", Some("I look"), "Error: no", true)]
        );
        assert_eq!((conversation.id.as_str(), conversation.title.as_str()), ("r/7/0", "hello"));
    }

    #[test]
    fn a_call_without_an_answer_is_named() {
        let line = r#"{"run":"r","task_id":"7","messages":[
            {"role":"assistant","tool_calls":[{"id":"a","name":"get","arguments":{}}]}]}"#;
        assert_eq!(parse(line).expect_err("unanswered"), "a");
    }
}
