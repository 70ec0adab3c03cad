//! The head of a segment: its first batch, which says where every log stood. Reading it alone is what makes it possible
//! to begin in the middle of a journal, and to find the segment of an entry without reading those before it.

use std::io;
use std::path::Path;

use tlog::Succession;

use crate::content::{Commit, LogDefinition, SegmentHeader};
use crate::disk::{Disk, Mode};
use crate::frame::{self, Frame, Kind};
use crate::scan::State;
use crate::segment::Segment;

/// What is read at first; doubled until the batch is whole.
const CHUNK: u64 = 16 << 10;
/// Every log there can be, with the longest names.
const HEAD_BYTES_MAX: u64 = 32 << 20;

/// A head that is whole in itself. Whether it is true is told by the checkpoints, or by the segments before it.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) batch: u64,
    pub(crate) epoch: u64,
    pub(crate) logs: Vec<LogDefinition>,
}

impl Head {
    /// `None` where it cannot be read.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path, segment: Segment) -> io::Result<Option<Self>> {
        let file = disk.open(&segment.path(dir), Mode::Read)?;
        let len = file.length()?;
        let mut want = CHUNK;
        loop {
            let mut bytes = vec![0; usize::try_from(want.min(len)).map_err(io::Error::other)?];
            let read = file.read_at(&mut bytes, 0)?;
            bytes.truncate(read);
            let head = Self::decode(&bytes, segment);
            if head.is_some() || want >= len.min(HEAD_BYTES_MAX) {
                return Ok(head);
            }
            want *= 2;
        }
    }

    fn decode(bytes: &[u8], segment: Segment) -> Option<Self> {
        let (Frame { kind: Kind::Segment, seq, epoch, bytes: header, .. }, mut at) =
            frame::decode(bytes).ok()?
        else {
            return None;
        };
        let header = SegmentHeader::decode(header).ok().filter(|_| seq == segment.first)?;
        let mut logs: Vec<LogDefinition> = Vec::new();
        loop {
            let (frame, len) = frame::decode(&bytes[at..]).ok()?;
            match frame.kind {
                Kind::Log if frame.log as usize == logs.len() => {
                    logs.push(LogDefinition::decode(frame.bytes, frame.seq).ok()?);
                }
                Kind::Succession => {
                    // Whether it is in order is told by whoever reads on from here.
                    let log = logs.get_mut(frame.log as usize)?;
                    let next = Succession::open(std::str::from_utf8(frame.bytes).ok()?).ok()?;
                    next.new.name().clone_into(&mut log.name);
                    log.vkey = next.new.encode();
                }
                Kind::Commit => {
                    let commit = Commit::decode(frame.bytes).ok()?;
                    let agrees = frame.seq == header.batch
                        && commit.len == at as u64
                        && commit.crc == crc32c::crc32c(&bytes[..at]);
                    return agrees.then_some(Self { batch: header.batch, epoch, logs });
                }
                _ => return None,
            }
            at += len;
        }
    }

    /// The state of a scan that begins with this segment.
    pub(crate) fn state(&self, segment: Segment) -> State {
        State {
            frames: segment.first,
            batches: self.batch,
            epoch: self.epoch,
            logs: Vec::new(),
            begins: true,
        }
    }
}
