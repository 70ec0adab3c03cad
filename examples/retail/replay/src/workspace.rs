//! The workspace of a replay: the example's folder with other policies.
//!
//! Agent, connector, extractors and conflict keys are the example's own. Only the rules change: everything that the CRM
//! allows is permitted, and above the amount that `--refund-gate` names a refund needs a person.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

const PERMIT: &str = "@id(\"replay-all\")\npermit (principal, action in Action::\"tool\", resource);\n";

/// The folder's files, speaking to the CRM at `crm`.
pub(crate) fn generate(folder: &Path, crm: &str, gate: Option<u32>) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    read(folder, "", 3, &mut files)?;
    files.retain(|path, _| !path.starts_with("policies/"));
    let connector =
        files.get_mut("connectors/crm.toml").context("the workspace folder has no connectors/crm.toml")?;
    *connector = with_url(connector, crm)?;
    let mut policy = PERMIT.to_owned();
    if let Some(major) = gate {
        for tool in ["cancel_pending_order", "return_delivered_order_items"] {
            policy.push_str(&gate_on(tool, major));
        }
    }
    files.insert("policies/replay.cedar".to_owned(), policy);
    Ok(files)
}

/// A gate on one tool, in minor units; the fact is fetched by the server.
fn gate_on(tool: &str, major: u32) -> String {
    let minor = u64::from(major) * 100;
    format!(
        "\n@id(\"replay-gate-{tool}\")\n@gate(\"approval\")\n@approver_role(\"finance\")\n@quorum(\"1\")\n\
         @expires(\"PT1H\")\n@reason(\"refund above {major}\")\nforbid (principal, action == \
         Action::\"crm.{tool}\", resource)\nwhen {{ context.facts.refund > {minor} }};\n"
    )
}

/// The connector's file with another address; every other line as it is.
fn with_url(text: &str, url: &str) -> Result<String> {
    let mut found = false;
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let is_url = line.split_once('=').is_some_and(|(name, _)| name.trim() == "url");
            if is_url && !found {
                found = true;
                format!("url = \"{url}\"")
            } else {
                line.to_owned()
            }
        })
        .collect();
    if !found {
        bail!("connectors/crm.toml names no url");
    }
    Ok(lines.join("\n") + "\n")
}

fn read(dir: &Path, prefix: &str, depth: u8, files: &mut BTreeMap<String, String>) -> Result<()> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("`{}` cannot be read", dir.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() && depth > 0 {
            read(&entry.path(), &path, depth - 1, files)?;
        } else if ["toml", "cedar", "json", "md"].contains(&name.rsplit('.').next().unwrap_or_default()) {
            files.insert(path, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_changes() {
        let text = "name = \"crm\"\nurl = \"http://a\"\n[x]\nurl = \"kept\"\n";
        let changed = with_url(text, "http://b").expect("has one");
        assert_eq!(changed, "name = \"crm\"\nurl = \"http://b\"\n[x]\nurl = \"kept\"\n");
        assert!(with_url("name = \"crm\"\n", "http://b").is_err());
    }

    #[test]
    fn the_gate_is_in_minor_units() {
        assert!(gate_on("cancel_pending_order", 500).contains("context.facts.refund > 50000"));
    }
}
