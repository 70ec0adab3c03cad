//! Before and after every request: host and origin, load, and the headers that every answer carries.
//!
//! A browser on this machine can be made to talk to loopback by any site (DNS rebinding, THREATS 51). So the names under
//! which the server is addressed are listed, and a request that says where it comes from must come from here.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY};
use http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue};
use kernel::clock::Millis;

use crate::app::App;
use crate::codes::Code;
use crate::problem::Fault;

/// What a page of ours may load: only what comes with the server.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; \
                   connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Requests under way at once.
pub(crate) const REQUESTS_MAX: usize = 4_096;

/// Names of loopback, always allowed.
pub(crate) const LOCAL_HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match check_host(&app.hosts, request.headers()) {
        Err(fault) => fault.into_response(),
        Ok(()) => match app.requests.try_acquire() {
            Ok(_permit) => next.run(request).await,
            Err(_) => Fault {
                retry_after: Some(Millis(1_000)),
                ..Fault::new(Code::Busy, "too many requests are under way", "send it again after a moment")
            }
            .into_response(),
        },
    };
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 5] = [
        (CONTENT_SECURITY_POLICY, CSP),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn check_host(allowed: &[String], headers: &HeaderMap) -> Result<(), Fault> {
    let refused = |what: &str, value: &str| {
        let value: String = value.chars().take(100).flat_map(char::escape_default).collect();
        Err(Fault::new(
            Code::HostNotAllowed,
            format!("the {what} `{value}` is not allowed here"),
            "address the server as 127.0.0.1 or localhost, or start it with --allow-host NAME",
        ))
    };
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Some(host) = text(&HOST) else { return refused("missing host", "") };
    if !allowed.iter().any(|name| name.eq_ignore_ascii_case(name_of(host))) {
        return refused("host", host);
    }
    match text(&ORIGIN) {
        None => Ok(()),
        Some(origin) => {
            let place = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            if place.is_some_and(|place| place.eq_ignore_ascii_case(host)) {
                Ok(())
            } else {
                refused("origin", origin)
            }
        }
    }
}

/// The host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        check_host(&LOCAL_HOSTS.map(str::to_owned), &headers).is_ok()
    }

    #[test]
    fn only_our_names_and_our_own_pages() {
        assert!(check("127.0.0.1:7400", None));
        assert!(check("LOCALHOST:1", Some("http://localhost:1")));
        assert!(check("[::1]:7400", Some("http://[::1]:7400")));
        assert!(!check("evil.example", None));
        assert!(!check("127.0.0.1.evil.example:7400", None));
        assert!(!check("localhost:7400", Some("http://localhost:8000")));
        assert!(!check("localhost:7400", Some("http://evil.example")));
        assert!(!check("localhost:7400", Some("null")));
        assert!(check_host(&["localhost".to_owned()], &HeaderMap::new()).is_err());
    }
}
