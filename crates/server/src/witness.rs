//! A witness of our own, over HTTP (c2sp.org/tlog-witness): carries bytes between the network and `witness::Service`,
//! which decides and remembers.
//!
//! It shares nothing with a server but code: another process, another directory, best another machine.

use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::witness::{Files, Service, SigningKey};
use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tlog::{Policy, REQUEST_BYTES_MAX};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{SystemClock, SystemEntropy};
use crate::config::PATIENCE;
use crate::listen;

/// Requests under way at once: each waits for the disk, one after the other.
const REQUESTS_MAX: usize = 64;
/// How long the body of a request may take.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// How long the end waits for what is under way.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// What a witness is started with.
#[derive(Clone, Debug)]
pub struct WitnessConfig {
    /// Its directory; made if it does not exist.
    pub data: PathBuf,
    /// File of its signing key.
    pub key_file: PathBuf,
    /// Name of a new key, where the file does not exist.
    pub name: Option<String>,
    /// The logs that it follows.
    pub policy: Policy,
    /// Address to listen on.
    pub listen: SocketAddr,
}

/// A running witness. Dropping it is like a crash.
#[derive(Debug)]
pub struct RunningWitness {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What others verify its cosignatures with.
    pub verifier_key: String,
    stop: CancellationToken,
    tracker: TaskTracker,
}

struct Desk {
    service: Service,
    requests: Semaphore,
}

/// Runs a witness until it is told to stop (SIGINT, SIGTERM).
pub async fn serve_witness(config: WitnessConfig) -> Result<()> {
    let running = RunningWitness::start(config).await?;
    tracing::info!(url = %format!("http://{}", running.addr), verifier_key = %running.verifier_key, "ready");
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = term.recv() => {}
    }
    running.shutdown().await;
    Ok(())
}

impl RunningWitness {
    /// Starts: reads what was seen, listens.
    pub async fn start(config: WitnessConfig) -> Result<Self> {
        if config.policy.logs().is_empty() {
            bail!("a witness follows logs, and none is named: give --log VKEY or a policy with `log` lines");
        }
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("`{}` cannot be listened on", config.listen))?;
        let addr = listener.local_addr()?;
        let service = tokio::task::spawn_blocking(move || -> Result<Service> {
            let key = key(&config.key_file, config.name.as_deref())?;
            let (memory, seen) = Files::open(&config.data)?;
            Ok(Service::new(&config.policy, Box::new(memory), &seen, key, Box::new(SystemClock::new())))
        })
        .await??;
        let verifier_key = service.verifier_key();
        let desk = Arc::new(Desk { service, requests: Semaphore::new(REQUESTS_MAX) });
        let router = Router::new()
            .route("/add-checkpoint", post(add_checkpoint))
            .route("/", get(who))
            .route("/healthz", get(health))
            .with_state(desk);
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        tracker.spawn(listen::listen(listener, router, PATIENCE, stop.clone(), tracker.clone()));
        Ok(Self { addr, verifier_key, stop, tracker })
    }

    /// Stops: what is under way may finish.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tracker.close();
        drop(tokio::time::timeout(CLOSE_PATIENCE, self.tracker.wait()).await);
    }
}

/// Reads the signing key, or makes one where there is none and a name is given.
fn key(path: &Path, name: Option<&str>) -> Result<SigningKey> {
    let shown = path.display();
    match std::fs::read_to_string(path) {
        Ok(text) => SigningKey::parse(&text).with_context(|| format!("`{shown}` is not a witness' key")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let Some(name) = name else {
                bail!("there is no key in `{shown}`: give --name NAME once, and one is made there");
            };
            let key = SigningKey::make(name, &SystemEntropy)?;
            write_new(path, key.encode().as_bytes())
                .with_context(|| format!("`{shown}` cannot be written"))?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("`{shown}` cannot be read")),
    }
}

/// A new file for its user only, on the disk when this returns.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(parent)?.sync_all()
}

fn text(status: StatusCode, body: &'static str) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

async fn add_checkpoint(State(desk): State<Arc<Desk>>, body: Body) -> Response {
    let Ok(_permit) = desk.requests.try_acquire() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way\n");
    };
    let bytes = match tokio::time::timeout(BODY_PATIENCE, to_bytes(body, REQUEST_BYTES_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return text(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large or broke off\n"),
        Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the request took too long\n"),
    };
    let worker = desk.clone();
    let Ok(answer) = tokio::task::spawn_blocking(move || worker.service.add(&bytes)).await else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be carried out\n");
    };
    if let Some(cause) = desk.service.broken() {
        tracing::error!(%cause, "nothing is signed any more: start the witness again");
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    tracing::debug!(%status, "add-checkpoint");
    (status, [(CONTENT_TYPE, answer.content_type)], answer.body).into_response()
}

/// The verifier key, for whoever writes a policy. To be compared with what the witness' operator says.
async fn who(State(desk): State<Arc<Desk>>) -> Response {
    (StatusCode::OK, [(CONTENT_TYPE, "text/plain; charset=utf-8")], desk.service.verifier_key() + "\n")
        .into_response()
}

async fn health(State(desk): State<Arc<Desk>>) -> Response {
    match desk.service.broken() {
        None => text(StatusCode::OK, "ok\n"),
        Some(_) => text(StatusCode::SERVICE_UNAVAILABLE, "what was seen could not be kept: start it again\n"),
    }
}
