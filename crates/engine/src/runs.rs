//! Starting, holding and ending runs.

use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::event::Event;
use kernel::id::{AgentId, PersonId, RunId, TaskName};
use kernel::lease::PRIORITY_MAX;
use kernel::refusal::Refusal;
use kernel::run::{CHILDREN_MAX, DEPTH_MAX, Run, RunOutcome};
use kernel::state;
use kernel::timer::Purpose;
use serde_json::{Value, json};

use crate::answer::check_reason;
use crate::desk::{Desk, Named};
use crate::engine::Engine;
use crate::error::Error;
use crate::waits::FAR_MAX;

/// The longest title of a run.
const TITLE_BYTES_MAX: usize = 1_000;
/// The longest name of a conversation.
const CONVERSATION_BYTES_MAX: usize = 256;

/// A request for a run.
#[derive(Clone, Debug)]
pub struct StartRun {
    /// Whose run it is.
    pub agent: AgentId,
    /// Who starts it.
    pub by: Actor,
    /// A line for people.
    pub title: Option<String>,
    /// For whom it acts.
    pub on_behalf_of: Option<PersonId>,
    /// The conversation or ticket that it serves: the same one gives the same run.
    pub conversation: Option<String>,
    /// The caller's key.
    pub idempotency: Option<String>,
    /// What the agent's workers are to do; without it, whoever starts the run drives it.
    pub task: Option<TaskName>,
    /// What it begins with.
    pub input: Option<Value>,
    /// 0 to 9, 9 first.
    pub priority: Option<u8>,
    /// By when it must have ended.
    pub deadline: Option<Millis>,
    /// The run that starts it.
    pub parent: Option<RunId>,
}

/// A request to end a run.
#[derive(Clone, Debug)]
pub struct FinishRun {
    /// The run.
    pub run: RunId,
    /// Who ends it.
    pub by: Actor,
    /// The attempt, where a worker ends it.
    pub attempt: Option<u64>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// What it brought.
    pub result: Option<Value>,
    /// Why it did not.
    pub error: Option<Value>,
}

impl Engine {
    /// Starts a run, or returns the one that the same conversation or key started.
    pub async fn start_run(&self, start: StartRun) -> Result<Run, Error> {
        self.check_open()?;
        for (what, text, max) in [
            ("title", &start.title, TITLE_BYTES_MAX),
            ("conversation", &start.conversation, CONVERSATION_BYTES_MAX),
            ("idempotency key", &start.idempotency, CONVERSATION_BYTES_MAX),
        ] {
            if text.as_ref().is_some_and(|text| text.len() > max || text.is_empty()) {
                return Err(Refusal::Invalid(format!("the {what} must have 1 to {max} bytes")).into());
            }
        }
        if start.priority.is_some_and(|priority| priority > PRIORITY_MAX) {
            return Err(Refusal::Invalid(format!("a priority is from 0 to {PRIORITY_MAX}")).into());
        }
        if start.priority.is_some() && start.task.is_none() {
            let what = "only runs that name a task have a priority";
            return Err(Refusal::Invalid(what.to_owned()).into());
        }
        let now = self.inner.clock.now().wall;
        let run = RunId::new(now, kernel::clock::chance(&*self.inner.entropy));
        let title = start.title.as_ref().map(|title| title.as_bytes().to_vec());
        let input = start.input.as_ref().map(kernel::json::canonical);
        let mut named: Named = vec![];
        for (name, bytes) in [("title", title), ("input", input)] {
            let Some(bytes) = bytes else { continue };
            let subject = self.inner.payloads.subject(run.as_str());
            let sealed = self.inner.payloads.seal(&subject, run.as_str(), &bytes);
            named.push((name.to_owned(), sealed.map_err(Error::Payload)?));
        }
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let who = start.by.to_string();
        let key = match (&start.idempotency, &start.conversation) {
            (Some(key), _) => Some(("key", key)),
            (None, Some(conversation)) => Some(("conversation", conversation)),
            (None, None) => None,
        };
        let key = key.map(|(kind, key)| {
            self.inner.payloads.pseudonym(
                "countersign/run/v1",
                &[kind.as_bytes(), start.agent.as_str().as_bytes(), key.as_bytes()],
            )
        });
        let behalf = start.on_behalf_of.as_ref().map(ToString::to_string).unwrap_or_default();
        // A conversation finds its run whatever the later calls say; a key asks for the same request.
        let fingerprint = start.idempotency.as_ref().map(|_| {
            let title = text(&start.title);
            let conversation = text(&start.conversation);
            let mut parts =
                vec![who.as_bytes(), title.as_bytes(), conversation.as_bytes(), behalf.as_bytes()];
            // What older requests could not say stands after what they said, so that theirs are still the same.
            let work = kernel::json::canonical(&json!({
                "task": start.task, "input": start.input, "priority": start.priority,
                "deadline": start.deadline, "parent": start.parent,
            }));
            if start.task.is_some()
                || start.input.is_some()
                || start.deadline.is_some()
                || start.parent.is_some()
            {
                parts.push(&work);
            }
            self.inner.payloads.pseudonym("countersign/run-request/v1", &parts)
        });
        let intake = self.check_intake();
        self.ask(move |desk| {
            let agent = state::agent(desk.table(), &start.agent)
                .ok_or_else(|| Refusal::AgentUnknown { agent: start.agent.to_string() })?;
            if let Some(person) = &start.on_behalf_of
                && state::person(desk.table(), person).is_none()
            {
                return Err(Refusal::NotFound { what: "person", id: person.to_string() }.into());
            }
            let before = key.and_then(|key| state::made(desk.table(), &key)).and_then(|id| id.parse().ok());
            if let Some(before) = before.and_then(|id| state::run(desk.table(), &id)) {
                return if before.fingerprint == fingerprint {
                    Ok(before)
                } else {
                    Err(Refusal::IdempotencyMismatch.into())
                };
            }
            intake?;
            if let Some(parent) = &start.parent {
                let parent = desk.run_of(parent, &start.by)?;
                parent.open()?;
                if parent.children.len() >= CHILDREN_MAX {
                    let what = "open runs that a run started";
                    return Err(Refusal::LimitReached { what, max: CHILDREN_MAX }.into());
                }
                if parent.depth >= DEPTH_MAX {
                    let what = "runs above one another";
                    return Err(Refusal::LimitReached { what, max: DEPTH_MAX as usize }.into());
                }
            }
            if start.deadline.is_some_and(|at| at <= desk.now || at > desk.now.plus(FAR_MAX)) {
                let what = "a deadline is in the future, ten years from now at most";
                return Err(Refusal::Invalid(what.to_owned()).into());
            }
            let mut events = vec![(
                Event::RunStarted {
                    run: run.clone(),
                    agent: start.agent.clone(),
                    agent_version: agent.version,
                    on_behalf_of: start.on_behalf_of.clone(),
                    conversation: key,
                    fingerprint,
                    task: start.task,
                    priority: start.priority,
                    deadline: start.deadline,
                    parent: start.parent,
                },
                named,
            )];
            if let Some(at) = start.deadline {
                let after = Millis(at.0 - desk.now.0);
                events.push((desk.timer(after, Purpose::Deadline { run: run.clone() }), vec![]));
            }
            desk.write(&start.by, Some(&run), events)?;
            state::run(desk.table(), &run)
                .ok_or_else(|| Refusal::NotFound { what: "run", id: run.to_string() }.into())
        })
        .await
    }

