//! A request in, an answer out: decided and kept under one lock.
//!
//! INVARIANT: no cosignature leaves before the checkpoint under it is kept durably. Where keeping failed nobody knows what
//! is on the disk, so nothing is signed any more until the witness is started anew and reads what is there.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use kernel::clock::Clock;
use tlog::{AddCheckpoint, Checkpoint, Policy, Refusal, Witness};

use crate::key::SigningKey;
use crate::memory::Keep;

/// An answer in the words of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Texts for people and cosignatures.
const TEXT: &str = "text/plain; charset=utf-8";
/// The size that was seen last (tlog-witness).
const SIZE: &str = "text/x.tlog.size";

/// A witness at work.
pub struct Service {
    state: Mutex<State>,
    key: SigningKey,
    clock: Box<dyn Clock>,
}

struct State {
    witness: Witness,
    memory: Box<dyn Keep>,
    /// Why nothing is signed any more.
    broken: Option<String>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({:?})", self.key)
    }
}

impl Service {
    /// A witness of the policy's logs that remembers `seen`.
    pub fn new(
        policy: &Policy,
        memory: Box<dyn Keep>,
        seen: &[Checkpoint],
        key: SigningKey,
        clock: Box<dyn Clock>,
    ) -> Self {
        let mut witness = Witness::default();
        for log in policy.logs() {
            let keys = policy.logs().iter().filter(|key| key.name() == log.name()).cloned().collect();
            witness.follow(log.name(), keys);
        }
        for checkpoint in seen {
            // What is remembered of logs that are not followed now waits on the disk.
            let _followed = witness.restore(checkpoint.origin(), checkpoint.size(), *checkpoint.root());
        }
        Self { state: Mutex::new(State { witness, memory, broken: None }), key, clock }
    }

    /// What others verify its cosignatures with.
    pub fn verifier_key(&self) -> String {
        self.key.verifier_key()
    }

    /// Why it signs nothing any more, where that is so.
    pub fn broken(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).broken.clone()
    }

    /// `POST add-checkpoint`. Waits for the disk.
    pub fn add(&self, body: &[u8]) -> Answer {
        let Ok(body) = std::str::from_utf8(body) else {
            return refuse(&Refusal::Form("it is not UTF-8".to_owned()));
        };
        // A panic under the lock may have come between the decision and the disk: then nothing is signed any more.
        let Ok(mut state) = self.state.lock() else { return broken() };
        if state.broken.is_some() {
            return broken();
        }
        let accepted = match state.witness.add(body) {
            Ok(accepted) => accepted,
            Err(refusal) => return refuse(&refusal),
        };
        // What was accepted was parsed from this body.
        let note = AddCheckpoint::parse(body).map(|request| request.note).unwrap_or_default();
        let origin = accepted.checkpoint().origin().to_owned();
        if let Err(cause) = state.memory.keep(&origin, &note) {
            state.broken = Some(format!("what was seen of `{origin}` could not be kept: {cause}"));
            return broken();
        }
        let seconds = self.clock.now().wall.0.max(0).unsigned_abs() / 1_000;
        match accepted.cosign(&self.key, seconds) {
            Ok(line) => Answer { status: 200, content_type: TEXT, body: line },
            Err(cause) => Answer { status: 500, content_type: TEXT, body: format!("{cause}\n") },
        }
    }
}

fn refuse(refusal: &Refusal) -> Answer {
    let (content_type, body) = match refusal.size_body() {
        Some(size) => (SIZE, size),
        None => (TEXT, format!("{refusal}\n")),
    };
    Answer { status: refusal.status(), content_type, body }
}

fn broken() -> Answer {
    let body = "this witness could not keep what it saw, and signs nothing until it is started again\n";
    Answer { status: 500, content_type: TEXT, body: body.to_owned() }
}
