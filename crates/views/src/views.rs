//! The file: opened where it fits the journal, wiped and made anew where it does not.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use crate::error::Error;
use crate::pool::{self, Pool};
use crate::schema;

/// Pages of the writer's cache, in KiB: keeps the upper levels of all indexes of a busy log in memory.
const CACHE_KIB: i64 = 65_536;

/// How the file was left, in `meta`. While it is open, and after a process that was killed: all of it is looked at.
const LEFT_OPEN: i64 = 0;
/// Closed properly.
const CLOSED: i64 = 1;
/// Something in it could not be read: it is wiped.
const DAMAGED: i64 = 2;

/// Pages of 4 KiB in the log of changes before they are folded into the file. Many, because the same pages change
/// again with every batch, and folding waits for the disk.
const WAL_PAGES: i64 = 16_384;

/// Rows derived from one log.
pub struct Views {
    pub(crate) pool: Pool,
    pub(crate) writer: Mutex<Connection>,
    /// Entries that are in the file for good. Stored after the commit, so never ahead of it.
    pub(crate) applied: AtomicU64,
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").field("applied", &self.applied).finish_non_exhaustive()
    }
}

/// How the views were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Entries that they hold: following goes on from there.
    pub applied: u64,
    /// Why what was there was thrown away, if it was.
    pub wiped: Option<Wiped>,
}

/// Why the views start again from nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wiped {
    /// They hold more than the journal: they belong to another past.
    Ahead { applied: u64, head: u64 },
    /// Their tables are of another version.
    Version { found: i64 },
    /// The file is damaged.
    Damaged { cause: String },
}

impl fmt::Display for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ahead { applied, head } => {
                write!(f, "the views held {applied} entries, but the journal holds {head}")
            }
            Self::Version { found } => {
                write!(f, "the views were of version {found}, this program writes {}", schema::VERSION)
            }
            Self::Damaged { cause } => write!(f, "the views were damaged: {cause}"),
        }
    }
}

impl Views {
    /// Opens the views of a journal that holds `head` entries. What does not fit it is wiped: the caller feeds the
    /// entries from [`Opened::applied`] on to [`Views::follow`].
    pub fn open(path: &Path, head: u64) -> Result<(Self, Opened), Error> {
        let wiped = match inspect(path, head)? {
            Found::Usable { writer, applied } => {
                return Ok((Self::over(path, writer, applied)?, Opened { applied, wiped: None }));
            }
            Found::Nothing => None,
            Found::Useless(why) => Some(why),
        };
        Ok((Self::anew(path)?, Opened { applied: 0, wiped }))
    }

    /// Empty views, in the place of those that are there.
    pub(crate) fn anew(path: &Path) -> Result<Self, Error> {
        wipe(path)?;
        let writer = connect(path).and_then(|mut writer| {
            create(&mut writer)?;
            Ok(writer)
        });
        let writer =
            writer.map_err(|error| Error::Open { path: path.to_owned(), cause: error.to_string() })?;
        Self::over(path, writer, 0)
    }

    fn over(path: &Path, writer: Connection, applied: u64) -> Result<Self, Error> {
        writer.execute("INSERT OR REPLACE INTO meta VALUES('closed', ?1)", [LEFT_OPEN])?;
        Ok(Self { pool: Pool::new(path), writer: Mutex::new(writer), applied: AtomicU64::new(applied) })
    }

    /// Entries that the views hold.
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Passes a result on; where it shows damage, the file says so itself and is wiped at the next opening.
    pub(crate) fn noting_damage<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if result.as_ref().is_err_and(Error::is_damage) {
            let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            // Best effort: a file that cannot even take this is found damaged when it is opened.
            drop(writer.execute("UPDATE meta SET value = ?1 WHERE key = 'closed'", [DAMAGED]));
        }
        result
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        self.pool.clear();
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Best effort: where it fails, the next opening takes longer.
        let closing = "UPDATE meta SET value = ?1 WHERE key = 'closed' AND value = ?2";
        drop(writer.execute(closing, [CLOSED, LEFT_OPEN]));
    }
}

enum Found {
    Nothing,
    Usable { writer: Connection, applied: u64 },
    Useless(Wiped),
}

fn inspect(path: &Path, head: u64) -> Result<Found, Error> {
    if !path.try_exists().map_err(|error| open_error(path, &error))? {
        return Ok(Found::Nothing);
    }
    match read_meta(path) {
        Ok((_, meta)) if meta.version != schema::VERSION => {
            Ok(Found::Useless(Wiped::Version { found: meta.version }))
        }
        Ok((_, meta)) if meta.applied > head => {
            Ok(Found::Useless(Wiped::Ahead { applied: meta.applied, head }))
        }
        Ok((writer, meta)) => Ok(Found::Usable { writer, applied: meta.applied }),
        Err(Unreadable::Damaged(cause)) => Ok(Found::Useless(Wiped::Damaged { cause })),
        Err(Unreadable::Failed(error)) => {
            Err(Error::Open { path: path.to_owned(), cause: error.to_string() })
        }
    }
}

struct Meta {
    version: i64,
    applied: u64,
}

enum Unreadable {
    Damaged(String),
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Unreadable {
    /// A lock, missing rights or a full disk say nothing about the file: it is kept.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OutOfMemory, PermissionDenied, ReadOnly,
            SystemIoFailure,
        };
        match error.sqlite_error_code() {
            Some(
                CannotOpen | DatabaseBusy | DatabaseLocked | DiskFull | OutOfMemory | PermissionDenied
                | ReadOnly | SystemIoFailure,
            ) => Self::Failed(error),
            _ => Self::Damaged(error.to_string()),
        }
    }
}

fn read_meta(path: &Path) -> Result<(Connection, Meta), Unreadable> {
    let connection = connect(path)?;
    let version = meta(&connection, "version")?.unwrap_or(0);
    if version != schema::VERSION {
        return Ok((connection, Meta { version, applied: 0 }));
    }
    let closed = meta(&connection, "closed")?;
    if closed == Some(DAMAGED) {
        return Err(Unreadable::Damaged("a row could not be read when they were last open".to_owned()));
    }
    if closed != Some(CLOSED) {
        let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(Unreadable::Damaged(found));
        }
    }
    let applied = meta(&connection, "applied")?.and_then(|applied| u64::try_from(applied).ok());
    let applied = applied.ok_or_else(|| Unreadable::Damaged("it does not say how far it is".to_owned()))?;
    Ok((connection, Meta { version, applied }))
}

fn meta(connection: &Connection, key: &str) -> Result<Option<i64>, rusqlite::Error> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    pool::set_up(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    Ok(connection)
}

fn create(writer: &mut Connection) -> Result<(), rusqlite::Error> {
    let transaction = writer.transaction()?;
    transaction.execute_batch(schema::CREATE)?;
    transaction.execute("INSERT INTO meta VALUES('version', ?1), ('applied', 0)", [schema::VERSION])?;
    transaction.commit()
}

fn wipe(path: &Path) -> Result<(), Error> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(open_error(path, &error)),
            _ => {}
        }
    }
    Ok(())
}

fn open_error(path: &Path, error: &io::Error) -> Error {
    Error::Open { path: path.to_owned(), cause: error.to_string() }
}
