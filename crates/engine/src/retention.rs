//! Letting go of what runs hold once they are past their retention (DESIGN §3).
//!
//! A data key belongs to a subject. A run's own subject goes with the run; a subject that several runs share goes with
//! the last of them. The entry comes first, the keys go after it is durable, like an erasure ([`crate::subject`]). A
//! legal hold on any subject of a run keeps all that the run holds; so does an action that is not settled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::{Event, Lapsed, Pruned};
use kernel::id::RunId;
use kernel::refusal::Refusal;
use kernel::retention::Retention;
use kernel::state::{self, Noun, Row, Table};

use crate::desk::Desk;
use crate::engine::Engine;
use crate::error::Error;
use crate::payload::Holdings;

/// Runs of one entry, and rows read at once.
const RUNS_MAX: usize = 100;
/// Subjects that one entry names: with their keys they stay well within an entry's bytes.
const SUBJECTS_MAX: usize = 250;
/// Keys that one entry names.
const KEYS_MAX: usize = 1_000;
/// A subject of more runs than this is in use, and looking through all of them would take long.
const RUNS_OF_SUBJECT_MAX: usize = 10_000;
/// How often, and how many times, proposals that had begun are looked after: a minute in all.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS_MAX: usize = 1_200;
/// After a longer absence than this a person says that the clock is right, before keys are destroyed by it.
pub(crate) const ABSENCE_MAX: Millis = Millis(31 * 24 * 60 * 60 * 1_000);

/// What is past its retention now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Runs whose content is to be let go.
    pub runs: u64,
    /// Runs past their retention that a legal hold keeps.
    pub held: u64,
    /// Runs past their retention that have an action whose outcome is open.
    pub unsettled: u64,
    /// Threads that nobody wrote to for as long.
    pub threads: u64,
}

/// What was let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetGo {
    /// What was due when it began.
    pub due: Due,
    /// Subjects whose keys were destroyed.
    pub subjects: u64,
    /// Keys that were destroyed.
    pub keys: u64,
}

/// Runs of one batch, with what each of them holds.
type Runs = BTreeMap<RunId, BTreeSet<Digest>>;

impl Engine {
    /// Counts what is past its retention.
    pub async fn retention_due(&self) -> Result<Due, Error> {
        self.views_caught_up().await;
        let (mut due, mut from) = (Due::default(), String::new());
        while let Some(page) = self.past(&mut from).await? {
            self.sift(page, &mut due).await?;
        }
        let threads = self.threads_past(None).await?;
        due.threads = threads.due;
        due.held += threads.held;
        Ok(due)
    }

    /// Lets go of what is past its retention, on somebody's word: also after a long absence.
    pub async fn apply_retention(&self, by: Actor) -> Result<LetGo, Error> {
        if self.ask(|desk| Ok(doubtful(desk))).await? {
            let text = "the clock jumped, and what is due cannot be told; set it right, or accept it with \
                        `countersign doctor --accept-clock`";
            return Err(Refusal::Invalid(text.to_owned()).into());
        }
        self.inner.absent.store(false, Ordering::Release);
        self.let_go(by).await
    }

    /// Lets go of what is past its retention, by the server's own timer: not while the clock is in doubt.
    pub async fn sweep(&self) -> Result<LetGo, Error> {
        let doubtful = self.ask(|desk| Ok(doubtful(desk))).await?;
        if doubtful || self.inner.absent.load(Ordering::Acquire) {
            return Ok(LetGo::default());
        }
        self.let_go(Actor::Server).await
    }

    /// Holds that were put since the start: what was looked at before is as it was while this stays the same.
    pub fn holds(&self) -> u64 {
        self.inner.holds.load(Ordering::Relaxed)
    }

    /// Puts on record where the log begins from now on; refused where a hold was put meanwhile.
    pub async fn record_pruned(&self, pruned: Pruned, holds: u64, by: Actor) -> Result<(), Error> {
        let inner = self.inner.clone();
        self.ask(move |desk| {
            if doubtful(desk) || inner.holds.load(Ordering::Relaxed) != holds {
                return Err(Refusal::LegalHold.into());
            }
            desk.write(&by, None, vec![(Event::JournalPruned(pruned), vec![])])?;
            desk.book.anew_at = Some(desk.book.next_seq);
            Ok(())
        })
        .await?;
        self.views_caught_up().await;
        // The owner looks at its rows after each command.
        self.ask(|_| Ok(())).await
    }

