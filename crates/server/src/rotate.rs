//! Another root key, or other signing keys of the logs, for a data directory on which no server runs.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use journal::{Backend as _, FileJournal, Options, Signer};
use tlog::Succession;
use vault::{RootKey, Vault};

use crate::clock::{SystemClock, SystemEntropy};
use crate::config::Config;
use crate::logs;

/// Wraps all keys of the data directory with the root key in the file `new`, which is made if it is not there. The
/// configuration names the key until now. Returns how many keys were wrapped.
pub fn rotate_root(config: &Config, new: &Path) -> Result<u64> {
    let _lock = journal::Lock::of(&config.data).context("stop the server first")?;
    let old = config.root_key(None)?;
    let new = RootKey::from_file(new, &config.data, Some(&SystemEntropy))?;
    Ok(vault::rotate_root(&config.data, &old, &new, &SystemEntropy)?)
}

/// Gives every log of the data directory another signing key, each signed by the one before, which is destroyed. A change
/// that a crash interrupted is brought to its end. Returns what was signed.
pub fn rotate_log(config: &Config) -> Result<Vec<Succession>> {
    let clock = SystemClock::new();
    let vault = Vault::open(&config.data, config.root_key(None)?, Arc::new(SystemEntropy))?;
    let open = || FileJournal::open(&config.data, Options::default()).context("stop the server first");
    let ours = |journal: &FileJournal| -> Result<()> {
        for log in journal.logs() {
            logs::open(journal, &vault, kernel::origin::base(&log.name), &clock)?;
        }
        Ok(())
    };
    // As it stands now, under the keys until now.
    let (journal, _) = open()?;
    let interrupted = logs::pending(&journal, &vault)?;
    ours(&journal)?;
    if interrupted && !logs::pending(&journal, &vault)? {
        let logs = journal.logs();
        journal.close()?;
        return Ok(logs.into_iter().filter_map(|log| log.former.last().cloned()).collect());
    }
    let keys = logs::next_keys(&journal, &vault)?;
    journal.close()?;
    let changes: Vec<(&dyn Signer, &dyn Signer)> =
        keys.iter().map(|(old, new)| (old as &dyn Signer, new as &dyn Signer)).collect();
    let done = journal::succeed(&config.data, &changes)?;
    let (journal, _) = open()?;
    ours(&journal)?;
    journal.close()?;
    Ok(done)
}
