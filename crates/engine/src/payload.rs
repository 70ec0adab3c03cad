//! Sealed payloads: what is big or personal, beside the entries.

use kernel::digest::Digest;

/// A payload, encrypted with its subject's data key.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Salted commitment of the plain bytes: what the entry holds.
    pub commitment: Digest,
    /// Whose key seals it.
    pub subject: String,
    /// Cipher text; `None` where an equal payload of the same run and subject is stored already.
    pub bytes: Option<Vec<u8>>,
}

/// Seals and opens payloads. Implemented over vault, views and journal.
pub trait Payloads: Send + Sync {
    /// Seals bytes under a subject's key; equal bytes within (scope, subject) give the same commitment.
    fn seal(&self, subject: &str, scope: &str, bytes: &[u8]) -> Result<Sealed, String>;
    /// Opens a durable payload; `None` where it was erased.
    fn open(&self, commitment: &Digest) -> Result<Option<Vec<u8>>, String>;
}