    async fn let_go(&self, by: Actor) -> Result<LetGo, Error> {
        // One at a time: two would take the same keys out of use.
        let _one = self.inner.sweeping.lock().await;
        let (mut done, mut from) = (LetGo::default(), String::new());
        // What a run holds is asked of the views: while they are behind, a younger run might not be seen.
        if !self.views_caught_up().await {
            return Ok(done);
        }
        while let Some(page) = self.past(&mut from).await? {
            let runs = self.sift(page, &mut done.due).await?;
            if !runs.is_empty() {
                let (subjects, keys) = self.lapse(runs, by.clone()).await?;
                done.subjects += subjects;
                done.keys += keys;
            }
        }
        let threads = self.threads_past(Some(by)).await?;
        done.due.threads = threads.due;
        done.due.held += threads.held;
        Ok(done)
    }

    /// The next runs past their retention; `None` at the end of them.
    async fn past(&self, from: &mut String) -> Result<Option<Vec<RunId>>, Error> {
        let after = from.clone();
        let (last, runs) = self
            .ask(move |desk| {
                let now = moment(desk);
                let shortest = shortest(desk);
                let page = desk.book.range(Noun::Ended, &after, RUNS_MAX);
                let last = page.last().map(|(id, _)| id.clone());
                let mut over = false;
                let mut runs = vec![];
                for (id, row) in page {
                    let Row::Ended(run, agent) = &*row else { continue };
                    let ended = ended_at(&id);
                    over = shortest.until(ended) > now;
                    if over {
                        break;
                    }
                    // The store may be behind: what was let go a moment ago is not let go again.
                    let kept = state::run(desk.table(), run).is_some_and(|run| run.lapsed_at.is_none());
                    if kept && state::retention(desk.table(), agent).until(ended) <= now {
                        runs.push(run.clone());
                    }
                }
                Ok((last.filter(|_| !over || !runs.is_empty()), runs))
            })
            .await?;
        Ok(last.map(|last| {
            // The next id in order.
            *from = format!("{last}~");
            runs
        }))
    }

    /// Leaves out what a hold or an open outcome keeps.
    async fn sift(&self, runs: Vec<RunId>, due: &mut Due) -> Result<Runs, Error> {
        if runs.is_empty() {
            return Ok(Runs::new());
        }
        let payloads = self.inner.payloads.clone();
        let found: BTreeMap<RunId, Holdings> = blocking(move || {
            runs.into_iter().map(|run| Ok((run.clone(), payloads.held_by(&run)?))).collect()
        })
        .await?;
        let (runs, held, unsettled) = self
            .ask(move |desk| {
                let (mut runs, mut held, mut unsettled) = (Runs::new(), 0, 0);
                for (run, holdings) in found {
                    if holdings.subjects.iter().any(|subject| is_held(desk.table(), subject)) {
                        held += 1;
                    } else if holdings.settled {
                        runs.insert(run, holdings.subjects);
                    } else {
                        unsettled += 1;
                    }
                }
                Ok((runs, held, unsettled))
            })
            .await?;
        due.runs += runs.len() as u64;
        due.held += held;
        due.unsettled += unsettled;
        Ok(runs)
    }

    /// Takes keys out of use, puts on record which of them go, and destroys them.
    async fn lapse(&self, runs: Runs, by: Actor) -> Result<(u64, u64), Error> {
        let subjects: BTreeSet<Digest> = runs.values().flatten().copied().collect();
        let own: BTreeSet<Digest> =
            runs.keys().map(|run| self.inner.payloads.subject(run.as_str())).collect();
        let going = self.unused(subjects, &runs).await?;
        let payloads = self.inner.payloads.clone();
        let mut keys: BTreeMap<Digest, Vec<i64>> = blocking(move || {
            going.into_iter().map(|subject| Ok((subject, payloads.keys_of(&subject)?))).collect()
        })
        .await?;
        let shared: BTreeSet<Digest> =
            keys.keys().filter(|subject| !own.contains(subject)).copied().collect();
        if !shared.is_empty() {
            // A proposal that had begun may have sealed with a key that was in use until now: it is waited for, and
            // then its run is seen.
            let still = if self.begun_proposals_ended().await && self.views_caught_up().await {
                self.unused(shared.clone(), &runs).await?
            } else {
                BTreeSet::new()
            };
            keys.retain(|subject, _| !shared.contains(subject) || still.contains(subject));
        }
        let all: Vec<i64> = keys.values().flatten().copied().collect();
        let counts = (keys.len() as u64, all.len() as u64);
        let told = self
            .ask(move |desk| {
                // A hold that was put on meanwhile beats this; the whole batch is left to the next sweep.
                let held = runs.values().flatten().any(|subject| is_held(desk.table(), subject));
                if held {
                    return Ok(false);
                }
                let events = events(runs.into_keys().collect(), keys);
                desk.write(&by, None, events.into_iter().map(|event| (event, vec![])).collect())?;
                Ok(true)
            })
            .await?;
        if !told {
            return Ok((0, 0));
        }
        let payloads = self.inner.payloads.clone();
        blocking(move || payloads.destroy(&all)).await?;
        Ok(counts)
    }

