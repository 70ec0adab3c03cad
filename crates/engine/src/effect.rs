//! Performing a call whose intent is durable, and settling an outcome that nobody knows: rows 7 to 9 of DESIGN §5.
//!
//! A call is made once per intent. An unknown is repeated only with the provider's key, or after a look-up showed that
//! nothing happened; otherwise it waits for a person.

use std::sync::Arc;

use kernel::action::{ATTEMPTS_MAX, Action, Cause, Outcome, SettledBy, Status, provider_key};
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::{ActionId, ToolId};
use kernel::judge::Judge;
use kernel::ports::{Answer, Call, FailureClass, Output};
use kernel::timer::Purpose;
use serde_json::Value;

use crate::desk::{Desk, Named};
use crate::engine::Engine;
use crate::error::Error;
use crate::ruling::found;

/// A look-up that failed is made again after this, doubled each time up to a minute.
const LOOK_UP_AGAIN: Millis = Millis(2_000);

impl Desk {
    /// The entries that set about settling an unknown: a look-up later, or a person.
    /// A call that may be repeated is, at once, and needs none.
    pub(crate) fn settling(&self, action: &Action) -> Vec<(Event, Named)> {
        let handed_over = Event::ActionHandedOver { action: action.id.clone(), attempt: action.attempts };
        if action.attempts >= ATTEMPTS_MAX {
            return vec![(handed_over, vec![])];
        }
        if action.class.repeatable() {
            return vec![];
        }
        let arguments = self.payloads.open(&action.arguments).ok().flatten();
        let arguments: Option<Value> = arguments.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let plan =
            self.judge.as_ref().zip(arguments).and_then(|(judge, value)| judge.look_up(&action.tool, &value));
        match plan {
            Some((_, settle_after)) => {
                vec![(self.timer(settle_after, Purpose::LookUp { action: action.id.clone() }), vec![])]
            }
            None => vec![(handed_over, vec![])],
        }
    }
}

impl Engine {
    /// Makes the call of a durable intent and records the answer. A keyed write with an unknown outcome is repeated
    /// with its key, a bounded number of times.
    pub(crate) async fn perform(&self, action: Action, arguments: Value, subject: Digest, timeout: Millis) {
        let mut action = action;
        let mut pause = self.inner.limits.retry_pause.0.unsigned_abs();
        loop {
            let call = Call {
                tool: action.tool.clone(),
                arguments: arguments.clone(),
                idempotency_key: provider_key(&action.id, action.class),
                manifest: action.manifest,
                timeout,
            };
            let answer = Arc::new(self.inner.effector.call(call).await);
            let problem = self.output_problem(&action.tool, action.manifest, &answer);
            let (id, attempt) = (action.id.clone(), action.attempts);
            let recorded = self
                .ask_until_kept(move |desk| {
                    let action = found(desk.table(), &id)?;
                    let (mut outcome, named) =
                        record(desk, &answer, problem.as_deref(), &subject, action.run.as_str())?;
                    if attempt > 1 && action.class.repeatable() && !answered(outcome) {
                        // That the repeat did not arrive says nothing about the call before it.
                        outcome = Outcome::Unknown(Cause::Cut);
                    }
                    let mut named = Some(named);
                    let events = action.settle(attempt, outcome, SettledBy::Answer)?;
                    let mut events: Vec<_> =
                        events.into_iter().map(|event| (event, named.take().unwrap_or_default())).collect();
                    if matches!(outcome, Outcome::Unknown(_)) {
                        events.extend(desk.settling(&action));
                    }
                    desk.write(&Actor::Server, Some(&action.run), events)?;
                    found(desk.table(), &id)
                })
                .await;
            self.notify(&action.id);
            match recorded {
                Ok(now) if now.status == Status::Unknown && !now.handed_over && now.class.repeatable() => {
                    tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
                    pause = pause.saturating_mul(3);
                    let id = now.id.clone();
                    let again = self
                        .ask_until_kept(move |desk| {
                            let action = found(desk.table(), &id)?;
                            let events = action.repeat()?.into_iter().map(|event| (event, vec![])).collect();
                            desk.write(&Actor::Server, Some(&action.run), events)?;
                            found(desk.table(), &id)
                        })
                        .await;
                    match again {
                        Ok(next) => action = next,
                        Err(error) => return log_failure(&now.id, &error),
                    }
                }
                Ok(_) => return,
                Err(error) => return log_failure(&action.id, &error),
            }
        }
    }

