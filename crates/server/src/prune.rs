//! Taking whole segments away whose runs are all past their retention.
//!
//! ```text
//! base of the rows → entry in the platform's log → entry in the workspace's log → segments, first one first
//! ```
//!
//! Each step is durable before the next, so a crash leaves a journal that is whole, or one that says what is missing;
//! the next start finishes what an entry announced.

use std::sync::Arc;

use anyhow::Result;
use journal::SegmentStart;
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::{Base, Event, Pruned};
use kernel::retention::Retention;
use kernel::state::{Noun, Row, RowKey};
use tlog::{TILE_WIDTH, Tree};

use crate::app::App;
use crate::base;
use crate::problem::Fault;

/// What may go.
#[derive(Debug)]
struct Plan {
    /// The first segment that stays.
    first: SegmentStart,
    segments: u64,
    bytes: u64,
}

/// What went, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Went {
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

impl App {
    /// Takes away what may go; `dry_run` only counts.
    pub(crate) async fn prune(self: &Arc<Self>, by: Actor, dry_run: bool) -> Result<Went, Fault> {
        // One at a time, and not while another bundle comes into force.
        let _publishing = self.publishing.lock().await;
        let holds = self.engine.holds();
        let Some(plan) = self.look_to_act(|app| plan(app).map_err(Fault::internal)).await? else {
            return Ok(Went::default());
        };
        let front = |log: journal::LogId| plan.first.logs.get(log.0 as usize).cloned().unwrap_or_default();
        let ours = front(self.log);
        let went = Went { segments: plan.segments, bytes: plan.bytes, entries: ours.size() };
        if dry_run {
            return Ok(went);
        }
        let first = plan.first.first;
        let size = ours.size();
        let base = self
            .look_to_act(move |app| base::write(&app.data, &app.views, size).map_err(Fault::internal))
            .await?;
        let (applied, platform) = (base.applied, front(self.platform.id));
        if platform.size() > 0 {
            let event = Event::JournalPruned(record(first, &platform, None));
            let app = self.clone();
            let told = move || {
                let (journal, log) = (&*app.journal, &app.platform);
                crate::logs::tell(journal, (log.id, &log.name), event, &*app.clock)
            };
            tokio::task::spawn_blocking(told).await.map_err(Fault::internal)?.map_err(Fault::internal)?;
        }
        self.engine.record_pruned(record(first, &ours, Some(base)), holds, by).await?;
        self.look(move |app| {
            app.keep_hashes()?;
            app.journal.prune(first).map_err(Fault::internal)?;
            base::remove_older(&app.data, applied).map_err(Fault::internal)
        })
        .await?;
        Ok(went)
    }
}

fn record(first: u64, front: &Tree, base: Option<Base>) -> Pruned {
    Pruned { first, size: front.size(), root: Digest(front.root()), base }
}

fn plan(app: &App) -> Result<Option<Plan>> {
    let segments = app.journal.segments()?;
    let size = |start: &SegmentStart| start.logs.get(app.log.0 as usize).map_or(0, Tree::size);
    let head = app.journal.head(app.log).size;
    let before = app.clock.now().wall;
    let (longest, files) = (longest(app)?, files_segment(app)?);
    let mut plan = None;
    let mut bytes = 0;
    for (count, pair) in segments.windows(2).enumerate() {
        let [segment, next] = pair else { break };
        bytes += segment.bytes;
        let may_go = files != Some(segment.first)
            // A thread that is still written to holds what it was given long ago.
            && !app.views.threads_between(size(segment), size(next))?
            && app.views.runs_between(size(segment), size(next))?.into_iter().try_fold(
                true,
                |so_far, (run, at)| {
                    anyhow::Ok(
                        so_far
                            && match run {
                                Some(run) => let_go(app, &run)?,
                                None => longest.until(Millis(at)) <= before,
                            },
                    )
                },
            )?;
        if !may_go {
            break;
        }
        // Who reads the published log must find the entry that says so: it may not share a bundle with entries that went.
        if size(next).div_ceil(TILE_WIDTH) <= head / TILE_WIDTH {
            plan = Some(Plan { first: next.clone(), segments: count as u64 + 1, bytes });
        }
    }
    Ok(plan)
}

/// Whether retention let a run go, and nobody holds it since.
fn let_go(app: &App, run: &kernel::id::RunId) -> Result<bool> {
    let row = app.views.row(&RowKey::new(Noun::Run, run))?;
    if !matches!(row.as_deref(), Some(Row::Run(run)) if run.lapsed_at.is_some()) {
        return Ok(false);
    }
    let (mut subjects, settled) = app.views.subjects_of_run(run)?;
    subjects.insert(app.engine.subject(run.as_str())?);
    for subject in subjects {
        let row = app.views.row(&RowKey::new(Noun::Subject, subject))?;
        if matches!(row.as_deref(), Some(Row::Subject(subject)) if subject.held) {
            return Ok(false);
        }
    }
    Ok(settled)
}

/// What belongs to no run is kept for as long as the run that is kept longest.
fn longest(app: &App) -> Result<Retention> {
    let mut longest: Option<Retention> = None;
    for agent in app.views.agents()? {
        let row = app.views.row(&RowKey::new(Noun::Retention, &agent.id))?;
        let retention = match row.as_deref() {
            Some(Row::Retention(retention)) => retention.clone(),
            _ => Retention::default(),
        };
        if longest.as_ref().is_none_or(|longest| retention.days > longest.days) {
            longest = Some(retention);
        }
    }
    Ok(longest.unwrap_or_default())
}

/// The segment that has the files of the bundle in force: without them the server could not judge.
fn files_segment(app: &App) -> Result<Option<u64>> {
    let row = app.views.row(&RowKey::new(Noun::Workspace, ""))?;
    let Some(Row::Workspace(workspace)) = row.as_deref() else { return Ok(None) };
    let Some((_, files)) = workspace.bundle else { return Ok(None) };
    Ok(app.views.payload_at(&files)?.map(|(_, at)| at.segment))
}
