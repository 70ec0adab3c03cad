//! `countersign actions`: actions, newest first.

use anyhow::Result;

use crate::cli::{Actions, Global};
use crate::client::query;
use crate::output::{Out, moment, table};

use super::client;

pub(super) async fn run(global: &Global, args: Actions, out: &Out) -> Result<()> {
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
