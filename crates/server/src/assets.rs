//! What the binary carries: the console and the pages of errors.
//!
//! Any address that is no route and looks like a page of the console gets its one HTML file; files with a digest in
//! their name never change, so browsers may keep them for ever.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, Method, StatusCode, Uri};
use kernel::digest::Digest;

use crate::codes::Code;
use crate::problem::Fault;

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// First parts of addresses that are never pages of the console.
const NOT_PAGES: [&str; 5] = ["v1", "mcp", "log", "docs", "assets"];

/// The page of an error code.
pub(crate) fn error_page(code: &str) -> Option<&'static str> {
    let (_, bytes) = ERROR_PAGES.iter().find(|(name, _)| name.strip_suffix(".md") == Some(code))?;
    std::str::from_utf8(bytes).ok()
}

/// A file of the console, or its page.
pub(crate) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    let file = CONSOLE.iter().find(|(name, _)| *name == path);
    let is_page = !NOT_PAGES.contains(&first) && !first.contains('.') && wants_page(&headers);
    let file =
        file.or_else(|| if is_page { CONSOLE.iter().find(|(name, _)| *name == "index.html") } else { None });
    let Some((name, bytes)) = file.filter(|_| method == Method::GET || method == Method::HEAD) else {
        let place: String = uri.path().chars().take(100).flat_map(char::escape_default).collect();
        return Fault::new(
            Code::RouteNotFound,
            format!("there is nothing at `{place}`"),
            "look at /openapi.json",
        )
        .into_response();
    };
    let etag = etag(name, bytes);
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let fixed = [(CACHE_CONTROL, cache.to_owned()), (ETAG, etag.clone())];
    if headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(etag.as_str()) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    (fixed, [(CONTENT_TYPE, kind(name))], *bytes).into_response()
}

/// Browsers that open an address say that they take HTML; programs that mistyped a route do not.
fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_none_or(|text| text.contains("html") || text == "*/*")
}

fn etag(name: &'static str, bytes: &'static [u8]) -> String {
    static KNOWN: OnceLock<BTreeMap<&'static str, String>> = OnceLock::new();
    let tag = |bytes: &[u8]| format!("\"{}\"", &Digest::of("countersign/asset", &[bytes]).to_string()[..32]);
    let known = KNOWN.get_or_init(|| CONSOLE.iter().map(|(name, bytes)| (*name, tag(bytes))).collect());
    known.get(name).cloned().unwrap_or_else(|| tag(bytes))
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json" | "map") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
