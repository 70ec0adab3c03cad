//! Tools of an MCP server: one session, kept as long as it lives, opened again before a call and never during one.
//!
//! The protocol library is used for framing, handshake and listing. Its conveniences that would send a tool call a
//! second time (session recovery, input rounds, stream resumption) are not used, and its listing cache, which answers
//! with a stale list after an error, is passed by: the list is what a pinned manifest is compared with.

mod http;
mod session;
mod stdio;

use std::sync::Arc;
use std::time::Duration;

use kernel::clock::Clock;
use kernel::id::ConnectorId;
use kernel::ports::{Call, Output};
use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest, RequestMetaObject, ServerResult};
use rmcp::service::{PeerRequestOptions, RequestHandle, RoleClient, ServiceError};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::answer;
use crate::connectors::ManifestDigest;
use crate::fault::Fault;
use crate::flight::{Abandon, Flight};
use crate::secret::Keyring;
use crate::wire;

pub(crate) use session::{Listing, Session};

/// The name under which a provider's idempotency key travels in `_meta`.
const KEY_IN_META: &str = "countersign/idempotency-key";
/// Longest time for telling a server that nobody waits any more.
const CANCEL_PATIENCE: Duration = Duration::from_secs(2);

/// How a server is reached.
#[derive(Clone, Debug)]
pub(crate) enum Reach {
    Http { url: reqwest::Url, client: reqwest::Client },
    Stdio(stdio::Program),
}

pub(crate) use stdio::Program;

/// One MCP server.
#[derive(Debug)]
pub(crate) struct Server {
    name: ConnectorId,
    reach: Reach,
    keyring: Arc<Keyring>,
    bytes_max: usize,
    in_flight_max: usize,
    unavailable_is_certain: bool,
    clock: SharedClock,
    digest: ManifestDigest,
    tasks: TaskTracker,
    /// The session of the moment; opening one is serialised.
    slot: Mutex<Option<Arc<Session>>>,
}

/// A clock that can be printed.
#[derive(Clone)]
pub(crate) struct SharedClock(pub(crate) Arc<dyn Clock>);

impl std::fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// What a server is made from.
#[derive(Debug)]
pub(crate) struct Parts {
    pub name: ConnectorId,
    pub reach: Reach,
    pub keyring: Arc<Keyring>,
    pub bytes_max: usize,
    pub in_flight_max: usize,
    pub unavailable_is_certain: bool,
    pub clock: SharedClock,
    pub digest: ManifestDigest,
    pub tasks: TaskTracker,
}

/// Until when, and how that is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub deadline: Instant,
    pub patience: Duration,
}

impl Wait {
    pub(crate) fn of(patience: Duration) -> Self {
        Self { deadline: Instant::now() + patience, patience }
    }

    /// "no answer within 5 s".
    pub(crate) fn over(&self) -> String {
        format!("no answer within {}", wire::words(self.patience))
    }
}

impl Server {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            name,
            reach,
            keyring,
            bytes_max,
            in_flight_max,
            unavailable_is_certain,
            clock,
            digest,
            tasks,
        } = parts;
        let slot = Mutex::new(None);
        Self {
            name,
            reach,
            keyring,
            bytes_max,
            in_flight_max,
            unavailable_is_certain,
            clock,
            digest,
            tasks,
            slot,
        }
    }

    /// Calls a tool once.
    pub(crate) async fn call(&self, call: &Call, wait: Wait) -> Result<Output, Fault> {
        let ready = tokio::time::timeout_at(wait.deadline, self.ready(call, wait)).await;
        let session = ready.map_err(|_| Fault::unreachable(wait.over()))??;
        let request = request(call, &session)?;
        let flight = Flight::new(wait.deadline, wait.patience, self.bytes_max);
        let _abandon = Abandon(&flight);
        let result = exchange(&session, request, &flight, wait, &self.tasks).await;
        match result {
            Ok(ServerResult::CallToolResult(result)) => answer::of_mcp(result, self.bytes_max),
            // Some servers answer a call that says nothing with an empty result.
            Ok(ServerResult::EmptyResult(_)) => {
                Ok(Output { content: vec![], structured: None, is_error: false })
            }
            Ok(_) => Err(Fault::unknown("the answer is not the result of a tool")),
            Err(fault) => {
                // What failed below the protocol may be the session's own end, told in an unusual way.
                if fault.is_transport() || flight.has_fault() {
                    session.retire();
                }
                Err(fault)
            }
        }
    }

    /// A session whose list of tools is fresh and shows the tool as it was pinned.
    async fn ready(&self, call: &Call, wait: Wait) -> Result<Arc<Session>, Fault> {
        let (session, listing) = self.listed(wait, false).await?;
        let tool = &call.tool;
        match listing.tools.get(tool.name()) {
            Some(live) if live.digest == call.manifest => Ok(session),
            Some(_) => Err(Fault::manifest(format!("the tool `{tool}` is no longer what was pinned"))),
            None => Err(Fault::manifest(format!("`{}` has no tool `{}` any more", self.name, tool.name()))),
        }
    }

    /// The session and its list. Nothing that acts is sent here, so a session that turns out dead is opened again.
    pub(crate) async fn listed(
        &self,
        wait: Wait,
        afresh: bool,
    ) -> Result<(Arc<Session>, Arc<Listing>), Fault> {
        let (session, is_new) = self.session(wait).await?;
        let first = session.listing(&self.clock, self.digest, wait, afresh, &self.tasks).await;
        match first {
            Ok(listing) => Ok((session, listing)),
            Err(fault) if is_new => {
                session.retire();
                Err(fault.before_sending())
            }
            Err(_) => {
                session.retire();
                let (session, _) = self.session(wait).await?;
                let listing = session.listing(&self.clock, self.digest, wait, afresh, &self.tasks).await;
                listing.map(|listing| (session, listing)).map_err(Fault::before_sending)
            }
        }
    }

    /// The session of the moment, opened when there is none; and whether it was opened just now.
    pub(crate) async fn session(&self, wait: Wait) -> Result<(Arc<Session>, bool), Fault> {
        let mut slot = self.slot.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| !session.is_over()) {
            return Ok((Arc::clone(session), false));
        }
        *slot = None;
        let opening = session::open(self, wait);
        let opened = tokio::time::timeout_at(wait.deadline, opening).await;
        let session = opened.map_err(|_| Fault::unreachable(wait.over()))?.map_err(Fault::before_sending)?;
        let session = Arc::new(session);
        *slot = Some(Arc::clone(&session));
        Ok((session, true))
    }

    /// Tools of the last list, when there is one. Does not wait.
    pub(crate) fn tools_known(&self) -> Option<usize> {
        let slot = self.slot.try_lock().ok()?;
        slot.as_ref()?.tools_known()
    }

    /// Ends the session and its child process.
    pub(crate) async fn close(&self) {
        let session = self.slot.lock().await.take();
        if let Some(session) = session {
            session.close().await;
        }
    }
}

