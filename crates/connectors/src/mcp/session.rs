//! One session with an MCP server: handshake, list of tools, end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kernel::clock::Millis;
use kernel::digest::Digest;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ClientRequest, GetExtensions, Implementation, ListToolsRequest,
    PaginatedRequestParams, ProtocolVersion, ServerResult, Tool,
};
use rmcp::service::{NotificationContext, Peer, RoleClient, RunningService};
use rmcp::{ClientHandler, ServiceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Reach, Server, SharedClock, Wait, http, send, stdio};
use crate::connectors::ManifestDigest;
use crate::fault::Fault;
use crate::flight::Flight;

/// Most bytes of a list of tools, or of anything else that is not the answer of a call.
pub(super) const LISTING_BYTES_MAX: usize = 4 << 20;
/// How old a list may be when a call relies on it.
const LISTING_AGE_MAX: Millis = Millis(15_000);
/// Most pages and tools of one list: a server may answer with cursors for ever.
const PAGES_MAX: usize = 64;
const TOOLS_MAX: usize = 2_048;

/// A tool as the server shows it.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub digest: Digest,
    pub manifest: Value,
}

/// The tools of a server, read at one moment.
#[derive(Debug)]
pub(crate) struct Listing {
    read_at: Millis,
    pub tools: BTreeMap<String, Live>,
}

/// Hears what the server says by itself. Asks of the server (samples, questions to people) are declined by default.
#[derive(Clone, Debug)]
struct Listener {
    changed: Arc<AtomicBool>,
}

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        let ourselves = Implementation::new("countersign", env!("CARGO_PKG_VERSION"));
        // The newest version in which one request is one answer: later ones add rounds and tasks.
        ClientConfig::new(ClientCapabilities::default(), ourselves)
            .with_protocol_version(ProtocolVersion::V_2025_06_18)
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.changed.store(true, Ordering::Release);
    }
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    service: RunningService<RoleClient, Listener>,
    end: CancellationToken,
    /// The server said that its list changed.
    changed: Arc<AtomicBool>,
    /// Something went wrong with it; the next call opens another one.
    retired: AtomicBool,
    listing: tokio::sync::Mutex<Option<Arc<Listing>>>,
    child: Mutex<Option<stdio::Child>>,
}

/// Opens a session.
pub(super) async fn open(server: &Server, wait: Wait) -> Result<Session, Fault> {
    let changed = Arc::new(AtomicBool::new(false));
    let listener = Listener { changed: Arc::clone(&changed) };
    let end = CancellationToken::new();
    let (service, child) = match &server.reach {
        Reach::Http { url, client } => {
            let poster = http::Poster::new(client.clone(), url, server, wait, Arc::clone(&changed));
            let last = poster.last_fault();
            let transport = http::transport(poster, url.as_str(), server.in_flight_max);
            let served = listener.serve_with_ct(transport, end.clone()).await;
            let service = served.map_err(|_| http::taken(&last, "the server did not open a session"))?;
            (service, None)
        }
        Reach::Stdio(program) => {
            let (transport, child) =
                program.start(&server.keyring, LISTING_BYTES_MAX.max(server.bytes_max)).await?;
            let served = listener.serve_with_ct(transport, end.clone()).await;
            let service = served.map_err(|_| Fault::unreachable(child.obituary("did not open a session")))?;
            (service, Some(child))
        }
    };
    Ok(Session {
        service,
        end,
        changed,
        retired: AtomicBool::new(false),
        listing: tokio::sync::Mutex::new(None),
        child: Mutex::new(child),
    })
}

/// Puts the flight on board: whoever sends the request finds it there.
pub(super) fn board(request: &mut ClientRequest, flight: &Arc<Flight>) {
    request.extensions_mut().insert(Arc::clone(flight));
}

impl Session {
    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        self.service.peer()
    }

    /// No call starts on it any more; those on their way go on.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    pub(super) fn is_over(&self) -> bool {
        self.retired.load(Ordering::Acquire) || self.service.is_closed() || self.peer().is_transport_closed()
    }

    pub(super) fn tools_known(&self) -> Option<usize> {
        let listing = self.listing.try_lock().ok()?;
        listing.as_ref().map(|listing| listing.tools.len())
    }

    /// The list of tools: read again when it is old, when the server said that it changed, or when asked to.
    pub(super) async fn listing(
        &self,
        clock: &SharedClock,
        digest: ManifestDigest,
        wait: Wait,
        afresh: bool,
        tasks: &TaskTracker,
    ) -> Result<Arc<Listing>, Fault> {
        let mut kept = self.listing.lock().await;
        let now = clock.0.now().steady;
        let changed = self.changed.swap(false, Ordering::AcqRel);
        if let Some(listing) = kept.as_ref().filter(|_| !changed && !afresh)
            && now.since(listing.read_at) < LISTING_AGE_MAX
        {
            return Ok(Arc::clone(listing));
        }
        *kept = None;
        let tools = self.read_tools(digest, wait, tasks).await?;
        let listing = Arc::new(Listing { read_at: now, tools });
        *kept = Some(Arc::clone(&listing));
        Ok(listing)
    }

    async fn read_tools(
        &self,
        digest: ManifestDigest,
        wait: Wait,
        tasks: &TaskTracker,
    ) -> Result<BTreeMap<String, Live>, Fault> {
        let mut tools = BTreeMap::new();
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let params = cursor.map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
            let mut request = ClientRequest::ListToolsRequest(match params {
                Some(params) => ListToolsRequest::with_param(params),
                None => ListToolsRequest::default(),
            });
            let flight = Flight::new(wait.deadline, wait.patience, LISTING_BYTES_MAX);
            board(&mut request, &flight);
            let result = send(self, request, &flight, wait, tasks).await?;
            let ServerResult::ListToolsResult(page) = result else {
                return Err(Fault::unreachable("the answer is not a list of tools"));
            };
            for tool in page.tools {
                let manifest = manifest(&tool);
                let live = Live { digest: digest(&manifest), manifest };
                if tools.insert(tool.name.to_string(), live).is_some() {
                    // Two tools of one name: which of them would answer, nobody can say.
                    return Err(Fault::manifest(format!(
                        "the server lists `{}` twice",
                        crate::spec::shown(&tool.name)
                    )));
                }
            }
            if tools.len() > TOOLS_MAX {
                return Err(Fault::unreachable(format!("the server lists more than {TOOLS_MAX} tools")));
            }
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(tools),
            }
        }
        Err(Fault::unreachable(format!("the list of tools has more than {PAGES_MAX} pages")))
    }

    /// Ends it now.
    pub(super) async fn close(&self) {
        self.retire();
        self.end.cancel();
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(child) = child {
            child.kill().await;
        }
    }
}

/// A tool in the form of which its digest is taken.
fn manifest(tool: &Tool) -> Value {
    let mut manifest = json!({ "name": tool.name, "inputSchema": tool.input_schema.as_ref() });
    if let Some(description) = &tool.description {
        manifest["description"] = Value::from(description.as_ref());
    }
    if let Some(schema) = &tool.output_schema {
        manifest["outputSchema"] = Value::Object(schema.as_ref().clone());
    }
    manifest
}
