//! Request bodies: bounded in bytes, time, depth and count before they become values; strict while they do.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use futures_util::StreamExt as _;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use kernel::json::{CHECKPOINT, FOLDER, Limits, REQUEST};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::codes::Code;
use crate::problem::Fault;

/// The longest that a body may take to arrive. The router puts it beside each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(pub(crate) Duration);

/// A body, or an answer, up to this is not counted as large.
pub(crate) const INLINE_BYTES_MAX: usize = 1 << 20;
/// Large bodies and answers at once: each takes several times its bytes for a while.
pub(crate) const LARGE_MAX: usize = 8;
const LARGE_PATIENCE: Duration = Duration::from_secs(10);

/// Bytes beyond the limit that are taken in and thrown away before the answer.
const THROWN_AWAY_MAX: usize = 16 << 20;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON body that holds a whole workspace folder.
#[derive(Debug)]
pub(crate) struct Folder<T>(pub(crate) T);

/// A JSON body that may be large, with the permit for it.
#[derive(Debug)]
pub(crate) struct Large<T>(pub(crate) T, pub(crate) Option<OwnedSemaphorePermit>);

/// The body of a request that needs none: `{}` or nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The query string.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Fault> {
        read(request, REQUEST).await.map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Folder<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Fault> {
        read(request, FOLDER).await.map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Large<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Fault> {
        let small = announced(request.headers()).is_some_and(|bytes| bytes <= INLINE_BYTES_MAX as u64);
        let permit = app.large(!small).await?;
        Ok(Self(read(request, CHECKPOINT).await?, permit))
    }
}

impl App {
    /// Leave to hold something large in memory; it is waited for, not for long.
    pub(crate) async fn large(&self, needed: bool) -> Result<Option<OwnedSemaphorePermit>, Fault> {
        if !needed {
            return Ok(None);
        }
        match tokio::time::timeout(LARGE_PATIENCE, self.large.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => Err(engine::Error::Busy.into()),
        }
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        Query::from_request_parts(parts, state).await.map(|Query(asked)| Self(asked)).map_err(|error| {
            Fault::new(Code::QueryInvalid, error.body_text(), "correct the part after `?` in the address")
        })
    }
}

async fn read<T: DeserializeOwned>(request: Request, limits: Limits) -> Result<T, Fault> {
    let (parts, bytes) = bounded(request, limits).await?;
    let value = if bytes.is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        check_type(&parts.headers)?;
        kernel::json::parse(&bytes, limits)?
    };
    serde_json::from_value(value).map_err(|error| {
        Fault::new(
            Code::RequestInvalid,
            format!("the request does not fit: {error}"),
            "compare it with /openapi.json",
        )
    })
}

/// The same request once its body arrived and is JSON within the limits, for a library that reads it again and knows
/// none of them.
pub(crate) async fn checked(request: Request, limits: Limits) -> Result<Request, Fault> {
    let (parts, bytes) = bounded(request, limits).await?;
    check_type(&parts.headers)?;
    drop(kernel::json::parse(&bytes, limits)?);
    Ok(Request::from_parts(parts, HttpBody::from(bytes)))
}

/// Takes a body in, in time and no more of it than allowed.
async fn bounded(request: Request, limits: Limits) -> Result<(Parts, Vec<u8>), Fault> {
    let too_large = || {
        Fault::new(
            Code::BodyTooLarge,
            format!("the body is larger than {} bytes", limits.bytes_max),
            "send less",
        )
    };
    let (parts, body) = request.into_parts();
    if announced(&parts.headers).is_some_and(|bytes| bytes > (limits.bytes_max + THROWN_AWAY_MAX) as u64) {
        return Err(too_large());
    }
    let patience = parts.extensions.get().copied().unwrap_or(Patience(crate::config::PATIENCE));
    let bytes = collect(body, limits.bytes_max, patience, too_large).await?;
    Ok((parts, bytes))
}

/// Reads a body. One that is too large is read on for a while and thrown away: who is still sending would see a broken
/// connection instead of the answer.
async fn collect(
    body: HttpBody,
    max: usize,
    Patience(patience): Patience,
    too_large: impl Fn() -> Fault,
) -> Result<Vec<u8>, Fault> {
    let unreadable =
        || Fault::new(Code::BodyUnreadable, "the body ended before it was complete", "send it again");
    let mut body = body.into_data_stream();
    let reading = async {
        let (mut bytes, mut over) = (Vec::new(), 0);
        while let Some(data) = body.next().await {
            let data = data.map_err(|_| unreadable())?;
            if over == 0 && bytes.len() + data.len() <= max {
                bytes.extend_from_slice(&data);
                continue;
            }
            bytes = Vec::new();
            over += data.len();
            if over > THROWN_AWAY_MAX {
                break;
            }
        }
        if over == 0 { Ok(bytes) } else { Err(too_large()) }
    };
    tokio::time::timeout(patience, reading).await.unwrap_or_else(|_| {
        Err(Fault::new(Code::RequestTimeout, "the body did not arrive in time", "send it again, faster"))
    })
}

/// Only JSON is taken: a form of another site cannot send that without asking first.
fn check_type(headers: &HeaderMap) -> Result<(), Fault> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Fault::new(
        Code::ContentTypeInvalid,
        format!("the body is of type `{}`; only `application/json` is taken", kind.escape_default()),
        "send the header `content-type: application/json`",
    ))
}
