//! The REST client: what an agent and a person need of `/v1`, and nothing more.
//!
//! It repeats nothing: the caller knows whether the same key makes a repeat safe, and says so by calling again.

use std::fmt;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long the server may hold an answer while an action is under way.
pub const WAIT_MS: u64 = 30_000;
const TIMEOUT: Duration = Duration::from_secs(75);
const RETRY_AFTER_DEFAULT: Duration = Duration::from_millis(250);

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No server, or the conversation with it broke off: whether it was taken is not known.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// No verdict is possible now; the same request may be sent again.
    #[error("the server asks to try again: {detail}")]
    Again { detail: String, code: String, after: Duration },
    /// The server said no.
    #[error("{} (code {}, {})", .0.detail, .0.code, .0.hint)]
    Refused(Box<api::Problem>),
    /// An answer that this version does not understand.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
}

/// One principal's connection to a server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares a connection; nothing is sent yet.
    pub fn new(url: &str, key: &str) -> Result<Self, ClientError> {
        // Another part of the process may have chosen the provider already; then that one stands.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .build()
            .map_err(|error| ClientError::Unreachable(error.to_string()))?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), key: key.trim().to_owned() })
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The key that it speaks with.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Starts the run of a conversation, or finds it again.
    pub async fn start_run(&self, conversation: &str, title: &str) -> Result<api::Run, ClientError> {
        // No idempotency key beside it: the conversation itself finds the run again, through `/mcp`, too.
        let body = api::StartRun {
            title: Some(title.to_owned()).filter(|title| !title.is_empty()),
            conversation: Some(conversation.to_owned()),
            ..api::StartRun::default()
        };
        self.send(Method::POST, "/v1/runs", Some(&body), None).await
    }

    /// Proposes an action; the same key gives the same action again.
    pub async fn propose(
        &self,
        run: &str,
        body: &api::ProposeAction,
        key: &str,
    ) -> Result<api::Action, ClientError> {
        self.send(Method::POST, &format!("/v1/runs/{run}/actions"), Some(body), Some(key)).await
    }

    /// An action, when it is settled or `wait_ms` are over.
    pub async fn action(&self, id: &str, wait_ms: u64) -> Result<api::Action, ClientError> {
        self.send(Method::GET, &format!("/v1/actions/{id}?wait_ms={wait_ms}"), None::<&()>, None).await
    }

    /// Ends a run.
    pub async fn finish_run(&self, run: &str, outcome: &str) -> Result<api::Run, ClientError> {
        let body = api::FinishRun { outcome: outcome.to_owned(), result: None, error: None };
        self.send(Method::POST, &format!("/v1/runs/{run}/finish"), Some(&body), None).await
    }

    /// A request for a countersignature, with its page.
    pub async fn approval(&self, id: &str) -> Result<api::Approval, ClientError> {
        self.send(Method::GET, &format!("/v1/approvals/{id}"), None::<&()>, None).await
    }

    /// Approves exactly the page with this digest.
    pub async fn approve(&self, id: &str, seen: &str) -> Result<api::Approval, ClientError> {
        let body = api::ApproveRequest { seen: seen.to_owned() };
        self.send(Method::POST, &format!("/v1/approvals/{id}/approve"), Some(&body), None).await
    }

    /// Settles an unknown outcome after looking.
    pub async fn resolve(
        &self,
        action: &str,
        applied: bool,
        reason: &str,
    ) -> Result<api::Action, ClientError> {
        let body = api::ResolveAction { applied, reason: reason.to_owned() };
        self.send(Method::POST, &format!("/v1/actions/{action}/resolve"), Some(&body), None).await
    }

    /// Any other request of `/v1`.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        idempotency: Option<&str>,
    ) -> Result<T, ClientError> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .header(AUTHORIZATION, format!("Bearer {}", self.key));
        if let Some(body) = body {
            let bytes = serde_json::to_vec(body).map_err(|error| ClientError::Answer(error.to_string()))?;
            request = request.header(CONTENT_TYPE, "application/json").body(bytes);
        }
        if let Some(key) = idempotency {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = answer.bytes().await.map_err(|error| unreachable(&error))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| ClientError::Answer(error.to_string()));
        }
        let problem: api::Problem = serde_json::from_slice(&bytes)
            .map_err(|_| ClientError::Answer(format!("{status} without a problem document")))?;
        if matches!(status.as_u16(), 429 | 503) {
            let after = after.map_or(RETRY_AFTER_DEFAULT, |seconds: u64| {
                Duration::from_secs(seconds.min(5)).max(RETRY_AFTER_DEFAULT)
            });
            return Err(ClientError::Again { detail: problem.detail, code: problem.code, after });
        }
        Err(ClientError::Refused(Box::new(problem)))
    }
}

fn unreachable(error: &reqwest::Error) -> ClientError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    ClientError::Unreachable(text)
}
