//! One run of one agent: one piece of work, which may last months.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Event;
use crate::id::{ActionId, AgentId, PersonId, RunId, TimerId};
use crate::lease::{Dispatch, Stand};
use crate::refusal::Refusal;

/// Open runs that a run may have started.
pub const CHILDREN_MAX: usize = 1_000;
/// Runs that may wait for the end of one.
pub const WATCHERS_MAX: usize = 1_000;
/// How deep runs may start runs.
pub const DEPTH_MAX: u32 = 4;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// The work is done.
    Done,
    /// The agent gave up.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl RunOutcome {
    /// As it stands in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What an open run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Whoever started it drives it.
    Attached,
    /// A worker may have it.
    Ready,
    /// A worker has it.
    Working,
    /// It waits for something, without a worker.
    Waiting,
    /// A person holds it.
    Paused,
    /// It failed too often, and an incident says so.
    Parked,
    /// Its last attempt failed; it is tried again later.
    Retrying,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Attached,
        Self::Ready,
        Self::Working,
        Self::Waiting,
        Self::Paused,
        Self::Parked,
        Self::Retrying,
    ];

    /// As it stands in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Ready => "ready",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Parked => "parked",
            Self::Retrying => "retrying",
        }
    }

    /// The phase of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.word() == word)
    }
}

/// By when a run must have ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The moment.
    pub at: Millis,
    /// Its timer, once it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<TimerId>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its agent.
    pub agent: AgentId,
    /// The version that it is pinned to.
    pub agent_version: i64,
    /// For whom it acts.
    pub on_behalf_of: Option<PersonId>,
    /// Commitment of its line for people.
    pub title: Option<Digest>,
    /// When it began.
    pub started_at: Millis,
    /// Digest of the start request: the same key with another body is a mistake.
    pub fingerprint: Option<Digest>,
    /// How it ended, and when.
    pub finished: Option<(RunOutcome, Millis)>,
    /// Actions proposed so far.
    pub actions: u64,
    /// When retention let go of what it held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsed_at: Option<Millis>,
    /// Who works on it, where workers do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<Box<Dispatch>>,
    /// A person holds it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// By when it must have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Deadline>,
    /// The run that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// How many runs are above it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth: u32,
    /// Open runs that it started.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub children: BTreeSet<RunId>,
    /// Runs that wait for its end.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub watchers: BTreeSet<RunId>,
    /// Its open waits, in the order in which they were opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Digest>,
    /// Its actions that a person was asked about and that were not carried on since.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub asked: BTreeSet<ActionId>,
    /// Commitment of what it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Digest>,
    /// Commitment of what it brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Digest>,
    /// Commitment of why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Digest>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(depth: &u32) -> bool {
    *depth == 0
}

impl Run {
    /// Whether it can take another action.
    pub fn open(&self) -> Result<(), Refusal> {
        match self.finished {
            None => Ok(()),
            Some((outcome, _)) => Err(Refusal::RunFinished { run: self.id.clone(), outcome }),
        }
    }

    /// What it does, while it is open.
    pub fn phase(&self) -> Option<Phase> {
        if self.finished.is_some() {
            return None;
        }
        if self.paused {
            return Some(Phase::Paused);
        }
        Some(match self.dispatch.as_ref().map(|dispatch| dispatch.stand) {
            None => Phase::Attached,
            Some(Stand::Ready) => Phase::Ready,
            Some(Stand::Working) => Phase::Working,
            Some(Stand::Waiting) => Phase::Waiting,
            Some(Stand::Retrying) => Phase::Retrying,
            Some(Stand::Parked) => Phase::Parked,
        })
    }

    /// Ends it; ending it again in the same way changes nothing.
    pub fn finish(&self, outcome: RunOutcome) -> Result<Vec<Event>, Refusal> {
        match self.finished {
            Some((before, _)) if before == outcome => Ok(vec![]),
            Some((outcome, _)) => Err(Refusal::RunFinished { run: self.id.clone(), outcome }),
            None => Ok(vec![Event::RunFinished { run: self.id.clone(), outcome }]),
        }
    }

    /// A person holds it; holding it again changes nothing.
    pub fn pause(&self) -> Result<Option<Event>, Refusal> {
        self.open()?;
        Ok((!self.paused).then(|| Event::RunPaused { run: self.id.clone() }))
    }

    /// A person lets it go on.
    pub fn resume(&self) -> Result<Option<Event>, Refusal> {
        self.open()?;
        Ok(self.paused.then(|| Event::RunResumed { run: self.id.clone() }))
    }
}
