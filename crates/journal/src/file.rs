//! The journal in files: one shard, one process, four threads (two writers, checkpointer, one for the spare segment).
//!
//! This file takes requests in and checks them; `writer` makes them durable, `read` answers from what is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use kernel::ports::Signer;
use tlog::{Succession, Tree, VerifierKey, empty_root};

use crate::checkpoint::{NAME_RULE, checkpoint_dir, is_log_name};
use crate::checkpointer::{self, checkpoint_all};
use crate::content::FORMAT;
use crate::disk::{Disk, Held, Mode, RealDisk};
use crate::error::Error;
use crate::group::{End, begin_segment};
use crate::journal::{
    Backend, Batch, Done, ENTRY_BYTES_MAX, Head, Health, Journal, Locator, LogId, PAYLOAD_BYTES_MAX,
    SUBJECT_BYTES_MAX, Stored,
};
use crate::old::Old;
use crate::prune::{self, SegmentStart};
use crate::read;
use crate::recover::{Recovered, Recovery, recover};
use crate::room::{self, Reserve, SPARE_AFTER, spare_path};
use crate::segment::{Segment, journal_dir};
use crate::shared::{Item, LogView, Queue, Shared, View};
use crate::writer::{OnFatal, Writer};

/// One append is one write: its frames together take at most this.
const APPEND_BYTES_MAX: usize = 64 << 20;
/// Segments are read as a whole: larger ones would only cost memory.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Segments repeat all logs at their head.
const LOGS_MAX: usize = 4_096;
/// A batch may reach a little beyond the size at which segments roll over.
const ROOM_SLACK: u64 = 64 << 10;
/// What a frame needs beside its content, generously.
const FRAME_OVERHEAD: usize = 128;

/// How a journal is run.
#[derive(Clone)]
pub struct Options {
    /// The size at which a new segment is begun, 1 GiB at most.
    pub segment_bytes: u64,
    /// How long new entries may be without a checkpoint.
    pub checkpoint_interval: Duration,
    /// How far ahead room is made in a segment, so that a flush need not; 0 makes none ahead.
    pub room_bytes: u64,
    /// What is kept free for the day when the disk is full, so that what was taken in can still be written.
    pub reserve_bytes: u64,
    /// How much may wait for the disk; beyond it appends are refused.
    pub waiting_bytes_max: usize,
    /// Called once when the journal is poisoned.
    pub on_fatal: Option<OnFatal>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            checkpoint_interval: Duration::from_secs(1),
            room_bytes: 1 << 20,
            reserve_bytes: 4 << 20,
            waiting_bytes_max: 256 << 20,
            on_fatal: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("checkpoint_interval", &self.checkpoint_interval)
            .finish_non_exhaustive()
    }
}

/// A log of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLog {
    /// Its name.
    pub name: String,
    /// Its verifier key.
    pub vkey: String,
    /// The keys that it had before, as far back as opening read.
    pub former: Vec<Succession>,
}

/// A journal in the files of one data directory.
pub struct FileJournal {
    shared: Arc<Shared>,
    waiting_bytes_max: usize,
    writers: Mutex<Vec<JoinHandle<()>>>,
    others: Mutex<Vec<JoinHandle<()>>>,
    lock: Mutex<Option<Box<dyn Held>>>,
}

impl fmt::Debug for FileJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileJournal").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}

