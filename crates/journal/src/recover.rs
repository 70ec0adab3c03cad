//! What opening finds: the state of a journal after the last batch that counts.
//!
//! Only the end is read: from the head of the last segment for which the checkpoints vouch. What lies before was
//! checked when it was written, and is checked again when it is read, or by `verify`.
//!
//! A tail that was torn by a crash is cut, kept beside, and announced. Everything else that is not right refuses: a
//! journal that repaired itself could not be believed.

use std::path::{Path, PathBuf};

use tlog::Tree;

use crate::checkpoint::Anchors;
use crate::content::Envelope;
use crate::disk::{Disk, Mode};
use crate::error::{Error, Fault, FaultKind};
use crate::head::Head;
use crate::index::{Index, Mark};
use crate::old;
use crate::scan::{self, LogState, Place, State, Stop, Visit, has_commit, scan};
use crate::segment::{Segment, journal_dir, list};

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments. Only the last of them are read, as far back as the checkpoints reach.
    pub segments: u64,
    /// Batches that count.
    pub batches: u64,
    /// Entries of all logs.
    pub entries: u64,
    /// Bytes that count.
    pub bytes: u64,
    /// What was cut.
    pub cut: Option<Cut>,
}

/// A torn tail: bytes after the last batch that counts. Nobody was told that they were kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// From which file, as seen from the data directory.
    pub file: String,
    /// From which byte on.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Where they are now.
    pub torn_file: PathBuf,
    /// What was wrong with them.
    pub why: Fault,
}

/// A journal that was read.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) state: State,
    /// By log number.
    pub(crate) indexes: Vec<Index>,
    /// With the bytes of each that count. The last may have none: then its header is still to be written.
    pub(crate) segments: Vec<(Segment, u64)>,
    pub(crate) anchors: Anchors,
    pub(crate) recovery: Recovery,
    /// Where the logs stood at the head of the first segment, where those before it were pruned.
    pub(crate) front: Vec<Tree>,
    /// How many segments were not read.
    pub(crate) skipped: usize,
    /// The format of the last segment.
    pub(crate) format: Option<u32>,
}

/// Reads the end of a journal, and cuts a torn tail.
pub(crate) fn recover(disk: &dyn Disk, dir: &Path) -> Result<Recovered, Error> {
    let found = list(disk, dir).map_err(Error::io("list", &journal_dir(dir)))?;
    let anchors = Anchors::load(disk, dir)?;
    let front = front(disk, dir, &found)?;
    let (skipped, mut state) = beginning(disk, dir, &found, &anchors)?;
    let mut visit = Gather { anchors, ..Gather::default() };
    let mut segments = Vec::with_capacity(found.len());
    let mut recovery = Recovery::default();
    for segment in &found[..skipped] {
        let len = old::length(disk, dir, *segment)?;
        recovery.bytes += len;
        segments.push((*segment, len));
    }
    let mut format = None;
    let mut bytes = Vec::new();
    for segment in &found[skipped..] {
        segment.read(disk, dir, &mut bytes).map_err(Error::io("read", &segment.path(dir)))?;
        format = scan::format(&bytes).unwrap_or_default();
        let len = match scan(&mut state, *segment, &bytes, &mut visit) {
            Ok(len) => len,
            Err(Stop::Wrong(fault)) => return Err(fault.into()),
            Err(Stop::Broken { good, fault }) => {
                let last = segment.ordinal + 1 == found.len();
                check_torn(&state, &visit.anchors, &bytes, last, &fault)?;
                recovery.cut = cut(disk, dir, *segment, &bytes, good, fault)?;
                good
            }
        };
        recovery.bytes += len;
        segments.push((*segment, len));
    }
    visit.anchors.settle(&state.logs)?;
    recovery.segments = segments.len() as u64;
    recovery.batches = state.batches;
    recovery.entries = state.logs.iter().map(|log| log.tree.size()).sum();
    Ok(Recovered {
        state,
        indexes: visit.indexes,
        segments,
        anchors: visit.anchors,
        recovery,
        front,
        skipped,
        format,
    })
}

/// What was pruned: where the logs stood at the head of the first segment.
fn front(disk: &dyn Disk, dir: &Path, found: &[Segment]) -> Result<Vec<Tree>, Error> {
    let Some(first) = found.first().filter(|segment| segment.first > 0) else { return Ok(vec![]) };
    let head = Head::read(disk, dir, *first).map_err(Error::io("read", &first.path(dir)))?;
    Ok(head.map(|head| head.logs.into_iter().map(|log| log.tree).collect()).unwrap_or_default())
}

