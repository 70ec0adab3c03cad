//! Signed notes (C2SP signed-note): a text, an empty line, and lines of signatures over the text.
//!
//! Only Ed25519 (type 0x01) is made and checked here; signatures of other keys, a witness' for example, are passed over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use kernel::ports::Signer;
use sha2::{Digest as _, Sha256};

/// The type byte of Ed25519 signatures.
const ED25519: u8 = 0x01;
/// The largest note that is read.
pub(crate) const NOTE_BYTES_MAX: usize = 64 * 1024;
/// How a signature line begins.
const DASH: &str = "\u{2014} ";

/// A key that checks notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key of a signer.
    pub fn of(signer: &dyn Signer) -> Self {
        Self { name: signer.name().to_owned(), public: signer.public_key() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Four bytes that tell keys of one name apart.
    fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', ED25519]);
        hash.update(self.public);
        let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
        [a, b, c, d]
    }

    /// The text form: `name+hex of the id+base64 of type and key`.
    pub fn encode(&self) -> String {
        let mut key = vec![ED25519];
        key.extend_from_slice(&self.public);
        format!("{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let key = STANDARD.decode(key).ok()?;
        let (ED25519, public) = key.split_first().map(|(kind, public)| (*kind, public))? else {
            return None;
        };
        let key = Self { name: name.to_owned(), public: public.try_into().ok()? };
        (!name.is_empty() && id == hex::encode(key.id())).then_some(key)
    }

    /// The text of a note that this key signed.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        // The last empty line ends the text: the text itself may hold others.
        let split = note.rfind("\n\n").ok_or(NoteError::Form("it has no empty line"))?;
        let (text, signatures) = (&note[..=split], &note[split + 2..]);
        if signatures.is_empty() || !signatures.ends_with('\n') {
            return Err(NoteError::Form("its last line is not a signature"));
        }
        for line in signatures.lines() {
            let (name, blob) = line
                .strip_prefix(DASH)
                .and_then(|line| line.split_once(' '))
                .ok_or(NoteError::Form("a line after the text is not a signature"))?;
            let blob = STANDARD.decode(blob).map_err(|_| NoteError::Form("a signature is not base64"))?;
            let Some((id, signature)) = blob.split_first_chunk::<4>() else {
                return Err(NoteError::Form("a signature is too short"));
            };
            if name != self.name || *id != self.id() {
                continue;
            }
            let valid = VerifyingKey::from_bytes(&self.public)
                .ok()
                .zip(Signature::from_slice(signature).ok())
                .is_some_and(|(key, signature)| key.verify_strict(text.as_bytes(), &signature).is_ok());
            return if valid { Ok(text) } else { Err(NoteError::Signature) };
        }
        Err(NoteError::Signature)
    }
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

/// Signs a text that ends with a line break.
pub(crate) fn sign(text: &str, signer: &dyn Signer) -> String {
    let mut blob = VerifierKey::of(signer).id().to_vec();
    blob.extend_from_slice(&signer.sign(text.as_bytes()));
    format!("{text}\n{DASH}{} {}\n", signer.name(), STANDARD.encode(blob))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's authors: key, note and signature were made by their program.
    const KNOWN_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const KNOWN_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_known_note_opens() {
        let key = VerifierKey::parse(KNOWN_KEY).unwrap();
        assert_eq!(key.encode(), KNOWN_KEY);
        assert!(key.open(KNOWN_NOTE).unwrap().ends_with("your problem is.\n"));
    }

    #[test]
    fn a_note_with_any_other_byte_does_not() {
        let key = VerifierKey::parse(KNOWN_KEY).unwrap();
        for at in 0..KNOWN_NOTE.len() {
            let mut bytes = KNOWN_NOTE.as_bytes().to_vec();
            bytes[at] ^= 1;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                assert!(key.open(text).is_err(), "byte {at}");
            }
        }
        for end in 0..KNOWN_NOTE.len() {
            if let Some(text) = KNOWN_NOTE.get(..end) {
                assert!(key.open(text).is_err(), "cut at {end}");
            }
        }
    }

    #[test]
    fn keys_with_a_wrong_id_are_not_keys() {
        for text in [
            "",
            "a",
            "a+b",
            "a+00000000+AQ==",
            &KNOWN_KEY.replace("c74f", "c74e"),
            &KNOWN_KEY.replace("ARpc", "AhpC"),
        ] {
            assert_eq!(VerifierKey::parse(text), None, "{text}");
        }
    }
}
