//! Recording steps: what a run did and need not do again.

use std::collections::BTreeSet;

use kernel::actor::Actor;
use kernel::digest::Digest;
use kernel::id::RunId;
use kernel::refusal::Refusal;
use kernel::run::Run;
use kernel::state::{self, Noun, Row, RowKey};
use kernel::step::{Step, StepCall, StepKind, StepOutcome};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::error::Error;

/// The longest key of a step.
pub(crate) const STEP_KEY_BYTES_MAX: usize = 200;
/// Steps in one request.
pub const STEPS_MAX: usize = 256;

/// A step that a worker did.
#[derive(Clone, Debug)]
pub struct NewStep {
    /// Its key: the same in every run of the program, another one for every step.
    pub key: String,
    /// What it does.
    pub kind: StepKind,
    /// SHA-256 of its input, as the worker computes it.
    pub input: Digest,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Its result, or its error.
    pub value: Value,
}

/// A step as it is on record.
#[derive(Clone, Debug)]
pub struct RecordedStep {
    /// Its key.
    pub key: String,
    /// What is on record.
    pub step: Step,
    /// Its result or error, which may be those of an earlier time; `None` where they were erased.
    pub value: Option<Value>,
    /// It had been recorded before: what the worker brought now was dropped.
    pub memo: bool,
}

impl Engine {
    /// Records steps, all or none. One that is on record already is answered from there, if it is the same. `attempt`: that
    /// of the worker, where workers do the run.
    pub async fn record_steps(
        &self,
        run: &RunId,
        by: Actor,
        attempt: Option<u64>,
        steps: Vec<NewStep>,
    ) -> Result<Vec<RecordedStep>, Error> {
        self.check_open()?;
        self.check_intake()?;
        check(&steps)?;
        let payloads = &self.inner.payloads;
        let subject = payloads.subject(run.as_str());
        let mut asked = Vec::with_capacity(steps.len());
        for step in &steps {
            let call = StepCall {
                key: self.step_key(run, &step.key),
                kind: step.kind,
                input: payloads
                    .pseudonym("countersign/step-input/v1", &[run.as_str().as_bytes(), &step.input.0]),
            };
            let content = match step.outcome {
                StepOutcome::Done => json!({ "key": step.key, "result": step.value }),
                StepOutcome::Failed => json!({ "key": step.key, "error": step.value }),
            };
            let bytes = kernel::json::canonical(&content);
            let sealed = payloads.seal(&subject, run.as_str(), &bytes).map_err(Error::Payload)?;
            asked.push((call, step.outcome, sealed));
        }
        let id = run.clone();
        let rows = self
            .ask(move |desk| {
                let may = |row: &Run| state::owns(&by, row).then(|| row.fenced(attempt));
                let may = state::with_run(desk.table(), &id, may).flatten();
                may.ok_or_else(|| Refusal::NotFound { what: "run", id: id.to_string() })??;
                let mut known = BTreeSet::new();
                for (call, _, _) in &asked {
                    let key = RowKey::new(Noun::Step, Step::row_id(&id, &call.key));
                    match desk.table().get(&key).as_deref() {
                        Some(Row::Step(step)) => {
                            step.answers(call)?;
                            known.insert(call.key);
                        }
                        Some(Row::Wait(_)) => {
                            return Err(Refusal::StepMismatch { what: "kind", kind: "wait" }.into());
                        }
                        _ => {}
                    }
                }
                let calls: Vec<Digest> = asked.iter().map(|(call, _, _)| call.key).collect();
                let events: Vec<_> = asked
                    .into_iter()
                    .filter(|(call, _, _)| !known.contains(&call.key))
                    .map(|(call, outcome, sealed)| {
                        (call.record(&id, outcome), vec![("step".to_owned(), sealed)])
                    })
                    .collect();
                if !events.is_empty() {
                    desk.write(&by, Some(&id), events)?;
                }
                let rows = calls.into_iter().filter_map(|key| {
                    let step = state::step(desk.table(), &Step::row_id(&id, &key))?;
                    Some((step, known.contains(&key)))
                });
                Ok(rows.collect::<Vec<_>>())
            })
            .await?;
        rows.into_iter()
            .zip(steps)
            .map(|((step, memo), asked)| {
                let value =
                    if memo { self.step_value(&step)?.map(|(_, value)| value) } else { Some(asked.value) };
                Ok(RecordedStep { key: asked.key, step, value, memo })
            })
            .collect()
    }

    /// What stands in entries for the key of a step.
    pub(crate) fn step_key(&self, run: &RunId, key: &str) -> Digest {
        let parts = [run.as_str().as_bytes(), key.as_bytes()];
        self.inner.payloads.pseudonym("countersign/step/v1", &parts)
    }

    /// Key and value of a step on record; `None` where they were erased.
    pub fn step_value(&self, step: &Step) -> Result<Option<(String, Value)>, Error> {
        let Some(commitment) = step.result else { return Ok(None) };
        let Some(bytes) = self.inner.payloads.open(&commitment).map_err(Error::Payload)? else {
            return Ok(None);
        };
        let unreadable = || Error::Payload("a step's payload is not what this program writes".to_owned());
        let mut content: Value = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
        let name = match step.outcome {
            StepOutcome::Done => "result",
            StepOutcome::Failed => "error",
        };
        let value = content.get_mut(name).map(Value::take).ok_or_else(unreadable)?;
        let key = content["key"].as_str().ok_or_else(unreadable)?.to_owned();
        Ok(Some((key, value)))
    }
}

fn check(steps: &[NewStep]) -> Result<(), Error> {
    let invalid = |what: String| Err(Error::Refused(Refusal::Invalid(what)));
    if steps.is_empty() || steps.len() > STEPS_MAX {
        return invalid(format!("a request has 1 to {STEPS_MAX} steps"));
    }
    let mut keys = BTreeSet::new();
    for step in steps {
        if step.key.is_empty() || step.key.len() > STEP_KEY_BYTES_MAX {
            return invalid(format!("the key of a step has 1 to {STEP_KEY_BYTES_MAX} bytes"));
        }
        if !keys.insert(&step.key) {
            return invalid(format!("the key `{}` stands in this request twice", step.key));
        }
    }
    Ok(())
}
