//! Steps: what a run did and need not do again (DESIGN §7).
//!
//! A step is a key, a kind and a digest of its input. A recorded step is a memo: asked for again, it gives its result; the
//! same key with another kind or input is a mistake of the program. Only what is final is recorded, a failure too: what was
//! interrupted is done again, which is why a step must not change the world. Changing the world is an action.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Event;
use crate::id::RunId;
use crate::refusal::Refusal;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Plain work of the program.
    Task,
    /// Something was read that the run relies on.
    Context,
    /// A model was asked.
    Think,
    /// A choice, with its reasons.
    Decide,
}

impl StepKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Task, Self::Context, Self::Think, Self::Decide];

    /// The kind as it stands in requests and answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Context => "context",
            Self::Think => "think",
            Self::Decide => "decide",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// With a result.
    Done,
    /// With an error that another try would not mend.
    Failed,
}

/// A step, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepCall {
    /// Pseudonym of its key within the run.
    pub key: Digest,
    /// What it does.
    pub kind: StepKind,
    /// Pseudonym of the digest of its input.
    pub input: Digest,
}

/// A step that was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// Pseudonym of the digest of its input.
    pub input: Digest,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Commitment of its key and its result.
    pub result: Option<Digest>,
    /// Its entry: steps of a run are in this order.
    pub seq: u64,
    /// When it was recorded.
    pub at: Millis,
}

impl Step {
    /// The id of its row: the steps of a run stand together.
    pub fn row_id(run: &RunId, key: &Digest) -> String {
        format!("{run}/{key}")
    }

    /// Whether this is what was asked for, and not another step under its key.
    pub fn answers(&self, call: &StepCall) -> Result<(), Refusal> {
        let what = match (self.kind == call.kind, self.input == call.input) {
            (true, true) => return Ok(()),
            (false, _) => "kind",
            (true, false) => "input",
        };
        Err(Refusal::StepMismatch { what, kind: self.kind.word() })
    }
}

impl StepCall {
    /// The entry that records it.
    pub fn record(&self, run: &RunId, outcome: StepOutcome) -> Event {
        Event::StepRecorded { run: run.clone(), key: self.key, kind: self.kind, input: self.input, outcome }
    }
}
