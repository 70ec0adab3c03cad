//! The owner of a workspace: the one task that decides.
//!
//! ```text
//!  callers ──ask──► queue ──► decide against the book ──► batch ──► journal (write + flush)
//!     ▲                                                                  │
//!     └───────────── reply, once durable ≥ what the command saw ◄────────┘
//! ```
//!
//! It runs ahead of the disk: while one batch is flushed the next one is decided. Replies, refusals included, wait for
//! the highest position that their command saw. Drained commands share one append.
//!
//! An append that the journal does not take (the disk is full) was never decided: rows, timers and bundle are as they
//! were before it, and whoever had a part in it is told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use journal::{Batch, Journal};
use kernel::clock::{Millis, Now};
use kernel::event::Event;
use kernel::run::RunOutcome;
use kernel::state::{self, CLOCK_JUMP};
use kernel::timer::{Purpose, Timer};
use tokio::sync::{mpsc, watch};

use crate::desk::Desk;
use crate::error::Error;
use crate::follow_up::Note;

/// Sends a command's answer, once the journal said how it went.
pub(crate) type Release = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// A command: decides inside the owner, and leaves its release.
pub(crate) type Task = Box<dyn FnOnce(&mut Desk) -> Release + Send>;
/// Called for each timer that is due, outside the owner.
pub(crate) type OnTimer = Box<dyn Fn(Purpose) + Send>;
/// Called for each note whose entries are durable.
pub(crate) type OnNote = Arc<dyn Fn(Note) + Send + Sync>;

/// One append takes at most this many commands: enough to fill a flush, few enough to keep the first waiting shortly.
const DRAIN_MAX: usize = 1_024;
/// Commands whose replies may wait for the disk; beyond it the queue pushes back.
const UNRELEASED_MAX: usize = 16_384;
/// Bytes of entries and payloads after which a batch is handed over although commands wait.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// How long timers rest after a batch that the journal did not take.
const NO_ROOM_REST: Millis = Millis(1_000);
/// The longest nap between looks at the clock.
const NAP_MS_MAX: i64 = 1_000;
/// Whoever took longer than this from one look at the clock to the next stood still: leases go on from there.
const STOOD_STILL: Millis = Millis(5_000);
/// Runs given away before the queue is looked at again.
const GIVE_MAX: usize = 256;

/// What the journal last said: how many entries are durable, or why there will be no more.
#[derive(Clone, Debug)]
pub(crate) struct Durable {
    pub(crate) size: u64,
    pub(crate) failed: Option<String>,
}

pub(crate) struct Owner {
    pub(crate) desk: Desk,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) queue: mpsc::Receiver<Task>,
    pub(crate) durable: Arc<watch::Sender<Durable>>,
    pub(crate) on_timer: OnTimer,
    on_note: OnNote,
    pub(crate) clock_off: Arc<AtomicI64>,
    last: Now,
    /// What the wall clock jumped without an entry that says so.
    unrecorded: i64,
    /// Timers of the batch under way: what they are for happens once the journal took it.
    fired: Vec<Purpose>,
    /// The journal did not take the last batch: timers rest until then, and each command is a batch of its own, so
    /// that those who only look get their answer.
    no_room_until: Option<Millis>,
    unreleased: VecDeque<(u64, Release)>,
}

impl Owner {
    pub(crate) fn new(
        desk: Desk,
        journal: Arc<dyn Journal>,
        queue: mpsc::Receiver<Task>,
        durable: Arc<watch::Sender<Durable>>,
        (on_timer, on_note): (OnTimer, OnNote),
        clock_off: Arc<AtomicI64>,
    ) -> Self {
        let last = desk.clock.now();
        Self {
            desk,
            journal,
            queue,
            durable,
            on_timer,
            on_note,
            clock_off,
            last,
            unrecorded: 0,
            fired: Vec::new(),
            no_room_until: None,
            unreleased: VecDeque::new(),
        }
    }

