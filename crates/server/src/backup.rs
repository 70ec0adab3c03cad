//! A backup of a data directory, taken beside a server at work and without its help.
//!
//! Journal first, keys after it, so each payload in the backup has its key in the copy of the keys. The two lie apart:
//! a copy of the keys also opens what is erased later, so old ones are thrown away sooner than backups are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jiff::{Timestamp, ToSpan as _};
use journal::{Copied, Copying};
use kernel::clock::{Clock as _, Millis};
use kernel::digest::Digest;
use serde_json::json;

use crate::beside;
use crate::clock::SystemClock;
use crate::offline::{KEYS_FILE, make_private, replace};

/// The format of `backup.json`.
const FORMAT: u32 = 1;
/// What names of copied key stores look like: sorted, they are in order of time.
const STAMP: &str = "keys-%Y%m%d-%H%M%S.db";

/// Where to put what.
#[derive(Clone, Debug)]
pub struct BackupPlan {
    /// The data directory.
    pub data: PathBuf,
    /// Where the journal is copied to, or was copied to before.
    pub to: PathBuf,
    /// Where a copy of the keys is put; without it nobody can read a payload of this backup.
    pub keys: Option<PathBuf>,
    /// Copies of the keys that are older are thrown away.
    pub keep_keys_days: u32,
}

/// What was backed up.
#[derive(Clone, Debug)]
pub struct BackedUp {
    /// The journal's part.
    pub journal: Copied,
    /// The copy of the keys.
    pub keys: Option<PathBuf>,
    /// Copies of the keys that were thrown away.
    pub keys_removed: Vec<PathBuf>,
}

/// Backs a data directory up.
pub fn backup(plan: &BackupPlan, progress: &mut dyn FnMut(Copying)) -> Result<BackedUp> {
    backup_at(plan, SystemClock::new().now().wall, progress)
}

pub(crate) fn backup_at(
    plan: &BackupPlan,
    now: Millis,
    progress: &mut dyn FnMut(Copying),
) -> Result<BackedUp> {
    let BackupPlan { data, to, keys, keep_keys_days } = plan;
    if vault::lies_inside(to, data) || vault::lies_inside(data, to) {
        bail!("the backup `{}` and the data directory lie in each other; give another place", to.display());
    }
    if let Some(keys) = keys {
        if vault::lies_inside(keys, to) || vault::lies_inside(keys, data) {
            bail!(
                "the keys would lie in `{}` beside what they open; give --keys a place of its own",
                keys.display()
            );
        }
        make_private(keys)?;
    }
    let at = Timestamp::from_millisecond(now.0).context("the clock is beyond all calendars")?;
    make_private(to)?;
    make_private(&to.join("journal"))?;
    // One backup at a time, and none into what a server runs on.
    let _lock = journal::Lock::of(to)?;
    // A base is there before the entries that it stands for go: one that goes meanwhile was copied, one that comes will be.
    beside::copy(data, to)?;
    let copied = journal::copy(data, to, progress)?;
    beside::copy(data, to)?;
    let mut removed = vec![];
    let mut copy = None;
    if let Some(folder) = keys {
        let file = free_name(folder, at);
        vault::copy_keys(&data.join(KEYS_FILE), &file)?;
        // Only now that there is a new one.
        let oldest = at - (24 * i64::from(*keep_keys_days)).hours();
        removed = thin_out(folder, &oldest.strftime(STAMP).to_string())?;
        copy = Some(file);
    }
    let logs = copied.logs.iter().map(|log| {
        json!({"name": log.name, "verifier_key": log.vkey, "size": log.size, "root": Digest(log.root).to_string()})
    });
    let name = copy.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let manifest = json!({
        "format": FORMAT,
        "program": format!("countersign {}", env!("CARGO_PKG_VERSION")),
        "at": now.0,
        "logs": logs.collect::<Vec<_>>(),
        "keys": name,
    });
    replace(&to.join("backup.json"), &format!("{manifest:#}\n"))?;
    Ok(BackedUp { journal: copied, keys: copy, keys_removed: removed })
}

/// The first name from this second on that no copy has: two backups within a second are two copies, in order.
fn free_name(folder: &Path, at: Timestamp) -> PathBuf {
    let names = (0..60).map(|seconds| folder.join((at + seconds.seconds()).strftime(STAMP).to_string()));
    let mut names = names.skip_while(|name| name.exists());
    names.next().unwrap_or_else(|| folder.join(at.strftime(STAMP).to_string()))
}

/// Removes copies of keys whose names come before `oldest`. What is not named as ours is not touched.
fn thin_out(folder: &Path, oldest: &str) -> Result<Vec<PathBuf>> {
    let mut removed = vec![];
    for item in std::fs::read_dir(folder).with_context(|| format!("`{}` cannot be read", folder.display()))? {
        let item = item?;
        let name = item.file_name();
        let Some(name) = name.to_str().filter(|name| is_ours(name) && *name < oldest) else { continue };
        let path = folder.join(name);
        std::fs::remove_file(&path).with_context(|| format!("`{}` cannot be removed", path.display()))?;
        removed.push(path);
    }
    removed.sort();
    Ok(removed)
}

fn is_ours(name: &str) -> bool {
    let middle = name.strip_prefix("keys-").and_then(|rest| rest.strip_suffix(".db")).unwrap_or_default();
    middle.len() == 15
        && middle
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 8 { byte == b'-' } else { byte.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_copies_within_a_second_have_two_names_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let at = Timestamp::from_second(1_772_366_399).unwrap();
        let first = free_name(dir.path(), at);
        std::fs::write(&first, "").unwrap();
        let second = free_name(dir.path(), at);
        assert!(first < second && is_ours(second.file_name().unwrap().to_str().unwrap()), "{second:?}");
    }

    #[test]
    fn only_old_copies_of_keys_are_thrown_away() {
        let dir = tempfile::tempdir().unwrap();
        let names =
            ["keys-20260101-000000.db", "keys-20260301-120000.db", "keys-2026.db", "keys.db", "notes.txt"];
        for name in names {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let removed = thin_out(dir.path(), "keys-20260301-120000.db").unwrap();
        assert_eq!(removed, [dir.path().join(names[0])]);
        assert!(names[1..].iter().all(|name| dir.path().join(name).exists()));
    }
}
