//! N requests in flight: each task sends the next one when its answer is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::json;

use super::server::Server;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// An action with this tool.
    Propose(&'static str),
    /// So many steps in one request.
    Record(u64),
}

impl Ask {
    fn name(self) -> String {
        match self {
            Self::Propose(tool) => tool.to_owned(),
            Self::Record(steps) => format!("steps-{steps}"),
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Propose(_) => "actions",
            Self::Record(_) => "steps",
        }
    }

    fn body(self, n: u64) -> String {
        match self {
            Self::Propose(tool) => json!({"tool": tool, "arguments": {"n": n}}).to_string(),
            Self::Record(steps) => {
                let step = |at: u64| {
                    let key = format!("step-{}", n * steps + at);
                    json!({"key": key, "kind": "task", "input_sha256": EMPTY, "result": {"n": n}})
                };
                json!({"steps": (0..steps).map(step).collect::<Vec<_>>()}).to_string()
            }
        }
    }

    fn items(self) -> u64 {
        match self {
            Self::Propose(_) => 1,
            Self::Record(steps) => steps,
        }
    }
}

/// SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What came of it.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) done: u64,
    pub(super) errors: u64,
    pub(super) seconds: f64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    /// Processor time of the server.
    pub(super) server_cpu: Option<Duration>,
}

/// Asks with `in_flight` requests at a time for `span`.
pub(super) async fn run(server: &Server, ask: Ask, in_flight: u16, span: Duration) -> Result<Load> {
    let http =
        reqwest::Client::builder().no_proxy().tcp_nodelay(true).timeout(Duration::from_secs(30)).build()?;
    let errors = Arc::new(AtomicU64::new(0));
    let begin = moment();
    let cpu = server.cpu();
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..in_flight {
        let run = start_run(&http, server, &format!("{}-{in_flight}", ask.name()), lane).await?;
        let lane = Lane {
            http: http.clone(),
            url: format!("{}/v1/runs/{run}/{}", server.url, ask.path()),
            bearer: format!("Bearer {}", server.agent_key),
            ask,
            name: format!("{}-{in_flight}-{lane}", ask.name()),
            errors: Arc::clone(&errors),
        };
        tasks.spawn(lane.drive(begin, span));
    }
    let mut times = vec![];
    while let Some(done) = tasks.join_next().await {
        times.extend(done.context("a lane of the load broke off")?);
    }
    if times.is_empty() {
        bail!("no request was answered");
    }
    let seconds = begin.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    Ok(Load {
        done: times.len() as u64 * ask.items(),
        server_cpu: cpu.zip(server.cpu()).map(|(before, after)| after.saturating_sub(before)),
        errors: errors.load(Ordering::Relaxed),
        seconds,
        p50_us: at(50),
        p99_us: at(99),
    })
}

#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock; nothing here is replayed")]
pub(super) fn moment() -> Instant {
    Instant::now()
}

async fn start_run(http: &reqwest::Client, server: &Server, name: &str, lane: u16) -> Result<String> {
    let answer = http
        .post(format!("{}/v1/runs", server.url))
        .header(AUTHORIZATION, format!("Bearer {}", server.agent_key))
        .header("idempotency-key", format!("bench-{name}-{lane}"))
        .json(&api::StartRun::default())
        .send()
        .await?
        .error_for_status()?;
    Ok(answer.json::<api::Run>().await?.id)
}

struct Lane {
    http: reqwest::Client,
    url: String,
    bearer: String,
    ask: Ask,
    name: String,
    errors: Arc<AtomicU64>,
}

impl Lane {
    async fn drive(self, begin: Instant, span: Duration) -> Vec<u64> {
        let mut times = vec![];
        let mut n = 0_u64;
        while begin.elapsed() < span {
            n += 1;
            let sent = moment();
            let answer = self
                .http
                .post(&self.url)
                .header(AUTHORIZATION, &self.bearer)
                .header(CONTENT_TYPE, "application/json")
                .header("idempotency-key", format!("{}-{n}", self.name))
                .body(self.ask.body(n))
                .send()
                .await;
            // The body is part of the answer: read it before the clock stops.
            let ok = match answer {
                Ok(answer) => answer.status().is_success() && answer.bytes().await.is_ok(),
                Err(_) => false,
            };
            if ok {
                times.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
            } else {
                self.errors.fetch_add(1, Ordering::Relaxed);
            }
        }
        times
    }
}
