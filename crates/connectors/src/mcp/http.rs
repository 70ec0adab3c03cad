//! MCP over streamable HTTP: our own client below the protocol library.
//!
//! The library asks this to post a message; here the request leaves at most once, its answer is read whole (as JSON or
//! as an event stream) within its bytes and time, and what went wrong is kept in words of ours. What is handed back on
//! an error says nothing, because the library logs it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::header::{ACCEPT, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use reqwest::{Response, Url};
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, GetExtensions, RequestId, ServerJsonRpcMessage, ServerNotification,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::NeverRetry;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse, StreamableHttpResponseLimits,
};
use sse_stream::{Sse, SseStream};
use tokio::time::Instant;

use super::session::LISTING_BYTES_MAX;
use super::{Server, Wait};
use crate::egress;
use crate::fault::{self, Fault, Terms};
use crate::flight::Flight;
use crate::secret::Keyring;
use crate::wire;

const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_HEADER: HeaderName = HeaderName::from_static("last-event-id");
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
/// How long the rest of a stream is read after its answer, so that the connection can be used again.
const REST_PATIENCE: Duration = Duration::from_millis(10);
/// Requests beside the calls: lists, handshakes.
const ROOM_BESIDE_CALLS: usize = 8;

type Outcome<T> = Result<T, StreamableHttpError<Kept>>;
pub(super) type LastFault = Arc<Mutex<Option<Fault>>>;

/// What the library is told about an error.
#[derive(Debug, thiserror::Error)]
#[error("the request failed; the connector keeps the cause")]
pub(super) struct Kept;

/// Posts messages of one session.
#[derive(Clone)]
pub(super) struct Poster {
    client: reqwest::Client,
    keyring: Arc<Keyring>,
    terms: Terms,
    /// The wait of requests that carry no flight: the handshake.
    patience: Duration,
    changed: Arc<AtomicBool>,
    last: LastFault,
    /// Whether the end of a stream is worth waiting for: its connection is used again.
    reuses: bool,
}

/// The transport of a session: nothing is retried, resumed or recovered by itself.
pub(super) fn transport(
    poster: Poster,
    url: &str,
    in_flight_max: usize,
) -> StreamableHttpClientTransport<Poster> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    config.reinit_on_expired_session = false;
    config.retry_config = Arc::new(NeverRetry::default());
    config.max_concurrent_requests = in_flight_max + ROOM_BESIDE_CALLS;
    config.max_sse_event_size = LISTING_BYTES_MAX;
    StreamableHttpClientTransport::with_client(poster, config)
}

/// The fault that was kept, or one in these words.
pub(super) fn taken(last: &LastFault, otherwise: &str) -> Fault {
    let kept = last.lock().unwrap_or_else(PoisonError::into_inner).take();
    kept.unwrap_or_else(|| Fault::unreachable(otherwise))
}

/// What is asked and how it is to be answered.
struct Asked<'a> {
    id: Option<&'a RequestId>,
    flight: Option<&'a Arc<Flight>>,
    in_session: bool,
}

impl Poster {
    pub(super) fn new(
        client: reqwest::Client,
        url: &Url,
        server: &Server,
        wait: Wait,
        changed: Arc<AtomicBool>,
    ) -> Self {
        let terms = Terms { keyed: false, unavailable_is_certain: server.unavailable_is_certain };
        let last = Arc::new(Mutex::new(None));
        Self {
            client,
            keyring: Arc::clone(&server.keyring),
            terms,
            patience: wait.patience,
            changed,
            last,
            reuses: egress::reuses_connections(url),
        }
    }

    pub(super) fn last_fault(&self) -> LastFault {
        Arc::clone(&self.last)
    }

    async fn headers(
        &self,
        session: Option<&str>,
        protocol: HashMap<HeaderName, HeaderValue>,
    ) -> Result<HeaderMap, Fault> {
        let mut headers = self.keyring.headers().await?;
        headers.extend(protocol);
        if let Some(session) = session {
            let value = HeaderValue::from_str(session)
                .map_err(|_| Fault::unreachable("the session has no valid name"))?;
            headers.insert(SESSION_HEADER, value);
        }
        Ok(headers)
    }

