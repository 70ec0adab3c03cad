//! The append-only, tamper-evident log: what everything else is derived from.
//!
//! Plain threads and files. The journal knows nothing of what entries mean: to the writer they are bytes; only
//! [`verify`] reads them. Trees, notes and checkpoints are `tlog`'s. The format, byte by byte, is in `docs/format.md`.

mod backup; // copying the files, beside a server at work
mod canonical; // whether an entry is canonical JSON
mod checkpoint; // files of signed sizes and roots, and holding a journal against them
mod checkpointer; // the thread that signs
mod commits; // which commitments have a payload
pub mod conformance; // what any backend must do
mod content; // what stands inside frames
mod cut; // shortening a copy to a point in the past
pub mod disk; // the few things asked of a file system
mod error; // why the journal refuses, and where damage is
mod file; // the journal in files
mod frame; // the unit of a segment file
mod front; // a journal whose first segments were pruned
mod group; // what goes into one write
mod hashes; // the hashes of a log's tree in files
mod head; // where every log stood when a segment began
mod index; // where entries lie, roughly
mod journal; // the traits, and what goes in and out
mod lock; // one process at a time
mod old; // segments that opening did not read
mod peek; // entries of a directory that stays as it is
mod probe; // what one flush costs here
mod prune; // taking segments away from the front
mod read; // reading back
mod recover; // what opening finds
mod room; // room on the disk, made ahead
mod scan; // reading segments batch by batch
mod segment; // segment files
mod shared; // what the threads share
mod stopwatch; // how long things take
mod succession; // another key for a log, or another origin
#[cfg(test)]
mod tests;
mod verify; // checking the files without a server
mod writer; // group commit, as a pipeline

pub use backup::{Copied, CopiedLog, Copying, copy};
pub use canonical::check_entry;
pub use cut::{Kept, Passing, cut_behind};
pub use disk::RealDisk;
pub use error::{Error, Fault, FaultKind};
pub use file::{FileJournal, KnownLog, Options};
pub use hashes::{Hashes, HashesError};
pub use journal::{
    Backend, Batch, Done, Durable, ENTRY_BYTES_MAX, Head, Health, Journal, Locator, LogId, NewEntry,
    PAYLOAD_BYTES_MAX, PayloadAt, SUBJECT_BYTES_MAX, SealedPayload, Stored,
};
pub use kernel::ports::Signer;
pub use lock::Lock;
pub use peek::peek;
pub use probe::{Probe, Probed, Rate, probe};
pub use prune::SegmentStart;
pub use recover::{Cut, Recovery};
pub use succession::succeed;
pub use verify::{
    Each, Progress, Pruned, Torn, Verified, VerifiedLog, verify, verify_each, verify_on, verify_with_keys,
};
pub use writer::OnFatal;
