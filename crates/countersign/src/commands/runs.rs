//! `countersign runs`: lists runs, shows one, holds it, lets it go on, cancels it.

use anyhow::Result;
use serde_json::json;

use crate::cli::{Global, Runs, RunsDo};
use crate::client::{Client, encode, query};
use crate::output::{Out, moment, table, visible, visible_lines};

use super::client;

pub(super) async fn run(global: &Global, args: Runs, out: &Out) -> Result<()> {
    let client = client(global)?;
    let (run, what, reason) = match args.command {
        None => return list(&client, &args, out).await,
        Some(RunsDo::Show { run }) => {
            return show(&client.get(&format!("/v1/runs/{}", encode(&run))).await?, out);
        }
        Some(RunsDo::Brief { run, tokens, tokenizer }) => {
            let tokens = tokens.to_string();
            let asked = query(&[("tokens", Some(&tokens)), ("tokenizer", Some(&tokenizer))]);
            let brief: api::Brief = client.get(&format!("/v1/runs/{}/brief{asked}", encode(&run))).await?;
            return if out.json { out.value(&brief) } else { out.line(visible_lines(brief.text.trim_end())) };
        }
        Some(RunsDo::Cancel { run, reason }) => {
            let error = reason.map(|reason| json!({ "class": "cancelled", "message": reason }));
            let body = api::FinishRun { outcome: "cancelled".to_owned(), result: None, error };
            return show(&client.post(&format!("/v1/runs/{}/finish", encode(&run)), &body).await?, out);
        }
        Some(RunsDo::Pause { run, reason }) => (run, "pause", reason),
        Some(RunsDo::Resume { run, reason }) => (run, "resume", reason),
    };
    let path = format!("/v1/runs/{}/{what}", encode(&run));
    show(&client.post(&path, &api::Reasoned { reason }).await?, out)
}

async fn list(client: &Client, args: &Runs, out: &Out) -> Result<()> {
    let filters = query(&[
        ("agent", args.agent.as_deref()),
        ("status", args.status.as_deref()),
        ("phase", args.phase.as_deref()),
    ]);
    let runs: Vec<api::Run> = client.list(&format!("/v1/runs{filters}"), args.limit.into()).await?;
    if out.json {
        return out.value(&runs);
    }
    if runs.is_empty() {
        return out.line("no runs");
    }
    out.line(table(
        ["run", "agent", "status", "actions", "waiting", "stopped", "started", "title"],
        runs.into_iter().map(|run| {
            // Of a run that nobody gives to workers, that it is attached says nothing more.
            let phase = run.phase.filter(|phase| phase != "attached");
            [
                run.id,
                format!("{} v{}", run.agent, run.agent_version),
                phase.unwrap_or(run.status),
                run.actions.to_string(),
                run.waiting.to_string(),
                run.stopped.to_string(),
                moment(run.started_at),
                run.title.unwrap_or_default(),
            ]
        }),
    ))
}

fn show(run: &api::Run, out: &Out) -> Result<()> {
    if out.json {
        return out.value(run);
    }
    let phase = run.phase.as_ref().map(|phase| format!(", {phase}")).unwrap_or_default();
    out.line(format!("{}  {}{phase}", run.id, run.status))?;
    if let Some(title) = &run.title {
        out.line(visible(title))?;
    }
    out.line(format!("agent {} v{}, started {}", run.agent, run.agent_version, moment(run.started_at)))?;
    let mut lines = vec![];
    lines.extend(run.finished_at.map(|at| format!("ended {}", moment(at))));
    if let Some(task) = &run.task {
        let attempt = run.attempt.unwrap_or_default();
        lines.push(format!("task {task}, attempt {attempt}, priority {}", run.priority.unwrap_or_default()));
    }
    lines.extend(run.deadline.map(|at| format!("deadline {}", moment(at))));
    lines.extend(run.parent.as_ref().map(|parent| format!("started by {parent}")));
    lines.extend(run.incident.as_ref().map(|incident| format!("held up by {incident}")));
    lines.push(format!(
        "{} actions, {} wait for a person, {} stopped, {} unknown",
        run.actions, run.waiting, run.stopped, run.unknown
    ));
    for (what, value) in [("input", &run.input), ("result", &run.result), ("error", &run.error)] {
        lines.extend(value.as_ref().map(|value| format!("{what} {}", visible(&value.to_string()))));
    }
    lines.into_iter().try_for_each(|line| out.line(line))
}
