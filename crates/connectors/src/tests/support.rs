//! What the stories share: a clock that is set, a raw HTTP server that follows a script, and answers as one line.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use kernel::clock::{Clock, Millis, Now};
use kernel::digest::Digest;
use kernel::id::ConnectorId;
use kernel::ports::{Answer, Call, Effector};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::{Connectors, Endpoint, HttpTool, Kind, Setup, Spec};

/// A clock that only moves when it is told to.
#[derive(Debug, Default)]
pub(super) struct SetClock(AtomicI64);

impl SetClock {
    pub(super) fn forward(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Now {
        let at = Millis(self.0.load(Ordering::SeqCst));
        Now { wall: at.plus(Millis(1_000_000)), steady: at }
    }
}

pub(super) fn digest(manifest: &Value) -> Digest {
    Digest::of("test", &[&kernel::json::canonical(manifest)])
}

pub(super) fn connectors(clock: &Arc<SetClock>) -> Connectors {
    let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(clock);
    Connectors::new(Setup { clock, digest })
}

/// One connector named `crm` and the clock that it sees.
pub(super) fn with(spec: Spec) -> (Connectors, Arc<SetClock>) {
    let clock = Arc::new(SetClock::default());
    let connectors = connectors(&clock);
    connectors.replace(vec![spec]).unwrap();
    (connectors, clock)
}

pub(super) fn crm() -> ConnectorId {
    "crm".parse().unwrap()
}

/// A spec that may reach loopback and does not wait long.
pub(super) fn spec(kind: Kind) -> Spec {
    Spec { allow_private: true, timeout: Millis(10_000), ..Spec::new(crm(), kind) }
}

pub(super) fn mcp_spec(url: &str) -> Spec {
    spec(Kind::Mcp { endpoint: Endpoint::Http { url: url.to_owned() } })
}

pub(super) fn http_spec(base_url: &str, tools: &[(&str, HttpTool)]) -> Spec {
    let tools: BTreeMap<String, HttpTool> =
        tools.iter().map(|(name, tool)| ((*name).to_owned(), tool.clone())).collect();
    spec(Kind::Http { base_url: base_url.to_owned(), tools })
}

pub(super) fn tool(method: &str, path: &str) -> HttpTool {
    HttpTool {
        method: method.to_owned(),
        path: path.to_owned(),
        arguments_in: None,
        idempotency_header: None,
        description: None,
        input_schema: json!({"type": "object"}),
        output_schema: None,
    }
}

/// The manifest of the tool `pay` as the scripted servers list it.
pub(super) fn pay_manifest() -> Value {
    json!({"name": "pay", "description": "Pays.", "inputSchema": {"type": "object"}})
}

/// A call of `crm.pay` with the pinned manifest.
pub(super) fn pay() -> Call {
    Call {
        tool: "crm.pay".parse().unwrap(),
        arguments: json!({"amount": 5}),
        idempotency_key: None,
        manifest: digest(&pay_manifest()),
        timeout: Millis(5_000),
    }
}

/// A call of a declared HTTP tool.
pub(super) fn http_call(tool: &HttpTool, arguments: Value) -> Call {
    Call { arguments, manifest: digest(&tool.manifest("pay")), ..pay() }
}

/// How a call ended, in one line.
pub(super) async fn told(connectors: &Connectors, call: Call) -> String {
    match connectors.call(call).await {
        Answer::Output(output) => {
            let structured = output.structured.as_ref().map(|value| format!(" {value}")).unwrap_or_default();
            format!("{}: {}{structured}", if output.is_error { "error" } else { "ok" }, output.text())
        }
        Answer::Failed { class, cause, retryable } => {
            let class = serde_json::to_value(class).unwrap();
            format!("failed {}{}: {cause}", class.as_str().unwrap(), if retryable { " (retry)" } else { "" })
        }
        Answer::Unknown { cause, late } => format!("{}: {cause}", if late { "late" } else { "unknown" }),
    }
}

/// A request as the raw server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub line: String,
    pub head: String,
    pub body: Value,
}