    async fn post(
        &self,
        url: &str,
        message: &ClientJsonRpcMessage,
        headers: HeaderMap,
        asked: &Asked<'_>,
    ) -> Result<StreamableHttpPostResponse, Fault> {
        let request =
            self.client.post(url).headers(headers).header(ACCEPT, "application/json, text/event-stream");
        let request = request.json(message);
        if asked.flight.is_some_and(|flight| !flight.leave()) {
            return Err(Fault::unreachable("nobody waits for the answer any more; the call was not sent"));
        }
        let response = request.send().await.map_err(|error| fault::of_request(&error))?;
        if !response.status().is_success() {
            return Err(self.refusal(response, message, asked).await);
        }
        let session =
            response.headers().get(SESSION_HEADER).and_then(|id| id.to_str().ok()).map(str::to_owned);
        let Some(id) = asked.id else {
            return Ok(StreamableHttpPostResponse::Accepted);
        };
        let bytes_max = asked.flight.map_or(LISTING_BYTES_MAX, |flight| flight.bytes_max);
        let answer = match wire::media_type(&response).as_str() {
            JSON => {
                let body = wire::body(response, bytes_max).await?;
                let message: ServerJsonRpcMessage = serde_json::from_slice(&body)
                    .map_err(|_| Fault::unknown("the answer is not a message of MCP"))?;
                if answers(&message, id) {
                    message
                } else {
                    return Err(Fault::unknown("the answer belongs to another request"));
                }
            }
            EVENTS => self.await_event(response, bytes_max, id).await?,
            _ => return Err(Fault::unknown("the answer is neither JSON nor an event stream")),
        };
        Ok(StreamableHttpPostResponse::Json(answer, session))
    }

    async fn refusal(&self, response: Response, message: &ClientJsonRpcMessage, asked: &Asked<'_>) -> Fault {
        // The protocol: the session is over, and the request was not taken.
        if response.status() == StatusCode::NOT_FOUND && asked.in_session {
            return Fault::unreachable("the server ended the session; the call was not taken");
        }
        let keyed = match message {
            ClientJsonRpcMessage::Request(request) => match &request.request {
                ClientRequest::CallToolRequest(call) => {
                    call.params.meta.as_ref().is_some_and(|meta| meta.contains_key(super::KEY_IN_META))
                }
                _ => false,
            },
            _ => false,
        };
        wire::refusal(response, Terms { keyed, ..self.terms }).await
    }

    /// Reads events until the answer to this request comes.
    async fn await_event(
        &self,
        response: Response,
        bytes_max: usize,
        id: &RequestId,
    ) -> Result<ServerJsonRpcMessage, Fault> {
        wire::check_encoding(&response)?;
        let mut events =
            SseStream::from_bytes_stream(wire::capped(response.bytes_stream(), bytes_max).boxed());
        loop {
            let event = match events.next().await {
                Some(Ok(event)) => event,
                Some(Err(error)) if is_too_large(&error) => return Err(wire::too_large(bytes_max)),
                Some(Err(_)) => return Err(Fault::unknown("the connection ended before the answer")),
                None => return Err(Fault::unknown("the stream ended before the answer")),
            };
            let Some(data) = event.data.filter(|data| !data.trim().is_empty()) else {
                continue;
            };
            let message: ServerJsonRpcMessage = serde_json::from_str(&data)
                .map_err(|_| Fault::unknown("the answer is not a message of MCP"))?;
            if answers(&message, id) {
                if self.reuses {
                    drop(tokio::time::timeout(REST_PATIENCE, events.next()).await);
                }
                return Ok(message);
            }
            if let ServerJsonRpcMessage::Notification(notification) = &message
                && matches!(notification.notification, ServerNotification::ToolListChangedNotification(_))
            {
                self.changed.store(true, Ordering::Release);
            }
        }
    }

    /// Keeps the fault where it is looked for.
    fn keep(&self, fault: Fault, flight: Option<&Arc<Flight>>) -> StreamableHttpError<Kept> {
        match flight {
            Some(flight) => flight.fail(fault),
            None => *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault),
        }
        StreamableHttpError::Client(Kept)
    }
}

