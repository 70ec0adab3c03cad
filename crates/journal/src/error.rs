//! Why the journal refuses, and where damage is.
//!
//! An [`Error`] is what a caller acts on; a [`Fault`] is one place in the files that is not what it must be. Nothing
//! here repairs anything: cutting a torn tail is recovery's business, the rest is a person's.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why the journal did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A position that does not follow the last one.
    #[error("entry {got} does not follow: log `{log}` expects entry {expected}")]
    OutOfOrder {
        /// The log.
        log: String,
        /// The next position.
        expected: u64,
        /// The position that was given.
        got: u64,
    },
    /// More bytes than taken.
    #[error("the {what} has {bytes} bytes; at most {max} are taken")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// More waits for the disk than memory should hold.
    #[error("{bytes} bytes wait for the disk already")]
    Full {
        /// What waits.
        bytes: usize,
    },
    /// No room on the disk: nothing new is taken in until there is some. What was taken in is kept, and read.
    #[error("the disk is full")]
    DiskFull,
    /// Before the entries that are there. Whether an entry says that those were pruned is told by `verify`.
    #[error("entry {seq} of log `{log}` is not there any more; the entries from {first} on are")]
    Pruned {
        /// The log.
        log: String,
        /// The entry.
        seq: u64,
        /// The first that is there.
        first: u64,
    },
    /// A payload in a segment that was pruned.
    #[error("the payload was pruned with its segment")]
    PayloadPruned,
    /// A segment that is not there.
    #[error("there is no segment `{0:016x}`")]
    NoSuchSegment(u64),
    /// A log that was never defined here.
    #[error("there is no log with number {0}")]
    UnknownLog(u32),
    /// A name that cannot be a log's.
    #[error("`{}` is not a log name: {rule}", .name.escape_debug())]
    LogName {
        /// The name.
        name: String,
        /// The rule in words.
        rule: &'static str,
    },
    /// The signer's key is not the log's.
    #[error("log `{log}` is signed with key `{kept}`, not with `{given}`")]
    KeyChanged {
        /// The log.
        log: String,
        /// Its verifier key.
        kept: String,
        /// The one that was given.
        given: String,
    },
    /// More logs than one journal takes.
    #[error("the journal holds {0} logs, as many as it takes")]
    TooManyLogs(usize),
    /// Positions outside of the log.
    #[error("log `{log}` has {size} entries; entry {seq} of {of} is not among them")]
    OutOfRange {
        /// The log.
        log: String,
        /// Its durable size.
        size: u64,
        /// The entry.
        seq: u64,
        /// The tree size that was asked for.
        of: u64,
    },
    /// An earlier write or flush failed.
    #[error("the journal stopped: {0}")]
    Poisoned(String),
    /// After closing.
    #[error("the journal is closed")]
    Closed,
    /// Another process has the files open.
    #[error("the data directory `{}` is in use by another process{holder}", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// ` (process N)`, where known.
        holder: String,
    },
    /// A copy is to grow by what does not follow it.
    #[error("`{}` holds the copy of another history", dir.display())]
    OtherHistory {
        /// Where the copy is.
        dir: PathBuf,
    },
    /// The operating system refused.
    #[error("could not {what} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The files are not what they must be.
    #[error("the journal is damaged: {0}")]
    Damaged(Box<Fault>),
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::InUse { .. } => Some("stop the other server, or give this one another data directory"),
            Self::Damaged(fault) => Some(match fault.kind {
                FaultKind::NewerFormat { .. } => {
                    "open it with the version of the program that wrote it, or a newer one"
                }
                FaultKind::Shorter { .. } => {
                    "entries that were vouched for are missing: restore the journal from a backup, and keep these files"
                }
                _ => "keep these files, run `countersign verify`, and restore the journal from a backup",
            }),
            Self::Poisoned(_) => {
                Some("look at the disk, then start the server again: what was acknowledged is kept")
            }
            Self::DiskFull => Some("make room on the disk: the journal goes on by itself then"),
            Self::Full { .. } => Some("the disk does not keep up; try again later"),
            Self::OtherHistory { .. } => Some("back up into another directory, and keep this one as it is"),
            Self::KeyChanged { .. } => Some("open the journal with the root key under which it was made"),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room on the disk")
            }
            _ => None,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Damaged(Box::new(fault))
    }
}

/// One place in the files that is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as seen from the data directory.
    pub file: String,
    /// The byte at which the bad frame begins.
    pub offset: Option<u64>,
    /// The log, where it can be told.
    pub log: Option<String>,
    /// The first entry that cannot be trusted, where it can be told.
    pub seq: Option<u64>,
    /// What is wrong.
    pub kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.file)?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        if let Some(log) = &self.log {
            write!(f, ", log `{log}`")?;
        }
        if let Some(seq) = self.seq {
            write!(f, ", entry {seq}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl std::error::Error for Fault {}

/// What is wrong with a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum FaultKind {
    #[error("the file could not be read: {0}")]
    Unreadable(String),
    #[error("the checksum does not match")]
    Checksum,
    #[error("the frame goes on beyond the end of the file")]
    CutShort,
    #[error("a frame of {0} bytes cannot be")]
    Length(u64),
    #[error("frames of kind {0} are not known")]
    Kind(u8),
    #[error("the frame's content does not have the form of its kind")]
    Malformed,
    #[error("format {found} is newer than this program, which knows format {known}")]
    NewerFormat { found: u32, known: u32 },
    #[error("the file is not a segment of a journal")]
    NotASegment,
    #[error(
        "the segment begins with frame {found}, though frame {expected} comes next: a segment is missing"
    )]
    MissingSegment { expected: u64, found: u64 },
    #[error("batch {found} stands where batch {expected} belongs")]
    BatchNumber { expected: u64, found: u64 },
    #[error("the batch does not hold what its commit frame says")]
    BatchContent,
    #[error("the batch is not closed by a commit frame")]
    Uncommitted,
    #[error("entry {found} stands where entry {expected} belongs")]
    Sequence { expected: u64, found: u64 },
    #[error("the epoch goes back from {from} to {to}")]
    Epoch { from: u64, to: u64 },
    #[error("log number {0} was never defined")]
    UndefinedLog(u32),
    #[error("the definition of the log differs from the one before")]
    Redefined,
    #[error("the log's next key is not in order: {0}")]
    Succession(String),
    #[error("the payload does not stand beside its entry")]
    StrayPayload,
    #[error("the entries do not have the tree root that the commit frame names")]
    Root,
    #[error("the entry is not canonical JSON: {0}")]
    Json(String),
    #[error("the entry says that it belongs to log `{0}`")]
    WrongLog(String),
    #[error("the entry says that it is entry {0}")]
    WrongSeq(u64),
    #[error("the entry's time {at} is before {before}, the one of the entry before it")]
    TimeWentBack { before: i64, at: i64 },
    #[error("the checkpoint is not a signed note: {0}")]
    Note(String),
    #[error("the checkpoint is not signed by the log's key `{0}`")]
    Signature(String),
    #[error("the log's key is not the expected `{0}`")]
    UnexpectedKey(String),
    #[error(
        "the journal is shorter than its signed checkpoint: {size} entries are there, {checkpoint} were vouched for"
    )]
    Shorter { size: u64, checkpoint: u64 },
    #[error("the first {0} entries do not have the root that the signed checkpoint vouches for")]
    CheckpointRoot(u64),
    #[error("there is no such log in the journal")]
    MissingLog,
}
