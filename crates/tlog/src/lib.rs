//! The public formats of transparency logs (C2SP and RFC 6962), spoken exactly.
//!
//! Everything is a pure function of its arguments: no I/O, no clock, no chance. Whoever verifies what this system
//! wrote needs this crate, or another implementation of the same specifications, and nothing else of ours.

mod bundle; // entries, 256 at a time
mod checkpoint; // what a log says of itself
mod cosignature; // what a witness says of a log
mod extend; // a consistency proof, while entries go by
mod gather; // an audit path, while entries go by
mod key; // verifier keys
mod note; // texts with signatures
mod policy; // whom to trust
mod proof; // inclusion and consistency
mod receipt; // a proof in a file
mod store; // tiles that are checked before they are used
mod succession; // a log's next key
#[cfg(test)]
mod tests;
mod text; // numbers and hashes as the formats write them
mod tile; // the tree in files
mod tree; // Merkle trees
mod witness; // who refuses to see two histories

pub use bundle::{BundleError, ENTRY_BYTES_MAX, encode_bundle, parse_bundle};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use cosignature::Cosignature;
pub use extend::Extend;
pub use gather::Gather;
pub use key::{Key, VerifierKey, WitnessKey, is_key_name};
pub use note::{NOTE_BYTES_MAX, Note, NoteError, SIGNATURES_MAX, Signature, sign, with_signatures};
pub use policy::{POLICY_BYTES_MAX, Policy, PolicyError, Rejected, Trusted};
pub use proof::{
    HashSource, PROOF_LEN_MAX, ProofError, consistency, inclusion, root, verify_consistency, verify_inclusion,
};
pub use receipt::{RECEIPT_BYTES_MAX, Receipt, ReceiptError, Verified};
pub use store::{StoreError, TileSource, VerifiedTiles};
pub use succession::Succession;
pub use text::FormError;
pub use tile::{TILE_WIDTH, Tile, TileKind, parse_hashes, tiles};
pub use tree::{Hash, Levels, Missing, Tree, empty_root, leaf_hash, node_hash, perfect_root};
pub use witness::{Accepted, AddCheckpoint, REQUEST_BYTES_MAX, Refusal, Witness};
