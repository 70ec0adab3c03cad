//! What stands beside a journal that was pruned and cannot be made from it any more: the base of its rows, and the hashes of
//! the entries that went.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Copies it from one data directory to another. What is written meanwhile is copied as far as it is there: hashes of pruned
/// entries do not change, and a base is in place as a whole or not at all.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    copy_some(from, to, &|name| name.strip_prefix("base-").is_some_and(|seq| !seq.contains('.')))?;
    let tiles = from.join("tiles");
    if !tiles.is_dir() {
        return Ok(());
    }
    for item in fs::read_dir(&tiles).with_context(|| format!("`{}` cannot be read", tiles.display()))? {
        let name = item?.file_name();
        let place = to.join("tiles").join(&name);
        fs::create_dir_all(&place).with_context(|| format!("`{}` cannot be made", place.display()))?;
        copy_some(&tiles.join(&name), &place, &|_| true)?;
    }
    flush(&to.join("tiles"))
}

/// The hashes of a log that goes on under another name: what is too much is not read.
pub(crate) fn rename_tiles(dir: &Path, old: &str, new: &str) -> Result<()> {
    let place = |name: &str| dir.join("tiles").join(name.replace('/', "~"));
    let (from, to) = (place(old), place(new));
    if !from.is_dir() {
        return Ok(());
    }
    fs::rename(&from, &to).with_context(|| format!("`{}` cannot be renamed", from.display()))?;
    flush(&dir.join("tiles"))
}

fn copy_some(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<()> {
    for item in fs::read_dir(from).with_context(|| format!("`{}` cannot be read", from.display()))? {
        let item = item?;
        let name = item.file_name();
        if !item.file_type()?.is_file() || !name.to_str().is_some_and(wanted) {
            continue;
        }
        let place = to.join(&name);
        let copied = fs::copy(item.path(), &place).and_then(|_| fs::File::open(&place)?.sync_all());
        copied.with_context(|| format!("`{}` cannot be written", place.display()))?;
    }
    flush(to)
}

fn flush(dir: &Path) -> Result<()> {
    fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .with_context(|| format!("`{}` cannot be flushed", dir.display()))
}
