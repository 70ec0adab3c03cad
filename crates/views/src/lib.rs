//! Rows that may be deleted: what the journal says, laid out for questions, in SQLite.
//!
//! Everything in `views.db` is derived from durable entries and can be rebuilt from them; nothing is decided here and
//! nothing is written to the journal. Payload text never enters the file: it knows where payloads lie
//! (commitment, subject, place in the journal), not what they say, so that erasing a key leaves nothing behind here.

mod actions; // lists of actions
mod approvals; // the inbox and other lists of approvals
mod base; // what remains of entries that are pruned
mod batch; // the rows that one batch of entries touches
mod dump; // everything as sorted text, for comparison
mod entries; // entries as they were written, and where payloads lie
mod error; // what can go wrong
mod follow; // takes durable entries in
mod holdings; // whose payloads a run holds
mod incidents; // lists of incidents
mod overview; // the workspace in one answer
mod page; // pages of lists, newest first
mod pool; // connections that only read
mod project; // entries laid out as lists and counts
mod prune; // rows of pruned entries
mod registry; // agents, people, connectors, keys
mod runs; // lists of runs
mod schema; // tables, indexes, and their version
mod select; // list queries that always go by an index
mod store; // state rows, for the engine
mod threads; // checkpoints of threads
mod views; // the file: opening, wiping, closing

#[cfg(test)]
mod tests;

pub use actions::{ActionFilter, ActionItem};
pub use approvals::{ApprovalFilter, ApprovalItem};
pub use entries::EntryItem;
pub use error::Error;
pub use incidents::IncidentFilter;
pub use overview::Overview;
pub use page::{LIMIT_MAX, Page};
pub use project::approval_of;
pub use registry::{Connector, Person, REGISTRY_MAX};
pub use runs::{RunFilter, RunItem, RunStatus};
pub use threads::{CheckpointFilter, CheckpointItem};
pub use views::{Opened, Views, Wiped};
