//! Leases and workers: who works on which run, in memory.
//!
//! A lease runs out by the steady clock, which no restart keeps: after one each dispatched run gets a whole lease. What
//! must hold for ever, the attempt that a write carries, is in the rows. What is decided here is taken back with the batch
//! that the journal does not take.

use std::collections::{BTreeMap, BTreeSet};

use kernel::clock::Millis;
use kernel::id::{RunId, WorkerId};
use tokio::sync::mpsc;

/// How long a worker has a run without a sign of life.
pub const LEASE: Millis = Millis(30_000);

/// What a worker is told.
#[derive(Clone, Debug)]
pub enum Order {
    /// It has this run now, under this attempt.
    Run { run: RunId, attempt: u64 },
    /// It has this run no more.
    Stop { run: RunId, why: StopWhy },
}

/// Why a worker has a run no more, other than by its own doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopWhy {
    /// Somebody ended it.
    Cancelled,
    /// A person holds it.
    Paused,
    /// The worker gave no sign of life for too long.
    Lapsed,
}

impl StopWhy {
    /// As it stands on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Paused => "paused",
            Self::Lapsed => "lapsed",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) worker: Option<WorkerId>,
    until: Millis,
    /// The attempt recorded something new.
    pub(crate) progressed: bool,
}

pub(crate) struct Worker {
    /// The queues from which it takes runs.
    pub(crate) queues: BTreeSet<String>,
    pub(crate) slots: usize,
    pub(crate) held: BTreeSet<RunId>,
    /// A lease of it ran out: it gets nothing before its next sign of life, lest it let run after run lapse.
    pub(crate) silent: bool,
    pub(crate) send: mpsc::UnboundedSender<Order>,
}

#[derive(Default)]
pub(crate) struct Leases {
    by_run: BTreeMap<RunId, Lease>,
    by_end: BTreeSet<(Millis, RunId)>,
    workers: BTreeMap<WorkerId, Worker>,
    /// Queues and the workers that have room for a run of them.
    idle: BTreeMap<String, BTreeSet<WorkerId>>,
    /// What was there before each change since the last hand-over to the journal.
    undo: Vec<(RunId, Option<Lease>)>,
}

impl Leases {
    /// After a start: these runs were given away before, each gets a whole lease.
    pub(crate) fn anew(runs: impl Iterator<Item = RunId>, now: Millis) -> Self {
        let mut leases = Self::default();
        for run in runs {
            leases.set(run, Some(Lease { worker: None, until: now.plus(LEASE), progressed: true }));
        }
        leases
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_run.is_empty()
    }

    pub(crate) fn get(&self, run: &RunId) -> Option<&Lease> {
        self.by_run.get(run)
    }

    pub(crate) fn worker(&self, id: &WorkerId) -> Option<&Worker> {
        self.workers.get(id)
    }

    /// Queues of which somebody has room for a run, and who.
    pub(crate) fn idle(&self) -> &BTreeMap<String, BTreeSet<WorkerId>> {
        &self.idle
    }

    /// Sets or ends a lease; returns the one before. Not undone.
    fn set(&mut self, run: RunId, lease: Option<Lease>) -> Option<Lease> {
        let before = self.by_run.remove(&run);
        if let Some(before) = &before {
            self.by_end.remove(&(before.until, run.clone()));
            if let Some(worker) = before.worker.as_ref().and_then(|id| self.workers.get_mut(id)) {
                worker.held.remove(&run);
            }
        }
        let touched = [
            before.as_ref().and_then(|lease| lease.worker.clone()),
            lease.as_ref().and_then(|lease| lease.worker.clone()),
        ];
        if let Some(lease) = lease {
            self.by_end.insert((lease.until, run.clone()));
            if let Some(worker) = lease.worker.as_ref().and_then(|id| self.workers.get_mut(id)) {
                worker.held.insert(run.clone());
            }
            self.by_run.insert(run, lease);
        }
        for id in touched.into_iter().flatten() {
            self.look_whether_idle(&id);
        }
        before
    }

    fn look_whether_idle(&mut self, id: &WorkerId) {
        let Some(worker) = self.workers.get(id) else { return };
        let room = !worker.silent && worker.held.len() < worker.slots;
        for queue in &worker.queues {
            if room {
                self.idle.entry(queue.clone()).or_default().insert(id.clone());
            } else if let Some(others) = self.idle.get_mut(queue) {
                others.remove(id);
                if others.is_empty() {
                    self.idle.remove(queue);
                }
            }
        }
    }

