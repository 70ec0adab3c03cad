//! Copies the files of a journal into another directory, beside a server that may be at work on them.
//!
//! No help of the server is needed, because segments only grow: the checkpoints are read first, then the segments, each
//! up to the end of its last whole batch. So everything that the copied checkpoints vouch for is in the copy, and
//! `verify` accepts it. Copying again into the same directory takes what came since: segments that were closed by then
//! are not read again. A directory that holds another history is refused; where a log goes on under another name, the
//! checkpoint of the one before goes.

use std::path::Path;

use tlog::Hash;

use crate::checkpoint::{Anchors, checkpoint_dir, file_name};
use crate::content::Envelope;
use crate::disk::{Disk, Mode, RealDisk, read_into, replace};
use crate::error::{Error, Fault, FaultKind};
use crate::file::sync_parent;
use crate::head::Head;
use crate::recover::check_torn;
use crate::scan::{LogState, Place, State, Stop, Visit, scan, used};
use crate::segment::{SEGMENT_BYTES_LIMIT, Segment, journal_dir, list};

/// How often the last segment is read before what cannot be read in it counts: a write may be under way.
const READS_MAX: usize = 3;

/// How far a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copying {
    /// Bytes that are done.
    pub bytes: u64,
    /// Bytes in all.
    pub bytes_total: u64,
}

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Every log, in the order in which they were defined.
    pub logs: Vec<CopiedLog>,
    /// Segments in the copy.
    pub segments: u64,
    /// Those that were written now.
    pub segments_written: u64,
    /// Bytes that were written now.
    pub bytes_written: u64,
}

/// A log in a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedLog {
    /// Its name.
    pub name: String,
    /// Its verifier key.
    pub vkey: String,
    /// Entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
}

/// Copies journal and checkpoints of the data directory `from` into `to`, or adds to an earlier copy what came since.
/// Names and bytes are safe on the disk when it returns.
pub fn copy(from: &Path, to: &Path, progress: &mut dyn FnMut(Copying)) -> Result<Copied, Error> {
    copy_on(&RealDisk, from, to, progress)
}

pub(crate) fn copy_on(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(Copying),
) -> Result<Copied, Error> {
    // Before the segments: what a server vouches for meanwhile may not be read any more.
    let anchors = Anchors::load(disk, from)?;
    let segments = written(disk, from)?;
    let (known, grown) = earlier(disk, from, to, &segments)?;
    let before = Anchors::load(disk, to)?;
    let other = || Error::OtherHistory { dir: to.to_owned() };
    // Of a journal that is not there: nothing here continues it.
    if grown.is_none() && before.names().next().is_some() {
        return Err(other());
    }
    let (journal, checkpoints) = (journal_dir(to), checkpoint_dir(to));
    for dir in [&journal, &checkpoints] {
        disk.create_dir(dir).map_err(Error::io("make", dir))?;
    }
    // Before anything is in them: a checkpoint without its journal would be another's.
    disk.sync_dir(to).map_err(Error::io("flush", to))?;
    sync_parent(disk, to)?;
    let (first, mut state) = beginning(disk, from, &segments[..=known], &anchors)?;
    let mut done = Copying::default();
    for segment in &segments[first..] {
        done.bytes_total += length(disk, from, *segment)?;
    }
    let mut copied =
        Copied { logs: vec![], segments: segments.len() as u64, segments_written: 0, bytes_written: 0 };
    let mut visit = Pass { anchors, before, starts: Vec::new() };
    let mut bytes = Vec::new();
    for (place, segment) in segments.iter().enumerate().skip(first) {
        let last = place + 1 == segments.len();
        let good = whole(disk, from, *segment, last, &mut state, &mut visit, &mut bytes)?;
        done.bytes += bytes.len() as u64;
        let bytes = &bytes[..good];
        // INVARIANT: nothing in the copy is written over before this journal was seen to continue it.
        if Some(place) == grown && !visit.continues(&state.logs) {
            return Err(other());
        }
        if place >= known && !same(disk, to, *segment, bytes) {
            visit.retire(disk, &checkpoints, &state.logs)?;
            replace(disk, &journal, &segment.name(), bytes).map_err(Error::io("write", &segment.path(to)))?;
            copied.segments_written += 1;
            copied.bytes_written += good as u64;
        }
        progress(done);
    }
    visit.anchors.settle(&state.logs)?;
    visit.retire(disk, &checkpoints, &state.logs)?;
    for log in &state.logs {
        if let Some(anchor) = visit.anchors.get(&log.name) {
            let name = file_name(&log.name);
            replace(disk, &checkpoints, &name, anchor.note.as_bytes())
                .map_err(Error::io("write", &checkpoints.join(&name)))?;
        }
        let LogState { name, vkey, tree, .. } = log;
        copied.logs.push(CopiedLog {
            name: name.clone(),
            vkey: vkey.clone(),
            size: tree.size(),
            root: tree.root(),
        });
    }
    Ok(copied)
}

