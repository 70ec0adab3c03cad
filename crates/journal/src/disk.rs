//! The few things that the journal asks of a file system, as traits, so that a test can make them fail.
//!
//! What is assumed of a real one stands in `docs/format.md`: `sync` returns after the bytes and the length are safe,
//! `rename` replaces at once, `sync_dir` makes names safe.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::error::Error;
use crate::lock::Lock;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It must be there.
    Read,
    /// Made where it is not there.
    Write,
}

/// A file system.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes a directory and those above it, where they are not there.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory; none where it is not there.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Opens a file.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>>;
    /// Puts a file in the place of another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file away, where it is there.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Returns when the names in a directory are safe.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Keeps other processes out of the data directory `dir` by its file `path`, as long as what it returns is held.
    fn lock(&self, dir: &Path, path: &Path) -> Result<Box<dyn Held>, Error>;
}

/// A lock that is held.
pub trait Held: Send + Sync + fmt::Debug {}

/// An open file. Positions are given with each call, so readers and the writer share it.
pub trait File: Send + Sync + fmt::Debug {
    /// Its length.
    fn length(&self) -> io::Result<u64>;
    /// Reads up to a buffer's length; fewer bytes only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all bytes.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns when bytes and length are safe.
    fn sync(&self) -> io::Result<()>;
    /// Cuts it.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes sure that all bytes up to `end` have their place on the disk, so that writing there cannot run out of it;
    /// what was not written reads as zeros. Where there is no room nothing that matters changes ([`is_full`]).
    fn allocate(&self, end: u64) -> io::Result<()>;
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let items = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            items => items?,
        };
        // Names that are not Unicode are not ours.
        let names = items.filter_map(|item| item.map(|item| item.file_name().into_string().ok()).transpose());
        names.collect()
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let write = mode == Mode::Write;
        let file = fs::OpenOptions::new().read(true).write(write).create(write).truncate(false).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn lock(&self, dir: &Path, path: &Path) -> Result<Box<dyn Held>, Error> {
        Ok(Box::new(Lock::take(dir, path)?))
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn length(&self) -> io::Result<u64> {
        self.0.metadata().map(|data| data.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, end: u64) -> io::Result<()> {
        let len = self.length()?;
        if end <= len {
            return Ok(());
        }
        match fallocate(&self.0, FallocateFlags::empty(), len, end - len) {
            // File systems that cannot reserve are asked by writing.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(self, len, end),
            result => result.map_err(io::Error::from),
        }
    }
}

/// Whether there was no room on the disk.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Writes zeros from one byte to another.
pub(crate) fn fill(file: &dyn File, from: u64, to: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut at = from;
    while at < to {
        let count = (to - at).min(ZEROS.len() as u64);
        file.write_at(&ZEROS[..usize::try_from(count).expect("at most 64 KiB")], at)?;
        at += count;
    }
    Ok(())
}

/// Reads a whole file, if it has at most `max` bytes.
pub(crate) fn read_all(disk: &dyn Disk, path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(disk, path, max, &mut bytes)?;
    Ok(bytes)
}

/// The same into a buffer that is used again: fresh memory for each of many large files takes longer than reading them.
pub(crate) fn read_into(disk: &dyn Disk, path: &Path, max: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let file = disk.open(path, Mode::Read)?;
    let len = file.length()?;
    if len > max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{len} bytes are more than the {max} taken"),
        ));
    }
    bytes.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
    let read = file.read_at(bytes, 0)?;
    bytes.truncate(read);
    Ok(())
}

/// Replaces a file at once: whoever reads it, even after a crash, finds the old bytes or the new ones.
pub(crate) fn replace(disk: &dyn Disk, dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (draft, path) = (dir.join(format!(".{name}.new")), dir.join(name));
    let file = disk.open(&draft, Mode::Write)?;
    file.truncate(0)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    disk.rename(&draft, &path)?;
    disk.sync_dir(dir)
}