/// Where to begin: how many segments are passed over, and what is believed of them.
fn beginning(
    disk: &dyn Disk,
    dir: &Path,
    found: &[Segment],
    anchors: &Anchors,
) -> Result<(usize, State), Error> {
    // The very first one has nothing before it that a head could tell.
    for segment in found.iter().filter(|segment| segment.first > 0).rev() {
        let head = Head::read(disk, dir, *segment).map_err(Error::io("read", &segment.path(dir)))?;
        if let Some(head) = head.filter(|head| anchors.prove(&head.logs)) {
            return Ok((segment.ordinal, head.state(*segment)));
        }
    }
    Ok((0, State::default()))
}

/// Whether what could not be read is a tail that a crash may have torn. Anything else is damage, with its place.
pub(crate) fn check_torn(
    state: &State,
    anchors: &Anchors,
    bytes: &[u8],
    last: bool,
    fault: &Fault,
) -> Result<(), Fault> {
    let at = fault.offset.unwrap_or(0);
    if !last || has_commit(bytes, at, state.batches + 1) {
        return Err(fault.clone());
    }
    match anchors.shorter(&state.logs) {
        None => Ok(()),
        // What is gone without a trace is best told by the checkpoint, what is there by its place.
        Some(shorter)
            if matches!(fault.kind, FaultKind::CutShort | FaultKind::Uncommitted)
                && !has_commit(bytes, at, state.batches) =>
        {
            Err(Fault { file: fault.file.clone(), offset: fault.offset, ..shorter })
        }
        Some(_) => Err(fault.clone()),
    }
}

/// What is there after the last batch that counts, without the blocks of zeros behind it: they were room.
pub(crate) fn tail(bytes: &[u8], good: u64) -> &[u8] {
    let tail = &bytes[usize::try_from(good).expect("an offset within a buffer")..];
    if scan::format(bytes) == Ok(Some(1)) {
        return tail;
    }
    let used = scan::used(tail);
    &tail[..used.next_multiple_of(4_096).min(tail.len())]
}

/// Keeps the tail in a file of its own, then cuts it off.
fn cut(
    disk: &dyn Disk,
    dir: &Path,
    segment: Segment,
    bytes: &[u8],
    good: u64,
    why: Fault,
) -> Result<Option<Cut>, Error> {
    let tail = tail(bytes, good);
    if tail.is_empty() {
        // A segment file that was made, but never written to.
        return Ok(None);
    }
    let place = journal_dir(dir);
    let torn_file = free_name(disk, &place, segment.first, good)?;
    let torn = disk.open(&torn_file, Mode::Write).map_err(Error::io("make", &torn_file))?;
    torn.write_at(tail, 0).and_then(|()| torn.sync()).map_err(Error::io("write", &torn_file))?;
    disk.sync_dir(&place).map_err(Error::io("flush", &place))?;
    let path = segment.path(dir);
    let file = disk.open(&path, Mode::Write).map_err(Error::io("open", &path))?;
    file.truncate(good).and_then(|()| file.sync()).map_err(Error::io("cut", &path))?;
    Ok(Some(Cut { file: segment.label(), offset: good, bytes: tail.len() as u64, torn_file, why }))
}

/// A tail may be torn twice at the same place: neither is written over.
fn free_name(disk: &dyn Disk, place: &Path, segment: u64, offset: u64) -> Result<PathBuf, Error> {
    let taken = disk.list(place).map_err(Error::io("list", place))?;
    let stem = format!("torn-{segment:016x}-{offset}");
    let mut names =
        std::iter::once(format!("{stem}.bin")).chain((2_u64..).map(|n| format!("{stem}-{n}.bin")));
    let name = names.find(|name| !taken.contains(name)).expect("numbers do not run out");
    Ok(place.join(name))
}

/// Gathers what a running journal keeps in memory.
#[derive(Debug, Default)]
struct Gather {
    indexes: Vec<Index>,
    anchors: Anchors,
}

impl Visit for Gather {
    fn defined(&mut self, log: &LogState) {
        self.indexes.push(Index::default());
        self.anchors.defined(log);
    }

    fn succeeded(&mut self, number: u32, log: &LogState) {
        self.anchors.succeeded(number, log);
    }

    fn entry(&mut self, place: Place, number: u32, log: &LogState, _entry: &[u8]) -> Result<(), FaultKind> {
        let segment = u32::try_from(place.segment.ordinal).expect("segments are counted in 32 bits");
        self.indexes[number as usize].note(Mark { seq: log.tree.size() - 1, segment, offset: place.offset });
        self.anchors.passed(number, log);
        Ok(())
    }

    fn payload(&mut self, _: Place, _: u32, _: &LogState, _: Envelope<'_>) -> Result<(), FaultKind> {
        Ok(())
    }
}
