//! From a proposal to its first append: rows 1, 2, 3 and 7 of the table in DESIGN §5.
//!
//! Parse → serialise by idempotency key and by conflict key → fetch facts → decide inside the owner → one append.
//! The work goes on when the caller goes away: whoever comes back with the same key finds the same action.

use std::sync::Arc;
use std::time::Duration;

use kernel::action::{self, Action, Outcome, Proposal, Ruling};
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::{ActionId, RunId, ToolId};
use kernel::judge::{Judge, ParseError};
use kernel::ports::{Call, FailureClass};
use kernel::refusal::Refusal;
use kernel::state;
use serde_json::Value;

use crate::desk::Named;
use crate::effect::record;
use crate::engine::Engine;
use crate::error::Error;
use crate::facts::NoFacts;
use crate::first::{First, FirstOrder};
use crate::locks::Guard;
use crate::ruling::{found, seal_facts};

/// The longest text that an agent may give as its reason.
const REASON_BYTES_MAX: usize = 16 * 1024;
/// The longest idempotency key.
const KEY_BYTES_MAX: usize = 256;
/// How long an identical call of a foreign agent, without a key of its own, gets the same result (DESIGN §7).
const SAME_CALL_WINDOW: Millis = Millis(30_000);

/// A proposal as a surface hands it over.
#[derive(Clone, Debug)]
pub struct Propose {
    /// The run.
    pub run: RunId,
    /// Who proposes.
    pub by: Actor,
    /// The attempt, where a worker proposes.
    pub attempt: Option<u64>,
    /// `connector.tool`, unchecked.
    pub tool: String,
    /// Arguments, bounded but unchecked.
    pub arguments: Value,
    /// The agent's own words.
    pub reason: Option<String>,
    /// The caller's key: the same one gives the same action.
    pub idempotency: Option<String>,
    /// Without a key: perform it although an identical call was made a moment ago.
    pub repeat: bool,
    /// How long to wait for the outcome.
    pub wait: Millis,
}

/// A proposal that was parsed and sealed.
pub(crate) struct Parsed {
    pub(crate) attempt: Option<u64>,
    pub(crate) judge: Arc<dyn Judge>,
    pub(crate) by: Actor,
    pub(crate) proposal: Proposal,
    pub(crate) arguments: Value,
    pub(crate) payloads: Named,
    pub(crate) subject: Digest,
    pub(crate) reason: Option<String>,
    pub(crate) timeout: Millis,
}

impl Engine {
    /// Proposes one use of a tool. Returns when it is settled, when a person must be asked, or when `wait` is over.
    pub async fn propose(&self, propose: Propose) -> Result<Action, Error> {
        self.check_open()?;
        // Held from the first seal to the first entry: a key that goes waits for it.
        let begun = self.inner.proposing.lock().expect("no panic while the lock is held").clone();
        let (wait, by, repeat) = (propose.wait, propose.by.clone(), propose.repeat);
        let keyed = propose.idempotency.is_some();
        let parsed = self.parse(propose).await?;
        let same =
            state::same_call(&parsed.proposal.run, parsed.proposal.tool.as_str(), &parsed.proposal.arguments);
        let serial = parsed.proposal.idempotency.unwrap_or(same);
        let guard = self.inner.requests.lock(serial).await;
        if let Some(before) = self.made_before(&parsed.proposal, keyed, repeat).await? {
            drop(guard);
            return if waits_for_others(&before) {
                Ok(before)
            } else {
                self.follow_action(&before.id, &by, wait).await
            };
        }
        self.check_intake()?;
        let engine = self.clone();
        let (first, told) = tokio::sync::oneshot::channel();
        let id = parsed.proposal.action.clone();
        drop(self.spawn(async move {
            engine.first_append(parsed, guard, first).await;
            drop(begun);
        }));
        let action = told.await.map_err(|_| Error::Closed)??;
        if waits_for_others(&action) { Ok(action) } else { self.follow_action(&id, &by, wait).await }
    }

