//! Alive, ready, metrics. Open to whoever reaches loopback; they say counts, never content.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use kernel::clock::Millis;
use serde_json::json;

use super::status::{degraded, warnings, watched};
use crate::app::App;
use crate::cosigning::Seen;
use crate::problem::Fault;

/// The process is alive; what is wrong is named.
pub(super) async fn healthz(State(app): State<Arc<App>>) -> Answer<serde_json::Value> {
    let degraded: Vec<String> =
        app.notes.iter().cloned().chain(degraded(&app)).chain(watched(&app)).collect();
    let policy = if app.bundle().is_some() { "in_force" } else { "none: every action is refused" };
    Answer(json!({
        "alive": true,
        "status": if degraded.is_empty() { "ok" } else { "degraded" },
        "degraded": degraded,
        "warnings": warnings(&app),
        "policy": policy,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// Whether new work is taken.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let degraded = degraded(&app);
    let status = if degraded.is_empty() && !app.stop.is_cancelled() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Answer(json!({ "ready": status == StatusCode::OK, "degraded": degraded }))).into_response()
}

/// Counts in the text form of Prometheus. All of them follow durable entries only.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Fault> {
    let (workers, held) = app.engine.workers().await?;
    let text = app
        .look(move |app| {
            let seen = app.views.overview(Millis(i64::MAX))?;
            let (stats, head, journal) = (app.engine.stats(), app.engine.head(), app.journal.health());
            let mut out = String::new();
            let mut put = |name: &str, kind: &str, help: &str, rows: Vec<(String, u64)>| {
                // Writing to a text does not fail.
                let _ = writeln!(out, "# HELP countersign_{name} {help}\n# TYPE countersign_{name} {kind}");
                for (labels, value) in rows {
                    let _ = writeln!(out, "countersign_{name}{labels} {value}");
                }
            };
            let one = |value: u64| vec![(String::new(), value)];
            let label = |name: &str, value: &str| format!("{{{name}=\"{value}\"}}");
            let decisions =
                stats.decisions.iter().map(|(verdict, n)| (label("verdict", verdict), *n)).collect();
            put("decisions_total", "counter", "Decisions since the start.", decisions);
            let actions = seen.actions.iter().map(|(status, n)| (label("status", status), *n)).collect();
            put("actions", "gauge", "Actions by status.", actions);
            put("approvals_waiting", "gauge", "Approvals that wait for a person.", one(seen.waiting));
            put(
                "outcomes_handed_over",
                "gauge",
                "Unknown outcomes that only a person can settle.",
                one(seen.handed_over),
            );
            put("under_way", "gauge", "Actions under way.", one(stats.under_way));
            put("workers", "gauge", "Connected workers.", one(workers as u64));
            put("runs_with_workers", "gauge", "Runs that workers have.", one(held as u64));
            put("entries", "gauge", "Durable entries.", one(head.durable));
            put(
                "views_behind",
                "gauge",
                "Entries that the views lack.",
                one(head.durable.saturating_sub(head.applied)),
            );
            put("journal_flushes_total", "counter", "Flushes since the start.", one(journal.flushes));
            put("journal_entries_total", "counter", "Entries written since the start.", one(journal.entries));
            put(
                "journal_batch_max",
                "gauge",
                "Entries in the largest batch since the start.",
                one(journal.batch_max),
            );
            put(
                "journal_flush_micros_last",
                "gauge",
                "How long the last write and flush took.",
                one(journal.flush_micros_last),
            );
            put("journal_bytes", "gauge", "Bytes of the journal on disk.", one(journal.bytes));
            let space = app.space.seen();
            put("data_bytes", "gauge", "Bytes of the data directory on disk.", one(space.used));
            let some = |value: Option<u64>| value.map_or_else(Vec::new, one);
            put("quota_bytes", "gauge", "Bytes that it may take.", some(app.space.quota));
            put("disk_free_bytes", "gauge", "Bytes free on its disk.", some(space.free));
            let low = space.free.is_some_and(|free| free < app.space.low);
            put("disk_low", "gauge", "1 while too little is free on the disk.", one(u64::from(low)));
            let stopped = u64::from(app.space.stop().is_some());
            put("intake_stopped", "gauge", "1 while no new work is taken for want of room.", one(stopped));
            let open = |state| u64::from(state != connectors::BreakerState::Closed);
            let breakers = app.connectors.health();
            let rows =
                breakers.iter().map(|one| (label("connector", one.name.as_str()), open(one.state))).collect();
            put("connector_open", "gauge", "1 while a connector rests after failures.", rows);
            let rows = breakers
                .iter()
                .map(|one| (label("connector", one.name.as_str()), one.in_flight as u64))
                .collect();
            put("connector_in_flight", "gauge", "Calls on their way.", rows);
            if let Some(cosigning) = &app.cosigning {
                let seen = cosigning.witnesses();
                let rows = |value: fn(&Seen) -> u64| {
                    seen.iter().map(|(name, seen)| (label("witness", name), value(seen))).collect()
                };
                put("witness_size", "gauge", "Entries that a witness cosigned last.", rows(|seen| seen.size));
                let failing = rows(|seen| u64::from(seen.failing.is_some()));
                put("witness_failing", "gauge", "1 while a witness does not cosign.", failing);
                let disputes = one(cosigning.disputes());
                put("log_disputes", "gauge", "Witnesses that hold another history of the log.", disputes);
            }
            Ok(out)
        })
        .await?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
