//! Evidence: one action in one file, and checking it without a server.
//!
//! A pack holds the entries of an action with a receipt for each, the bundle that judged, and the payloads that its
//! reader may see with the salts of their commitments. Checking proves every entry against a checkpoint, computes every
//! commitment and the bundle's address again, and decides again. Pure: no I/O, no clock. What the pack does not hold, or
//! holds only as a commitment, is named and never counted as proved.

mod again; // deciding again, and what is different
mod check; // a pack, part by part
mod difference; // where two values differ
mod grounds; // what a request rests on
mod pack; // the form of the file
mod report; // what was found
mod story; // what the entries say together
#[cfg(test)]
mod tests;

pub use check::check;
pub use pack::{
    BUNDLES_MAX, ENTRIES_MAX, EVIDENCE_BYTES_MAX, FORMAT, Pack, PackError, PackedBundle, PackedEntry,
    PackedPayload, REVEALED_BYTES_MAX,
};
pub use report::{Line, Mark, Report};
