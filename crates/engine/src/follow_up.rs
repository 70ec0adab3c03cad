//! What follows from entries within the same append: waits that they meet, runs that end with others, and who is told.
//!
//! A wait is met where its condition comes true, never later and never twice: after each command the waits of the runs
//! that it touched are looked at against the rows, and their `wait.met` goes into the same batch.

use kernel::actor::Actor;
use kernel::approval::WithdrawnWhy;
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::{ActionId, RunId};
use kernel::lease::YieldWhy;
use kernel::run::{Run, RunOutcome};
use kernel::state::{self, Noun, Row, RowKey};
use kernel::step::Step;
use kernel::timer::{Purpose, Timer};
use serde_json::json;
use tokio::sync::mpsc;

use crate::desk::{Desk, Named};
use crate::leases::{Order, StopWhy};

/// What may have met waits.
pub(crate) enum Moved {
    /// Something for which this run may wait.
    Waits(RunId),
    /// A run ended: others may wait for it, and some end with it.
    Ended(RunId, RunOutcome),
}

/// What somebody is told once it is durable.
pub(crate) enum Note {
    /// A wait was met.
    Met(RunId, Digest),
    /// An action was settled by something else than its own call or an answer.
    Settled(ActionId),
    /// A worker got a run, or has it no more.
    Order(mpsc::UnboundedSender<Order>, Order),
}

impl Desk {
    /// What the timer that fires with this event is for. Asked before the event is applied.
    pub(crate) fn due(&self, event: &Event) -> Option<Purpose> {
        let Event::TimerFired { timer, due } = event else { return None };
        match self.table().get(&RowKey::new(Noun::Timer, Timer::row_id(*due, timer))).as_deref() {
            Some(Row::Timer(timer)) => Some(timer.purpose.clone()),
            _ => None,
        }
    }

    /// Notes what an event, just applied, may have met or ended.
    pub(crate) fn notice(&mut self, event: &Event, due: Option<Purpose>) {
        match event {
            Event::StepRecorded { run, .. } | Event::ActionProposed { run, .. } => self.progressed(run),
            Event::WaitOpened { run, .. } => {
                self.progressed(run);
                self.moved.push_back(Moved::Waits(run.clone()));
            }
            Event::SignalReceived { run, .. } => self.moved.push_back(Moved::Waits(run.clone())),
            Event::WaitMet { run, key, .. } => self.notes.push(Note::Met(run.clone(), *key)),
            Event::ActionConfirmed { action, .. }
            | Event::ActionFailed { action, .. }
            | Event::ActionRefused { action, .. }
            | Event::ActionDeferred { action, .. }
            | Event::ApprovalRejected { action, .. }
            | Event::ApprovalExpired { action, .. } => self.settled(action),
            Event::ApprovalWithdrawn { action, .. } => {
                self.settled(action);
                self.notes.push(Note::Settled(action.clone()));
            }
            Event::RunFinished { run, outcome } => {
                self.stop(run, StopWhy::Cancelled);
                self.moved.push_back(Moved::Ended(run.clone(), *outcome));
            }
            Event::RunYielded { run, why, .. } => match why {
                YieldWhy::Lapsed => self.stop(run, StopWhy::Lapsed),
                YieldWhy::Released => self.stop(run, StopWhy::Paused),
                // The worker's own doing: it knows.
                YieldWhy::Waiting | YieldWhy::Failed => drop(self.leases.end(run)),
            },
            Event::TimerFired { .. } => {
                if let Some(Purpose::Wake { run, .. }) = due {
                    self.moved.push_back(Moved::Waits(run));
                }
            }
            _ => {}
        }
    }

    fn progressed(&mut self, run: &RunId) {
        if !self.leases.is_empty() {
            self.leases.touch(run, self.steady, true);
        }
    }