/// The request as the protocol writes it.
fn request(call: &Call, session: &Session) -> Result<CallToolRequest, Fault> {
    let mut params = CallToolRequestParams::new(call.tool.name().to_owned());
    params = match &call.arguments {
        Value::Object(arguments) => params.with_arguments(arguments.clone()),
        Value::Null => params,
        _ => return Err(Fault::blocked("the arguments are not an object")),
    };
    if let Some(key) = &call.idempotency_key {
        let mut meta = RequestMetaObject::new();
        meta.insert(KEY_IN_META.to_owned(), Value::from(key.as_str()));
        params.meta = Some(meta);
    }
    if session.is_over() {
        return Err(Fault::unreachable("the session ended before the call was sent"));
    }
    Ok(CallToolRequest::new(params))
}

/// Sends one request of ours and waits for its answer.
pub(crate) async fn exchange(
    session: &Session,
    request: CallToolRequest,
    flight: &Arc<Flight>,
    wait: Wait,
    tasks: &TaskTracker,
) -> Result<ServerResult, Fault> {
    let mut request = ClientRequest::CallToolRequest(request);
    session::board(&mut request, flight);
    send(session, request, flight, wait, tasks).await
}

/// Sends a request that carries its flight already.
async fn send(
    session: &Session,
    request: ClientRequest,
    flight: &Arc<Flight>,
    wait: Wait,
    tasks: &TaskTracker,
) -> Result<ServerResult, Fault> {
    let sending = session.peer().send_request_with_option(request, PeerRequestOptions::no_options());
    let mut handle = match tokio::time::timeout_at(wait.deadline, sending).await {
        Ok(Ok(handle)) => handle,
        Ok(Err(_)) => return Err(flight.settle("the session ended")),
        Err(_) => return Err(flight.settle_late(&wait.over())),
    };
    match tokio::time::timeout_at(wait.deadline, &mut handle.rx).await {
        Ok(Ok(Ok(result))) => Ok(result),
        Ok(Ok(Err(ServiceError::McpError(error)))) => Err(of_json_rpc(error.code.0, &error.message)),
        Ok(Ok(Err(_)) | Err(_)) => Err(flight.settle("the session ended before the answer")),
        Err(_) => {
            let fault = flight.settle_late(&wait.over());
            tell_cancelled(handle, tasks);
            Err(fault)
        }
    }
}

/// Tells the server that nobody waits any more, without waiting for it. Changes nothing about what is known.
fn tell_cancelled(handle: RequestHandle<RoleClient>, tasks: &TaskTracker) {
    tasks.spawn(async move {
        let telling = handle.cancel(Some("no answer in time".to_owned()));
        drop(tokio::time::timeout(CANCEL_PATIENCE, telling).await);
    });
}

/// Judges an error answer of JSON-RPC: what was not understood was not done.
fn of_json_rpc(code: i32, message: &str) -> Fault {
    let cause = format!("the system answered with error {code}: {message}");
    match code {
        // Parse error, invalid request, method not found, invalid parameters.
        -32700 | -32600 | -32601 | -32602 => Fault::refused(cause),
        _ => Fault::unknown(cause),
    }
}
