//! `countersign runs`: runs, newest first.

use anyhow::Result;

use crate::cli::{Global, Runs};
use crate::client::query;
use crate::output::{Out, moment, table};

use super::client;

pub(super) async fn run(global: &Global, args: Runs, out: &Out) -> Result<()> {
    let path =
        format!("/v1/runs{}", query(&[("agent", args.agent.as_deref()), ("status", args.status.as_deref())]));
    let runs: Vec<api::Run> = client(global)?.list(&path, args.limit.into()).await?;
    if out.json {
        return out.value(&runs);
    }
    if runs.is_empty() {
        return out.line("no runs");
    }
    out.line(table(
        ["run", "agent", "status", "actions", "waiting", "stopped", "started", "title"],
        runs.into_iter().map(|run| {
            [
                run.id,
                format!("{} v{}", run.agent, run.agent_version),
                run.status,
                run.actions.to_string(),
                run.waiting.to_string(),
                run.stopped.to_string(),
                moment(run.started_at),
                run.title.unwrap_or_default(),
            ]
        }),
    ))
}