impl Seen {
    pub(super) fn is_call(&self) -> bool {
        self.body["method"] == "tools/call"
    }
}

/// What the raw server does with a request.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Writes these bytes.
    Raw(Vec<u8>),
    /// Says nothing until the other side goes away.
    Hang,
    /// Closes the connection.
    Cut,
    /// Writes the head, then the chunk again and again until the other side goes away.
    Flood(Vec<u8>, Vec<u8>),
    /// Waits for `Raw::release`, then writes these bytes.
    Held(Vec<u8>),
}

/// A whole HTTP answer.
pub(super) fn answer(status: u16, media: &str, extra: &str, body: &str) -> Reply {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {media}\r\ncontent-length: {}\r\n{extra}\r\n",
        body.len()
    );
    Reply::Raw([head.as_bytes(), body.as_bytes()].concat())
}

/// The JSON-RPC result of a request.
pub(super) fn result(request: &Seen, result: Value) -> Reply {
    let body = json!({"jsonrpc": "2.0", "id": request.body["id"], "result": result}).to_string();
    answer(200, "application/json", "", &body)
}

pub(super) fn text(said: &str) -> Value {
    json!({"content": [{"type": "text", "text": said}]})
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A raw HTTP server on loopback that follows a script and remembers what it saw.
pub(super) struct Raw {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    arrived: Arc<Notify>,
    gate: Arc<Notify>,
}

impl Raw {
    pub(super) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, arrived, gate) = (Arc::default(), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let server =
            Self { url, seen: Arc::clone(&seen), arrived: Arc::clone(&arrived), gate: Arc::clone(&gate) };
        let script: Arc<Script> = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                let (arrived, gate) = (Arc::clone(&arrived), Arc::clone(&gate));
                tokio::spawn(serve(stream, seen, script, arrived, gate));
            }
        });
        server
    }

    /// An MCP server that behaves, until a tool is called.
    pub(super) async fn mcp(on_call: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(move |request| if request.is_call() { on_call(request) } else { behave(request) }).await
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Tool calls that arrived.
    pub(super) fn calls(&self) -> usize {
        self.seen().iter().filter(|seen| seen.is_call()).count()
    }

    /// Waits until so many requests arrived.
    pub(super) async fn wait_for(&self, count: usize) {
        while self.seen().len() < count {
            self.arrived.notified().await;
        }
    }

    /// Waits until so many tool calls arrived.
    pub(super) async fn wait_for_calls(&self, count: usize) {
        while self.calls() < count {
            self.arrived.notified().await;
        }
    }

    /// Lets one held answer go.
    pub(super) fn release(&self) {
        self.gate.notify_one();
    }
}

/// What a well-behaved, stateless MCP server with the one tool `pay` answers.
pub(super) fn behave(request: &Seen) -> Reply {
    match request.body["method"].as_str() {
        Some("initialize") => result(
            request,
            json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                   "serverInfo": {"name": "raw", "version": "1"}}),
        ),
        Some("tools/list") => result(request, json!({"tools": [pay_manifest()]})),
        Some(_) => answer(202, "text/plain", "", ""),
        None => answer(405, "text/plain", "", ""),
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Script>,
    arrived: Arc<Notify>,
    gate: Arc<Notify>,
) {
    while let Some(request) = read_request(&mut stream).await {
        let reply = script(&request);
        seen.lock().unwrap().push(request);
        arrived.notify_one();
        match reply {
            Reply::Raw(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Held(bytes) => {
                gate.notified().await;
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Hang => {
                stream.read_u8().await.ok();
                return;
            }
            Reply::Cut => return,
            Reply::Flood(head, chunk) => {
                if stream.write_all(&head).await.is_ok() {
                    while stream.write_all(&chunk).await.is_ok() {}
                }
                return;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |text| text.trim().parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&bytes[end..]).unwrap_or_default();
    Some(Seen { line: head.lines().next().unwrap_or_default().to_owned(), head: lower, body })
}
