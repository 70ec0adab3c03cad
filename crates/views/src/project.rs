//! Entries laid out as lists and counts.
//!
//! Lists are what changed between the rows before and after an entry, so they need no rules of their own. A batch
//! collects the changes and writes each list row once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kernel::action::{Action, Status};
use kernel::approval::Approval;
use kernel::event::{Entry, Event};
use kernel::id::{ActionId, ApprovalId, IncidentId, RunId};
use kernel::judge::Verdict;
use kernel::run::{Phase, Run};
use kernel::state::{self, Noun, Row, RowKey, Table};
use kernel::timer::Purpose;
use rusqlite::Connection;

use crate::batch::BatchTable;
use crate::error::Error;
use crate::runs::RunStatus;

/// Length of the slices in which verdicts are counted.
pub(crate) const MINUTE_MS: i64 = 60_000;

/// What an entry is about.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) run: Option<RunId>,
    pub(crate) action: Option<ActionId>,
    pub(crate) approval: Option<ApprovalId>,
}

/// The approval that an event is about, if it is about one.
pub fn approval_of(event: &Event) -> Option<&ApprovalId> {
    names(event).1
}

/// The run and the approval that an event names by itself.
fn names(event: &Event) -> (Option<&RunId>, Option<&ApprovalId>) {
    match event {
        Event::RunStarted { run, .. }
        | Event::RunFinished { run, .. }
        | Event::RunDispatched { run, .. }
        | Event::RunYielded { run, .. }
        | Event::RunPaused { run }
        | Event::RunResumed { run }
        | Event::WaitOpened { run, .. }
        | Event::WaitMet { run, .. }
        | Event::SignalReceived { run, .. }
        | Event::IncidentOpened { run: Some(run), .. }
        | Event::StepRecorded { run, .. }
        | Event::ActionProposed { run, .. } => (Some(run), None),
        Event::ApprovalRequested { approval, .. }
        | Event::ApprovalGiven { approval, .. }
        | Event::ApprovalRejected { approval, .. }
        | Event::ApprovalExpired { approval, .. }
        | Event::ApprovalWithdrawn { approval, .. }
        | Event::ApprovalUsed { approval, .. } => (None, Some(approval)),
        Event::TimerSet { purpose, .. } => match purpose {
            Purpose::Expire { approval, .. } => (None, Some(approval)),
            Purpose::LookUp { .. } | Purpose::Retry { .. } => (None, None),
            Purpose::Wake { run, .. } | Purpose::Again { run } | Purpose::Deadline { run } => {
                (Some(run), None)
            }
        },
        Event::LogStarted { .. }
        | Event::LogRekeyed { .. }
        | Event::LogContinued { .. }
        | Event::LogReconciled {}
        | Event::ClockJumped { .. }
        | Event::ClockAccepted {}
        | Event::CheckpointSaved(_)
        | Event::CheckpointWritten(_)
        | Event::CheckpointRemoved { .. }
        | Event::ThreadDeleted { .. }
        | Event::SubjectErased { .. }
        | Event::SubjectHeld { .. }
        | Event::SubjectReleased { .. }
        | Event::RetentionSet { .. }
        | Event::RetentionApplied { .. }
        | Event::JournalPruned(_)
        | Event::BundlePublished { .. }
        | Event::AgentRegistered { .. }
        | Event::AgentRetired { .. }
        | Event::PersonRegistered { .. }
        | Event::PersonRemoved { .. }
        | Event::ConnectorRegistered { .. }
        | Event::ConnectorRemoved { .. }
        | Event::KeyCreated { .. }
        | Event::KeyRevoked { .. }
        | Event::ActionDecided(_)
        | Event::ActionRefused { .. }
        | Event::ActionDeferred { .. }
        | Event::ActionIntended { .. }
        | Event::ActionConfirmed { .. }
        | Event::ActionFailed { .. }
        | Event::ActionUnknown { .. }
        | Event::ActionLookedUp { .. }
        | Event::ActionHandedOver { .. }
        | Event::IncidentOpened { run: None, .. }
        | Event::IncidentAcknowledged { .. }
        | Event::IncidentResolved { .. }
        | Event::TimerFired { .. } => (None, None),
    }
}

/// The verdict as it stands in the lists and in the API.
pub(crate) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Autonomous => "autonomous",
        Verdict::Approve => "approve",
        Verdict::Never => "never",
    }
}

/// What a run's row counts: how many of its actions are in such a state now.
#[derive(Debug, Default)]
struct RunChange {
    started: Option<u64>,
    last_at: i64,
    waiting: i64,
    stopped: i64,
    unknown: i64,
}

/// The changes of one batch.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    runs: BTreeMap<RunId, RunChange>,
    actions: BTreeSet<ActionId>,
    approvals: BTreeMap<ApprovalId, Option<u64>>,
    incidents: BTreeSet<IncidentId>,
    totals: BTreeMap<(&'static str, &'static str), i64>,
    verdicts: BTreeMap<(i64, &'static str), i64>,
}

