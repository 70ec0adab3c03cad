//! Letting writes go on after a restore to a point in the past.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;

use crate::access::Right;
use crate::app::App;
use crate::body::Json;
use crate::caller::Caller;
use crate::problem::Fault;

/// Says that somebody compared the connected systems with the restored journal: requests that were open at that point are
/// withdrawn, calls under way there are settled, and writes go on. Without a restore it does nothing.
#[utoipa::path(post, path = "/v1/reconcile", request_body = api::Reconcile, responses((status = 200, body = api::Reconciled)))]
pub(crate) async fn reconcile(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<api::Reconcile>,
) -> Result<Answer<api::Reconciled>, Fault> {
    caller.may(Right::Publish)?;
    let done = app.engine.reconcile(&body.reason, caller.actor()).await?;
    Ok(Answer(api::Reconciled { withdrawn: done.withdrawn as u64, open: done.open as u64 }))
}
