//! `countersign approvals`: the inbox on the command line.
//!
//! What is approved is what was shown: the digest of the page that this command printed goes with the answer, so a
//! page that changed in between is refused by the server.

use anyhow::Result;

use crate::cli::{Approvals, Global};
use crate::client::{Client, encode};
use crate::failure::Failure;
use crate::output::{Out, is_interactive, moment, table, visible, visible_lines};

use super::client;

pub(super) async fn run(global: &Global, command: Approvals, out: &Out) -> Result<()> {
    let client = client(global)?;
    match command {
        Approvals::List { status, limit } => list(&client, &status, limit, out).await,
        Approvals::Show { approval } => {
            let approval = fetch(&client, &approval).await?;
            if out.json { out.value(&approval) } else { show(&approval, out) }
        }
        Approvals::Approve { approval, seen: Some(seen) } => approve(&client, &approval, seen, out).await,
        Approvals::Approve { approval, seen: None } => {
            if !is_interactive() {
                // The digest is not told here: who would copy it has not read the page.
                return Err(Failure::nobody_to_ask(format!(
                    "read `countersign approvals show {approval}`, then give the digest of that page with --seen DIGEST"
                ))
                .into());
            }
            let page = fetch(&client, &approval).await?;
            show(&page, &out.aside())?;
            if !out.ask("Approve exactly this?")? {
                return Err(Failure::declined("not approved: the request waits as before").into());
            }
            approve(&client, &approval, page.digest, out).await
        }
        Approvals::Reject { approval, reason } => {
            let path = format!("/v1/approvals/{}/reject", encode(&approval));
            let approval: api::Approval = client.post(&path, &api::RejectRequest { reason }).await?;
            answered(&approval, out)
        }
    }
}

async fn list(client: &Client, status: &str, limit: u16, out: &Out) -> Result<()> {
    let filter = if status == "all" { String::new() } else { format!("?status={}", encode(status)) };
    let approvals: Vec<api::Approval> = client.list(&format!("/v1/approvals{filter}"), limit.into()).await?;
    if out.json {
        return out.value(&approvals);
    }
    if approvals.is_empty() {
        return out.line(if status == "waiting" { "nothing waits" } else { "no such requests" });
    }
    out.line(table(
        ["approval", "status", "risk", "roles", "yes", "expires", "what"],
        approvals.into_iter().map(|approval| {
            [
                approval.id,
                approval.status,
                approval.risk.unwrap_or_default(),
                approval.approver_roles.join(","),
                format!("{}/{}", approval.given.len(), approval.quorum),
                moment(approval.expires_at),
                approval.headline,
            ]
        }),
    ))
}

async fn fetch(client: &Client, approval: &str) -> Result<api::Approval> {
    client.get(&format!("/v1/approvals/{}", encode(approval))).await
}

async fn approve(client: &Client, approval: &str, seen: String, out: &Out) -> Result<()> {
    let path = format!("/v1/approvals/{}/approve", encode(approval));
    let approval: api::Approval = client.post(&path, &api::ApproveRequest { seen }).await?;
    answered(&approval, out)
}

fn answered(approval: &api::Approval, out: &Out) -> Result<()> {
    if out.json {
        return out.value(approval);
    }
    let (status, action) = (out.bold(&approval.status), &approval.action);
    out.line(format!("{} is {status}; its action is {}", approval.id, approval.action_status))?;
    out.line(out.dim(&format!("the whole story: countersign explain {action}")))
}

/// Prints a request as its approver must read it.
pub(super) fn show(approval: &api::Approval, out: &Out) -> Result<()> {
    out.line(out.bold(&visible(&approval.headline)))?;
    let risk = approval.risk.as_deref().map(|risk| format!(", risk {}", visible(risk)));
    out.line(format!("{}  {}{}", approval.id, visible(&approval.status), risk.unwrap_or_default()))?;
    out.line(format!(
        "asked {}  expires {}  needs {} of {}",
        moment(approval.requested_at),
        moment(approval.expires_at),
        approval.quorum,
        if approval.approver_roles.is_empty() {
            "anybody who may".to_owned()
        } else {
            visible(&approval.approver_roles.join(", "))
        },
    ))?;
    if let Some(page) = &approval.page {
        show_page(page, out)?;
    }
    for given in &approval.given {
        out.line(format!("approved by {} at {}", visible(&given.person), moment(given.at)))?;
    }
    if let Some(person) = &approval.rejected_by {
        let why = approval.rejected_reason.as_deref().unwrap_or("no reason kept");
        out.line(format!("rejected by {}: {}", visible(person), visible(why)))?;
    }
    if let Some(may) = &approval.you_may {
        let word = if may.answer { out.good("you may answer:") } else { out.warn("you may not answer:") };
        out.line(format!("{word} {}", visible(&may.why)))?;
    }
    out.line(out.dim(&format!("page {}", visible(&approval.digest))))
}

fn show_page(page: &api::ApprovalPage, out: &Out) -> Result<()> {
    out.line("")?;
    out.line(format!("tool      {} ({})", visible(&page.tool), visible(&page.class)))?;
    out.line(format!("agent     {}", visible(&page.agent)))?;
    if let Some(person) = &page.on_behalf_of {
        out.line(format!("for       {}", visible(person)))?;
    }
    if let Some(title) = &page.run_title {
        out.line(format!("run       {}", visible(title)))?;
    }
    out.line("arguments")?;
    for line in serde_json::to_string_pretty(&page.arguments)?.lines() {
        out.line(format!("  {}", visible(line)))?;
    }
    for fact in &page.facts {
        out.line(format!(
            "fact      {} = {}  ({}, read {})",
            visible(&fact.name),
            out.bold(&visible(&fact.shown)),
            visible(&fact.source),
            moment(fact.read_at)
        ))?;
    }
    for rule in &page.rules {
        let reason = rule.reason.as_deref().unwrap_or("");
        out.line(format!(
            "rule      {} ({}:{}) {}",
            visible(&rule.id),
            visible(&rule.file),
            rule.line,
            visible(reason)
        ))?;
    }
    if let Some(words) = &page.agent_says {
        out.line("the agent says")?;
        for line in visible_lines(words).lines() {
            out.line(format!("  > {line}"))?;
        }
    }
    out.line(format!("undo      {}", visible(&page.undo)))?;
    out.line("")
}
