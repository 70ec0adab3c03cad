//! A run.

use kernel::digest::Digest;
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

/// A run with its counts, and with what it began with and brought.
pub(crate) fn run_whole(app: &App, item: &RunItem) -> Result<api::Run, Fault> {
    let mut shown = run(app, item)?;
    let sealed = |commitment: Option<&Digest>| match commitment {
        Some(commitment) => app.sealed(commitment),
        None => Ok(None),
    };
    shown.input = sealed(item.run.input.as_ref())?;
    shown.result = sealed(item.run.result.as_ref())?;
    let last = item.run.dispatch.as_ref().and_then(|dispatch| dispatch.error.as_ref());
    let last = last.filter(|_| item.run.finished.is_none());
    shown.error = sealed(item.run.error.as_ref().or(last))?;
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
        phase: run.phase().map(|phase| phase.word().to_owned()),
        task: run.dispatch.as_ref().map(|dispatch| dispatch.task.to_string()),
        attempt: run.dispatch.as_ref().map(|dispatch| dispatch.attempt),
        priority: run.dispatch.as_ref().map(|dispatch| dispatch.priority),
        deadline: run.deadline.as_ref().map(|deadline| deadline.at.0),
        parent: run.parent.as_ref().map(ToString::to_string),
        incident: run
            .dispatch
            .as_ref()
            .and_then(|dispatch| dispatch.incident.as_ref())
            .map(ToString::to_string),
        input: None,
        result: None,
        error: None,
        started_at: run.started_at.0,
        finished_at: finished.map(|(_, at)| at.0),
        actions: run.actions,
        waiting: 0,
        stopped: 0,
        unknown: 0,
        last_at: finished.map_or(run.started_at.0, |(_, at): (RunOutcome, _)| at.0),
    })
}
