//! The loop of a workspace: decide → append → apply → reply, one owner, and the tasks that do its I/O.
//!
//! Code runs ahead of the disk; what leaves the process does not. The engine names no database, no policy engine and
//! no protocol: it meets them as `Journal`, `StateStore`, `Judge`, `Effector` and `Payloads`.

mod ahead; // the first rows of a kind, of many
mod answer; // people's answers: approve, reject, withdraw, resolve
mod book; // rows in memory over rows in the store
mod desk; // what one command may do inside the owner
mod dispatch; // giving runs to workers, and taking them back
mod effect; // performing a call, and settling an unknown outcome
mod engine; // the handle, starting and stopping
mod error; // why a command was not carried out
mod execute; // decided again, then performed
mod facts; // facts fetched by the server
mod first; // the first append of a proposal
mod follow; // views and live readers, from durable entries
mod follow_up; // what follows from entries in the same append
mod incidents; // taken and ended by people
mod leases; // who works on which run, in memory
mod locks; // one at a time, by key
mod owner; // the owner's loop
mod payload; // sealed payloads
mod propose; // from a proposal to its first append
mod publish; // bundles, keys
mod reconcile; // after a restore to a point in the past
mod retention; // letting go of what is past its retention
mod ruling; // judging inside the owner, and what is kept of it
mod runs; // runs
mod signals; // telling a run something
mod steps; // what a run need not do again
mod subject; // erasing, and legal holds
mod threads; // what programs keep between their steps
mod waits; // having nothing to do until something happens

pub use dispatch::{Join, Joined, SLOTS_MAX, TASKS_MAX, VERSIONS_MAX};
pub use engine::{Engine, Head, Limits, Parts, Stats};
pub use error::Error;
pub use follow::Follow;
pub use incidents::Handle;
pub use leases::{LEASE, Order, StopWhy};
pub use payload::{Holdings, Payloads, Sealed};
pub use propose::Propose;
pub use publish::{KeepFor, Publish};
pub use reconcile::Reconciled;
pub use retention::{Due, LetGo};
pub use runs::{FinishRun, StartRun};
pub use signals::SendSignal;
pub use steps::{NewStep, RecordedStep, STEPS_MAX};
pub use subject::SUBJECT_NAME_BYTES_MAX;
pub use threads::{
    ChannelValue, CheckpointRows, Content, Filter, Metadata, REQUEST_BYTES_MAX, SaveCheckpoint, TaskWrite,
    Typed, WriteCheckpoint,
};
pub use waits::{Answered, On, OpenWait, Waited};
