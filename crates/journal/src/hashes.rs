//! The hashes of a log's tree in files, so that a proof takes a few reads however long the log is.
//!
//! Over the trait [`Journal`], not over the segments: any backend has them. `DIR/tiles/LOG/LEVEL` holds the hashes of one
//! level of tiles (c2sp.org/tlog-tiles) one after the other: hash `i` of level `L` is the root of the `i`th perfect subtree
//! of `256^L` entries, so a full tile is 8,192 bytes of its file.
//!
//! They are made from the entries and may be deleted, as long as the entries are there. Pruning takes entries away: what
//! it takes must have been flushed here before ([`Hashes::flush`]), and is not made anew.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use tlog::{Hash, HashSource, TILE_WIDTH, leaf_hash, perfect_root, root};

use crate::checkpoint::file_name;
use crate::disk::{Disk, File, Mode};
use crate::error::Error;
use crate::journal::{Journal, LogId};

/// Levels of tiles: a tree whose size has 64 bits has no more.
const LEVELS: usize = 8;
/// Bytes of a hash.
const HASH_BYTES: u64 = 32;
/// Entries and bytes that are read at once.
const READ: (usize, usize) = (4_096, 8 << 20);

/// The hashes of one log.
#[derive(Debug)]
pub struct Hashes {
    place: PathBuf,
    levels: Vec<Arc<dyn File>>,
    /// Hashes that count, by level.
    counts: RwLock<[u64; LEVELS]>,
}

/// Why a hash was not had.
#[derive(Debug, thiserror::Error)]
pub enum HashesError {
    /// The tree has no such hash yet.
    #[error("the hashes do not reach that far")]
    Beyond,
    /// A file could not be read or written.
    #[error(transparent)]
    Journal(#[from] Error),
    /// The hashes are not those of the log, and the entries that they were made from were pruned.
    #[error("the hashes of pruned entries are missing or damaged; restore `{}` from a backup", .0.display())]
    Damaged(PathBuf),
}

impl Hashes {
    /// Opens the hashes of a log, brings them up to its durable end and holds them against its root; where they do not
    /// have it they are made anew, from `front` on, which is the first entry that is there. `progress` is told how far it
    /// is.
    pub fn open(
        disk: &dyn Disk,
        dir: &Path,
        journal: &dyn Journal,
        log: (LogId, &str),
        front: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, HashesError> {
        let place = dir.join("tiles").join(file_name(log.1));
        disk.create_dir(&place).map_err(Error::io("make the directory", &place))?;
        let mut levels = Vec::with_capacity(LEVELS);
        for level in 0..LEVELS {
            let path = place.join(level.to_string());
            levels.push(disk.open(&path, Mode::Write).map_err(Error::io("open", &path))?);
        }
        let opened = Self { place, levels, counts: RwLock::default() };
        let head = journal.head(log.0);
        let there = opened.length(0)?.min(head.size);
        // Hashes of pruned entries were flushed before those went, and nobody can make them again.
        if there < front {
            return Err(HashesError::Damaged(opened.place));
        }
        // What a crash left behind the front may be anything; before it only what is made of hashes can be made anew.
        for (kept, level) in [(there, LEVELS), (front, LEVELS), (front, 1)] {
            opened.begin_at(kept, level)?;
            opened.extend(journal, log.0, head.size, progress)?;
            if root(&opened, head.size)? == head.root {
                return Ok(opened);
            }
        }
        Err(HashesError::Damaged(opened.place))
    }

    /// Entries whose hashes are there.
    pub fn size(&self) -> u64 {
        self.counts()[0]
    }

    /// Adds the hashes of durable entries, up to `size` of them.
    pub fn extend(
        &self,
        journal: &dyn Journal,
        log: LogId,
        size: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Error> {
        let mut counts = self.counts.write().expect("no panic while the lock is held");
        while counts[0] < size {
            let limit = usize::try_from(size - counts[0]).unwrap_or(usize::MAX).min(READ.0);
            let entries = journal.read(log, counts[0], limit, READ.1)?;
            let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(&entry.bytes)).collect();
            if hashes.is_empty() {
                break;
            }
            self.append(0, &mut counts, &hashes)?;
            self.fill(&mut counts)?;
            progress(counts[0], size);
        }
        Ok(())
    }

    /// Returns when everything that is there is safe on the disk.
    pub fn flush(&self, disk: &dyn Disk) -> Result<(), Error> {
        for (level, file) in self.levels.iter().enumerate() {
            file.sync().map_err(Error::io("flush", &self.path(level)))?;
        }
        for dir in [Some(&*self.place), self.place.parent(), self.place.parent().and_then(Path::parent)] {
            let Some(dir) = dir else { continue };
            disk.sync_dir(dir).map_err(Error::io("flush", dir))?;
        }
        Ok(())
    }

    /// Only the hashes of the first entries count, as many as this, and of the levels from `above` on none.
    fn begin_at(&self, size: u64, above: usize) -> Result<(), Error> {
        let mut counts = self.counts.write().expect("no panic while the lock is held");
        let mut most = size;
        for (level, count) in counts.iter_mut().enumerate() {
            *count = if level < above { most.min(self.length(level)?) } else { 0 };
            most = *count / TILE_WIDTH;
        }
        self.fill(&mut counts)
    }

    /// Whole hashes in the file of a level.
    fn length(&self, level: usize) -> Result<u64, Error> {
        let len = self.levels[level].length().map_err(Error::io("measure", &self.path(level)))?;
        Ok(len / HASH_BYTES)
    }

    /// Adds to the levels above what the one below has complete.
    fn fill(&self, counts: &mut [u64; LEVELS]) -> Result<(), Error> {
        for level in 1..LEVELS {
            while counts[level] < counts[level - 1] / TILE_WIDTH {
                let tile = self.read(level - 1, counts[level] * TILE_WIDTH, TILE_WIDTH)?;
                self.append(level, counts, &[perfect_root(&tile)])?;
            }
        }
        Ok(())
    }

    fn append(&self, level: usize, counts: &mut [u64; LEVELS], hashes: &[Hash]) -> Result<(), Error> {
        let written = self.levels[level].write_at(hashes.as_flattened(), counts[level] * HASH_BYTES);
        written.map_err(Error::io("write", &self.path(level)))?;
        counts[level] += hashes.len() as u64;
        Ok(())
    }

    fn read(&self, level: usize, first: u64, count: u64) -> Result<Vec<Hash>, Error> {
        let count = usize::try_from(count).expect("at most a tile");
        let mut hashes = vec![[0; 32]; count];
        let bytes = hashes.as_flattened_mut();
        let path = self.path(level);
        let wrong = Error::io("read", &path);
        match self.levels[level].read_at(bytes, first * HASH_BYTES) {
            Ok(read) if read == bytes.len() => Ok(hashes),
            Ok(_) => Err(wrong(std::io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(wrong(error)),
        }
    }

    fn path(&self, level: usize) -> PathBuf {
        self.place.join(level.to_string())
    }

    fn counts(&self) -> [u64; LEVELS] {
        *self.counts.read().expect("no panic while the lock is held")
    }
}

impl HashSource for Hashes {
    type Error = HashesError;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, HashesError> {
        let (tiles, inner) = (usize::from(level / 8), level % 8);
        let count = 1_u64 << inner;
        let first = index.checked_mul(count).ok_or(HashesError::Beyond)?;
        let end = first.checked_add(count).ok_or(HashesError::Beyond)?;
        if self.counts().get(tiles).is_none_or(|there| end > *there) {
            return Err(HashesError::Beyond);
        }
        Ok(perfect_root(&self.read(tiles, first, count)?))
    }
}
