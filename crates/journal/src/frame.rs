//! Frames: the unit of a segment file. All integers are little-endian.
//!
//! ```text
//! len u32 │ crc32c u32 │ kind u8 │ log u32 │ seq u64 │ epoch u64 │ bytes (len of them)
//! ```
//!
//! The checksum covers everything but itself. It finds accidents; edits on purpose are found by the Merkle tree.

use crate::error::FaultKind;

/// Bytes before the content.
pub(crate) const HEAD_LEN: usize = 29;
/// The largest content: a payload with its envelope, with room to spare.
pub(crate) const CONTENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Stands where a frame belongs to no log.
pub(crate) const NO_LOG: u32 = u32::MAX;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first frame of a segment. Keeps its form for ever, so that any version can tell which format follows.
    Segment,
    /// Name, key and tree of a log.
    Log,
    /// An entry.
    Entry,
    /// A sealed payload of the entry before it.
    Payload,
    /// Closes a batch.
    Commit,
    /// The next key of a log.
    Succession,
}

impl Kind {
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Segment => 1,
            Self::Log => 2,
            Self::Entry => 3,
            Self::Payload => 4,
            Self::Commit => 5,
            Self::Succession => 6,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Segment, Self::Log, Self::Entry, Self::Payload, Self::Commit, Self::Succession]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// A frame, as it lies in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) log: u32,
    pub(crate) seq: u64,
    pub(crate) epoch: u64,
    pub(crate) bytes: &'a [u8],
}

/// The fields before the content, as they stand there: not yet checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) len: usize,
    pub(crate) crc: u32,
    pub(crate) kind: u8,
    pub(crate) log: u32,
    pub(crate) seq: u64,
    pub(crate) epoch: u64,
}

impl Head {
    /// Reads the fields, if there are enough bytes.
    pub(crate) fn read(buffer: &[u8]) -> Option<Self> {
        let mut fields = Fields(buffer);
        Some(Self {
            len: usize::try_from(fields.u32()?).ok()?,
            crc: fields.u32()?,
            kind: fields.u8()?,
            log: fields.u32()?,
            seq: fields.u64()?,
            epoch: fields.u64()?,
        })
    }

    /// Bytes of the whole frame.
    pub(crate) fn frame_len(&self) -> usize {
        HEAD_LEN + self.len
    }
}

/// Appends a frame whose content is the concatenation of `parts`.
pub(crate) fn encode(out: &mut Vec<u8>, kind: Kind, log: u32, seq: u64, epoch: u64, parts: &[&[u8]]) {
    let start = out.len();
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let len = u32::try_from(len).expect("contents are bounded far below 4 GiB before they come here");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(kind.byte());
    out.extend_from_slice(&log.to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&epoch.to_le_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
    let crc = checksum(&out[start..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// Checksum of a whole frame, leaving out the checksum itself.
fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &frame[8..])
}

/// Reads the frame at the beginning of a buffer, and how many bytes it takes.
pub(crate) fn decode(buffer: &[u8]) -> Result<(Frame<'_>, usize), FaultKind> {
    let head = Head::read(buffer).ok_or(FaultKind::CutShort)?;
    if head.len > CONTENT_BYTES_MAX {
        return Err(FaultKind::Length(head.len as u64));
    }
    let whole = buffer.get(..head.frame_len()).ok_or(FaultKind::CutShort)?;
    if checksum(whole) != head.crc {
        return Err(FaultKind::Checksum);
    }
    let kind = Kind::of(head.kind).ok_or(FaultKind::Kind(head.kind))?;
    Ok((
        Frame { kind, log: head.log, seq: head.seq, epoch: head.epoch, bytes: &whole[HEAD_LEN..] },
        whole.len(),
    ))
}

/// Takes fields off the front of a buffer; `None` where it is too short.
#[derive(Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|bytes| bytes[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A text of at most 65,535 bytes behind its length.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = self.u16()?;
        std::str::from_utf8(self.take(usize::from(len))?).ok()
    }

    /// Whether nothing is left.
    pub(crate) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Appends a text behind its length.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("names are bounded before they come here");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
