//! The log itself: entries, and the signed checkpoint.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::Deserialize;

use crate::access::Right;
use crate::app::App;
use crate::body::Asked;
use crate::caller::Caller;
use crate::problem::Fault;

#[derive(Debug, Deserialize)]
pub(crate) struct EntriesAsked {
    from: Option<u64>,
    limit: Option<usize>,
}

/// Entries in order, from a position on. They hold no payloads.
#[utoipa::path(get, path = "/v1/entries", params(("from" = Option<u64>, Query), ("limit" = Option<usize>, Query)), responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn list_entries(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(asked): Asked<EntriesAsked>,
) -> Result<Answer<Vec<kernel::event::Entry>>, Fault> {
    caller.may(Right::Audit)?;
    let limit = asked.limit.unwrap_or(100).clamp(1, views::LIMIT_MAX);
    let entries = app.look(move |app| Ok(app.views.entries(asked.from.unwrap_or(0), limit)?)).await?;
    Ok(Answer(entries.into_iter().map(|item| item.entry).collect()))
}

/// The last signed checkpoint of the workspace's log, as a C2SP signed note; where there are witnesses, the last one that
/// enough of them cosigned.
#[utoipa::path(get, path = "/log/{workspace}/checkpoint", params(("workspace" = String, Path)), responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn get_checkpoint(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(workspace): Path<String>,
) -> Result<Response, Fault> {
    caller.may(Right::Audit)?;
    let not_found = || Fault::not_found("log", &workspace);
    if workspace != app.workspace.as_str() {
        return Err(not_found());
    }
    let note = app.checkpoint().ok_or_else(not_found)?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
}
