//! Retention: how long what runs hold is kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/retention`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Retention {
    /// Days that the class `standard` keeps, unless the workspace says otherwise.
    pub standard_days: i64,
    /// By agent.
    pub agents: Vec<AgentRetention>,
    /// Runs whose content is to be let go now.
    pub due: u64,
    /// Runs past their retention that a legal hold keeps.
    pub held: u64,
    /// Runs past their retention that have an action whose outcome is open.
    pub unsettled: u64,
    /// Threads that nobody wrote to for as long, and that are to be let go now.
    #[serde(default)]
    pub threads: u64,
    /// After a long absence somebody has to apply it once: `POST /v1/retention/apply`.
    pub waits: bool,
}

/// How long what the runs of an agent hold is kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AgentRetention {
    /// The agent.
    pub agent: String,
    /// Its class.
    pub class: String,
    /// Days after the end of a run.
    pub days: i64,
}

/// `POST /v1/retention/apply`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LetGo {
    /// Runs whose content was let go.
    pub runs: u64,
    /// Subjects whose keys were destroyed. Those that younger runs need are kept.
    pub subjects: u64,
    /// Keys that were destroyed.
    pub keys: u64,
    /// Runs that a legal hold keeps.
    pub held: u64,
    /// Runs that an open outcome keeps.
    pub unsettled: u64,
    /// Threads whose content was let go.
    #[serde(default)]
    pub threads: u64,
}

/// `POST /v1/retention/prune`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
}

/// What went, or would.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Pruned {
    /// Segments of the journal.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first entry of the workspace's log that is there then; 0 where nothing goes.
    pub first_entry: u64,
}
