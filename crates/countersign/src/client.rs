//! The HTTP client of `/v1`: JSON in, JSON out, problems turned into failures.
//!
//! One per command. It repeats nothing by itself: whether a repeat is safe is the caller's knowledge.

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Failure;
use crate::target::Target;

/// Longer than the longest time for which the server holds an answer.
const TIMEOUT: Duration = Duration::from_secs(90);
/// Nothing that a command reads is longer.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The server has nothing at this address.
#[derive(Debug, thiserror::Error)]
#[error("there is nothing at this address")]
pub(crate) struct Gone;

/// A connection to one server.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    target: Target,
}

impl Client {
    /// Prepares the connection; nothing is sent yet.
    pub(crate) fn new(target: Target) -> Result<Self> {
        // Another part of the process may have chosen the provider already; then that one stands.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("the HTTP client cannot be made")?;
        Ok(Self { http, target })
    }

    /// The server's address.
    pub(crate) fn url(&self) -> &str {
        &self.target.url
    }

    /// `GET path`
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let text = self.send(Method::GET, path, None).await?;
        read(path, &text)
    }

    /// `GET path` of a page, read on until `limit` rows are there.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str, limit: usize) -> Result<Vec<T>> {
        let mut items = vec![];
        let mut after: Option<String> = None;
        while items.len() < limit {
            let separator = if path.contains('?') { '&' } else { '?' };
            let rest = (limit - items.len()).min(200);
            let mut page = format!("{path}{separator}limit={rest}");
            if let Some(after) = &after {
                page = format!("{page}&after={}", encode(after));
            }
            let answer: Value = self.get(&page).await?;
            // Short lists come whole, as a plain array.
            if answer.is_array() {
                return Ok(serde_json::from_value(answer)?);
            }
            let answer: api::Page<T> = serde_json::from_value(answer)
                .with_context(|| format!("the answer of `{path}` is not a page of this version"))?;
            let empty = answer.items.is_empty();
            items.extend(answer.items);
            after = answer.next;
            if after.is_none() || empty {
                break;
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    /// `GET path` as text.
    pub(crate) async fn text(&self, path: &str) -> Result<String> {
        self.send(Method::GET, path, None).await
    }

    /// `POST path`
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let body = serde_json::to_vec(body)?;
        let text = self.send(Method::POST, path, Some(body)).await?;
        read(path, &text)
    }

    /// `POST path` with a key: the same one is the same request.
    pub(crate) async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        let key = HeaderValue::from_str(key)
            .map_err(|_| Failure::usage("the idempotency key holds characters that no key has"))?;
        let body = Some(serde_json::to_vec(body)?);
        let sent = self.exchange_keyed(Method::POST, path, body, ANSWER_BYTES_MAX, Some(key)).await?;
        read(path, &text_of(sent)?)
    }

    /// `GET path` as bytes; [`Gone`] where there is nothing.
    pub(crate) async fn bytes(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>> {
        let (status, bytes) = self.exchange(Method::GET, path, None, bytes_max).await?;
        if status == StatusCode::NOT_FOUND {
            return Err(Gone.into());
        }
        if status.is_success() {
            Ok(bytes)
        } else {
            Err(refusal(status, &String::from_utf8_lossy(&bytes)).into())
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<String> {
        text_of(self.exchange(method, path, body, ANSWER_BYTES_MAX).await?)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        bytes_max: usize,
    ) -> Result<(StatusCode, Vec<u8>)> {
        self.exchange_keyed(method, path, body, bytes_max, None).await
    }

    async fn exchange_keyed(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        bytes_max: usize,
        idempotency: Option<HeaderValue>,
    ) -> Result<(StatusCode, Vec<u8>)> {
        let mut request = self.http.request(method, format!("{}{path}", self.target.url));
        request = request.header(ACCEPT, "application/json");
        if let Some(key) = &self.target.key {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                .map_err(|_| Failure::usage("the key holds characters that no key has"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(key) = idempotency {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let mut bytes = vec![];
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unreachable(&error))? {
            if bytes.len() + chunk.len() > bytes_max {
                return Err(Failure::refused(format!("the answer is longer than {bytes_max} bytes"))
                    .hint("ask for less, for example with --limit")
                    .into());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, bytes))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let message = if error.is_connect() {
            format!("no server answers at {}", self.target.url)
        } else if error.is_timeout() {
            format!("{} did not answer in time", self.target.url)
        } else {
            format!("the conversation with {} broke off", self.target.url)
        };
        Failure::unreachable(message)
            .hint("look with `countersign doctor`; start a server with `countersign serve`")
            .code("unreachable")
    }
}

/// A refusal with what the server says to do.
fn refusal(status: StatusCode, text: &str) -> Failure {
    match serde_json::from_str::<api::Problem>(text) {
        Ok(problem) => {
            let mut failure = Failure::refused(problem.detail).code(problem.code);
            if !problem.hint.is_empty() {
                failure = failure.hint(problem.hint);
            }
            failure.problems = problem.problems;
            failure
        }
        Err(_) => Failure::refused(format!("the server answered {status} without saying why"))
            .hint("is this address a countersign server of the same version?"),
    }
}

fn read<T: DeserializeOwned>(path: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Failure::refused(format!("the answer of `{path}` cannot be read: {error}"))
            .hint("client and server should be of the same version: compare `countersign --version` with `countersign status`")
            .into()
    })
}

/// Text as one path segment or query value.
/// The text of an answer, or why there is none.
fn text_of((status, bytes): (StatusCode, Vec<u8>)) -> Result<String> {
    let text = String::from_utf8(bytes).context("the answer is not text")?;
    if status.is_success() { Ok(text) } else { Err(refusal(status, &text).into()) }
}

pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
        out
    })
}

/// A query string of those parts that are there.
pub(crate) fn query(parts: &[(&str, Option<&str>)]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", encode(value))))
        .collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_place_in_a_path() {
        assert_eq!(encode("../x?y#é"), "..%2Fx%3Fy%23%C3%A9");
        assert_eq!(query(&[("a", Some("1 2")), ("b", None)]), "?a=1%202");
        assert_eq!(query(&[("b", None)]), "");
    }
}
