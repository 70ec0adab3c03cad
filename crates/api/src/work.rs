//! What workers and the server say to each other on `GET /v1/work`: one JSON message in each text frame of a WebSocket.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Action, Condition, NewStep, Problem, Step, Wait};

/// The subprotocol of the WebSocket.
pub const WORK_PROTOCOL: &str = "countersign.work.v1";
/// The largest frame of a worker.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// What a worker says. `id` is its own choice, and comes back with the answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromWorker {
    /// The first frame: what it knows how to do.
    Hello {
        id: u64,
        tasks: Vec<String>,
        slots: usize,
        #[serde(default)]
        versions: Vec<i64>,
        #[serde(default)]
        resume: Vec<Held>,
    },
    /// Records steps.
    Steps { id: u64, run: String, attempt: u64, steps: Vec<NewStep> },
    /// Waits; where it is not met, the run is the worker's no more.
    Wait {
        id: u64,
        run: String,
        attempt: u64,
        key: String,
        #[serde(default)]
        any_of: Option<Vec<Condition>>,
        #[serde(default)]
        all_of: Option<Vec<Condition>>,
    },
    /// Proposes an action; the key is its idempotency key.
    Action {
        id: u64,
        run: String,
        attempt: u64,
        key: String,
        tool: String,
        #[serde(default)]
        arguments: Value,
        #[serde(default)]
        reason: Option<String>,
        #[serde(default)]
        wait_ms: Option<u64>,
    },
    /// Ends the run.
    Finish {
        id: u64,
        run: String,
        attempt: u64,
        outcome: String,
        #[serde(default)]
        result: Option<Value>,
        #[serde(default)]
        error: Option<Value>,
    },
    /// The attempt failed; it is tried again later.
    Fail { id: u64, run: String, attempt: u64, error: Value },
    /// Gives the run back, for another worker.
    Release { id: u64, run: String, attempt: u64 },
    /// A sign of life, for all of its runs.
    Beat {},
}

/// A run that a worker has.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The run.
    pub run: String,
    /// Its attempt.
    pub attempt: u64,
}

/// What the server says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// The worker is taken on.
    Welcome {
        id: u64,
        worker: String,
        /// Without a sign of life for so long a worker has its runs no more.
        lease_ms: i64,
        /// Runs that it had and has no more.
        lost: Vec<String>,
    },
    /// The worker has this run now.
    Run(Box<GivenRun>),
    /// What was asked for is done, and on the disk.
    Done {
        id: u64,
        #[serde(flatten)]
        done: Done,
    },
    /// It was not, and nothing changed.
    Refused { id: u64, problem: Box<Problem> },
    /// The worker has this run no more: `cancelled`, `paused`, `lapsed`.
    Stop { run: String, why: String },
}

/// A run as a worker gets it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GivenRun {
    /// The run.
    pub run: String,
    /// What is to be done.
    pub task: String,
    /// Carried by every write on it.
    pub attempt: u64,
    /// What it began with.
    pub input: Value,
    /// The version of the agent that it is pinned to.
    pub agent_version: i64,
    /// What need not be done again, oldest first.
    pub steps: Vec<Step>,
    /// There are more steps: `GET /v1/runs/{run}/steps?after=` gives those after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps_next: Option<String>,
    /// Waits on record.
    pub waits: Vec<Wait>,
}

/// What was done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// The steps, in the order of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Step>>,
    /// The wait: without `met` the run is the worker's no more.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// The action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Box<Action>>,
}
