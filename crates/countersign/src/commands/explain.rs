//! `countersign explain`: the whole decision, for a person who was not there.

use anyhow::Result;

use crate::cli::{Explain, Global};
use crate::client::encode;
use crate::output::{Out, moment, span, visible, visible_lines};

use super::client;

/// Longer outputs are cut on a terminal; `--json` has everything.
const OUTPUT_CHARS_MAX: usize = 2_000;

pub(super) async fn run(global: &Global, args: Explain, out: &Out) -> Result<()> {
    let path = format!("/v1/actions/{}/explain", encode(&args.action));
    let story: api::Explanation = client(global)?.get(&path).await?;
    if out.json {
        return out.value(&story);
    }
    let action = &story.action;
    let headline = if action.headline.is_empty() { &action.tool } else { &action.headline };
    out.line(out.bold(&visible(headline)))?;
    out.line(format!("{}  {}: {}", action.id, visible(&action.status), visible(&action.message)))?;
    out.line(format!("tool      {} ({})", visible(&action.tool), visible(&action.class)))?;
    let title = story.run.title.as_deref().map(|title| format!("  {}", visible(title))).unwrap_or_default();
    out.line(format!("run       {} of {}{title}", action.run, visible(&action.agent)))?;
    if let Some(person) = &story.run.on_behalf_of {
        out.line(format!("for       {}", visible(person)))?;
    }
    out.line("arguments")?;
    for line in serde_json::to_string_pretty(&story.arguments)?.lines() {
        out.line(format!("  {}", visible(line)))?;
    }
    if let Some(words) = &story.reason {
        out.line("the agent says")?;
        for line in visible_lines(words).lines() {
            out.line(format!("  > {line}"))?;
        }
    }
    for round in &story.rounds {
        rounds(round, out)?;
    }
    if let Some(approval) = &story.approval {
        out.line("")?;
        out.line(out.bold("Countersignature"))?;
        super::approvals::show(approval, out)?;
    }
    if let Some(output) = &action.output {
        out.line("")?;
        out.line(out.bold(if output.is_error { "The system refused" } else { "The system answered" }))?;
        let shown: String = output.text.chars().take(OUTPUT_CHARS_MAX).collect();
        out.line(visible_lines(&shown))?;
        if shown.len() < output.text.len() {
            out.line(out.dim("… (cut; --json has all of it)"))?;
        }
    }
    out.line("")?;
    out.line(out.bold("What happened"))?;
    for line in &story.timeline {
        out.line(format!(
            "{:>7}  {}  {:<20} {}  {}",
            line.seq,
            moment(line.at),
            visible(&line.kind),
            visible(&line.actor),
            visible(&line.text)
        ))?;
    }
    out.line("")?;
    let entries: Vec<String> = story.proof.entries.iter().map(ToString::to_string).collect();
    out.line(format!("entries {} of log {}", entries.join(", "), visible(&story.proof.log)))?;
    match story.proof.checkpoint_size {
        Some(size) => out.line(format!("covered by the signed checkpoint of size {size}"))?,
        None => out.line("not yet covered by a signed checkpoint")?,
    }
    out.line(format!("check it: {}", visible(&story.proof.command)))
}

fn rounds(round: &api::Round, out: &Out) -> Result<()> {
    out.line("")?;
    out.line(format!(
        "{} {} ({}) at {}",
        out.bold(&format!("Decision {}:", round.round)),
        visible(&round.verdict),
        visible(&round.code),
        moment(round.at)
    ))?;
    for fact in &round.facts {
        out.line(format!(
            "  fact  {} = {}  from {}, {} old, may be {}",
            visible(&fact.name),
            visible(&fact.shown),
            visible(&fact.source),
            span(round.at - fact.read_at),
            span(fact.age_max_ms)
        ))?;
    }
    for rule in &round.rules {
        let reason = rule.reason.as_deref().map(|reason| format!(": {}", visible(reason)));
        out.line(format!(
            "  {:<6}{} ({}:{}){}",
            visible(&rule.effect),
            visible(&rule.id),
            visible(&rule.file),
            rule.line,
            reason.unwrap_or_default()
        ))?;
    }
    out.line(out.dim(&format!("  bundle {}, {}", visible(&round.bundle), visible(&round.judge))))
}
