//! Stories about whole journals: the battery, crashes, damage, failing disks, the bytes themselves.

mod running; // the battery, segments, locks, checkpoints
mod world; // a small journal to try things on
