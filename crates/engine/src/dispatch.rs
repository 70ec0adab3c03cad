//! Giving runs to workers, and taking them back.
//!
//! The owner gives: highest priority first, then the agent that has the fewest runs with workers, then the oldest run. An
//! append that says so comes before the worker hears of it, and its attempt is the token of everything the worker writes.

use std::collections::BTreeMap;

use kernel::actor::Actor;
use kernel::event::Event;
use kernel::id::{AgentId, IncidentId, RunId, TaskName, WorkerId};
use kernel::lease::{self, CONCURRENCY, DISPATCHED_MAX, Ended, TRIES_MAX, YieldWhy};
use kernel::refusal::Refusal;
use kernel::run::Run;
use kernel::state;
use kernel::timer::Purpose;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::desk::{Desk, Named};
use crate::engine::Engine;
use crate::error::Error;
use crate::follow_up::Note;
use crate::leases::{Order, Worker};

/// Runs that one worker may have at once.
pub const SLOTS_MAX: usize = 1_024;
/// Tasks that one worker may offer.
pub const TASKS_MAX: usize = 64;
/// Versions of its agent that one worker may know.
pub const VERSIONS_MAX: usize = 16;

/// A worker that offers to work.
#[derive(Clone, Debug)]
pub struct Join {
    /// Its agent.
    pub agent: AgentId,
    /// What it knows how to do.
    pub tasks: Vec<TaskName>,
    /// The versions of the agent that it knows; none: the one in force.
    pub versions: Vec<i64>,
    /// How many runs it takes at once.
    pub slots: usize,
    /// Runs that it had before its connection broke, with their attempts.
    pub resume: Vec<(RunId, u64)>,
}

/// A worker that was taken on.
#[derive(Debug)]
pub struct Joined {
    /// Its id.
    pub worker: WorkerId,
    /// Runs that it had and has no more.
    pub lost: Vec<RunId>,
    /// What it is told.
    pub orders: mpsc::UnboundedReceiver<Order>,
}

