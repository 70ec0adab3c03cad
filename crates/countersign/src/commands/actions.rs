//! `countersign actions`: actions, newest first; and settling one whose outcome nobody could look up.
//!
//! Settling is a person's word about the outside world, so it has no default: it says what was found, and how.

use anyhow::Result;

use crate::cli::{Actions, ActionsDo, Global};
use crate::client::{encode, query};
use crate::output::{Out, moment, table, visible};

use super::client;

pub(super) async fn run(global: &Global, args: Actions, out: &Out) -> Result<()> {
    if let Some(ActionsDo::Settle { action, applied, reason, .. }) = args.command {
        let path = format!("/v1/actions/{}/resolve", encode(&action));
        let done: api::Action = client(global)?.post(&path, &api::ResolveAction { applied, reason }).await?;
        if out.json {
            return out.value(&done);
        }
        let (status, by) = (out.bold(&visible(&done.status)), done.settled_by.unwrap_or_default());
        return out.line(format!("{} is {status}, settled by {}", visible(&done.id), visible(&by)));
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
