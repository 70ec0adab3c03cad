//! A data directory from a backup. What the journal says was erased is destroyed again before the keys are in place:
//! a copy of the keys is older than that, or the erasure is told by a newer journal of the same history.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use journal::{Each, Progress, Verified};
use kernel::event::{Entry, Event};
use tlog::{Hash, Tree};

use crate::offline::{KEYS_FILE, make_private};

/// How an entry that names destroyed keys is known before it is parsed.
const ERASED: &[u8] = b"\"subject.erased\"";

/// What to restore where.
#[derive(Clone, Debug)]
pub struct RestorePlan {
    /// The backup: its `journal` and `checkpoints`.
    pub from: PathBuf,
    /// The copy of the keys.
    pub keys: PathBuf,
    /// The new data directory: empty, or not there.
    pub to: PathBuf,
    /// A newer data directory or backup of the same history, whose erasures count too.
    pub erasures_from: Option<PathBuf>,
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup holds.
    pub verified: Verified,
    /// Keys that were destroyed again.
    pub keys_destroyed: u64,
    /// Entries that the newer journal has beyond the backup: they are not restored.
    pub entries_left_out: u64,
}

/// Restores a data directory.
pub fn restore(plan: &RestorePlan, progress: &mut dyn FnMut(Progress)) -> Result<Restored> {
    let RestorePlan { from, keys, to, erasures_from } = plan;
    if to.exists() && std::fs::read_dir(to).with_context(|| cannot_read(to))?.next().is_some() {
        bail!("`{}` is not empty; restore into a new directory", to.display());
    }
    let last = vault::last_key(keys)?;
    let mut found = Found::default();
    let verified = read(from, &mut found, progress)?;
    // A newer key would have the number of an older one, and open nothing, or be destroyed in its place.
    if found.last > last {
        bail!(
            "the keys in `{}` are older than the backup: it names key {}, they end with {last}; give a copy of the \
             keys that was taken with the backup or after it",
            keys.display(),
            found.last
        );
    }
    let mut entries_left_out = 0;
    if let Some(newer) = erasures_from {
        let sizes = verified.logs.iter().map(|log| (log.name.clone(), log.size)).collect();
        let mut follow = Found { sizes, ..Found::default() };
        let whole = read(newer, &mut follow, progress)?;
        for log in verified.logs.iter().filter(|log| log.size > 0) {
            if follow.roots.get(&log.name) != Some(&log.root) {
                bail!(
                    "`{}` does not continue log `{}` of the backup: they are not of one history",
                    newer.display(),
                    log.name
                );
            }
        }
        entries_left_out = whole.entries.saturating_sub(verified.entries);
        found.erased.append(&mut follow.erased);
    }
    make_private(to)?;
    journal::copy(from, to, &mut |_| ())?;
    // Last: a server does not start on a journal without its keys.
    let keys_destroyed = vault::copy_without(keys, &to.join(KEYS_FILE), found.erased.into_iter())?;
    Ok(Restored { verified, keys_destroyed, entries_left_out })
}

fn cannot_read(dir: &Path) -> String {
    format!("`{}` cannot be read", dir.display())
}

fn read(dir: &Path, found: &mut Found, progress: &mut dyn FnMut(Progress)) -> Result<Verified> {
    let verified = journal::verify_each(dir, found, progress)
        .map_err(|fault| anyhow!("the journal in `{}` is damaged: {fault}", dir.display()))?;
    match found.problem.take() {
        Some(problem) => bail!("an entry of `{}` cannot be read: {problem}", dir.display()),
        None => Ok(verified),
    }
}

/// What is looked for in a journal.
#[derive(Debug, Default)]
struct Found {
    /// Keys that were destroyed.
    erased: BTreeSet<u64>,
    /// The highest key that sealed something, or was destroyed.
    last: u64,
    /// Where the root of a log is wanted.
    sizes: BTreeMap<String, u64>,
    /// The roots there.
    roots: BTreeMap<String, Hash>,
    /// The first erasure that could not be understood.
    problem: Option<String>,
}

impl Each for Found {
    fn entry(&mut self, log: &str, tree: &Tree, bytes: &[u8]) {
        if self.sizes.get(log) == Some(&tree.size()) {
            let _earlier = self.roots.insert(log.to_owned(), tree.root());
        }
        // Few entries erase: the others are not parsed.
        if !bytes.windows(ERASED.len()).any(|window| window == ERASED) {
            return;
        }
        match Entry::decode(bytes) {
            Ok(Entry { event: Event::SubjectErased { keys, .. }, .. }) => {
                for key in keys.into_iter().filter_map(|key| u64::try_from(key).ok()) {
                    self.last = self.last.max(key);
                    let _new = self.erased.insert(key);
                }
            }
            Ok(_) => {}
            Err(problem) => self.problem = self.problem.take().or(Some(problem)),
        }
    }

    fn payload(&mut self, _: &str, sealed: &[u8]) {
        if let Some(number) = sealed.first_chunk::<{ vault::KEY_NUMBER_BYTES }>() {
            self.last = self.last.max(u64::from_le_bytes(*number));
        }
    }
}
