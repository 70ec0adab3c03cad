//! One outside system: a bulkhead and a breaker before the call, redaction behind it.
//!
//! Everything that a system said leaves through `finish`, so that no secret and no raw control character does.

use std::sync::Arc;

use kernel::clock::Millis;
use kernel::id::ConnectorId;
use kernel::ports::{Answer, Call, FailureClass, Output};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::breaker::{Breaker, BreakerState, Pass};
use crate::connectors::ManifestDigest;
use crate::egress::{self, Lookup};
use crate::fault::{Fault, one_line};
use crate::mcp::{self, Program, Reach, Server, SharedClock, Wait};
use crate::rest::Api;
use crate::secret::Keyring;
use crate::spec::{self, Endpoint, Kind, Spec, SpecError};
use crate::wire;

/// How a connector is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorHealth {
    /// Which one.
    pub name: ConnectorId,
    /// What its breaker lets through.
    pub state: BreakerState,
    /// The last thing that went wrong, in words.
    pub last_error: Option<String>,
    /// When the system last answered, by wall clock.
    pub last_ok_at: Option<Millis>,
    /// Calls on their way.
    pub in_flight: usize,
    /// Tools in the last list; `None`: never listed, or being listed now.
    pub tools: Option<usize>,
}

/// What all connectors of a workspace share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub clock: SharedClock,
    pub digest: ManifestDigest,
    pub lookup: Arc<dyn Lookup>,
    pub tasks: TaskTracker,
}

/// How its tools are called.
#[derive(Debug)]
pub(crate) enum Way {
    Mcp(Server),
    Http(Api),
}

/// One connector.
#[derive(Debug)]
pub(crate) struct Connector {
    pub spec: Spec,
    pub way: Way,
    pub keyring: Arc<Keyring>,
    pub shared: Shared,
    breaker: Breaker,
    permits: Semaphore,
}

impl Connector {
    /// Makes a connector; nothing is connected yet.
    pub(crate) fn new(spec: Spec, shared: Shared) -> Result<Self, SpecError> {
        spec.check()?;
        let keyring = Arc::new(Keyring::new(spec.auth.clone()));
        let client = |url: &str| {
            let url = spec::parse_url(url, spec.allow_private)?;
            let client = egress::client(&url, spec.allow_private, spec.timeout, &shared.lookup)?;
            Ok::<_, SpecError>((url, client))
        };
        let server = |reach: Reach| {
            Way::Mcp(Server::new(mcp::Parts {
                name: spec.name.clone(),
                reach,
                keyring: Arc::clone(&keyring),
                bytes_max: spec.max_response_bytes,
                in_flight_max: spec.max_in_flight,
                unavailable_is_certain: spec.unavailable_is_certain,
                clock: shared.clock.clone(),
                digest: shared.digest,
                tasks: shared.tasks.clone(),
            }))
        };
        let way = match &spec.kind {
            Kind::Mcp { endpoint: Endpoint::Http { url } } => {
                let (url, client) = client(url)?;
                server(Reach::Http { url, client })
            }
            Kind::Mcp { endpoint: Endpoint::Stdio { command, env } } => {
                server(Reach::Stdio(Program::new(command.clone(), env.clone(), shared.tasks.clone())))
            }
            Kind::Http { base_url, tools } => {
                let (base, client) = client(base_url)?;
                Way::Http(Api {
                    base,
                    tools: tools.clone(),
                    client,
                    keyring: Arc::clone(&keyring),
                    bytes_max: spec.max_response_bytes,
                    unavailable_is_certain: spec.unavailable_is_certain,
                    digest: shared.digest,
                })
            }
        };
        let permits = Semaphore::new(spec.max_in_flight);
        Ok(Self { spec, way, keyring, shared, breaker: Breaker::default(), permits })
    }

    /// Calls a tool once.
    pub(crate) async fn call(&self, call: Call) -> Answer {
        match self.attempt(&call).await {
            Ok(output) => Answer::Output(self.clean(output)),
            Err(fault) => self.finish(fault).into_answer(),
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Output, Fault> {
        let name = &self.spec.name;
        let Ok(_permit) = self.permits.try_acquire() else {
            return Err(Fault::busy(format!(
                "`{name}` already has {} calls on their way",
                self.spec.max_in_flight
            )));
        };
        let pass = self.breaker.admit(self.now()).map_err(|rest| {
            let rest = wire::words(wire::span(rest));
            Fault::busy(format!("`{name}` failed several times in a row and rests; next try in {rest}"))
        })?;
        let wait = self.wait(call.timeout);
        let result = match &self.way {
            Way::Mcp(server) => server.call(call, wait).await,
            Way::Http(api) => api.call(call, wait).await,
        };
        self.note(pass, &result);
        result
    }

    fn note(&self, pass: Pass<'_>, result: &Result<Output, Fault>) {
        match result {
            Ok(_) => pass.answered(self.now()),
            Err(fault) => {
                let cause = self.finish(fault.clone()).cause().to_owned();
                match fault {
                    fault if fault.is_transport() => pass.failed(self.now(), cause),
                    // Our own rule spoke; the system was not asked.
                    Fault::Certain { class: FailureClass::Blocked, .. } => pass.noted(cause),
                    _ => pass.refused(self.now(), cause),
                }
            }
        }
    }

    /// The wait of one call: what it asks for, within what the connector allows.
    pub(crate) fn wait(&self, asked: Millis) -> Wait {
        let allowed = self.spec.timeout;
        let patience = if asked.0 > 0 { asked.min(allowed) } else { allowed };
        Wait::of(wire::span(patience))
    }

    /// The tools as they are now, in the form of which digests are taken.
    pub(crate) async fn tools(&self) -> Result<Vec<Value>, Fault> {
        let found = match &self.way {
            Way::Mcp(server) => {
                let (_, listing) =
                    server.listed(self.wait(Millis(0)), true).await.map_err(|fault| self.finish(fault))?;
                listing.tools.values().map(|live| live.manifest.clone()).collect()
            }
            Way::Http(api) => api.tools.iter().map(|(name, tool)| tool.manifest(name)).collect::<Vec<_>>(),
        };
        Ok(found)
    }

    pub(crate) fn health(&self) -> ConnectorHealth {
        let seen = self.breaker.seen(self.now());
        let tools = match &self.way {
            Way::Mcp(server) => server.tools_known(),
            Way::Http(api) => Some(api.tools.len()),
        };
        ConnectorHealth {
            name: self.spec.name.clone(),
            state: seen.state,
            last_error: seen.last_error,
            last_ok_at: seen.last_ok_at,
            in_flight: self.spec.max_in_flight.saturating_sub(self.permits.available_permits()),
            tools,
        }
    }

    /// Ends sessions and children.
    pub(crate) async fn close(&self) {
        if let Way::Mcp(server) = &self.way {
            server.close().await;
        }
    }

    fn now(&self) -> kernel::clock::Now {
        self.shared.clock.0.now()
    }

    fn clean(&self, mut output: Output) -> Output {
        for value in output.content.iter_mut().chain(&mut output.structured) {
            self.keyring.redact_value(value);
        }
        output
    }

    /// A fault as it may be told.
    pub(crate) fn finish(&self, fault: Fault) -> Fault {
        fault.map_cause(|cause| one_line(&self.keyring.redact(cause)))
    }
}
