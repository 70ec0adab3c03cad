//! A proxy of our own between server and CRM: it can hold a call, before or after the CRM saw it.
//!
//! It is where "sent" and "committed" can be told apart from outside, so it is where the server is killed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// No MCP request or answer of the CRM is longer.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The killed server's connection is gone long before.
const HOLD: Duration = Duration::from_mins(1);

/// Where a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It is never passed on.
    BeforeCrm,
    /// It is passed on; the answer is not passed back.
    AfterCrm,
}

/// The proxy's handle.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    crm: String,
    http: reqwest::Client,
    armed: Mutex<Option<(Hold, String)>>,
    held: Notify,
}

impl Proxy {
    /// Listens on a free port and passes everything on to `crm`.
    pub(crate) async fn start(crm: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(HOLD).build()?;
        let shared =
            Arc::new(Shared { crm: crm.to_owned(), http, armed: Mutex::new(None), held: Notify::new() });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = axum::Router::new().fallback(pass).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { url, shared })
    }

    /// Holds the next call of `tool`.
    pub(crate) fn arm(&self, hold: Hold, tool: &str) {
        *self.shared.armed.lock().expect("no panic while held") = Some((hold, tool.to_owned()));
    }

    /// Holds nothing any more.
    pub(crate) fn disarm(&self) {
        *self.shared.armed.lock().expect("no panic while held") = None;
    }

    /// Waits until a call is held.
    pub(crate) async fn held(&self) {
        self.shared.held.notified().await;
    }
}

impl Shared {
    /// Takes the hold if it is meant for this request.
    fn take(&self, body: &[u8]) -> Option<Hold> {
        let mut armed = self.armed.lock().expect("no panic while held");
        let tool = tool_of(body)?;
        if armed.as_ref().is_some_and(|(_, wanted)| *wanted == tool) {
            armed.take().map(|(hold, _)| hold)
        } else {
            None
        }
    }
}

/// The tool that an MCP request calls.
fn tool_of(body: &[u8]) -> Option<String> {
    let request: Value = serde_json::from_slice(body).ok()?;
    (request["method"] == "tools/call").then(|| request["params"]["name"].as_str().map(str::to_owned))?
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let hold = shared.take(&body);
    if hold == Some(Hold::BeforeCrm) {
        return shared.held().await;
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let request = shared
        .http
        .request(parts.method.clone(), format!("{}{path}", shared.crm))
        .headers(without(&parts.headers))
        .body(body);
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, headers) = (answer.status(), without(answer.headers()));
    // An event stream is passed on as it comes; an answer that is to be held must be whole first.
    let streams = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if streams && hold.is_none() {
        return (status, headers, Body::from_stream(answer.bytes_stream())).into_response();
    }
    let whole: Result<Bytes, _> = answer.bytes().await;
    if hold == Some(Hold::AfterCrm) {
        return shared.held().await;
    }
    match whole {
        Ok(bytes) => (status, headers, bytes).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

impl Shared {
    /// Says that a call is held, and holds it until nobody can be waiting for it.
    async fn held(&self) -> Response {
        self.held.notify_one();
        tokio::time::sleep(HOLD).await;
        StatusCode::BAD_GATEWAY.into_response()
    }
}

/// Headers that belong to one connection are not passed on.
fn without(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tool_calls_are_recognised() {
        let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"think"}}"#;
        assert_eq!(tool_of(call).as_deref(), Some("think"));
        assert_eq!(tool_of(br#"{"method":"tools/list"}"#), None);
        assert_eq!(tool_of(b"nonsense"), None);
    }
}