impl FileJournal {
    /// Opens the journal of a data directory, or makes one. A torn tail is cut, kept and announced; any other damage
    /// refuses.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Recovery), Error> {
        Self::open_on(Arc::new(RealDisk), dir, options)
    }

    /// The same on another file system.
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<(Self, Recovery), Error> {
        let place = journal_dir(dir);
        for dir in [&place, &checkpoint_dir(dir)] {
            disk.create_dir(dir).map_err(Error::io("make the directory", dir))?;
        }
        disk.sync_dir(dir).map_err(Error::io("flush", dir))?;
        sync_parent(&*disk, dir)?;
        let lock = disk.lock(dir, &place.join(crate::lock::FILE))?;
        let mut found = recover(&*disk, dir)?;
        // Entries tell by their epoch which opening of the files wrote them.
        found.state.epoch += 1;
        let spare = spare_path(dir);
        // Whatever a crash left of it may hold anything.
        disk.remove(&spare).map_err(Error::io("remove", &spare))?;
        let reserve = Reserve::new(dir, options.reserve_bytes);
        let full = !reserve.make(&*disk).map_err(Error::io("make the reserve of", dir))?;
        let end = begin(&*disk, dir, &mut found)?;

        let recovery = found.recovery.clone();
        let health = Health {
            recovery: recovery.clone(),
            bytes: found.segments.iter().map(|(_, len)| len).sum(),
            segments: found.segments.len() as u64,
            ..Health::default()
        };
        let fronts = found.front.into_iter().chain(std::iter::repeat_with(Tree::default));
        let logs = found.state.logs.iter().zip(found.indexes).zip(fronts);
        let logs = logs.map(|((log, index), front)| LogView {
            name: log.name.clone(),
            vkey: log.vkey.clone(),
            former: log.former.clone(),
            signer: None,
            size: log.tree.size(),
            root: log.tree.root(),
            index,
            front,
            checkpoint: found
                .anchors
                .get(&log.name)
                .map(|anchor| (anchor.checkpoint.size(), anchor.note.clone())),
        });
        let view = View { logs: logs.collect(), segments: found.segments, gone: 0, removed: 0, health };
        let shared = Arc::new(Shared::new(dir.to_owned(), disk, end, view, Old::new(found.skipped), reserve));
        shared.queue().full = full;
        let journal = Self {
            shared: shared.clone(),
            waiting_bytes_max: options.waiting_bytes_max,
            writers: Mutex::default(),
            others: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        };
        let segment_bytes = options.segment_bytes.min(SEGMENT_BYTES_MAX);
        let writer = Arc::new(Writer {
            shared: shared.clone(),
            segment_bytes,
            room_bytes: options.room_bytes,
            on_fatal: options.on_fatal,
        });
        for _ in 0..2 {
            let writer = writer.clone();
            keep(&journal.writers, spawn("journal", move || writer.run(), dir)?);
        }
        let (interval, signing) = (options.checkpoint_interval, shared.clone());
        keep(&journal.others, spawn("checkpoints", move || checkpointer::run(&signing, interval), dir)?);
        if options.room_bytes > 0 {
            keep(
                &journal.others,
                spawn(
                    "room",
                    move || room::run(&shared, segment_bytes + ROOM_SLACK.min(segment_bytes / 64)),
                    dir,
                )?,
            );
        }
        Ok((journal, recovery))
    }

    /// Every log, by number.
    pub fn logs(&self) -> Vec<KnownLog> {
        let view = self.shared.view();
        let logs = view.logs.iter().map(|log| {
            let (name, vkey, former) = (log.name.clone(), log.vkey.clone(), log.former.clone());
            KnownLog { name, vkey, former }
        });
        logs.collect()
    }

    fn enqueue(&self, batch: &Batch, queue: &mut Queue) -> Result<usize, Error> {
        check_open(queue)?;
        let len = check(batch, queue)?;
        self.check_room(queue)?;
        if queue.bytes + len > self.waiting_bytes_max {
            return Err(Error::Full { bytes: queue.bytes });
        }
        for entry in &batch.entries {
            queue.logs[entry.log.0 as usize].1 = entry.seq + 1;
        }
        queue.bytes += len;
        Ok(len)
    }

    /// Gives back what was made ahead and is soon made again. Zeros that were written stay.
    fn tidy(&self) -> Result<(), Error> {
        let mut queue = self.shared.queue();
        if queue.spare.take().is_some() {
            let path = spare_path(&self.shared.dir);
            self.shared.disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
        match &queue.stages.end {
            Some(end) if !end.filled && end.room > end.len => {
                let path = end.segment.path(&self.shared.dir);
                end.file.truncate(end.len).map_err(Error::io("cut", &path))
            }
            _ => Ok(()),
        }
    }

    /// Whether a spare is asked for and not there yet.
    #[cfg(test)]
    pub(crate) fn room_is_being_made(&self) -> bool {
        let wanted = self.shared.spare_gate().wanted;
        wanted && self.shared.queue().spare.is_none() && !self.shared.queue().full
    }

    /// A full disk is asked again at each append: there is room when the reserve can be made whole.
    fn check_room(&self, queue: &mut Queue) -> Result<(), Error> {
        if queue.full {
            let made = self.shared.reserve.make(&*self.shared.disk);
            queue.full = !made.map_err(Error::io("make the reserve of", &self.shared.dir))?;
        }
        if queue.full { Err(Error::DiskFull) } else { Ok(()) }
    }

    /// Waits until everything that was appended before is durable.
    fn define_durably(&self, name: &str, vkey: String) -> Result<LogId, Error> {
        let (reply, answer) = sync_channel(1);
        let number = {
            let mut queue = self.shared.queue();
            check_open(&queue)?;
            self.check_room(&mut queue)?;
            let number = queue.logs.len();
            if number >= LOGS_MAX {
                return Err(Error::TooManyLogs(LOGS_MAX));
            }
            let item = Item::Define { name: name.to_owned(), vkey, reply };
            queue.bytes += item.len();
            queue.logs.push((name.to_owned(), 0));
            queue.waiting.push_back(item);
            if queue.wakes() {
                self.shared.work.notify_one();
            }
            number
        };
        answer.recv().map_err(|_| Error::Closed)??;
        Ok(LogId(u32::try_from(number).expect("bounded above")))
    }
}

