//! Waiting: a run that has nothing to do until something happens.

use std::time::Duration;

use kernel::action::Action;
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::{ActionId, RunId, TimerId};
use kernel::lease::{Ended, YieldWhy};
use kernel::refusal::Refusal;
use kernel::run::{Run, WATCHERS_MAX};
use kernel::state::{self, Noun, Row, RowKey};
use kernel::step::Step;
use kernel::wait::{self, Alarm, CONDITIONS_MAX, Condition, Mode, OPEN_MAX, Wait};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::desk::Desk;
use crate::engine::Engine;
use crate::error::Error;
use crate::signals::NAME_BYTES_MAX;
use crate::steps::STEP_KEY_BYTES_MAX;

/// The farthest moment for which a run may wait: ten years from now.
pub(crate) const FAR_MAX: Millis = Millis(10 * 366 * 86_400_000);

/// What a run waits for, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// A signal of this name.
    Signal(String),
    /// A moment.
    At(Millis),
    /// A span from when the wait is opened.
    AfterMs(Millis),
    /// An action of the run that is settled.
    Action(ActionId),
    /// A run that has ended.
    Run(RunId),
}

/// A request to wait.
#[derive(Clone, Debug)]
pub struct OpenWait {
    /// The run.
    pub run: RunId,
    /// Who asks.
    pub by: Actor,
    /// The attempt, where a worker asks.
    pub attempt: Option<u64>,
    /// Names it within the run: a key of steps.
    pub key: String,
    /// Any, or all.
    pub mode: Mode,
    /// For what.
    pub on: Vec<On>,
    /// How long the answer is held back where it is not met yet.
    pub wait: Millis,
}

/// What answered a condition.
#[derive(Clone, Debug)]
pub enum Answered {
    /// A signal was read: its name and value; absent where they were erased.
    Signal(Option<(String, Value)>),
    /// The moment came.
    At(Millis),
    /// The action was settled; absent where nothing is left of it.
    Action(Option<Box<Action>>),
    /// The run ended; absent where nothing is left of it.
    Run(Option<Box<Run>>),
}

/// A wait as it stands.
#[derive(Clone, Debug)]
pub struct Waited {
    /// Its key; absent where the run's content was erased.
    pub key: Option<String>,
    /// What is on record.
    pub wait: Wait,
    /// What met it: the numbers of the conditions and their answers, in order.
    pub answers: Vec<(u32, Answered)>,
}

/// What is kept of a wait in words.
#[derive(Serialize, Deserialize)]
struct Content {
    key: String,
    mode: Mode,
    on: Vec<On>,
}

impl Engine {
    /// Waits: met at once, met within the time that the caller gives it, or still open. A dispatched run that still waits
    /// is its worker's no more.
    pub async fn wait(&self, open: OpenWait) -> Result<Waited, Error> {
        self.check_open()?;
        self.check_intake()?;
        check(&open)?;
        let payloads = &self.inner.payloads;
        let scope = open.run.as_str();
        let key = self.step_key(&open.run, &open.key);
        let content = Content { key: open.key.clone(), mode: open.mode, on: open.on.clone() };
        let bytes = kernel::json::canonical(&content);
        let input = payloads.pseudonym("countersign/wait-input/v1", &[scope.as_bytes(), &bytes]);
        let sealed = payloads.seal(&payloads.subject(scope), scope, &bytes).map_err(Error::Payload)?;
        let names: Vec<Option<Digest>> = open
            .on
            .iter()
            .map(|on| match on {
                On::Signal(name) => Some(self.signal_name(&open.run, name)),
                On::At(_) | On::AfterMs(_) | On::Action(_) | On::Run(_) => None,
            })
            .collect();
        let hold = open.wait;
        let (run, by, words) = (open.run.clone(), open.by.clone(), open.key.clone());
        let mut news = (hold.0 > 0).then(|| self.subscribe_wait(&run, &key));
        let ordered = WaitOrder { open, key, input, names };
        let mut wait = self.ask(move |desk| ordered.decide(desk, sealed)).await?;
        if let Some(news) = &mut news
            && wait.met.is_none()
        {
            let span = Duration::from_millis(hold.0.unsigned_abs());
            // A run that ends never answers its waits: then the time runs out, or the run is found ended.
            drop(tokio::time::timeout(span, news.changed()).await);
            let id = Step::row_id(&run, &key);
            let again = self
                .ask(move |desk| {
                    desk.run_of(&run, &by)?.open()?;
                    Ok(state::wait(desk.table(), &id))
                })
                .await?;
            wait = again.unwrap_or(wait);
        }
        let answers = self.answers(&wait).await?;
        Ok(Waited { key: Some(words), wait, answers })
    }

