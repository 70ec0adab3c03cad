//! From a proposal to its first append: rows 1, 2, 3 and 7 of the table in DESIGN §5.
//!
//! Parse → serialise by idempotency key and by conflict key → fetch facts → decide inside the owner → one append.
//! The work goes on when the caller goes away: whoever comes back with the same key finds the same action.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kernel::action::{self, Action, ApprovalDraft, Outcome, Proposal, Ruling};
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::{Event, FactRef};
use kernel::id::{ActionId, ApprovalId, RunId, TimerId, ToolId};
use kernel::judge::{Fact, FactFault, Judge, Judgement, ParseError, Question, RunSubject, Verdict};
use kernel::ports::{Answer, Call, FailureClass, Output};
use kernel::refusal::Refusal;
use kernel::state::{self, Table};
use serde_json::{Value, json};

use crate::desk::{Desk, Named};
use crate::engine::Engine;
use crate::error::Error;
use crate::facts::NoFacts;
use crate::locks::Guard;

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
    pub(crate) judge: Arc<dyn Judge>,
    pub(crate) by: Actor,
    pub(crate) proposal: Proposal,
    pub(crate) arguments: Value,
    pub(crate) payloads: Named,
    pub(crate) subject: String,
    pub(crate) reason: Option<String>,
    pub(crate) timeout: Millis,
}

/// What the first append decided.
enum First {
    /// Perform it: a write is intended.
    Perform(Box<Action>),
    /// An autonomous read: call first, record after.
    Read(Box<Ruling>, Named),
    /// Nothing to perform now.
    Done(Box<Action>),
    /// Another action holds the record.
    Held(ActionId),
}

