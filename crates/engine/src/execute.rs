//! Decided again on current facts and bundle, then performed: row 6 of DESIGN §5.
//!
//! For approved actions, and for writes of which a look-up showed that they did not happen. What a person saw must
//! still hold: the tool as pinned, the facts within tolerance, the approvers in their roles.

use std::collections::{BTreeMap, BTreeSet};

use kernel::action::{Action, Again, Status};
use kernel::actor::Actor;
use kernel::approval::Approval;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::{ActionId, PersonId, Role};
use kernel::judge::{ApproverQuestion, Fact, FactFault, Judge, Verdict};
use kernel::state;
use kernel::timer::Purpose;
use serde_json::Value;

use crate::answer::allowed;
use crate::based_on::NotRead;
use crate::desk::{Desk, Named};
use crate::effect::log_failure;
use crate::engine::Engine;
use crate::error::Error;
use crate::facts::NoFacts;
use crate::first::registered;
use crate::ruling::{decided_payloads, found, rule, seal_facts, subject_of};

/// When facts cannot be had for a passing reason, an approved action is tried again after this.
const TRY_AGAIN: Millis = Millis(5_000);

impl Engine {
    /// Judges an approved action again and performs it.
    pub(crate) async fn execute(&self, id: ActionId) {
        // Boxed, because settling and executing may call each other.
        let try_execute = || -> std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send + '_>> {
            Box::pin(self.try_execute(&id))
        };
        if let Err(error) = self.until_kept(try_execute).await {
            log_failure(&id, &error);
        }
        self.notify(&id);
    }

    async fn try_execute(&self, id: &ActionId) -> Result<(), Error> {
        let Some(action) = self.action(id).await? else { return Ok(()) };
        if self.is_reconciling() || !matches!(action.status, Status::Approved | Status::Unknown) {
            return Ok(());
        }
        let judge = self.judge().ok_or(Error::Refused(kernel::refusal::Refusal::NoBundle))?;
        let (Some(arguments), Some(shown)) = (self.arguments_of(&action)?, self.shown_facts(&action)?) else {
            tracing::warn!(action = %id, "what it would be performed with was erased");
            return self.end_erased(id).await;
        };
        let timeout = judge.tools().get(&action.tool).map_or(Millis(0), |tool| tool.timeout);
        let subject = self.subject_of_call(&*judge, &action.tool, &arguments, &action.run);
        let _conflict = match action.conflict_key {
            Some(key) => Some(self.inner.conflicts.lock(key).await),
            None => None,
        };
        if let Some(holder) = self.holder(&action).await? {
            // An unknown on the same record comes first; this one is looked at again later.
            tracing::info!(action = %id, %holder, "waits for an unknown outcome on the same record");
            return self.try_again(&action).await;
        }
        let facts = match self.fetch_facts(&*judge, &action.tool, &arguments).await {
            Ok(facts) => Ok(facts),
            Err(NoFacts::Fault { name, fault }) => Err((name, fault)),
            Err(NoFacts::Transient { cause }) => {
                tracing::warn!(action = %id, %cause, "facts could not be had; the action is tried again");
                return self.try_again(&action).await;
            }
        };
        let moved = match self.moved_reads(&*judge, &action.based_on).await {
            Ok(Some(moved)) => moved,
            Ok(None) => return self.end_erased(id).await,
            Err(NotRead::Transient { cause }) => {
                tracing::warn!(action = %id, %cause, "what the agent relied on could not be read; tried again");
                return self.try_again(&action).await;
            }
            Err(NotRead::Failed(error)) => return Err(error),
        };
        let known = facts.as_deref().unwrap_or(&[]);
        let fact_payloads = seal_facts(self, known, &subject, action.run.as_str())?;
        let order = AgainOrder {
            id: id.clone(),
            arguments: arguments.clone(),
            facts,
            shown,
            moved,
            fact_payloads,
            subject,
        };
        let (action, verdict) = self.ask(move |desk| order.decide(desk)).await?;
        self.count(verdict);
        self.notify(id);
        if action.status == Status::Intended {
            self.perform(action, arguments, subject, timeout).await;
        }
        Ok(())
    }

    async fn holder(&self, action: &Action) -> Result<Option<ActionId>, Error> {
        let (key, id) = (action.conflict_key, action.id.clone());
        self.ask(move |desk| {
            Ok(key.and_then(|key| state::hold(desk.table(), &key)).filter(|holder| *holder != id))
        })
        .await
    }

    async fn try_again(&self, action: &Action) -> Result<(), Error> {
        let (id, run, status) = (action.id.clone(), action.run.clone(), action.status);
        self.ask(move |desk| {
            let purpose = match status {
                Status::Unknown => Purpose::LookUp { action: id },
                _ => Purpose::Retry { action: id },
            };
            let timer = desk.timer(TRY_AGAIN, purpose);
            desk.write(&Actor::Server, Some(&run), vec![(timer, vec![])])?;
            Ok(())
        })
        .await
    }

    async fn end_erased(&self, id: &ActionId) -> Result<(), Error> {
        let id = id.clone();
        self.ask(move |desk| {
            let action = found(desk.table(), &id)?;
            let approval = action.approval.as_ref().and_then(|id| state::approval(desk.table(), id));
            let events = action.erased(approval.as_ref())?.into_iter().map(|event| (event, vec![])).collect();
            desk.write(&Actor::Server, Some(&action.run), events)?;
            Ok(())
        })
        .await
    }

    /// The facts of the first decision: what a person was shown; `None` where one of them was erased. Without an
    /// approval nobody was shown anything.
    fn shown_facts(&self, action: &Action) -> Result<Option<Vec<Fact>>, Error> {
        if action.approval.is_none() {
            return Ok(Some(vec![]));
        }
        let mut shown = Vec::new();
        for (_, commitment) in &action.facts {
            let Some(bytes) = self.payload(commitment)? else { return Ok(None) };
            shown.push(serde_json::from_slice(&bytes).map_err(|error| Error::Payload(error.to_string()))?);
        }
        Ok(Some(shown))
    }
}

