//! Copies of `keys.db`: made beside a server at work, looked into, and thinned out when one is restored.
//!
//! Keys are copied apart from the journal, because whoever has both and the root key can read everything, and because
//! they must be thrown away sooner: a copy holds the keys of subjects that were erased since. Nothing here needs the
//! root key; the keys stay wrapped.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use crate::error::Error;

/// Copies the key store `from` into the new file `to`, readable by its owner alone, as it stands at one moment. It is
/// safe on the disk on return. A file that is there already is refused.
pub fn copy_keys(from: &Path, to: &Path) -> Result<(), Error> {
    copy_without(from, to, std::iter::empty()).map(|_| ())
}

/// The same, without some keys: they are destroyed before the copy is where it belongs. Returns how many there were.
pub fn copy_without(from: &Path, to: &Path, gone: impl Iterator<Item = u64>) -> Result<u64, Error> {
    let failed = |what: &str, error: std::io::Error| {
        Error::Store(format!("`{}` could not be {what}: {error}", to.display()))
    };
    if to.exists() {
        return Err(Error::Store(format!("`{}` is there already", to.display())));
    }
    let draft = to.with_extension("db.new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed("made", error)),
        _ => {}
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    let file = made.map_err(|error| failed("made", error))?;
    let path = draft.to_str().ok_or_else(|| Error::Store("its path is not Unicode".to_owned()))?;
    // By way of memory: what is left out never reaches the disk, and a fresh file has no pages of what was deleted.
    let mut db = Connection::open_in_memory()?;
    let source = open(from)?;
    let backup = Backup::new(&source, &mut db)?;
    // All pages at once: the store waits meanwhile, for as long as reading takes.
    if backup.step(-1)? != StepResult::Done {
        return Err(Error::Store("it is in use and does not get free; try again".to_owned()));
    }
    drop(backup);
    let mut destroyed = 0;
    {
        let transaction = db.transaction()?;
        for number in gone {
            destroyed +=
                transaction.execute("DELETE FROM data_keys WHERE number = ?1", params![number])? as u64;
        }
        transaction.commit()?;
    }
    db.execute("VACUUM INTO ?1", [path])?;
    let safe = file
        .sync_all()
        .and_then(|()| fs::rename(&draft, to))
        .and_then(|()| fs::File::open(to.parent().unwrap_or(Path::new(".")))?.sync_all());
    safe.map_err(|error| failed("written", error))?;
    Ok(destroyed)
}

/// The highest number that any data key of a key store ever had.
pub fn last_key(file: &Path) -> Result<u64, Error> {
    let last = open(file)?
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'data_keys'", [], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or(0))
}

fn open(file: &Path) -> Result<Connection, Error> {
    if !file.is_file() {
        return Err(Error::Store(format!("`{}` is not there", file.display())));
    }
    // Not read-only: after a crash the store first finishes what was under way.
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let known: Option<i64> = db
        .query_row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'data_keys'", [], |row| {
            row.get(0)
        })
        .optional()
        .map_err(|error| Error::Store(format!("`{}` is no key store: {error}", file.display())))?;
    match known {
        Some(_) => Ok(db),
        None => Err(Error::Store(format!("`{}` is no key store of ours", file.display()))),
    }
}
