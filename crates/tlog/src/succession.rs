//! A log's next key, or its next origin: a signed note that the old key and the new one both signed.
//!
//! ```text
//! countersign/log-succession/v1
//! OLD VERIFIER KEY
//! NEW VERIFIER KEY
//! SIZE
//! ROOT IN BASE64
//! ```
//!
//! Whoever trusts the old key may trust the new one from this tree on, and the old one for trees up to it. The keys bear
//! the names of their logs: a new key with the old name is a rotation, one with a new name a new origin. No checkpoint has
//! this form, because the second line of a checkpoint is a number.

use kernel::ports::Signer;

use crate::key::{VerifierKey, signature_line};
use crate::note::{Note, NoteError, sign, with_signatures};
use crate::text::{base64, decimal, hash};
use crate::tree::Hash;

const FIRST_LINE: &str = "countersign/log-succession/v1";

/// Who signs a log from a tree on, instead of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Signs trees up to this one.
    pub old: VerifierKey,
    /// Signs this tree and all later ones.
    pub new: VerifierKey,
    /// Entries of the tree.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Succession {
    /// Hands a log over: the note with both signatures.
    pub fn sign(old: &dyn Signer, new: &dyn Signer, size: u64, root: Hash) -> Result<String, NoteError> {
        let (from, to) = (VerifierKey::of(old), VerifierKey::of(new));
        let text = Self { old: from, new: to.clone(), size, root }.text();
        let note = sign(&text, old)?;
        with_signatures(&note, &signature_line(&to, &new.sign(text.as_bytes())))
    }

    fn text(&self) -> String {
        let Self { old, new, size, root } = self;
        format!("{FIRST_LINE}\n{}\n{}\n{size}\n{}\n", old.encode(), new.encode(), base64(root))
    }

    /// Reads a note, and checks both signatures. That the old key is trusted is left to the caller.
    pub fn open(note: &str) -> Result<Self, NoteError> {
        let form = NoteError::Form("it is not about a log's next key");
        let note = Note::parse(note)?;
        let lines: Vec<&str> = note.text().strip_suffix('\n').ok_or(form)?.split('\n').collect();
        let [FIRST_LINE, old, new, size, root] = lines[..] else { return Err(form) };
        let succession = Self {
            old: VerifierKey::parse(old).ok_or(form)?,
            new: VerifierKey::parse(new).ok_or(form)?,
            size: decimal(size).ok_or(form)?,
            root: hash(root).ok_or(form)?,
        };
        if succession.old == succession.new {
            return Err(NoteError::Form("the next key is the one before"));
        }
        // Nothing that nobody signed goes along.
        if note.signatures().len() != 2 {
            return Err(NoteError::Form("it does not have two signatures"));
        }
        for key in [&succession.old, &succession.new] {
            if !key.signed(&note)? {
                return Err(NoteError::Signature);
            }
        }
        Ok(succession)
    }
}
