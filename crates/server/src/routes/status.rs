//! The workspace in one answer: the console's Home.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use kernel::clock::Millis;
use kernel::judge::Judge as _;

use crate::access::Right;
use crate::app::App;
use crate::body::{Json, Nothing};
use crate::caller::Caller;
use crate::problem::Fault;
use crate::show;

/// What counts as today: the last 24 hours.
const DAY: Millis = Millis(24 * 60 * 60 * 1_000);

/// The state of the workspace.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = api::Status)))]
pub(crate) async fn get_status(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Answer<api::Status>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    let now = app.clock.now().wall;
    let status = app
        .look(move |app| {
            let seen = app.views.overview(Millis(now.0.saturating_sub(DAY.0)))?;
            let head = app.engine.head();
            let note = app.journal.checkpoint(app.log);
            Ok(api::Status {
                workspace: app.workspace.to_string(),
                setup: setup(app)?,
                bundle: app.bundle().map(|bundle| bundle.bundle().to_string()),
                refuses_all: refuses_all(app).is_some(),
                verifier_key: app.verifier_key.clone(),
                entries: head.durable,
                views_behind: head.durable.saturating_sub(head.applied),
                checkpoint_size: note.as_deref().and_then(show::checkpoint_size).unwrap_or(0),
                actions: seen.actions,
                verdicts_today: seen.verdicts,
                waiting: seen.waiting,
                oldest_waiting_at: seen.oldest_waiting_at.map(|at| at.0),
                next_expiry_at: seen.next_expiry_at.map(|at| at.0),
                handed_over: seen.handed_over,
                space: space(app),
                attention: attention(app, seen.handed_over),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                now: now.0,
            })
        })
        .await?;
    Ok(Answer(status))
}

fn space(app: &App) -> api::Space {
    let seen = app.space.seen();
    api::Space { used: seen.used, quota: app.space.quota, free: seen.free }
}

fn setup(app: &App) -> Result<bool, Fault> {
    let key = kernel::state::RowKey::new(kernel::state::Noun::Workspace, "");
    Ok(match app.views.row(&key)?.as_deref() {
        Some(kernel::state::Row::Workspace(workspace)) => workspace.setup,
        _ => true,
    })
}

/// What somebody should look at.
fn attention(app: &App, handed_over: u64) -> Vec<String> {
    let mut out = app.notes.clone();
    out.extend(degraded(app));
    out.extend(warnings(app));
    out.extend(watched(app));
    out.extend(refuses_all(app));
    if handed_over > 0 {
        out.push(format!("{handed_over} actions have an outcome that only a person can settle."));
    }
    for health in app.connectors.health() {
        if health.state != connectors::BreakerState::Closed {
            let why =
                health.last_error.map(|error| format!(": {}", api::visible(&error))).unwrap_or_default();
            out.push(format!("The connector {} rests after several failures{why}.", health.name));
        }
    }
    out
}

/// Why every action is refused, where that is so: deny by default must not look like a server that works.
pub(crate) fn refuses_all(app: &App) -> Option<String> {
    match app.bundle() {
        None => Some("No policy is in force: every action is refused. Run `countersign apply DIR`.".to_owned()),
        Some(bundle) if crate::bundle::permits_nothing(&bundle) => Some(
            "The policy in force permits nothing: every action is refused. Write a rule with `permit` under policies/ \
             and run `countersign apply DIR`."
                .to_owned(),
        ),
        Some(_) => None,
    }
}

/// What the witnesses say. It stops no work.
pub(crate) fn watched(app: &App) -> Vec<String> {
    app.cosigning.as_ref().map(|cosigning| cosigning.attention()).unwrap_or_default()
}

/// Why the server is not as it should be.
pub(crate) fn degraded(app: &App) -> Vec<String> {
    let stats = app.engine.stats();
    let health = app.journal.health();
    let mut out = vec![];
    if let Some(cause) = stats.journal_failed.or(health.poisoned) {
        out.push(format!("The journal failed and nothing more is decided: {cause}"));
    }
    if let Some(why) = app.space.stop() {
        out.push(format!("No new work is taken: {why}. To go on: {}.", why.hint()));
    }
    if app.engine.is_reconciling() {
        out.push(
            "The journal was restored to a point in its past. Writes are paused: compare the connected systems with it, \
             then run `countersign reconcile --reason TEXT`."
                .to_owned(),
        );
    }
    if health.disk_full {
        out.push(
            "The disk is full: nothing is decided until there is room. What waits stays; reading goes on."
                .to_owned(),
        );
    }
    if let Some(cause) = health.checkpoint_failed {
        out.push(format!("The last checkpoint could not be written: {cause}"));
    }
    if let Some(cause) = stats.views_failed {
        out.push(format!(
            "The lists cannot follow the journal: {cause}. It is tried again; if it stays, stop the server and run \
             `countersign rebuild`."
        ));
    }
    if stats.clock_off != 0 {
        out.push(format!(
            "The clock jumped and is off by {} ms; no approval expires. Set it right, or say that it is right with \
             `countersign doctor --accept-clock`.",
            stats.clock_off
        ));
    }
    out
}

/// What somebody should look at although all work is taken.
pub(crate) fn warnings(app: &App) -> Vec<String> {
    let mut out = app.space.warnings();
    if app.engine.stats().retention_waits {
        out.push(
            "The server was away for long. If its clock is right, let go of what is past its retention with \
             `countersign retention apply`."
                .to_owned(),
        );
    }
    out
}

/// Says that a clock which jumped is right: expiries go on. Recorded; without a jump it does nothing.
#[utoipa::path(post, path = "/v1/clock/accept", responses((status = 200, body = api::Status)))]
pub(crate) async fn accept_clock(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<api::Status>, Fault> {
    caller.may(Right::Publish)?;
    app.engine.accept_clock(caller.actor()).await?;
    get_status(State(app), caller).await
}
