//! Reading back: entries in order, single payloads, proofs. Durable bytes only.
//!
//! Readers hold no lock while they read: segments only grow, and they read no further than what was durable when they
//! looked. Everything that is read is checked against its checksum again.

use std::sync::Arc;

use tlog::{Gather, Hash};

use crate::content::Envelope;
use crate::disk::{File, Mode};
use crate::error::{Error, Fault, FaultKind};
use crate::frame::{self, CONTENT_BYTES_MAX, Frame, HEAD_LEN, Head, Kind};
use crate::index::Mark;
use crate::journal::{Locator, LogId, PayloadAt, Stored};
use crate::segment::Segment;
use crate::shared::Shared;

/// What one read of the file takes at least.
const CHUNK: usize = 256 * 1024;
/// Entries that a proof reads at once.
const PROOF_ENTRIES: usize = 4_096;
/// Bytes that a proof reads at once.
const PROOF_BYTES: usize = 8 << 20;

/// Durable entries of one log, from `from` on.
pub(crate) fn entries(
    shared: &Shared,
    log: LogId,
    from: u64,
    entries_max: usize,
    bytes_max: usize,
) -> Result<Vec<Stored>, Error> {
    let mut wanted = Wanted { log, next: from, size: 0, entries_max, bytes_max, bytes: 0, found: Vec::new() };
    while wanted.found.len() < entries_max
        && let Some((mark, size, segment, len)) = place(shared, log, wanted.next)?
    {
        wanted.size = size;
        let before = wanted.next;
        let mut window = Window::open(shared, segment, len)?;
        let mut at = mark.offset;
        while at < len {
            let (frame, next) = window.frame(at)?;
            if !wanted.take(frame, segment, at, next)? {
                return Ok(wanted.found);
            }
            at = next;
        }
        // The mark says that the entry is here: walking on would never end.
        if wanted.next == before {
            let kind = FaultKind::Sequence { expected: before, found: mark.seq };
            let fault = Fault {
                file: segment.label(),
                offset: Some(mark.offset),
                log: None,
                seq: Some(before),
                kind,
            };
            return Err(fault.into());
        }
    }
    Ok(wanted.found)
}

/// What a read is after, and what it has.
struct Wanted {
    log: LogId,
    /// The next entry.
    next: u64,
    /// Entries of the log.
    size: u64,
    entries_max: usize,
    bytes_max: usize,
    bytes: usize,
    found: Vec<Stored>,
}

impl Wanted {
    /// Takes a frame in, if it is wanted; `false` where nothing more is.
    fn take(&mut self, frame: Frame<'_>, segment: Segment, at: u64, next: u64) -> Result<bool, Error> {
        // Payloads follow their entry at once: any other frame means that the last entry has all of its own.
        let full = self.found.len() >= self.entries_max || self.next >= self.size;
        if full && frame.kind != Kind::Payload {
            return Ok(false);
        }
        if frame.log != self.log.0 {
            return Ok(true);
        }
        match frame.kind {
            Kind::Entry if frame.seq == self.next => {
                if !self.found.is_empty() && self.bytes + frame.bytes.len() > self.bytes_max {
                    return Ok(false);
                }
                self.bytes += frame.bytes.len();
                self.next += 1;
                self.found.push(Stored { seq: frame.seq, bytes: frame.bytes.to_vec(), payloads: vec![] });
            }
            Kind::Payload => {
                if let Some(entry) = self.found.last_mut().filter(|entry| entry.seq == frame.seq) {
                    let envelope = Envelope::decode(frame.bytes).map_err(bad(segment, at))?;
                    let Envelope { commitment, subject, .. } = envelope;
                    let at = Locator { segment: segment.first, offset: at, len: next - at };
                    entry.payloads.push(PayloadAt { commitment, subject: subject.to_owned(), at });
                }
            }
            Kind::Segment | Kind::Log | Kind::Entry | Kind::Commit | Kind::Succession => {}
        }
        Ok(true)
    }
}

/// Where to begin reading for an entry: the mark before it, the log's size, the segment and its durable bytes.
/// `None` at the end of the log.
fn place(shared: &Shared, log: LogId, seq: u64) -> Result<Option<(Mark, u64, Segment, u64)>, Error> {
    let view = shared.view();
    let seen = view.logs.get(log.0 as usize).ok_or(Error::UnknownLog(log.0))?;
    if seq >= seen.size {
        return Ok(None);
    }
    let first = seen.front.size();
    if seq < first {
        return Err(Error::Pruned { log: seen.name.clone(), seq, first });
    }
    let size = seen.size;
    if let Some(mark) = seen.index.before(seq) {
        let (segment, len) = view.segments[mark.segment as usize];
        return Ok(Some((mark, size, segment, len)));
    }
    // Before what opening read.
    let segments: Vec<Segment> = view.segments.iter().map(|(segment, _)| *segment).collect();
    let gone = view.gone;
    drop(view);
    let (mark, len) = shared.old.mark(&*shared.disk, &shared.dir, &segments, gone, log, seq)?;
    Ok(Some((mark, size, segments[mark.segment as usize], len)))
}

