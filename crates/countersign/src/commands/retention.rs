//! `countersign retention`: how long what runs hold is kept, and what is due.

use anyhow::Result;

use crate::cli::{Global, Retention, RetentionDo};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, is_interactive, visible};

use super::client;

pub(super) async fn run(global: &Global, args: Retention, out: &Out) -> Result<()> {
    let client = client(global)?;
    if let Some(RetentionDo::Prune { yes }) = args.command {
        return prune(&client, yes, out).await;
    }
    let now: api::Retention = client.get("/v1/retention").await?;
    let Some(RetentionDo::Apply { yes }) = args.command else {
        return show(&now, out);
    };
    let what = format!("what {} runs hold is past its retention; nobody can read it again then", now.due);
    if !yes {
        ask(&what, "Let go of it?", out)?;
    }
    let done: api::LetGo = client.post("/v1/retention/apply", &serde_json::json!({})).await?;
    if out.json {
        return out.value(&done);
    }
    out.line(format!(
        "{} {} runs, {} subjects, {} keys destroyed",
        out.good("let go:"),
        done.runs,
        done.subjects,
        done.keys
    ))?;
    if done.threads > 0 {
        out.line(format!("{} {} threads", out.good("let go:"), done.threads))?;
    }
    kept(done.held, done.unsettled, out)
}

async fn prune(client: &Client, yes: bool, out: &Out) -> Result<()> {
    let count: api::Pruned = client.post("/v1/retention/prune", &api::Prune { dry_run: true }).await?;
    if count.segments > 0 {
        let what = format!(
            "{} segments, {} bytes: their entries are gone for good then",
            count.segments, count.bytes
        );
        if !yes {
            ask(&what, "Take them away?", out)?;
        }
    }
    let done: api::Pruned = client.post("/v1/retention/prune", &api::Prune { dry_run: false }).await?;
    if out.json {
        return out.value(&done);
    }
    if done.segments == 0 {
        return out.line("nothing may go: the oldest segment has runs that are kept");
    }
    out.line(format!(
        "{} {} segments, {} bytes; the log begins at entry {}",
        out.good("pruned:"),
        done.segments,
        done.bytes,
        done.first_entry
    ))
}

fn ask(what: &str, question: &str, out: &Out) -> Result<()> {
    if !is_interactive() {
        return Err(Failure::nobody_to_ask("give --yes").into());
    }
    out.aside().line(what)?;
    if out.ask(question)? { Ok(()) } else { Err(Failure::declined("nothing was changed").into()) }
}

fn show(now: &api::Retention, out: &Out) -> Result<()> {
    if out.json {
        return out.value(now);
    }
    for agent in &now.agents {
        out.line(format!(
            "{:<24} {:>6} days after a run ({})",
            visible(&agent.agent),
            agent.days,
            visible(&agent.class)
        ))?;
    }
    out.line(format!("due: {} runs", now.due))?;
    if now.threads > 0 {
        out.line(format!("due: {} threads that nobody wrote to", now.threads))?;
    }
    kept(now.held, now.unsettled, out)?;
    if now.waits {
        out.line(out.warn(
            "the server was away for long: if its clock is right, let go with `countersign retention apply`",
        ))?;
    }
    Ok(())
}

fn kept(held: u64, unsettled: u64, out: &Out) -> Result<()> {
    if held > 0 {
        out.line(format!("kept by a legal hold: {held} runs"))?;
    }
    if unsettled > 0 {
        out.line(format!("kept by an open outcome: {unsettled} runs"))?;
    }
    Ok(())
}
