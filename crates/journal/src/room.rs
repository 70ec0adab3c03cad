//! Room on the disk, made ahead: a reserve for the day when the disk is full, and the next segment, filled with zeros.
//!
//! A flush into a file whose blocks were written before costs about half of one that must also record new blocks. Zeros
//! cost bandwidth, so they are written where nobody waits for them: into a spare file, slice by slice, which becomes the
//! next segment. A journal in which little happens gets none.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, File, Mode, fill, is_full};
use crate::segment::journal_dir;
use crate::shared::Shared;

/// Zeros that are written and flushed at once: little, because others wait for the same disk.
const SLICE: u64 = 256 << 10;
/// Bytes after which a spare is worth its zeros.
pub(crate) const SPARE_AFTER: u64 = 256 << 10;

/// A file that can become the next segment.
pub(crate) struct Spare {
    pub(crate) file: Arc<dyn File>,
    pub(crate) len: u64,
}

/// How the spare is asked for.
#[derive(Debug, Default)]
pub(crate) struct SpareGate {
    pub(crate) wanted: bool,
    /// One could not be made: none is tried again before the next opening.
    pub(crate) failed: bool,
    pub(crate) closing: bool,
}

pub(crate) fn spare_path(dir: &Path) -> PathBuf {
    journal_dir(dir).join("spare")
}

/// Makes a spare whenever one is wanted, until closed.
pub(crate) fn run(shared: &Shared, len: u64) {
    loop {
        let mut gate = shared.spare_gate();
        while !gate.wanted && !gate.closing {
            gate = shared.spare_wanted.wait(gate).expect("no panic while the lock is held");
        }
        if gate.closing {
            return;
        }
        drop(gate);
        // Without a spare the journal is slower, and no worse.
        let made = make(shared, len);
        let failed = made.is_err();
        match made {
            Ok(Some(file)) => shared.queue().spare = Some(Spare { file, len }),
            Ok(None) => return,
            Err(_) => drop(shared.disk.remove(&spare_path(&shared.dir))),
        }
        let mut gate = shared.spare_gate();
        gate.wanted = false;
        gate.failed |= failed;
    }
}

/// `None` when the journal closes meanwhile.
fn make(shared: &Shared, len: u64) -> io::Result<Option<Arc<dyn File>>> {
    let path = spare_path(&shared.dir);
    shared.disk.remove(&path)?;
    let file = shared.disk.open(&path, Mode::Write)?;
    // Before anything is written: a disk that is nearly full should not be filled to find out.
    file.allocate(len)?;
    let mut at = 0;
    while at < len {
        if shared.spare_gate().closing {
            shared.disk.remove(&path)?;
            return Ok(None);
        }
        let end = (at + SLICE).min(len);
        fill(&*file, at, end)?;
        file.sync()?;
        at = end;
    }
    Ok(Some(file))
}

/// Bytes that are kept on the disk so that what was taken in can still be written when it is full.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(crate) fn new(dir: &Path, bytes: u64) -> Self {
        Self { path: journal_dir(dir).join("reserve"), bytes }
    }

    /// Makes it, or makes it whole again; `false` where there is no room.
    pub(crate) fn make(&self, disk: &dyn Disk) -> io::Result<bool> {
        if self.bytes == 0 {
            return Ok(true);
        }
        let file = disk.open(&self.path, Mode::Write);
        match file.and_then(|file| file.allocate(self.bytes)) {
            Ok(()) => Ok(true),
            Err(error) if is_full(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives its room back to the disk.
    pub(crate) fn release(&self, disk: &dyn Disk) -> io::Result<()> {
        if self.bytes == 0 { Ok(()) } else { disk.open(&self.path, Mode::Write)?.truncate(0) }
    }
}