/// The segments that were written to: the last may be one that has only been made.
fn written(disk: &dyn Disk, dir: &Path) -> Result<Vec<Segment>, Error> {
    let mut segments = list(disk, dir).map_err(Error::io("list", &journal_dir(dir)))?;
    while let Some(last) = segments.last() {
        let path = last.path(dir);
        let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
        let mut head = [0; 4_096];
        let read = file.read_at(&mut head, 0).map_err(Error::io("read", &path))?;
        if used(&head[..read]) > 0 {
            return Ok(segments);
        }
        segments.pop();
    }
    let kind = FaultKind::Unreadable("there is no segment file in it".to_owned());
    Err(Fault { file: "journal".to_owned(), offset: None, log: None, seq: None, kind }.into())
}

/// How many of the segments an earlier copy holds for good, and which is its last one, which may have grown. The head of
/// that one names the trees of all before it, so comparing it tells whether those are of one history.
fn earlier(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    segments: &[Segment],
) -> Result<(usize, Option<usize>), Error> {
    let copies = list(disk, to).map_err(Error::io("list", &journal_dir(to)))?;
    let Some(last) = copies.last() else { return Ok((0, None)) };
    let other = || Error::OtherHistory { dir: to.to_owned() };
    let place = segments.iter().position(|one| one.first == last.first).ok_or_else(other)?;
    let head = |dir: &Path| Head::read(disk, dir, *last).map_err(Error::io("read", &last.path(dir)));
    match (head(from)?, head(to)?) {
        (Some(ours), Some(theirs)) if ours.batch == theirs.batch && ours.logs == theirs.logs => {}
        _ => return Err(other()),
    }
    // Up to the first that is missing, or that is not as long as the one that was closed.
    let alike = |one: &&Segment| {
        copies.iter().any(|copy| copy.first == one.first)
            && matches!((length(disk, from, **one), length(disk, to, **one)), (Ok(a), Ok(b)) if a == b)
    };
    Ok((segments[..place].iter().take_while(alike).count(), Some(place)))
}

/// Where to begin reading: at the last of `segments` whose head the checkpoints prove, else at the first.
fn beginning(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[Segment],
    anchors: &Anchors,
) -> Result<(usize, State), Error> {
    // A journal that was pruned begins with such a head, and with nothing else.
    let later = segments.iter().enumerate().filter(|(place, segment)| *place > 0 || segment.first > 0);
    for (place, segment) in later.rev() {
        let head = Head::read(disk, dir, *segment).map_err(Error::io("read", &segment.path(dir)))?;
        if let Some(head) = head.filter(|head| anchors.prove(&head.logs)) {
            return Ok((place, head.state(*segment)));
        }
    }
    Ok((0, State::default()))
}