    /// A worker got a run.
    pub(crate) fn give(&mut self, run: &RunId, worker: &WorkerId, now: Millis) {
        let lease = Lease { worker: Some(worker.clone()), until: now.plus(LEASE), progressed: false };
        let before = self.set(run.clone(), Some(lease));
        self.undo.push((run.clone(), before));
    }

    /// A run is nobody's any more. Returns who had it.
    pub(crate) fn end(&mut self, run: &RunId) -> Option<Lease> {
        let before = self.set(run.clone(), None)?;
        self.undo.push((run.clone(), Some(before.clone())));
        Some(before)
    }

    /// A sign of life of whoever works on a run. `progress`: it recorded something new.
    pub(crate) fn touch(&mut self, run: &RunId, now: Millis, progress: bool) {
        let Some(lease) = self.by_run.get_mut(run) else { return };
        lease.progressed |= progress;
        // Writing it down at each step would cost more than it tells.
        if now.plus(LEASE).since(lease.until) > Millis(LEASE.0 / 10) {
            self.by_end.remove(&(lease.until, run.clone()));
            lease.until = now.plus(LEASE);
            self.by_end.insert((lease.until, run.clone()));
        }
    }

    /// A sign of life of a worker, for all of its runs. Returns whether it was taken for dead and may have runs again.
    pub(crate) fn beat(&mut self, id: &WorkerId, now: Millis) -> bool {
        let Some(worker) = self.workers.get_mut(id) else { return false };
        let was_silent = std::mem::take(&mut worker.silent);
        for run in worker.held.clone() {
            self.touch(&run, now, false);
        }
        if was_silent {
            self.look_whether_idle(id);
        }
        was_silent
    }

    /// A lease of the worker ran out.
    pub(crate) fn silence(&mut self, id: &WorkerId) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.silent = true;
            self.look_whether_idle(id);
        }
    }

    /// The whole process stood still for so long: nobody could give a sign of life.
    pub(crate) fn stood_still(&mut self, span: Millis) {
        self.by_end = std::mem::take(&mut self.by_end)
            .into_iter()
            .map(|(until, run)| (until.plus(span), run))
            .collect();
        for lease in self.by_run.values_mut() {
            lease.until = lease.until.plus(span);
        }
    }

    /// A lease that ran out.
    pub(crate) fn lapsed(&self, now: Millis) -> Option<RunId> {
        self.by_end.first().filter(|(until, _)| *until <= now).map(|(_, run)| run.clone())
    }

    /// Workers that are connected, and runs that somebody has.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.workers.len(), self.by_run.len())
    }

    /// When the next lease runs out.
    pub(crate) fn next_end(&self) -> Option<Millis> {
        self.by_end.first().map(|(until, _)| *until)
    }

    pub(crate) fn join(&mut self, id: WorkerId, worker: Worker) {
        self.workers.insert(id.clone(), worker);
        self.look_whether_idle(&id);
    }

    /// A worker came back for a run that it has.
    pub(crate) fn resume(&mut self, run: &RunId, worker: &WorkerId, now: Millis) {
        if let Some(mut lease) = self.by_run.get(run).cloned() {
            lease.worker = Some(worker.clone());
            lease.until = now.plus(LEASE);
            self.set(run.clone(), Some(lease));
        }
    }

    /// A worker went away. Its leases run out, unless it comes back.
    pub(crate) fn leave(&mut self, id: &WorkerId) {
        let Some(worker) = self.workers.remove(id) else { return };
        for queue in &worker.queues {
            if let Some(others) = self.idle.get_mut(queue) {
                others.remove(id);
                if others.is_empty() {
                    self.idle.remove(queue);
                }
            }
        }
        for run in &worker.held {
            if let Some(lease) = self.by_run.get_mut(run) {
                lease.worker = None;
            }
        }
    }

    /// The journal took what was decided.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// The journal did not take it.
    pub(crate) fn take_back(&mut self) {
        for (run, before) in std::mem::take(&mut self.undo).into_iter().rev() {
            self.set(run, before);
        }
    }
}
