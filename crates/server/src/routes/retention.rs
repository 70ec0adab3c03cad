//! Retention: how long what runs hold is kept, what is due, and letting go of it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use kernel::retention::{Retention, STANDARD_DAYS};
use kernel::state::{Noun, Row};

use crate::access::Right;
use crate::app::App;
use crate::body::{Json, Nothing};
use crate::caller::Caller;
use crate::problem::Fault;

/// How long each agent's runs are kept, and what is due.
#[utoipa::path(get, path = "/v1/retention", responses((status = 200, body = api::Retention)))]
pub(crate) async fn get_retention(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Answer<api::Retention>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    let due = app.engine.retention_due().await?;
    let agents = app.look(agents).await?;
    Ok(Answer(api::Retention {
        standard_days: STANDARD_DAYS,
        agents,
        due: due.runs,
        held: due.held,
        unsettled: due.unsettled,
        threads: due.threads,
        waits: app.engine.stats().retention_waits,
    }))
}

/// Lets go of what is due now, also after a long absence.
#[utoipa::path(post, path = "/v1/retention/apply", responses((status = 200, body = api::LetGo)))]
pub(crate) async fn apply_retention(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<api::LetGo>, Fault> {
    caller.may(Right::Erase)?;
    let done = app.engine.apply_retention(caller.actor()).await?;
    Ok(Answer(api::LetGo {
        runs: done.due.runs,
        subjects: done.subjects,
        keys: done.keys,
        held: done.due.held,
        unsettled: done.due.unsettled,
        threads: done.due.threads,
    }))
}

/// Takes away whole segments whose runs are all past their retention; `dry_run` only counts.
#[utoipa::path(post, path = "/v1/retention/prune", request_body = api::Prune, responses((status = 200, body = api::Pruned)))]
pub(crate) async fn prune_journal(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(wanted): Json<api::Prune>,
) -> Result<Answer<api::Pruned>, Fault> {
    caller.may(Right::Erase)?;
    let went = app.prune(caller.actor(), wanted.dry_run).await?;
    Ok(Answer(api::Pruned { segments: went.segments, bytes: went.bytes, first_entry: went.entries }))
}

/// Agents of the workspace, and those that were and whose runs are still kept by a class of their own.
fn agents(app: &App) -> Result<Vec<api::AgentRetention>, Fault> {
    let mut all = std::collections::BTreeMap::new();
    for agent in app.views.agents()? {
        all.insert(agent.id.to_string(), Retention::default());
    }
    for (agent, row) in app.views.rows(Noun::Retention, "", views::LIMIT_MAX)? {
        if let Row::Retention(retention) = &*row {
            all.insert(agent, retention.clone());
        }
    }
    Ok(all
        .into_iter()
        .map(|(agent, Retention { class, days })| api::AgentRetention {
            agent,
            class: class.to_string(),
            days,
        })
        .collect())
}