struct Seen {
    run: Option<Arc<Row>>,
    action: Option<Arc<Row>>,
    approval: Option<Arc<Row>>,
}

impl Seen {
    fn look(table: &BatchTable<'_>, about: &About) -> Self {
        let row = |noun: Noun, id: Option<&str>| id.and_then(|id| table.get(&RowKey::new(noun, id)));
        Self {
            run: row(Noun::Run, about.run.as_ref().map(RunId::as_str)),
            action: row(Noun::Action, about.action.as_ref().map(ActionId::as_str)),
            approval: row(Noun::Approval, about.approval.as_ref().map(ApprovalId::as_str)),
        }
    }

    fn run(&self) -> Option<&Run> {
        match self.run.as_deref() {
            Some(Row::Run(run)) => Some(run),
            _ => None,
        }
    }

    fn action(&self) -> Option<&Action> {
        match self.action.as_deref() {
            Some(Row::Action(action)) => Some(action),
            _ => None,
        }
    }

    fn approval(&self) -> Option<&Approval> {
        match self.approval.as_deref() {
            Some(Row::Approval(approval)) => Some(approval),
            _ => None,
        }
    }
}

fn is_handed_over(action: &Action) -> bool {
    action.handed_over && action.status == Status::Unknown
}

/// The agent that the action belongs to; nobody where the log began without the run.
fn agent_of(table: &BatchTable<'_>, action: &Action) -> String {
    state::run(table, &action.run).map(|run| run.agent.to_string()).unwrap_or_default()
}

impl Lists {
    /// Applies an entry to the rows and notes what changed.
    pub(crate) fn apply(&mut self, table: &mut BatchTable<'_>, entry: &Entry) -> About {
        let action = entry.event.action().cloned();
        let mut about = About { run: None, action, approval: approval_of(&entry.event).cloned() };
        about.run = entry.run.clone().or_else(|| names(&entry.event).0.cloned()).or_else(|| {
            about.action.as_ref().and_then(|id| state::action(table, id)).map(|action| action.run)
        });
        let before = Seen::look(table, &about);
        state::apply(table, entry);
        let after = Seen::look(table, &about);
        self.note_run(entry, &about, &before, &after);
        self.note_action(entry, &about, &before, &after);
        self.note_approval(entry, &about, &before, &after);
        if let Event::IncidentOpened { incident, .. }
        | Event::IncidentAcknowledged { incident, .. }
        | Event::IncidentResolved { incident, .. } = &entry.event
        {
            self.incidents.insert(incident.clone());
        }
        about
    }

    fn count(&mut self, what: &'static str, word: &'static str, by: i64) {
        *self.totals.entry((what, word)).or_default() += by;
    }

    fn note_run(&mut self, entry: &Entry, about: &About, before: &Seen, after: &Seen) {
        let Some(id) = &about.run else { return };
        let change = self.runs.entry(id.clone()).or_default();
        change.last_at = change.last_at.max(entry.at.0);
        if before.run().is_none() && after.run().is_some() {
            change.started = Some(entry.seq);
        }
        for (seen, by) in [(before, -1), (after, 1)] {
            if let Some(run) = seen.run() {
                self.count("run", RunStatus::of(run).word(), by);
            }
        }
    }

    fn note_action(&mut self, entry: &Entry, about: &About, before: &Seen, after: &Seen) {
        let Some(id) = &about.action else { return };
        for (seen, by) in [(before, -1), (after, 1)] {
            let Some(action) = seen.action() else { continue };
            self.count("action", action.status.word(), by);
            if is_handed_over(action) {
                self.count("handed_over", "", by);
            }
            let change = self.runs.entry(action.run.clone()).or_default();
            match action.status {
                Status::Waiting => change.waiting += by,
                Status::Unknown => change.unknown += by,
                Status::Refused | Status::Rejected | Status::Expired | Status::Failed => change.stopped += by,
                Status::Decided
                | Status::Approved
                | Status::Intended
                | Status::Confirmed
                | Status::Withdrawn
                | Status::Deferred => {}
            }
        }
        let first = before.action().is_none_or(|action| action.rounds == 0);
        if let (true, Event::ActionDecided(decided)) = (first, &entry.event) {
            let minute = entry.at.0.div_euclid(MINUTE_MS);
            *self.verdicts.entry((minute, verdict_word(decided.verdict))).or_default() += 1;
        }
        if after.action().is_some() {
            self.actions.insert(id.clone());
        }
    }

    fn note_approval(&mut self, entry: &Entry, about: &About, before: &Seen, after: &Seen) {
        let Some(id) = &about.approval else { return };
        for (seen, by) in [(before, -1), (after, 1)] {
            if let Some(approval) = seen.approval() {
                self.count("approval", approval.status.word(), by);
            }
        }
        if after.approval().is_some() {
            let requested = self.approvals.entry(id.clone()).or_default();
            if before.approval().is_none() {
                *requested = Some(entry.seq);
            }
        }
    }

