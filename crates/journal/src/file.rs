//! The journal in files: one shard, one process, two threads (writer, checkpointer).
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
use tlog::{VerifierKey, empty_root};

use crate::checkpoint::{NAME_RULE, checkpoint_dir, is_log_name};
use crate::checkpointer::{self, checkpoint_all};
use crate::disk::{Disk, Held, Mode, RealDisk};
use crate::error::Error;
use crate::journal::{
    Backend, Batch, Done, ENTRY_BYTES_MAX, Head, Health, Journal, Locator, LogId, PAYLOAD_BYTES_MAX,
    SUBJECT_BYTES_MAX, Stored,
};
use crate::read;
use crate::recover::{Recovery, recover};
use crate::segment::{Segment, journal_dir};
use crate::shared::{Item, LogView, Queue, Shared, View};
use crate::writer::{OnFatal, Writer, begin_segment};

/// One append is one write: its frames together take at most this.
const APPEND_BYTES_MAX: usize = 64 << 20;
/// Segments are read as a whole: larger ones would only cost memory.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Segments repeat all logs at their head.
const LOGS_MAX: usize = 4_096;
/// What a frame needs beside its content, generously.
const FRAME_OVERHEAD: usize = 128;

/// How a journal is run.
#[derive(Clone)]
pub struct Options {
    /// The size at which a new segment is begun, 1 GiB at most.
    pub segment_bytes: u64,
    /// How long new entries may be without a checkpoint.
    pub checkpoint_interval: Duration,
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

/// A journal in the files of one data directory.
pub struct FileJournal {
    shared: Arc<Shared>,
    waiting_bytes_max: usize,
    writer: Mutex<Option<JoinHandle<()>>>,
    checkpointer: Mutex<Option<JoinHandle<()>>>,
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
        let lock = disk.lock(dir, &place.join("lock"))?;
        let mut found = recover(&*disk, dir)?;
        // Entries tell by their epoch which opening of the files wrote them.
        found.state.epoch += 1;
        let last = found.segments.pop().unwrap_or((Segment { first: 0, ordinal: 0 }, 0));
        let (segment, mut len) = last;
        let path = segment.path(dir);
        let file = disk.open(&path, Mode::Write).map_err(Error::io("open", &path))?;
        if len == 0 {
            len = begin_segment(&mut found.state, &*file).map_err(Error::io("begin", &path))?;
            disk.sync_dir(&place).map_err(Error::io("flush", &place))?;
        }
        found.segments.push((segment, len));

        let recovery = found.recovery.clone();
        let health = Health {
            recovery: recovery.clone(),
            bytes: found.segments.iter().map(|(_, len)| len).sum(),
            segments: found.segments.len() as u64,
            ..Health::default()
        };
        let logs = found.state.logs.iter().zip(found.indexes).map(|(log, index)| LogView {
            name: log.name.clone(),
            vkey: log.vkey.clone(),
            signer: None,
            size: log.tree.size(),
            root: log.tree.root(),
            index,
            checkpoint: found
                .anchors
                .get(&log.name)
                .map(|anchor| (anchor.checkpoint.size(), anchor.note.clone())),
        });
        let view = View { logs: logs.collect(), segments: found.segments, health };
        let shared = Arc::new(Shared::new(dir.to_owned(), disk, &found.state, view));
        let writer = Writer {
            shared: shared.clone(),
            segment_bytes: options.segment_bytes.min(SEGMENT_BYTES_MAX),
            on_fatal: options.on_fatal,
            state: found.state,
            file,
            segment,
            len,
        };
        let writer = spawn("journal", move || writer.run(), dir)?;
        let journal = Self {
            shared: shared.clone(),
            waiting_bytes_max: options.waiting_bytes_max,
            writer: Mutex::new(Some(writer)),
            checkpointer: Mutex::new(None),
            lock: Mutex::new(Some(lock)),
        };
        let interval = options.checkpoint_interval;
        let checkpointer = spawn("checkpoints", move || checkpointer::run(&shared, interval), dir)?;
        *journal.checkpointer.lock().expect("no panic while the lock is held") = Some(checkpointer);
        Ok((journal, recovery))
    }

    fn enqueue(&self, batch: &Batch, queue: &mut Queue) -> Result<usize, Error> {
        check_open(queue)?;
        let len = check(batch, queue)?;
        if queue.bytes + len > self.waiting_bytes_max {
            return Err(Error::Full { bytes: queue.bytes });
        }
        for entry in &batch.entries {
            queue.logs[entry.log.0 as usize].1 = entry.seq + 1;
        }
        queue.bytes += len;
        Ok(len)
    }

    /// Waits until everything that was appended before is durable.
    fn define_durably(&self, name: &str, vkey: String) -> Result<LogId, Error> {
        let (reply, answer) = sync_channel(1);
        let number = {
            let mut queue = self.shared.queue();
            check_open(&queue)?;
            let number = queue.logs.len();
            if number >= LOGS_MAX {
                return Err(Error::TooManyLogs(LOGS_MAX));
            }
            let item = Item::Define { name: name.to_owned(), vkey, reply };
            queue.bytes += item.len();
            queue.logs.push((name.to_owned(), 0));
            queue.waiting.push_back(item);
            self.shared.work.notify_one();
            number
        };
        answer.recv().map_err(|_| Error::Closed)??;
        Ok(LogId(u32::try_from(number).expect("bounded above")))
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static, dir: &Path) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(Error::io("start the threads of", dir))
}

/// A data directory that was just made must not vanish with a crash. Where its parent may not be opened, whoever made
/// it there has to see to that.
fn sync_parent(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
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
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    let mut len = 0;
    let fits = |what, bytes: usize, max| {
        if bytes > max { Err(Error::TooLarge { what, bytes, max }) } else { Ok(()) }
    };
    for entry in &batch.entries {
        let (name, expected) = queue.logs.get(entry.log.0 as usize).ok_or(Error::UnknownLog(entry.log.0))?;
        let expected = next.entry(entry.log.0).or_insert(*expected);
        if entry.seq != *expected {
            return Err(Error::OutOfOrder { log: name.clone(), expected: *expected, got: entry.seq });
        }
        *expected += 1;
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
                self.shared.work.notify_one();
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
        let waiting_bytes = self.shared.queue().bytes as u64;
        Health { waiting_bytes, ..self.shared.view().health.clone() }
    }

    fn close(&self) -> Result<(), Error> {
        if self.shared.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.shared.queue().closing = true;
        self.shared.work.notify_all();
        join(&self.writer);
        self.shared.gate().closing = true;
        self.shared.tick.notify_all();
        join(&self.checkpointer);
        let poisoned = self.shared.queue().poisoned.clone();
        let result = match poisoned {
            Some(cause) => Err(Error::Poisoned(cause)),
            None => checkpoint_all(&self.shared),
        };
        drop(self.lock.lock().expect("no panic while the lock is held").take());
        result
    }
}

/// A thread that panicked has poisoned the journal already.
fn join(thread: &Mutex<Option<JoinHandle<()>>>) {
    if let Some(thread) = thread.lock().expect("no panic while the lock is held").take() {
        drop(thread.join());
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        // Whoever wants to know how it went calls `close`.
        drop(self.close());
    }
}
