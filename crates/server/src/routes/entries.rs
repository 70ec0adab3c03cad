//! The entries of the log, one after the other.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
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
