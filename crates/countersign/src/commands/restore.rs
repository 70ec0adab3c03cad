//! `countersign restore`: a data directory from a backup. The backup is verified first, and what was erased is erased
//! again before anything can be read.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::Restore;
use crate::output::{Out, visible};

/// `end`, the number of an entry, or a time.
pub(crate) fn point(text: &str) -> Result<server::Point, String> {
    if text == "end" {
        return Ok(server::Point::End);
    }
    if let Ok(entry) = text.parse() {
        return Ok(server::Point::Entry(entry));
    }
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        "give `end`, the number of the last entry to keep, or a time like 2026-11-23T14:05:00Z".to_owned()
    })?;
    Ok(server::Point::At(kernel::clock::Millis(at.as_millisecond())))
}

pub(super) fn run(args: Restore, out: &Out) -> Result<()> {
    let Restore { backup, keys, to, erasures_from, last, point, root_key } = args;
    let plan = server::RestorePlan {
        from: backup,
        keys,
        to: to.clone(),
        erasures_from,
        last,
        point,
        root_key_file: root_key.or_else(super::serve::root_key_default),
        root_key: std::env::var("COUNTERSIGN_ROOT_KEY").ok(),
    };
    let bar = if out.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    if let Ok(style) = ProgressStyle::with_template("verifying {bar:30} {bytes}/{total_bytes} {msg}") {
        bar.set_style(style);
    }
    let done = server::restore(&plan, &mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
        bar.set_message(format!("{} entries", progress.entries));
    });
    bar.finish_and_clear();
    let done = done?;
    if out.json {
        let logs = done.verified.logs.iter().map(|log| {
            let root = kernel::digest::Digest(log.root).to_string();
            json!({"name": log.name, "size": log.size, "root": root})
        });
        return out.value(&json!({
            "logs": logs.collect::<Vec<_>>(),
            "keys_destroyed": done.keys_destroyed,
            "entries_left_out": done.entries_left_out,
            "continued": done.continued.iter().map(|change| change.new.name()).collect::<Vec<_>>(),
        }));
    }
    for log in &done.verified.logs {
        out.line(format!("log {}: {} entries", visible(&log.name), log.size))?;
    }
    if done.keys_destroyed > 0 {
        out.line(format!("{} keys were destroyed again: what they sealed was erased", done.keys_destroyed))?;
    }
    if done.entries_left_out > 0 {
        out.line(
            out.warn(&format!("{} entries came after this point and are not in it", done.entries_left_out)),
        )?;
    }
    out.line(format!("{} `{}`", out.good("restored:"), to.display()))?;
    for change in &done.continued {
        let (old, new) = (visible(change.old.name()), visible(change.new.name()));
        out.line(format!("log {old} goes on as {new}, signed by"))?;
        out.line(format!("  {}", change.new.encode()))?;
    }
    if !done.continued.is_empty() {
        out.line(out.warn(
            "writes are paused: compare the connected systems with the journal, then `countersign reconcile --reason TEXT`",
        ))?;
    }
    out.error(&out.dim(
        "never start the old directory again: two servers with one signing key would sign two histories of one log",
    ));
    Ok(())
}
