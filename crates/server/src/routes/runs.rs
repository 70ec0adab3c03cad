//! Runs.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use kernel::clock::Millis;
use kernel::id::{AgentId, RunId};
use kernel::run::{Phase, RunOutcome};
use serde::Deserialize;
use views::{RunFilter, RunStatus};

use super::{Paging, filter};
use crate::access::Right;
use crate::app::App;
use crate::body::{Asked, Json};
use crate::caller::Caller;
use crate::codes::Code;
use crate::problem::Fault;
use crate::show;

/// Starts a run.
#[utoipa::path(post, path = "/v1/runs", request_body = api::StartRun, params(("Idempotency-Key" = Option<String>, Header, description = "Needed where no conversation is named")), responses((status = 201, body = api::Run)))]
pub(crate) async fn start_run(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(start): Json<api::StartRun>,
) -> Result<(StatusCode, Answer<api::Run>), Fault> {
    caller.may(Right::Act)?;
    let idempotency = idempotency_key(&headers)?;
    if idempotency.is_none() && start.conversation.is_none() {
        return Err(key_missing());
    }
    let named = start.agent.as_deref().map(str::parse::<AgentId>).transpose()?;
    let agent = match (caller.agent(), named) {
        (Some(own), Some(named)) if *own != named => {
            return Err(Fault::new(
                Code::Forbidden,
                format!("the agent `{own}` may not start runs of others"),
                "leave `agent` out, or use that agent's key",
            ));
        }
        (Some(own), _) => own.clone(),
        (None, Some(named)) => named,
        (None, None) => {
            return Err(Fault::new(Code::RequestInvalid, "the request names no `agent`", "name the agent"));
        }
    };
    let run = app
        .engine
        .start_run(engine::StartRun {
            agent,
            by: caller.actor(),
            title: start.title,
            on_behalf_of: start.on_behalf_of.as_deref().map(str::parse).transpose()?,
            conversation: start.conversation,
            idempotency,
            task: start.task.as_deref().map(str::parse).transpose()?,
            input: start.input,
            priority: start.priority,
            deadline: start.deadline.map(Millis),
            parent: start.parent.as_deref().map(run_id).transpose()?,
        })
        .await?;
    Ok((StatusCode::CREATED, Answer(show::run_started(&app, &run)?)))
}

pub(crate) fn run_id(text: &str) -> Result<RunId, Fault> {
    text.parse().map_err(|_| Fault::not_found("run", text))
}

