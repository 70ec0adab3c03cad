//! `countersign erase` and `countersign hold`: what is held about a subject.
//!
//! Erasing cannot be undone, so it counts first and asks. What it does not reach is said: what other subjects' payloads
//! say of this one, and what other systems hold.

use anyhow::Result;

use crate::cli::{Erase, Global, Hold};
use crate::failure::Failure;
use crate::output::{Out, is_interactive, moment, visible};

use super::client;

pub(super) async fn erase(global: &Global, args: Erase, out: &Out) -> Result<()> {
    let client = client(global)?;
    let mut body = api::EraseSubject { subject: args.subject, reason: args.reason, dry_run: true };
    let before: api::Subject = client.post("/v1/subjects/erase", &body).await?;
    if !args.yes {
        if !is_interactive() {
            return Err(Failure::nobody_to_ask("give --yes to erase").into());
        }
        out.aside().line(format!(
            "{} payloads were sealed for {}; nobody can read them again once they are erased",
            before.payloads,
            visible(&body.subject)
        ))?;
        if !out.ask("Erase them?")? {
            return Err(Failure::declined("nothing was changed").into());
        }
    }
    body.dry_run = false;
    let done: api::Subject = client.post("/v1/subjects/erase", &body).await?;
    if out.json {
        return out.value(&done);
    }
    out.line(format!(
        "{} {} payloads of {}, {} keys destroyed",
        out.good("erased:"),
        done.payloads,
        visible(&body.subject),
        done.keys_destroyed
    ))?;
    out.error(&out.dim(
        "entries and proofs stay; older backups of keys.db still hold the keys until they are thrown away or restored",
    ));
    Ok(())
}

pub(super) async fn hold(global: &Global, args: Hold, out: &Out) -> Result<()> {
    let body = api::HoldSubject { subject: args.subject, hold: !args.release, reason: args.reason };
    let done: api::Subject = client(global)?.post("/v1/subjects/hold", &body).await?;
    if out.json {
        return out.value(&done);
    }
    let what = if done.held { "held: nothing of it is erased" } else { "not held" };
    out.line(format!("{} is {what}", visible(&body.subject)))?;
    if let Some(at) = done.erased_at {
        out.line(format!("it was erased at {}", moment(at)))?;
    }
    Ok(())
}
