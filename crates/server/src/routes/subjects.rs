//! Subjects: whose payloads are held. Names travel in bodies, never in addresses, which end up in logs.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use kernel::digest::Digest;
use kernel::state::{Noun, Row, RowKey, Subject};

use crate::access::Right;
use crate::app::App;
use crate::body::Json;
use crate::caller::Caller;
use crate::problem::Fault;

/// Erases what was sealed for a subject; `dry_run` only counts.
#[utoipa::path(post, path = "/v1/subjects/erase", request_body = api::EraseSubject, responses((status = 200, body = api::Subject)))]
pub(crate) async fn erase_subject(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(wanted): Json<api::EraseSubject>,
) -> Result<Answer<api::Subject>, Fault> {
    caller.may(Right::Erase)?;
    let subject = app.engine.subject(&wanted.subject)?;
    let payloads = payloads(&app, subject).await?;
    let row = if wanted.dry_run {
        match app.row(RowKey::new(Noun::Subject, subject)).await?.as_deref() {
            Some(Row::Subject(row)) => row.clone(),
            _ => Subject::default(),
        }
    } else {
        app.engine.erase(subject, &wanted.reason, caller.actor()).await?
    };
    Ok(Answer(shown(subject, &row, payloads)))
}

/// Puts a legal hold on a subject, or ends it.
#[utoipa::path(post, path = "/v1/subjects/hold", request_body = api::HoldSubject, responses((status = 200, body = api::Subject)))]
pub(crate) async fn hold_subject(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(wanted): Json<api::HoldSubject>,
) -> Result<Answer<api::Subject>, Fault> {
    caller.may(Right::Erase)?;
    let subject = app.engine.subject(&wanted.subject)?;
    let row = app.engine.hold(subject, wanted.hold, &wanted.reason, caller.actor()).await?;
    Ok(Answer(shown(subject, &row, payloads(&app, subject).await?)))
}

async fn payloads(app: &Arc<App>, subject: Digest) -> Result<u64, Fault> {
    app.look(move |app| Ok(app.views.payloads_of(&subject)?.len() as u64)).await
}

fn shown(subject: Digest, row: &Subject, payloads: u64) -> api::Subject {
    api::Subject {
        subject: subject.to_string(),
        payloads,
        held: row.held,
        erased_at: row.erased_at.map(|at| at.0),
        keys_destroyed: row.keys.len() as u64,
    }
}