    /// Ends a run. A run that workers do is ended by the worker that has it, or cancelled by others.
    pub async fn finish_run(&self, finish: FinishRun) -> Result<Run, Error> {
        if finish.result.is_some() && finish.error.is_some() {
            return Err(Refusal::Invalid("a run ends with a result or an error, not both".to_owned()).into());
        }
        if (finish.outcome == RunOutcome::Done && finish.error.is_some())
            || (finish.outcome != RunOutcome::Done && finish.result.is_some())
        {
            let what = "a run that is done has a result, one that is not has an error";
            return Err(Refusal::Invalid(what.to_owned()).into());
        }
        let (payloads, scope) = (&self.inner.payloads, finish.run.as_str());
        let value = finish.result.as_ref().map(|value| ("result", value));
        let value = value.or(finish.error.as_ref().map(|value| ("error", value)));
        let named = match value {
            Some((name, value)) => {
                let bytes = kernel::json::canonical(value);
                let sealed =
                    payloads.seal(&payloads.subject(scope), scope, &bytes).map_err(Error::Payload)?;
                vec![(name.to_owned(), sealed)]
            }
            None => vec![],
        };
        self.ask(move |desk| {
            let FinishRun { run: id, by, attempt, outcome, .. } = finish;
            let run = desk.run_of(&id, &by)?;
            if !run.finish(outcome)?.is_empty() {
                if run.dispatch.is_some() && (outcome != RunOutcome::Cancelled || attempt.is_some()) {
                    run.fenced(attempt)?;
                }
                let events = match outcome {
                    RunOutcome::Cancelled => desk.end_run(&run, outcome, named),
                    RunOutcome::Done | RunOutcome::Failed => {
                        vec![(Event::RunFinished { run: id.clone(), outcome }, named)]
                    }
                };
                if attempt.is_some() {
                    // The worker's own doing: it need not be told.
                    desk.leases.end(&id);
                }
                desk.write(&by, Some(&id), events)?;
            }
            desk.run_of(&id, &by)
        })
        .await
    }

    /// A person holds a run: no worker has it, and it takes no new steps and actions.
    pub async fn pause_run(&self, id: &RunId, by: Actor, reason: Option<String>) -> Result<Run, Error> {
        self.hold_run(id, by, reason, |desk, run| {
            let mut events: Vec<Event> = run.pause()?.into_iter().collect();
            if !events.is_empty() {
                let progressed = desk.leases.get(&run.id).is_none_or(|lease| lease.progressed);
                let ended = kernel::lease::Ended { why: kernel::lease::YieldWhy::Released, progressed };
                events.extend(run.take_back(ended));
            }
            Ok(events)
        })
        .await
    }

    /// A person lets a run go on.
    pub async fn resume_run(&self, id: &RunId, by: Actor, reason: Option<String>) -> Result<Run, Error> {
        self.hold_run(id, by, reason, |_, run| Ok(run.resume()?.into_iter().collect())).await
    }

    async fn hold_run(
        &self,
        id: &RunId,
        by: Actor,
        reason: Option<String>,
        events: impl FnOnce(&Desk, &Run) -> Result<Vec<Event>, Error> + Send + 'static,
    ) -> Result<Run, Error> {
        self.check_open()?;
        check_reason(reason.as_deref())?;
        let id = id.clone();
        self.ask(move |desk| {
            let run = desk.run_of(&id, &by)?;
            let events = events(desk, &run)?;
            if !events.is_empty() {
                let mut named = match &reason {
                    Some(text) => {
                        let subject = desk.payloads.subject(id.as_str());
                        vec![desk.seal("reason", &subject, id.as_str(), text.as_bytes())?]
                    }
                    None => vec![],
                };
                let events = events.into_iter().map(|event| (event, std::mem::take(&mut named))).collect();
                desk.write(&by, Some(&id), events)?;
            }
            desk.run_of(&id, &by)
        })
        .await
    }
}
