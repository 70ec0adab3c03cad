//! `countersign connector`: reach a system step by step, and pin the tools that it offers.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::cli::{Connector, Global};
use crate::client::encode;
use crate::failure::Failure;
use crate::output::{Out, moment, table, visible};

use super::client;

pub(super) async fn run(global: &Global, command: Connector, out: &Out) -> Result<()> {
    let client = client(global)?;
    match command {
        Connector::List => {
            let connectors: Vec<api::Connector> = client.list("/v1/connectors", 1_000).await?;
            if out.json {
                return out.value(&connectors);
            }
            if connectors.is_empty() {
                return out.line("no connectors");
            }
            out.line(table(
                ["connector", "kind", "environment", "tools", "breaker", "last success", "last error"],
                connectors.into_iter().map(|connector| {
                    [
                        connector.id,
                        connector.kind,
                        connector.environment,
                        connector.tools.len().to_string(),
                        connector.breaker,
                        connector.last_ok_at.map(moment).unwrap_or_default(),
                        connector.last_error.unwrap_or_default(),
                    ]
                }),
            ))
        }
        Connector::Test { connector } => {
            let report = test(&client, &connector).await?;
            if out.json {
                out.value(&report)?;
            } else {
                show(&report, out)?;
            }
            if report.ok {
                Ok(())
            } else {
                Err(Failure::refused(format!("the connector `{connector}` is not in order")).into())
            }
        }
        Connector::Pin { connector, workspace } => {
            let report = test(&client, &connector).await?;
            if report.tools.is_empty() {
                if !out.json {
                    show(&report, out)?;
                }
                let failed = report.steps.iter().find(|step| !step.ok);
                let why = failed.map(|step| format!(": {}: {}", step.step, step.detail)).unwrap_or_default();
                let mut failure = Failure::refused(format!("`{connector}` told no tools{why}"));
                failure.hint = failed.and_then(|step| step.hint.clone()).or_else(|| {
                    Some(format!("nothing was written; look with `countersign connector test {connector}`"))
                });
                return Err(failure.into());
            }
            let file = write(&workspace, &connector, &report)?;
            if out.json {
                return out.value(&json!({"file": file, "tools": report.tools.len()}));
            }
            out.line(format!("{file}: {} tools", report.tools.len()))?;
            out.line("read the difference, then put it in force with `countersign apply`")
        }
    }
}

async fn test(client: &crate::client::Client, connector: &str) -> Result<api::TestReport> {
    client.post(&format!("/v1/connectors/{}/test", encode(connector)), &json!({})).await
}

fn show(report: &api::TestReport, out: &Out) -> Result<()> {
    for step in &report.steps {
        let mark = if step.ok { out.good("ok  ") } else { out.bad("FAIL") };
        out.line(format!("{mark} {:<13} {}", visible(&step.step), visible(&step.detail)))?;
        if let Some(hint) = step.hint.as_deref().filter(|_| !step.ok) {
            out.line(format!("     {} {}", out.dim("hint:"), visible(hint)))?;
        }
    }
    Ok(())
}

fn write(workspace: &Path, connector: &str, report: &api::TestReport) -> Result<String> {
    // The name becomes a file name: only names that a connector can have.
    let slug = !connector.is_empty()
        && connector.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
    let folder = workspace.join("connectors");
    if !slug || !folder.is_dir() {
        return Err(Failure::usage(format!("`{}` is not a folder", folder.display()))
            .hint("give the workspace folder with --workspace")
            .into());
    }
    let path = folder.join(format!("{connector}.manifest.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(&report.tools)?);
    std::fs::write(&path, text).with_context(|| format!("`{}` cannot be written", path.display()))?;
    Ok(path.display().to_string())
}