    /// What is wrong with an answer by the output schema that is pinned with the tool, as it was when it was called.
    pub(crate) fn output_problem(&self, tool: &ToolId, manifest: Digest, answer: &Answer) -> Option<String> {
        let judge = self.judge()?;
        let pinned = judge.tools().get(tool).is_some_and(|known| known.manifest == manifest);
        match answer {
            Answer::Output(output) if pinned => judge.output_problem(tool, output),
            _ => None,
        }
    }

    /// Settles an unknown outcome: a keyed write by repeating it, others by look-up.
    pub(crate) async fn settle_unknown(&self, id: ActionId) {
        if let Err(error) = self.until_kept(|| self.try_settle(&id)).await {
            log_failure(&id, &error);
        }
        self.notify(&id);
    }

    async fn try_settle(&self, id: &ActionId) -> Result<(), Error> {
        let Some(action) = self.action(id).await? else { return Ok(()) };
        if action.status != Status::Unknown || action.handed_over {
            return Ok(());
        }
        let judge = self.judge().ok_or(Error::Refused(kernel::refusal::Refusal::NoBundle))?;
        let (Some(arguments), Some(timeout)) =
            (self.arguments_of(&action)?, judge.tools().get(&action.tool).map(|tool| tool.timeout))
        else {
            return self.hand_over(id).await;
        };
        let subject = self.subject_of_call(&*judge, &action.tool, &arguments, &action.run);
        if action.class.repeatable() {
            let key = id.clone();
            let next = self
                .ask(move |desk| {
                    let action = found(desk.table(), &key)?;
                    let events = action.repeat()?.into_iter().map(|event| (event, vec![])).collect();
                    desk.write(&Actor::Server, Some(&action.run), events)?;
                    found(desk.table(), &key)
                })
                .await?;
            self.perform(next, arguments, subject, timeout).await;
            return Ok(());
        }
        self.look_up(action, judge, arguments, subject).await
    }

    async fn look_up(
        &self,
        action: Action,
        judge: Arc<dyn Judge>,
        arguments: Value,
        subject: Digest,
    ) -> Result<(), Error> {
        let Some((read, _)) = judge.look_up(&action.tool, &arguments) else {
            return self.hand_over(&action.id).await;
        };
        let seen = match self.read(&read).await {
            Ok(output) => match judge.looked_up(&action.tool, &arguments, &output) {
                Ok(applied) => Some((applied, output)),
                Err(fault) => {
                    tracing::warn!(action = %action.id, ?fault, "the look-up's answer could not be read");
                    return self.hand_over(&action.id).await;
                }
            },
            Err(cause) => {
                tracing::warn!(action = %action.id, %cause, "the look-up failed; it will be made again");
                None
            }
        };
        let applied = seen.as_ref().map(|(applied, _)| *applied);
        self.record_look_up(&action, seen, &subject).await?;
        if applied == Some(false) {
            self.execute(action.id).await;
        }
        Ok(())
    }

