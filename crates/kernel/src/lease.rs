//! Who works on a dispatched run. Volatile in time, durable in token: when a lease runs out is the engine's to know; the
//! attempt, which each write of a worker carries, is history.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Event;
use crate::id::{AgentId, IncidentId, PersonId, TaskName, WorkerId};
use crate::incident::Cause;
use crate::refusal::Refusal;
use crate::run::Run;

/// The highest priority.
pub const PRIORITY_MAX: u8 = 9;
/// The priority of a run that names none.
pub const PRIORITY: u8 = 5;
/// Attempts in a row without a new step in between, after which the run is parked.
pub const TRIES_MAX: u32 = 5;
/// Dispatched runs of an agent that says nothing else in its file.
pub const CONCURRENCY: u32 = 100;
/// Dispatched runs of the whole workspace.
pub const DISPATCHED_MAX: u32 = 10_000;

/// The first pause after a failed attempt; it doubles with each further one.
const PAUSE: Millis = Millis(1_000);
/// The longest pause.
const PAUSE_MAX: Millis = Millis(300_000);

/// Where a dispatched run stands, its pauses aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// A worker may have it.
    Ready,
    /// A worker has it.
    Working,
    /// It waits for something.
    Waiting,
    /// Its last attempt failed; a timer makes it ready again.
    Retrying,
    /// It failed too often; a person makes it ready again.
    Parked,
}

/// Why a worker has a run no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum YieldWhy {
    /// It waits for something.
    Waiting,
    /// The attempt failed.
    Failed,
    /// The worker gave no sign of life.
    Lapsed,
    /// The worker gave it back, or a person paused it.
    Released,
}

/// What is known of a run that workers do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// What is to be done.
    pub task: TaskName,
    /// 0 to 9, 9 first.
    pub priority: u8,
    /// How often it was given to a worker: the fencing token.
    pub attempt: u64,
    /// Failed attempts in a row without a new step in between.
    pub tries: u32,
    /// Where it stands.
    pub stand: Stand,
    /// The incident that parked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// Commitment of the error of the last failed attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Digest>,
}

impl Dispatch {
    /// A run that is to be given to a worker.
    pub fn new(task: TaskName, priority: u8) -> Self {
        Self { task, priority, attempt: 0, tries: 0, stand: Stand::Ready, incident: None, error: None }
    }
}

/// What the ids of the rows of ready runs begin with that are of one agent, at one version, and of one task.
pub fn queue(agent: &AgentId, version: i64, task: &TaskName) -> String {
    format!("{agent}/{version}/{task}/")
}

/// The id of the row of a ready run: sorts by priority, then by when the run began.
pub fn ready_id(run: &Run, dispatch: &Dispatch) -> String {
    let queue = queue(&run.agent, run.agent_version, &dispatch.task);
    format!("{queue}{}/{}", PRIORITY_MAX.saturating_sub(dispatch.priority), run.id)
}

/// How long a failed attempt rests, `chance` (0 to 255) spreading those that failed together.
pub fn pause(tries: u32, chance: u8) -> Millis {
    let doubled = PAUSE.0.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(PAUSE_MAX.0);
    Millis(doubled + doubled * i64::from(chance) / 1_024)
}

/// What became known about an attempt that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// How.
    pub why: YieldWhy,
    /// It recorded something new.
    pub progressed: bool,
}

impl Run {
    /// Whether a write may come from whoever brings this token: the current worker of a dispatched run, anybody for others.
    pub fn fenced(&self, attempt: Option<u64>) -> Result<(), Refusal> {
        self.open()?;
        if self.paused {
            return Err(Refusal::RunPaused { run: self.id.clone() });
        }
        match (&self.dispatch, attempt) {
            (None, None) => Ok(()),
            (Some(dispatch), Some(attempt))
                if dispatch.stand == Stand::Working && dispatch.attempt == attempt =>
            {
                Ok(())
            }
            _ => Err(Refusal::LeaseLost { run: self.id.clone() }),
        }
    }

    /// A worker gets it.
    pub fn give(&self, worker: &WorkerId) -> Result<Event, Refusal> {
        self.open()?;
        match &self.dispatch {
            Some(dispatch) if dispatch.stand == Stand::Ready && !self.paused => Ok(Event::RunDispatched {
                run: self.id.clone(),
                attempt: dispatch.attempt + 1,
                worker: worker.clone(),
            }),
            _ => Err(Refusal::LeaseLost { run: self.id.clone() }),
        }
    }

    /// The worker has it no more. Empty where no worker has it.
    pub fn take_back(&self, ended: Ended) -> Vec<Event> {
        let Some(dispatch) = self.dispatch.as_ref().filter(|dispatch| dispatch.stand == Stand::Working)
        else {
            return vec![];
        };
        let before = if ended.progressed { 0 } else { dispatch.tries };
        let tries = match ended.why {
            YieldWhy::Waiting => 0,
            YieldWhy::Released => before,
            YieldWhy::Failed | YieldWhy::Lapsed => before + 1,
        };
        vec![Event::RunYielded { run: self.id.clone(), attempt: dispatch.attempt, why: ended.why, tries }]
    }

    /// It failed too often: it is parked until a person resolves the incident.
    pub fn park(&self, incident: IncidentId, owner: PersonId) -> Event {
        Event::IncidentOpened {
            incident,
            cause: Cause::RunFailing,
            agent: self.agent.clone(),
            run: Some(self.id.clone()),
            owner,
        }
    }
}
