//! `countersign backup`: copies a data directory, beside a running server or without one.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::{Backup, Global};
use crate::output::{Out, visible};

pub(super) fn run(global: &Global, args: Backup, out: &Out) -> Result<()> {
    let Backup { dir, keys, keep_keys } = args;
    let plan =
        server::BackupPlan { data: global.data.clone(), to: dir.clone(), keys, keep_keys_days: keep_keys };
    let bar = if out.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    if let Ok(style) = ProgressStyle::with_template("copying {bar:30} {bytes}/{total_bytes}") {
        bar.set_style(style);
    }
    let done = server::backup(&plan, &mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
    });
    bar.finish_and_clear();
    let done = done?;
    let copied = &done.journal;
    if out.json {
        let logs = copied.logs.iter().map(|log| {
            let root = kernel::digest::Digest(log.root).to_string();
            json!({"name": log.name, "size": log.size, "root": root})
        });
        return out.value(&json!({
            "logs": logs.collect::<Vec<_>>(),
            "segments": copied.segments,
            "segments_written": copied.segments_written,
            "bytes_written": copied.bytes_written,
            "keys": done.keys,
            "keys_removed": done.keys_removed,
        }));
    }
    for log in &copied.logs {
        out.line(format!("log {}: {} entries", visible(&log.name), log.size))?;
    }
    out.line(format!(
        "{} {} of {} segments, {} bytes, written to `{}`",
        out.good("backed up:"),
        copied.segments_written,
        copied.segments,
        copied.bytes_written,
        dir.display()
    ))?;
    match &done.keys {
        Some(file) => out.line(format!("keys: `{}`, wrapped by the root key, which is not in it", file.display()))?,
        None => out.line(out.warn(
            "no keys: nobody can read a payload of this backup, and no server can be started from it; give --keys DIR",
        ))?,
    }
    for file in &done.keys_removed {
        out.line(format!("removed `{}`: older than {keep_keys} days", file.display()))?;
    }
    out.error(&out.dim(&format!("check it with `countersign verify {}`", dir.display())));
    Ok(())
}
