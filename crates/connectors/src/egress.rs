//! Which addresses may be reached, and a resolver that enforces it.
//!
//! A name is resolved once, the addresses are judged, and the connection is made to exactly those: between the check
//! and the connection nothing is resolved again, so a name server that changes its mind gains nothing (THREATS 55).
//! Addresses that only a machine's own surroundings answer (link-local, metadata services) are refused even where
//! private ranges are allowed. Redirects are not followed at all, so they need no check.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kernel::clock::Millis;
use kernel::ports::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::spec::{SpecError, shown};

/// More addresses than this of one name are not tried.
const ADDRESSES_MAX: usize = 16;
/// Idle connections are dropped before the other side does it (Node.js closes after 5 s): a call sent into a closing
/// connection has an unknown outcome, and somebody would have to look it up.
const IDLE_MAX: Duration = Duration::from_secs(2);
/// Longest wait for a connection. Shorter than a call's own wait, so that a host that swallows packets is a certain
/// failure and not an unknown one.
const CONNECT_MS_MAX: i64 = 5_000;

/// Why an address may not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Private, and the connector does not say `allow_private`.
    #[error("`{host}` is at {address}, a {range} address")]
    Private { host: String, address: IpAddr, range: &'static str },
    /// Never reachable through a connector.
    #[error("`{host}` is at {address}, a {range} address, which no connector may reach")]
    Forbidden { host: String, address: IpAddr, range: &'static str },
    /// The name has no address.
    #[error("`{host}` has no address")]
    NoAddress { host: String },
    /// The name could not be resolved.
    #[error("`{host}` could not be resolved: {cause}")]
    Unresolved { host: String, cause: String },
}

impl EgressError {
    /// Whether a rule of ours said no, as opposed to the network.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Private { .. } | Self::Forbidden { .. })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Public,
    Private(&'static str),
    Forbidden(&'static str),
}

/// Whether a connector may reach this address.
pub fn check_address(host: &str, address: IpAddr, allow_private: bool) -> Result<(), EgressError> {
    let host = || shown(host);
    match place(address) {
        Place::Public => Ok(()),
        Place::Private(_) if allow_private => Ok(()),
        Place::Private(range) => Err(EgressError::Private { host: host(), address, range }),
        Place::Forbidden(range) => Err(EgressError::Forbidden { host: host(), address, range }),
    }
}

fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(v4) => place_v4(v4),
        IpAddr::V6(v6) => place_v6(v6),
    }
}

/// The special-purpose registry of IANA, and the addresses at which clouds keep their secrets.
fn place_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [100, 100, 100, 200] | [168, 63, 129, 16] => Place::Forbidden("metadata"),
        [0, ..] => Place::Forbidden("this-network"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Place::Private("private"),
        [100, 64..=127, ..] => Place::Private("shared (carrier)"),
        [127, ..] => Place::Private("loopback"),
        [169, 254, ..] => Place::Forbidden("link-local"),
        [192, 0, 0, _] => Place::Forbidden("protocol"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Place::Forbidden("documentation"),
        [192, 88, 99, _] => Place::Forbidden("relay"),
        [198, 18..=19, ..] => Place::Private("benchmark"),
        [224..=239, ..] => Place::Forbidden("multicast"),
        [240..=255, ..] => Place::Forbidden("reserved"),
        _ => Place::Public,
    }
}

fn place_v6(address: Ipv6Addr) -> Place {
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        place_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Private("loopback"),
        // The same machine as the IPv4 address inside.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0, ..] => Place::Forbidden("reserved"),
        [0x64, 0xff9b, 1, ..] => Place::Private("local translation"),
        [0xfd00, 0x0ec2, ..] => Place::Forbidden("metadata"),
        [0xfc00..=0xfdff, ..] => Place::Private("unique local"),
        [0xfe80..=0xfebf, ..] => Place::Forbidden("link-local"),
        [0xfec0..=0xfeff, ..] => Place::Forbidden("site-local"),
        [0xff00..=0xffff, ..] => Place::Forbidden("multicast"),
        // Tunnels carry an IPv4 address of somebody's choice; the modern internet needs none of them.
        [0x2002, ..] | [0x2001, 0, ..] | [_, _, _, _, 0 | 0x200, 0x5efe, ..] => Place::Forbidden("tunnel"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Place::Forbidden("documentation"),
        [0x2001, 1..=0x01ff, ..] => Place::Forbidden("protocol"),
        [0x2000..=0x3fff, ..] => Place::Public,
        _ => Place::Forbidden("reserved"),
    }
}

/// Judges an address whose host is written as numbers: no resolver is asked for those.
pub(crate) fn check_url(url: &Url, allow_private: bool) -> Result<(), EgressError> {
    let host = url.host_str().unwrap_or_default();
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(address) => check_address(host, address, allow_private),
        Err(_) => Ok(()),
    }
}