impl Desk {
    /// Gives the run away that comes first, if there is one and somebody has room for it.
    pub(crate) fn give_one(&mut self) -> bool {
        if state::workspace(self.table()).reconciling.is_some()
            || state::load(self.table(), "").unwrap_or(0) >= DISPATCHED_MAX
        {
            return false;
        }
        let queues: Vec<String> = self.leases.idle().keys().cloned().collect();
        let mut loads: BTreeMap<String, Option<u32>> = BTreeMap::new();
        let mut best: Option<(String, u32, String, String)> = None;
        for queue in queues {
            let agent = queue.split('/').next().unwrap_or_default();
            let load = *loads.entry(agent.to_owned()).or_insert_with(|| self.room(agent));
            let Some(load) = load else { continue };
            let Some(id) = self.book.first_ready(&queue) else { continue };
            let Some((urgency, run)) = id[queue.len()..].split_once('/') else { continue };
            let candidate = (urgency.to_owned(), load, run.to_owned(), queue);
            if best.as_ref().is_none_or(|best| candidate < *best) {
                best = Some(candidate);
            }
        }
        let Some((_, _, run, queue)) = best else { return false };
        match self.give(&run, &queue) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%run, %error, "a run could not be given to a worker");
                false
            }
        }
    }

    /// How many runs workers of this agent have; `None`: it may have no more.
    fn room(&self, agent: &str) -> Option<u32> {
        let id: AgentId = agent.parse().ok()?;
        let max = state::agent(self.table(), &id)?.concurrency.unwrap_or(CONCURRENCY);
        let load = state::load(self.table(), agent).unwrap_or(0);
        (load < max).then_some(load)
    }

    fn give(&mut self, run: &str, queue: &str) -> Result<(), Error> {
        let not_found = || Error::Refused(Refusal::NotFound { what: "run", id: run.to_owned() });
        let id: RunId = run.parse().map_err(|_| not_found())?;
        let row = state::run(self.table(), &id).ok_or_else(not_found)?;
        let idle = self.leases.idle().get(queue).ok_or_else(not_found)?;
        let held = |worker: &&WorkerId| self.leases.worker(worker).map_or(usize::MAX, |w| w.held.len());
        let worker = idle.iter().min_by_key(held).cloned().ok_or_else(not_found)?;
        let event = row.give(&worker)?;
        let attempt = row.dispatch.as_ref().map_or(0, |dispatch| dispatch.attempt + 1);
        self.write(&Actor::Server, Some(&id), vec![(event, vec![])])?;
        self.leases.give(&id, &worker, self.steady);
        if let Some(worker) = self.leases.worker(&worker) {
            let order = Order::Run { run: id, attempt };
            self.notes.push(Note::Order(worker.send.clone(), order));
        }
        Ok(())
    }

    /// The entries with which a worker has a run no more, and what becomes of it then.
    fn yielded(&self, row: &Run, why: YieldWhy, error: Named) -> Vec<(Event, Named)> {
        let progressed = self.leases.get(&row.id).is_none_or(|lease| lease.progressed);
        let events = row.take_back(Ended { why, progressed });
        let tries = events.iter().find_map(|event| match event {
            Event::RunYielded { tries, .. } => Some(*tries),
            _ => None,
        });
        let mut events: Vec<(Event, Named)> =
            events.into_iter().map(|event| (event, error.clone())).collect();
        let Some(tries) = tries.filter(|_| matches!(why, YieldWhy::Failed | YieldWhy::Lapsed)) else {
            return events;
        };
        match state::agent(self.table(), &row.agent) {
            Some(agent) if tries >= TRIES_MAX => {
                let incident = IncidentId::new(self.now, kernel::clock::chance(&*self.entropy));
                events.push((row.park(incident, agent.owner), error));
            }
            _ if why == YieldWhy::Failed => {
                let chance = kernel::clock::chance(&*self.entropy)[0];
                let again = self.timer(lease::pause(tries, chance), Purpose::Again { run: row.id.clone() });
                events.push((again, vec![]));
            }
            _ => {}
        }
        events
    }

    /// A worker gave no sign of life: it has this run no more.
    pub(crate) fn lapse(&mut self, run: &RunId) {
        let done =
            self.seal_error(run, &json!({ "class": "lapsed", "message": "the worker gave no sign of life" }));
        let done = done.and_then(|error| {
            let events = match state::run(self.table(), run) {
                Some(row) => self.yielded(&row, YieldWhy::Lapsed, error),
                None => vec![],
            };
            if events.is_empty() { Ok(0) } else { self.write(&Actor::Server, Some(run), events) }
        });
        if let Err(error) = done {
            tracing::error!(%run, %error, "a lease that ran out could not be recorded");
        }
        drop(self.leases.end(run));
    }

    pub(crate) fn seal_error(&self, run: &RunId, error: &Value) -> Result<Named, Error> {
        let subject = self.payloads.subject(run.as_str());
        Ok(vec![self.seal("error", &subject, run.as_str(), &kernel::json::canonical(error))?])
    }

    /// The worker that has this run gives it up.
    fn give_up(
        &mut self,
        run: &RunId,
        by: &Actor,
        attempt: u64,
        why: YieldWhy,
        error: Option<&Value>,
    ) -> Result<(), Error> {
        let row = self.run_of(run, by)?;
        row.fenced(Some(attempt))?;
        let error = error.map(|error| self.seal_error(run, error)).transpose()?.unwrap_or_default();
        let events = self.yielded(&row, why, error);
        let lease = self.leases.end(run);
        let written = self.write(by, Some(run), events);
        if written.is_err()
            && let Some(worker) = lease.and_then(|lease| lease.worker)
        {
            self.leases.give(run, &worker, self.steady);
        }
        written.map(|_| ())
    }

    /// The run, if this caller may move it.
    pub(crate) fn run_of(&self, id: &RunId, by: &Actor) -> Result<Run, Error> {
        let row = state::run(self.table(), id).filter(|row| state::owns(by, row));
        row.ok_or_else(|| Refusal::NotFound { what: "run", id: id.to_string() }.into())
    }
}

