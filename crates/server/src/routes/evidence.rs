//! Evidence: one action with its proof, in one file.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use crate::access::Right;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Fault;
use crate::show;

/// An action with its entries, proofs, bundle and payloads, to be checked without the server (docs/format.md, "Evidence").
#[utoipa::path(get, path = "/v1/actions/{action}/evidence", params(("action" = String, Path)), responses((status = 200, body = Object)))]
pub(crate) async fn get_evidence(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    caller.may(Right::SeeWorkspace)?;
    caller.may(Right::Audit)?;
    let (action, _) = app.action_seen(&id, &caller).await?;
    let pack = app.look(move |app| show::evidence(app, &action.id)).await?;
    Ok(([(CONTENT_TYPE, "application/json")], pack).into_response())
}
