//! The lock file: keeps a second process out of a data directory.
//!
//! The operating system lets go of it when the process ends, however it ends: nothing to clean up after a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::disk::Held;
use crate::error::Error;
use crate::segment::journal_dir;

/// The lock's name beside the segments.
pub(crate) const FILE: &str = "lock";

/// Held as long as the journal is open, or as nobody else may open it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Held for Lock {}

impl Lock {
    /// Takes the lock of a data directory without opening the journal. The directory must have one.
    pub fn of(dir: &Path) -> Result<Self, Error> {
        Self::take(dir, &journal_dir(dir).join(FILE))
    }

    /// Takes the lock of a data directory, or says who has it.
    pub(crate) fn take(dir: &Path, path: &Path) -> Result<Self, Error> {
        let mut file: File = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(Error::io("open the lock file", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only decoration: without it the message is still true.
                if (&file).take(20).read_to_string(&mut holder).is_ok()
                    && holder.trim().parse::<u32>().is_ok()
                {
                    holder = format!(" (process {})", holder.trim());
                } else {
                    holder.clear();
                }
                return Err(Error::InUse { dir: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::Io { what: "lock", path: path.to_owned(), source });
            }
        }
        let write = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
        write.map_err(Error::io("write the lock file", path))?;
        Ok(Self { _file: file })
    }
}