impl Engine {
    /// Takes a worker on: from now on it is given runs of its agent and tasks.
    pub async fn join_work(&self, join: Join) -> Result<Joined, Error> {
        self.check_open()?;
        for (what, count, max) in [
            ("slots", join.slots, SLOTS_MAX),
            ("tasks", join.tasks.len(), TASKS_MAX),
            ("versions", join.versions.len().max(1), VERSIONS_MAX),
        ] {
            if count == 0 || count > max {
                return Err(Refusal::Invalid(format!("a worker has 1 to {max} {what}")).into());
            }
        }
        let now = self.inner.clock.now().wall;
        let worker = WorkerId::new(now, kernel::clock::chance(&*self.inner.entropy));
        self.ask(move |desk| {
            let agent = state::agent(desk.table(), &join.agent)
                .ok_or_else(|| Refusal::AgentUnknown { agent: join.agent.to_string() })?;
            let versions = if join.versions.is_empty() { vec![agent.version] } else { join.versions };
            let queues = versions
                .iter()
                .flat_map(|version| join.tasks.iter().map(|task| lease::queue(&join.agent, *version, task)))
                .collect();
            let (send, orders) = mpsc::unbounded_channel();
            let by = Actor::Agent(join.agent.clone());
            let (kept, lost): (Vec<_>, Vec<_>) = join.resume.into_iter().partition(|(run, attempt)| {
                desk.run_of(run, &by).is_ok_and(|row| row.fenced(Some(*attempt)).is_ok())
            });
            desk.leases.join(
                worker.clone(),
                Worker {
                    queues,
                    slots: join.slots,
                    held: std::collections::BTreeSet::new(),
                    silent: false,
                    send,
                },
            );
            for (run, _) in kept {
                desk.leases.resume(&run, &worker, desk.steady);
            }
            desk.book.moved = true;
            Ok(Joined { worker, lost: lost.into_iter().map(|(run, _)| run).collect(), orders })
        })
        .await
    }

    /// A worker's connection ended. What it has runs out, unless it comes back for it.
    pub async fn leave_work(&self, worker: WorkerId) {
        // An error means that the engine stops, and the worker with it.
        drop(
            self.ask(move |desk| {
                desk.leases.leave(&worker);
                Ok(())
            })
            .await,
        );
    }

    /// A sign of life of a worker, for all of its runs.
    pub async fn beat(&self, worker: &WorkerId) -> Result<(), Error> {
        let worker = worker.clone();
        self.ask(move |desk| {
            if desk.leases.beat(&worker, desk.steady) {
                // There may be runs for it.
                desk.book.moved = true;
            }
            Ok(())
        })
        .await
    }

    /// The attempt failed: it is tried again later, or parked.
    pub async fn fail_attempt(
        &self,
        run: &RunId,
        attempt: u64,
        by: Actor,
        error: Value,
    ) -> Result<(), Error> {
        let run = run.clone();
        self.ask(move |desk| desk.give_up(&run, &by, attempt, YieldWhy::Failed, Some(&error))).await
    }

    /// The worker gives a run back, for another one.
    pub async fn release_run(&self, run: &RunId, attempt: u64, by: Actor) -> Result<(), Error> {
        let run = run.clone();
        self.ask(move |desk| desk.give_up(&run, &by, attempt, YieldWhy::Released, None)).await
    }

    /// Workers that are connected, and the runs that they have.
    pub async fn workers(&self) -> Result<(usize, usize), Error> {
        self.ask(|desk| Ok(desk.leases.counts())).await
    }
}
