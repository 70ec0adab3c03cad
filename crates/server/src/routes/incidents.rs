//! Incidents: what a person must look at.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use engine::Handle;
use kernel::id::IncidentId;
use kernel::incident::IncidentStatus;
use serde::Deserialize;
use views::IncidentFilter;

use super::{Paging, filter};
use crate::access::Right;
use crate::app::App;
use crate::body::{Asked, Json};
use crate::caller::Caller;
use crate::problem::Fault;
use crate::show;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct IncidentsAsked {
    agent: Option<String>,
    status: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Incidents, newest first.
#[utoipa::path(get, path = "/v1/incidents", params(("agent" = Option<String>, Query), ("status" = Option<String>, Query, description = "`open`, `acknowledged`, `resolved`"), ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = api::Page<api::Incident>)))]
pub(crate) async fn list_incidents(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<IncidentsAsked>,
) -> Result<Answer<api::Page<api::Incident>>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    let filter = IncidentFilter {
        agent: filter("agent", asked.agent)?,
        status: filter::<IncidentStatus>("status of an incident", asked.status)?,
    };
    let paging = Paging { after: asked.after, limit: asked.limit };
    let page = app
        .look(move |app| {
            let page = app.views.incidents(&filter, paging.after.as_deref(), paging.limit())?;
            let items = page.items.iter().map(|item| show::incident(app, item)).collect::<Result<_, _>>()?;
            Ok(api::Page { items, next: page.next })
        })
        .await?;
    Ok(Answer(page))
}

/// An incident.
#[utoipa::path(get, path = "/v1/incidents/{incident}", params(("incident" = String, Path)), responses((status = 200, body = api::Incident)))]
pub(crate) async fn get_incident(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer<api::Incident>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    let key = incident_id(&id)?;
    let shown = app
        .look(move |app| {
            let incident = app.views.incident(&key)?.ok_or_else(|| Fault::not_found("incident", &id))?;
            show::incident(app, &incident)
        })
        .await?;
    Ok(Answer(shown))
}

fn incident_id(id: &str) -> Result<IncidentId, Fault> {
    id.parse().map_err(|_| Fault::not_found("incident", id))
}

/// Takes an incident.
#[utoipa::path(post, path = "/v1/incidents/{incident}/acknowledge", params(("incident" = String, Path)), request_body = api::Reasoned, responses((status = 200, body = api::Incident)))]
pub(crate) async fn acknowledge_incident(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(asked): Json<api::Reasoned>,
) -> Result<Answer<api::Incident>, Fault> {
    handle(&app, &caller, &id, Handle::Acknowledge, asked).await
}

/// Says that an incident is over: what it held up goes on.
#[utoipa::path(post, path = "/v1/incidents/{incident}/resolve", params(("incident" = String, Path)), request_body = api::Reasoned, responses((status = 200, body = api::Incident)))]
pub(crate) async fn resolve_incident(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(asked): Json<api::Reasoned>,
) -> Result<Answer<api::Incident>, Fault> {
    handle(&app, &caller, &id, Handle::Resolve, asked).await
}

async fn handle(
    app: &Arc<App>,
    caller: &Caller,
    id: &str,
    handle: Handle,
    asked: api::Reasoned,
) -> Result<Answer<api::Incident>, Fault> {
    caller.may(Right::Steer)?;
    let id = incident_id(id)?;
    let incident = app.engine.handle_incident(&id, handle, caller.actor(), asked.reason).await?;
    let shown = app.look(move |app| show::incident(app, &incident)).await?;
    Ok(Answer(shown))
}
