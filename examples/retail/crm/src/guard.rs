//! Who may ask: the right host name, no browser page, and a token or at least the same machine.
//!
//! The names guard against a web page that lets its own name point to this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

/// What is asked of every request.
#[derive(Clone)]
pub struct Guard {
    token: Option<[u8; 32]>,
    hosts: Arc<[String]>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("token", &self.token.is_some()).field("hosts", &self.hosts).finish()
    }
}

impl Guard {
    /// A guard: with a token it is asked for, without one only this machine may ask. Loopback names are always allowed.
    pub fn new(token: Option<&str>, more_hosts: &[String]) -> Self {
        let hosts = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).into_iter();
        let hosts = hosts.chain(more_hosts.iter().map(|host| host.to_ascii_lowercase())).collect();
        Self { token: token.map(digest), hosts }
    }

    /// The host names that are answered.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    fn check(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = without_port(host).to_ascii_lowercase();
        if !self.hosts.contains(&name) {
            return Err((StatusCode::FORBIDDEN, "this host name is not served"));
        }
        if headers.contains_key(header::ORIGIN) {
            return Err((StatusCode::FORBIDDEN, "web pages are not served"));
        }
        let Some(token) = &self.token else {
            let here = peer.ip().to_canonical().is_loopback();
            return if here { Ok(()) } else { Err((StatusCode::FORBIDDEN, "only this machine is served")) };
        };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer ")).map(digest);
        match given {
            Some(given) if same(&given, token) => Ok(()),
            _ => Err((StatusCode::UNAUTHORIZED, "a bearer token is needed")),
        }
    }
}

/// The middleware.
pub(crate) async fn guarded(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match guard.check(peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err((StatusCode::UNAUTHORIZED, text)) => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], text).into_response()
        }
        Err(answer) => answer.into_response(),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Tokens are compared by their digests: equal length, and what differs says nothing about the token.
fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
