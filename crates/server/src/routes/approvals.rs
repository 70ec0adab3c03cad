//! The inbox: what waits for a person, and the answers.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use kernel::approval::{self, Approval};
use kernel::digest::Digest;
use kernel::id::PersonId;
use serde::Deserialize;
use views::ApprovalFilter;

use super::{Paging, filter};
use crate::access::Right;
use crate::app::App;
use crate::body::{Asked, Json};
use crate::caller::{Caller, Who};
use crate::codes::Code;
use crate::problem::Fault;
use crate::show;

#[derive(Debug, Deserialize)]
pub(crate) struct ApprovalsAsked {
    status: Option<String>,
    action: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Requests for a countersignature. Those that wait come by expiry, all others newest first.
#[utoipa::path(get, path = "/v1/approvals", params(("status" = Option<String>, Query), ("action" = Option<String>, Query), ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = api::Page<api::Approval>)))]
pub(crate) async fn list_approvals(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<ApprovalsAsked>,
) -> Result<Answer<api::Page<api::Approval>>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    let filter = ApprovalFilter {
        status: filter("status of an approval", asked.status)?,
        action: filter("action id", asked.action)?,
    };
    let paging = Paging { after: asked.after, limit: asked.limit };
    let page = app
        .look(move |app| {
            let page = app.views.approvals(&filter, paging.after.as_deref(), paging.limit())?;
            let shown = page.items.iter().map(|item| {
                show::approval(app, &item.approval, &item.about.action, &item.about.agent, false)
            });
            Ok(api::Page { items: shown.collect::<Result<_, _>>()?, next: page.next })
        })
        .await?;
    Ok(Answer(page))
}

/// A request for a countersignature, with the page that is decided on.
#[utoipa::path(get, path = "/v1/approvals/{approval}", params(("approval" = String, Path)), responses((status = 200, body = api::Approval)))]
pub(crate) async fn get_approval(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer<api::Approval>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    let approval = app.approval(&id).await?;
    shown(&app, &caller, approval).await
}

async fn shown(app: &Arc<App>, caller: &Caller, approval: Approval) -> Result<Answer<api::Approval>, Fault> {
    let you_may = match &caller.who {
        Who::Person(person, _) => Some(you_may(app, caller, person, &approval).await?),
        _ => None,
    };
    let (action, run) = app.action_seen(approval.action.as_str(), caller).await?;
    let shown = app.look(move |app| show::approval(app, &approval, &action, &run.agent, true)).await?;
    Ok(Answer(api::Approval { you_may, ..shown }))
}

async fn you_may(
    app: &Arc<App>,
    caller: &Caller,
    person: &PersonId,
    approval: &Approval,
) -> Result<api::YouMay, Fault> {
    if let Err(fault) = caller.may(Right::Answer) {
        return Ok(api::YouMay { answer: false, why: fault.detail });
    }
    if approval.status != approval::ApprovalStatus::Waiting {
        return Ok(api::YouMay { answer: false, why: format!("it was {} already", approval.status.word()) });
    }
    let may = app.engine.may_answer(&approval.id, person).await?;
    Ok(match may {
        Ok(()) => api::YouMay { answer: true, why: format!("as {person}") },
        Err(why) => api::YouMay { answer: false, why },
    })
}

/// Approves what was shown.
#[utoipa::path(post, path = "/v1/approvals/{approval}/approve", params(("approval" = String, Path)), request_body = api::ApproveRequest, responses((status = 200, body = api::Approval)))]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<api::ApproveRequest>,
) -> Result<Answer<api::Approval>, Fault> {
    caller.may(Right::Answer)?;
    let seen: Digest = request.seen.parse().map_err(|_| {
        Fault::new(Code::RequestInvalid, "`seen` is no digest", "send the `digest` of the page that was read")
    })?;
    answer(&app, &caller, &id, approval::Answer::Approve { seen }, None).await
}

/// Rejects it, with the reason.
#[utoipa::path(post, path = "/v1/approvals/{approval}/reject", params(("approval" = String, Path)), request_body = api::RejectRequest, responses((status = 200, body = api::Approval)))]
pub(crate) async fn reject(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<api::RejectRequest>,
) -> Result<Answer<api::Approval>, Fault> {
    caller.may(Right::Answer)?;
    answer(&app, &caller, &id, approval::Answer::Reject, Some(request.reason)).await
}

async fn answer(
    app: &Arc<App>,
    caller: &Caller,
    id: &str,
    answer: approval::Answer,
    reason: Option<String>,
) -> Result<Answer<api::Approval>, Fault> {
    let approval = app.approval(id).await?;
    app.engine.answer(&approval.id, caller.person()?, answer, reason).await?;
    let approval = app.approval(id).await?;
    shown(app, caller, approval).await
}