    /// Runs until every handle is gone.
    pub(crate) async fn run(mut self) {
        let mut news = self.durable.subscribe();
        let mut tasks = Vec::with_capacity(DRAIN_MAX);
        loop {
            let nap = self.nap();
            let room = self.unreleased.len() < UNRELEASED_MAX;
            // Every branch is cancel-safe: `recv_many` and `changed` take nothing when they lose.
            tokio::select! {
                biased;
                changed = news.changed() => if changed.is_err() { break },
                count = self.queue.recv_many(&mut tasks, DRAIN_MAX), if room => if count == 0 { break },
                () = tokio::time::sleep(nap) => {}
            }
            self.look_at_clock();
            for task in tasks.drain(..) {
                let release = task(&mut self.desk);
                self.unreleased.push_back((self.desk.book.next_seq, release));
                self.pass_notes();
                if self.no_room_until.is_some() || self.desk.batch_bytes > BATCH_BYTES_MAX {
                    self.hand_over();
                }
            }
            self.fire_timers();
            self.end_leases();
            self.give_away();
            self.hand_over();
            self.release();
            self.desk.book.trim();
        }
        // The last replies still wait for the disk.
        while !self.unreleased.is_empty() {
            if news.changed().await.is_err() {
                break;
            }
            self.release();
        }
    }

    fn nap(&mut self) -> Duration {
        let now = self.desk.clock.now();
        let due = match self.no_room_until {
            Some(until) => until.0 - now.steady.0,
            None if self.desk.book.moved => 0,
            None => {
                let timer = self.desk.book.first_timer().map_or(NAP_MS_MAX, |timer| timer.due.0 - now.wall.0);
                let lease = self.desk.leases.next_end().map_or(NAP_MS_MAX, |end| end.0 - now.steady.0);
                timer.min(lease)
            }
        };
        Duration::from_millis(due.clamp(1, NAP_MS_MAX).unsigned_abs())
    }

    /// Reads the clock, keeps `at` from going back, and writes down jumps.
    fn look_at_clock(&mut self) {
        let now = self.desk.clock.now();
        let drift = (now.wall.0 - self.last.wall.0) - (now.steady.0 - self.last.steady.0) + self.unrecorded;
        let still = now.steady.since(self.last.steady);
        if still > STOOD_STILL {
            self.desk.leases.stood_still(still);
        }
        self.last = now;
        self.desk.now = self.desk.now.max(now.wall);
        self.desk.steady = now.steady;
        if drift.abs() > CLOCK_JUMP.0 {
            if self.unrecorded == 0 {
                tracing::warn!(drift_ms = drift, "the wall clock jumped");
            }
            self.unrecorded = drift;
            let event = Event::ClockJumped { by: Millis(drift) };
            if let Err(error) = self.desk.write(&kernel::actor::Actor::Server, None, vec![(event, vec![])]) {
                tracing::error!(%error, "the clock jump could not be recorded");
            }
        }
    }

    /// Decides timers that are due against state, so each fires once.
    fn fire_timers(&mut self) {
        let off = state::workspace(self.desk.table()).clock_off;
        self.clock_off.store(off.0, Ordering::Relaxed);
        if off.0 != 0 || self.no_room_until.is_some_and(|until| self.last.steady < until) {
            return;
        }
        // `at` does not go back, the wall clock may: nothing expires before both say so.
        let now = self.desk.now.min(self.last.wall);
        for _ in 0..DRAIN_MAX {
            let Some(timer) = self.desk.book.first_timer().filter(|timer| timer.due <= now) else {
                return;
            };
            self.fire(timer);
        }
    }

    fn fire(&mut self, timer: Timer) {
        let mut events = vec![(Event::TimerFired { timer: timer.id.clone(), due: timer.due }, vec![])];
        let of_action = timer.purpose.action().and_then(|id| state::action(self.desk.table(), id));
        let run = of_action.map(|action| action.run).or_else(|| timer.purpose.run().cloned());
        match &timer.purpose {
            Purpose::Expire { approval, .. } => {
                if let Some(approval) = state::approval(self.desk.table(), approval) {
                    events.extend(approval.expire(self.desk.now).into_iter().map(|event| (event, vec![])));
                }
            }
            Purpose::Deadline { run } => {
                if let Some(run) = state::run(self.desk.table(), run).filter(|run| run.finished.is_none()) {
                    let why = self.desk.deadline_error(&run);
                    events.extend(self.desk.end_run(&run, RunOutcome::Failed, why));
                }
            }
            Purpose::LookUp { .. } | Purpose::Retry { .. } | Purpose::Wake { .. } | Purpose::Again { .. } => {
            }
        }
        match self.desk.write(&kernel::actor::Actor::Server, run.as_ref(), events) {
            Ok(_) => self.fired.push(timer.purpose),
            Err(error) => tracing::error!(%error, "a timer could not be recorded"),
        }
        self.pass_notes();
    }

