//! Stories at the borders of the formats, every small size, and the same questions put to other implementations.

mod checkpoints; // origin, size, root, and nothing else
mod hostile; // whatever comes from outside
mod notes; // signatures that hold, and those that do not
mod oracle; // what others say
mod policies; // whom to trust
mod proofs; // every tree up to a size
mod receipts; // every byte of a receipt
mod store; // tiles that lie
mod successions; // who signs next
mod tiles; // names and contents of tiles
mod trees; // known roots, and the definition
mod witnesses; // two histories are never signed
mod world; // keys and logs to try things on
