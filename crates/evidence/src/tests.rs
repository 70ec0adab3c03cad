//! Packs, whole and tampered with.

mod forged; // a server that lies in its own log
mod hostile; // files that are no packs
mod kept; // a pack of an earlier version
mod tampered; // every part of a true pack, changed
mod world; // a log of one shop
