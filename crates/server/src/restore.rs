//! A data directory from a backup. What the journal says was erased is destroyed again before the keys are in place:
//! a copy of the keys is older than that, or the erasure is told by a newer journal of the same history.
//!
//! A server that goes on from a backup signs with the old key. Where the backup lacks entries that were signed for, that
//! makes two histories under one key, so it must be shown that it lacks none. Where it does, or where somebody wants to go
//! back to a [`Point`], every log goes on under another origin with another key, which the old one signs, and writes are
//! paused until somebody reconciled the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use journal::{
    Backend as _, Each, FileJournal, Lock, Options, Passing, Progress, Signer, Verified, VerifiedLog,
};
use kernel::clock::Millis;
use kernel::event::{Entry, Event};
use kernel::origin;
use tlog::{Checkpoint, Hash, NOTE_BYTES_MAX, Note, Succession, Tree, VerifierKey};
use vault::Vault;

use crate::clock::{SystemClock, SystemEntropy};
use crate::config::Config;
use crate::offline::{KEYS_FILE, make_private};
use crate::{beside, logs};

/// Where the keys lie until everything else is in place.
const ASIDE: &str = "restoring";
/// How an entry that names destroyed keys is known before it is parsed.
const ERASED: [&[u8]; 2] = [b"\"subject.erased\"", b"\"retention.applied\""];

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
    /// The last checkpoints that anybody has: the backup must hold what they vouch for.
    pub last: Vec<PathBuf>,
    /// Where to go on under another origin.
    pub point: Option<Point>,
    /// The root key's file and text, as in [`Config`]: another origin needs another key.
    pub root_key_file: Option<PathBuf>,
    pub root_key: Option<String>,
}

/// A point in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// All that the backup holds.
    End,
    /// With this entry of the workspace's log as the last.
    Entry(u64),
    /// With what happened until then.
    At(Millis),
}

impl Point {
    fn keeps(self, entry: Passing<'_>) -> bool {
        match self {
            Self::End => true,
            Self::Entry(last) => origin::base(entry.log) == logs::PLATFORM_LOG || entry.seq <= last,
            Self::At(until) => Millis(entry.at) <= until,
        }
    }
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
    /// The logs that go on under another origin.
    pub continued: Vec<Succession>,
}

