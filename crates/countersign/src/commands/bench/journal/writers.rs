//! Writers with one entry in flight each.
//!
//! A writer appends its next entry when it hears that the last one is durable, and where it hears it: a thread of its
//! own would measure the scheduler.

use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ::journal::conformance::TestSigner;
use ::journal::{Backend as _, Batch, Error, FileJournal, Health, Journal as _, LogId, NewEntry, Options};
use anyhow::{Context as _, Result};

use super::Pace;
use crate::commands::bench::load::moment;

pub(super) const LOG: &str = "bench/shop";
/// A note of one latency is four bytes; of a log that is only to be big, none are kept.
const SAMPLES_MAX: u64 = 1 << 22;

pub(super) struct Writers {
    journal: Arc<FileJournal>,
    log: LogId,
    entry_bytes: usize,
}

/// A round under way.
struct Round {
    journal: Arc<FileJournal>,
    log: LogId,
    entry_bytes: usize,
    keeps: bool,
    state: Mutex<Counts>,
    over: Sender<Result<Vec<u32>, Error>>,
}

struct Counts {
    next: u64,
    end: u64,
    left: u64,
    micros: Vec<u32>,
}

impl Writers {
    pub(super) fn open(dir: &Path, entry_bytes: usize) -> Result<Self> {
        let (journal, _) = FileJournal::open(dir, Options::default())?;
        let log = journal.define(LOG, TestSigner::new(LOG, 1))?;
        Ok(Self { journal: Arc::new(journal), log, entry_bytes })
    }

    pub(super) fn journal(&self) -> &FileJournal {
        &self.journal
    }

    pub(super) fn health(&self) -> Health {
        self.journal.health()
    }

    pub(super) fn close(&self) -> Result<()> {
        Ok(self.journal.close()?)
    }

    /// Appends so many entries.
    pub(super) fn round(&self, writers: u16, entries: u64) -> Result<Pace> {
        let (over, ended) = channel();
        let next = self.journal.head(self.log).size;
        let counts = Counts { next, end: next + entries, left: entries, micros: vec![] };
        let round = Arc::new(Round {
            journal: Arc::clone(&self.journal),
            log: self.log,
            entry_bytes: self.entry_bytes,
            keeps: entries <= SAMPLES_MAX,
            state: Mutex::new(counts),
            over,
        });
        let start = moment();
        for _ in 0..writers {
            round.append();
        }
        drop(round);
        let micros = ended.recv().context("the journal broke off")??;
        Ok(Pace { seconds: start.elapsed().as_secs_f64(), micros })
    }
}

impl Round {
    fn append(self: &Arc<Self>) {
        // Held while appending, so that positions arrive in order.
        let mut state = self.state.lock().expect("no panic while the lock is held");
        if state.next == state.end {
            return;
        }
        let seq = state.next;
        state.next += 1;
        let bytes = entry(seq, self.entry_bytes);
        let batch = Batch { entries: vec![NewEntry { log: self.log, seq, bytes, payloads: vec![] }] };
        let (round, began) = (Arc::clone(self), moment());
        self.journal.append(
            batch,
            Box::new(move |result| match result {
                Ok(_) => round.heard(began),
                Err(error) => {
                    round.over.send(Err(error)).ok();
                }
            }),
        );
    }

    fn heard(self: &Arc<Self>, began: Instant) {
        let mut state = self.state.lock().expect("no panic while the lock is held");
        if self.keeps {
            state.micros.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        state.left -= 1;
        if state.left == 0 {
            self.over.send(Ok(std::mem::take(&mut state.micros))).ok();
        }
        drop(state);
        self.append();
    }
}

/// Like one of the engine: several short strings, not one long one.
fn entry(seq: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len.max(128));
    write!(bytes, "{{\"at\":{seq},\"log\":\"{LOG}\",\"seq\":{seq},\"v\":[\"x").expect("memory takes it");
    while bytes.len() + 27 < len {
        bytes.extend_from_slice(b"\",\"0123456789abcdef01234");
    }
    bytes.resize(bytes.len().max(len - 3), b'x');
    bytes.extend_from_slice(b"\"]}");
    bytes
}
