//! Stories about whole journals: the battery, crashes, damage, failing disks, the bytes themselves.

mod backup; // copies, taken while it is written
mod bytes; // golden bytes of each kind of frame
mod commits; // commitments whose payload is elsewhere, or nowhere
mod crash; // every prefix is a crash that could have happened
mod damage; // every flipped byte is found
mod disk; // what a failing disk does
mod faults; // every way to stop, at every write
mod full; // a disk without room
mod hashes; // proofs from files of hashes
mod memory; // a disk in memory, moody on demand
mod pace; // figures, where asked for
mod past; // copies that are cut at a point in the past
mod prune; // segments taken away from the front
mod recorder; // a disk that remembers everything that was asked of it
mod running; // the battery, segments, locks, checkpoints
mod succession; // another key, another origin
mod world; // a small journal to try things on