    async fn record_look_up(
        &self,
        action: &Action,
        seen: Option<(bool, Output)>,
        subject: &Digest,
    ) -> Result<(), Error> {
        let (id, attempt, subject, seen) = (action.id.clone(), action.attempts, *subject, Arc::new(seen));
        let age = self.inner.clock.now().wall.since(action.proposed_at);
        let again = Millis(LOOK_UP_AGAIN.0.max(age.0).min(60_000));
        self.ask_until_kept(move |desk| {
            let action = found(desk.table(), &id)?;
            let run = action.run.clone();
            let seen = (*seen).as_ref();
            let applied = seen.map(|(applied, _)| *applied);
            let looked_up = Event::ActionLookedUp { action: id.clone(), attempt, applied };
            let mut events = Vec::new();
            if let Some((applied, output)) = seen {
                let bytes = kernel::json::canonical(output);
                let output = vec![desk.seal("output", &subject, run.as_str(), &bytes)?];
                events.push((looked_up, output.clone()));
                if *applied {
                    let settled = action.settle(attempt, Outcome::Confirmed, SettledBy::LookUp)?;
                    events.extend(settled.into_iter().map(|event| (event, output.clone())));
                } else if action.attempts >= ATTEMPTS_MAX {
                    let outcome = Self::settled(false);
                    let settled = action.settle(attempt, outcome, SettledBy::LookUp)?;
                    events.extend(settled.into_iter().map(|event| (event, vec![])));
                }
            } else {
                events.push((looked_up, vec![]));
                events.push((desk.timer(again, Purpose::LookUp { action: id.clone() }), vec![]));
            }
            desk.write(&Actor::Server, Some(&run), events)?;
            Ok(())
        })
        .await
    }

    async fn hand_over(&self, id: &ActionId) -> Result<(), Error> {
        let id = id.clone();
        self.ask_until_kept(move |desk| {
            let action = found(desk.table(), &id)?;
            if action.status == Status::Unknown && !action.handed_over {
                let event = Event::ActionHandedOver { action: id.clone(), attempt: action.attempts };
                desk.write(&Actor::Server, Some(&action.run), vec![(event, vec![])])?;
            }
            Ok(())
        })
        .await
    }

    /// The stored arguments: exactly these bytes are executed. `None` where they were erased.
    pub(crate) fn arguments_of(&self, action: &Action) -> Result<Option<Value>, Error> {
        match self.payload(&action.arguments)? {
            None => Ok(None),
            Some(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Payload(error.to_string()))
            }
        }
    }
}

/// Whether the system itself spoke about the call.
fn answered(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Confirmed | Outcome::ConfirmedOddly | Outcome::Failed(FailureClass::Refused))
}

pub(crate) fn log_failure(id: &ActionId, error: &Error) {
    // The action keeps its last durable state; recovery takes it up.
    tracing::error!(action = %id, %error, "an action could not be carried on");
}

/// What an answer means for the record, with its payloads. That an answer is not what its schema promises (`problem`) says
/// nothing about whether it happened: the tool said that it did.
pub(crate) fn record(
    desk: &Desk,
    answer: &Answer,
    problem: Option<&str>,
    subject: &Digest,
    scope: &str,
) -> Result<(Outcome, Named), Error> {
    let output = |output: &Output| desk.seal("output", subject, scope, &kernel::json::canonical(output));
    let cause = |cause: &str| desk.seal("cause", subject, scope, cause.as_bytes());
    Ok(match answer {
        Answer::Output(answer) if answer.is_error => {
            (Outcome::Failed(FailureClass::Refused), vec![output(answer)?])
        }
        Answer::Output(answer) => match problem {
            None => (Outcome::Confirmed, vec![output(answer)?]),
            Some(problem) => {
                let problem = desk.seal("problem", subject, scope, problem.as_bytes())?;
                (Outcome::ConfirmedOddly, vec![output(answer)?, problem])
            }
        },
        Answer::Failed { class, cause: why, .. } => (Outcome::Failed(*class), vec![cause(why)?]),
        Answer::Unknown { cause: why, late } => {
            let unknown = if *late { Cause::TimeOut } else { Cause::Cut };
            (Outcome::Unknown(unknown), vec![cause(why)?])
        }
    })
}
