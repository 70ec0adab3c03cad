//! What can go wrong with the views. None of it loses anything: the journal has it all.

use std::io;
use std::path::PathBuf;

/// Why the views did not do what they were asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A base that cannot be taken in.
    #[error("the base of the views cannot be used: {0}")]
    Base(String),
    /// The file could not be opened, made or removed.
    #[error("the views at `{}` could not be opened: {cause}", path.display())]
    Open { path: PathBuf, cause: String },
    /// SQLite failed.
    #[error("the views could not be read or written: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row holds something that this program did not write.
    #[error("a row of the views could not be read: {0}")]
    Row(String),
    /// An entry is not one that this program knows.
    #[error("entry {seq} could not be read: {cause}")]
    Entry { seq: u64, cause: String },
    /// Entries are missing between what the views hold and what came.
    #[error("entry {got} came where entry {expected} was due")]
    Gap { expected: u64, got: u64 },
    /// The views were made from another log.
    #[error("entry {seq} belongs to the log `{log}`, but the views hold `{own}`")]
    OtherLog { seq: u64, log: String, own: String },
    /// A place in a list that no list gave.
    #[error("`{after}` is not a place in this list")]
    After { after: String },
    /// The dump could not be written.
    #[error("the dump could not be written: {0}")]
    Write(#[from] io::Error),
}

impl Error {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Base(_) => "views_base",
            Self::Open { .. } => "views_open",
            Self::Sqlite(_) | Self::Row(_) => "views_failed",
            Self::Entry { .. } => "views_entry",
            Self::Gap { .. } => "views_gap",
            Self::OtherLog { .. } => "views_other_log",
            Self::After { .. } => "page_unknown",
            Self::Write(_) => "dump_failed",
        }
    }

    /// Whether it says that the file cannot be trusted any more, and not only that something was in the way.
    pub(crate) fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Row(_) => true,
            Self::Sqlite(error) => matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)),
            Self::Base(_)
            | Self::Open { .. }
            | Self::Entry { .. }
            | Self::Gap { .. }
            | Self::OtherLog { .. }
            | Self::After { .. }
            | Self::Write(_) => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Base(_) => {
                "restore the file from a backup; a base of another version needs the program that wrote it"
            }
            Self::Open { .. } => "check the rights and the free space of the data directory",
            Self::Sqlite(_) | Self::Row(_) | Self::Gap { .. } | Self::OtherLog { .. } => {
                "stop the server and run `countersign rebuild`: the views are made again from the journal"
            }
            Self::Entry { .. } => {
                "run `countersign verify`; an entry of a newer version needs a newer program"
            }
            Self::After { .. } => "give `after` exactly as the page before gave it, or leave it out",
            Self::Write(_) => "check the place where the dump is written",
        }
    }
}
