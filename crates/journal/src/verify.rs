//! Verifies the files of a journal without a server, without keys that open anything, and without writing.
//!
//! Frames, checksums, commits and positions are the scan's; this adds what needs reading: that every entry is canonical
//! JSON, says truly which entry of which log it is, never goes back in time, and commits to the payloads beside it; and
//! that the signed checkpoints vouch for exactly these entries. A payload that is gone was erased: counted, no fault.

use std::collections::BTreeMap;
use std::path::Path;

use tlog::{Hash, Succession, Tree};

use crate::canonical;
use crate::checkpoint::Anchors;
use crate::commits::Commits;
use crate::content::Envelope;
use crate::disk::{Disk, Mode, RealDisk};
use crate::error::{Fault, FaultKind};
use crate::front::{Front, Record};
use crate::recover::{check_torn, tail};
use crate::scan::{LogState, Place, State, Stop, Visit, scan};
use crate::segment::list;

/// How far a verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub bytes: u64,
    /// Bytes in all.
    pub bytes_total: u64,
    /// Entries checked.
    pub entries: u64,
}

/// What a verification vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Every log, in the order in which they were defined.
    pub logs: Vec<VerifiedLog>,
    /// Entries of all of them.
    pub entries: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Bytes after the last batch that counts, as a crash leaves them behind. The server cuts them when it starts.
    pub torn: Option<Torn>,
}

/// What retention took away from the front, on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The first entry of the log that is there.
    pub first: u64,
    /// Root of the tree over those before it.
    pub root: Hash,
}

/// A log that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedLog {
    /// Its name.
    pub name: String,
    /// Its verifier key.
    pub vkey: String,
    /// The keys, and perhaps names, that it had before, each with the tree until which it had them. Oldest first; where
    /// entries were pruned, those after them.
    pub former: Vec<Succession>,
    /// Entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
    /// Entries before the first that is there: pruned, on record. `None` where nothing was.
    pub pruned: Option<Pruned>,
    /// For how many of them a signed checkpoint vouches; `None` without one.
    pub checkpoint_size: Option<u64>,
    /// Payloads that are there.
    pub payloads: u64,
    /// Commitments whose payload is not there any more. Beyond a quarter of a million one to which several entries commit
    /// may count more than once.
    pub payloads_missing: u64,
}

/// A torn tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where it begins.
    pub why: Fault,
    /// How many bytes from the end of the last batch that counts.
    pub bytes: u64,
}

