//! Signed notes (c2sp.org/signed-note): a text, an empty line, and lines of signatures over the text.
//!
//! Signatures of keys that nobody asked about are passed over, of whatever type they are; one of a key that was asked
//! about and does not hold spoils the note.

use kernel::ports::Signer;

use crate::key::{VerifierKey, is_key_name, signature_line};
use crate::text::{bytes, is_clean};

/// The largest note that is read: room for sixteen signatures of the largest kind that the specification foresees.
pub const NOTE_BYTES_MAX: usize = 256 * 1024;
/// The most signatures that a note may carry.
pub const SIGNATURES_MAX: usize = 100;
/// How a signature line begins.
pub(crate) const DASH: &str = "\u{2014} ";

/// A note that has the right form. Nothing is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<Signature<'a>>,
}

/// A signature, as it stands on its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// Name of the key.
    pub name: &'a str,
    /// Four bytes that tell keys of one name apart.
    pub id: [u8; 4],
    /// What the key made of the text.
    pub bytes: Vec<u8>,
}

/// Why a note was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a note.
    #[error("{0}")]
    Form(&'static str),
    /// No valid signature of the key.
    #[error("it carries no valid signature of the key")]
    Signature,
}

impl<'a> Note<'a> {
    /// Takes a note apart.
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Form("it is too large"));
        }
        if !is_clean(note) {
            return Err(NoteError::Form("it has control characters"));
        }
        // The last empty line ends the text: the text itself may hold others.
        let split = note.rfind("\n\n").ok_or(NoteError::Form("it has no empty line"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form("its last line is not a signature"))?;
        let signatures = lines.split('\n').map(Signature::parse).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::Form("it has too many signatures"));
        }
        Ok(Self { text, signatures })
    }

    /// The text, with its last line break. It means nothing before a signature was verified.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// All signatures, those of unknown keys too.
    pub fn signatures(&self) -> &[Signature<'a>] {
        &self.signatures
    }
}

impl<'a> Signature<'a> {
    fn parse(line: &'a str) -> Result<Self, NoteError> {
        let (name, blob) = line
            .strip_prefix(DASH)
            .and_then(|line| line.split_once(' '))
            .filter(|(name, _)| is_key_name(name))
            .ok_or(NoteError::Form("a line after the text is not a signature"))?;
        let blob = bytes(blob).ok_or(NoteError::Form("a signature is not base64"))?;
        match blob.split_first_chunk::<4>() {
            Some((id, bytes)) if !bytes.is_empty() => Ok(Self { name, id: *id, bytes: bytes.to_vec() }),
            _ => Err(NoteError::Form("a signature is too short")),
        }
    }
}

impl VerifierKey {
    /// The text of a note that this key signed.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let note = Note::parse(note)?;
        if self.signed(&note)? { Ok(note.text()) } else { Err(NoteError::Signature) }
    }

    /// Whether this key signed the note. A signature that says it is this key's, and is not, is an error.
    pub fn signed(&self, note: &Note<'_>) -> Result<bool, NoteError> {
        let mut found = false;
        for line in self.signatures(note) {
            if !self.verifies(note.text().as_bytes(), &line.bytes) {
                return Err(NoteError::Signature);
            }
            found = true;
        }
        Ok(found)
    }
}

/// Signs a text. It must end with a line break and hold no other control characters.
pub fn sign(text: &str, signer: &dyn Signer) -> Result<String, NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Form("the text does not end with a line break"));
    }
    let line = signature_line(&VerifierKey::of(signer), &signer.sign(text.as_bytes()));
    let note = format!("{text}\n{line}");
    Note::parse(&note)?;
    Ok(note)
}

/// The note with more signature lines: a witness' answer, for example. Nothing is verified.
pub fn with_signatures(note: &str, lines: &str) -> Result<String, NoteError> {
    let before = Note::parse(note)?;
    let longer = format!("{note}{lines}");
    match Note::parse(&longer) {
        Ok(after) if after.text() == before.text() => Ok(longer),
        Ok(_) => Err(NoteError::Form("a line after the text is not a signature")),
        Err(error) => Err(error),
    }
}