    /// Writes the list rows that changed. The table holds the rows as they are after the batch.
    pub(crate) fn write(&self, connection: &Connection, table: &BatchTable<'_>) -> Result<(), Error> {
        self.write_runs(connection, table)?;
        self.write_actions(connection, table)?;
        self.write_approvals(connection, table)?;
        self.write_incidents(connection, table)?;
        self.write_counts(connection)
    }

    fn write_runs(&self, connection: &Connection, table: &BatchTable<'_>) -> Result<(), Error> {
        let mut insert = connection.prepare_cached(
            "INSERT INTO runs(seq, id, agent, status, last_at, waiting, stopped, unknown, phase)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let mut update = connection.prepare_cached(
            "UPDATE runs SET status = ?2, last_at = max(last_at, ?3), waiting = waiting + ?4,
                 stopped = stopped + ?5, unknown = unknown + ?6, phase = ?7 WHERE id = ?1",
        )?;
        for (id, change) in &self.runs {
            let Some(run) = state::run(table, id) else { continue };
            let status = RunStatus::of(&run).word();
            let phase = run.phase().map(Phase::word);
            let RunChange { started, last_at, waiting, stopped, unknown } = change;
            match started {
                Some(seq) => insert.execute((
                    seq.cast_signed(),
                    id.as_str(),
                    run.agent.as_str(),
                    status,
                    last_at,
                    waiting,
                    stopped,
                    unknown,
                    phase,
                ))?,
                None => update.execute((id.as_str(), status, last_at, waiting, stopped, unknown, phase))?,
            };
        }
        Ok(())
    }

    fn write_actions(&self, connection: &Connection, table: &BatchTable<'_>) -> Result<(), Error> {
        let mut put = connection.prepare_cached(
            "INSERT INTO actions(seq, id, run, agent, tool, verdict, status) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT(seq) DO UPDATE SET verdict = excluded.verdict, status = excluded.status",
        )?;
        for id in &self.actions {
            let Some(action) = state::action(table, id) else { continue };
            put.execute((
                action.proposed_seq.cast_signed(),
                id.as_str(),
                action.run.as_str(),
                agent_of(table, &action),
                action.tool.as_str(),
                action.verdict.map(verdict_word),
                action.status.word(),
            ))?;
        }
        Ok(())
    }

    fn write_approvals(&self, connection: &Connection, table: &BatchTable<'_>) -> Result<(), Error> {
        let mut insert = connection.prepare_cached(
            "INSERT INTO approvals(seq, id, action, agent, status, requested_at, expires_at)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let mut update = connection.prepare_cached("UPDATE approvals SET status = ?2 WHERE id = ?1")?;
        for (id, requested) in &self.approvals {
            let Some(approval) = state::approval(table, id) else { continue };
            let status = approval.status.word();
            match requested {
                Some(seq) => insert.execute((
                    seq.cast_signed(),
                    id.as_str(),
                    approval.action.as_str(),
                    state::action(table, &approval.action)
                        .map(|action| agent_of(table, &action))
                        .unwrap_or_default(),
                    status,
                    approval.requested_at.0,
                    approval.expires_at.0,
                ))?,
                None => update.execute((id.as_str(), status))?,
            };
        }
        Ok(())
    }

    fn write_incidents(&self, connection: &Connection, table: &BatchTable<'_>) -> Result<(), Error> {
        let mut put = connection.prepare_cached(
            "INSERT INTO incidents(seq, id, agent, status) VALUES(?1, ?2, ?3, ?4)
             ON CONFLICT(seq) DO UPDATE SET status = excluded.status",
        )?;
        for id in &self.incidents {
            let Some(incident) = state::incident(table, id) else { continue };
            let status = incident.status().word();
            put.execute((incident.seq.cast_signed(), id.as_str(), incident.agent.as_str(), status))?;
        }
        Ok(())
    }

    fn write_counts(&self, connection: &Connection) -> Result<(), Error> {
        let mut total = connection.prepare_cached(
            "INSERT INTO totals(what, word, n) VALUES(?1, ?2, ?3)
             ON CONFLICT(what, word) DO UPDATE SET n = n + excluded.n",
        )?;
        for ((what, word), by) in self.totals.iter().filter(|(_, by)| **by != 0) {
            total.execute((what, word, by))?;
        }
        // A count that is back at nothing must look like one that never began, however batches were cut.
        connection.prepare_cached("DELETE FROM totals WHERE n = 0")?.execute([])?;
        let mut verdict = connection.prepare_cached(
            "INSERT INTO verdicts(minute, verdict, n) VALUES(?1, ?2, ?3)
             ON CONFLICT(minute, verdict) DO UPDATE SET n = n + excluded.n",
        )?;
        for ((minute, word), by) in &self.verdicts {
            verdict.execute((minute, word, by))?;
        }
        Ok(())
    }
}
