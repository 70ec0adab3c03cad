//! All connectors of a workspace: the engine's way out.
//!
//! A new bundle replaces the set in one step. A connector whose spec did not change keeps its sessions; calls on their
//! way finish on the set they began with.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kernel::clock::Clock;
use kernel::digest::Digest;
use kernel::id::ConnectorId;
use kernel::ports::{Answer, BoxFuture, Call, Effector, FailureClass};
use serde_json::Value;
use tokio_util::task::TaskTracker;

use crate::connector::{Connector, ConnectorHealth, Shared};
use crate::egress::{Lookup, SystemLookup};
use crate::fault::Fault;
use crate::mcp::SharedClock;
use crate::probe::{self, Report};
use crate::spec::{Spec, SpecError};

/// Takes the digest of a tool, given as `{name, description?, inputSchema, outputSchema?}`.
pub type ManifestDigest = fn(&Value) -> Digest;

/// How long the last goodbyes may take at the end.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(3);

type Set = BTreeMap<ConnectorId, Arc<Connector>>;

/// What connectors need from their surroundings.
#[derive(Clone)]
pub struct Setup {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// How a tool's digest is taken.
    pub digest: ManifestDigest,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Setup")
    }
}

/// Why a question about a connector has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorsError {
    /// No connector has this name.
    #[error("there is no connector `{0}`")]
    NotFound(ConnectorId),
    /// The system did not answer as it should.
    #[error("`{connector}`: {cause}")]
    Failed { connector: ConnectorId, class: FailureClass, cause: String },
}

/// All connectors of a workspace.
#[derive(Debug)]
pub struct Connectors {
    set: RwLock<Arc<Set>>,
    shared: Shared,
}

impl Connectors {
    /// No connectors yet.
    pub fn new(setup: Setup) -> Self {
        Self::with_lookup(setup, Arc::new(SystemLookup))
    }

    pub(crate) fn with_lookup(setup: Setup, lookup: Arc<dyn Lookup>) -> Self {
        let Setup { clock, digest } = setup;
        let shared = Shared { clock: SharedClock(clock), digest, lookup, tasks: TaskTracker::new() };
        Self { set: RwLock::default(), shared }
    }

    /// Replaces the whole set, or nothing when one spec is wrong.
    pub fn replace(&self, specs: Vec<Spec>) -> Result<(), SpecError> {
        let old = self.set();
        let mut new = Set::new();
        for spec in specs {
            let kept = old.get(&spec.name).filter(|connector| connector.spec == spec).map(Arc::clone);
            let name = spec.name.clone();
            let connector = match kept {
                Some(connector) => connector,
                None => Arc::new(Connector::new(spec, self.shared.clone())?),
            };
            if new.insert(name.clone(), connector).is_some() {
                return Err(SpecError::Twice(name));
            }
        }
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }

    /// How all connectors are doing, by name.
    pub fn health(&self) -> Vec<ConnectorHealth> {
        self.set().values().map(|connector| connector.health()).collect()
    }

    /// The live tools of a connector, each as `{name, description?, inputSchema, outputSchema?}`.
    pub async fn tools(&self, name: &ConnectorId) -> Result<Vec<Value>, ConnectorsError> {
        let connector = self.find(name)?;
        Box::pin(connector.tools()).await.map_err(|fault| match fault {
            Fault::Certain { class, cause, .. } => {
                ConnectorsError::Failed { connector: name.clone(), class, cause }
            }
            Fault::Unknown { cause, .. } => {
                ConnectorsError::Failed { connector: name.clone(), class: FailureClass::Unreachable, cause }
            }
        })
    }

    /// Tries a connector step by step, and compares its tools with the pinned ones (by the tool's own name).
    /// Calls no tool.
    pub async fn test(
        &self,
        name: &ConnectorId,
        pinned: &BTreeMap<String, Digest>,
    ) -> Result<Report, ConnectorsError> {
        let connector = self.find(name)?;
        Ok(Box::pin(probe::run(&connector, pinned)).await)
    }

    /// Ends all sessions and child processes. Calls after this find no connector.
    pub async fn shutdown(&self) {
        let old = std::mem::take(&mut *self.set.write().unwrap_or_else(PoisonError::into_inner));
        for connector in old.values() {
            connector.close().await;
        }
        self.shared.tasks.close();
        if tokio::time::timeout(GOODBYE_PATIENCE, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("some outside systems did not hear the goodbye in time");
        }
    }

    fn set(&self) -> Arc<Set> {
        Arc::clone(&self.set.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn find(&self, name: &ConnectorId) -> Result<Arc<Connector>, ConnectorsError> {
        self.set().get(name).map(Arc::clone).ok_or_else(|| ConnectorsError::NotFound(name.clone()))
    }
}

impl Effector for Connectors {
    fn call(&self, call: Call) -> BoxFuture<'_, Answer> {
        let found = self.find(&call.tool.connector());
        Box::pin(async move {
            match found {
                Ok(connector) => connector.call(call).await,
                Err(error) => Fault::blocked(error.to_string()).into_answer(),
            }
        })
    }
}
