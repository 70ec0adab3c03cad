//! Writers with one entry in flight each.
//!
//! A writer appends its next entry when it hears that the last one is durable, and where it hears it: a thread of its
//! own would measure the scheduler.

use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
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
    keeps: bool,
    state: Mutex<Counts>,
    over: Sender<Result<Vec<u32>, Error>>,
}

struct Counts {
    next: u64,
    end: u64,
    left: u64,
    micros: Vec<u32>,
    draft: Draft,
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
        let keeps = entries <= SAMPLES_MAX;
        let counts = Counts {
            next,
            end: next + entries,
            left: entries,
            micros: Vec::with_capacity(if keeps { usize::try_from(entries)? } else { 0 }),
            draft: Draft::new(self.entry_bytes),
        };
        let round = Arc::new(Round {
            journal: Arc::clone(&self.journal),
            log: self.log,
            keeps,
            state: Mutex::new(counts),
            over,
        });
        let start = moment();
        for _ in 0..writers {
            let mut counts = round.counts();
            round.append(&mut counts, moment());
        }
        drop(round);
        let micros = ended.recv().context("the journal broke off")??;
        Ok(Pace { seconds: start.elapsed().as_secs_f64(), micros })
    }
}

impl Round {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.state.lock().expect("no panic while the lock is held")
    }

    /// The counts stay locked while appending, so that positions arrive in order.
    fn append(self: &Arc<Self>, counts: &mut Counts, now: Instant) {
        if counts.next == counts.end {
            return;
        }
        let seq = counts.next;
        counts.next += 1;
        let bytes = counts.draft.entry(seq);
        let batch = Batch { entries: vec![NewEntry { log: self.log, seq, bytes, payloads: vec![] }] };
        let round = Arc::clone(self);
        self.journal.append(
            batch,
            Box::new(move |result| match result {
                Ok(_) => round.heard(now),
                Err(error) => {
                    round.over.send(Err(error)).ok();
                }
            }),
        );
    }

    fn heard(self: &Arc<Self>, began: Instant) {
        let now = moment();
        let mut counts = self.counts();
        if self.keeps {
            let micros = now.duration_since(began).as_micros();
            counts.micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
        }
        counts.left -= 1;
        if counts.left == 0 {
            self.over.send(Ok(std::mem::take(&mut counts.micros))).ok();
        }
        self.append(&mut counts, now);
    }
}

/// Entries like those of the engine: several short strings, not one long one. All of a length are alike but for their
/// number, so one is kept and the number written over: the writers share the cores with the journal.
struct Draft {
    len: usize,
    digits: usize,
    bytes: Vec<u8>,
    /// Where the number stands in it.
    places: [usize; 2],
}

impl Draft {
    fn new(len: usize) -> Self {
        Self { len, digits: 0, bytes: vec![], places: [0; 2] }
    }

    fn entry(&mut self, seq: u64) -> Vec<u8> {
        let digits = seq.checked_ilog10().unwrap_or(0) as usize + 1;
        if digits != self.digits {
            self.begin(digits);
        }
        let mut bytes = self.bytes.clone();
        for place in self.places {
            let mut rest = seq;
            for digit in bytes[place..place + digits].iter_mut().rev() {
                *digit = b"0123456789"[(rest % 10) as usize];
                rest /= 10;
            }
        }
        bytes
    }

    fn begin(&mut self, digits: usize) {
        let number = "0".repeat(digits);
        let (at, log) = ("{\"at\":", format!(",\"log\":\"{LOG}\",\"seq\":"));
        let mut bytes = [at, &number, &log, &number, ",\"v\":[\"x"].concat().into_bytes();
        while bytes.len() + 27 < self.len {
            bytes.extend_from_slice(b"\",\"0123456789abcdef01234");
        }
        bytes.resize(bytes.len().max(self.len - 3), b'x');
        bytes.extend_from_slice(b"\"]}");
        self.digits = digits;
        self.places = [at.len(), at.len() + digits + log.len()];
        self.bytes = bytes;
    }
}
