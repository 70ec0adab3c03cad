//! What goes into one write: the frames of a batch, and the end of the journal that they are put behind.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tlog::{Hash, Tree, leaf_hash};

use crate::content::{Commit, Envelope, FORMAT, LogDefinition, SegmentHeader};
use crate::disk::File;
use crate::error::Error;
use crate::frame::{self, Kind, NO_LOG};
use crate::index::Mark;
use crate::journal::{Batch, Done, Durable};
use crate::scan::{LogState, State};
use crate::segment::Segment;
use crate::shared::Item;

/// What goes into one write: enough to make the flush worth it, little enough to keep the first of them waiting
/// shortly. A single append may be larger.
const GROUP_BYTES_MAX: u64 = 8 << 20;
/// A commit frame without its logs, generously.
const COMMIT_BYTES: u64 = 64;

/// The end of the journal, counting what is encoded and not yet written.
pub(crate) struct End {
    pub(crate) state: State,
    pub(crate) file: Arc<dyn File>,
    pub(crate) segment: Segment,
    /// Bytes of the segment.
    pub(crate) len: u64,
    /// Up to which byte the segment has its place on the disk.
    pub(crate) room: u64,
    /// Whether that place was written with zeros, so that a flush has nothing to do but the bytes.
    pub(crate) filled: bool,
}

/// Whom to tell how it went.
pub(crate) enum Told {
    Done(Done),
    Defined(SyncSender<Result<(), Error>>),
}

impl Told {
    pub(crate) fn of(item: Item) -> Self {
        match item {
            Item::Append { done, .. } => Self::Done(done),
            Item::Define { reply, .. } => Self::Defined(reply),
        }
    }

    pub(crate) fn tell(self, result: Result<(), Error>) {
        match self {
            Self::Done(done) => done(result.map(|()| Durable)),
            // An error means that the caller is gone.
            Self::Defined(reply) => drop(reply.send(result)),
        }
    }
}

/// Frames of one batch, and what becomes durable with them.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) buffer: Vec<u8>,
    /// Checksum of the buffer, kept up with it: summed at the end, all of it would be read while the disk waits.
    crc: u32,
    /// What its items said that they take: no less than what they take.
    pub(crate) bytes: u64,
    frames: u32,
    pub(crate) entries: u64,
    pub(crate) marks: Vec<(u32, Mark)>,
    touched: BTreeSet<u32>,
    /// Logs that it defines: name and key, by number from here on.
    pub(crate) defined: Vec<(String, String)>,
    /// Where the logs that it touches stand after it.
    pub(crate) heads: Vec<(u32, u64, Hash)>,
    pub(crate) told: Vec<Told>,
    /// Took in, while the disk was free, what waited: the disk should not wait longer.
    pub(crate) topped: bool,
    /// The segment that it goes to, and that one's bytes after it.
    pub(crate) segment: usize,
    pub(crate) end: u64,
}

impl Group {
    /// Uses a buffer again.
    pub(crate) fn new(buffer: Vec<u8>) -> Self {
        Self { buffer, ..Self::default() }
    }

    /// Whether another `len` bytes go into the same write. The first item always does.
    pub(crate) fn takes(&self, len: usize, end: u64, segment_bytes: u64) -> bool {
        let bytes = self.bytes + len as u64;
        bytes <= GROUP_BYTES_MAX && end + bytes <= segment_bytes
    }

    /// The byte of the segment up to which it may reach with another item.
    pub(crate) fn reach(&self, len: usize, end: u64) -> u64 {
        end + self.bytes + len as u64 + COMMIT_BYTES
    }

    /// Puts an item behind the others, and into the trees.
    pub(crate) fn push(&mut self, end: &mut End, item: Item) {
        self.bytes += item.len() as u64;
        let start = self.buffer.len();
        match item {
            Item::Append { batch, done, .. } => {
                self.encode(end, batch);
                self.told.push(Told::Done(done));
            }
            Item::Define { name, vkey, reply } => {
                self.define(end, name, vkey);
                self.told.push(Told::Defined(reply));
            }
        }
        self.crc = crc32c::crc32c_append(self.crc, &self.buffer[start..]);
    }

