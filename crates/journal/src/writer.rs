//! The writer: one thread, one write and one flush for everything that waits.
//!
//! ```text
//!  append ─┐                    ┌─ encode, hash ─ write ─ flush ─┐
//!  append ─┼─► queue ─ take all ┤                                ├─► view, then callbacks in order
//!  define ─┘                    └────────────────────────────────┘
//! ```
//!
//! A write or flush that failed leaves unknown bytes behind: the journal is poisoned and never writes again (a second
//! flush may report success for bytes that the first one lost).

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tlog::{Tree, leaf_hash};

use crate::content::{Commit, Envelope, LogDefinition, SegmentHeader};
use crate::disk::{File, Mode};
use crate::error::Error;
use crate::frame::{self, Kind, NO_LOG};
use crate::index::{Index, Mark};
use crate::journal::{Batch, Done, Durable};
use crate::scan::{LogState, State};
use crate::segment::{Segment, journal_dir};
use crate::shared::{Item, LogView, Shared};
use crate::stopwatch::Stopwatch;

/// What goes into one write: enough to make the flush worth it, little enough to keep the first of them waiting
/// shortly. A single append may be larger.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Buffers larger than this are given back.
const BUFFER_BYTES_KEPT: usize = 16 << 20;

/// Called once when the journal is poisoned, after everybody who waited was told. A server ends its process there.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) segment_bytes: u64,
    pub(crate) on_fatal: Option<OnFatal>,
    pub(crate) state: State,
    pub(crate) file: Arc<dyn File>,
    pub(crate) segment: Segment,
    /// Bytes of the segment.
    pub(crate) len: u64,
}

/// Whom to tell when a group is durable.
enum Told {
    Done(Done),
    Defined(SyncSender<Result<(), Error>>),
}

/// Frames of one batch, and what becomes durable with them.
#[derive(Default)]
struct Group {
    buffer: Vec<u8>,
    frames: u32,
    entries: u64,
    marks: Vec<(u32, Mark)>,
    touched: BTreeSet<u32>,
    told: Vec<Told>,
}

impl Writer {
    /// Runs until closed and drained, or poisoned.
    pub(crate) fn run(mut self) {
        let guard = Guard { shared: self.shared.clone(), on_fatal: self.on_fatal.clone() };
        let mut buffer = Vec::new();
        while let Some(items) = self.wait() {
            let mut group = Group { buffer: std::mem::take(&mut buffer), ..Group::default() };
            if let Err(cause) = self.write(items, &mut group) {
                self.fail(&cause, group.told);
                break;
            }
            self.publish(&mut group);
            for told in group.told.drain(..) {
                match told {
                    Told::Done(done) => done(Ok(Durable)),
                    // An error means that the caller is gone.
                    Told::Defined(reply) => drop(reply.send(Ok(()))),
                }
            }
            buffer = group.buffer;
            buffer.clear();
            buffer.shrink_to(BUFFER_BYTES_KEPT);
        }
        drop(guard);
    }

    /// Takes what waits, up to a group's size; `None` when closed and nothing waits.
    fn wait(&self) -> Option<Vec<Item>> {
        let mut queue = self.shared.queue();
        while queue.waiting.is_empty() {
            if queue.closing {
                return None;
            }
            queue = self.shared.work.wait(queue).expect("no panic while the lock is held");
        }
        let (mut items, mut bytes) = (Vec::new(), 0);
        while let Some(item) =
            queue.waiting.pop_front_if(|item| items.is_empty() || bytes + item.len() <= GROUP_BYTES_MAX)
        {
            bytes += item.len();
            items.push(item);
        }
        queue.bytes -= bytes;
        Some(items)
    }

    fn write(&mut self, items: Vec<Item>, group: &mut Group) -> Result<(), String> {
        let bytes: usize = items.iter().map(Item::len).sum();
        let rolled =
            if self.len > 0 && self.len + bytes as u64 > self.segment_bytes { self.roll() } else { Ok(()) };
        for item in items {
            match item {
                Item::Append { batch, done, .. } => {
                    self.encode(batch, group);
                    group.told.push(Told::Done(done));
                }
                Item::Define { name, vkey, reply } => {
                    self.define(name, vkey, group);
                    group.told.push(Told::Defined(reply));
                }
            }
        }
        rolled.map_err(|error| format!("a new segment could not be begun: {error}"))?;
        if group.frames == 0 {
            return Ok(());
        }
        let touched: Vec<u32> = group.touched.iter().copied().collect();
        close(&mut self.state, &mut group.buffer, group.frames, &touched);
        let watch = Stopwatch::start();
        let wrote =
            self.file.write_at(&group.buffer, self.len).map_err(|error| format!("a write failed: {error}"));
        wrote.and_then(|()| self.file.sync().map_err(|error| format!("a flush failed: {error}")))?;
        let micros = watch.micros();
        self.len += group.buffer.len() as u64;

        let mut view = self.shared.view_mut();
        let health = &mut view.health;
        health.flushes += 1;
        health.entries += group.entries;
        health.batch_last = group.entries;
        health.batch_max = health.batch_max.max(group.entries);
        health.flush_micros_last = micros;
        health.flush_micros_total += micros;
        health.bytes += group.buffer.len() as u64;
        Ok(())
    }

