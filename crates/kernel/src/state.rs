//! State as rows, and `apply`: the one way in which an entry changes them.
//!
//! `apply` cannot fail: what it takes in is already history. Rebuilding is `apply` over the whole log, so the rows in
//! memory, the rows in SQLite and the rows of a rebuild are the same.

mod actions; // what entries about actions change
mod approvals; // … about approvals
mod incidents; // what a person must look at
mod leases; // who works on a dispatched run
mod read; // rows by noun and id
mod registry; // agents, people, connectors, keys
mod rows; // their kinds, and what each holds
mod runs; // runs and their steps
mod subjects; // whose payloads were held, erased, let go
mod timers; // things due later
mod waits; // waits, and the signals that they read
mod workspace; // the workspace's own row

pub use read::*;
pub use rows::*;

use crate::action::Status;
use crate::approval::ApprovalStatus;
use crate::clock::Millis;
use crate::event::{Entry, Event};
use crate::thread;

/// A clock that moved by more than this against the steady one has jumped (DESIGN §3).
pub const CLOCK_JUMP: Millis = Millis(5_000);

/// Takes an entry into the rows. Replay is this alone.
pub fn apply(table: &mut dyn Table, entry: &Entry) {
    let at = entry.at;
    match &entry.event {
        Event::LogStarted { .. } | Event::LogRekeyed { .. } | Event::ActionLookedUp { .. } => {}
        Event::LogContinued { .. } => workspace::change(table, |row| row.reconciling = Some(at)),
        Event::LogReconciled {} => workspace::change(table, |row| row.reconciling = None),
        Event::ClockJumped { by } => workspace::clock_jumped(table, *by),
        Event::ClockAccepted {} => workspace::change(table, |row| row.clock_off = Millis(0)),
        Event::JournalPruned(pruned) => workspace::change(table, |row| row.pruned = Some(pruned.clone())),
        Event::BundlePublished { bundle, previous: _, setup } => {
            workspace::published(table, entry, *bundle, *setup);
        }
        Event::SubjectErased { subject, keys } | Event::ThreadDeleted { thread: subject, keys, why: _ } => {
            subjects::erased(table, subject, keys, at);
            thread::apply_deleted(table, subject);
        }
        Event::CheckpointSaved(saved) => thread::apply_saved(table, entry, saved),
        Event::CheckpointWritten(written) => thread::apply_written(table, entry, written),
        Event::CheckpointRemoved { thread, checkpoints } => thread::apply_removed(table, thread, checkpoints),
        Event::SubjectHeld { subject } => subjects::change(table, subject, |row| row.held = true),
        Event::SubjectReleased { subject } => subjects::change(table, subject, |row| row.held = false),
        Event::RetentionSet { agent, retention } => {
            table.put(RowKey::new(Noun::Retention, agent), Some(Row::Retention(retention.clone())));
        }
        Event::RetentionApplied { runs, lapsed } => subjects::let_go(table, runs, lapsed, at),
        Event::AgentRegistered { .. }
        | Event::AgentRetired { .. }
        | Event::PersonRegistered { .. }
        | Event::PersonRemoved { .. }
        | Event::ConnectorRegistered { .. }
        | Event::ConnectorRemoved { .. }
        | Event::KeyCreated { .. }
        | Event::KeyRevoked { .. } => registry::apply(table, entry),
        Event::RunStarted { .. } => runs::started(table, entry),
        Event::StepRecorded { .. } => runs::step(table, entry),
        Event::RunFinished { run, outcome } => runs::finished(table, entry, run, *outcome),
        Event::RunDispatched { run, attempt, worker: _ } => leases::dispatched(table, run, *attempt),
        Event::RunYielded { run, attempt: _, why, tries } => leases::yielded(table, entry, run, *why, *tries),
        Event::RunPaused { run } => runs::change(table, run, |run| run.paused = true),
        Event::RunResumed { run } => runs::change(table, run, |run| run.paused = false),
        Event::WaitOpened { .. } => waits::opened(table, entry),
        Event::WaitMet { run, key, by } => waits::met(table, run, key, by, at),
        Event::SignalReceived { .. } => waits::signal(table, entry),
        Event::IncidentOpened { .. } => incidents::opened(table, entry),
        Event::IncidentAcknowledged { incident, by } => {
            incidents::acknowledged(table, entry, incident, by);
        }
        Event::IncidentResolved { incident, by } => incidents::resolved(table, entry, incident, by),
        Event::ActionProposed { .. } => actions::proposed(table, entry),
        Event::ActionDecided(decided) => actions::decided(table, entry, decided),
        Event::ActionRefused { action, code } => actions::refused(table, entry, action, code),
        Event::ActionDeferred { action, code } => actions::deferred(table, action, code, at),
        Event::ActionIntended { action, attempt, idempotency_key: _, reserves } => {
            actions::intended(table, action, *attempt, reserves);
        }
        Event::ActionConfirmed { action, attempt: _, settled_by } => {
            actions::confirmed(table, entry, action, settled_by);
        }
        Event::ActionFailed { action, attempt: _, class, settled_by } => {
            actions::failed(table, entry, action, *class, settled_by);
        }
        Event::ActionUnknown { action, .. } => actions::unknown(table, entry, action),
        Event::ActionHandedOver { action, .. } => {
            actions::change(table, action, |action| action.handed_over = true);
        }
        Event::ApprovalRequested { .. } => approvals::requested(table, entry),
        Event::ApprovalGiven { approval, action, by, roles, seen: _ } => {
            approvals::given(table, approval, action, (by, roles), at);
        }
        Event::ApprovalRejected { approval, action, by } => {
            approvals::rejected(table, entry, approval, action, by);
        }
        Event::ApprovalExpired { approval, action } => {
            approvals::over(table, approval, action, (ApprovalStatus::Expired, Status::Expired), at);
        }
        Event::ApprovalWithdrawn { approval, action, why: _ } => {
            approvals::over(table, approval, action, (ApprovalStatus::Withdrawn, Status::Withdrawn), at);
        }
        Event::ApprovalUsed { approval, action: _ } => {
            approvals::change(table, approval, |approval| approval.status = ApprovalStatus::Used);
        }
        Event::TimerSet { timer, due, purpose } => timers::set(table, timer, *due, purpose),
        Event::TimerFired { timer, due } => timers::fired(table, timer, *due),
    }
}