/// Restores a data directory.
pub fn restore(plan: &RestorePlan, progress: &mut dyn FnMut(Progress)) -> Result<Restored> {
    let RestorePlan { from, keys, to, erasures_from, last: checkpoints, point, .. } = plan;
    if to.exists() && std::fs::read_dir(to).with_context(|| cannot_read(to))?.next().is_some() {
        bail!("`{}` is not empty; restore into a new directory", to.display());
    }
    // What is looked at now is what is copied: no backup adds to it meanwhile. Where nothing can be written, none does.
    let _lock = match Lock::of(from) {
        Err(error @ journal::Error::InUse { .. }) => return Err(error.into()),
        taken => taken.ok(),
    };
    let last = vault::last_key(keys)?;
    let checkpoints = checkpoints.iter().map(|file| Last::read(file)).collect::<Result<Vec<_>>>()?;
    let sizes = checkpoints.iter().map(|last| tree_of(last.checkpoint.origin(), last.checkpoint.size()));
    let mut found = Found { sizes: sizes.collect(), ..Found::default() };
    let verified = read(from, &mut found, progress)?;
    for last in &checkpoints {
        last.is_held(&verified, &found)?;
    }
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
        let sizes = verified.logs.iter().map(|log| tree_of(&log.name, log.size)).collect();
        let mut follow = Found { sizes, ..Found::default() };
        let whole = read(newer, &mut follow, progress)?;
        for log in verified.logs.iter().filter(|log| log.size > 0) {
            if let RootAt::Pruned(first) = follow.root_at(&whole, &log.name, log.size) {
                bail!(
                    "the entries of log `{}` before {first} were pruned in `{}`, so nothing shows that it continues the \
                     backup, which has {}; take a newer backup, or one between the two for the erasures",
                    log.name,
                    newer.display(),
                    log.size
                );
            }
            if follow.root_at(&whole, &log.name, log.size) != RootAt::There(log.root) {
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
    let whole = !checkpoints.is_empty() || (erasures_from.is_some() && entries_left_out == 0);
    if !whole && point.is_none() {
        bail!(
            "nothing shows that the backup holds everything that was signed for: a server that goes on from it could \
             make a second history under one key. Give the last checkpoint that anybody has (--last: from the old \
             directory, a witness, an auditor), or, where entries are lost for good, let it go on under another origin: \
             --point end"
        );
    }
    make_private(to)?;
    journal::copy(from, to, &mut |_| ())?;
    beside::copy(from, to)?;
    // Last: a server does not start on a journal without its keys.
    let Some(point) = *point else {
        let keys_destroyed = vault::copy_without(keys, &to.join(KEYS_FILE), found.erased.into_iter())?;
        return Ok(Restored { verified, keys_destroyed, entries_left_out, continued: vec![] });
    };
    let aside = to.join(ASIDE);
    make_private(&aside)?;
    let keys_destroyed = vault::copy_without(keys, &aside.join(KEYS_FILE), found.erased.into_iter())?;
    let (kept, continued) = go_on(plan, &aside, point)?;
    std::fs::rename(aside.join(KEYS_FILE), to.join(KEYS_FILE)).with_context(|| cannot_read(&aside))?;
    std::fs::remove_dir_all(&aside).with_context(|| cannot_read(&aside))?;
    std::fs::File::open(to).and_then(|dir| dir.sync_all()).with_context(|| cannot_read(to))?;
    let entries_left_out = entries_left_out + verified.entries - kept.entries;
    Ok(Restored { verified: kept, keys_destroyed, entries_left_out, continued })
}

/// Cuts the copied journal at the point, and lets every log go on under another origin.
fn go_on(plan: &RestorePlan, aside: &Path, point: Point) -> Result<(Verified, Vec<Succession>)> {
    let to = &plan.to;
    journal::cut_behind(to, &mut |entry| point.keeps(entry))?;
    let kept = journal::verify(to, &mut |_| {}).map_err(|fault| {
        anyhow!("there is no journal at that point, for one because it lies before entries that were pruned: {fault}")
    })?;
    let places = Config {
        root_key_file: plan.root_key_file.clone(),
        root_key: plan.root_key.clone(),
        ..Config::new(to)
    };
    let vault = Vault::open(aside, places.root_key(None)?, Arc::new(SystemEntropy))?;
    let open = || FileJournal::open(to, Options::default());
    let (journal, _) = open()?;
    let keys = logs::next_origins(&journal, &vault)?;
    // INVARIANT: no log is defined with a key until now, so nothing is signed with one but what hands over.
    journal.close()?;
    let changes: Vec<(&dyn Signer, &dyn Signer)> =
        keys.iter().map(|(old, new)| (old as &dyn Signer, new as &dyn Signer)).collect();
    let continued = journal::succeed(to, &changes)?;
    for (old, new) in &keys {
        beside::rename_tiles(to, old.name(), new.name())?;
    }
    let (journal, _) = open()?;
    logs::tell_continued(&journal, &keys, &continued, &SystemClock::new())?;
    journal.close()?;
    Ok((kept, continued))
}

/// A checkpoint that somebody kept.
struct Last {
    file: PathBuf,
    note: String,
    checkpoint: Checkpoint,
}

impl Last {
    fn read(file: &Path) -> Result<Self> {
        let mut note = String::new();
        let opened = std::fs::File::open(file).with_context(|| cannot_read(file))?;
        opened.take(NOTE_BYTES_MAX as u64).read_to_string(&mut note).with_context(|| cannot_read(file))?;
        let wrong = || format!("`{}` is not a checkpoint", file.display());
        let checkpoint = Checkpoint::claimed(&Note::parse(&note).with_context(wrong)?).with_context(wrong)?;
        Ok(Self { file: file.to_owned(), note, checkpoint })
    }

    /// Whether the backup has all that it vouches for.
    fn is_held(&self, verified: &Verified, found: &Found) -> Result<()> {
        let (file, origin, size) = (self.file.display(), self.checkpoint.origin(), self.checkpoint.size());
        let named = |log: &&VerifiedLog| {
            log.name == origin || log.former.iter().any(|change| change.old.name() == origin)
        };
        let Some(log) = verified.logs.iter().find(named) else {
            bail!("`{file}` is of the log `{origin}`, which the backup does not have");
        };
        let key = VerifierKey::parse(&log.vkey).context("the backup's key is not a key")?;
        let former = log.former.iter().find(|change| change.old.open(&self.note).is_ok());
        if former.is_none() {
            key.open(&self.note).with_context(|| {
                format!("`{file}` is not signed by the key of the log, nor by one that it had before")
            })?;
        }
        if size > log.size {
            bail!(
                "the backup has {} entries of the log `{origin}`, and {size} were signed for: {} are missing; take a \
                 newer backup, or, where they are lost for good, go on under another origin: --point end",
                log.size,
                size - log.size
            );
        }
        // INVARIANT: a key that handed its log over vouches for no tree beyond that.
        if let Some(change) = former.filter(|change| size > change.size) {
            bail!(
                "`{file}` vouches for {size} entries, and its key had the log of the backup until entry {}: what came \
                 after it there is of another history",
                change.size
            );
        }
        match found.root_at(verified, origin, size) {
            RootAt::There(root) if root == *self.checkpoint.root() => Ok(()),
            RootAt::Pruned(first) => bail!(
                "`{file}` vouches for {size} entries of the log `{origin}`, and those before {first} were pruned: it \
                 shows nothing about the backup any more; give a newer checkpoint"
            ),
            RootAt::There(_) | RootAt::Beyond => {
                bail!("`{file}` is of another history of the log `{origin}` than the backup")
            }
        }
    }
}

/// Names the first entries of a log, as many as this, whatever origin it had then.
fn tree_of(log: &str, size: u64) -> (String, u64) {
    (origin::base(log).to_owned(), size)
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
    /// Where the roots of logs are wanted.
    sizes: BTreeSet<(String, u64)>,
    /// The roots there.
    roots: BTreeMap<(String, u64), Hash>,
    /// The first erasure that could not be understood.
    problem: Option<String>,
}

/// The root of the first entries of a log.
#[derive(Debug, PartialEq, Eq)]
enum RootAt {
    There(Hash),
    /// Entries up to this one were pruned, and the root lies before it.
    Pruned(u64),
    /// The log has fewer, or there is none of this name.
    Beyond,
}

impl Found {
    fn root_at(&self, verified: &Verified, log: &str, size: u64) -> RootAt {
        let tree = tree_of(log, size);
        if size == 0 {
            return RootAt::There(tlog::empty_root());
        }
        if let Some(root) = self.roots.get(&tree) {
            return RootAt::There(*root);
        }
        let known = verified.logs.iter().find(|known| origin::base(&known.name) == tree.0);
        match known.and_then(|known| known.pruned.as_ref()) {
            Some(pruned) if pruned.first == size => RootAt::There(pruned.root),
            Some(pruned) if pruned.first > size => RootAt::Pruned(pruned.first),
            _ => RootAt::Beyond,
        }
    }

    fn destroyed(&mut self, keys: Vec<i64>) {
        for key in keys.into_iter().filter_map(|key| u64::try_from(key).ok()) {
            self.last = self.last.max(key);
            let _new = self.erased.insert(key);
        }
    }
}

impl Each for Found {
    fn entry(&mut self, log: &str, tree: &Tree, bytes: &[u8]) {
        if !self.sizes.is_empty() {
            let here = tree_of(log, tree.size());
            if self.sizes.contains(&here) {
                let _earlier = self.roots.insert(here, tree.root());
            }
        }
        // Few entries destroy keys: the others are not parsed.
        if !ERASED.iter().any(|kind| bytes.windows(kind.len()).any(|window| window == *kind)) {
            return;
        }
        match Entry::decode(bytes) {
            Ok(Entry { event: Event::SubjectErased { keys, .. }, .. }) => self.destroyed(keys),
            Ok(Entry { event: Event::RetentionApplied { lapsed, .. }, .. }) => {
                for subject in lapsed {
                    self.destroyed(subject.keys);
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
