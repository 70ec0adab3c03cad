//! Reads segments frame by frame and batch by batch, and checks what can be checked without understanding entries.
//!
//! Opening and verifying are the same scan with other visitors. A batch counts only when its commit frame is there and
//! agrees; what cannot be read after the last commit is [`Stop::Broken`] and may be a torn tail, what can be read but
//! is not right is [`Stop::Wrong`] and never one. A scan begins with the empty state, or with any segment whose head is
//! trusted: its log frames carry what went before.

use std::collections::BTreeSet;

use tlog::{Succession, Tree, leaf_hash};

use crate::checkpoint::is_log_name;

use crate::content::{Commit, Envelope, LogDefinition, SegmentHeader};
use crate::error::{Fault, FaultKind};
use crate::frame::{self, Frame, Head, Kind, NO_LOG};
use crate::segment::Segment;

/// A log, as far as it was read.
#[derive(Clone, Debug)]
pub(crate) struct LogState {
    pub(crate) name: String,
    pub(crate) vkey: String,
    pub(crate) tree: Tree,
    /// The keys that it had before, as far as reading reached: oldest first.
    pub(crate) former: Vec<Succession>,
}

impl LogState {
    /// Takes the next key, with the name that it bears.
    pub(crate) fn succeed(&mut self, note: &[u8]) -> Result<(), String> {
        let note = std::str::from_utf8(note).map_err(|_| "it is not text".to_owned())?;
        let next = Succession::open(note).map_err(|error| error.to_string())?;
        if next.old.encode() != self.vkey {
            return Err("it is not signed by the key until now".to_owned());
        }
        if next.size != self.tree.size() || next.root != self.tree.root() {
            return Err("it is about another tree".to_owned());
        }
        if !is_log_name(next.new.name()) {
            return Err("the new name cannot be a log's".to_owned());
        }
        next.new.name().clone_into(&mut self.name);
        self.vkey = next.new.encode();
        self.former.push(next);
        Ok(())
    }
}

/// A journal, as far as it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Frames so far: the number of the next one.
    pub(crate) frames: u64,
    /// Batches so far: the number of the next one.
    pub(crate) batches: u64,
    /// Epoch of the last frame.
    pub(crate) epoch: u64,
    /// By number.
    pub(crate) logs: Vec<LogState>,
    /// Whether the next batch is the head of a segment in the middle of the journal, where logs are taken in as they
    /// stand there.
    pub(crate) begins: bool,
}

/// Where a frame lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) segment: Segment,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// Told of everything in a batch that is whole.
pub(crate) trait Visit {
    /// A log that is new.
    fn defined(&mut self, log: &LogState);
    /// A log has another key, and perhaps another name.
    fn succeeded(&mut self, number: u32, log: &LogState);
    /// An entry, which is in the log's tree already.
    fn entry(&mut self, place: Place, number: u32, log: &LogState, entry: &[u8]) -> Result<(), FaultKind>;
    /// A payload of the entry before it.
    fn payload(
        &mut self,
        place: Place,
        number: u32,
        log: &LogState,
        payload: Envelope<'_>,
    ) -> Result<(), FaultKind>;
    /// A batch is whole: it ends before this byte of the segment.
    fn committed(&mut self, _segment: Segment, _end: u64) {}
}

/// Why a scan did not reach the end of a segment.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Unreadable from the byte `good` on, which follows a commit.
    Broken { good: u64, fault: Fault },
    /// Readable, and not what it must be.
    Wrong(Fault),
}

/// Scans one segment; the state is after its last good batch, whose end is returned. What follows are zeros: room that
/// was not used.
pub(crate) fn scan(
    state: &mut State,
    segment: Segment,
    bytes: &[u8],
    visit: &mut dyn Visit,
) -> Result<u64, Stop> {
    let mut scan = Scan { state, segment, bytes, visit, format: 0, batch: Vec::new() };
    if segment.first != scan.state.frames {
        let kind = FaultKind::MissingSegment { expected: scan.state.frames, found: segment.first };
        return Err(Stop::Wrong(scan.fault(0, kind)));
    }
    // Before anything else: in a newer format the frames that follow may not even be readable.
    let format = format(bytes).map_err(|kind| Stop::Wrong(scan.fault(0, kind)))?;
    scan.format = format.unwrap_or(0);
    let used = if scan.format >= 2 { used(bytes) } else { bytes.len() };
    let mut good = 0;
    while good < used {
        good = scan.batch(good)?;
    }
    if good == 0 {
        return Err(Stop::Broken { good: 0, fault: scan.fault(0, FaultKind::CutShort) });
    }
    Ok(good as u64)
}

/// The format of a segment, where its first frame can be read; an error where it is newer than what is known here.
pub(crate) fn format(bytes: &[u8]) -> Result<Option<u32>, FaultKind> {
    match frame::decode(bytes) {
        Ok((Frame { kind: Kind::Segment, bytes, .. }, _)) => match SegmentHeader::decode(bytes) {
            Err(kind @ FaultKind::NewerFormat { .. }) => Err(kind),
            header => Ok(header.ok().map(|header| header.format)),
        },
        _ => Ok(None),
    }
}