    /// An action may have reached its end: its run may wait for that.
    fn settled(&mut self, action: &ActionId) {
        let table = self.table();
        let row = table.get(&RowKey::new(Noun::Action, action));
        let Some(Row::Action(action)) = row.as_deref() else { return };
        if action.status.is_final()
            && state::with_run(table, &action.run, |run| !run.waits.is_empty()) == Some(true)
        {
            let run = action.run.clone();
            self.moved.push_back(Moved::Waits(run));
        }
    }

    /// Whoever works on the run is told to stop.
    fn stop(&mut self, run: &RunId, why: StopWhy) {
        let worker = self.leases.end(run).and_then(|lease| lease.worker);
        if let (StopWhy::Lapsed, Some(id)) = (why, &worker) {
            self.leases.silence(id);
        }
        if let Some(worker) = worker.and_then(|id| self.leases.worker(&id)) {
            let order = Order::Stop { run: run.clone(), why };
            self.notes.push(Note::Order(worker.send.clone(), order));
        }
    }

    /// Writes what follows from the entries of a command that begins at `cause`.
    pub(crate) fn follow_up(&mut self, cause: u64) {
        while let Some(moved) = self.moved.pop_front() {
            match moved {
                Moved::Waits(run) => self.meet(&run, cause),
                Moved::Ended(run, outcome) => self.end_others(&run, outcome, cause),
            }
        }
    }

    /// Looks at the open waits of a run, in the order in which they were opened.
    fn meet(&mut self, run: &RunId, cause: u64) {
        let open = state::with_run(self.table(), run, |row| match row.finished {
            None => row.waits.clone(),
            Some(_) => vec![],
        });
        for key in open.unwrap_or_default() {
            let Some(wait) = state::wait(self.table(), &Step::row_id(run, &key)) else { continue };
            let by = wait.look(self.table(), run, self.now);
            if by.is_empty() || wait.met.is_some() {
                continue;
            }
            let events = wait.meet(self.table(), run, by);
            self.follow(run, events.into_iter().map(|event| (event, vec![])).collect(), cause);
        }
    }

    fn end_others(&mut self, run: &RunId, outcome: RunOutcome, cause: u64) {
        let Some(row) = state::run(self.table(), run) else { return };
        self.moved.extend(row.watchers.iter().cloned().map(Moved::Waits));
        if outcome != RunOutcome::Cancelled {
            return;
        }
        for child in &row.children {
            if let Some(child) = state::run(self.table(), child).filter(|child| child.finished.is_none()) {
                let events = self.end_run(&child, outcome, vec![]);
                self.follow(&child.id, events, cause);
            }
        }
    }

    fn follow(&mut self, run: &RunId, events: Vec<(Event, Named)>, cause: u64) {
        if let Err(error) = self.append(&Actor::Server, Some(run), events, Some(cause)) {
            // Entries of a few numbers: none is too large.
            tracing::error!(%run, %error, "what follows could not be recorded");
        }
    }

    /// The entries that end a run from outside: nobody is asked for it any more.
    pub(crate) fn end_run(&self, run: &Run, outcome: RunOutcome, named: Named) -> Vec<(Event, Named)> {
        let mut events = vec![(Event::RunFinished { run: run.id.clone(), outcome }, named)];
        for action in &run.asked {
            let approval = state::action(self.table(), action)
                .and_then(|action| action.approval)
                .and_then(|id| state::approval(self.table(), &id));
            let withdrawn = approval.and_then(|approval| approval.withdraw(WithdrawnWhy::RunEnded).ok());
            events.extend(withdrawn.unwrap_or_default().into_iter().map(|event| (event, vec![])));
        }
        events
    }

    /// The error of a run that did not end in time.
    pub(crate) fn deadline_error(&self, run: &Run) -> Named {
        let error = json!({ "class": "deadline", "message": "the run did not end by its deadline" });
        let subject = self.payloads.subject(run.id.as_str());
        match self.seal("error", &subject, run.id.as_str(), &kernel::json::canonical(&error)) {
            Ok(sealed) => vec![sealed],
            Err(error) => {
                tracing::error!(run = %run.id, %error, "the error of a run could not be sealed");
                vec![]
            }
        }
    }
}
