//! Stories about whole journals: the battery, crashes, damage, failing disks, the bytes themselves.

mod bytes; // golden bytes of each kind of frame
mod crash; // every prefix is a crash that could have happened
mod damage; // every flipped byte is found
mod disk; // what a failing disk does
mod faults; // every way to stop, at every write
mod full; // a disk without room
mod memory; // a disk in memory, moody on demand
mod pace; // figures, where asked for
mod prune; // segments taken away from the front
mod recorder; // a disk that remembers everything that was asked of it
mod running; // the battery, segments, locks, checkpoints
mod world; // a small journal to try things on