/// The sealed bytes of a payload.
pub(crate) fn payload(shared: &Shared, at: &Locator) -> Result<Vec<u8>, Error> {
    let known = {
        let view = shared.view();
        let there = &view.segments[view.gone..];
        if there.first().is_some_and(|(first, _)| at.segment < first.first) {
            return Err(Error::PayloadPruned);
        }
        let found = view.segments.binary_search_by_key(&at.segment, |(segment, _)| segment.first);
        found.ok().map(|number| view.segments[number])
    };
    let segment = known.map_or(Segment { first: at.segment, ordinal: 0 }, |(segment, _)| segment);
    let bad = bad(segment, at.offset);
    let end = at.offset.checked_add(at.len);
    let Some((segment, _)) = known.filter(|(_, len)| end.is_some_and(|end| end <= *len)) else {
        return Err(bad(FaultKind::CutShort));
    };
    let len = usize::try_from(at.len).ok().filter(|len| *len <= HEAD_LEN + CONTENT_BYTES_MAX);
    let mut buffer = vec![0; len.ok_or(FaultKind::Length(at.len)).map_err(&bad)?];
    let path = segment.path(&shared.dir);
    let file = shared.disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
    file.read_at(&mut buffer, at.offset).map_err(Error::io("read", &path))?;
    match frame::decode(&buffer).map_err(&bad)? {
        (Frame { kind: Kind::Payload, bytes, .. }, _) => {
            Ok(Envelope::decode(bytes).map_err(bad)?.bytes.to_vec())
        }
        _ => Err(bad(FaultKind::Malformed)),
    }
}

/// The audit path of an entry, from the entries themselves.
pub(crate) fn prove(shared: &Shared, log: LogId, seq: u64, size: u64) -> Result<Vec<Hash>, Error> {
    let mut path = Gather::new(seq, size);
    let mut at = {
        let view = shared.view();
        let seen = view.logs.get(log.0 as usize).ok_or(Error::UnknownLog(log.0))?;
        if seq >= size || size > seen.size {
            return Err(Error::OutOfRange { log: seen.name.clone(), size: seen.size, seq, of: size });
        }
        let first = seen.front.size();
        if seq < first {
            return Err(Error::Pruned { log: seen.name.clone(), seq, first });
        }
        path.begin(&seen.front);
        first
    };
    while at < size {
        let limit = usize::try_from(size - at).unwrap_or(usize::MAX).min(PROOF_ENTRIES);
        let found = entries(shared, log, at, limit, PROOF_BYTES)?;
        for entry in &found {
            path.pass(entry.seq, &entry.bytes);
        }
        at += found.len() as u64;
    }
    Ok(path.finish())
}

pub(crate) fn bad(segment: Segment, at: u64) -> impl Fn(FaultKind) -> Error {
    move |kind| Fault { file: segment.label(), offset: Some(at), log: None, seq: None, kind }.into()
}

/// A stretch of a segment in memory, moved along as frames are asked for.
struct Window {
    file: Arc<dyn File>,
    segment: Segment,
    path: std::path::PathBuf,
    /// Durable bytes of the segment.
    end: u64,
    start: u64,
    buffer: Vec<u8>,
}

impl Window {
    fn open(shared: &Shared, segment: Segment, end: u64) -> Result<Self, Error> {
        let path = segment.path(&shared.dir);
        let file = shared.disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
        Ok(Self { file, segment, path, end, start: 0, buffer: Vec::new() })
    }

    /// The frame at an offset, and where the next one begins.
    fn frame(&mut self, at: u64) -> Result<(Frame<'_>, u64), Error> {
        self.load(at, HEAD_LEN)?;
        let bad = bad(self.segment, at);
        let head = Head::read(self.slice(at)).ok_or_else(|| bad(FaultKind::CutShort))?;
        if head.len > CONTENT_BYTES_MAX {
            return Err(bad(FaultKind::Length(head.len as u64)));
        }
        self.load(at, head.frame_len())?;
        let (frame, len) = frame::decode(self.slice(at)).map_err(bad)?;
        Ok((frame, at + len as u64))
    }

    /// What is loaded from an offset on.
    fn slice(&self, at: u64) -> &[u8] {
        let skip = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        self.buffer.get(skip..).unwrap_or_default()
    }

    /// Makes sure that `need` bytes from an offset on are loaded, as far as the segment has them.
    fn load(&mut self, at: u64, need: usize) -> Result<(), Error> {
        if at >= self.start && self.slice(at).len() >= need {
            return Ok(());
        }
        let rest = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
        self.start = at;
        self.buffer.resize(need.max(CHUNK).min(rest), 0);
        let read = self.file.read_at(&mut self.buffer, at).map_err(Error::io("read", &self.path))?;
        self.buffer.truncate(read);
        Ok(())
    }
}