    /// A wait on record with its words and answers.
    pub async fn waited(&self, run: &RunId, key: &Digest) -> Result<Option<Waited>, Error> {
        let id = Step::row_id(run, key);
        let Some(wait) = self.ask(move |desk| Ok(state::wait(desk.table(), &id))).await? else {
            return Ok(None);
        };
        let content = match wait.content {
            Some(commitment) => self.payload(&commitment)?,
            None => None,
        };
        let content: Option<Content> = content.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let answers = self.answers(&wait).await?;
        Ok(Some(Waited { key: content.map(|content| content.key), wait, answers }))
    }

    async fn answers(&self, wait: &Wait) -> Result<Vec<(u32, Answered)>, Error> {
        let Some((met, _)) = &wait.met else { return Ok(vec![]) };
        let mut answers = vec![];
        for met in met {
            let answered = match wait.on.get(met.on as usize) {
                Some(Condition::Signal(_)) | None => {
                    let bytes = met.signal.map(|signal| self.payload(&signal)).transpose()?.flatten();
                    let content: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                    Answered::Signal(content.and_then(|mut content| {
                        let value = content.get_mut("value").map(Value::take)?;
                        Some((content["name"].as_str()?.to_owned(), value))
                    }))
                }
                Some(Condition::At(at)) => Answered::At(*at),
                Some(Condition::Action(id)) => Answered::Action(self.action(id).await?.map(Box::new)),
                Some(Condition::Run(id)) => {
                    let id = id.clone();
                    let row = self.ask(move |desk| Ok(state::run(desk.table(), &id))).await?;
                    Answered::Run(row.map(Box::new))
                }
            };
            answers.push((met.on, answered));
        }
        Ok(answers)
    }

    fn subscribe_wait(&self, run: &RunId, key: &Digest) -> watch::Receiver<()> {
        let mut waiting = self.inner.waiting.lock().expect("no panic while the lock is held");
        waiting.retain(|_, sender| sender.receiver_count() > 0);
        waiting.entry((run.clone(), *key)).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Tells those who hold a connection for a wait that it is met.
    pub(crate) fn notify_wait(&self, run: RunId, key: Digest) {
        let mut waiting = self.inner.waiting.lock().expect("no panic while the lock is held");
        if let Some(sender) = waiting.remove(&(run, key)) {
            sender.send_replace(());
        }
    }
}

fn check(open: &OpenWait) -> Result<(), Error> {
    let invalid = |what: String| Err(Error::Refused(Refusal::Invalid(what)));
    if open.key.is_empty() || open.key.len() > STEP_KEY_BYTES_MAX {
        return invalid(format!("the key of a wait has 1 to {STEP_KEY_BYTES_MAX} bytes"));
    }
    if open.on.is_empty() || open.on.len() > CONDITIONS_MAX {
        return invalid(format!("a wait has 1 to {CONDITIONS_MAX} conditions"));
    }
    for on in &open.on {
        match on {
            On::Signal(name) if name.is_empty() || name.len() > NAME_BYTES_MAX => {
                return invalid(format!("the name of a signal has 1 to {NAME_BYTES_MAX} bytes"));
            }
            On::AfterMs(span) if span.0 < 0 || *span > FAR_MAX => {
                return invalid("`after_ms` is from 0 to ten years".to_owned());
            }
            On::Run(run) if *run == open.run => {
                return invalid("a run cannot wait for its own end".to_owned());
            }
            On::Signal(_) | On::At(_) | On::AfterMs(_) | On::Action(_) | On::Run(_) => {}
        }
    }
    Ok(())
}

struct WaitOrder {
    open: OpenWait,
    key: Digest,
    input: Digest,
    /// Pseudonyms of the names of signals.
    names: Vec<Option<Digest>>,
}

impl WaitOrder {
    fn decide(self, desk: &mut Desk, sealed: crate::payload::Sealed) -> Result<Wait, Error> {
        let run = desk.run_of(&self.open.run, &self.open.by)?;
        run.fenced(self.open.attempt)?;
        let id = Step::row_id(&run.id, &self.key);
        match desk.table().get(&RowKey::new(Noun::Step, &id)).as_deref() {
            Some(Row::Wait(wait)) => {
                wait.answers(&self.input)?;
                if wait.met.is_some() {
                    return Ok((**wait).clone());
                }
            }
            Some(Row::Step(step)) => {
                return Err(Refusal::StepMismatch { what: "kind", kind: step.kind.word() }.into());
            }
            _ => self.record(desk, &run, sealed)?,
        }
        let not_found = || Refusal::NotFound { what: "wait", id: self.open.key.clone() };
        let wait = state::wait(desk.table(), &id).ok_or_else(not_found)?;
        if wait.met.is_none() && self.open.attempt.is_some() {
            let events = state::with_run(desk.table(), &run.id, |run| {
                run.take_back(Ended { why: YieldWhy::Waiting, progressed: true })
            });
            let events = events.unwrap_or_default().into_iter().map(|event| (event, vec![])).collect();
            desk.write(&self.open.by, Some(&run.id), events)?;
        }
        Ok(wait)
    }