/// Whether a message is the answer to this request. Some servers write the number as text; an error without an id can
/// only mean the one request of this exchange.
fn answers(message: &ServerJsonRpcMessage, id: &RequestId) -> bool {
    match message {
        ServerJsonRpcMessage::Response(response) => response.id.to_string() == id.to_string(),
        ServerJsonRpcMessage::Error(error) => {
            error.id.as_ref().is_some_and(|other| other.to_string() == id.to_string())
        }
        _ => false,
    }
}

fn is_too_large(error: &SseError) -> bool {
    let SseError::Body(body) = error else { return false };
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(body.as_ref());
    while let Some(current) = next {
        let inner = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if current.is::<wire::TooLarge>()
            || inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<wire::TooLarge>)
        {
            return true;
        }
        next = current.source();
    }
    false
}

impl StreamableHttpClient for Poster {
    type Error = Kept;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _auth: Option<String>,
        protocol: HashMap<HeaderName, HeaderValue>,
    ) -> Outcome<StreamableHttpPostResponse> {
        let (id, flight) = match &message {
            ClientJsonRpcMessage::Request(request) => {
                (Some(&request.id), request.request.extensions().get::<Arc<Flight>>())
            }
            _ => (None, None),
        };
        let asked = Asked { id, flight, in_session: session.is_some() };
        let deadline = flight.map_or_else(|| Instant::now() + self.patience, |flight| flight.deadline);
        let patience = flight.map_or(self.patience, |flight| flight.patience);
        let exchange = async {
            let headers = self.headers(session.as_deref(), protocol).await?;
            self.post(&uri, &message, headers, &asked).await
        };
        let outcome = tokio::time::timeout_at(deadline, exchange).await;
        let outcome = outcome.unwrap_or_else(|_| {
            let over = Wait { deadline, patience }.over();
            Err(flight.map_or_else(|| Fault::late(over.clone()), |flight| flight.settle_late(&over)))
        });
        outcome.map_err(|fault| self.keep(fault, flight))
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        auth: Option<String>,
        protocol: HashMap<HeaderName, HeaderValue>,
        _limits: StreamableHttpResponseLimits,
    ) -> Outcome<StreamableHttpPostResponse> {
        // The limits of this connector are stricter and are applied in `post`.
        self.post_message(uri, message, session, auth, protocol).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        _auth: Option<String>,
        protocol: HashMap<HeaderName, HeaderValue>,
    ) -> Outcome<()> {
        let headers =
            self.headers(Some(&session), protocol).await.map_err(|_| StreamableHttpError::Client(Kept))?;
        let sent = self.client.delete(&*uri).headers(headers).send().await;
        sent.map(drop).map_err(|_| StreamableHttpError::Client(Kept))
    }

    /// Opens the stream on which a server says things by itself. A server without one is fine.
    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event_id: Option<String>,
        _auth: Option<String>,
        protocol: HashMap<HeaderName, HeaderValue>,
    ) -> Outcome<BoxStream<'static, Result<Sse, SseError>>> {
        let none = StreamableHttpError::ServerDoesNotSupportSse;
        let Ok(mut headers) = self.headers(session.as_deref(), protocol).await else { return Err(none) };
        if let Some(last) = last_event_id.and_then(|last| HeaderValue::from_str(&last).ok()) {
            headers.insert(LAST_EVENT_HEADER, last);
        }
        let sent = self.client.get(&*uri).headers(headers).header(ACCEPT, EVENTS).send().await;
        match sent {
            Ok(response)
                if response.status().is_success()
                    && wire::media_type(&response) == EVENTS
                    && wire::check_encoding(&response).is_ok() =>
            {
                // Small talk only: what floods is cut off, and the age of the list still bounds what is missed.
                let bytes = wire::capped(response.bytes_stream(), LISTING_BYTES_MAX).boxed();
                Ok(SseStream::from_bytes_stream(bytes).boxed())
            }
            _ => Err(none),
        }
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth: Option<String>,
        protocol: HashMap<HeaderName, HeaderValue>,
        _bytes_max: usize,
    ) -> Outcome<BoxStream<'static, Result<Sse, SseError>>> {
        self.get_stream(uri, session, last_event_id, auth, protocol).await
    }
}