/// The segment that new entries go to, begun where that is still to be done.
fn begin(disk: &dyn Disk, dir: &Path, found: &mut Recovered) -> Result<End, Error> {
    let mut last = found.segments.last().copied();
    // What is written now has the rules of now: a segment of an older format is left as it is.
    if found.format.is_some_and(|format| format < FORMAT) && last.is_some_and(|(_, len)| len > 0) {
        last = None;
    } else {
        found.segments.pop();
    }
    let ordinal = found.segments.len();
    let (segment, mut len) = last.unwrap_or((Segment { first: found.state.frames, ordinal }, 0));
    let path = segment.path(dir);
    let file = disk.open(&path, Mode::Write).map_err(Error::io("open", &path))?;
    if len == 0 {
        len = begin_segment(&mut found.state, &*file).map_err(Error::io("begin", &path))?;
        let place = journal_dir(dir);
        disk.sync_dir(&place).map_err(Error::io("flush", &place))?;
    }
    found.segments.push((segment, len));
    let room = file.length().map_err(Error::io("measure", &path))?;
    // What stands there was written before, one way or the other.
    let filled = room >= len + SPARE_AFTER;
    Ok(End { state: found.state.clone(), file, segment, len, room, filled })
}

fn keep(threads: &Mutex<Vec<JoinHandle<()>>>, thread: JoinHandle<()>) {
    threads.lock().expect("no panic while the lock is held").push(thread);
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static, dir: &Path) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(Error::io("start the threads of", dir))
}

/// A data directory that was just made must not vanish with a crash. Where its parent may not be opened, whoever made
/// it there has to see to that.
pub(crate) fn sync_parent(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match disk.sync_dir(parent) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        result => result.map_err(Error::io("flush", parent)),
    }
}

fn check_open(queue: &Queue) -> Result<(), Error> {
    match &queue.poisoned {
        Some(cause) => Err(Error::Poisoned(cause.clone())),
        None if queue.closing => Err(Error::Closed),
        None => Ok(()),
    }
}

/// Checks sizes and positions of a batch; returns the bytes of its frames, roughly.
fn check(batch: &Batch, queue: &Queue) -> Result<usize, Error> {
    // Most batches are for one log: the others' positions are looked up only when the log changes.
    let mut others: BTreeMap<u32, u64> = BTreeMap::new();
    let mut current: Option<(u32, u64)> = None;
    let mut len = 0;
    let fits = |what, bytes: usize, max| {
        if bytes > max { Err(Error::TooLarge { what, bytes, max }) } else { Ok(()) }
    };
    for entry in &batch.entries {
        let log = entry.log.0;
        let (name, first) = queue.logs.get(log as usize).ok_or(Error::UnknownLog(log))?;
        let expected = match current {
            Some((same, next)) if same == log => next,
            _ => {
                others.extend(current);
                others.get(&log).copied().unwrap_or(*first)
            }
        };
        if entry.seq != expected {
            return Err(Error::OutOfOrder { log: name.clone(), expected, got: entry.seq });
        }
        current = Some((log, expected + 1));
        fits("entry", entry.bytes.len(), ENTRY_BYTES_MAX)?;
        len += entry.bytes.len() + FRAME_OVERHEAD;
        for payload in &entry.payloads {
            fits("payload", payload.bytes.len(), PAYLOAD_BYTES_MAX)?;
            fits("name of a payload's subject", payload.subject.len(), SUBJECT_BYTES_MAX)?;
            len += payload.bytes.len() + payload.subject.len() + FRAME_OVERHEAD;
        }
    }
    fits("append", len, APPEND_BYTES_MAX)?;
    Ok(len)
}