    fn record(&self, desk: &mut Desk, run: &Run, sealed: crate::payload::Sealed) -> Result<(), Error> {
        if run.waits.len() >= OPEN_MAX {
            return Err(Refusal::LimitReached { what: "open waits of a run", max: OPEN_MAX }.into());
        }
        let on = self.conditions(desk)?;
        let due = wait::moment(self.open.mode, &on);
        if due.is_some_and(|due| due > desk.now.plus(FAR_MAX)) {
            return Err(Refusal::Invalid("a run waits for ten years at most".to_owned()).into());
        }
        let timer = due
            .filter(|due| *due > desk.now)
            .map(|due| Alarm { id: TimerId::new(desk.now, kernel::clock::chance(&*desk.entropy)), due });
        let event = Event::WaitOpened {
            run: run.id.clone(),
            key: self.key,
            input: self.input,
            mode: self.open.mode,
            on,
            timer,
        };
        desk.write(&self.open.by, Some(&run.id), vec![(event, vec![("wait".to_owned(), sealed)])])?;
        Ok(())
    }

    /// What it waits for, as entries say it. Things of others are not there.
    fn conditions(&self, desk: &Desk) -> Result<Vec<Condition>, Error> {
        let open = &self.open;
        let mut conditions = Vec::with_capacity(open.on.len());
        for (on, name) in open.on.iter().zip(&self.names) {
            conditions.push(match (on, name) {
                (On::Signal(_), Some(name)) => Condition::Signal(*name),
                (On::At(at), _) => Condition::At(*at),
                (On::AfterMs(span), _) => Condition::At(desk.now.plus(*span)),
                (On::Action(id), _) => {
                    let action = state::action(desk.table(), id).filter(|action| action.run == open.run);
                    let what = "action of this run";
                    Condition::Action(
                        action.ok_or_else(|| Refusal::NotFound { what, id: id.to_string() })?.id,
                    )
                }
                (On::Run(id), _) => {
                    let other = desk.run_of(id, &open.by)?;
                    let watched = other.watchers.len() >= WATCHERS_MAX;
                    if other.finished.is_none() && watched && !other.watchers.contains(&open.run) {
                        let what = "runs that wait for the end of one";
                        return Err(Refusal::LimitReached { what, max: WATCHERS_MAX }.into());
                    }
                    Condition::Run(other.id)
                }
                (On::Signal(name), None) => {
                    return Err(Refusal::NotFound { what: "signal", id: name.clone() }.into());
                }
            });
        }
        Ok(conditions)
    }
}
