//! Actions: propose, follow, explain, withdraw, resolve.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use kernel::action::{Action, Status};
use kernel::clock::Millis;
use kernel::id::{AgentId, RunId};
use kernel::state::{Noun, Row, RowKey};
use serde::Deserialize;
use views::ActionFilter;

use super::runs::{attempt, idempotency_key, key_missing};
use super::{Paging, filter};
use crate::access::Right;
use crate::app::App;
use crate::body::{Asked, Json, Nothing};
use crate::caller::Caller;
use crate::problem::Fault;
use crate::show;

/// The longest that an answer is held back.
const WAIT_MAX: u64 = 60_000;
/// How long a proposal waits for its outcome unless told otherwise.
pub(crate) const WAIT: u64 = 30_000;

pub(crate) fn wait(asked: Option<u64>, default: u64) -> Millis {
    Millis(asked.unwrap_or(default).min(WAIT_MAX).cast_signed())
}

/// Proposes one use of a tool.
#[utoipa::path(post, path = "/v1/runs/{run}/actions", params(("run" = String, Path), ("Idempotency-Key" = String, Header), ("Countersign-Attempt" = Option<u64>, Header, description = "Of the worker, where workers do the run")), request_body = api::ProposeAction, responses((status = 200, description = "Settled", body = api::Action), (status = 202, description = "Waiting for a person, or under way", body = api::Action)))]
pub(crate) async fn propose(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(run): Path<String>,
    headers: HeaderMap,
    Json(wanted): Json<api::ProposeAction>,
) -> Result<(StatusCode, Answer<api::Action>), Fault> {
    caller.may(Right::Act)?;
    let key = idempotency_key(&headers)?.ok_or_else(key_missing)?;
    let run: RunId = run.parse().map_err(|_| Fault::not_found("run", &run))?;
    let agent = match caller.agent() {
        Some(agent) => agent.clone(),
        None => agent_of(&app, &run).await?,
    };
    let action = app
        .engine
        .propose(engine::Propose {
            run,
            by: caller.actor(),
            attempt: attempt(&headers)?,
            tool: wanted.tool,
            arguments: if wanted.arguments.is_null() { serde_json::json!({}) } else { wanted.arguments },
            reason: wanted.reason,
            idempotency: Some(key),
            repeat: false,
            wait: wait(wanted.wait_ms, WAIT),
        })
        .await?;
    answer(&app, action, agent).await
}

pub(crate) async fn agent_of(app: &Arc<App>, run: &RunId) -> Result<AgentId, Fault> {
    match app.row(RowKey::new(Noun::Run, run)).await?.as_deref() {
        Some(Row::Run(run)) => Ok(run.agent.clone()),
        _ => Err(Fault::not_found("run", run.as_str())),
    }
}

/// 200 when nothing more will happen, 202 while something may.
async fn answer(
    app: &Arc<App>,
    action: Action,
    agent: AgentId,
) -> Result<(StatusCode, Answer<api::Action>), Fault> {
    let status = if action.status.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Answer(show::action_now(app, action, agent).await?)))
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ActionsAsked {
    run: Option<String>,
    status: Option<String>,
    tool: Option<String>,
    verdict: Option<String>,
    agent: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Actions, newest first. Agents see their own.
#[utoipa::path(get, path = "/v1/actions", params(("run" = Option<String>, Query), ("status" = Option<String>, Query), ("tool" = Option<String>, Query), ("verdict" = Option<String>, Query), ("agent" = Option<String>, Query), ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = api::Page<api::Action>)))]
pub(crate) async fn list_actions(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ActionsAsked>,
) -> Result<Answer<api::Page<api::Action>>, Fault> {
    caller.may(Right::See)?;
    let agent = match caller.agent() {
        Some(own) => Some(own.clone()),
        None => filter("agent", asked.agent)?,
    };
    let filter = ActionFilter {
        run: filter("run id", asked.run)?,
        status: filter::<Status>("status of an action", asked.status)?,
        tool: filter("tool", asked.tool)?,
        verdict: filter("verdict", asked.verdict)?,
        agent,
    };
    list(&app, filter, Paging { after: asked.after, limit: asked.limit }).await
}

/// Actions of one run, newest first.
#[utoipa::path(get, path = "/v1/runs/{run}/actions", params(("run" = String, Path), ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = api::Page<api::Action>)))]
pub(crate) async fn list_run_actions(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<api::Page<api::Action>>, Fault> {
    caller.may(Right::See)?;
    let run = app.run_seen(&id, &caller).await?;
    list(&app, ActionFilter { run: Some(run.id), ..ActionFilter::default() }, paging).await
}

async fn list(
    app: &Arc<App>,
    filter: ActionFilter,
    paging: Paging,
) -> Result<Answer<api::Page<api::Action>>, Fault> {
    let page = app
        .look(move |app| {
            let page = app.views.actions(&filter, paging.after.as_deref(), paging.limit())?;
            let shown = page.items.iter().map(|item| show::action(app, &item.action, &item.agent, false));
            Ok(api::Page { items: shown.collect::<Result<_, _>>()?, next: page.next })
        })
        .await?;
    Ok(Answer(page))
}

#[derive(Debug, Deserialize)]
pub(crate) struct WaitAsked {
    wait_ms: Option<u64>,
}

/// An action, at once or when it is settled.
#[utoipa::path(get, path = "/v1/actions/{action}", params(("action" = String, Path), ("wait_ms" = Option<u64>, Query)), responses((status = 200, body = api::Action), (status = 202, body = api::Action)))]
pub(crate) async fn get_action(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(asked): Asked<WaitAsked>,
) -> Result<(StatusCode, Answer<api::Action>), Fault> {
    caller.may(Right::See)?;
    let (action, run) = app.action_seen(&id, &caller).await?;
    let action = app.engine.follow_action(&action.id, &caller.actor(), wait(asked.wait_ms, 0)).await?;
    answer(&app, action, run.agent).await
}

/// The whole decision.
#[utoipa::path(get, path = "/v1/actions/{action}/explain", params(("action" = String, Path)), responses((status = 200, body = api::Explanation)))]
pub(crate) async fn explain_action(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer<api::Explanation>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    let (action, _) = app.action_seen(&id, &caller).await?;
    Ok(Answer(app.look(move |app| show::explain(app, &action.id)).await?))
}

/// Takes a waiting proposal back.
#[utoipa::path(post, path = "/v1/actions/{action}/withdraw", params(("action" = String, Path)), responses((status = 200, body = api::Action)))]
pub(crate) async fn withdraw_action(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<api::Action>, Fault> {
    caller.may(Right::Act)?;
    let (action, run) = app.action_seen(&id, &caller).await?;
    let action = app.engine.withdraw(&action.id, caller.actor()).await?;
    Ok(Answer(show::action_now(&app, action, run.agent).await?))
}

/// A person settles an unknown outcome after looking.
#[utoipa::path(post, path = "/v1/actions/{action}/resolve", params(("action" = String, Path)), request_body = api::ResolveAction, responses((status = 200, body = api::Action)))]
pub(crate) async fn resolve_action(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(resolve): Json<api::ResolveAction>,
) -> Result<Answer<api::Action>, Fault> {
    caller.may(Right::Resolve)?;
    let (action, run) = app.action_seen(&id, &caller).await?;
    let action = app.engine.resolve(&action.id, caller.person()?, resolve.applied, resolve.reason).await?;
    Ok(Answer(show::action_now(&app, action, run.agent).await?))
}
