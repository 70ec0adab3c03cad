//! Taking back what was done: the compensation that was registered with the intent, proposed as an action of its own.
//!
//! The rules of the day judge it like any other action, a person may be asked, and it may fail. Only when it is confirmed is
//! the original `compensated`.

use kernel::action::{Action, Status};
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::FactRef;
use kernel::id::{ActionId, RunId};
use kernel::judge::{Compensation, FactFault};
use kernel::ports::Output;
use kernel::refusal::Refusal;
use kernel::state;
use serde::de::DeserializeOwned;

use crate::engine::Engine;
use crate::error::Error;
use crate::propose::Propose;

/// Actions that one request takes back.
const REVERSED_AT_ONCE: usize = 100;

/// A wish to take effects back.
#[derive(Clone, Debug)]
pub struct Reverse {
    /// Who wishes it.
    pub by: Actor,
    /// Why, in their own words.
    pub reason: Option<String>,
    /// Their key: the same one gives the same compensating action.
    pub idempotency: String,
    /// How long to wait for the outcome.
    pub wait: Millis,
}

impl Engine {
    /// Takes back the effect of one action. Returns the compensating action, as [`Engine::propose`] does.
    pub async fn reverse(&self, id: &ActionId, reverse: Reverse) -> Result<Action, Error> {
        let (key, by) = (id.clone(), reverse.by.clone());
        let original = self
            .ask(move |desk| {
                let not_found = || Refusal::NotFound { what: "action", id: key.to_string() };
                let action = state::action(desk.table(), &key).ok_or_else(not_found)?;
                let run = state::run(desk.table(), &action.run).ok_or_else(not_found)?;
                if state::owns(&by, &run) { Ok(action) } else { Err(not_found().into()) }
            })
            .await?;
        let no = |why: &str| Refusal::NotReversible { action: id.clone(), why: why.to_owned() };
        let Some(registered) = original.compensation else {
            // In the same words as the owner would.
            original.may_be_reversed(None)?;
            return Err(no("no way of taking it back was declared when it was performed").into());
        };
        let judge = self.judge().ok_or(Error::Refused(Refusal::NoBundle))?;
        let erased = || no("what it was performed with was erased");
        let registered: Compensation = self.opened(&registered)?.ok_or_else(erased)?;
        let arguments = self.arguments_of(&original)?.ok_or_else(erased)?;
        let mut facts = Vec::new();
        for (_, commitment) in &original.facts as &[(FactRef, Digest)] {
            facts.push(self.opened(commitment)?.ok_or_else(erased)?);
        }
        let output: Output = match &original.output {
            Some(output) => self.opened(output)?.ok_or_else(erased)?,
            None => Output { content: vec![], structured: None, is_error: false },
        };
        let worked_out = judge.compensate(&registered, &arguments, &facts, &output);
        let arguments = worked_out.map_err(|fault| match fault {
            FactFault::Absent => no("its answer lacks what the arguments of the compensation are made of"),
            FactFault::Invalid => no("the arguments of the compensation cannot be worked out"),
        })?;
        let propose = Propose {
            run: original.run.clone(),
            by: reverse.by,
            attempt: None,
            tool: registered.tool.to_string(),
            arguments,
            reason: reverse.reason,
            idempotency: Some(reverse.idempotency),
            based_on: vec![],
            repeat: false,
            wait: reverse.wait,
        };
        self.propose_for(propose, Some(original.id)).await
    }

    /// Takes back what these actions of a run did, the last effect first. Each waits until the one before is taken back:
    /// what came later may rest on what came earlier. Returns those that were begun; the last of them may be waiting for
    /// a person, or have failed. The same request goes on from there.
    pub async fn reverse_all(
        &self,
        run: &RunId,
        ids: &[ActionId],
        reverse: Reverse,
    ) -> Result<Vec<Action>, Error> {
        let (run, wanted) = (run.clone(), ids.to_vec());
        let mut found = self
            .ask(move |desk| {
                let rows = wanted.iter().filter_map(|id| state::action(desk.table(), id));
                let happened = rows.filter(|action| {
                    let open = matches!(action.status, Status::Confirmed) && action.compensation.is_some();
                    action.run == run && open && action.reverses.is_none()
                });
                Ok(happened.collect::<Vec<_>>())
            })
            .await?;
        if found.len() > REVERSED_AT_ONCE {
            let text = format!("at most {REVERSED_AT_ONCE} actions are taken back by one request");
            return Err(Refusal::Invalid(text).into());
        }
        found.sort_by_key(|action| std::cmp::Reverse(action.confirmed_seq));
        let mut begun = Vec::new();
        for action in found {
            let one =
                Reverse { idempotency: format!("{}/{}", reverse.idempotency, action.id), ..reverse.clone() };
            let done = self.reverse(&action.id, one).await?;
            let confirmed = done.status == Status::Confirmed;
            begun.push(done);
            if !confirmed {
                break;
            }
        }
        Ok(begun)
    }

    fn opened<T: DeserializeOwned>(&self, commitment: &Digest) -> Result<Option<T>, Error> {
        let Some(bytes) = self.payload(commitment)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Payload(error.to_string()))
    }
}
