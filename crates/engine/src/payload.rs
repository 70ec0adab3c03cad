//! Sealed payloads: what is big or personal, beside the entries.

use std::collections::BTreeSet;

use kernel::digest::Digest;
use kernel::id::RunId;

/// A payload, encrypted with its subject's data key.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Salted commitment of the plain bytes: what the entry holds.
    pub commitment: Digest,
    /// Whose key seals it.
    pub subject: Digest,
    /// Cipher text; `None` where an equal payload of the same run and subject is stored already.
    pub bytes: Option<Vec<u8>>,
}

/// What a run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Whose data keys seal its payloads: its own, and those that connectors name.
    pub subjects: BTreeSet<Digest>,
    /// The outcome of each of its actions is settled.
    pub settled: bool,
}

/// Seals and opens payloads. Implemented over vault, views and journal.
pub trait Payloads: Send + Sync {
    /// What stands in entries for a name or key of the outside: the same for ever, and nobody can test a guess.
    fn pseudonym(&self, domain: &str, parts: &[&[u8]]) -> Digest;
    /// Seals bytes under a subject's key; equal bytes within (scope, subject) give the same commitment.
    fn seal(&self, subject: &Digest, scope: &str, bytes: &[u8]) -> Result<Sealed, String>;
    /// Opens a durable payload; `None` where it was erased.
    fn open(&self, commitment: &Digest) -> Result<Option<Vec<u8>>, String>;
    /// Takes the subject's key out of use and names all that it ever had; what is sealed from now on has another.
    fn keys_of(&self, subject: &Digest) -> Result<Vec<i64>, String>;
    /// What a run holds, as of the rows in the store.
    fn held_by(&self, run: &RunId) -> Result<Holdings, String>;
    /// The runs that have payloads of a subject; `None` where that cannot be told, for one because they are more than
    /// `max`.
    fn runs_with(&self, subject: &Digest, max: usize) -> Result<Option<Vec<RunId>>, String>;
    /// Destroys data keys and forgets what they sealed. Doing it again does nothing.
    fn destroy(&self, keys: &[i64]) -> Result<(), String>;

    /// The pseudonym of a subject: `connector:name`, or a run's id.
    fn subject(&self, name: &str) -> Digest {
        self.pseudonym("countersign/subject/v1", &[name.as_bytes()])
    }
}