/// Bytes up to the last one that is not zero.
pub(crate) fn used(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    let mut rest = bytes;
    while let Some(front) = rest.strip_suffix(&ZEROS) {
        rest = front;
    }
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Whether a commit frame of batch `batch` or a later one can be found from the byte `from` on. Writes go out one batch
/// at a time, each after the flush of the one before: a tail that was torn holds at most its own.
pub(crate) fn has_commit(bytes: &[u8], from: u64, batch: u64) -> bool {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let rest = bytes.get(from..).unwrap_or_default();
    (0..rest.len()).any(|at| {
        let Some(head) = Head::read(&rest[at..]) else { return false };
        head.kind == Kind::Commit.byte()
            && head.log == NO_LOG
            && head.seq >= batch
            && frame::decode(&rest[at..]).is_ok()
    })
}

struct Scan<'a> {
    state: &'a mut State,
    segment: Segment,
    bytes: &'a [u8],
    visit: &'a mut dyn Visit,
    /// Of this segment.
    format: u32,
    /// Frames of the batch under way, with their offsets.
    batch: Vec<(usize, Frame<'a>)>,
}

impl<'a> Scan<'a> {
    /// Reads the batch at `start`; returns where the next one begins.
    fn batch(&mut self, start: usize) -> Result<usize, Stop> {
        self.batch.clear();
        let mut at = start;
        loop {
            let read = if at < self.bytes.len() {
                frame::decode(&self.bytes[at..])
            } else {
                Err(FaultKind::Uncommitted)
            };
            match read {
                Err(kind) => {
                    return Err(Stop::Broken { good: start as u64, fault: self.broken(at, kind) });
                }
                Ok((frame, len)) if frame.kind == Kind::Commit => {
                    self.commit(start, at, frame).map_err(Stop::Wrong)?;
                    self.visit.committed(self.segment, (at + len) as u64);
                    return Ok(at + len);
                }
                Ok((frame, len)) => {
                    self.batch.push((at, frame));
                    at += len;
                }
            }
        }
    }

    /// Takes in a batch whose commit frame is there.
    fn commit(&mut self, start: usize, at: usize, frame: Frame<'a>) -> Result<(), Fault> {
        let commit = Commit::decode(frame.bytes).map_err(|kind| self.fault(at, kind))?;
        let expected = self.state.batches;
        if frame.seq != expected || frame.log != NO_LOG {
            return Err(self.fault(at, FaultKind::BatchNumber { expected, found: frame.seq }));
        }
        let content = &self.bytes[start..at];
        let agrees = commit.frames as usize == self.batch.len()
            && commit.len == content.len() as u64
            && commit.crc == crc32c::crc32c(content);
        if !agrees {
            return Err(self.first_of_batch(at, FaultKind::BatchContent));
        }
        let batch = std::mem::take(&mut self.batch);
        let mut touched = BTreeSet::new();
        let mut entry = None;
        let mut before = None;
        for (offset, frame) in &batch {
            // A new key stands at the head of a segment, behind the definition that it changes.
            let defined = before.replace((frame.kind, frame.log));
            if frame.kind == Kind::Succession
                && (self.format < 3 || start != 0 || defined != Some((Kind::Log, frame.log)))
            {
                let kind = FaultKind::Succession("it does not stand where it belongs".to_owned());
                return Err(self.of_frame(*offset, frame, kind));
            }
            self.take(*offset, *frame, &mut entry).map_err(|kind| self.of_frame(*offset, frame, kind))?;
            if frame.log != NO_LOG {
                touched.insert(frame.log);
            }
            self.state.frames += 1;
        }
        self.epoch(frame.epoch).map_err(|kind| self.fault(at, kind))?;
        let heads = touched.iter().map(|log| {
            let tree = &self.state.logs[*log as usize].tree;
            (*log, tree.size(), tree.root())
        });
        let same = heads.eq(commit.heads.iter().copied());
        self.batch = batch;
        if !same {
            return Err(self.first_of_batch(at, FaultKind::Root));
        }
        self.state.frames += 1;
        self.state.batches += 1;
        self.state.begins = false;
        Ok(())
    }

    fn epoch(&mut self, to: u64) -> Result<(), FaultKind> {
        let from = std::mem::replace(&mut self.state.epoch, to);
        if to < from { Err(FaultKind::Epoch { from, to }) } else { Ok(()) }
    }

    /// Takes in one frame. `entry` is the last entry of the batch: payloads stand beside it.
    fn take(
        &mut self,
        offset: usize,
        frame: Frame<'_>,
        entry: &mut Option<(u32, u64)>,
    ) -> Result<(), FaultKind> {
        self.epoch(frame.epoch)?;
        let len = (frame::HEAD_LEN + frame.bytes.len()) as u64;
        let place = Place { segment: self.segment, offset: offset as u64, len };
        if (offset == 0) != (frame.kind == Kind::Segment) {
            return Err(FaultKind::NotASegment);
        }
        match frame.kind {
            Kind::Segment => {
                let header = SegmentHeader::decode(frame.bytes)?;
                let expected = self.state.frames;
                if frame.seq != expected {
                    return Err(FaultKind::MissingSegment { expected, found: frame.seq });
                }
                if header.batch != self.state.batches || frame.log != NO_LOG {
                    return Err(FaultKind::BatchNumber { expected: self.state.batches, found: header.batch });
                }
            }
            Kind::Log => {
                let LogDefinition { name, vkey, tree } = LogDefinition::decode(frame.bytes, frame.seq)?;
                match self.state.logs.get(frame.log as usize) {
                    Some(log) if log.name == name && log.vkey == vkey && log.tree == tree => {}
                    Some(_) => return Err(FaultKind::Redefined),
                    None if frame.log as usize == self.state.logs.len()
                        && (tree.size() == 0 || self.state.begins) =>
                    {
                        self.state.logs.push(LogState { name, vkey, tree, former: Vec::new() });
                        self.visit.defined(self.state.logs.last().expect("just pushed"));
                    }
                    None => return Err(FaultKind::UndefinedLog(frame.log)),
                }
            }
            Kind::Entry => {
                let log =
                    self.state.logs.get_mut(frame.log as usize).ok_or(FaultKind::UndefinedLog(frame.log))?;
                let expected = log.tree.size();
                if frame.seq != expected {
                    return Err(FaultKind::Sequence { expected, found: frame.seq });
                }
                log.tree.push(leaf_hash(frame.bytes));
                *entry = Some((frame.log, frame.seq));
                self.visit.entry(place, frame.log, log, frame.bytes)?;
            }
            Kind::Payload => {
                let log =
                    self.state.logs.get(frame.log as usize).ok_or(FaultKind::UndefinedLog(frame.log))?;
                if *entry != Some((frame.log, frame.seq)) {
                    return Err(FaultKind::StrayPayload);
                }
                self.visit.payload(place, frame.log, log, Envelope::decode(frame.bytes)?)?;
            }
            Kind::Succession => {
                let logs = &mut self.state.logs;
                let log = logs.get_mut(frame.log as usize).ok_or(FaultKind::UndefinedLog(frame.log))?;
                log.succeed(frame.bytes).map_err(FaultKind::Succession)?;
                if logs.iter().filter(|log| log.name == logs[frame.log as usize].name).count() > 1 {
                    return Err(FaultKind::Succession("another log has the name".to_owned()));
                }
                self.visit.succeeded(frame.log, &self.state.logs[frame.log as usize]);
            }
            Kind::Commit => unreachable!("a commit frame ends the batch before it is taken in"),
        }
        Ok(())
    }

    fn fault(&self, at: usize, kind: FaultKind) -> Fault {
        Fault { file: self.segment.label(), offset: Some(at as u64), log: None, seq: None, kind }
    }

    fn named(&self, at: usize, place: Option<(u32, u64)>, kind: FaultKind) -> Fault {
        let log = place.and_then(|(log, _)| self.state.logs.get(log as usize));
        Fault {
            log: log.map(|log| log.name.clone()),
            seq: log.and(place).map(|(_, seq)| seq),
            ..self.fault(at, kind)
        }
    }

    /// A frame that can be read names its log and entry itself.
    fn of_frame(&self, at: usize, frame: &Frame<'_>, kind: FaultKind) -> Fault {
        let entry = matches!(frame.kind, Kind::Entry | Kind::Payload);
        self.named(at, entry.then_some((frame.log, frame.seq)), kind)
    }

    fn first_entry(&self) -> Option<(u32, u64)> {
        let entry = self.batch.iter().find(|(_, frame)| frame.kind == Kind::Entry);
        entry.map(|(_, frame)| (frame.log, frame.seq))
    }

    /// What is wrong with a batch as a whole is put down to its first entry.
    fn first_of_batch(&self, at: usize, kind: FaultKind) -> Fault {
        self.named(at, self.first_entry(), kind)
    }

    /// A frame that cannot be read: its fields are believed only where they fit what comes next.
    fn broken(&self, at: usize, kind: FaultKind) -> Fault {
        let next = |log: u32| {
            let size = self.state.logs.get(log as usize)?.tree.size();
            let pending =
                self.batch.iter().filter(|(_, frame)| frame.kind == Kind::Entry && frame.log == log).count();
            Some(size + pending as u64)
        };
        let head = self.bytes.get(at..).and_then(Head::read);
        let told = head.and_then(|head| {
            let next = next(head.log)?;
            let fits = head.seq == next || head.seq + 1 == next;
            fits.then_some((head.log, head.seq))
        });
        let commit = head.is_some_and(|head| head.kind == Kind::Commit.byte() && head.log == NO_LOG);
        let only = || if self.state.logs.len() == 1 { next(0).map(|seq| (0, seq)) } else { None };
        let place = match told {
            Some(place) => Some(place),
            // Without its commit frame nothing of a batch counts.
            None if commit => self.first_entry(),
            None => only().or_else(|| self.first_entry()),
        };
        self.named(at, place, kind)
    }
}