    fn encode(&mut self, end: &mut End, batch: Batch) {
        let epoch = end.state.epoch;
        for entry in batch.entries {
            let log = entry.log.0;
            let offset = end.len + self.buffer.len() as u64;
            let segment = u32::try_from(end.segment.ordinal).expect("segments are counted in 32 bits");
            self.marks.push((log, Mark { seq: entry.seq, segment, offset }));
            self.touched.insert(log);
            frame::encode(&mut self.buffer, Kind::Entry, log, entry.seq, epoch, &[&entry.bytes]);
            end.state.logs[log as usize].tree.push(leaf_hash(&entry.bytes));
            for payload in &entry.payloads {
                let prefix = Envelope::prefix(&payload.commitment, &payload.subject);
                let parts = [&prefix[..], &payload.bytes];
                frame::encode(&mut self.buffer, Kind::Payload, log, entry.seq, epoch, &parts);
            }
            self.frames +=
                1 + u32::try_from(entry.payloads.len()).expect("payloads are bounded by their bytes");
            self.entries += 1;
        }
    }

    fn define(&mut self, end: &mut End, name: String, vkey: String) {
        let log = u32::try_from(end.state.logs.len()).expect("logs are counted in 32 bits");
        let tree = Tree::default();
        let content = LogDefinition::encode(&name, &vkey, &tree);
        frame::encode(&mut self.buffer, Kind::Log, log, 0, end.state.epoch, &[&content]);
        self.touched.insert(log);
        self.frames += 1;
        self.defined.push((name.clone(), vkey.clone()));
        end.state.logs.push(LogState { name, vkey, tree, former: Vec::new() });
    }

    /// Closes the batch; nothing goes into it any more. An append of nothing writes nothing.
    pub(crate) fn close(&mut self, end: &mut End) {
        if self.frames > 0 {
            let touched: Vec<u32> = self.touched.iter().copied().collect();
            self.heads = close(&mut end.state, &mut self.buffer, self.crc, self.frames, &touched);
        }
        end.len += self.buffer.len() as u64;
        self.segment = end.segment.ordinal;
        self.end = end.len;
    }
}

/// Closes a batch with its commit frame, and counts it. Returns what the frame says about the logs.
fn close(
    state: &mut State,
    buffer: &mut Vec<u8>,
    crc: u32,
    frames: u32,
    touched: &[u32],
) -> Vec<(u32, u64, Hash)> {
    let heads = touched.iter().map(|log| {
        let tree = &state.logs[*log as usize].tree;
        (*log, tree.size(), tree.root())
    });
    let commit = Commit { frames, len: buffer.len() as u64, crc, heads: heads.collect() };
    frame::encode(buffer, Kind::Commit, NO_LOG, state.batches, state.epoch, &[&commit.encode()]);
    state.frames += u64::from(frames) + 1;
    state.batches += 1;
    commit.heads
}

/// The first batch of a segment: its header, and where every log stands.
pub(crate) fn head_of_segment(state: &mut State) -> Vec<u8> {
    head_with_keys(state, &BTreeMap::new())
}

/// The same, where some logs get another key: notes by number, each true of its log.
pub(crate) fn head_with_keys(state: &mut State, next: &BTreeMap<u32, String>) -> Vec<u8> {
    let mut buffer = Vec::new();
    let header = SegmentHeader { format: FORMAT, batch: state.batches }.encode();
    frame::encode(&mut buffer, Kind::Segment, NO_LOG, state.frames, state.epoch, &[&header]);
    let mut touched = Vec::with_capacity(state.logs.len());
    for (number, log) in (0_u32..).zip(&mut state.logs) {
        let content = LogDefinition::encode(&log.name, &log.vkey, &log.tree);
        let size = log.tree.size();
        frame::encode(&mut buffer, Kind::Log, number, size, state.epoch, &[&content]);
        if let Some(note) = next.get(&number) {
            frame::encode(&mut buffer, Kind::Succession, number, size, state.epoch, &[note.as_bytes()]);
            log.succeed(note.as_bytes()).expect("the note was made for this log");
        }
        touched.push(number);
    }
    let frames = 1 + touched.len() + next.len();
    let frames = u32::try_from(frames).expect("logs are counted in 32 bits");
    let crc = crc32c::crc32c(&buffer);
    close(state, &mut buffer, crc, frames, &touched);
    buffer
}

/// Writes and flushes the first batch of a segment. Returns its bytes.
pub(crate) fn begin_segment(state: &mut State, file: &dyn File) -> io::Result<u64> {
    let buffer = head_of_segment(state);
    file.write_at(&buffer, 0)?;
    file.sync()?;
    Ok(buffer.len() as u64)
}
