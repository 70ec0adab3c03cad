//! Verifier keys: who signed a note, and how.
//!
//! The way a key signs is part of its type, because a log's key (0x01) and a witness' key (0x04) sign different bytes
//! and must never be taken for each other.

use ed25519_dalek::{Signature as Ed25519, VerifyingKey};
use kernel::ports::Signer;
use sha2::{Digest as _, Sha256};

use crate::note::{Note, Signature};
use crate::text::{base64, bytes};

/// The type byte of Ed25519 over the text itself (signed-note).
pub(crate) const ED25519: u8 = 0x01;
/// The type byte of timestamped Ed25519 (tlog-cosignature).
pub(crate) const COSIGNATURE: u8 = 0x04;
/// The longest name of a key.
const NAME_BYTES_MAX: usize = 255;

/// A public key with its name. `TYPE` is the byte that says what it signs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key<const TYPE: u8> {
    name: String,
    public: [u8; 32],
}

/// A key that signs notes as they are: a log's.
pub type VerifierKey = Key<ED25519>;
/// A key that signs checkpoints with the time at which they were seen: a witness'.
pub type WitnessKey = Key<COSIGNATURE>;

/// Whether a text can name a key: it stands between spaces on a line of its own.
pub fn is_key_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.chars().any(|c| c.is_whitespace() || c == '+' || c < ' ')
}

impl<const TYPE: u8> Key<TYPE> {
    /// The key of a signer.
    pub fn of(signer: &dyn Signer) -> Self {
        Self { name: signer.name().to_owned(), public: signer.public_key() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Ed25519 public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Four bytes that tell keys of one name apart.
    pub(crate) fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', TYPE]);
        hash.update(self.public);
        let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
        [a, b, c, d]
    }

    /// The text form: `name+hex of the id+base64 of type and key`.
    pub fn encode(&self) -> String {
        let mut key = vec![TYPE];
        key.extend_from_slice(&self.public);
        format!("{}+{}+{}", self.name, hex::encode(self.id()), base64(&key))
    }

    /// Reads the text form; `None` also for keys of another type and for bytes that are no key at all.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let key = bytes(key)?;
        let (kind, public) = key.split_first()?;
        let public: [u8; 32] = public.try_into().ok()?;
        let key = Self { name: name.to_owned(), public };
        let right = *kind == TYPE && is_key_name(name) && id == hex::encode(key.id());
        (right && VerifyingKey::from_bytes(&public).is_ok()).then_some(key)
    }

    /// The signatures of a note that say they are this key's.
    pub(crate) fn signatures<'a>(&self, note: &'a Note<'_>) -> impl Iterator<Item = &'a Signature<'a>> {
        let id = self.id();
        note.signatures().iter().filter(move |line| line.name == self.name && line.id == id)
    }

    /// Whether this key signed the message. Strict: no second signature can be made from one without the key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        VerifyingKey::from_bytes(&self.public)
            .ok()
            .zip(Ed25519::from_slice(signature).ok())
            .is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
    }
}

/// A line of a note: who signed, and the signature behind the key's id.
pub(crate) fn signature_line<const TYPE: u8>(key: &Key<TYPE>, signature: &[u8]) -> String {
    let mut blob = key.id().to_vec();
    blob.extend_from_slice(signature);
    format!("{}{} {}\n", crate::note::DASH, key.name(), base64(&blob))
}
