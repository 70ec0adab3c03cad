//! Runs.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use kernel::id::AgentId;
use kernel::run::RunOutcome;
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
        })
        .await?;
    Ok((StatusCode::CREATED, Answer(show::run_started(&app, &run)?)))
}

#[derive(Debug, Deserialize)]
pub(crate) struct RunsAsked {
    agent: Option<String>,
    status: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Runs, newest first. Agents see their own.
#[utoipa::path(get, path = "/v1/runs", params(("agent" = Option<String>, Query), ("status" = Option<String>, Query, description = "`open`, `done`, `failed`, `cancelled`"), ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = api::Page<api::Run>)))]
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
    let paging = Paging { after: asked.after, limit: asked.limit };
    let page = app
        .look(move |app| {
            let page =
                app.views.runs(&RunFilter { agent, status }, paging.after.as_deref(), paging.limit())?;
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
            show::run(app, &item)
        })
        .await?;
    Ok(Answer(shown))
}

/// Ends a run.
#[utoipa::path(post, path = "/v1/runs/{run}/finish", params(("run" = String, Path)), request_body = api::FinishRun, responses((status = 200, body = api::Run)))]
pub(crate) async fn finish_run(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(finish): Json<api::FinishRun>,
) -> Result<Answer<api::Run>, Fault> {
    caller.may(Right::Act)?;
    let run = app.run_seen(&id, &caller).await?;
    let outcome = match finish.outcome.as_str() {
        "done" => RunOutcome::Done,
        "failed" => RunOutcome::Failed,
        "cancelled" => RunOutcome::Cancelled,
        _ => {
            return Err(Fault::new(
                Code::RequestInvalid,
                "this is no outcome of a run",
                "`done`, `failed` or `cancelled`",
            ));
        }
    };
    let run = app.engine.finish_run(&run.id, outcome, caller.actor()).await?;
    Ok(Answer(show::run_started(&app, &run)?))
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
