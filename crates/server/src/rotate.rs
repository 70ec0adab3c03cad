//! Another root key for a data directory on which no server runs.

use std::path::Path;

use anyhow::{Context as _, Result};
use vault::RootKey;

use crate::clock::SystemEntropy;
use crate::config::Config;

/// Wraps all keys of the data directory with the root key in the file `new`, which is made if it is not there. The
/// configuration names the key until now. Returns how many keys were wrapped.
pub fn rotate_root(config: &Config, new: &Path) -> Result<u64> {
    let _lock = journal::Lock::of(&config.data).context("stop the server first")?;
    let old = config.root_key(None)?;
    let new = RootKey::from_file(new, &config.data, Some(&SystemEntropy))?;
    Ok(vault::rotate_root(&config.data, &old, &new, &SystemEntropy)?)
}
