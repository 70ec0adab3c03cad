//! Conversations that were recorded with the original system: every answer and every final state must be the same.
//!
//! The recordings stay outside of the repository. `COUNTERSIGN_DATA` names the folder that holds them; without it nothing
//! is compared and that is said, with `COUNTERSIGN_REQUIRE_DATA=1` it is a failure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::stage::Stage;

#[derive(Debug, Deserialize)]
pub(crate) struct Conversation {
    pub task_id: String,
    #[serde(default)]
    pub trial: u64,
    #[serde(default)]
    pub faults: Faults,
    pub messages: Vec<Message>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Faults {
    #[serde(default)]
    pub unavailable_writes: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub content: Option<String>,
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
    pub tool_call_id: Option<String>,
    #[serde(default)]
    pub error: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
struct FinalState {
    task_id: String,
    trial: u64,
    changed_orders: BTreeMap<String, String>,
    changed_users: BTreeMap<String, String>,
}

impl Conversation {
    /// Calls with the message that holds the answer, by its position.
    pub(crate) fn calls(&self) -> Vec<(ToolCall, usize)> {
        let calls: BTreeMap<&str, &ToolCall> =
            self.messages.iter().flat_map(|m| &m.tool_calls).map(|call| (call.id.as_str(), call)).collect();
        let answers = self.messages.iter().enumerate();
        let answers = answers.filter_map(|(at, message)| Some((message.tool_call_id.as_deref()?, at)));
        answers.map(|(id, at)| ((*calls[id]).clone(), at)).collect()
    }
}

pub(crate) fn lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn data() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("COUNTERSIGN_DATA")?);
    folder.join("tau-retail-run-a").is_dir().then_some(folder)
}

#[test]
fn every_recorded_answer_and_final_state_is_reproduced() {
    let Some(folder) = data() else {
        let required = std::env::var("COUNTERSIGN_REQUIRE_DATA").is_ok_and(|value| value == "1");
        eprintln!("real-data: ran 0, skipped 1 (COUNTERSIGN_DATA names no folder with tau-retail-run-a)");
        assert!(!required, "COUNTERSIGN_REQUIRE_DATA=1 and there is no data");
        return;
    };
    let run = folder.join("tau-retail-run-a");
    let finals: BTreeMap<_, _> = lines::<FinalState>(&run.join("final_state.jsonl"))
        .into_iter()
        .map(|state| ((state.task_id.clone(), state.trial), state))
        .collect();
    let stage = Stage::with(&folder.join("tau-retail-domain"), 0);
    let (mut calls, mut same, mut states) = (0, 0, 0);
    let conversations: Vec<Conversation> = lines(&run.join("trajectories.jsonl"));
    for conversation in &conversations {
        for (call, at) in conversation.calls() {
            let recorded = &conversation.messages[at];
            let answer = stage.call(&call.name, Json::Object(call.arguments));
            calls += 1;
            same += usize::from(
                Some(&answer.text) == recorded.content.as_ref() && answer.is_error == recorded.error,
            );
        }
        let state = &finals[&(conversation.task_id.clone(), conversation.trial)];
        let changed = stage.crm.changed();
        states += usize::from(changed.orders == state.changed_orders && changed.users == state.changed_users);
        stage.crm.reset(0).unwrap();
    }
    eprintln!(
        "real-data: ran 1, skipped 0; {same} of {calls} answers, {states} of {} states",
        conversations.len()
    );
    assert_eq!((same, states), (calls, conversations.len()));
    assert_eq!((calls, states), (818, 102), "all recorded calls were compared");
}
