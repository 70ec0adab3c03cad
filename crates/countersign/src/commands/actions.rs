//! `countersign actions`: actions, newest first; settling one whose outcome nobody could look up; and taking back what one
//! did.
//!
//! Settling is a person's word about the outside world, so it has no default: it says what was found, and how.

use anyhow::Result;

use crate::cli::{Actions, ActionsDo, Global};
use crate::client::{encode, query};
use crate::output::{Out, moment, table, visible};

use super::client;

pub(super) async fn run(global: &Global, args: Actions, out: &Out) -> Result<()> {
    match args.command {
        Some(ActionsDo::Settle { action, applied, reason, .. }) => {
            return settle(global, &action, applied, reason, out).await;
        }
        Some(ActionsDo::Reverse { action, reason }) => return reverse(global, &action, reason, out).await,
        None => {}
    }
    let filters = query(&[
        ("run", args.run.as_deref()),
        ("agent", args.agent.as_deref()),
        ("status", args.status.as_deref()),
        ("verdict", args.verdict.as_deref()),
    ]);
    let actions: Vec<api::Action> =
        client(global)?.list(&format!("/v1/actions{filters}"), args.limit.into()).await?;
    if out.json {
        return out.value(&actions);
    }
    if actions.is_empty() {
        return out.line("no actions");
    }
    out.line(table(
        ["action", "verdict", "status", "code", "proposed", "what"],
        actions.into_iter().map(|action| {
            [
                action.id,
                action.verdict.unwrap_or_default(),
                action.status,
                action.code.unwrap_or_default(),
                moment(action.proposed_at),
                if action.headline.is_empty() { action.tool } else { action.headline },
            ]
        }),
    ))
}

async fn reverse(global: &Global, id: &str, reason: Option<String>, out: &Out) -> Result<()> {
    let client = client(global)?;
    let path = format!("/v1/actions/{}", encode(id));
    let original: api::Action = client.get(&path).await?;
    // The same command twice is one wish; after a try that came to nothing it is another one.
    let key =
        format!("reverse {} after {}", original.id, original.reversed_by.as_deref().unwrap_or("nothing"));
    let asked = api::ReverseRequest { reason, wait_ms: None };
    let undoing: api::Action = client.post_once(&format!("{path}/reverse"), &key, &asked).await?;
    if out.json {
        return out.value(&undoing);
    }
    out.line(format!("{} is {}: {}\n{}", undoing.id, undoing.status, undoing.headline, undoing.message))
}

async fn settle(global: &Global, action: &str, applied: bool, reason: String, out: &Out) -> Result<()> {
    let path = format!("/v1/actions/{}/resolve", encode(action));
    let done: api::Action = client(global)?.post(&path, &api::ResolveAction { applied, reason }).await?;
    if out.json {
        return out.value(&done);
    }
    let (status, by) = (out.bold(&visible(&done.status)), done.settled_by.unwrap_or_default());
    out.line(format!("{} is {status}, settled by {}", visible(&done.id), visible(&by)))
}
