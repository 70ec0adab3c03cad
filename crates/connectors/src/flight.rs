//! One call on its way, and the moment when it leaves.
//!
//! Between our asking and the first byte there is a queue that is not ours (the protocol library's). Whoever gives up
//! and whoever sends decide here, by one atomic step, which of them was first: a call that was given up on is never
//! sent afterwards, and a call that left is never called "not sent".

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::fault::Fault;

const WAITING: u8 = 0;
const LEFT: u8 = 1;
const ABANDONED: u8 = 2;

/// One request on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    state: AtomicU8,
    fault: Mutex<Option<Fault>>,
    /// When waiting ends.
    pub(crate) deadline: Instant,
    /// The wait in words, for messages.
    pub(crate) patience: Duration,
    /// Most bytes of the answer.
    pub(crate) bytes_max: usize,
}

impl Flight {
    pub(crate) fn new(deadline: Instant, patience: Duration, bytes_max: usize) -> Arc<Self> {
        let (state, fault) = (AtomicU8::new(WAITING), Mutex::new(None));
        Arc::new(Self { state, fault, deadline, patience, bytes_max })
    }

    /// Takes leave to send. `false`: nobody waits any more, so nothing may be sent.
    pub(crate) fn leave(&self) -> bool {
        self.state.compare_exchange(WAITING, LEFT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Gives up. `true`: it had not left, and now never will.
    pub(crate) fn abandon(&self) -> bool {
        let swapped = self.state.compare_exchange(WAITING, ABANDONED, Ordering::AcqRel, Ordering::Acquire);
        matches!(swapped, Ok(_) | Err(ABANDONED))
    }

    /// Keeps what went wrong; the first cause stays.
    pub(crate) fn fail(&self, fault: Fault) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }

    /// Whether something went wrong below the protocol.
    pub(crate) fn has_fault(&self) -> bool {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What is known after no usable answer came back.
    pub(crate) fn settle(&self, cause: &str) -> Fault {
        self.end(cause, Fault::unknown)
    }

    /// What is known after no answer came in time.
    pub(crate) fn settle_late(&self, cause: &str) -> Fault {
        self.end(cause, Fault::late)
    }

    fn end(&self, cause: &str, unknown: fn(String) -> Fault) -> Fault {
        let seen = self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match seen {
            Some(fault) => fault,
            None if self.abandon() => Fault::unreachable(format!("{cause}; the call was not sent")),
            None => unknown(cause.to_owned()),
        }
    }
}

/// Gives up when it is dropped: a caller that went away must not send something later.
pub(crate) struct Abandon<'a>(pub(crate) &'a Flight);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
