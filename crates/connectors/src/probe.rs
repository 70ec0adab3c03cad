//! `connector test`: tries a connector step by step and says at which step it fails, and what to do.
//!
//! No tool is called. The breaker is not asked: the one who tests wants to know what is true now.

use std::collections::BTreeMap;

use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::ConnectorId;
use kernel::ports::FailureClass;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::connector::{Connector, Way};
use crate::egress::{self, EgressError};
use crate::fault::Fault;
use crate::mcp::{Server, Wait};
use crate::rest::Api;
use crate::spec::{Endpoint, Kind};

/// What is tried, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The name has addresses that may be reached.
    Resolve,
    /// Somebody answers there.
    Connect,
    /// Our credentials are accepted.
    Auth,
    /// The tools can be listed.
    List,
    /// They are what was pinned.
    Compare,
}

/// How one step went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which one.
    pub name: StepName,
    /// Whether it went well.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How a tool differs from what was pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// Its description or schema is another one.
    Changed,
    /// It was pinned and is gone.
    Missing,
    /// It is there and was never pinned.
    New,
}

/// How a connector was found. Steps after the first failure are not tried and not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which connector.
    pub connector: ConnectorId,
    /// What was tried.
    pub steps: Vec<Step>,
    /// Tools that differ from what was pinned.
    pub drift: BTreeMap<String, Drift>,
}

impl Report {
    /// Whether every step went well.
    pub fn is_ok(&self) -> bool {
        self.steps.iter().all(|step| step.ok)
    }
}

/// Notes steps; stops at the first failure.
struct Notes {
    steps: Vec<Step>,
}

/// A step failed: the report ends here.
struct Stop;

impl Notes {
    fn well(&mut self, name: StepName, detail: impl Into<String>) {
        self.steps.push(Step { name, ok: true, detail: detail.into(), hint: None });
    }

    fn badly(&mut self, name: StepName, detail: impl Into<String>, hint: &str) -> Stop {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.steps.push(Step { name, ok: false, detail: detail.into(), hint });
        Stop
    }
}

/// Tries a connector.
pub(crate) async fn run(connector: &Connector, pinned: &BTreeMap<String, Digest>) -> Report {
    let mut notes = Notes { steps: vec![] };
    let mut drift = BTreeMap::new();
    if let Ok(live) = steps(connector, &mut notes).await {
        drift = compare(&live, pinned);
        note_drift(&mut notes, &drift, pinned.len(), &connector.spec.name);
    }
    Report { connector: connector.spec.name.clone(), steps: notes.steps, drift }
}

async fn steps(connector: &Connector, notes: &mut Notes) -> Result<BTreeMap<String, Digest>, Stop> {
    let wait = connector.wait(Millis(0));
    let url = match &connector.spec.kind {
        Kind::Mcp { endpoint: Endpoint::Http { url } } | Kind::Http { base_url: url, .. } => {
            Url::parse(url).ok()
        }
        Kind::Mcp { endpoint: Endpoint::Stdio { .. } } => None,
    };
    if let Some(url) = url {
        resolve(connector, &url, wait, notes).await?;
    }
    match &connector.way {
        Way::Mcp(server) => try_server(connector, server, wait, notes).await,
        Way::Http(api) => try_api(connector, api, wait, notes).await,
    }
}

async fn resolve(connector: &Connector, url: &Url, wait: Wait, notes: &mut Notes) -> Result<(), Stop> {
    let host = url.host_str().unwrap_or_default();
    let resolving = egress::resolve(connector.shared.lookup.as_ref(), host, connector.spec.allow_private);
    match tokio::time::timeout_at(wait.deadline, resolving).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            notes.well(StepName::Resolve, format!("`{host}` is at {}", addresses.join(", ")));
            Ok(())
        }
        Ok(Err(error)) => {
            let hint = match &error {
                EgressError::Private { .. } => {
                    "if this system is meant, set `allow_private = true` for this connector"
                }
                EgressError::Forbidden { .. } => "use the address at which the system itself is reached",
                EgressError::NoAddress { .. } | EgressError::Unresolved { .. } => {
                    "check the spelling of the host, and the name server of this machine"
                }
            };
            Err(notes.badly(StepName::Resolve, error.to_string(), hint))
        }
        Err(_) => Err(notes.badly(StepName::Resolve, wait.over(), "check the name server of this machine")),
    }
}

async fn try_server(
    connector: &Connector,
    server: &Server,
    wait: Wait,
    notes: &mut Notes,
) -> Result<BTreeMap<String, Digest>, Stop> {
    read_secrets(connector, notes).await?;
    if let Err(fault) = server.session(wait).await {
        return Err(note_fault(connector, notes, StepName::Connect, fault));
    }
    notes.well(StepName::Connect, "the server opened a session");
    match server.listed(wait, true).await {
        Ok((_, listing)) => {
            notes.well(StepName::Auth, accepted(connector));
            notes.well(StepName::List, format!("{} tools", listing.tools.len()));
            Ok(listing.tools.iter().map(|(name, live)| (name.clone(), live.digest)).collect())
        }
        Err(fault) => Err(note_fault(connector, notes, StepName::List, fault)),
    }
}

