//! What stands inside frames: segment headers, log definitions, payload envelopes, commits.

use tlog::{Hash, Tree};

use crate::error::FaultKind;
use crate::frame::{Fields, put_text};

/// The version of the format that this program writes, and the newest that it reads.
///
/// Format 2 allows zeros after the last batch of a segment: room that was not used. Format 3 allows the next key of a log
/// at the head of a segment. Otherwise they are format 1.
pub(crate) const FORMAT: u32 = 3;
/// How every segment's content begins.
const MAGIC: &[u8; 16] = b"countersign log\n";

/// Content of a segment's first frame. Its `seq` is the number of that frame, counted through all segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The version of the format of this segment.
    pub(crate) format: u32,
    /// Number of the batch that this frame belongs to.
    pub(crate) batch: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.format.to_le_bytes());
        out.extend_from_slice(&self.batch.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FaultKind> {
        let mut fields = Fields(bytes);
        if fields.array::<16>().as_ref() != Some(MAGIC) {
            return Err(FaultKind::NotASegment);
        }
        let found = fields.u32().ok_or(FaultKind::Malformed)?;
        if found > FORMAT {
            return Err(FaultKind::NewerFormat { found, known: FORMAT });
        }
        // Format 0 never was.
        if found == 0 {
            return Err(FaultKind::Malformed);
        }
        let batch = fields.u64().ok_or(FaultKind::Malformed)?;
        fields.end().ok_or(FaultKind::Malformed)?;
        Ok(Self { format: found, batch })
    }
}

/// Content of a log frame: repeated at the beginning of every segment, so that each can be read from its start
/// without the ones before it. The frame's `seq` is the size of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogDefinition {
    pub(crate) name: String,
    pub(crate) vkey: String,
    pub(crate) tree: Tree,
}

impl LogDefinition {
    pub(crate) fn encode(name: &str, vkey: &str, tree: &Tree) -> Vec<u8> {
        let mut out = Vec::new();
        put_text(&mut out, name);
        put_text(&mut out, vkey);
        for peak in tree.peaks() {
            out.extend_from_slice(peak);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8], size: u64) -> Result<Self, FaultKind> {
        Self::fields(bytes, size).ok_or(FaultKind::Malformed)
    }

    fn fields(bytes: &[u8], size: u64) -> Option<Self> {
        let mut fields = Fields(bytes);
        let name = fields.text()?.to_owned();
        let vkey = fields.text()?.to_owned();
        let peaks = (0..size.count_ones()).map(|_| fields.array()).collect::<Option<Vec<Hash>>>()?;
        fields.end()?;
        Some(Self { name, vkey, tree: Tree::from_peaks(size, peaks)? })
    }
}

/// Content of a payload frame: `commitment ‖ subject ‖ sealed bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    pub(crate) commitment: [u8; 32],
    pub(crate) subject: &'a str,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// What stands before the sealed bytes.
    pub(crate) fn prefix(commitment: &[u8; 32], subject: &str) -> Vec<u8> {
        let mut out = commitment.to_vec();
        put_text(&mut out, subject);
        out
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, FaultKind> {
        let mut fields = Fields(bytes);
        let commitment = fields.array().ok_or(FaultKind::Malformed)?;
        let subject = fields.text().ok_or(FaultKind::Malformed)?;
        Ok(Self { commitment, subject, bytes: fields.0 })
    }
}

/// Content of a commit frame. The frame's `seq` is the number of the batch, counted through all segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Frames before it in the batch.
    pub(crate) frames: u32,
    /// Their bytes.
    pub(crate) len: u64,
    /// CRC-32C over them.
    pub(crate) crc: u32,
    /// The logs that the batch names, with size and root after it, by number.
    pub(crate) heads: Vec<(u32, u64, Hash)>,
}

impl Commit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(20 + self.heads.len() * 44);
        out.extend_from_slice(&self.frames.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        let count = u32::try_from(self.heads.len()).expect("logs are counted in 32 bits");
        out.extend_from_slice(&count.to_le_bytes());
        for (log, size, root) in &self.heads {
            out.extend_from_slice(&log.to_le_bytes());
            out.extend_from_slice(&size.to_le_bytes());
            out.extend_from_slice(root);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FaultKind> {
        Self::fields(bytes).ok_or(FaultKind::Malformed)
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (frames, len, crc, count) = (fields.u32()?, fields.u64()?, fields.u32()?, fields.u32()?);
        // The count is bounded by the bytes that are there: `take` fails before memory is wasted.
        let heads = (0..count)
            .map(|_| Some((fields.u32()?, fields.u64()?, fields.array()?)))
            .collect::<Option<_>>()?;
        fields.end()?;
        Some(Self { frames, len, crc, heads })
    }
}