#[derive(Debug, Deserialize)]
pub(crate) struct RunsAsked {
    agent: Option<String>,
    status: Option<String>,
    phase: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Runs, newest first. Agents see their own.
#[utoipa::path(get, path = "/v1/runs", params(("agent" = Option<String>, Query), ("status" = Option<String>, Query, description = "`open`, `done`, `failed`, `cancelled`"), ("phase" = Option<String>, Query, description = "Of open runs: `attached`, `ready`, `working`, `waiting`, `paused`, `parked`, `retrying`"), ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = api::Page<api::Run>)))]
pub(crate) async fn list_runs(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<RunsAsked>,
) -> Result<Answer<api::Page<api::Run>>, Fault> {
    caller.may(Right::See)?;
    let agent = match caller.agent() {
        Some(own) => Some(own.clone()),
        None => filter("agent", asked.agent)?,
    };
    let status = match asked.status {
        Some(word) => Some(RunStatus::parse(&word).ok_or_else(|| {
            Fault::new(
                Code::QueryInvalid,
                "this is no status of a run",
                "`open`, `done`, `failed` or `cancelled`",
            )
        })?),
        None => None,
    };
    let phase = match asked.phase {
        Some(word) => Some(Phase::parse(&word).ok_or_else(|| {
            let phases = Phase::ALL.map(Phase::word).join(", ");
            Fault::new(Code::QueryInvalid, "this is no phase of a run", phases)
        })?),
        None => None,
    };
    let paging = Paging { after: asked.after, limit: asked.limit };
    let page = app
        .look(move |app| {
            let filter = RunFilter { agent, status, phase };
            let page = app.views.runs(&filter, paging.after.as_deref(), paging.limit())?;
            let items = page.items.iter().map(|item| show::run(app, item)).collect::<Result<_, _>>()?;
            Ok(api::Page { items, next: page.next })
        })
        .await?;
    Ok(Answer(page))
}

/// A run.
#[utoipa::path(get, path = "/v1/runs/{run}", params(("run" = String, Path)), responses((status = 200, body = api::Run)))]
pub(crate) async fn get_run(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer<api::Run>, Fault> {
    caller.may(Right::See)?;
    let run = app.run_seen(&id, &caller).await?;
    let shown = app
        .look(move |app| {
            let item = app.views.run(&run.id)?.ok_or_else(|| Fault::not_found("run", run.id.as_str()))?;
            show::run_whole(app, &item)
        })
        .await?;
    Ok(Answer(shown))
}

/// Ends a run. People cancel runs; a run that workers do is ended otherwise by the worker that has it.
#[utoipa::path(post, path = "/v1/runs/{run}/finish", params(("run" = String, Path), ("Countersign-Attempt" = Option<u64>, Header, description = "Of the worker, where workers do the run")), request_body = api::FinishRun, responses((status = 200, body = api::Run)))]
pub(crate) async fn finish_run(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(finish): Json<api::FinishRun>,
) -> Result<Answer<api::Run>, Fault> {
    let outcome = outcome(&finish.outcome)?;
    caller.may(if outcome == RunOutcome::Cancelled && caller.agent().is_none() {
        Right::Steer
    } else {
        Right::Act
    })?;
    let run = app.run_seen(&id, &caller).await?;
    let finish = engine::FinishRun {
        run: run.id,
        by: caller.actor(),
        attempt: attempt(&headers)?,
        outcome,
        result: finish.result,
        error: finish.error,
    };
    let run = app.engine.finish_run(finish).await?;
    Ok(Answer(show::run_started(&app, &run)?))
}

pub(crate) fn outcome(word: &str) -> Result<RunOutcome, Fault> {
    match word {
        "done" => Ok(RunOutcome::Done),
        "failed" => Ok(RunOutcome::Failed),
        "cancelled" => Ok(RunOutcome::Cancelled),
        _ => Err(Fault::new(
            Code::RequestInvalid,
            "this is no outcome of a run",
            "`done`, `failed` or `cancelled`",
        )),
    }
}

/// Holds a run: no worker gets it, and it takes no new steps and actions. What is under way is recorded.
#[utoipa::path(post, path = "/v1/runs/{run}/pause", params(("run" = String, Path)), request_body = api::Reasoned, responses((status = 200, body = api::Run)))]
pub(crate) async fn pause_run(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(asked): Json<api::Reasoned>,
) -> Result<Answer<api::Run>, Fault> {
    caller.may(Right::Steer)?;
    let run = app.run_seen(&id, &caller).await?;
    let run = app.engine.pause_run(&run.id, caller.actor(), asked.reason).await?;
    Ok(Answer(show::run_started(&app, &run)?))
}

/// Lets a run go on.
#[utoipa::path(post, path = "/v1/runs/{run}/resume", params(("run" = String, Path)), request_body = api::Reasoned, responses((status = 200, body = api::Run)))]
pub(crate) async fn resume_run(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(asked): Json<api::Reasoned>,
) -> Result<Answer<api::Run>, Fault> {
    caller.may(Right::Steer)?;
    let run = app.run_seen(&id, &caller).await?;
    let run = app.engine.resume_run(&run.id, caller.actor(), asked.reason).await?;
    Ok(Answer(show::run_started(&app, &run)?))
}

/// The attempt under which a worker writes on a run.
pub(super) fn attempt(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get("countersign-attempt") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| {
        Fault::new(
            Code::RequestInvalid,
            "the header `countersign-attempt` is no number",
            "send the attempt under which the run was given to this worker, or leave it out",
        )
    })
}

/// The header `Idempotency-Key`.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.trim().is_empty() => Ok(Some(key.to_owned())),
        _ => Err(Fault::new(
            Code::RequestInvalid,
            "the idempotency key is empty or not plain text",
            "send 1 to 256 visible ASCII characters",
        )),
    }
}

pub(super) fn key_missing() -> Fault {
    Fault::new(
        Code::IdempotencyKeyMissing,
        "the request has no idempotency key, so it could not be repeated safely",
        "send the header `Idempotency-Key` with a text of your own for this request; repeat with the same",
    )
}