async fn try_api(
    connector: &Connector,
    api: &Api,
    wait: Wait,
    notes: &mut Notes,
) -> Result<BTreeMap<String, Digest>, Stop> {
    read_secrets(connector, notes).await?;
    match api.knock(wait).await {
        Err(fault) => return Err(note_fault(connector, notes, StepName::Connect, fault)),
        Ok(status @ (401 | 403)) => {
            notes.well(StepName::Connect, format!("the system answered {status}"));
            return Err(notes.badly(StepName::Auth, format!("the system answered {status}"), AUTH_HINT));
        }
        Ok(status) => {
            notes.well(StepName::Connect, format!("the system answered {status}"));
            // A base address rarely asks for credentials: that it let us in says little.
            notes.well(StepName::Auth, "not refused; only a call shows whether the credentials are accepted");
        }
    }
    notes.well(StepName::List, format!("{} tools are declared", api.tools.len()));
    Ok(api.tools.iter().map(|(name, tool)| (name.clone(), (api.digest)(&tool.manifest(name)))).collect())
}

const AUTH_HINT: &str = "check the secret that `auth` refers to, and what it is allowed to do at the system";

async fn read_secrets(connector: &Connector, notes: &mut Notes) -> Result<(), Stop> {
    match connector.keyring.headers().await {
        Ok(_) => Ok(()),
        Err(fault) => {
            let fault = connector.finish(fault);
            Err(notes.badly(
                StepName::Auth,
                fault.cause(),
                "set the secret where the reference says, then try again",
            ))
        }
    }
}

fn accepted(connector: &Connector) -> &'static str {
    if connector.spec.auth.is_empty() {
        "no credentials are set, and none were asked for"
    } else {
        "accepted"
    }
}

fn note_fault(connector: &Connector, notes: &mut Notes, step: StepName, fault: Fault) -> Stop {
    let fault = connector.finish(fault);
    match &fault {
        Fault::Certain { class: FailureClass::Unauthorized, cause, .. } => {
            if step == StepName::Connect {
                notes.well(StepName::Connect, "the system answered");
            }
            notes.badly(StepName::Auth, cause, AUTH_HINT)
        }
        Fault::Certain { class: FailureClass::RateLimited, cause, .. } => {
            notes.badly(step, cause, "the system counts our calls; wait, or ask its owner for a higher limit")
        }
        Fault::Certain { class: FailureClass::Refused, cause, .. } if step == StepName::Connect => notes
            .badly(step, cause, "is this the address of the MCP endpoint itself? it often ends in `/mcp`"),
        _ => {
            let hint = match (step, &connector.spec.kind) {
                (StepName::Connect, Kind::Mcp { endpoint: Endpoint::Stdio { .. } }) => {
                    "start the program by hand, as written; it gets no shell and almost no environment"
                }
                (StepName::Connect, _) => {
                    "is the system running, is the port right, is its certificate valid?"
                }
                _ => "ask the system's owner whether it is in order",
            };
            notes.badly(step, fault.cause(), hint)
        }
    }
}

fn compare(live: &BTreeMap<String, Digest>, pinned: &BTreeMap<String, Digest>) -> BTreeMap<String, Drift> {
    let mut drift = BTreeMap::new();
    for (name, digest) in pinned {
        match live.get(name) {
            None => drop(drift.insert(name.clone(), Drift::Missing)),
            Some(found) if found != digest => drop(drift.insert(name.clone(), Drift::Changed)),
            Some(_) => {}
        }
    }
    for name in live.keys().filter(|name| !pinned.contains_key(*name)) {
        drift.insert(name.clone(), Drift::New);
    }
    drift
}

fn note_drift(notes: &mut Notes, drift: &BTreeMap<String, Drift>, pinned: usize, name: &ConnectorId) {
    let of = |kind: Drift| {
        let names: Vec<String> = drift
            .iter()
            .filter(|(_, found)| **found == kind)
            .map(|(name, _)| format!("`{}`", crate::spec::shown(name)))
            .collect();
        names.join(", ")
    };
    let parts = [("changed", of(Drift::Changed)), ("missing", of(Drift::Missing)), ("new", of(Drift::New))];
    let told: Vec<String> = parts
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(word, names)| format!("{word}: {names}"))
        .collect();
    let detail = if told.is_empty() { format!("{pinned} tools are as pinned") } else { told.join("; ") };
    if drift.values().any(|found| *found != Drift::New) {
        let hint = format!("read the difference, then run `countersign connector pin {name}` and publish");
        notes.badly(StepName::Compare, detail, &hint);
    } else {
        notes.well(StepName::Compare, detail);
    }
}
