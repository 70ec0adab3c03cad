//! The handle of a workspace's engine: starting, asking, watching, stopping.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use journal::{Journal, LogId};
use kernel::action::{Action, Cause, Outcome, SettledBy, Status};
use kernel::actor::Actor;
use kernel::clock::{Clock, Entropy, Millis};
use kernel::digest::Digest;
use kernel::event::{Entry, Event};
use kernel::id::{ActionId, RunId, WorkspaceId};
use kernel::judge::Judge;
use kernel::ports::{Effector, StateStore};
use kernel::refusal::Refusal;
use kernel::state::{self, Noun, Row, RowKey};
use kernel::timer::Purpose;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::book::Book;
use crate::desk::Desk;
use crate::error::Error;
use crate::follow::{Follow, Follower, Wake};
use crate::follow_up::Note;
use crate::leases::Leases;
use crate::locks::Locks;
use crate::owner::{Durable, Owner, Release, Task};
use crate::payload::Payloads;
use crate::retention::ABSENCE_MAX;

/// Pause before something is written down again that the journal did not take.
pub(crate) const NO_ROOM_PAUSE: Duration = Duration::from_secs(1);

/// Bounds of one engine.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Commands that may wait for the owner.
    pub queue_len_max: usize,
    /// Actions that may be under way at once, reads included.
    pub under_way_max: usize,
    /// How long a write waits for another one on the same record.
    pub conflict_wait: Millis,
    /// Pause before a read is tried again.
    pub retry_pause: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_len_max: 4_096,
            under_way_max: 10_000,
            conflict_wait: Millis(10_000),
            retry_pause: Millis(200),
        }
    }
}

/// What an engine is made of.
#[expect(missing_debug_implementations, reason = "trait objects without a form worth printing")]
pub struct Parts {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The workspace's log in it.
    pub log: LogId,
    /// Name of the log: its origin.
    pub log_name: String,
    /// The log's verifier key, for its first entry.
    pub verifier_key: String,
    /// Rows derived from durable entries.
    pub store: Arc<dyn StateStore>,
    /// Takes durable entries into the rows and views.
    pub follow: Follow,
    /// The way out.
    pub effector: Arc<dyn Effector>,
    /// Seals and opens payloads.
    pub payloads: Arc<dyn Payloads>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Bounds.
    pub limits: Limits,
}

/// How far the log and its views are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Durable entries.
    pub durable: u64,
    /// Entries that the views hold.
    pub applied: u64,
}

/// Counts since the start, for metrics.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Decisions by verdict.
    pub decisions: BTreeMap<&'static str, u64>,
    /// Actions under way now.
    pub under_way: u64,
    /// The views cannot follow, and why.
    pub views_failed: Option<String>,
    /// The journal failed, and why.
    pub journal_failed: Option<String>,
    /// The wall clock is off by this many milliseconds since it jumped: expiries are paused.
    pub clock_off: i64,
    /// Retention waits for somebody to say that the clock is right, after a long absence.
    pub retention_waits: bool,
}

pub(crate) struct Inner {
    pub(crate) queue: mpsc::Sender<Task>,
    pub(crate) judge: RwLock<Option<Arc<dyn Judge>>>,
    pub(crate) effector: Arc<dyn Effector>,
    pub(crate) payloads: Arc<dyn Payloads>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) limits: Limits,
    pub(crate) requests: Locks,
    pub(crate) conflicts: Locks,
    pub(crate) tracker: TaskTracker,
    pub(crate) under_way: AtomicU64,
    pub(crate) decided: [AtomicU64; 3],
    pub(crate) settled: Mutex<BTreeMap<ActionId, watch::Sender<()>>>,
    pub(crate) waiting: Mutex<BTreeMap<(RunId, Digest), watch::Sender<()>>>,
    /// Held by each proposal until its first entry is durable; replaced to wait for those that had begun.
    pub(crate) proposing: Mutex<Arc<()>>,
    /// One sweep at a time.
    pub(crate) sweeping: tokio::sync::Mutex<()>,
    /// The clock is far ahead of the newest entry, and nobody said yet that it is right.
    pub(crate) absent: AtomicBool,
    /// Holds that were put since the start.
    pub(crate) holds: AtomicU64,
    /// Entries since the start that destroy data keys: what was sealed before one of them is sealed again.
    pub(crate) erasures: Arc<AtomicU64>,
    /// Why no new work is taken, where that is so.
    pub(crate) no_intake: RwLock<Option<Refusal>>,
    /// Writes are paused: the log was restored to a point in its past.
    pub(crate) reconciling: AtomicBool,
    closing: AtomicBool,
    durable: Arc<watch::Sender<Durable>>,
    applied: Arc<watch::Sender<u64>>,
    views_failed: Arc<watch::Sender<Option<String>>>,
    clock_off: Arc<AtomicI64>,
    live: broadcast::Sender<Arc<Entry>>,
    follower_stop: Arc<AtomicBool>,
    wake: std::sync::mpsc::Sender<Wake>,
}

