//! A run.

use kernel::run::{Run, RunOutcome};
use views::{RunItem, RunStatus};

use crate::app::App;
use crate::problem::Fault;

/// A run with its counts.
pub(crate) fn run(app: &App, item: &RunItem) -> Result<api::Run, Fault> {
    let mut shown = run_started(app, &item.run)?;
    shown.waiting = item.waiting;
    shown.stopped = item.stopped;
    shown.unknown = item.unknown;
    shown.last_at = item.last_at.0;
    Ok(shown)
}

/// A run by its row alone: what a caller who just started or ended it needs.
pub(crate) fn run_started(app: &App, run: &Run) -> Result<api::Run, Fault> {
    let title = match &run.title {
        Some(commitment) => app.text(commitment)?.map(|text| api::visible(&text)),
        None => None,
    };
    let finished = run.finished;
    Ok(api::Run {
        id: run.id.to_string(),
        agent: run.agent.to_string(),
        agent_version: run.agent_version,
        title,
        on_behalf_of: run.on_behalf_of.as_ref().map(ToString::to_string),
        status: RunStatus::of(run).word().to_owned(),
        started_at: run.started_at.0,
        finished_at: finished.map(|(_, at)| at.0),
        actions: run.actions,
        waiting: 0,
        stopped: 0,
        unknown: 0,
        last_at: finished.map_or(run.started_at.0, |(_, at): (RunOutcome, _)| at.0),
    })
}