impl Journal for FileJournal {
    fn append(&self, batch: Batch, done: Done) {
        let mut queue = self.shared.queue();
        match self.enqueue(&batch, &mut queue) {
            Ok(len) => {
                queue.waiting.push_back(Item::Append { batch, done, len });
                let wakes = queue.wakes();
                drop(queue);
                if wakes {
                    self.shared.work.notify_one();
                }
            }
            Err(error) => {
                // Not under the lock: the callback may look at the journal.
                drop(queue);
                done(Err(error));
            }
        }
    }

    fn head(&self, log: LogId) -> Head {
        match self.shared.view().logs.get(log.0 as usize) {
            Some(log) => Head { size: log.size, root: log.root },
            None => Head { size: 0, root: empty_root() },
        }
    }

    fn read(
        &self,
        log: LogId,
        from: u64,
        entries_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Stored>, Error> {
        read::entries(&self.shared, log, from, entries_max, bytes_max)
    }
}

impl Backend for FileJournal {
    fn define(&self, log: &str, signer: Arc<dyn Signer>) -> Result<LogId, Error> {
        if !is_log_name(log) {
            return Err(Error::LogName { name: log.to_owned(), rule: NAME_RULE });
        }
        // The key bears the name of the log (tlog-checkpoint), and names go into lines of their own.
        if signer.name() != log {
            return Err(Error::LogName {
                name: signer.name().to_owned(),
                rule: "a log's key bears the log's name",
            });
        }
        let vkey = VerifierKey::of(&*signer).encode();
        let _one_at_a_time = self.shared.defining.lock().expect("no panic while the lock is held");
        let known = self.shared.view().logs.iter().position(|known| known.name == log);
        let id = match known {
            Some(number) => LogId(u32::try_from(number).expect("logs are counted in 32 bits")),
            None => self.define_durably(log, vkey.clone())?,
        };
        let mut view = self.shared.view_mut();
        let seen = &mut view.logs[id.0 as usize];
        if seen.vkey != vkey {
            return Err(Error::KeyChanged { log: log.to_owned(), kept: seen.vkey.clone(), given: vkey });
        }
        seen.signer = Some(signer);
        Ok(id)
    }

    fn payload(&self, at: &Locator) -> Result<Vec<u8>, Error> {
        read::payload(&self.shared, at)
    }

    fn segments(&self) -> Result<Vec<SegmentStart>, Error> {
        prune::segments(&self.shared)
    }

    fn prune(&self, first: u64) -> Result<u64, Error> {
        prune::prune(&self.shared, first)
    }

    fn checkpoint(&self, log: LogId) -> Option<String> {
        let view = self.shared.view();
        view.logs.get(log.0 as usize)?.checkpoint.as_ref().map(|(_, note)| note.clone())
    }

    fn checkpoint_now(&self) -> Result<(), Error> {
        checkpoint_all(&self.shared)
    }

    fn prove(&self, log: LogId, seq: u64, size: u64) -> Result<Vec<[u8; 32]>, Error> {
        read::prove(&self.shared, log, seq, size)
    }

    fn health(&self) -> Health {
        let (waiting_bytes, disk_full) = {
            let queue = self.shared.queue();
            (queue.bytes as u64, queue.full)
        };
        Health { disk_full, waiting_bytes, ..self.shared.view().health.clone() }
    }

    fn close(&self) -> Result<(), Error> {
        if self.shared.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.shared.queue().closing = true;
        self.shared.work.notify_all();
        join(&self.writers);
        self.shared.gate().closing = true;
        self.shared.tick.notify_all();
        self.shared.spare_gate().closing = true;
        self.shared.spare_wanted.notify_all();
        join(&self.others);
        let poisoned = self.shared.queue().poisoned.clone();
        let result = match poisoned {
            Some(cause) => Err(Error::Poisoned(cause)),
            None => self.tidy().and(checkpoint_all(&self.shared)),
        };
        drop(self.lock.lock().expect("no panic while the lock is held").take());
        result
    }
}

/// A thread that panicked has poisoned the journal already.
fn join(threads: &Mutex<Vec<JoinHandle<()>>>) {
    for thread in threads.lock().expect("no panic while the lock is held").drain(..) {
        drop(thread.join());
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        // Whoever wants to know how it went calls `close`.
        drop(self.close());
    }
}
