//! `countersign verify`: checks a data directory, or a copy of it, without a server.
//!
//! Every frame, every entry, every tree root and the signed checkpoint. It trusts nothing that the server says and
//! writes nothing.

use std::path::Path;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::{Global, Verify};
use crate::failure::Failure;
use crate::output::{Out, visible};

pub(super) fn run(global: &Global, args: Verify, out: &Out) -> Result<()> {
    if let Some(file) = &args.evidence {
        return super::evidence::verify(file, args.policy.as_deref(), out);
    }
    if let (Some(file), Some(policy)) = (&args.receipt, &args.policy) {
        return super::receipt::verify(file, policy, out);
    }
    if let (Some(place), Some(policy)) = (&args.log, &args.policy) {
        return super::published::verify(global, place, policy, args.since.as_deref(), args.all, out);
    }
    if args.policy.is_some() {
        return Err(Failure::usage("a policy is for --evidence, --receipt and --log")
            .hint("a data directory names its own keys: compare them with `countersign keys log`")
            .into());
    }
    let dir = args.dir.unwrap_or_else(|| global.data.clone());
    if !dir.is_dir() {
        return Err(Failure::usage(format!("`{}` is not a folder", dir.display()))
            .hint("give the data directory of a server, or a copy of it")
            .into());
    }
    match check(&dir, out) {
        Ok(verified) => show(&verified, out),
        Err(fault) => Err(Failure::refused(fault.to_string())
            .code("journal_damaged")
            .hint("stop the server, keep a copy of the directory as it is, then restore from a backup")
            .into()),
    }
}

fn check(dir: &Path, out: &Out) -> Result<journal::Verified, journal::Fault> {
    let bar = if out.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    if let Ok(style) = ProgressStyle::with_template("verifying {bar:30} {bytes}/{total_bytes} {msg}") {
        bar.set_style(style);
    }
    let result = journal::verify(dir, &mut |progress: journal::Progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
        bar.set_message(format!("{} entries", progress.entries));
    });
    bar.finish_and_clear();
    result
}

fn show(verified: &journal::Verified, out: &Out) -> Result<()> {
    if out.json {
        let logs: Vec<_> = verified
            .logs
            .iter()
            .map(|log| {
                json!({
                    "name": log.name,
                    "size": log.size,
                    "root": hex(&log.root),
                    "checkpoint_size": log.checkpoint_size,
                    "pruned": log.pruned.as_ref().map_or(0, |pruned| pruned.first),
                    "payloads": log.payloads,
                    "payloads_missing": log.payloads_missing,
                    "verifier_key": log.vkey,
                    "former_keys": log.former.iter().map(|change| change.old.encode()).collect::<Vec<_>>(),
                })
            })
            .collect();
        return out.value(&json!({
            "verified": true, "entries": verified.entries, "bytes": verified.bytes, "logs": logs,
            "torn_tail": verified.torn.as_ref().map(|torn| json!({"why": torn.why.to_string(), "bytes": torn.bytes})),
        }));
    }
    for log in &verified.logs {
        let missing = match log.payloads_missing {
            0 => String::new(),
            missing => format!(", {missing} erased"),
        };
        out.line(format!(
            "log {}: {} entries, {} payloads{missing}",
            visible(&log.name),
            log.size,
            log.payloads
        ))?;
        for change in &log.former {
            let what = if change.old.name() == change.new.name() { "another key" } else { "another origin" };
            out.line(format!(
                "  {what} from entry {} on, signed by the one before, {}",
                change.size,
                visible(&change.old.encode())
            ))?;
        }
        if let Some(pruned) = &log.pruned {
            out.line(format!("  begins at   entry {}; those before were pruned, on record", pruned.first))?;
        }
        out.line(format!("  root        {}", hex(&log.root)))?;
        match log.checkpoint_size {
            Some(size) => {
                out.line(format!("  checkpoint  {size} entries, signed by {}", visible(&log.vkey)))?;
            }
            None => out.line(out.warn("  checkpoint  none yet: nothing signed vouches for this log"))?,
        }
    }
    if let Some(torn) = &verified.torn {
        let note = format!(
            "torn tail: {} bytes after the last whole batch ({}); the server cuts them when it starts",
            torn.bytes, torn.why
        );
        out.line(out.warn(&visible(&note)))?;
    }
    out.line(format!("{} {} entries", out.good("verified:"), verified.entries))
}

fn hex(bytes: &[u8; 32]) -> String {
    kernel::digest::Digest(*bytes).to_string()
}
