//! The CRM's own ledger: one line of JSON for every write that was tried, on the disk before the caller hears of it.
//!
//! What the ledger holds is what happened: at start the shop is the initial data with the applied lines played again. A
//! last line without its end was never answered and is cut; any other damage stops the start. Reads leave no line.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Largest ledger that is read at start.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be read or written.
    #[error("the ledger `{}` failed: {cause}", path.display())]
    Io { path: PathBuf, cause: std::io::Error },
    /// Another process writes it.
    #[error("the ledger `{}` is in use by another process", path.display())]
    InUse { path: PathBuf },
    /// Larger than is read.
    #[error("the ledger `{}` has {bytes} bytes; at most {FILE_BYTES_MAX} are read", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    /// A line that is not a line of a ledger.
    #[error("line {line} of the ledger is damaged: {cause}")]
    Damaged { line: usize, cause: String },
    /// The ledger was begun with other data.
    #[error("the ledger belongs to other data (SHA-256 `{ledger}`, given `{given}`)")]
    OtherData { ledger: String, given: String },
    /// An earlier flush failed: what the disk holds is not known, so nothing is written any more.
    #[error("the ledger could not be flushed earlier; restart the system")]
    Broken,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The first line: the data that the others build on.
    Opened {
        /// When.
        at: String,
        /// SHA-256 of the initial data.
        data: String,
    },
    /// A write that was done.
    Applied(Attempt),
    /// A write that the system refused: nothing changed.
    Refused(Attempt),
    /// A call that was answered with 503: nothing changed.
    Unavailable(Attempt),
    /// A call that changes no data and must not be forgotten.
    Noted(Attempt),
}

/// One attempt to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Counts attempts, from 1.
    pub id: u64,
    /// When.
    pub at: String,
    /// The tool.
    pub tool: String,
    /// Its arguments, as they came.
    pub arguments: Map<String, Json>,
    /// The caller's `_meta`, if it sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Map<String, Json>>,
    /// The answer, where it was an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Move>,
}

/// A record that changed, by its hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// `orders/#W1000001` or `users/nora_lind_1042`.
    pub record: String,
    /// SHA-256 before.
    pub before: String,
    /// SHA-256 after.
    pub after: String,
}

/// What was found at start.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// All whole lines, the first one (`opened`) left out.
    pub lines: Vec<Line>,
    /// Bytes of a torn last line that were cut.
    pub torn: u64,
}

/// The open file.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    bytes: u64,
    broken: bool,
}

impl Ledger {
    /// Opens a ledger, or begins one for the data of this digest.
    pub fn open(path: &Path, data: &str, now: &str) -> Result<(Self, Found), LedgerError> {
        let failed = |cause| LedgerError::Io { path: path.to_owned(), cause };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => LedgerError::InUse { path: path.to_owned() },
            fs::TryLockError::Error(cause) => failed(cause),
        })?;
        let mut ledger = Self { path: path.to_owned(), file, bytes: 0, broken: false };
        let text = ledger.read_all()?;
        let torn = ledger.cut(&text)?;
        let mut lines = parse(&text[..text.len() - torn])?;
        match lines.first() {
            None => {
                ledger.append(&Line::Opened { at: now.to_owned(), data: data.to_owned() })?;
                sync_folder(path).map_err(failed)?;
            }
            Some(Line::Opened { data: begun_with, .. }) if begun_with != data => {
                return Err(LedgerError::OtherData { ledger: begun_with.clone(), given: data.to_owned() });
            }
            Some(Line::Opened { .. }) => drop(lines.remove(0)),
            Some(_) => {
                return Err(LedgerError::Damaged { line: 1, cause: "it is not `opened`".to_owned() });
            }
        }
        Ok((ledger, Found { lines, torn: torn as u64 }))
    }

    /// Appends a line and returns once the disk has it.
    pub fn append(&mut self, line: &Line) -> Result<(), LedgerError> {
        if self.broken {
            return Err(LedgerError::Broken);
        }
        let mut text = serde_json::to_vec(line).map_err(|error| self.failed(error.into()))?;
        text.push(b'\n');
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        if let Err(cause) = written {
            self.broken = true;
            return Err(self.failed(cause));
        }
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// All durable lines, as they stand in the file.
    pub fn text(&self) -> Result<Vec<u8>, LedgerError> {
        let read = || {
            let mut text = Vec::new();
            File::open(&self.path)?.take(self.bytes).read_to_end(&mut text)?;
            Ok(text)
        };
        read().map_err(|cause| self.failed(cause))
    }

    /// Where the ledger is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the file aside and begins a new one in its place. Returns where the old one went: nothing is deleted.
    pub fn renew(&mut self, data: &str, now: &str) -> Result<PathBuf, LedgerError> {
        let named = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        let kept = (1..=u32::MAX).map(named).find(|path| !path.exists()).ok_or(LedgerError::Broken)?;
        fs::rename(&self.path, &kept).map_err(|cause| self.failed(cause))?;
        let path = self.path.clone();
        (*self, _) = Self::open(&path, data, now)?;
        Ok(kept)
    }

    fn read_all(&mut self) -> Result<Vec<u8>, LedgerError> {
        let mut text = Vec::new();
        self.bytes = self.file.metadata().map_err(|cause| self.failed(cause))?.len();
        if self.bytes > FILE_BYTES_MAX {
            return Err(LedgerError::TooLarge { path: self.path.clone(), bytes: self.bytes });
        }
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| (&self.file).read_to_end(&mut text));
        read.map_err(|cause| self.failed(cause))?;
        Ok(text)
    }

    /// Cuts what follows the last whole line. Returns how many bytes that were.
    fn cut(&mut self, text: &[u8]) -> Result<usize, LedgerError> {
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if end < text.len() {
            let cut = self.file.set_len(end as u64).and_then(|()| self.file.sync_all());
            cut.map_err(|cause| self.failed(cause))?;
            self.bytes = end as u64;
        }
        Ok(text.len() - end)
    }

    fn failed(&self, cause: std::io::Error) -> LedgerError {
        LedgerError::Io { path: self.path.clone(), cause }
    }
}

fn parse(text: &[u8]) -> Result<Vec<Line>, LedgerError> {
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    if whole.is_empty() {
        return Ok(Vec::new());
    }
    let line = |(index, line): (usize, &[u8])| {
        let damaged =
            |error: serde_json::Error| LedgerError::Damaged { line: index + 1, cause: error.to_string() };
        serde_json::from_slice(line).map_err(damaged)
    };
    whole.split(|byte| *byte == b'\n').enumerate().map(line).collect()
}

/// A new file is only sure to be there once its folder is flushed.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
