//! What a witness saw last of each log, on disk: one file for each, replaced at once and flushed before anything is signed.
//!
//! A file holds the note of the checkpoint as the log signed it: whoever doubts the witness can read what it saw. A file
//! that cannot be read stops the start: a witness that forgot would sign another history.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tlog::{Checkpoint, NOTE_BYTES_MAX, Note};

/// Keeps what was seen.
pub trait Keep: Send {
    /// Keeps the note of a checkpoint as the last that was seen of its log. Durable on return.
    fn keep(&mut self, origin: &str, note: &str) -> io::Result<()>;
}

/// Why a memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The file system refuses.
    #[error("`{path}` cannot be used: {cause}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        cause: io::Error,
    },
    /// Another process has it.
    #[error("another witness uses `{0}`")]
    Locked(String),
    /// A file is not what was written.
    #[error("`{path}` is damaged: {why}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The memory in the files of a directory.
#[derive(Debug)]
pub struct Files {
    place: PathBuf,
    /// Held as long as the memory is used.
    _lock: File,
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> MemoryError {
    let path = path.display().to_string();
    move |cause| MemoryError::Io { path, cause }
}

/// Names of logs may hold anything: their files are named by a hash.
fn file_name(origin: &str) -> String {
    Sha256::digest(origin.as_bytes()).iter().fold(String::new(), |mut name, byte| {
        write!(name, "{byte:02x}").expect("a string takes everything");
        name
    })
}

impl Files {
    /// Opens the memory of a directory, or makes one; returns what was seen: the checkpoint of each log.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Checkpoint>), MemoryError> {
        let place = dir.join("seen");
        fs::create_dir_all(&place).map_err(io_at(&place))?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(io_at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(MemoryError::Locked(dir.display().to_string())),
            Err(TryLockError::Error(cause)) => return Err(io_at(&path)(cause)),
        }
        sync_dir(dir).map_err(io_at(dir))?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            // Where the parent may not be opened, whoever made the directory sees to that.
            drop(sync_dir(parent));
        }
        let mut seen = Vec::new();
        for item in fs::read_dir(&place).map_err(io_at(&place))? {
            let path = item.map_err(io_at(&place))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // A leading dot marks a draft that a crash left behind: nothing was signed on it.
            if !name.starts_with('.') {
                seen.push(read(&path, &name)?);
            }
        }
        Ok((Self { place, _lock: lock }, seen))
    }
}

fn read(path: &Path, name: &str) -> Result<Checkpoint, MemoryError> {
    let damaged = |why: &str| MemoryError::Damaged { path: path.display().to_string(), why: why.to_owned() };
    let mut text = String::new();
    let file = File::open(path).map_err(io_at(path))?;
    file.take(NOTE_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(io_at(path))?;
    let note = Note::parse(&text).map_err(|why| damaged(&why.to_string()))?;
    let checkpoint = Checkpoint::claimed(&note).map_err(|why| damaged(&why.to_string()))?;
    if file_name(checkpoint.origin()) == name {
        Ok(checkpoint)
    } else {
        Err(damaged("it is of another log than its name says"))
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

impl Keep for Files {
    fn keep(&mut self, origin: &str, note: &str) -> io::Result<()> {
        let name = file_name(origin);
        let draft = self.place.join(format!(".{name}.new"));
        let mut file = File::create(&draft)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, self.place.join(name))?;
        sync_dir(&self.place)
    }
}
