//! Runs on the wire.

use serde::{Deserialize, Serialize};
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
}

/// One page of a list, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Give it as `after` to read on; absent at the end.
    pub next: Option<String>,
}
