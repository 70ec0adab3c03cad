//! Starting and stopping: everything is opened in order, recovered, and closed in the reverse order.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use connectors::{Connectors, Setup};
use engine::{Engine, Parts, Payloads as _};
use journal::{Backend, FileJournal, Journal as _, Options};
use kernel::clock::{Clock, Entropy};
use kernel::digest::Digest;
use kernel::state::{Noun, Row, RowKey};
use policy::Bundle;
use tlog::VerifierKey;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vault::Vault;
use views::Views;

use crate::app::{App, Bundles};
use crate::caller::secret_hash;
use crate::clock::{SystemClock, SystemEntropy, secret};
use crate::config::Config;
use crate::cosigning::Cosigning;
use crate::guard::{LOCAL_HOSTS, REQUESTS_MAX};
use crate::local::LocalFile;
use crate::logs::{self, Log};
use crate::offline::make_private;
use crate::payloads::Shelf;
use crate::sessions::{SessionWho, Sessions};
use crate::space::{self, Space};
use crate::{base, bundle, listen, proofs, routes, sweep, work};

/// The views' file in the data directory.
pub(crate) const VIEWS_FILE: &str = "views.db";
/// Entries, and their bytes, that are looked at at once for whose key sealed what.
const LEARN_ENTRIES: usize = 1_000;
const LEARN_BYTES: usize = 8 << 20;
/// How long the end waits for what is under way.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// The server.
#[derive(Debug)]
pub struct Server;

/// A running server. Stop it with [`Running::shutdown`]; dropping it is like a crash.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// `http://127.0.0.1:7400`
    pub url: String,
    /// The operator's token of this start.
    pub token: String,
    /// The one-time console link of a first start.
    pub first_link: Option<String>,
    app: Arc<App>,
    vault: Arc<Vault>,
    local: LocalFile,
    tracker: TaskTracker,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Runs a server until it is told to stop (SIGINT, SIGTERM).
pub async fn serve(config: Config) -> Result<()> {
    let running = Server::start(config).await?;
    tracing::info!(url = %running.url, "ready");
    if let Some(link) = &running.first_link {
        // To the terminal, not to the log: whoever reads it becomes the operator.
        use std::io::Write as _;
        drop(writeln!(std::io::stderr(), "\nopen the console, once, within ten minutes:\n\n    {link}\n"));
    }
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = term.recv() => {}
    }
    tracing::info!("stopping");
    running.shutdown().await
}

/// What lies under the engine.
struct Ground {
    vault: Arc<Vault>,
    journal: Arc<dyn Backend>,
    views: Arc<Views>,
    log: journal::LogId,
    name: String,
    platform: Log,
    /// Hashes of the workspace's log, unless they are damaged.
    hashes: Option<journal::Hashes>,
    verifier_key: String,
    first: bool,
    notes: Vec<String>,
}

impl Server {
    /// Starts: opens, recovers, listens.
    pub async fn start(config: Config) -> Result<Running> {
        Self::start_at(config, Arc::new(SystemClock::new())).await
    }

