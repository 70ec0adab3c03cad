//! `countersign bench`: durable decisions a second, beside what the disk can do in the same minutes.
//!
//! A server of its own, as a child process on a temporary directory of the same disk, asked over loopback by one
//! keep-alive client with N requests in flight. Several figures, because a decision, a call and a step are different things:
//! `refused` (decided `never`: one flush, no call), `read` (autonomous: one call to an echo in this process, one flush),
//! `step` (one step of a run recorded) and `steps` (sixteen in one request).
//! A disk probe runs before and after each measurement: flushes vary by the minute, so the ratio is the claim.

mod echo; // a tool that answers at once
mod journal; // the journal alone
mod load; // N requests in flight
mod server; // the child and its workspace

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tempfile::TempDir;

use crate::cli::{Bench, BenchPart, Global};
use crate::output::{Out, table};

/// Flushes of one probe.
const PROBE_FLUSHES: u64 = 300;

/// What the disk can do.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Probe {
    /// One after the other.
    pub(super) flushes_per_s: f64,
    /// Median of one.
    pub(super) p50_us: u64,
    /// Slow one.
    pub(super) p99_us: u64,
}

/// Appends and flushes in `dir`, one after the other.
pub(super) fn probe(dir: &Path, flushes: u64) -> Result<Probe> {
    // The journal's own segments grow with each write.
    let rate = ::journal::probe(dir, flushes)?.growing;
    Ok(Probe { flushes_per_s: rate.flushes_per_second, p50_us: rate.p50_micros, p99_us: rate.p99_micros })
}

/// One line of the result.
#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    in_flight: u16,
    done: u64,
    errors: u64,
    seconds: f64,
    per_s: f64,
    p50_us: u64,
    p99_us: u64,
    probe_before: Probe,
    probe_after: Probe,
    p50_by_flush: f64,
    /// Processor time of the server for one of them, where the system tells.
    server_cpu_us: Option<u64>,
}

pub(super) fn run(global: &Global, args: &Bench, out: &Out) -> Result<()> {
    if let Some(BenchPart::Journal(args)) = &args.part {
        return journal::run(global, args, out);
    }
    let dir = place(global, args.dir.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let rows = runtime.block_on(measure(dir.path(), args, out))?;
    if out.json {
        return out.value(&serde_json::json!({"method": METHOD, "rows": rows}));
    }
    out.line(METHOD)?;
    out.line("")?;
    out.line(table(
        [
            "kind",
            "in flight",
            "done/s",
            "p50 us",
            "p99 us",
            "errors",
            "flush p50 us",
            "p50 / flush",
            "server cpu us",
        ],
        rows.iter().map(|row| {
            [
                row.kind.to_owned(),
                row.in_flight.to_string(),
                format!("{:.0}", row.per_s),
                row.p50_us.to_string(),
                row.p99_us.to_string(),
                row.errors.to_string(),
                format!("{} {}", row.probe_before.p50_us, row.probe_after.p50_us),
                format!("{:.2}", row.p50_by_flush),
                row.server_cpu_us.map_or_else(|| "-".to_owned(), |cpu| cpu.to_string()),
            ]
        }),
    ))
}

/// A directory on the disk that is measured; goes when it goes.
fn place(global: &Global, dir: Option<&Path>) -> Result<TempDir> {
    let beside = || global.data.ancestors().skip(1).find(|dir| dir.is_dir());
    let place = dir.or_else(beside).unwrap_or(Path::new("."));
    Ok(tempfile::Builder::new().prefix("countersign-bench-").tempdir_in(place)?)
}

const METHOD: &str = "\
Method: server as a child process, recorder on, every acknowledged decision flushed; this process is client and
echo tool on the same machine; keep-alive HTTP over loopback, one action a request, closed loop with N in flight.
Disk probe of 300 flushes before and after each line, on the same disk. kind `refused`: decided never, no call.
kind `read`: autonomous, one call to the echo. kind `step`: one step recorded; `steps`: sixteen in one request, each counted.
Server cpu: its processor time, user and system, for one of them.";

async fn measure(dir: &Path, args: &Bench, out: &Out) -> Result<Vec<Row>> {
    let echo = echo::start().await?;
    let server = server::start(dir, echo).await?;
    let mut rows = vec![];
    for &in_flight in &args.in_flight {
        for (kind, ask) in [
            ("refused", load::Ask::Propose("echo.forbidden")),
            ("read", load::Ask::Propose("echo.ping")),
            ("step", load::Ask::Record(1)),
            ("steps", load::Ask::Record(16)),
        ] {
            if !out.json {
                out.error(&out.dim(&format!("measuring {kind}, {in_flight} in flight")));
            }
            let before = probe(dir, PROBE_FLUSHES)?;
            let span = Duration::from_secs(args.seconds.into());
            let result = load::run(&server, ask, in_flight.max(1), span).await?;
            let after = probe(dir, PROBE_FLUSHES)?;
            rows.push(row(kind, in_flight, &result, before, after));
        }
    }
    Ok(rows)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn row(kind: &'static str, in_flight: u16, load: &load::Load, before: Probe, after: Probe) -> Row {
    let flush = (before.p50_us + after.p50_us) as f64 / 2.0;
    Row {
        kind,
        in_flight,
        done: load.done,
        errors: load.errors,
        seconds: load.seconds,
        per_s: load.done as f64 / load.seconds,
        p50_us: load.p50_us,
        p99_us: load.p99_us,
        p50_by_flush: load.p50_us as f64 / flush.max(1.0),
        server_cpu_us: load
            .server_cpu
            .and_then(|cpu| u64::try_from(cpu.as_micros() / u128::from(load.done.max(1))).ok()),
        probe_before: before,
        probe_after: after,
    }
}
