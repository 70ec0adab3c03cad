//! One run of one agent: one piece of work, which may last months.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Event;
use crate::id::{AgentId, PersonId, RunId};
use crate::refusal::Refusal;

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
}

impl Run {
    /// Whether it can take another action.
    pub fn open(&self) -> Result<(), Refusal> {
        match self.finished {
            None => Ok(()),
            Some((outcome, _)) => Err(Refusal::RunFinished { run: self.id.clone(), outcome }),
        }
    }

    /// Ends it; ending it again in the same way changes nothing.
    pub fn finish(&self, outcome: RunOutcome) -> Result<Vec<Event>, Refusal> {
        match self.finished {
            Some((before, _)) if before == outcome => Ok(vec![]),
            Some((outcome, _)) => Err(Refusal::RunFinished { run: self.id.clone(), outcome }),
            None => Ok(vec![Event::RunFinished { run: self.id.clone(), outcome }]),
        }
    }
}