    /// Starts by a given clock.
    pub(crate) async fn start_at(config: Config, clock: Arc<dyn Clock>) -> Result<Running> {
        let workspace = config.check()?;
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("`{}` cannot be listened on", config.listen))?;
        let addr = listener.local_addr()?;
        let ground = {
            let (config, entropy, clock) = (config.clone(), entropy.clone(), clock.clone());
            tokio::task::spawn_blocking(move || open(&config, &entropy, &*clock)).await??
        };
        let Ground { vault, journal, views, hashes, log, name, platform, verifier_key, first, mut notes } =
            ground;
        let cosigning = match (&config.witnesses, VerifierKey::parse(&verifier_key)) {
            (Some(policy), Some(key)) => Some(Arc::new(Cosigning::open(
                &config.data,
                policy,
                (log, &key),
                journal.clone(),
                clock.clone(),
            )?)),
            _ => None,
        };
        let shelf = Arc::new(Shelf::new(vault.clone(), views.clone(), journal.clone()));
        let connectors =
            Arc::new(Connectors::new(Setup { clock: clock.clone(), digest: policy::manifest_digest }));
        let follow = {
            let (views, shelf, vault) = (views.clone(), shelf.clone(), vault.clone());
            Box::new(move |entries: &[journal::Stored]| {
                views.follow(entries).map_err(|error| error.to_string())?;
                shelf.stored(entries.iter().flat_map(|one| &one.payloads).map(|at| Digest(at.commitment)));
                let entries = entries.last().map_or(0, |last| last.seq + 1);
                vault.flush(entries).map_err(|error| error.to_string())
            })
        };
        let engine = Engine::start(Parts {
            workspace: workspace.clone(),
            journal: as_journal(&journal),
            log,
            log_name: name.clone(),
            verifier_key: verifier_key.clone(),
            store: views.clone(),
            follow,
            effector: connectors.clone(),
            payloads: shelf.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            limits: config.limits,
        })
        .await?;
        let mut bundles = Bundles::default();
        if let Some(bundle) = stored_bundle(&engine, &shelf, &mut notes).await? {
            connectors.replace(bundle::specs(&bundle).map_err(|fault| anyhow!(fault.detail))?)?;
            engine.set_judge(bundle.clone()).await?;
            bundles.set(bundle);
        }
        let open = engine.recover().await?;
        finish_pruning(&engine, &journal).await?;
        if open > 0 {
            tracing::warn!(open, "actions were under way when the server stopped; they are being settled");
        }
        let url = format!("http://{addr}");
        let token = secret::<32>(&*entropy);
        let sessions = Sessions::default();
        let first_link = if first {
            sessions
                .invite(SessionWho::Operator, clock.now(), &*entropy)
                .map(|code| format!("{url}/login?code={code}"))
        } else {
            None
        };
        let hosts = LOCAL_HOSTS.map(str::to_owned).into_iter().chain(config.allowed_hosts.clone()).collect();
        let tracker = TaskTracker::new();
        let app = Arc::new(App {
            log_name: name,
            workspace,
            log,
            platform,
            data: config.data.clone(),
            engine,
            views,
            journal,
            shelf,
            verifier_key,
            cosigning,
            hashes,
            publish_log: config.publish_log,
            connectors,
            clock,
            entropy,
            sessions,
            operator: secret_hash(&token),
            hosts,
            url: url.clone(),
            stop: CancellationToken::new(),
            requests: Semaphore::new(REQUESTS_MAX),
            large: Arc::new(Semaphore::new(crate::body::LARGE_MAX)),
            streams: Mutex::default(),
            workers: Arc::new(Semaphore::new(work::WORKERS_MAX)),
            tasks: tracker.clone(),
            publishing: tokio::sync::Mutex::default(),
            bundles: RwLock::new(bundles),
            space: Space::new(config.data.clone(), config.quota, config.low_space),
            notes,
        });
        app.look_at_space();
        if let Some(cosigning) = app.cosigning.clone() {
            tracker.spawn(cosigning.run(config.witness_interval, app.stop.clone()));
        }
        let router = routes::router(app.clone());
        // First the file, then the door: who sees the server ready finds its token.
        let local = LocalFile::write(&config.data, &url, &token, config.root_key_path().ok().as_deref())?;
        tracker.spawn(space::watch(app.clone()));
        tracker.spawn(sweep::sweep(app.clone()));
        tracker.spawn(listen::listen(listener, router, app.stop.clone(), tracker.clone()));
        Ok(Running { addr, url, token, first_link, app, vault, local, tracker })
    }
}

