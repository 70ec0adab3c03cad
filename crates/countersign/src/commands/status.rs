//! `countersign status`: the state of the workspace in a few lines.

use anyhow::Result;

use crate::cli::Global;
use crate::output::{Out, span, visible};

use super::client;

pub(super) async fn run(global: &Global, out: &Out) -> Result<()> {
    let client = client(global)?;
    let status: api::Status = client.get("/v1/status").await?;
    if out.json {
        return out.value(&status);
    }
    out.line(format!(
        "workspace {} at {}, server {}",
        out.bold(&visible(&status.workspace)),
        client.url(),
        visible(&status.version)
    ))?;
    if status.setup {
        out.line(out.bad("in setup: one person may publish, every connector is a sandbox"))?;
    }
    if status.refuses_all && status.bundle.is_some() {
        out.line(out.bad("the policy permits nothing: every action is refused"))?;
    }
    match &status.bundle {
        Some(bundle) => out.line(format!("bundle    {}", visible(bundle)))?,
        None => out.line(format!("bundle    {}", out.bad("none: every action is refused")))?,
    }
    out.line(format!(
        "journal   {} entries, {} of them under the last checkpoint, views {} behind",
        status.entries, status.checkpoint_size, status.views_behind
    ))?;
    let quota = status.space.quota.map(|quota| format!(" of {}", size(quota))).unwrap_or_default();
    let free = status.space.free.map(|free| format!(", {} free on the disk", size(free))).unwrap_or_default();
    out.line(format!("disk      {}{quota}{free}", size(status.space.used)))?;
    let counts = |counts: &std::collections::BTreeMap<String, u64>| {
        let counts: Vec<String> = counts.iter().map(|(name, n)| format!("{n} {}", visible(name))).collect();
        if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
    };
    out.line(format!("actions   {}", counts(&status.actions)))?;
    out.line(format!("verdicts  {} (24 h)", counts(&status.verdicts_today)))?;
    let oldest = status.oldest_waiting_at.map(|at| format!(", the oldest for {}", span(status.now - at)));
    let expiry = status.next_expiry_at.map(|at| format!(", the next expires in {}", span(at - status.now)));
    out.line(format!(
        "waiting   {}{}{}",
        status.waiting,
        oldest.unwrap_or_default(),
        expiry.unwrap_or_default()
    ))?;
    if status.handed_over > 0 {
        out.line(out.warn(&format!("{} unknown outcomes need a person", status.handed_over)))?;
    }
    for line in &status.attention {
        out.line(format!("{} {}", out.warn("!"), visible(line)))?;
    }
    Ok(())
}

/// Bytes for people: in MiB, which is what disks and quotas differ by.
fn size(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