    fn encode(&mut self, batch: Batch, group: &mut Group) {
        let epoch = self.state.epoch;
        for entry in batch.entries {
            let log = entry.log.0;
            let offset = self.len + group.buffer.len() as u64;
            let segment = u32::try_from(self.segment.ordinal).expect("segments are counted in 32 bits");
            group.marks.push((log, Mark { seq: entry.seq, segment, offset }));
            group.touched.insert(log);
            frame::encode(&mut group.buffer, Kind::Entry, log, entry.seq, epoch, &[&entry.bytes]);
            self.state.logs[log as usize].tree.push(leaf_hash(&entry.bytes));
            for payload in &entry.payloads {
                let prefix = Envelope::prefix(&payload.commitment, &payload.subject);
                frame::encode(
                    &mut group.buffer,
                    Kind::Payload,
                    log,
                    entry.seq,
                    epoch,
                    &[&prefix, &payload.bytes],
                );
            }
            group.frames +=
                1 + u32::try_from(entry.payloads.len()).expect("payloads are bounded by their bytes");
            group.entries += 1;
        }
    }

    fn define(&mut self, name: String, vkey: String, group: &mut Group) {
        let log = u32::try_from(self.state.logs.len()).expect("logs are counted in 32 bits");
        let tree = Tree::default();
        let content = LogDefinition::encode(&name, &vkey, &tree);
        frame::encode(&mut group.buffer, Kind::Log, log, 0, self.state.epoch, &[&content]);
        group.touched.insert(log);
        group.frames += 1;
        self.state.logs.push(LogState { name, vkey, tree });
    }

    /// Begins a new segment.
    fn roll(&mut self) -> io::Result<()> {
        let segment = Segment { first: self.state.frames, ordinal: self.segment.ordinal + 1 };
        let shared = self.shared.clone();
        let file = shared.disk.open(&segment.path(&shared.dir), Mode::Write)?;
        let bytes = begin_segment(&mut self.state, &*file)?;
        shared.disk.sync_dir(&journal_dir(&shared.dir))?;
        self.file = file;
        self.segment = segment;
        self.len = bytes;
        let mut view = shared.view_mut();
        view.segments.push((segment, bytes));
        view.health.segments += 1;
        view.health.bytes += bytes;
        Ok(())
    }

    /// Makes a group visible to readers.
    fn publish(&self, group: &mut Group) {
        let mut view = self.shared.view_mut();
        for log in &self.state.logs[view.logs.len()..] {
            view.logs.push(LogView {
                name: log.name.clone(),
                vkey: log.vkey.clone(),
                signer: None,
                size: 0,
                root: log.tree.root(),
                index: Index::default(),
                checkpoint: None,
            });
        }
        for log in &group.touched {
            let tree = &self.state.logs[*log as usize].tree;
            let seen = &mut view.logs[*log as usize];
            seen.size = tree.size();
            seen.root = tree.root();
        }
        for (log, mark) in group.marks.drain(..) {
            view.logs[log as usize].index.note(mark);
        }
        if let Some((_, len)) = view.segments.last_mut() {
            *len = self.len;
        }
        drop(view);
        let mut gate = self.shared.gate();
        if !gate.dirty {
            gate.dirty = true;
            self.shared.tick.notify_all();
        }
    }

    fn fail(&self, cause: &str, told: Vec<Told>) {
        // First, so that nobody can append between the answers.
        self.shared.mark_poisoned(cause);
        for told in told {
            match told {
                Told::Done(done) => done(Err(Error::Poisoned(cause.to_owned()))),
                Told::Defined(reply) => drop(reply.send(Err(Error::Poisoned(cause.to_owned())))),
            }
        }
        self.shared.poison(cause);
        if let Some(on_fatal) = &self.on_fatal {
            on_fatal(cause);
        }
    }
}

/// Closes a batch with its commit frame, and counts it.
fn close(state: &mut State, buffer: &mut Vec<u8>, frames: u32, touched: &[u32]) {
    let heads = touched.iter().map(|log| {
        let tree = &state.logs[*log as usize].tree;
        (*log, tree.size(), tree.root())
    });
    let commit =
        Commit { frames, len: buffer.len() as u64, crc: crc32c::crc32c(buffer), heads: heads.collect() };
    frame::encode(buffer, Kind::Commit, NO_LOG, state.batches, state.epoch, &[&commit.encode()]);
    state.frames += u64::from(frames) + 1;
    state.batches += 1;
}

/// Writes and flushes the first batch of a segment: its header, and where every log stands. Returns its bytes.
pub(crate) fn begin_segment(state: &mut State, file: &dyn File) -> io::Result<u64> {
    let mut buffer = Vec::new();
    let header = SegmentHeader { batch: state.batches }.encode();
    frame::encode(&mut buffer, Kind::Segment, NO_LOG, state.frames, state.epoch, &[&header]);
    let mut touched = Vec::with_capacity(state.logs.len());
    for (number, log) in (0_u32..).zip(&state.logs) {
        let content = LogDefinition::encode(&log.name, &log.vkey, &log.tree);
        frame::encode(&mut buffer, Kind::Log, number, log.tree.size(), state.epoch, &[&content]);
        touched.push(number);
    }
    let frames = 1 + u32::try_from(touched.len()).expect("logs are counted in 32 bits");
    close(state, &mut buffer, frames, &touched);
    file.write_at(&buffer, 0)?;
    file.sync()?;
    Ok(buffer.len() as u64)
}

/// A panic on the writer's thread (in a callback, say) must not leave everybody waiting.
struct Guard {
    shared: Arc<Shared>,
    on_fatal: Option<OnFatal>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let cause = "the writer stopped unexpectedly";
            self.shared.poison(cause);
            if let Some(on_fatal) = &self.on_fatal {
                on_fatal(cause);
            }
        }
    }
}