    async fn parse(&self, propose: Propose) -> Result<Parsed, Error> {
        let judge = self.judge().ok_or(Error::Refused(Refusal::NoBundle))?;
        let unknown =
            |tool: &str| ParseError::UnknownTool { tool: tool.chars().take(130).collect(), nearest: None };
        let tool: ToolId = propose.tool.parse().map_err(|_| unknown(&propose.tool))?;
        let arguments = judge.parse(&tool, propose.arguments)?;
        let pinned = judge.tools().get(&tool).ok_or_else(|| unknown(tool.as_str()))?;
        let too_long =
            |what: &str, max: usize| Refusal::Invalid(format!("the {what} is longer than {max} bytes"));
        if propose.reason.as_ref().is_some_and(|text| text.len() > REASON_BYTES_MAX) {
            return Err(too_long("reason", REASON_BYTES_MAX).into());
        }
        if propose.idempotency.as_ref().is_some_and(|key| key.len() > KEY_BYTES_MAX || key.is_empty()) {
            return Err(Refusal::Invalid(format!("an idempotency key has 1 to {KEY_BYTES_MAX} bytes")).into());
        }
        let (run, by, attempt) = (propose.run.clone(), propose.by.clone(), propose.attempt);
        self.ask(move |desk| {
            let may =
                state::with_run(desk.table(), &run, |row| state::owns(&by, row).then(|| row.fenced(attempt)));
            may.flatten().ok_or_else(|| Refusal::NotFound { what: "run", id: run.to_string() })??;
            Ok(())
        })
        .await?;
        let scope = propose.run.as_str();
        let subject = self.subject_of_call(&*judge, &tool, &arguments, &propose.run);
        let seal = |bytes: &[u8]| self.inner.payloads.seal(&subject, scope, bytes).map_err(Error::Payload);
        let sealed = seal(&kernel::json::canonical(&arguments))?;
        let commitment = sealed.commitment;
        let mut payloads = vec![("arguments".to_owned(), sealed)];
        if let Some(reason) = &propose.reason {
            payloads.push(("reason".to_owned(), seal(reason.as_bytes())?));
        }
        let now = self.inner.clock.now().wall;
        let proposal = Proposal {
            action: ActionId::new(now, kernel::clock::chance(&*self.inner.entropy)),
            run: propose.run.clone(),
            class: pinned.class,
            manifest: pinned.manifest,
            arguments: commitment,
            subject,
            idempotency: propose.idempotency.as_ref().map(|key| {
                let parts = [scope.as_bytes(), key.as_bytes()];
                self.inner.payloads.pseudonym("countersign/idempotency/v1", &parts)
            }),
            conflict_key: None,
            tool,
        };
        let timeout = pinned.timeout;
        Ok(Parsed {
            attempt: propose.attempt,
            judge,
            by: propose.by,
            proposal,
            arguments,
            payloads,
            subject,
            reason: propose.reason,
            timeout,
        })
    }

    /// The action that this key, or an identical call a moment ago, made already.
    async fn made_before(
        &self,
        proposal: &Proposal,
        keyed: bool,
        repeat: bool,
    ) -> Result<Option<Action>, Error> {
        if !keyed && (repeat || !proposal.class.writes()) {
            return Ok(None);
        }
        let proposal = proposal.clone();
        self.ask(move |desk| {
            let same = state::same_call(&proposal.run, proposal.tool.as_str(), &proposal.arguments);
            let key = proposal.idempotency.unwrap_or(same);
            let made = state::made(desk.table(), &key).and_then(|id| id.parse().ok());
            let Some(before) = made.and_then(|id| state::action(desk.table(), &id)) else { return Ok(None) };
            if before.tool != proposal.tool || before.arguments != proposal.arguments {
                return Err(Refusal::IdempotencyMismatch.into());
            }
            let fresh = before.settled_at.is_none_or(|at| desk.now.since(at) < SAME_CALL_WINDOW);
            Ok((keyed || fresh).then_some(before))
        })
        .await
    }