    /// The subjects of which all runs are among these, or were let go before.
    async fn unused(&self, subjects: BTreeSet<Digest>, runs: &Runs) -> Result<BTreeSet<Digest>, Error> {
        let payloads = self.inner.payloads.clone();
        let found: Vec<(Digest, Option<Vec<RunId>>)> = blocking(move || {
            let of = |subject: Digest| Ok((subject, payloads.runs_with(&subject, RUNS_OF_SUBJECT_MAX)?));
            subjects.into_iter().map(of).collect()
        })
        .await?;
        let going: BTreeSet<RunId> = runs.keys().cloned().collect();
        self.ask(move |desk| {
            let gone = |run: &RunId| {
                going.contains(run)
                    || state::run(desk.table(), run).is_some_and(|run| run.lapsed_at.is_some())
            };
            let unused = found.into_iter().filter(|(_, runs)| {
                runs.as_ref().is_some_and(|runs| !runs.is_empty() && runs.iter().all(gone))
            });
            Ok(unused.map(|(subject, _)| subject).collect())
        })
        .await
    }

    /// Waits for the proposals that had begun, a minute at most; false where one of them is still going on.
    async fn begun_proposals_ended(&self) -> bool {
        let old = {
            let mut now = self.inner.proposing.lock().expect("no panic while the lock is held");
            std::mem::replace(&mut *now, Arc::new(()))
        };
        for _ in 0..LOOKS_MAX {
            if Arc::strong_count(&old) == 1 {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }
}

/// While the clock is off, what is due cannot be told.
fn doubtful(desk: &Desk) -> bool {
    state::workspace(desk.table()).clock_off != Millis(0)
}

/// `at` does not go back, the wall clock may: nothing is due before both say so.
pub(crate) fn moment(desk: &Desk) -> Millis {
    desk.now.min(desk.clock.now().wall)
}

/// The shortest retention of all: runs that ended later than it says are not due, whoever's they are.
pub(crate) fn shortest(desk: &Desk) -> Retention {
    let (mut shortest, mut from) = (Retention::default(), String::new());
    loop {
        let page = desk.book.range(Noun::Retention, &from, 1_000);
        let Some((last, _)) = page.last() else { return shortest };
        from = format!("{last}\u{1}");
        for (_, row) in &page {
            if let Row::Retention(retention) = &**row
                && retention.days < shortest.days
            {
                shortest = retention.clone();
            }
        }
    }
}

fn ended_at(id: &str) -> Millis {
    let at = id.get(..16).and_then(|text| i64::from_str_radix(text, 16).ok());
    Millis(at.unwrap_or(i64::MAX))
}

fn is_held(table: &dyn Table, subject: &Digest) -> bool {
    state::subject(table, subject).is_some_and(|row| row.held)
}

/// As many entries as it takes: the first names the runs, each names subjects and keys within its bounds.
fn events(runs: Vec<RunId>, keys: BTreeMap<Digest, Vec<i64>>) -> Vec<Event> {
    let mut parts: Vec<Vec<Lapsed>> = vec![vec![]];
    let mut count = 0;
    for (subject, keys) in keys {
        for keys in keys.chunks(KEYS_MAX) {
            let full = parts.last().is_some_and(|part| part.len() >= SUBJECTS_MAX);
            if full || count + keys.len() > KEYS_MAX {
                parts.push(vec![]);
                count = 0;
            }
            count += keys.len();
            if let Some(part) = parts.last_mut() {
                part.push(Lapsed { subject, keys: keys.to_vec() });
            }
        }
    }
    let mut runs = Some(runs);
    let event = |lapsed| Event::RetentionApplied { runs: runs.take().unwrap_or_default(), lapsed };
    parts.into_iter().map(event).collect()
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Closed)?.map_err(Error::Payload)
}