/// Verifies a data directory, or a copy of one. A server that runs on it may be in the middle of a write: its last
/// batch then shows as a torn tail.
pub fn verify(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Verified, Fault> {
    verify_with_keys(dir, &BTreeMap::new(), progress)
}

/// The same; the logs named must be there and have exactly these verifier keys, which the caller got elsewhere.
pub fn verify_with_keys(
    dir: &Path,
    keys: &BTreeMap<String, String>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified, Fault> {
    verify_on(&RealDisk, dir, keys, progress)
}

/// Told of everything that goes by in a verification, in order. What it is told counts only once the verification has
/// passed.
pub trait Each {
    /// An entry of a log, which is in the log's tree already.
    fn entry(&mut self, log: &str, tree: &Tree, bytes: &[u8]);
    /// A sealed payload of the entry before it.
    fn payload(&mut self, log: &str, sealed: &[u8]);
}

impl Each for () {
    fn entry(&mut self, _: &str, _: &Tree, _: &[u8]) {}
    fn payload(&mut self, _: &str, _: &[u8]) {}
}

/// Verifies a data directory and hands out what it holds.
pub fn verify_each(
    dir: &Path,
    each: &mut dyn Each,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified, Fault> {
    walk(&RealDisk, dir, &BTreeMap::new(), Commits::default(), each, progress)
}

/// The same on another file system.
pub fn verify_on(
    disk: &dyn Disk,
    dir: &Path,
    keys: &BTreeMap<String, String>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified, Fault> {
    walk(disk, dir, keys, Commits::default(), &mut (), progress)
}

pub(crate) fn walk(
    disk: &dyn Disk,
    dir: &Path,
    keys: &BTreeMap<String, String>,
    commits: Commits,
    each: &mut dyn Each,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified, Fault> {
    let plain = |file: &str, kind| Fault { file: file.to_owned(), offset: None, log: None, seq: None, kind };
    let unreadable =
        |file: &str, error: std::io::Error| plain(file, FaultKind::Unreadable(error.to_string()));
    // Before the segments: a server may be at work, and what it vouches for meanwhile is not read yet.
    let anchors = Anchors::load(disk, dir)?;
    let segments = list(disk, dir).map_err(|error| unreadable("journal", error))?;
    if segments.is_empty() {
        return Err(plain("journal", FaultKind::Unreadable("there is no segment file in it".to_owned())));
    }
    let mut done = Progress::default();
    for segment in &segments {
        let file = disk.open(&segment.path(dir), Mode::Read);
        done.bytes_total +=
            file.and_then(|file| file.length()).map_err(|error| unreadable(&segment.label(), error))?;
    }
    let front = Front::read(disk, dir, segments[0], &anchors)?;
    let mut state = front.as_ref().map_or_else(State::default, |front| front.head.state(segments[0]));
    let (front_there, records, logs) = (front.is_some(), vec![], Vec::new());
    let mut visit =
        Check { front: front_there, records, anchors, logs, commits, each, progress, done, base: 0 };
    let mut ends = Vec::with_capacity(segments.len());
    let mut torn = None;
    let mut bytes = Vec::new();
    for segment in &segments {
        segment.read(disk, dir, &mut bytes).map_err(|error| unreadable(&segment.label(), error))?;
        match scan(&mut state, *segment, &bytes, &mut visit) {
            Ok(end) => ends.push((*segment, end)),
            Err(Stop::Wrong(fault)) => return Err(fault),
            Err(Stop::Broken { good, fault }) => {
                let last = segment.ordinal + 1 == segments.len();
                check_torn(&state, &visit.anchors, &bytes, last, &fault)?;
                torn = Some(Torn { why: fault, bytes: tail(&bytes, good).len() as u64 });
                ends.push((*segment, good));
            }
        }
        visit.commits.bound(disk, dir, &ends)?;
        visit.base += bytes.len() as u64;
        visit.report(0);
    }
    visit.anchors.settle(&state.logs)?;
    if let Some(front) = &front {
        front.on_record(segments[0], &visit.records)?;
    }
    for (name, expected) in keys {
        let fault = |kind| Fault { log: Some(name.clone()), ..plain("journal", kind) };
        // Who has the first key of a log may follow to the last one: each is signed by the one before.
        let log = state
            .logs
            .iter()
            .find(|log| log.name == *name || log.former.iter().any(|next| next.old.name() == name));
        let log = log.ok_or_else(|| fault(FaultKind::MissingLog))?;
        if log.vkey != *expected && log.former.iter().all(|next| next.old.encode() != *expected) {
            return Err(fault(FaultKind::UnexpectedKey(expected.clone())));
        }
    }
    let (entries, bytes) = (visit.done.entries, visit.done.bytes);
    for (number, read) in (0_u32..).zip(&mut visit.logs) {
        read.settle(number, &mut visit.commits);
    }
    let missing = visit.commits.missing(disk, dir, &ends)?;
    let logs = (0_u32..).zip(state.logs.iter().zip(&visit.logs)).map(|(number, (log, read))| VerifiedLog {
        name: log.name.clone(),
        vkey: log.vkey.clone(),
        former: log.former.clone(),
        size: log.tree.size(),
        root: log.tree.root(),
        pruned: front.as_ref().and_then(|front| front.of(number as usize)),
        checkpoint_size: visit.anchors.get(&log.name).map(|anchor| anchor.checkpoint.size()),
        payloads: read.payloads,
        payloads_missing: missing.get(&number).copied().unwrap_or_default(),
    });
    Ok(Verified { logs: logs.collect(), entries, bytes, torn })
}

/// Entries between two reports of progress.
const REPORT_EVERY: u64 = 4_096;

/// What is remembered of a log while it goes by.
#[derive(Debug, Default)]
struct Read {
    /// Time of the last entry.
    at: Option<i64>,
    /// Commitments of the last entry, and whether their payload stands beside it.
    last: Vec<([u8; 32], bool)>,
    /// Payloads that stand beside their entries.
    payloads: u64,
}

impl Read {
    /// All payloads of the last entry went by.
    fn settle(&mut self, number: u32, commits: &mut Commits) {
        for (commitment, beside) in self.last.drain(..) {
            if !beside {
                commits.alone(number, commitment);
            }
        }
    }
}

struct Check<'a> {
    anchors: Anchors,
    /// Whether the front is missing: then what is on record about it is gathered.
    front: bool,
    records: Vec<Record>,
    logs: Vec<Read>,
    commits: Commits,
    each: &'a mut dyn Each,
    progress: &'a mut dyn FnMut(Progress),
    done: Progress,
    /// Bytes of the segments before this one.
    base: u64,
}

impl Check<'_> {
    fn report(&mut self, offset: u64) {
        self.done.bytes = self.base + offset;
        (self.progress)(self.done);
    }
}

impl Visit for Check<'_> {
    fn defined(&mut self, log: &LogState) {
        self.logs.push(Read::default());
        self.anchors.defined(log);
    }

    fn succeeded(&mut self, number: u32, log: &LogState) {
        self.anchors.succeeded(number, log);
    }

    fn entry(&mut self, place: Place, number: u32, log: &LogState, entry: &[u8]) -> Result<(), FaultKind> {
        let seq = log.tree.size() - 1;
        let fields = canonical::check(entry).map_err(FaultKind::Json)?;
        let missing = |name: &str| FaultKind::Json(format!("`{name}` is missing"));
        let name = fields.log.ok_or_else(|| missing("log"))?;
        if name != log.name {
            return Err(FaultKind::WrongLog(name.escape_debug().to_string()));
        }
        match fields.seq.ok_or_else(|| missing("seq"))? {
            said if said == seq => {}
            said => return Err(FaultKind::WrongSeq(said)),
        }
        let at = fields.at.ok_or_else(|| missing("at"))?;
        let read = &mut self.logs[number as usize];
        if let Some(before) = read.at.filter(|before| at < *before) {
            return Err(FaultKind::TimeWentBack { before, at });
        }
        read.at = Some(at);
        read.settle(number, &mut self.commits);
        read.last.extend(fields.commits.into_iter().map(|commitment| (commitment, false)));
        self.anchors.passed(number, log);
        if self.front {
            self.records.extend(Record::read(number, entry));
        }
        self.each.entry(&log.name, &log.tree, entry);
        self.done.entries += 1;
        if self.done.entries.is_multiple_of(REPORT_EVERY) {
            self.report(place.offset + place.len);
        }
        Ok(())
    }

    fn payload(
        &mut self,
        _: Place,
        number: u32,
        log: &LogState,
        payload: Envelope<'_>,
    ) -> Result<(), FaultKind> {
        let read = &mut self.logs[number as usize];
        let mut named =
            read.last.iter_mut().filter(|(commitment, _)| *commitment == payload.commitment).peekable();
        if named.peek().is_none() {
            return Err(FaultKind::StrayPayload);
        }
        named.for_each(|(_, beside)| *beside = true);
        read.payloads += 1;
        self.commits.beside(number, payload.commitment);
        self.each.payload(&log.name, payload.bytes);
        Ok(())
    }
}
