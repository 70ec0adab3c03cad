//! A receipt: that an entry is in the log.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use kernel::event::Event;
use kernel::id::ActionId;

use crate::access::Right;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Fault;
use crate::show;

/// The receipt (C2SP tlog-proof) of an entry, by its position or by an action: then of the entry that decided it last.
/// The entry is its extra data.
#[utoipa::path(get, path = "/v1/entries/{entry}/receipt", params(("entry" = String, Path, description = "Position in the log, or `act_…`")), responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn get_receipt(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(entry): Path<String>,
) -> Result<Response, Fault> {
    caller.may(Right::Audit)?;
    let text = app
        .look(move |app| {
            let not_found = || Fault::not_found("entry", &entry);
            let item = if let Ok(seq) = entry.parse::<u64>() {
                app.views.entry(seq)?
            } else {
                let action: ActionId = entry.parse().map_err(|_| not_found())?;
                let entries = app.views.entries_of_action(&action)?;
                entries.into_iter().rfind(|item| matches!(item.entry.event, Event::ActionDecided(_)))
            };
            show::receipt(app, &item.ok_or_else(not_found)?)
        })
        .await?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