impl Engine {
    /// Proposes one use of a tool. Returns when it is settled, when a person must be asked, or when `wait` is over.
    pub async fn propose(&self, propose: Propose) -> Result<Action, Error> {
        self.check_open()?;
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
        let engine = self.clone();
        let (first, told) = tokio::sync::oneshot::channel();
        let id = parsed.proposal.action.clone();
        drop(self.spawn(async move { engine.first_append(parsed, guard, first).await }));
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
        let (run, by) = (propose.run.clone(), propose.by.clone());
        self.ask(move |desk| {
            let row = state::run(desk.table(), &run).filter(|row| state::owns(&by, row));
            row.ok_or_else(|| Error::Refused(Refusal::NotFound { what: "run", id: run.to_string() }))?
                .open()?;
            Ok(())
        })
        .await?;
        let scope = propose.run.as_str();
        let subject = judge.subject(&tool, &arguments).unwrap_or_else(|| scope.to_owned());
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
            subject: Digest::of("countersign/subject/v1", &[subject.as_bytes()]),
            idempotency: propose
                .idempotency
                .as_ref()
                .map(|key| Digest::of("countersign/idempotency/v1", &[scope.as_bytes(), key.as_bytes()])),
            conflict_key: None,
            tool,
        };
        let timeout = pinned.timeout;
        Ok(Parsed {
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
                    let digest = Digest::of("countersign/conflict/v1", &[key.as_bytes()]);
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
            judge,
            proposal: parsed.proposal.clone(),
            by: parsed.by.clone(),
            arguments: parsed.arguments.clone(),
            payloads: parsed.payloads.clone(),
            fact_payloads,
            facts,
            subject: parsed.subject.clone(),
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

/// Seals each fact under its name.
pub(crate) fn seal_facts(
    engine: &Engine,
    facts: &[Fact],
    subject: &str,
    scope: &str,
) -> Result<Named, Error> {
    facts
        .iter()
        .map(|fact| {
            let bytes = kernel::json::canonical(fact);
            let sealed = engine.inner.payloads.seal(subject, scope, &bytes).map_err(Error::Payload)?;
            Ok((format!("fact.{}", fact.name), sealed))
        })
        .collect()
}

pub(crate) fn fact_refs(facts: &[Fact]) -> Vec<FactRef> {
    facts
        .iter()
        .map(|fact| FactRef {
            name: fact.name.clone(),
            source: fact.source.clone(),
            version: fact.version,
            read_at: fact.read_at,
        })
        .collect()
}

pub(crate) fn found(table: &dyn Table, id: &ActionId) -> Result<Action, Error> {
    state::action(table, id).ok_or_else(|| Refusal::NotFound { what: "action", id: id.to_string() }.into())
}

/// What policy may know of a run now.
pub(crate) fn subject_of(table: &dyn Table, run: &RunId) -> Result<RunSubject, Error> {
    let row = state::run(table, run)
        .ok_or_else(|| Error::Refused(Refusal::NotFound { what: "run", id: run.to_string() }))?;
    let agent = state::agent(table, &row.agent)
        .ok_or_else(|| Error::Refused(Refusal::AgentUnknown { agent: row.agent.to_string() }))?;
    Ok(RunSubject {
        run: row.id,
        agent: row.agent,
        owner: agent.owner,
        stage: agent.stage,
        on_behalf_of: row.on_behalf_of,
        depth: 0,
        tainted: false,
    })
}

/// Judges inside the owner: counters are read where they are reserved, so no two actions see the same room.
pub(crate) fn rule(
    desk: &Desk,
    judge: &dyn Judge,
    run: &RunId,
    tool: &ToolId,
    arguments: &Value,
    facts: Result<&[Fact], &(String, FactFault)>,
) -> Result<(Ruling, Value), Error> {
    let mut question = Question {
        workspace: desk.workspace.clone(),
        run: subject_of(desk.table(), run)?,
        tool: tool.clone(),
        arguments: arguments.clone(),
        facts: facts.unwrap_or(&[]).to_vec(),
        counters: BTreeMap::new(),
    };
    let counters = facts
        .map_err(|(name, fault)| (name.clone(), *fault))
        .and_then(|_| judge.counters(&question, desk.now).map_err(|fault| ("counters".to_owned(), fault)));
    let (judgement, counters) = match counters {
        Ok(counters) => {
            for used in &counters {
                let count = state::counter(desk.table(), &used.key).unwrap_or_default();
                question.counters.insert(used.name.clone(), count.committed.saturating_add(count.reserved));
            }
            (judge.judge(&question), counters)
        }
        Err((name, fault)) => (no_fact(&name, fault), vec![]),
    };
    let values = json!(question.counters);
    let ruling = Ruling {
        judgement,
        bundle: judge.bundle(),
        judge: judge.version().to_owned(),
        facts: fact_refs(facts.unwrap_or(&[])),
        counters,
    };
    Ok((ruling, values))
}

/// Arguments without what a gate hides from approvers; for lines that the server writes about them.
pub(crate) fn masked(arguments: &Value, redact: Option<&BTreeSet<String>>) -> Value {
    let mut masked = arguments.clone();
    for pointer in redact.into_iter().flatten() {
        if let Some(hidden) = masked.pointer_mut(pointer) {
            *hidden = Value::String("(redacted)".to_owned());
        }
    }
    masked
}

/// A fact that is not there, or not what was declared: `never`, with that reason.
fn no_fact(name: &str, fault: FactFault) -> Judgement {
    let code = match fault {
        FactFault::Absent => "fact_absent",
        FactFault::Invalid => "fact_invalid",
    };
    Judgement {
        verdict: Verdict::Never,
        rules: vec![],
        code: code.to_owned(),
        obligations: None,
        request: json!({ "fact": name, "fault": fault }),
    }
}

/// The payloads of `action.decided`.
pub(crate) fn decided_payloads(
    desk: &Desk,
    ruling: &Ruling,
    counters: &Value,
    headline: &str,
    subject: &str,
    scope: &str,
    facts: Named,
) -> Result<Named, Error> {
    let request = json!({ "request": ruling.judgement.request, "counters": counters });
    let mut named = facts;
    named.push(desk.seal("request", subject, scope, &kernel::json::canonical(&request))?);
    named.push(desk.seal("headline", subject, scope, headline.as_bytes())?);
    Ok(named)
}

struct FirstOrder {
    judge: Arc<dyn Judge>,
    proposal: Proposal,
    by: Actor,
    arguments: Value,
    payloads: Named,
    fact_payloads: Named,
    facts: Result<Vec<Fact>, (String, FactFault)>,
    subject: String,
    reason: Option<String>,
}

impl FirstOrder {
    fn decide(self, desk: &mut Desk, writes: bool) -> Result<(First, Option<Verdict>), Error> {
        let scope = self.proposal.run.to_string();
        // The bundle may have changed since the request was parsed; the one in force judges.
        let judge = desk.judge()?;
        if judge.tools().get(&self.proposal.tool).map(|tool| tool.manifest) != Some(self.proposal.manifest) {
            return Err(
                ParseError::UnknownTool { tool: self.proposal.tool.to_string(), nearest: None }.into()
            );
        }
        state::run(desk.table(), &self.proposal.run).map(|run| run.open()).transpose()?;
        if let Some(key) = &self.proposal.conflict_key
            && let Some(by) = state::hold(desk.table(), key)
        {
            return Ok((First::Held(by), None));
        }
        let judge = if judge.bundle() == self.judge.bundle() { self.judge } else { judge };
        let facts = self.facts.as_deref();
        let known = facts.unwrap_or(&[]);
        let (ruling, counters) =
            rule(desk, &*judge, &self.proposal.run, &self.proposal.tool, &self.arguments, facts)?;
        let headline = judge.headline(&self.proposal.tool, &self.arguments, known);
        let decided =
            decided_payloads(desk, &ruling, &counters, &headline, &self.subject, &scope, self.fact_payloads)?;
        let verdict = ruling.judgement.verdict;
        if !writes && verdict == Verdict::Autonomous {
            return Ok((First::Read(Box::new(ruling), decided), Some(verdict)));
        }
        let subject = subject_of(desk.table(), &self.proposal.run)?;
        let page = json!({
            "headline": headline,
            "tool": self.proposal.tool,
            "class": self.proposal.class,
            "arguments": self.arguments,
            "facts": known,
            "rules": ruling.judgement.rules,
            "agent_says": self.reason,
            "agent": subject.agent,
            "on_behalf_of": subject.on_behalf_of,
            "action": self.proposal.action,
        });
        let shown = desk.seal("shown", &self.subject, &scope, &kernel::json::canonical(&page))?;
        let draft = ApprovalDraft {
            approval: ApprovalId::new(desk.now, kernel::clock::chance(&*desk.entropy)),
            timer: TimerId::new(desk.now, kernel::clock::chance(&*desk.entropy)),
            shown: shown.1.commitment,
        };
        let events = action::propose(&self.proposal, &ruling, &draft, desk.now);
        let (mut proposed, mut decided, mut shown) = (Some(self.payloads), Some(decided), Some(vec![shown]));
        let events = events
            .into_iter()
            .map(|event| {
                let named = match &event {
                    Event::ActionProposed { .. } => proposed.take(),
                    Event::ActionDecided(_) => decided.take(),
                    Event::ApprovalRequested { .. } => shown.take(),
                    _ => None,
                };
                (event, named.unwrap_or_default())
            })
            .collect();
        desk.write(&self.by, Some(&self.proposal.run), events)?;
        let action = found(desk.table(), &self.proposal.action)?;
        let first = if action.status == action::Status::Intended {
            First::Perform(Box::new(action))
        } else {
            First::Done(Box::new(action))
        };
        Ok((first, Some(verdict)))
    }
}

/// What an answer means for the record, with its payload.
pub(crate) fn record(
    desk: &Desk,
    answer: &Answer,
    subject: &str,
    scope: &str,
) -> Result<(Outcome, Named), Error> {
    let output = |output: &Output| desk.seal("output", subject, scope, &kernel::json::canonical(output));
    let cause = |cause: &str| desk.seal("cause", subject, scope, cause.as_bytes());
    Ok(match answer {
        Answer::Output(answer) if answer.is_error => {
            (Outcome::Failed(FailureClass::Refused), vec![output(answer)?])
        }
        Answer::Output(answer) => (Outcome::Confirmed, vec![output(answer)?]),
        Answer::Failed { class, cause: why, .. } => (Outcome::Failed(*class), vec![cause(why)?]),
        Answer::Unknown { cause: why } => (Outcome::Unknown(action::Cause::Cut), vec![cause(why)?]),
    })
}