    /// Whether the journal takes nothing at the moment, so that only those who ask get an answer.
    fn rests(&self) -> bool {
        self.no_room_until.is_some_and(|until| self.last.steady < until)
    }

    /// Takes runs back from workers that gave no sign of life.
    fn end_leases(&mut self) {
        if self.rests() {
            return;
        }
        for _ in 0..DRAIN_MAX {
            let Some(run) = self.desk.leases.lapsed(self.last.steady) else { return };
            self.desk.lapse(&run);
            self.pass_notes();
        }
    }

    /// Gives runs to workers that have room for them.
    fn give_away(&mut self) {
        if self.rests() || !self.desk.book.moved {
            return;
        }
        for _ in 0..GIVE_MAX {
            if !self.desk.give_one() {
                self.desk.book.moved = false;
                break;
            }
            self.pass_notes();
        }
    }

    /// Notes of what was decided just now go out once it is durable.
    fn pass_notes(&mut self) {
        let seen = self.desk.book.next_seq;
        for note in self.desk.notes.drain(..) {
            let on_note = self.on_note.clone();
            let release: Release = Box::new(move |durable| {
                if durable.is_ok() {
                    on_note(note);
                }
            });
            self.unreleased.push_back((seen, release));
        }
    }

    fn hand_over(&mut self) {
        let Some(first) = self.desk.batch.first().map(|entry| entry.seq) else { return };
        let entries = std::mem::take(&mut self.desk.batch);
        self.desk.batch_bytes = 0;
        let size = self.desk.book.next_seq;
        let durable = self.durable.clone();
        // A batch that is refused is refused before `append` returns.
        let refused = Arc::new(Mutex::new(None));
        let refusal = refused.clone();
        self.journal.append(
            Batch { entries },
            Box::new(move |result| {
                let failed = match result {
                    Ok(_) => {
                        return durable.send_modify(|now| now.size = now.size.max(size));
                    }
                    Err(journal::Error::DiskFull) => {
                        *refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(Error::NoRoom);
                        return;
                    }
                    Err(journal::Error::Full { .. }) => {
                        *refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(Error::Busy);
                        return;
                    }
                    Err(error) => error.to_string(),
                };
                durable.send_modify(|now| now.failed = Some(failed));
            }),
        );
        let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(error) = refused {
            self.take_back(first, &error);
        } else {
            self.desk.keep();
            self.unrecorded = 0;
            self.no_room_until = None;
            self.fired.drain(..).for_each(|purpose| (self.on_timer)(purpose));
        }
    }

    /// The batch that begins at this entry was refused: it was never decided.
    fn take_back(&mut self, first: u64, error: &Error) {
        if self.no_room_until.is_none() {
            tracing::error!(%error, "the journal took nothing; no decisions until there is room");
        }
        self.desk.take_back(first);
        self.fired.clear();
        self.no_room_until = Some(self.last.steady.plus(NO_ROOM_REST));
        while self.unreleased.back().is_some_and(|(seen, _)| *seen > first) {
            if let Some((_, release)) = self.unreleased.pop_back() {
                release(Err(error.clone()));
            }
        }
    }

    fn release(&mut self) {
        let (size, failed) = {
            let durable = self.durable.borrow();
            (durable.size, durable.failed.clone())
        };
        while self.unreleased.front().is_some_and(|(seen, _)| *seen <= size || failed.is_some()) {
            if let Some((seen, release)) = self.unreleased.pop_front() {
                release(match &failed {
                    Some(cause) if seen > size => Err(Error::Journal(cause.clone())),
                    _ => Ok(()),
                });
            }
        }
    }
}
