//! MCP at `/mcp`, and pages for operators beside it: health, ledger, records, what changed, reset.
//!
//! MCP is served without sessions and with plain JSON answers, so one call is one request and one answer, and a proxy
//! in front can cut any of them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request as HttpRequest, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::crm::{Crm, Request, UNAVAILABLE};
use crate::guard;
use crate::mcp::Server;
use crate::shop::Table;

pub use crate::guard::Guard;

/// Largest request body.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Serves until `stop` ends, then finishes what is under way.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}

/// All addresses of the system. `POST /reset` is there only if it was allowed.
pub fn router(crm: Arc<Crm>, guard: Guard, allow_reset: bool) -> Router {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_BYTES_MAX)
        .with_allowed_hosts(guard.hosts().to_vec());
    let server = Arc::clone(&crm);
    let mcp = StreamableHttpService::new(
        move || Ok(Server::behind_http(Arc::clone(&server))),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let mcp = Router::new()
        .route_service("/mcp", mcp)
        .layer(middleware::from_fn_with_state(Arc::clone(&crm), unavailable));
    let mut pages = Router::new()
        .route("/healthz", get(health))
        .route("/ledger", get(ledger))
        .route("/state/orders/{id}", get(order))
        .route("/state/users/{id}", get(user))
        .route("/state/changed", get(changed));
    if allow_reset {
        pages = pages.route("/reset", post(reset));
    }
    pages
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(crm)
        .merge(mcp)
        .layer(middleware::from_fn_with_state(guard, guard::guarded))
}

async fn health(State(crm): State<Arc<Crm>>) -> Response {
    Json(crm.health()).into_response()
}

async fn ledger(State(crm): State<Arc<Crm>>) -> Response {
    blocking(move || match crm.ledger() {
        Ok(lines) => ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    })
    .await
}

async fn order(State(crm): State<Arc<Crm>>, Path(id): Path<String>) -> Response {
    record(&crm, Table::Orders, &id)
}

async fn user(State(crm): State<Arc<Crm>>, Path(id): Path<String>) -> Response {
    record(&crm, Table::Users, &id)
}

fn record(crm: &Crm, table: Table, id: &str) -> Response {
    match crm.record(table, id) {
        Some(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such record").into_response(),
    }
}

async fn changed(State(crm): State<Arc<Crm>>) -> Response {
    blocking(move || Json(crm.changed()).into_response()).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    /// How many writes are answered with 503 afterwards.
    #[serde(default)]
    fault_503: u64,
}

async fn reset(State(crm): State<Arc<Crm>>, body: Bytes) -> Response {
    let wish = if body.is_empty() { Ok(Reset::default()) } else { serde_json::from_slice::<Reset>(&body) };
    let wish = match wish {
        Ok(wish) => wish,
        Err(error) => {
            return (StatusCode::BAD_REQUEST, format!("the body is not understood: {error}")).into_response();
        }
    };
    blocking(move || match crm.reset(wish.fault_503) {
        Ok(kept) => Json(json!({"reset": true, "kept": kept.display().to_string()})).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    })
    .await
}

/// Answers a write with 503 where that was asked for, before MCP sees it.
async fn unavailable(State(crm): State<Arc<Crm>>, request: HttpRequest, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large").into_response();
    };
    if let Some(call) = tool_call(&bytes) {
        let faulty = Arc::clone(&crm);
        let due = tokio::task::spawn_blocking(move || faulty.is_unavailable(&call)).await;
        match due {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                return (status, [(header::RETRY_AFTER, "1")], UNAVAILABLE).into_response();
            }
            Ok(Err(error)) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
    next.run(HttpRequest::from_parts(parts, Body::from(bytes))).await
}

/// The call in a request body, if it is one. What it is not, MCP will say.
fn tool_call(body: &[u8]) -> Option<Request> {
    #[derive(Deserialize)]
    struct Message {
        method: String,
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        name: String,
        #[serde(default)]
        arguments: Map<String, Value>,
        #[serde(rename = "_meta", default)]
        meta: Option<Map<String, Value>>,
    }
    let message: Message =
        serde_json::from_slice(body).ok().filter(|m: &Message| m.method == "tools/call")?;
    let Params { name: tool, arguments, meta } = message.params;
    Some(Request { tool, arguments, meta })
}

async fn blocking(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