/// Reads a segment and returns where its last whole batch ends.
fn whole(
    disk: &dyn Disk,
    dir: &Path,
    segment: Segment,
    last: bool,
    state: &mut State,
    visit: &mut Pass,
    bytes: &mut Vec<u8>,
) -> Result<usize, Error> {
    let path = segment.path(dir);
    let before = state.clone();
    let mut reads = 1;
    loop {
        read_into(disk, &path, SEGMENT_BYTES_LIMIT, bytes).map_err(Error::io("read", &path))?;
        let good = match scan(state, segment, bytes, visit) {
            Ok(good) => Ok(good),
            Err(Stop::Wrong(fault)) => Err(fault),
            Err(Stop::Broken { good, fault }) => {
                check_torn(state, &visit.anchors, bytes, last, &fault).map(|()| good)
            }
        };
        match good {
            Ok(good) => return Ok(usize::try_from(good).expect("an offset within a buffer")),
            // What was written while it was read may be there in parts; the next reading finds it whole.
            Err(_) if last && reads < READS_MAX => {
                reads += 1;
                state.clone_from(&before);
                visit.forget(before.logs.len());
            }
            Err(fault) => return Err(fault.into()),
        }
    }
}

/// Whether the copy of a segment has just these bytes.
fn same(disk: &dyn Disk, to: &Path, segment: Segment, bytes: &[u8]) -> bool {
    let mut there = Vec::new();
    length(disk, to, segment).ok() == Some(bytes.len() as u64)
        && segment.read(disk, to, &mut there).is_ok()
        && there == bytes
}

fn length(disk: &dyn Disk, dir: &Path, segment: Segment) -> Result<u64, Error> {
    crate::old::length(disk, dir, segment)
}

/// Holds what goes by against the checkpoints.
#[derive(Debug)]
struct Pass {
    anchors: Anchors,
    /// The checkpoints of the earlier copy.
    before: Anchors,
    /// Where reading began, by log number.
    starts: Vec<u64>,
}

impl Pass {
    fn forget(&mut self, count: usize) {
        self.anchors.forget(count);
        self.before.forget(count);
        self.starts.truncate(count);
    }

    /// Whether what the checkpoints of the earlier copy vouch for is here, too. What lies before the point where reading
    /// began is told by the head there.
    fn continues(&self, logs: &[LogState]) -> bool {
        self.before.names().all(|name| {
            let log = logs
                .iter()
                .zip(&self.starts)
                .find(|(log, _)| log.name == name || log.former.iter().any(|next| next.old.name() == name));
            let anchor = self.before.get(name);
            log.zip(anchor)
                .is_some_and(|((_, start), anchor)| anchor.checkpoint.size() < *start || anchor.holds())
        })
    }

    /// Takes away the checkpoints of logs that have another name by now, before the segment is there that says so: the
    /// copy is whole at each step.
    fn retire(&mut self, disk: &dyn Disk, checkpoints: &Path, logs: &[LogState]) -> Result<(), Error> {
        let gone = self.before.take_others(logs);
        for name in &gone {
            let path = checkpoints.join(file_name(name));
            disk.remove(&path).map_err(Error::io("remove", &path))?;
        }
        if gone.is_empty() {
            return Ok(());
        }
        disk.sync_dir(checkpoints).map_err(Error::io("flush", checkpoints))
    }
}

impl Visit for Pass {
    fn defined(&mut self, log: &LogState) {
        self.anchors.defined(log);
        self.before.defined(log);
        self.starts.push(log.tree.size());
    }

    fn succeeded(&mut self, number: u32, log: &LogState) {
        self.anchors.succeeded(number, log);
        self.before.succeeded(number, log);
    }

    fn entry(&mut self, _: Place, number: u32, log: &LogState, _: &[u8]) -> Result<(), FaultKind> {
        self.anchors.passed(number, log);
        self.before.passed(number, log);
        Ok(())
    }

    fn payload(&mut self, _: Place, _: u32, _: &LogState, _: Envelope<'_>) -> Result<(), FaultKind> {
        Ok(())
    }
}