/// A workspace's engine. Cheap to clone; all clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("head", &self.head()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts: brings rows and views up to the head, then serves. Nothing fires and nothing is sent before
    /// [`Engine::recover`]. A new log gets its first entry here.
    pub async fn start(parts: Parts) -> Result<Self, Error> {
        let size = parts.journal.head(parts.log).size;
        let durable = Arc::new(watch::Sender::new(Durable { size, failed: None }));
        let applied = Arc::new(watch::Sender::new(parts.store.applied()));
        let views_failed = Arc::new(watch::Sender::new(None));
        let (live, _) = broadcast::channel(4_096);
        let follower_stop = Arc::new(AtomicBool::new(false));
        let mut follower = Follower {
            journal: parts.journal.clone(),
            log: parts.log,
            follow: parts.follow,
            applied: applied.clone(),
            failed: views_failed.clone(),
            live: live.clone(),
            stop: follower_stop.clone(),
        };
        let last_at = match size.checked_sub(1) {
            Some(last) => {
                let entry = parts.journal.read(parts.log, last, 1, usize::MAX).map_err(journal_error)?;
                entry
                    .first()
                    .and_then(|stored| Entry::decode(&stored.bytes).ok())
                    .map_or(Millis(0), |entry| entry.at)
            }
            None => Millis(0),
        };
        let absent = size > 0 && parts.clock.now().wall.since(last_at) > ABSENCE_MAX;
        // Reading a long log takes a while: not on the runtime's threads.
        let follower = tokio::task::spawn_blocking(move || follower.catch_up(size, false).map(|()| follower))
            .await
            .map_err(|error| Error::Journal(error.to_string()))?
            .map_err(Error::Journal)?;
        let (wake, woken) = std::sync::mpsc::channel();
        std::thread::Builder::new()
            .name("views".to_owned())
            .spawn(move || follower.run(woken))
            .map_err(|error| Error::Journal(error.to_string()))?;

        let (queue, tasks) = mpsc::channel(parts.limits.queue_len_max);
        let clock_off = Arc::new(AtomicI64::new(0));
        let erasures = Arc::new(AtomicU64::new(0));
        let inner = Arc::new(Inner {
            queue,
            judge: RwLock::new(None),
            effector: parts.effector,
            payloads: parts.payloads.clone(),
            clock: parts.clock.clone(),
            entropy: parts.entropy.clone(),
            limits: parts.limits,
            requests: Locks::default(),
            conflicts: Locks::default(),
            tracker: TaskTracker::new(),
            under_way: AtomicU64::new(0),
            decided: Default::default(),
            settled: Mutex::default(),
            waiting: Mutex::default(),
            proposing: Mutex::default(),
            sweeping: tokio::sync::Mutex::default(),
            absent: AtomicBool::new(absent),
            holds: AtomicU64::new(0),
            erasures: erasures.clone(),
            no_intake: RwLock::default(),
            reconciling: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            durable: durable.clone(),
            applied,
            views_failed,
            clock_off: clock_off.clone(),
            live,
            follower_stop,
            wake: wake.clone(),
        });
        let engine = Self { inner };

        let book = Book::new(parts.store, size);
        let dispatched = book.ids(Noun::Dispatched).into_iter().filter_map(|id| id.parse().ok());
        let steady = parts.clock.now().steady;
        let leases = Leases::anew(dispatched, steady);
        let desk = Desk {
            workspace: parts.workspace,
            log: parts.log,
            log_name: parts.log_name,
            book,
            judge: None,
            payloads: parts.payloads,
            clock: parts.clock,
            entropy: parts.entropy,
            now: last_at,
            batch: Vec::new(),
            batch_bytes: 0,
            steady,
            leases,
            moved: VecDeque::new(),
            notes: vec![],
            judge_before: None,
            erasures,
        };
        // The timer hook must not keep the engine alive: when the last handle goes, the owner ends.
        let weak = Arc::downgrade(&engine.inner);
        let on_timer = Box::new(move |purpose| {
            if let Some(inner) = weak.upgrade() {
                Self { inner }.timer_fired(purpose);
            }
        });
        let weak = Arc::downgrade(&engine.inner);
        let on_note = Arc::new(move |note| match (note, weak.upgrade()) {
            // An error means that the worker went away: its lease runs out.
            (Note::Order(worker, order), _) => drop(worker.send(order)),
            (Note::Met(run, key), Some(inner)) => Self { inner }.notify_wait(run, key),
            (Note::Settled(action), Some(inner)) => Self { inner }.notify(&action),
            (Note::Met(..) | Note::Settled(_), None) => {}
        });
        let mut news = durable.subscribe();
        let owner = Owner::new(desk, parts.journal, tasks, durable, (on_timer, on_note), clock_off);
        let failed = engine.inner.durable.clone();
        let running = engine.inner.tracker.spawn(owner.run());
        engine.inner.tracker.spawn(async move {
            // A bug in the owner is a failed journal: nothing more is decided, and health says so.
            if let Err(error) = running.await
                && error.is_panic()
            {
                failed.send_modify(|durable| {
                    durable.failed = Some("the engine's owner stopped on a bug".to_owned());
                });
            }
        });
        engine.inner.tracker.spawn(async move {
            while news.changed().await.is_ok() {
                let size = news.borrow().size;
                if wake.send(Wake::Grown(size)).is_err() {
                    break;
                }
            }
        });
        if size == 0 {
            let event = Event::LogStarted { format: 1, verifier_key: parts.verifier_key };
            engine.record(Actor::Server, vec![event]).await?;
        }
        Ok(engine)
    }

    /// Takes up what a crash left: open intents become unknown, approved actions are judged again, unknowns are
    /// settled. Called once, after the bundle in force was set with [`Engine::set_judge`]. Where the disk is full it is
    /// done as soon as there is room, and none of them is touched before. Where the log was restored to a point in its
    /// past, nothing is taken up before [`Engine::reconcile`].
    pub async fn recover(&self) -> Result<usize, Error> {
        self.apply_erasures().await?;
        if self.look_whether_reconciling().await? {
            return Ok(0);
        }
        match self.take_up().await {
            Err(Error::NoRoom) => {
                let engine = self.clone();
                drop(self.spawn(async move {
                    if let Err(error) = engine.until_kept(|| engine.take_up()).await {
                        tracing::error!(%error, "what was under way could not be taken up");
                    }
                }));
                Ok(0)
            }
            done => done,
        }
    }

    pub(crate) async fn take_up(&self) -> Result<usize, Error> {
        let (open, resume) = self
            .ask(|desk| {
                let open: Vec<ActionId> =
                    desk.book.ids(Noun::Open).into_iter().filter_map(|id| id.parse().ok()).collect();
                let mut resume = Vec::new();
                for id in &open {
                    let Some(action) = state::action(desk.table(), id) else { continue };
                    match action.status {
                        Status::Intended => {
                            let mut events = vec![(
                                Event::ActionUnknown {
                                    action: id.clone(),
                                    attempt: action.attempts,
                                    cause: Cause::Restart,
                                },
                                vec![],
                            )];
                            events.extend(desk.settling(&action));
                            desk.write(&Actor::Server, Some(&action.run), events)?;
                            if action.class.repeatable() {
                                resume.push(Purpose::LookUp { action: id.clone() });
                            }
                        }
                        Status::Approved => resume.push(Purpose::Retry { action: id.clone() }),
                        Status::Unknown if !action.handed_over && action.later.is_none() => {
                            resume.push(Purpose::LookUp { action: id.clone() });
                        }
                        _ => {}
                    }
                }
                Ok((open.len(), resume))
            })
            .await?;
        for purpose in resume {
            self.timer_fired(purpose);
        }
        Ok(open)
    }

    /// Sets the bundle in force, compiled from the stored files, before [`Engine::recover`].
    pub async fn set_judge(&self, judge: Arc<dyn Judge>) -> Result<(), Error> {
        *self.inner.judge.write().expect("no panic while the lock is held") = Some(judge.clone());
        self.ask(move |desk| {
            desk.set_judge(judge);
            Ok(())
        })
        .await
    }

    /// Runs a command inside the owner; the answer comes after everything that it saw is durable.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Desk) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (send, receive) = oneshot::channel();
        let task: Task = Box::new(move |desk| {
            let result = command(desk);
            let release: Release = Box::new(move |durable| {
                // An error means that the caller went away; what was decided stands.
                drop(send.send(durable.and(result)));
            });
            release
        });
        self.inner.queue.send(task).await.map_err(|_| Error::Closed)?;
        receive.await.map_err(|_| Error::Closed)?
    }

    /// [`Engine::ask`] for what has happened already and must be written down: while the journal takes nothing, it is
    /// asked again.
    pub(crate) async fn ask_until_kept<T: Send + 'static>(
        &self,
        command: impl Fn(&mut Desk) -> Result<T, Error> + Clone + Send + 'static,
    ) -> Result<T, Error> {
        self.until_kept(|| self.ask(command.clone())).await
    }

    /// Does it again, after a pause, as long as the journal takes nothing and the server is not stopping.
    pub(crate) async fn until_kept<T, F>(&self, work: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        loop {
            match work().await {
                Err(Error::NoRoom | Error::Busy) if !self.inner.closing.load(Ordering::Acquire) => {
                    tokio::time::sleep(NO_ROOM_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// A row, as of the durable head.
    pub async fn row(&self, key: RowKey) -> Result<Option<Arc<Row>>, Error> {
        self.ask(move |desk| Ok(desk.table().get(&key))).await
    }

    /// The action, as of the durable head.
    pub async fn action(&self, id: &ActionId) -> Result<Option<Action>, Error> {
        let id = id.clone();
        self.ask(move |desk| Ok(state::action(desk.table(), &id))).await
    }

    /// The action once it is final, or as it stands when `wait` is over. Agents see their own only.
    pub async fn follow_action(&self, id: &ActionId, by: &Actor, wait: Millis) -> Result<Action, Error> {
        let mut news = self.subscribe(id);
        let (by, key) = (by.clone(), id.clone());
        let action = self
            .ask(move |desk| {
                let action = state::action(desk.table(), &key);
                let seen = action.filter(|action| {
                    state::run(desk.table(), &action.run).is_some_and(|run| state::owns(&by, &run))
                });
                seen.ok_or_else(|| Refusal::NotFound { what: "action", id: key.to_string() }.into())
            })
            .await?;
        if action.status.is_final() || wait.0 <= 0 {
            return Ok(action);
        }
        let waited = tokio::time::timeout(Duration::from_millis(wait.0.unsigned_abs()), async {
            loop {
                if news.changed().await.is_err() {
                    news = self.subscribe(id);
                }
                match self.action(id).await {
                    Ok(Some(action)) if !action.status.is_final() => {}
                    other => return other,
                }
            }
        })
        .await;
        match waited {
            Ok(Ok(Some(action))) => Ok(action),
            Ok(Err(error)) => Err(error),
            Ok(Ok(None)) | Err(_) => Ok(self.action(id).await?.unwrap_or(action)),
        }
    }

    fn subscribe(&self, id: &ActionId) -> watch::Receiver<()> {
        let mut settled = self.inner.settled.lock().expect("no panic while the lock is held");
        settled.retain(|_, sender| sender.receiver_count() > 0);
        settled.entry(id.clone()).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Tells those who wait for an action that something durable changed about it.
    pub(crate) fn notify(&self, id: &ActionId) {
        let mut settled = self.inner.settled.lock().expect("no panic while the lock is held");
        if let Some(sender) = settled.remove(id) {
            sender.send_replace(());
        }
    }

    /// How far log and views are.
    pub fn head(&self) -> Head {
        Head { durable: self.inner.durable.borrow().size, applied: *self.inner.applied.borrow() }
    }

    /// Waits until the views hold what is durable now, two seconds at most; false where they are behind.
    pub async fn views_caught_up(&self) -> bool {
        let size = self.inner.durable.borrow().size;
        let mut applied = self.inner.applied.subscribe();
        if *applied.borrow() >= size {
            return true;
        }
        // Where the follower is gone nobody hears it, and the wait below ends.
        drop(self.inner.wake.send(Wake::Wanted(size)));
        tokio::time::timeout(Duration::from_secs(2), applied.wait_for(|applied| *applied >= size))
            .await
            .is_ok_and(|reached| reached.is_ok())
    }

    /// Durable entries from now on, for live pages. A reader that lags is told so and reads the views again.
    pub fn live(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.inner.live.subscribe()
    }

    /// The bundle in force.
    pub fn judge(&self) -> Option<Arc<dyn Judge>> {
        self.inner.judge.read().expect("no panic while the lock is held").clone()
    }

    /// Opens a payload; `None` where it was erased.
    pub fn payload(&self, commitment: &kernel::digest::Digest) -> Result<Option<Vec<u8>>, Error> {
        self.inner.payloads.open(commitment).map_err(Error::Payload)
    }

    /// Counts for metrics and health.
    pub fn stats(&self) -> Stats {
        let words = ["autonomous", "approve", "never"];
        Stats {
            decisions: words
                .iter()
                .zip(&self.inner.decided)
                .map(|(word, count)| (*word, count.load(Ordering::Relaxed)))
                .collect(),
            under_way: self.inner.under_way.load(Ordering::Relaxed),
            views_failed: self.inner.views_failed.borrow().clone(),
            journal_failed: self.inner.durable.borrow().failed.clone(),
            clock_off: self.inner.clock_off.load(Ordering::Relaxed),
            retention_waits: self.inner.absent.load(Ordering::Relaxed),
        }
    }

    /// Whether new actions are still taken.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.inner.closing.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if self.inner.under_way.load(Ordering::Relaxed) >= self.inner.limits.under_way_max as u64 {
            return Err(Error::Busy);
        }
        Ok(())
    }

    /// Takes no new runs and proposals for this reason, or takes them again. What was begun goes on.
    pub fn set_no_intake(&self, why: Option<Refusal>) {
        *self.inner.no_intake.write().expect("no panic while the lock is held") = why;
    }

    /// Whether new runs and proposals are taken.
    pub(crate) fn check_intake(&self) -> Result<(), Error> {
        self.check_reconciled()?;
        let why = self.inner.no_intake.read().expect("no panic while the lock is held").clone();
        why.map_or(Ok(()), |why| Err(why.into()))
    }

    /// Runs work on the tracker and counts it; it goes on when the caller goes away.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let inner = self.inner.clone();
        self.inner.under_way.fetch_add(1, Ordering::Relaxed);
        self.inner.tracker.spawn(async move {
            let done = work.await;
            inner.under_way.fetch_sub(1, Ordering::Relaxed);
            done
        })
    }

    fn timer_fired(&self, purpose: Purpose) {
        let engine = self.clone();
        match purpose {
            Purpose::Expire { action, .. } => self.notify(&action),
            // Their entries say all; who must hear of it has a note of his own.
            Purpose::Wake { .. } | Purpose::Again { .. } | Purpose::Deadline { .. } => {}
            // It is taken up when the restored log is reconciled.
            _ if self.is_reconciling() => {}
            Purpose::Retry { action } => drop(self.spawn(async move { engine.execute(action).await })),
            Purpose::LookUp { action } => {
                drop(self.spawn(async move { engine.settle_unknown(action).await }));
            }
        }
    }

    /// Takes nothing new, and waits for what is under way, `patience` at most. Calls still open then become unknown
    /// when the server starts again.
    pub async fn close(&self, patience: Duration) {
        self.inner.closing.store(true, Ordering::Release);
        let idle = async {
            while self.inner.under_way.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        drop(tokio::time::timeout(patience, idle).await);
        self.views_caught_up().await;
        self.inner.follower_stop.store(true, Ordering::Release);
    }

    /// The outcome that an answer stands for.
    pub(crate) fn count(&self, verdict: kernel::judge::Verdict) {
        let slot = match verdict {
            kernel::judge::Verdict::Autonomous => 0,
            kernel::judge::Verdict::Approve => 1,
            kernel::judge::Verdict::Never => 2,
        };
        self.inner.decided[slot].fetch_add(1, Ordering::Relaxed);
    }

    /// A person settles an unknown, or a look-up does.
    pub(crate) fn settled(applied: bool) -> Outcome {
        if applied { Outcome::Confirmed } else { Outcome::Failed(kernel::ports::FailureClass::NotApplied) }
    }

    /// Who settled, for entries.
    pub(crate) fn by_person(person: &kernel::id::PersonId) -> SettledBy {
        SettledBy::Person(person.clone())
    }
}

pub(crate) fn journal_error(error: impl fmt::Display) -> Error {
    Error::Journal(error.to_string())
}
