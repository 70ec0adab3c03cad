//! Checkpoints (c2sp.org/tlog-checkpoint): origin, size and root of a log, as the text of a signed note.

use crate::key::VerifierKey;
use crate::note::{Note, NoteError};
use crate::text::{base64, decimal, hash, is_clean};
use crate::tree::Hash;

/// What a log vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// INVARIANT: one line, not empty.
    origin: String,
    size: u64,
    root: Hash,
    /// INVARIANT: lines, none of them empty.
    extensions: Vec<String>,
}

/// Why a text is not a checkpoint, or not a trusted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a checkpoint.
    #[error("{0}")]
    Form(&'static str),
    /// Not a note, or not signed by the key.
    #[error(transparent)]
    Note(#[from] NoteError),
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && is_clean(text) && !text.contains('\n')
}

impl Checkpoint {
    /// A checkpoint without extensions. The origin must be a line.
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Self, CheckpointError> {
        if !is_line(origin) {
            return Err(CheckpointError::Form("the origin is not a line of text"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions: Vec::new() })
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree over them.
    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// What else the log wrote: signed, but of no meaning here.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// The text that is signed.
    pub fn encode(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, base64(&self.root));
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let form = CheckpointError::Form;
        let mut lines = text.strip_suffix('\n').ok_or(form("the last line is not ended"))?.split('\n');
        let mut line = || lines.next().unwrap_or_default();
        let mut checkpoint = Self::new(line(), 0, [0; 32])?;
        checkpoint.size = decimal(line()).ok_or(form("the second line is not a size"))?;
        checkpoint.root = hash(line()).ok_or(form("the third line is not a root in base64"))?;
        checkpoint.extensions = lines.map(str::to_owned).collect();
        if !checkpoint.extensions.iter().all(|line| is_line(line)) {
            return Err(form("a line after the root is empty or has control characters"));
        }
        Ok(checkpoint)
    }

    /// The checkpoint in a note that the key signed.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        Self::parse(key.open(note)?)
    }

    /// The checkpoint in a note, whoever signed it: not to be trusted yet.
    pub fn claimed(note: &Note<'_>) -> Result<Self, CheckpointError> {
        Self::parse(note.text())
    }
}
