//! A small journal with two logs, payloads and several batches, and what is needed to take it apart.

use std::sync::mpsc::channel;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::memory::Memory;
use crate::conformance::TestSigner;
use crate::{Backend, Batch, Durable, Error, FileJournal, Journal, LogId, NewEntry, Options, SealedPayload};

pub(crate) const SHOP: &str = "test/shop";
pub(crate) const PLATFORM: &str = "test/platform";

/// No checkpoint comes by itself: tests ask for them. Nor is room made ahead: the files hold what was written.
pub(crate) fn options() -> Options {
    Options {
        checkpoint_interval: Duration::from_hours(1),
        room_bytes: 0,
        reserve_bytes: 0,
        ..Options::default()
    }
}

pub(crate) fn define(journal: &FileJournal, log: &str) -> LogId {
    journal.define(log, TestSigner::new(log, 1)).unwrap()
}

pub(crate) fn commitment(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// An entry as the engine writes them, with payloads of the given texts.
pub(crate) fn entry(log: LogId, name: &str, seq: u64, payloads: &[&str]) -> NewEntry {
    let commits: Vec<String> =
        payloads.iter().map(|text| format!("{text:?}:\"{}\"", hex::encode(commitment(text)))).collect();
    let commits =
        if commits.is_empty() { String::new() } else { format!("\"commits\":{{{}}},", commits.join(",")) };
    let at = 1_000 + seq;
    NewEntry {
        log,
        seq,
        bytes: format!("{{\"at\":{at},{commits}\"log\":\"{name}\",\"seq\":{seq},\"v\":1}}").into_bytes(),
        payloads: payloads
            .iter()
            .map(|text| SealedPayload {
                commitment: commitment(text),
                subject: "run_1".to_owned(),
                bytes: format!("sealed {text}").into_bytes(),
            })
            .collect(),
    }
}

pub(crate) fn append(journal: &FileJournal, entries: Vec<NewEntry>) -> Result<Durable, Error> {
    let (told, answer) = channel();
    journal.append(Batch { entries }, Box::new(move |result| told.send(result).unwrap()));
    answer.recv().unwrap()
}

/// Two logs, five batches of entries; not closed, no checkpoint: as a crash would leave it.
pub(crate) fn write_story(journal: &FileJournal) {
    let (shop, platform) = (define(journal, SHOP), define(journal, PLATFORM));
    let shop = |seq, payloads: &[&str]| entry(shop, SHOP, seq, payloads);
    let platform = |seq| entry(platform, PLATFORM, seq, &[]);
    for batch in [
        vec![shop(0, &[])],
        vec![shop(1, &["a", "b"]), shop(2, &[])],
        vec![platform(0), shop(3, &["c"])],
        vec![platform(1)],
        vec![shop(4, &["d"]), shop(5, &[])],
    ] {
        append(journal, batch).unwrap();
    }
}

pub(crate) const SEGMENT: &str = "journal/0000000000000000.seg";

/// A disk that holds the story, and the bytes of its only segment.
pub(crate) struct World {
    pub(crate) disk: Memory,
    pub(crate) bytes: Vec<u8>,
}

impl World {
    /// Closed and vouched for, or as a crash leaves it.
    pub(crate) fn new(closed: bool) -> Self {
        let disk = Memory::default();
        let journal = disk.open();
        write_story(&journal);
        if closed {
            journal.close().unwrap();
        }
        // A copy: letting go of an open journal would write checkpoints.
        let disk = disk.copy();
        let bytes = disk.get(SEGMENT);
        Self { disk, bytes }
    }

    /// A disk with other bytes in the segment.
    pub(crate) fn with(&self, bytes: &[u8]) -> Memory {
        self.disk.with(SEGMENT, bytes)
    }
}

/// Sizes of shop and platform.
pub(crate) fn sizes(journal: &FileJournal) -> (u64, u64) {
    let size = |log| journal.head(LogId(log)).size;
    (size(0), size(1))
}
