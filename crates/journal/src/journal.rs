//! The traits of a journal, and what goes in and out of one.
//!
//! Two traits, by who needs them: [`Journal`] is what an owner and its followers use, [`Backend`] adds what the server
//! needs to run one. A second backend implements both and passes [`crate::conformance`].

use std::sync::Arc;

use kernel::ports::Signer;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::prune::SegmentStart;
use crate::recover::Recovery;

/// The largest entry: what an entry bundle has room for.
pub const ENTRY_BYTES_MAX: usize = tlog::ENTRY_BYTES_MAX;
const _: () = assert!(ENTRY_BYTES_MAX == kernel::event::ENTRY_BYTES_MAX, "who makes entries knows the limit");
/// The largest sealed payload: the vault takes 8 MiB, the rest is its envelope.
pub const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024 + 4 * 1024;
/// The longest name of a payload's subject.
pub const SUBJECT_BYTES_MAX: usize = 512;

/// Names a log within its journal. Handed out by [`Backend::define`]; lasts as long as the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u32);

/// What is appended at once: all of it becomes durable, or none.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In order; positions contiguous per log.
    pub entries: Vec<NewEntry>,
}

/// One entry, with the payloads that travel beside it.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Its log.
    pub log: LogId,
    /// Its position in the log, from 0. The caller is the log's only owner and counts.
    pub seq: u64,
    /// Canonical JSON, at most [`ENTRY_BYTES_MAX`]. Opaque here.
    pub bytes: Vec<u8>,
    /// What is big or personal, sealed.
    pub payloads: Vec<SealedPayload>,
}

/// A payload, encrypted by the caller.
#[derive(Clone, Debug)]
pub struct SealedPayload {
    /// The commitment that its entry holds.
    pub commitment: [u8; 32],
    /// Whose data key seals it.
    pub subject: String,
    /// Cipher text, at most [`PAYLOAD_BYTES_MAX`].
    pub bytes: Vec<u8>,
}

/// Says that a batch is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable;

/// Told once how an append went.
pub type Done = Box<dyn FnOnce(Result<Durable, Error>) + Send>;

/// The durable end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Entries.
    pub size: u64,
    /// Root of the Merkle tree over them (RFC 6962).
    pub root: [u8; 32],
}

/// An entry, as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its position.
    pub seq: u64,
    /// The bytes that were appended.
    pub bytes: Vec<u8>,
    /// The payloads that were appended beside it.
    pub payloads: Vec<PayloadAt>,
}

/// A payload that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadAt {
    /// Its commitment.
    pub commitment: [u8; 32],
    /// Whose data key seals it.
    pub subject: String,
    /// Where it is.
    pub at: Locator,
}

/// Where a payload lies. Only the journal that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locator {
    /// The segment, by its first frame's number.
    pub segment: u64,
    /// Byte within the segment.
    pub offset: u64,
    /// Bytes of the whole frame.
    pub len: u64,
}

/// How a journal is doing.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Why nothing more is written, where that is so.
    pub poisoned: Option<String>,
    /// Whether there is no room on the disk: then nothing new is taken in.
    pub disk_full: bool,
    /// Why the last checkpoint could not be written, where that is so.
    pub checkpoint_failed: Option<String>,
    /// What opening found.
    pub recovery: Recovery,
    /// Bytes on disk.
    pub bytes: u64,
    /// Segment files.
    pub segments: u64,
    /// Entries since opening.
    pub entries: u64,
    /// Flushes since opening: `entries / flushes` is the mean batch.
    pub flushes: u64,
    /// Entries in the last batch.
    pub batch_last: u64,
    /// Entries in the largest batch since opening.
    pub batch_max: u64,
    /// How long the last write and flush took.
    pub flush_micros_last: u64,
    /// How long all of them took together.
    pub flush_micros_total: u64,
    /// Bytes that wait for the writer.
    pub waiting_bytes: u64,
}

/// What the owner of a log and its followers use.
pub trait Journal: Send + Sync {
    /// Appends a batch and returns at once; `done` is told when it is durable. Successful callbacks run in the order
    /// of the appends, on the writer's thread: they must be short and must not wait for the journal. A batch that is
    /// refused (out of order, too large, no room) changes nothing, and `done` is told before this returns.
    fn append(&self, batch: Batch, done: Done);

    /// The durable end of a log; an unknown log is empty.
    fn head(&self, log: LogId) -> Head;

    /// Durable entries from `from` on: at most `entries_max`, and as many as fit into `bytes_max`, but at least one if
    /// there is one.
    fn read(&self, log: LogId, from: u64, entries_max: usize, bytes_max: usize)
    -> Result<Vec<Stored>, Error>;
}

/// A journal as the server runs it.
pub trait Backend: Journal {
    /// Makes a log known, or finds it; durable on return. The signer is used from now on. A log keeps its key: another
    /// one is refused.
    fn define(&self, log: &str, signer: Arc<dyn Signer>) -> Result<LogId, Error>;

    /// The sealed bytes of a durable payload.
    fn payload(&self, at: &Locator) -> Result<Vec<u8>, Error>;

    /// The segments that are there, oldest first, and where the logs stood at the head of each.
    fn segments(&self) -> Result<Vec<SegmentStart>, Error>;

    /// Takes away the segments before the one whose first frame has this number, and says how many. The caller has put
    /// it on record, durably, in each log that has entries there. Doing it again finishes what a crash cut short.
    fn prune(&self, first: u64) -> Result<u64, Error>;

    /// The last signed checkpoint of a log, as a note.
    fn checkpoint(&self, log: LogId) -> Option<String>;

    /// Signs and keeps a checkpoint now for every log that grew since its last one.
    fn checkpoint_now(&self) -> Result<(), Error>;

    /// The audit path of entry `seq` in the tree of the first `size` entries (RFC 6962, 2.1.1).
    fn prove(&self, log: LogId, seq: u64, size: u64) -> Result<Vec<[u8; 32]>, Error>;

    /// How it is doing.
    fn health(&self) -> Health;

    /// Finishes what was appended, writes checkpoints, lets go of the files. A second call does nothing.
    fn close(&self) -> Result<(), Error>;
}
