//! One workspace with all its parts, as the routes see it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use connectors::Connectors;
use engine::Engine;
use journal::{Backend, LogId};
use kernel::action::Action;
use kernel::approval::Approval;
use kernel::clock::{Clock, Entropy};
use kernel::digest::Digest;
use kernel::id::{ActionId, ApprovalId, RunId, WorkspaceId};
use kernel::judge::Judge as _;
use kernel::run::Run;
use kernel::state::{Noun, Row, RowKey};
use policy::Bundle;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use views::Views;

use crate::caller::Caller;
use crate::codes::Code;
use crate::cosigning::Cosigning;
use crate::logs::Log;
use crate::payloads::Shelf;
use crate::problem::Fault;
use crate::sessions::Sessions;
use crate::space::Space;

/// Bundles of which the text is kept for explanations.
const BUNDLES_MAX: usize = 16;

/// One workspace with all its parts.
pub(crate) struct App {
    pub(crate) workspace: WorkspaceId,
    pub(crate) log: LogId,
    pub(crate) log_name: String,
    /// The server's own log.
    pub(crate) platform: Log,
    /// The data directory.
    pub(crate) data: std::path::PathBuf,
    pub(crate) engine: Engine,
    pub(crate) views: Arc<Views>,
    pub(crate) journal: Arc<dyn Backend>,
    /// Sealed payloads, for those who shall be able to check their commitments.
    pub(crate) shelf: Arc<Shelf>,
    /// Key of the workspace's log.
    pub(crate) verifier_key: String,
    /// Hashes of the log's tree, unless they are damaged.
    pub(crate) hashes: Option<journal::Hashes>,
    /// Whether everybody may read the log.
    pub(crate) publish_log: bool,
    /// Witnesses of the log, where there are any.
    pub(crate) cosigning: Option<Arc<Cosigning>>,
    pub(crate) connectors: Arc<Connectors>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) sessions: Sessions,
    /// Digest of the operator's token of this start.
    pub(crate) operator: Digest,
    pub(crate) hosts: Vec<String>,
    /// `http://127.0.0.1:7400`
    pub(crate) url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) requests: Semaphore,
    /// Large bodies and answers at once.
    pub(crate) large: Arc<Semaphore>,
    /// Open live streams, by whom.
    pub(crate) streams: Mutex<BTreeMap<String, usize>>,
    /// Places for workers.
    pub(crate) workers: Arc<Semaphore>,
    /// What the server waits for when it stops.
    pub(crate) tasks: TaskTracker,
    /// One publication at a time: a plan is made against what is in force.
    pub(crate) publishing: tokio::sync::Mutex<()>,
    /// The bundle in force, and some before it.
    pub(crate) bundles: RwLock<Bundles>,
    /// Room on the disk.
    pub(crate) space: Space,
    /// What the start found and somebody should know.
    pub(crate) notes: Vec<String>,
}

/// The bundle in force, and some before it, for explanations.
#[derive(Default)]
pub(crate) struct Bundles {
    pub(crate) current: Option<Arc<Bundle>>,
    known: Vec<Arc<Bundle>>,
}

impl Bundles {
    pub(crate) fn set(&mut self, bundle: Arc<Bundle>) {
        self.known.retain(|known| known.bundle() != bundle.bundle());
        self.known.push(bundle.clone());
        if self.known.len() > BUNDLES_MAX {
            self.known.remove(0);
        }
        self.current = Some(bundle);
    }
}

impl App {
    /// The bundle in force.
    pub(crate) fn bundle(&self) -> Option<Arc<Bundle>> {
        self.bundles.read().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    /// A bundle by its address, where this process knows it.
    pub(crate) fn bundle_of(&self, digest: &Digest) -> Option<Arc<Bundle>> {
        let bundles = self.bundles.read().unwrap_or_else(PoisonError::into_inner);
        bundles.known.iter().find(|bundle| bundle.bundle() == *digest).cloned()
    }

    /// The checkpoint for outsiders: the last one that enough witnesses cosigned, else the last one.
    pub(crate) fn checkpoint(&self) -> Option<String> {
        let cosigned = self.cosigning.as_ref().and_then(|cosigning| cosigning.trusted());
        cosigned.or_else(|| self.journal.checkpoint(self.log))
    }

    /// A row, as of the durable head.
    pub(crate) async fn row(&self, key: RowKey) -> Result<Option<Arc<Row>>, Fault> {
        self.engine.row(key).await.map_err(Fault::from)
    }

    /// Reads views and payloads, off the runtime's threads, once the views hold all that is durable now.
    pub(crate) async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.engine.views_caught_up().await;
        let app = self.clone();
        tokio::task::spawn_blocking(move || read(&app)).await.map_err(Fault::internal)?
    }

    /// The run, if this caller may see it.
    pub(crate) async fn run_seen(&self, id: &str, caller: &Caller) -> Result<Run, Fault> {
        let not_found = || Fault::not_found("run", id);
        let id: RunId = id.parse().map_err(|_| not_found())?;
        match self.row(RowKey::new(Noun::Run, &id)).await?.as_deref() {
            Some(Row::Run(run)) if kernel::state::owns(&caller.actor(), run) => Ok((**run).clone()),
            _ => Err(not_found()),
        }
    }

    /// The action and its run, if this caller may see them.
    pub(crate) async fn action_seen(&self, id: &str, caller: &Caller) -> Result<(Action, Run), Fault> {
        let not_found = || Fault::not_found("action", id);
        let id: ActionId = id.parse().map_err(|_| not_found())?;
        let Some(Row::Action(action)) = self.row(RowKey::new(Noun::Action, &id)).await?.as_deref().cloned()
        else {
            return Err(not_found());
        };
        let run = self.run_seen(action.run.as_str(), caller).await.map_err(|_| not_found())?;
        Ok((*action, run))
    }

    /// The approval.
    pub(crate) async fn approval(&self, id: &str) -> Result<Approval, Fault> {
        let not_found = || Fault::not_found("approval", id);
        let id: ApprovalId = id.parse().map_err(|_| not_found())?;
        match self.row(RowKey::new(Noun::Approval, &id)).await?.as_deref() {
            Some(Row::Approval(approval)) => Ok((**approval).clone()),
            _ => Err(not_found()),
        }
    }

    /// A sealed text; `None` where it was erased.
    pub(crate) fn text(&self, commitment: &Digest) -> Result<Option<String>, Fault> {
        let plain = self.engine.payload(commitment)?;
        Ok(plain.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A sealed value; `None` where it was erased.
    pub(crate) fn sealed<T: DeserializeOwned>(&self, commitment: &Digest) -> Result<Option<T>, Fault> {
        let Some(bytes) = self.engine.payload(commitment)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(Fault::internal)
    }
}

impl From<views::Error> for Fault {
    fn from(error: views::Error) -> Self {
        tracing::error!(%error, "the views failed");
        Self::new(
            Code::ViewsFailed,
            "the lists cannot be read",
            "stop the server and run `countersign rebuild`: the journal is not touched by it",
        )
    }
}
