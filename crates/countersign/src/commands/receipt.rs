//! `countersign receipt` and `countersign verify --receipt`: one entry, and the proof that it is in the log.
//!
//! A receipt is a C2SP tlog-proof; the entry travels in it as the extra data, so one file says what was recorded and
//! proves it.

use std::path::Path;

use anyhow::Result;
use kernel::event::Entry;
use serde_json::json;
use tlog::{RECEIPT_BYTES_MAX, Receipt as Proof, Verified};

use crate::cli::{Global, Receipt};
use crate::client::encode;
use crate::failure::Failure;
use crate::output::{Out, visible};

use super::client;
use super::evidence::{read, read_policy, write};

/// Fetches the receipt of an entry.
pub(super) async fn fetch(global: &Global, args: Receipt, out: &Out) -> Result<()> {
    let text = client(global)?.text(&format!("/v1/entries/{}/receipt", encode(&args.entry))).await?;
    let proof = parse(text.as_bytes(), "the server's receipt")?;
    let Some(path) = args.out.filter(|path| path.as_os_str() != "-") else {
        return out.line(text.strip_suffix('\n').unwrap_or(&text));
    };
    write(&path, &text)?;
    let shown = path.display();
    if out.json {
        return out.value(&json!({ "entry": proof.index(), "file": shown.to_string() }));
    }
    out.line(format!("receipt of entry {}: {shown}", proof.index()))?;
    out.line(out.dim(&format!("check it anywhere: countersign verify --receipt {shown} --policy FILE")))
}

fn parse(bytes: &[u8], what: &str) -> Result<Proof> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string());
    let proof = text.and_then(|text| Proof::parse(text).map_err(|error| error.to_string()));
    Ok(proof.map_err(|why| {
        Failure::refused(format!("{what} cannot be read: {why}")).code("receipt_invalid").hint(
            "a receipt begins with `c2sp.org/tlog-proof@v1`: `countersign receipt ENTRY -o FILE` writes one",
        )
    })?)
}

/// Checks a receipt, offline.
pub(super) fn verify(file: &Path, policy: &Path, out: &Out) -> Result<()> {
    let shown = format!("`{}`", file.display());
    let proof = parse(&read(file, RECEIPT_BYTES_MAX)?, &shown)?;
    let policy = read_policy(policy)?;
    let invalid = |why: String, hint: &str| {
        Failure::refused(format!("{shown} proves nothing: {why}")).code("receipt_invalid").hint(hint)
    };
    let Some(bytes) = proof.extra() else {
        let hint = "receipts of `countersign receipt` carry their entry as extra data; ask for it again";
        return Err(invalid("it does not carry its entry".to_owned(), hint).into());
    };
    let hint = "if the policy names the right key, somebody changed the file, or the log is not the one it says it is";
    let Verified { trusted, index } =
        proof.verify(bytes, &policy).map_err(|why| invalid(why.to_string(), hint))?;
    let entry =
        Entry::decode(bytes).map_err(|why| invalid(format!("its entry cannot be read: {why}"), hint))?;
    let log = trusted.checkpoint.origin();
    if entry.log != log || entry.seq != index {
        return Err(invalid("the entry names another place in the log".to_owned(), hint).into());
    }
    let size = trusted.checkpoint.size();
    if out.json {
        let seen: Vec<_> =
            trusted.seen_by.iter().map(|(name, at)| json!({ "witness": name, "at": at })).collect();
        return out.value(&json!({
            "verified": true, "log": log, "entry": index, "kind": entry.event.kind(), "at": entry.at.0,
            "checkpoint_size": size, "seen_by": seen, "text": String::from_utf8_lossy(bytes),
        }));
    }
    out.line(visible(&String::from_utf8_lossy(bytes)))?;
    for (name, _) in &trusted.seen_by {
        out.line(format!("seen by {}", visible(name)))?;
    }
    out.line(format!(
        "{} `{}` is entry {index} of `{}`, among the {size} that its key signed for",
        out.good("verified:"),
        entry.event.kind(),
        visible(log),
    ))
}