    async fn first_append(
        self,
        mut parsed: Parsed,
        serial: Guard,
        told: tokio::sync::oneshot::Sender<Result<Action, Error>>,
    ) {
        let deadline = tokio::time::Instant::now()
            + Duration::from_millis(self.inner.limits.conflict_wait.0.unsigned_abs());
        loop {
            match self.decide_once(&mut parsed).await {
                Ok((First::Perform(action), _conflict)) => {
                    let (arguments, subject) = (parsed.arguments, parsed.subject);
                    // Whoever repeats the request now finds the action and may wait for it as long as they like.
                    drop(serial);
                    drop(told.send(Ok((*action).clone())));
                    self.perform(*action, arguments, subject, parsed.timeout).await;
                    return;
                }
                Ok((First::Read(ruling, named), _)) => {
                    drop(told.send(self.read_and_record(parsed, *ruling, named).await));
                    return;
                }
                Ok((First::Done(action), _)) => {
                    drop(told.send(Ok(*action)));
                    return;
                }
                Ok((First::Held(by), _)) => {
                    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
                    let wait = Millis(i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
                    let free = wait.0 > 0
                        && self
                            .follow_action(&by, &Actor::Server, wait)
                            .await
                            .is_ok_and(|held| held.status.is_final());
                    if !free {
                        drop(
                            told.send(
                                self.defer(parsed, "conflict_held", Refusal::ConflictHeld { by }).await,
                            ),
                        );
                        return;
                    }
                }
                Err(Stop::Transient { cause }) => {
                    drop(told.send(self.defer(parsed, "fact_unavailable", Refusal::Invalid(cause)).await));
                    return;
                }
                Err(Stop::Failed(error)) => {
                    drop(told.send(Err(error)));
                    return;
                }
            }
        }
    }

    /// One pass: conflict key, facts, decision. The guard is held until the effect is through.
    async fn decide_once(&self, parsed: &mut Parsed) -> Result<(First, Option<Guard>), Stop> {
        let judge = parsed.judge.clone();
        let tool = parsed.proposal.tool.clone();
        // From fact-fetch to effect, writes on one record go one after the other. A key that needs facts is worked
        // out on a first look and the facts are fetched again under the lock.
        let (mut facts, mut guard) = (None, None);
        if parsed.proposal.class.writes() {
            let key = match judge.conflict_key(&tool, &parsed.arguments, &[]) {
                Ok(key) => Ok(key),
                Err(_) => match self.fetch_facts(&*judge, &tool, &parsed.arguments).await {
                    Ok(first) => judge.conflict_key(&tool, &parsed.arguments, &first),
                    Err(NoFacts::Transient { cause }) => return Err(Stop::Transient { cause }),
                    Err(NoFacts::Fault { name, fault }) => {
                        facts = Some(Err((name, fault)));
                        Ok(None)
                    }
                },
            };
            match key {
                Ok(Some(key)) => {
                    let digest = self.inner.payloads.pseudonym("countersign/conflict/v1", &[key.as_bytes()]);
                    parsed.proposal.conflict_key = Some(digest);
                    guard = Some(self.inner.conflicts.lock(digest).await);
                }
                Ok(None) => {}
                Err(fault) => facts = Some(Err(("conflict_key".to_owned(), fault))),
            }
        }
        let facts = match facts {
            Some(known) => known,
            None => match self.fetch_facts(&*judge, &tool, &parsed.arguments).await {
                Ok(facts) => Ok(facts),
                Err(NoFacts::Transient { cause }) => return Err(Stop::Transient { cause }),
                Err(NoFacts::Fault { name, fault }) => Err((name, fault)),
            },
        };
        let known = facts.as_deref().unwrap_or(&[]).to_vec();
        let fact_payloads =
            seal_facts(self, &known, &parsed.subject, parsed.proposal.run.as_str()).map_err(Stop::Failed)?;
        let order = FirstOrder {
            attempt: parsed.attempt,
            judge,
            proposal: parsed.proposal.clone(),
            by: parsed.by.clone(),
            arguments: parsed.arguments.clone(),
            payloads: parsed.payloads.clone(),
            fact_payloads,
            facts,
            subject: parsed.subject,
            reason: parsed.reason.clone(),
        };
        let class_writes = parsed.proposal.class.writes();
        let (first, verdict) =
            self.ask(move |desk| order.decide(desk, class_writes)).await.map_err(Stop::Failed)?;
        if let Some(verdict) = verdict {
            self.count(verdict);
        }
        Ok((first, guard))
    }

    /// Row 7: the call, then proposal, decision and outcome in one append, then the answer.
    async fn read_and_record(
        &self,
        parsed: Parsed,
        ruling: Ruling,
        mut decided: Named,
    ) -> Result<Action, Error> {
        let call = Call {
            tool: parsed.proposal.tool.clone(),
            arguments: parsed.arguments,
            idempotency_key: None,
            manifest: parsed.proposal.manifest,
            timeout: parsed.timeout,
        };
        let answer = self.call_read(call).await;
        let (proposal, by, payloads, subject) = (parsed.proposal, parsed.by, parsed.payloads, parsed.subject);
        self.ask(move |desk| {
            let (mut outcome, ended) = record(desk, &answer, &subject, proposal.run.as_str())?;
            if matches!(outcome, Outcome::Unknown(_)) {
                // A read that got no answer changed nothing: nothing about it is unknown.
                outcome = Outcome::Failed(FailureClass::Unreachable);
            }
            let mut named = vec![payloads, std::mem::take(&mut decided), ended].into_iter();
            let events = action::read_done(&proposal, &ruling, outcome);
            let events = events.into_iter().map(|event| (event, named.next().unwrap_or_default())).collect();
            desk.write(&by, Some(&proposal.run), events)?;
            found(desk.table(), &proposal.action)
        })
        .await
    }

    async fn defer(&self, parsed: Parsed, code: &'static str, why: Refusal) -> Result<Action, Error> {
        let (proposal, by, payloads) = (parsed.proposal, parsed.by, parsed.payloads);
        self.ask(move |desk| {
            let mut events = action::deferred(&proposal, code).into_iter();
            let first = events.next().map(|event| (event, payloads));
            let events = first.into_iter().chain(events.map(|event| (event, vec![]))).collect();
            desk.write(&by, Some(&proposal.run), events)
        })
        .await?;
        Err(Error::Deferred { code, why: why.to_string(), retry_after: Millis(1_000) })
    }
}

/// Why a pass ended without an append.
enum Stop {
    Transient { cause: String },
    Failed(Error),
}

fn waits_for_others(action: &Action) -> bool {
    action.status == action::Status::Waiting
}