struct AgainOrder {
    id: ActionId,
    arguments: Value,
    facts: Result<Vec<Fact>, (String, FactFault)>,
    shown: Vec<Fact>,
    /// What the agent relied on and is not so any more, in words.
    moved: Vec<String>,
    fact_payloads: Named,
    subject: Digest,
}

impl AgainOrder {
    fn decide(self, desk: &mut Desk) -> Result<(Action, Verdict), Error> {
        let action = found(desk.table(), &self.id)?;
        let judge = desk.judge()?;
        let scope = action.run.to_string();
        let facts = self.facts.as_deref();
        let known = facts.unwrap_or(&[]);
        let (mut ruling, counters) = rule(desk, &*judge, &action.run, &action.tool, &self.arguments, facts)?;
        if action.attempts > 0 {
            // What the first intent reserved is still reserved: the action must not be counted against itself.
            ruling.counters.clear();
        }
        let moved: Vec<String> = self
            .shown
            .iter()
            .filter_map(|shown| match known.iter().find(|fact| fact.name == shown.name) {
                Some(current) => judge.moved(&action.tool, shown, current),
                None => Some(format!("{} was {} and is gone", shown.name, shown.shown)),
            })
            .chain(self.moved)
            .collect();
        let approval = action.approval.as_ref().and_then(|id| state::approval(desk.table(), id));
        let met = match (&approval, &ruling.judgement.obligations) {
            (Some(approval), Some(obligations)) => {
                let holders = holders(desk, &*judge, &action, approval)?;
                Approval::met_by(obligations, holders.iter())
            }
            // No gate left: nothing to meet. A gate and nobody who answered: not met.
            (_, None) => true,
            (None, Some(_)) => false,
        };
        let mut readable = self.arguments.clone();
        if let Some(approval) = &approval {
            kernel::redact::mask(&mut readable, &approval.obligations.redact);
        }
        let headline = judge.headline(&action.tool, &readable, known);
        let decided =
            decided_payloads(desk, &ruling, &counters, &headline, &self.subject, &scope, self.fact_payloads)?;
        let difference = (!moved.is_empty())
            .then(|| desk.seal("difference", &self.subject, &scope, moved.join("; ").as_bytes()))
            .transpose()?;
        let (tool, compensation) = registered(desk, &*judge, &action.tool, &self.subject, &scope)?;
        let events = action.begin(Again {
            compensation: tool,
            approval: approval.as_ref(),
            ruling: &ruling,
            moved: !moved.is_empty(),
            manifest: judge.tools().get(&action.tool).map(|tool| tool.manifest),
            met,
        })?;
        let (mut decided, mut difference) = (Some(decided), difference.map(|named| vec![named]));
        let mut compensation = Some(compensation);
        let events = events
            .into_iter()
            .map(|event| {
                let named = match &event {
                    Event::ActionDecided(_) => decided.take(),
                    Event::ActionRefused { .. } => difference.take(),
                    Event::ActionIntended { compensation: Some(_), .. } => compensation.take(),
                    _ => None,
                };
                (event, named.unwrap_or_default())
            })
            .collect();
        desk.write(&Actor::Server, Some(&action.run), events)?;
        Ok((found(desk.table(), &self.id)?, ruling.judgement.verdict))
    }
}

/// Those who approved and who, with the roles that they hold now, still may.
fn holders(
    desk: &Desk,
    judge: &dyn Judge,
    action: &Action,
    approval: &Approval,
) -> Result<BTreeMap<PersonId, BTreeSet<Role>>, Error> {
    let run = subject_of(desk.table(), &action.run)?;
    let mut holders = BTreeMap::new();
    for person in approval.given.keys() {
        let Some(roles) = state::person(desk.table(), person) else { continue };
        let question = ApproverQuestion {
            workspace: desk.workspace.clone(),
            person: person.clone(),
            roles: roles.clone(),
            action: action.id.clone(),
            tool: action.tool.clone(),
            run: run.clone(),
            obligations: approval.obligations.clone(),
        };
        if allowed(judge, &question, action).is_ok() {
            holders.insert(person.clone(), roles);
        }
    }
    Ok(holders)
}
