//! What follows the journal: views first, then live readers. Catch-up and live are the same code.
//!
//! A thread of its own pulls durable entries from the journal and hands them to the views; only what the views hold
//! is shown to live readers, so a page that is told of a change can read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use journal::{Journal, LogId, Stored};
use kernel::event::Entry;
use tokio::sync::{broadcast, watch};

/// Takes durable entries in order. After an error, which is announced, the same entries come again.
pub type Follow = Box<dyn FnMut(&[Stored]) -> Result<(), String> + Send>;

/// Entries handed over at once.
const BATCH_MAX: usize = 4_096;
/// Where much is going on, entries of so long go into one transaction of the views: each has a cost of its own. After a
/// pause as long as this the next entry goes in at once.
const GATHER: Duration = Duration::from_millis(25);
/// Pause after an error.
const AGAIN: Duration = Duration::from_secs(1);
/// Bytes handed over at once.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// What wakes the follower.
pub(crate) enum Wake {
    /// So many entries are durable.
    Grown(u64),
    /// Somebody waits for this many.
    Wanted(u64),
}

pub(crate) struct Follower {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) log: LogId,
    pub(crate) follow: Follow,
    pub(crate) applied: Arc<watch::Sender<u64>>,
    pub(crate) failed: Arc<watch::Sender<Option<String>>>,
    pub(crate) live: broadcast::Sender<Arc<Entry>>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Follower {
    /// Brings the views up to `size` entries; `progress` is told how far they are.
    pub(crate) fn catch_up(&mut self, size: u64, live: bool) -> Result<(), String> {
        while *self.applied.borrow() < size {
            let from = *self.applied.borrow();
            let entries = self
                .journal
                .read(self.log, from, BATCH_MAX, BATCH_BYTES_MAX)
                .map_err(|error| format!("the journal could not be read at entry {from}: {error}"))?;
            let Some(last) = entries.last() else {
                return Err(format!("the journal gave no entry {from}, though it holds {size}"));
            };
            let next = last.seq + 1;
            (self.follow)(&entries)?;
            self.applied.send_replace(next);
            if live && self.live.receiver_count() > 0 {
                for stored in &entries {
                    if let Ok(entry) = Entry::decode(&stored.bytes) {
                        // An error means that nobody listens.
                        drop(self.live.send(Arc::new(entry)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs until told to stop; wakes on every change of the durable size. What went wrong may pass (a full disk), so
    /// it is tried again.
    pub(crate) fn run(mut self, wake: Receiver<Wake>) {
        let mut busy = false;
        loop {
            let woken = if busy { wake.recv_timeout(GATHER) } else { wake.recv().map_err(Into::into) };
            let (mut size, urgent) = match woken {
                Ok(Wake::Grown(size)) => (size, false),
                Ok(Wake::Wanted(size)) => (size, true),
                Err(RecvTimeoutError::Timeout) => {
                    busy = false;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if busy && !urgent {
                size = gather(&wake, size);
            }
            busy = true;
            while let Err(cause) = self.catch_up(size, true) {
                if self.failed.borrow().as_ref() != Some(&cause) {
                    tracing::error!(%cause, "the views cannot follow the journal");
                    self.failed.send_replace(Some(cause));
                }
                match wake.recv_timeout(AGAIN) {
                    Ok(Wake::Grown(later) | Wake::Wanted(later)) => size = size.max(later),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                if self.stop.load(Ordering::Acquire) {
                    return;
                }
            }
            if self.failed.borrow().is_some() {
                tracing::info!("the views follow the journal again");
                self.failed.send_replace(None);
            }
            if self.stop.load(Ordering::Acquire) {
                return;
            }
        }
    }
}

/// Lets entries come together for a while, or until somebody waits for them.
fn gather(wake: &Receiver<Wake>, mut size: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the length of a pause; nothing is decided by it")]
    let now = Instant::now;
    let end = now() + GATHER;
    loop {
        match wake.recv_timeout(end.saturating_duration_since(now())) {
            Ok(Wake::Grown(later)) => size = size.max(later),
            Ok(Wake::Wanted(later)) => return size.max(later),
            Err(_) => return size,
        }
    }
}
