//! The workspace folder: applying one, reading what is in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;

use crate::access::Right;
use crate::app::App;
use crate::body::Folder;
use crate::caller::Caller;
use crate::codes::Code;
use crate::problem::Fault;

/// Checks a workspace folder, and brings it into force.
#[utoipa::path(post, path = "/v1/apply", request_body = api::Apply, responses((status = 200, body = api::Plan)))]
pub(crate) async fn apply(
    State(app): State<Arc<App>>,
    caller: Caller,
    Folder(wanted): Folder<api::Apply>,
) -> Result<Answer<api::Plan>, Fault> {
    caller.may(Right::Publish)?;
    Ok(Answer(crate::apply::apply(&app, &caller, wanted).await?))
}

fn in_force(app: &App) -> Result<Arc<policy::Bundle>, Fault> {
    app.bundle()
        .ok_or_else(|| Fault::new(Code::NoBundle, "no policy is in force", "run `countersign apply DIR`"))
}

/// The files in force.
#[utoipa::path(get, path = "/v1/bundle", responses((status = 200, body = BTreeMap<String, String>)))]
pub(crate) async fn get_bundle(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Answer<BTreeMap<String, String>>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    Ok(Answer(in_force(&app)?.files().clone()))
}

/// The rules in force.
#[utoipa::path(get, path = "/v1/policies", responses((status = 200, body = Vec<api::Rule>)))]
pub(crate) async fn list_policies(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Answer<Vec<api::Rule>>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    Ok(Answer(app.bundle().map(|bundle| crate::bundle::rules(&bundle)).unwrap_or_default()))
}

/// The agents.
#[utoipa::path(get, path = "/v1/agents", responses((status = 200, body = Vec<api::Agent>)))]
pub(crate) async fn list_agents(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Answer<Vec<api::Agent>>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    Ok(Answer(app.bundle().map(|bundle| crate::bundle::agents(&bundle)).unwrap_or_default()))
}
