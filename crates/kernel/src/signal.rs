//! Signals: what somebody tells a run. They are kept, not delivered: one that comes before its reader waits for it.
//!
//! The signals of a run and name stand in order. The first one that nobody read answers a wait, and is read by it once.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Event;
use crate::id::RunId;
use crate::refusal::Refusal;
use crate::run::Run;

/// Signals of one name that may wait for a run to read them: more are refused until it did.
pub const UNREAD_MAX: u64 = 10_000;

/// A signal that nobody read yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Commitment of its name and its value.
    pub content: Option<Digest>,
    /// Its entry.
    pub seq: u64,
    /// When it came.
    pub at: Millis,
}

/// The signals of one name: those from `first` on and before `next` wait to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbox {
    /// The first that nobody read.
    pub first: u64,
    /// The number of the next one to come.
    pub next: u64,
}

impl Inbox {
    /// The id of its row.
    pub fn row_id(run: &RunId, name: &Digest) -> String {
        format!("{run}/{name}")
    }

    /// The id of the row of a signal in it.
    pub fn signal_id(run: &RunId, name: &Digest, number: u64) -> String {
        format!("{run}/{name}/{number:012}")
    }

    /// How many wait to be read.
    pub fn unread(&self) -> u64 {
        self.next.saturating_sub(self.first)
    }
}

/// What a key of idempotency made: the entry, and the request for which it stands.
pub fn made(seq: u64, fingerprint: Option<&Digest>) -> String {
    format!("{seq} {}", fingerprint.map(ToString::to_string).unwrap_or_default())
}

/// A signal for a run: kept while it is open, whatever it does at the moment.
pub fn receive(
    run: &Run,
    inbox: Inbox,
    name: Digest,
    (signal, fingerprint): (Option<Digest>, Option<Digest>),
) -> Result<Event, Refusal> {
    run.open()?;
    if inbox.unread() >= UNREAD_MAX {
        return Err(Refusal::InboxFull { unread: inbox.unread() });
    }
    Ok(Event::SignalReceived { run: run.id.clone(), name, signal, fingerprint })
}