/// Turns names into addresses. Replaced in tests by one that lies.
pub(crate) trait Lookup: Send + Sync + fmt::Debug {
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>>;
}

/// The resolver of the machine.
#[derive(Debug)]
pub(crate) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.take(ADDRESSES_MAX).map(|address| address.ip()).collect())
        })
    }
}

/// Resolves a name to addresses that may be reached. One address that may not be reached refuses the name: an answer
/// that mixes public and private addresses is an attack or a mistake, and neither gets a connection.
pub(crate) async fn resolve(
    lookup: &dyn Lookup,
    host: &str,
    allow_private: bool,
) -> Result<Vec<IpAddr>, EgressError> {
    let addresses = match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(literal) => vec![literal],
        Err(_) => lookup
            .lookup(host)
            .await
            .map_err(|error| EgressError::Unresolved { host: shown(host), cause: error.to_string() })?,
    };
    if addresses.is_empty() {
        return Err(EgressError::NoAddress { host: shown(host) });
    }
    for address in &addresses {
        check_address(host, *address, allow_private)?;
    }
    Ok(addresses)
}

/// What the HTTP client asks instead of the machine's resolver.
#[derive(Debug)]
struct Guard {
    lookup: Arc<dyn Lookup>,
    allow_private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allow_private) = (Arc::clone(&self.lookup), self.allow_private);
        Box::pin(async move {
            let addresses = resolve(lookup.as_ref(), name.as_str(), allow_private).await?;
            // Port 0 means: the port of the address that was asked for.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Whether connections are kept for the next call: only where making one is dear. A kept one may be closing just when a
/// call is sent into it (an unknown outcome), and with servers that write in small pieces it costs 40 ms a call,
/// because the machine then delays its acknowledgements.
pub(crate) fn reuses_connections(url: &Url) -> bool {
    url.scheme() == "https"
}

/// An HTTP client that goes where it may, and nowhere else: no redirects, no proxies, no repeats of its own.
pub(crate) fn client(
    url: &Url,
    allow_private: bool,
    timeout: Millis,
    lookup: &Arc<dyn Lookup>,
) -> Result<reqwest::Client, SpecError> {
    // A second installation fails and changes nothing: the first provider stays.
    rustls::crypto::ring::default_provider().install_default().ok();
    let connect_ms = (timeout.0 / 2).clamp(1, CONNECT_MS_MAX).unsigned_abs();
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .http1_only()
        .tcp_nodelay(true)
        .connect_timeout(Duration::from_millis(connect_ms))
        .pool_idle_timeout(IDLE_MAX)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Guard { lookup: Arc::clone(lookup), allow_private });
    if !reuses_connections(url) {
        // Nothing is encrypted here: a machine without certificates must still be able to make the client.
        builder = builder.tls_certs_only([]).pool_max_idle_per_host(0);
    }
    builder.build().map_err(|error| SpecError::Tls(crate::fault::deepest(&error)))
}
