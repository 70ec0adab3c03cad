//! What the disk does with nothing of ours in the way: a loop of writes and flushes.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Result;

use super::Pace;
use crate::commands::bench::load::moment;

/// Bytes of the file; the loop begins again at its start.
const FILE_BYTES: u64 = 64 << 20;
/// The largest batch.
const BATCH_BYTES_MAX: u64 = 16 << 20;

pub(super) struct Bare {
    file: File,
    /// Empty at the beginning of each round.
    growing: File,
    bytes: Vec<u8>,
}

impl Bare {
    pub(super) fn new(path: &Path) -> Result<Self> {
        let file = File::create(path)?;
        let zeros = vec![0; 1 << 20];
        for at in 0..FILE_BYTES >> 20 {
            file.write_all_at(&zeros, at << 20)?;
        }
        file.sync_all()?;
        let growing = File::create(path.with_extension("growing"))?;
        Ok(Self { file, growing, bytes: vec![b'x'; usize::try_from(BATCH_BYTES_MAX)?] })
    }

    /// `flushes` batches that have `bytes` together, into a file that was filled before: the pace of the disk itself.
    pub(super) fn round(&self, flushes: u64, bytes: u64) -> Result<Pace> {
        self.write(&self.file, flushes, bytes)
    }

    /// The same, appended to a file that grows: what a journal can do that makes no room ahead.
    pub(super) fn append(&self, flushes: u64, bytes: u64) -> Result<Pace> {
        self.growing.set_len(0)?;
        self.growing.sync_all()?;
        self.write(&self.growing, flushes, bytes)
    }

    fn write(&self, file: &File, flushes: u64, bytes: u64) -> Result<Pace> {
        let len = (bytes / flushes).min(BATCH_BYTES_MAX);
        let batch = &self.bytes[..usize::try_from(len)?];
        let (start, mut at) = (moment(), 0);
        let mut micros = vec![];
        for _ in 0..flushes {
            let watch = moment();
            if at + len > FILE_BYTES {
                at = 0;
            }
            file.write_all_at(batch, at)?;
            file.sync_data()?;
            at += len;
            micros.push(u32::try_from(watch.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        Ok(Pace { seconds: start.elapsed().as_secs_f64(), micros })
    }
}
