//! `countersign evidence` and `countersign verify --evidence`: one action in one file, and checking it without a server.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use evidence::{EVIDENCE_BYTES_MAX, Mark, Pack, Report};
use serde_json::json;
use tlog::{POLICY_BYTES_MAX, Policy};

use crate::cli::{Evidence, Global};
use crate::client::encode;
use crate::failure::Failure;
use crate::output::{Out, visible};

use super::client;

/// Fetches the pack of an action.
pub(super) async fn pack(global: &Global, args: Evidence, out: &Out) -> Result<()> {
    let text = client(global)?.text(&format!("/v1/actions/{}/evidence", encode(&args.action))).await?;
    let pack = Pack::parse(text.as_bytes()).map_err(|why| {
        Failure::refused(format!("the server's evidence cannot be read: {why}"))
            .hint("client and server should be of the same version")
    })?;
    let shown = args.out.display().to_string();
    if shown == "-" {
        return Ok(std::io::stdout().lock().write_all(text.as_bytes())?);
    }
    write(&args.out, &text)?;
    if out.json {
        return out.value(&json!({
            "action": pack.action, "file": shown, "entries": pack.entries.len(), "bytes": text.len(),
        }));
    }
    out.line(format!("{} entries of {} with their proofs: {shown}", pack.entries.len(), pack.action))?;
    out.line(out.dim(&format!("check it anywhere: countersign verify --evidence {shown}")))
}

/// Writes a file at once, for its user only: it may hold what only an auditor may read.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let wrong = || format!("`{}` cannot be written", path.display());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::NamedTempFile::new_in(dir).with_context(wrong)?;
    draft.write_all(text.as_bytes()).with_context(wrong)?;
    draft.persist(path).with_context(wrong)?;
    Ok(())
}

/// Checks a pack.
pub(super) fn verify(file: &Path, policy: Option<&Path>, out: &Out) -> Result<()> {
    let bytes = read(file, EVIDENCE_BYTES_MAX)?;
    let pack = Pack::parse(&bytes).map_err(|why| {
        Failure::refused(format!("`{}` is not evidence: {why}", file.display()))
            .code("evidence_invalid")
            .hint("give a file that `countersign evidence ACTION -o FILE` wrote")
    })?;
    let policy = policy.map(read_policy).transpose()?;
    let report = evidence::check(&pack, policy.as_ref());
    show(&pack, &report, out)?;
    if report.holds() {
        return Ok(());
    }
    let failed = match report.count(Mark::Failed) {
        1 => "one part of the evidence does not hold".to_owned(),
        count => format!("{count} parts of the evidence do not hold"),
    };
    Err(Failure::refused(failed)
        .code("evidence_invalid")
        .hint("the lines marked FAILED say which; ask for the pack again, or hold the log against its witnesses")
        .into())
}

/// Reads a trust policy (C2SP tlog-policy).
pub(super) fn read_policy(file: &Path) -> Result<Policy> {
    let bytes = read(file, POLICY_BYTES_MAX)?;
    Policy::parse(&bytes).map_err(|why| {
        Failure::usage(format!("`{}` is not a trust policy: {why}", file.display()))
            .hint("lines of `log VKEY`, `witness NAME VKEY`, `group`, and one `quorum NAME` or `quorum none`")
            .into()
    })
}

/// A file from outside, never more of it than is allowed.
pub(super) fn read(file: &Path, bytes_max: usize) -> Result<Vec<u8>> {
    let wrong = |why: String| Failure::usage(format!("`{}` cannot be read: {why}", file.display()));
    let opened = File::open(file).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    opened.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() > bytes_max {
        return Err(wrong(format!("it has more than {bytes_max} bytes")).into());
    }
    Ok(bytes)
}

fn show(pack: &Pack, report: &Report, out: &Out) -> Result<()> {
    if out.json {
        return out.value(&json!({
            "holds": report.holds(), "action": pack.action, "log": pack.log, "decisions": report.decisions,
            "decided_again": report.decided_again, "proved": report.count(Mark::Proved),
            "open": report.count(Mark::Open), "failed": report.count(Mark::Failed), "lines": report.lines,
        }));
    }
    for line in &report.lines {
        let mark = match line.mark {
            Mark::Proved => out.dim("proved"),
            Mark::Open => "open  ".to_owned(),
            Mark::Failed => out.bad("FAILED"),
        };
        out.line(format!("{mark}  {}: {}", visible(&line.part), visible(&line.text)))?;
    }
    let (proved, open) = (report.count(Mark::Proved), report.count(Mark::Open));
    if report.holds() {
        out.line(format!(
            "{} {}: {proved} things proved, {open} open; {} of {} decisions taken again with the same outcome",
            out.bold("holds:"), pack.action, report.decided_again, report.decisions
        ))?;
    }
    Ok(())
}
