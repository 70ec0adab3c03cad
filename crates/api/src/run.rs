//! Runs on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `POST /v1/runs`: starts a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// The agent; an agent's own key may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// A line for people: what this run is about. Sealed with the run's data key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The person of the workspace for whom the run acts; that person cannot approve its actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The conversation or ticket that it serves: the same one gives the same run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// What the agent's workers are to do: the server gives the run to one of them, and to another one when that fails.
    /// Without it, whoever starts the run drives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What the run begins with; any JSON. Sealed with the run's data key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub input: Option<Value>,
    /// 0 to 9, 9 first; 5 where nothing is said. For runs with a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// By when it must have ended, in milliseconds since 1970; then it is ended as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
    /// The run that starts it. It is cancelled with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// `run_…`
    pub id: String,
    /// Its agent.
    pub agent: String,
    /// The agent's version.
    pub agent_version: i64,
    /// The line for people.
    pub title: Option<String>,
    /// For whom it acts.
    pub on_behalf_of: Option<String>,
    /// `open`, `done`, `failed`, `cancelled`
    pub status: String,
    /// What an open run does: `attached` (whoever started it drives it), `ready`, `working`, `waiting`, `paused`, `parked`,
    /// `retrying`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// What workers are to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// How often it was given to a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// 0 to 9, 9 first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// By when it must have ended, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
    /// The run that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The incident that holds it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// What it began with; of one run, not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub input: Option<Value>,
    /// What it brought; of one run, not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Why it failed, or its last attempt did; of one run, not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
    /// Milliseconds since 1970.
    pub started_at: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// Actions proposed.
    pub actions: u64,
    /// Actions that wait for a person.
    pub waiting: u64,
    /// Actions refused, rejected, expired, failed.
    pub stopped: u64,
    /// Actions whose outcome is unknown.
    pub unknown: u64,
    /// When something last happened in it.
    pub last_at: i64,
}

/// `POST /v1/runs/{run}/finish`: ends a run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishRun {
    /// `done`, `failed` or `cancelled`
    pub outcome: String,
    /// What it brought, where it is done; any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Why it did not, where it is not; any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
}

/// `POST /v1/runs/{run}/pause` and `/resume`, and what is done about incidents.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reasoned {
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One page of a list, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Give it as `after` to read on; absent at the end.
    pub next: Option<String>,
}
