//! One HTTP exchange, bounded: what both kinds of connector share.
//!
//! Bytes are counted while they arrive; what is too large is not kept and not read to its end (THREATS 46, 56).

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use kernel::clock::Millis;
use reqwest::Response;

use crate::fault::{self, Fault, Terms};

/// Most bytes of an error page that are looked at.
const DETAIL_BYTES_MAX: usize = 4 << 10;
/// Longest wait for the text of an error.
const DETAIL_PATIENCE: Duration = Duration::from_millis(500);

/// A span for the runtime's timers.
pub(crate) fn span(millis: Millis) -> Duration {
    Duration::from_millis(millis.0.max(0).unsigned_abs())
}

/// A span in words.
pub(crate) fn words(span: Duration) -> String {
    match span.as_millis() {
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}

/// The media type of an answer, without its parameters, in lower case.
pub(crate) fn media_type(response: &Response) -> String {
    let value =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Refuses an answer that is compressed: it was not asked for, and its size says nothing.
pub(crate) fn check_encoding(response: &Response) -> Result<(), Fault> {
    match response.headers().get(CONTENT_ENCODING).map(http::HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(()),
        Some(_) => Err(Fault::unknown("the answer is compressed, which was not asked for")),
    }
}

/// Turns an answer that is no success into a fault, with the beginning of its text.
pub(crate) async fn refusal(response: Response, terms: Terms) -> Fault {
    let (status, headers) = (response.status(), response.headers().clone());
    let plain = check_encoding(&response).is_ok();
    // The status is known; a text that does not arrive must not turn it into a time-out.
    let detail = tokio::time::timeout(DETAIL_PATIENCE, beginning(response)).await.unwrap_or_default();
    fault::of_status(status, &headers, terms, if plain { &detail } else { "" })
}

/// The first words of a body that nobody needs in full.
async fn beginning(response: Response) -> String {
    let media = media_type(&response);
    if media == "text/html" || media.starts_with("image/") {
        return String::new();
    }
    let mut stream = response.bytes_stream();
    let mut text = Vec::new();
    while let Some(Ok(chunk)) = stream.next().await {
        let room = DETAIL_BYTES_MAX - text.len();
        text.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if text.len() == DETAIL_BYTES_MAX {
            break;
        }
    }
    fault::one_line(&said(&text))
}

/// What an error says in the usual places, or its whole text.
fn said(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let places = ["/error/message", "/message", "/detail", "/title", "/error"];
    let text = places.iter().find_map(|place| value.pointer(place).and_then(serde_json::Value::as_str));
    text.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

/// Reads a body to its end, unless it is too large.
pub(crate) async fn body(response: Response, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    check_encoding(&response)?;
    if response.content_length().is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| fault::of_request(&error))?;
        if body.len() + chunk.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

pub(crate) fn too_large(bytes_max: usize) -> Fault {
    Fault::unknown(format!("the answer is larger than {bytes_max} bytes, the limit of this connector"))
}

/// Passes a stream of bytes on until it has carried too many.
pub(crate) fn capped<S, B>(stream: S, bytes_max: usize) -> impl Stream<Item = Result<B, std::io::Error>>
where
    S: Stream<Item = Result<B, reqwest::Error>>,
    B: AsRef<[u8]>,
{
    let mut seen = 0_usize;
    stream.map(move |chunk| {
        let chunk = chunk.map_err(std::io::Error::other)?;
        seen = seen.saturating_add(chunk.as_ref().len());
        if seen > bytes_max { Err(std::io::Error::other(TooLarge)) } else { Ok(chunk) }
    })
}

/// A stream carried more than allowed.
#[derive(Debug, thiserror::Error)]
#[error("larger than allowed")]
pub(crate) struct TooLarge;
