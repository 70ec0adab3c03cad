//! Where recordings and their domain data are. They stay outside the repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use retail_agent::Conversation;
use serde::Deserialize;

use crate::args::Args;

/// What is played and compared with.
#[derive(Debug)]
pub(crate) struct Sources {
    /// `orders.json`, `users.json`, `products.json`
    pub(crate) db: PathBuf,
    pub(crate) conversations: Vec<Conversation>,
    /// By task and trial.
    pub(crate) finals: BTreeMap<(String, i64), Changed>,
}

/// Records that differ from the initial data, with the digest of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Changed {
    #[serde(alias = "changed_orders", default)]
    pub(crate) orders: BTreeMap<String, String>,
    #[serde(alias = "changed_users", default)]
    pub(crate) users: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct FinalLine {
    task_id: String,
    #[serde(default)]
    trial: i64,
    #[serde(flatten)]
    changed: Changed,
}

/// Finds and reads everything; `None` where no data was named and none is there.
pub(crate) fn find(args: &Args) -> Result<Option<Sources>> {
    let data = std::env::var_os("COUNTERSIGN_DATA").map(PathBuf::from);
    let place = |given: &Option<PathBuf>, usual: &str| {
        given.clone().or_else(|| data.as_ref().map(|data| data.join(usual)))
    };
    let (Some(domain), Some(trajectories), Some(final_state)) = (
        place(&args.domain, "tau-retail-domain"),
        place(&args.trajectories, "tau-retail-run-a/trajectories.jsonl"),
        place(&args.final_state, "tau-retail-run-a/final_state.jsonl"),
    ) else {
        return Ok(None);
    };
    let mut conversations = retail_agent::load(&trajectories)?;
    conversations.truncate(args.limit.unwrap_or(usize::MAX));
    if conversations.is_empty() {
        bail!("`{}` holds no conversations", trajectories.display());
    }
    let db = if domain.join("db").is_dir() { domain.join("db") } else { domain };
    Ok(Some(Sources { db, conversations, finals: finals(&final_state)? }))
}

fn finals(path: &Path) -> Result<BTreeMap<(String, i64), Changed>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            let line: FinalLine = serde_json::from_str(line)
                .with_context(|| format!("`{}`, line {}", path.display(), index + 1))?;
            Ok(((line.task_id, line.trial), line.changed))
        })
        .collect()
}
