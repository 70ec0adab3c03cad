//! All routes. One file for each resource; what they share is in the middleware of `guard`.

mod actions; // propose, follow, explain, withdraw, resolve
mod approvals; // the inbox
mod bundle; // apply, files in force, rules, agents
mod connectors; // connectors and their test
mod docs; // OpenAPI and the pages of errors
mod entries; // entries of the log
mod events; // the live stream
mod evidence; // one action with its proof, in one file
mod health; // alive, ready, metrics
mod incidents; // what a person must look at
mod keys; // API keys
mod log; // the log as the world reads it
mod me; // who am I, login, logout, links
mod receipts; // that an entry is in the log
mod reconcile; // after a restore to a point in the past
mod retention; // how long runs are kept
mod runs; // runs
mod status; // the workspace in one answer
mod steps; // steps of a run
mod subjects; // erasing and legal holds
mod threads; // what programs keep between their steps
mod waits; // waits and signals

pub(crate) use {
    actions::*, approvals::*, bundle::*, connectors::*, entries::*, events::*, evidence::*, incidents::*,
    keys::*, log::*, me::*, receipts::*, reconcile::*, retention::*, runs::*, status::*, steps::*,
    subjects::*, threads::*, waits::*,
};

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::app::App;
use crate::codes::Code;
use crate::problem::Fault;
use crate::{assets, guard, mcp, work};

/// The whole server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let v1 = Router::new()
        .route("/me", get(me::get_me))
        .route("/sessions", post(me::open_session).delete(me::close_session))
        .route("/login-links", post(me::create_link))
        .route("/status", get(status::get_status))
        .route("/clock/accept", post(status::accept_clock))
        .route("/runs", post(runs::start_run).get(runs::list_runs))
        .route("/runs/{run}", get(runs::get_run))
        .route("/runs/{run}/finish", post(runs::finish_run))
        .route("/runs/{run}/pause", post(runs::pause_run))
        .route("/runs/{run}/resume", post(runs::resume_run))
        .route("/runs/{run}/waits", post(waits::open_wait))
        .route("/runs/{run}/signals", post(waits::send_signal))
        .route("/incidents", get(incidents::list_incidents))
        .route("/incidents/{incident}", get(incidents::get_incident))
        .route("/incidents/{incident}/acknowledge", post(incidents::acknowledge_incident))
        .route("/incidents/{incident}/resolve", post(incidents::resolve_incident))
        .route("/work", get(work::work))
        .route("/runs/{run}/steps", post(steps::record_steps).get(steps::list_steps))
        .route("/runs/{run}/actions", post(actions::propose).get(actions::list_run_actions))
        .route("/checkpoints", post(threads::save_checkpoint))
        .route("/checkpoints/writes", post(threads::write_checkpoint))
        .route("/checkpoints/get", post(threads::get_checkpoint_of_thread))
        .route("/checkpoints/list", post(threads::list_checkpoints))
        .route("/checkpoints/remove", post(threads::remove_checkpoints))
        .route("/threads/prune", post(threads::prune_threads))
        .route("/threads/copy", post(threads::copy_thread))
        .route("/threads/delete", post(threads::delete_thread))
        .route("/actions", get(actions::list_actions))
        .route("/actions/{action}", get(actions::get_action))
        .route("/actions/{action}/explain", get(actions::explain_action))
        .route("/actions/{action}/evidence", get(evidence::get_evidence))
        .route("/actions/{action}/withdraw", post(actions::withdraw_action))
        .route("/actions/{action}/resolve", post(actions::resolve_action))
        .route("/approvals", get(approvals::list_approvals))
        .route("/approvals/{approval}", get(approvals::get_approval))
        .route("/approvals/{approval}/approve", post(approvals::approve))
        .route("/approvals/{approval}/reject", post(approvals::reject))
        .route("/apply", post(bundle::apply))
        .route("/bundle", get(bundle::get_bundle))
        .route("/policies", get(bundle::list_policies))
        .route("/agents", get(bundle::list_agents))
        .route("/connectors", get(connectors::list_connectors))
        .route("/connectors/{connector}/test", post(connectors::test_connector))
        .route("/keys", post(keys::create_key).get(keys::list_keys))
        .route("/keys/{key}/revoke", post(keys::revoke_key))
        .route("/subjects/erase", post(subjects::erase_subject))
        .route("/subjects/hold", post(subjects::hold_subject))
        .route("/reconcile", post(reconcile::reconcile))
        .route("/retention", get(retention::get_retention))
        .route("/retention/prune", post(retention::prune_journal))
        .route("/retention/apply", post(retention::apply_retention))
        .route("/entries", get(entries::list_entries))
        .route("/entries/{entry}/receipt", get(receipts::get_receipt))
        .route("/events", get(events::follow_events));
    let mcp = mcp::router(&app);
    Router::new()
        .nest("/v1", v1)
        .route("/log/{workspace}/checkpoint", get(log::get_checkpoint))
        .route("/log/{workspace}/tile/{*name}", get(log::get_tile))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs/errors/{code}", get(docs::error_page))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .nest("/mcp", mcp)
        .fallback(assets::page)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

async fn method_not_allowed() -> Fault {
    Fault::new(Code::MethodNotAllowed, "this address does not take that method", "look at /openapi.json")
}

/// The page of a list: how many, and after what.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Paging {
    pub(crate) after: Option<String>,
    pub(crate) limit: Option<usize>,
}

impl Paging {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(50).clamp(1, views::LIMIT_MAX)
    }
}

/// A word of a filter.
pub(crate) fn filter<T: serde::de::DeserializeOwned>(
    what: &str,
    text: Option<String>,
) -> Result<Option<T>, Fault> {
    let Some(text) = text else { return Ok(None) };
    serde_json::from_value(serde_json::Value::String(text.clone())).map(Some).map_err(|_| {
        let text: String = text.chars().take(80).flat_map(char::escape_default).collect();
        Fault::new(Code::QueryInvalid, format!("`{text}` is no {what}"), "look at /openapi.json")
    })
}
