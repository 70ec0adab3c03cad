//! Waits: a run that has nothing to do until something happens.
//!
//! A wait is a step: asked for again under its key it gives its answer, or says that it still waits. Whether it is met is
//! looked at in the append of whatever could meet it, against rows alone, so that each wait wakes its run exactly once.

use serde::{Deserialize, Serialize};

use crate::action::Status;
use crate::approval::WithdrawnWhy;
use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Event;
use crate::id::{ActionId, RunId, TimerId};
use crate::refusal::Refusal;
use crate::signal::Inbox;
use crate::state::{self, Noun, Row, RowKey, Table};

/// Conditions of one wait.
pub const CONDITIONS_MAX: usize = 64;
/// Open waits of one run: an attached run may wait for several things at once.
pub const OPEN_MAX: usize = 256;

/// How many of its conditions a wait needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The first one that holds; ties by order in the request.
    Any,
    /// Every one.
    All,
}

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A signal of this name: its pseudonym.
    Signal(Digest),
    /// A moment.
    At(Millis),
    /// An action that is settled.
    Action(ActionId),
    /// A run that has ended.
    Run(RunId),
}

/// The timer of a wait: for `any` the earliest moment, for `all` the latest one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its id.
    pub id: TimerId,
    /// When it is due.
    pub due: Millis,
}

/// What answered a condition, as far as rows do not say so for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// The number of the condition, from 0.
    pub on: u32,
    /// Commitment of the signal that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Digest>,
}

/// A wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Pseudonym of its key within the run.
    pub key: Digest,
    /// Pseudonym of what was asked for.
    pub input: Digest,
    /// How many conditions it needs.
    pub mode: Mode,
    /// What it waits for.
    pub on: Vec<Condition>,
    /// The timer of its moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<Alarm>,
    /// Commitment of its key and its conditions in words.
    pub content: Option<Digest>,
    /// Its entry.
    pub seq: u64,
    /// When it was opened.
    pub at: Millis,
    /// What met it, and when; `None`: it still waits, or its run ended before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met: Option<(Vec<Met>, Millis)>,
}

/// The moment at which a wait must be looked at, where time alone may meet it.
pub fn moment(mode: Mode, on: &[Condition]) -> Option<Millis> {
    let moments = on.iter().filter_map(|condition| match condition {
        Condition::At(at) => Some(*at),
        Condition::Signal(_) | Condition::Action(_) | Condition::Run(_) => None,
    });
    match mode {
        Mode::Any => moments.min(),
        Mode::All => moments.max(),
    }
}

impl Wait {
    /// Whether this is what was asked for, and not another wait under its key.
    pub fn answers(&self, input: &Digest) -> Result<(), Refusal> {
        if self.input == *input {
            Ok(())
        } else {
            Err(Refusal::StepMismatch { what: "conditions", kind: "wait" })
        }
    }

    /// The numbers of the conditions that meet it now, in order; empty: it still waits.
    pub fn look(&self, table: &dyn Table, run: &RunId, now: Millis) -> Vec<u32> {
        // Two conditions on one name need two signals.
        let mut taken: Vec<&Digest> = vec![];
        let mut holding = vec![];
        for (number, condition) in self.on.iter().enumerate() {
            let holds = match condition {
                Condition::Signal(name) => {
                    let before = taken.iter().filter(|other| **other == name).count() as u64;
                    let holds = state::inbox(table, &Inbox::row_id(run, name))
                        .is_some_and(|inbox| inbox.unread() > before);
                    taken.push(name);
                    holds
                }
                Condition::At(at) => *at <= now,
                Condition::Action(action) => is_settled(table, action),
                Condition::Run(run) => has_ended(table, run),
            };
            match (holds, self.mode) {
                (true, Mode::Any) => return vec![u32::try_from(number).unwrap_or(u32::MAX)],
                (true, Mode::All) => holding.push(u32::try_from(number).unwrap_or(u32::MAX)),
                (false, Mode::Any) => {}
                (false, Mode::All) => return vec![],
            }
        }
        holding
    }

    /// The entries that say that these conditions met it. What lost and waits for a person is taken back.
    pub fn meet(&self, table: &dyn Table, run: &RunId, by: Vec<u32>) -> Vec<Event> {
        let lost = self.on.iter().enumerate().filter_map(|(number, condition)| match condition {
            Condition::Action(action) if !by.iter().any(|on| *on as usize == number) => Some(action),
            _ => None,
        });
        let mut events = vec![];
        for action in lost {
            let Some(action) = state::action(table, action).filter(|row| row.status == Status::Waiting)
            else {
                continue;
            };
            let approval = action.approval.as_ref().and_then(|id| state::approval(table, id));
            events.extend(approval.and_then(|row| row.withdraw(WithdrawnWhy::Lost).ok()).unwrap_or_default());
        }
        events.insert(0, Event::WaitMet { run: run.clone(), key: self.key, by });
        events
    }
}

/// Whether nothing more will happen to the action; one that is gone has been settled for long.
fn is_settled(table: &dyn Table, action: &ActionId) -> bool {
    match table.get(&RowKey::new(Noun::Action, action)).as_deref() {
        Some(Row::Action(action)) => action.status.is_final(),
        _ => true,
    }
}

fn has_ended(table: &dyn Table, run: &RunId) -> bool {
    match table.get(&RowKey::new(Noun::Run, run)).as_deref() {
        Some(Row::Run(run)) => run.finished.is_some(),
        _ => true,
    }
}
