//! The log as the world reads it: checkpoint, tiles and entry bundles (c2sp.org/tlog-tiles).
//!
//! Entries hold no payloads, no names and no free text. Still they tell how much is going on, so reading them needs the
//! right to audit, unless the server was started to publish its log.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, Method};
use tlog::Tile;

use crate::access::Right;
use crate::app::App;
use crate::caller;
use crate::problem::Fault;
use crate::show::checkpoint_size;

/// A full tile never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// A checkpoint does at every second.
const NOT_AT_ALL: &str = "no-store";

/// Whether this caller may read the log of this name.
async fn may_read(app: &App, workspace: &str, method: &Method, headers: &HeaderMap) -> Result<(), Fault> {
    if !app.publish_log {
        caller::of_request(app, method, headers).await?.may(Right::Audit)?;
    }
    if workspace == app.workspace.as_str() { Ok(()) } else { Err(Fault::not_found("log", workspace)) }
}

/// The last signed checkpoint of the workspace's log, as a C2SP signed note; where there are witnesses, the last one that
/// enough of them cosigned.
#[utoipa::path(get, path = "/log/{workspace}/checkpoint", params(("workspace" = String, Path)), responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn get_checkpoint(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Path(workspace): Path<String>,
) -> Result<Response, Fault> {
    may_read(&app, &workspace, &method, &headers).await?;
    let note = app.checkpoint().ok_or_else(|| Fault::not_found("checkpoint of the log", &workspace))?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, NOT_AT_ALL)], note).into_response())
}

/// A tile of hashes (`tile/LEVEL/N`) or a bundle of entries (`tile/entries/N`), full or partial (`.p/WIDTH`), of the tree
/// of the published checkpoint.
#[utoipa::path(get, path = "/log/{workspace}/tile/{name}", params(("workspace" = String, Path), ("name" = String, Path, description = "for example `0/x001/234`, `0/000.p/17`, `entries/000`")), responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>)))]
pub(crate) async fn get_tile(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Path((workspace, name)): Path<(String, String)>,
) -> Result<Response, Fault> {
    may_read(&app, &workspace, &method, &headers).await?;
    let not_found = || Fault::not_found("tile", &name);
    let tile: Tile = format!("tile/{name}").parse().map_err(|_| not_found())?;
    let size = app.checkpoint().as_deref().and_then(checkpoint_size).unwrap_or_default();
    let reader = app.clone();
    let found =
        tokio::task::spawn_blocking(move || reader.tile(&tile, size)).await.map_err(Fault::internal)?;
    let bytes = found?.ok_or_else(not_found)?;
    // A partial tile gives way to a fuller one, and means the same for ever.
    Ok(([(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, FOR_EVER)], bytes).into_response())
}
