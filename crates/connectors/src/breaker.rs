//! Rest for a system that keeps failing.
//!
//! After some failures of transport in a row nothing is sent for a while; then one call probes, and its end decides.
//! A refusal by the system is an answer: it closes the breaker. Why it is small: retries and budgets are the engine's;
//! this only keeps a dead system from eating everybody's time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::clock::{Millis, Now};
use serde::{Deserialize, Serialize};

/// Failures in a row that open it.
const FAILURES_MAX: u32 = 5;
/// How long it rests.
const REST: Millis = Millis(10_000);

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing.
    Open,
    /// One call, to see.
    HalfOpen,
}

/// Counts failures and stops calls.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<Inner>);

#[derive(Clone, Debug, Default)]
struct Inner {
    failures: u32,
    opened_at: Option<Millis>,
    probing: bool,
    last_error: Option<String>,
    last_ok_at: Option<Millis>,
}

/// What is known of a system's health.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub state: BreakerState,
    pub last_error: Option<String>,
    pub last_ok_at: Option<Millis>,
}

impl Breaker {
    /// Lets a call through, or says how long it still rests.
    pub(crate) fn admit(&self, now: Now) -> Result<Pass<'_>, Millis> {
        let mut inner = self.lock();
        let probe = match inner.opened_at {
            None => false,
            Some(opened) if now.steady.since(opened) < REST => {
                return Err(Millis(REST.0 - now.steady.since(opened).0));
            }
            Some(_) if inner.probing => return Err(Millis(0)),
            Some(_) => {
                inner.probing = true;
                true
            }
        };
        Ok(Pass { breaker: self, probe })
    }

    /// What is known now.
    pub(crate) fn seen(&self, now: Now) -> Seen {
        let inner = self.lock();
        let state = match inner.opened_at {
            None => BreakerState::Closed,
            Some(opened) if now.steady.since(opened) < REST => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        };
        Seen { state, last_error: inner.last_error.clone(), last_ok_at: inner.last_ok_at }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave for one call. Dropped without a word (the caller went away), it changes nothing.
#[must_use]
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Pass<'_> {
    /// The system answered.
    pub(crate) fn answered(self, now: Now) {
        let mut inner = self.breaker.lock();
        inner.failures = 0;
        inner.opened_at = None;
        inner.last_ok_at = Some(now.wall);
    }

    /// The system answered, and said no.
    pub(crate) fn refused(self, now: Now, cause: String) {
        self.breaker.lock().last_error = Some(cause);
        self.answered(now);
    }

    /// The way to the system failed.
    pub(crate) fn failed(self, now: Now, cause: String) {
        let mut inner = self.breaker.lock();
        inner.failures = inner.failures.saturating_add(1);
        inner.last_error = Some(cause);
        if self.probe || (inner.failures >= FAILURES_MAX && inner.opened_at.is_none()) {
            inner.opened_at = Some(now.steady);
        }
    }

    /// Something else went wrong; it says nothing about the way.
    pub(crate) fn noted(self, cause: String) {
        self.breaker.lock().last_error = Some(cause);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.lock().probing = false;
        }
    }
}
