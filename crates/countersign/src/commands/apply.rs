//! `countersign apply`: the plan first, then the question, then in force.
//!
//! The server is asked for the plan and, after the yes, told which bundle the plan was made against: if another one
//! came into force in between, nothing is applied.

use anyhow::Result;

use crate::cli::{Apply, Global};
use crate::failure::Failure;
use crate::output::{Out, is_interactive, problem_lines, visible};

use super::{client, folder};

pub(super) async fn run(global: &Global, args: Apply, out: &Out) -> Result<()> {
    let files = folder::read(&args.dir)?;
    let client = client(global)?;
    let mut body = api::Apply { files, dry_run: true, expected: None };
    let plan: api::Plan = client.post("/v1/apply", &body).await?;
    let nothing = plan.previous.as_deref() == Some(plan.bundle.as_str());
    if args.dry_run || nothing {
        return if out.json { out.value(&plan) } else { show(&plan, out) };
    }
    if args.yes {
        // As JSON, the plan stands in the answer.
        if !out.json {
            show(&plan, out)?;
        }
    } else {
        if !is_interactive() {
            return Err(Failure::nobody_to_ask("read the plan with --dry-run, then give --yes").into());
        }
        show(&plan, &out.aside())?;
        if !out.ask("Put this in force?")? {
            return Err(Failure::declined("nothing was changed").into());
        }
    }
    body.dry_run = false;
    body.expected = plan.previous;
    let done: api::Plan = client.post("/v1/apply", &body).await?;
    if out.json {
        return out.value(&done);
    }
    out.line(format!("{} bundle {}", out.good("in force:"), visible(&done.bundle)))
}

fn show(plan: &api::Plan, out: &Out) -> Result<()> {
    for warning in &plan.warnings {
        for line in problem_lines(warning) {
            out.line(out.warn(&line))?;
        }
    }
    if plan.previous.as_deref() == Some(plan.bundle.as_str()) {
        return out.line("nothing changes: this folder is in force");
    }
    for change in &plan.changes {
        let sign = match change.kind.as_str() {
            "added" => out.good("+"),
            "removed" => out.bad("-"),
            _ => out.warn("~"),
        };
        let detail = visible(&change.detail);
        let between = if detail.is_empty() { "" } else { ": " };
        out.line(format!("{sign} {} {}{between}{detail}", visible(&change.what), visible(&change.name)))?;
    }
    out.line(format!("{} changes", plan.changes.len()))
}
