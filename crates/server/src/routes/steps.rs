//! Steps: what a run did and need not do again.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use http::HeaderMap;
use kernel::digest::Digest;
use kernel::event::{Entry, Event};
use kernel::step::{Step, StepKind, StepOutcome};
use serde_json::Value;

use super::Paging;
use super::runs::attempt;
use crate::access::Right;
use crate::app::App;
use crate::body::{Asked, Json};
use crate::caller::Caller;
use crate::codes::Code;
use crate::problem::Fault;

/// Records steps of a run, all or none. One whose key is on record is answered from there: same kind and input, or
/// `step_mismatch`. The answer comes after they are on the disk.
#[utoipa::path(post, path = "/v1/runs/{run}/steps", request_body = api::RecordSteps, params(("run" = String, Path), ("Countersign-Attempt" = Option<u64>, Header, description = "Of the worker, where workers do the run")), responses((status = 200, body = api::RecordedSteps)))]
pub(crate) async fn record_steps(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<api::RecordSteps>,
) -> Result<Answer<api::RecordedSteps>, Fault> {
    caller.may(Right::Act)?;
    let run = id.parse().map_err(|_| Fault::not_found("run", &id))?;
    let steps = body.steps.into_iter().map(parse_step).collect::<Result<Vec<_>, _>>()?;
    let done = app.engine.record_steps(&run, caller.actor(), attempt(&headers)?, steps).await?;
    let steps = done.into_iter().map(|one| show_step(Some(one.key), &one.step, one.value, one.memo));
    Ok(Answer(api::RecordedSteps { steps: steps.collect() }))
}

/// Steps of a run, oldest first: what a worker that takes it up need not do again.
#[utoipa::path(get, path = "/v1/runs/{run}/steps", params(("run" = String, Path), ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = api::Page<api::Step>)))]
pub(crate) async fn list_steps(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<api::Page<api::Step>>, Fault> {
    caller.may(Right::See)?;
    let run = app.run_seen(&id, &caller).await?;
    let page = app
        .look(move |app| {
            let page = app.views.steps_of_run(&run.id, paging.after.as_deref(), paging.limit())?;
            let mut items = Vec::with_capacity(page.items.len());
            for item in page.items {
                items.extend(step_of_entry(app, &item.entry)?);
            }
            Ok(api::Page { items, next: page.next })
        })
        .await?;
    Ok(Answer(page))
}

/// The step that an entry records.
pub(crate) fn step_of_entry(app: &App, entry: &Entry) -> Result<Option<api::Step>, Fault> {
    let Event::StepRecorded { kind, input, outcome, .. } = entry.event else { return Ok(None) };
    let result = entry.commits.get("step").copied();
    let step = Step { kind, input, outcome, result, seq: entry.seq, at: entry.at };
    let (key, value) = app.engine.step_value(&step)?.unzip();
    Ok(Some(show_step(key, &step, value, false)))
}

pub(crate) fn parse_step(step: api::NewStep) -> Result<engine::NewStep, Fault> {
    let invalid = |detail: String, hint: &str| Fault::new(Code::RequestInvalid, detail, hint);
    let kind = StepKind::parse(&step.kind).ok_or_else(|| {
        invalid(format!("`{}` is no kind of step", step.kind), "`task`, `context`, `think` or `decide`")
    })?;
    let input = step.input_sha256.parse::<Digest>().map_err(|_| {
        invalid("`input_sha256` is no SHA-256".to_owned(), "give 64 hexadecimal digits, in lower case")
    })?;
    let (outcome, value) = match (step.result, step.error) {
        (result, None) => (StepOutcome::Done, result.unwrap_or(Value::Null)),
        (None, Some(error)) => (StepOutcome::Failed, error),
        (Some(_), Some(_)) => {
            return Err(invalid("a step has a result or an error, not both".to_owned(), "leave one out"));
        }
    };
    Ok(engine::NewStep { key: step.key, kind, input, outcome, value })
}

pub(crate) fn show_step(key: Option<String>, step: &Step, value: Option<Value>, memo: bool) -> api::Step {
    let (outcome, result, error) = match step.outcome {
        StepOutcome::Done => ("done", value, None),
        StepOutcome::Failed => ("failed", None, value),
    };
    api::Step {
        key,
        kind: step.kind.word().to_owned(),
        outcome: outcome.to_owned(),
        result,
        error,
        entry: step.seq,
        at: step.at.0,
        memo,
    }
}
