//! Receipts (c2sp.org/tlog-proof): that an entry is in a log, in one file that needs nobody to be asked.
//!
//! The extra data is carried along and vouched for by nobody.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::policy::{Policy, Rejected, Trusted};
use crate::proof::{PROOF_LEN_MAX, verify_inclusion};
use crate::text::{FormError, base64, bytes, decimal, hash};
use crate::tree::{Hash, leaf_hash};

/// The first line.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";
/// The most extra data.
const EXTRA_BYTES_MAX: usize = 64 * 1024;
/// The largest receipt that is read.
pub const RECEIPT_BYTES_MAX: usize = NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX;

/// A receipt that has the right form. Only [`Receipt::verify`] says whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    index: u64,
    path: Vec<Hash>,
    extra: Option<Vec<u8>>,
    /// INVARIANT: a note whose text is a checkpoint, of more than `index` entries.
    note: String,
}

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The log and its checkpoint, and who saw it.
    pub trusted: Trusted,
    /// Where in the log the entry stands.
    pub index: u64,
}

/// Why a receipt is none, or proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not a receipt.
    #[error("it is not a receipt: {0}")]
    Form(#[from] FormError),
    /// Its checkpoint is not a note.
    #[error("its checkpoint is not a signed note: {0}")]
    Note(#[from] NoteError),
    /// Its note is not a checkpoint.
    #[error("its note is not a checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Something is larger than allowed, or the entry is not among those of the checkpoint.
    #[error("{0}")]
    Bounds(&'static str),
    /// Nobody who is trusted vouches for the checkpoint.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The entry is not the one that stands there.
    #[error("the checkpoint does not vouch for this entry")]
    Inclusion,
}

impl Receipt {
    /// A receipt for entry `index`, from its path and a checkpoint's note.
    pub fn new(
        index: u64,
        path: Vec<Hash>,
        extra: Option<Vec<u8>>,
        note: String,
    ) -> Result<Self, ReceiptError> {
        let claimed = Checkpoint::claimed(&Note::parse(&note)?)?;
        if index >= claimed.size() {
            return Err(ReceiptError::Bounds("the entry is not among those of the checkpoint"));
        }
        if path.len() > PROOF_LEN_MAX {
            return Err(ReceiptError::Bounds("the proof is too long"));
        }
        if extra.as_ref().is_some_and(|extra| extra.is_empty() || extra.len() > EXTRA_BYTES_MAX) {
            return Err(ReceiptError::Bounds("the extra data is empty or too large"));
        }
        Ok(Self { index, path, extra, note })
    }

    /// Where the entry stands, as the receipt says.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The checkpoint's note, as it stands there.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Data that somebody added. No signature covers it.
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The file.
    pub fn encode(&self) -> String {
        let extra = self.extra.as_ref().map(|extra| format!("extra {}\n", base64(extra))).unwrap_or_default();
        let path: String = self.path.iter().map(|hash| base64(hash) + "\n").collect();
        format!("{MAGIC}\n{extra}index {}\n{path}\n{}", self.index, self.note)
    }

    /// Reads the file.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        if text.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::Bounds("it is too large"));
        }
        let form = |line, why| FormError { line, why };
        let (head, note) = text.split_once("\n\n").ok_or(form(1, "there is no empty line"))?;
        let mut lines = (1..).zip(head.split('\n')).peekable();
        if lines.next().is_none_or(|(_, line)| line != MAGIC) {
            return Err(form(1, "it does not begin with `c2sp.org/tlog-proof@v1`").into());
        }
        let extra = match lines.peek().and_then(|(at, line)| Some((*at, line.strip_prefix("extra ")?))) {
            None => None,
            Some((at, extra)) => {
                let _extra_line = lines.next();
                Some(bytes(extra).ok_or(form(at, "the extra data is not base64"))?)
            }
        };
        let index = lines
            .next()
            .and_then(|(_, line)| decimal(line.strip_prefix("index ")?))
            .ok_or(form(if extra.is_some() { 3 } else { 2 }, "the line is not `index` and a number"))?;
        let mut path = Vec::new();
        for (at, line) in lines {
            if path.len() == PROOF_LEN_MAX {
                return Err(form(at, "the proof is too long").into());
            }
            path.push(hash(line).ok_or(form(at, "the line is not a hash in base64"))?);
        }
        Self::new(index, path, extra, note.to_owned())
    }

    /// Whether the entry, exactly these bytes, stands in a log that the policy trusts.
    pub fn verify(&self, entry: &[u8], policy: &Policy) -> Result<Verified, ReceiptError> {
        let trusted = policy.check(&self.note)?;
        let (size, root) = (trusted.checkpoint.size(), trusted.checkpoint.root());
        if verify_inclusion(&leaf_hash(entry), self.index, size, &self.path, root) {
            Ok(Verified { trusted, index: self.index })
        } else {
            Err(ReceiptError::Inclusion)
        }
    }
}