impl Running {
    /// Stops: no new connections, what is under way may finish, then everything is closed.
    pub async fn shutdown(self) -> Result<()> {
        self.app.stop.cancel();
        self.tracker.close();
        drop(tokio::time::timeout(CLOSE_PATIENCE, self.tracker.wait()).await);
        self.app.engine.close(CLOSE_PATIENCE).await;
        self.app.connectors.shutdown().await;
        let (journal, vault, log) = (self.app.journal.clone(), self.vault.clone(), self.app.log);
        tokio::task::spawn_blocking(move || -> Result<()> {
            vault.flush(journal.head(log).size)?;
            journal.close()?;
            Ok(())
        })
        .await??;
        self.local.remove();
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn app(&self) -> Arc<App> {
        self.app.clone()
    }

    /// Entries that are durable now.
    pub fn entries(&self) -> u64 {
        self.app.engine.head().durable
    }
}

fn as_journal(journal: &Arc<dyn Backend>) -> Arc<dyn journal::Journal> {
    journal.clone()
}

fn open(config: &Config, entropy: &Arc<dyn Entropy>, clock: &dyn Clock) -> Result<Ground> {
    make_private(&config.data)?;
    let mut notes = vec![];
    let on_fatal: journal::OnFatal = Arc::new(|cause| {
        // After a failed flush nobody knows what is on disk: going on would be a guess (DESIGN §3).
        tracing::error!(%cause, "the journal failed; the server stops");
        std::process::abort();
    });
    let (journal, recovery) = FileJournal::open(
        &config.data,
        Options { on_fatal: Some(on_fatal), segment_bytes: config.segment_bytes, ..Options::default() },
    )?;
    if let Some(cut) = &recovery.cut {
        tracing::warn!(?cut, "a torn tail of the journal was cut");
        notes.push(format!("A torn tail of the journal was cut at the start: {cut:?}."));
    }
    let root = config.root_key(Some(&**entropy))?;
    let vault = Arc::new(Vault::open(&config.data, root, entropy.clone())?);
    let platform = logs::open_platform(&journal, &vault, clock)?;
    let Log { id: log, name, verifier_key } = logs::open(&journal, &vault, &config.workspace, clock)?;
    let size = journal.head(log).size;
    let journal: Arc<dyn Backend> = Arc::new(journal);
    learn_keys(&vault, &*journal, log)?;
    let path = config.data.join(VIEWS_FILE);
    let (mut views, opened) = Views::open(&path, size)?;
    if views.applied() < first_entry(&*journal, log)? {
        drop(views);
        views = base::restore(&config.data, &path, &*journal, log)?;
    }
    let front = first_entry(&*journal, log)?;
    let hashes = match proofs::open(&config.data, &*journal, (log, &name), front) {
        Ok(hashes) => Some(hashes),
        Err(error) => {
            tracing::error!(%error, "there are no proofs of the log");
            notes.push(format!("There are no proofs of the log: {error}."));
            None
        }
    };
    if let Some(wiped) = opened.wiped {
        tracing::warn!(%wiped, "the views are built anew from the journal");
    }
    Ok(Ground {
        vault,
        journal,
        views: Arc::new(views),
        hashes,
        log,
        name,
        platform,
        verifier_key,
        first: size == 0,
        notes,
    })
}

/// The key store learns what a crash kept it from writing down: which subject has which key.
fn learn_keys(vault: &Vault, journal: &dyn Backend, log: journal::LogId) -> Result<()> {
    let size = journal.head(log).size;
    let mut next = vault.mark().min(size).max(first_entry(journal, log)?);
    while next < size {
        let entries = journal.read(log, next, LEARN_ENTRIES, LEARN_BYTES)?;
        let Some(last) = entries.last() else { break };
        next = last.seq + 1;
        for at in entries.iter().flat_map(|entry| &entry.payloads) {
            let subject = at.subject.parse().map_err(|_| anyhow!("a payload's subject is no pseudonym"))?;
            if vault.knows(&subject)? {
                continue;
            }
            match journal.payload(&at.at) {
                Ok(sealed) => vault.learn(&subject, &sealed)?,
                Err(journal::Error::PayloadPruned) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(vault.learned(next)?)
}

/// The first entry of a log that is there: those before it were pruned.
pub(crate) fn first_entry(journal: &dyn Backend, log: journal::LogId) -> Result<u64> {
    let segments = journal.segments()?;
    let front = segments.first().and_then(|segment| segment.logs.get(log.0 as usize));
    Ok(front.map_or(0, tlog::Tree::size))
}

/// Takes away what an entry announced and a crash left.
async fn finish_pruning(engine: &Engine, journal: &Arc<dyn Backend>) -> Result<()> {
    let row = engine.row(RowKey::new(Noun::Workspace, "")).await?;
    let pruned = match row.as_deref() {
        Some(Row::Workspace(workspace)) => workspace.pruned.as_ref().map(|pruned| pruned.first),
        _ => None,
    };
    let begins = journal.segments()?.first().map_or(0, |segment| segment.first);
    if begins > pruned.unwrap_or(0) {
        bail!(
            "the journal begins at segment `{begins:016x}`: those before it are missing, and no entry says that they \
             were pruned; restore it from a backup"
        );
    }
    let Some(first) = pruned else { return Ok(()) };
    let journal = journal.clone();
    let went = tokio::task::spawn_blocking(move || journal.prune(first)).await??;
    if went > 0 {
        tracing::warn!(segments = went, "took away what had been pruned when the server stopped");
    }
    Ok(())
}

/// The bundle in force, compiled from its sealed files.
async fn stored_bundle(
    engine: &Engine,
    shelf: &Shelf,
    notes: &mut Vec<String>,
) -> Result<Option<Arc<Bundle>>> {
    let row = engine.row(RowKey::new(Noun::Workspace, "")).await?;
    let Some(Row::Workspace(workspace)) = row.as_deref() else { return Ok(None) };
    let Some((_, files)) = workspace.bundle else { return Ok(None) };
    let Some(bytes) =
        shelf.open(&files).map_err(|cause| anyhow!("the workspace files cannot be read: {cause}"))?
    else {
        notes.push("The files of the policy in force were erased; apply the folder again.".to_owned());
        return Ok(None);
    };
    let files = serde_json::from_slice(&bytes).context("the stored workspace files are damaged")?;
    match Bundle::compile(&files) {
        Ok(compiled) => Ok(Some(compiled.bundle)),
        Err(problems) => {
            let first = problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
            notes.push(format!(
                "The policy in force does not fit this version, so every action is refused: {first}"
            ));
            Ok(None)
        }
    }
}
