//! Proofs about the workspace's log, from the hashes of its tree: a few reads, however long the log is.

use std::path::Path;

use journal::{Backend, Hashes, LogId, RealDisk, Stored};
use tlog::{Hash, Tile, TileKind, encode_bundle, inclusion, leaf_hash, verify_inclusion};

use crate::app::App;
use crate::problem::Fault;

/// The most bytes of a bundle's entries.
const BUNDLE_BYTES_MAX: usize = 256 * tlog::ENTRY_BYTES_MAX;

/// Opens the hashes of a log; `front` is the first entry that is there.
pub(crate) fn open(
    dir: &Path,
    journal: &dyn Backend,
    log: (LogId, &str),
    front: u64,
) -> anyhow::Result<Hashes> {
    let mut said = 0;
    let mut progress = |done: u64, all: u64| {
        // The first start with a long log reads all of it.
        if done >= said + 1_000_000 {
            said = done;
            tracing::info!(entries = done, of = all, "hashing the log for its proofs");
        }
    };
    Ok(Hashes::open(&RealDisk, dir, journal, log, front, &mut progress)?)
}

impl App {
    /// The hashes, up to a durable size at least.
    pub(crate) fn hashes(&self, size: u64) -> Result<&Hashes, Fault> {
        let hashes = self
            .hashes
            .as_deref()
            .ok_or_else(|| Fault::internal("the hashes of the log are damaged; health says more"))?;
        hashes.extend(&*self.journal, self.log, size, &mut |_, _| {}).map_err(Fault::internal)?;
        Ok(hashes)
    }

    /// Makes sure that proofs outlive the entries that they are about.
    pub(crate) fn keep_hashes(&self) -> Result<(), Fault> {
        let hashes = self.hashes(self.journal.head(self.log).size)?;
        hashes.flush(&RealDisk).map_err(Fault::internal)
    }

    /// The audit path of an entry in the tree of a checkpoint. What is not right does not leave the house.
    pub(crate) fn prove(&self, seq: u64, entry: &[u8], size: u64, root: &Hash) -> Result<Vec<Hash>, Fault> {
        let path = inclusion(self.hashes(size)?, seq, size).map_err(Fault::internal)?;
        if verify_inclusion(&leaf_hash(entry), seq, size, &path, root) {
            return Ok(path);
        }
        Err(Fault::internal(format!(
            "the hashes in `tiles` are damaged (entry {seq} of {size}): stop the server and restore the folder from a backup; \
             only where nothing was pruned is it made anew when it is removed"
        )))
    }

    /// The bytes of a tile, hashes or entries; `None` where the tree of this size has none of that name, or its entries
    /// were pruned.
    pub(crate) fn tile(&self, tile: &Tile, size: u64) -> Result<Option<Vec<u8>>, Fault> {
        if !tile.is_in(size) {
            return Ok(None);
        }
        if tile.kind() != TileKind::Entries {
            return tile.read(self.hashes(size)?).map(Some).map_err(Fault::internal);
        }
        let range = tile.range();
        let mut entries: Vec<Stored> = Vec::new();
        while (entries.len() as u64) < tile.width() {
            let next = range.start + entries.len() as u64;
            let limit = usize::try_from(range.end - next).unwrap_or(usize::MAX);
            match self.journal.read(self.log, next, limit, BUNDLE_BYTES_MAX) {
                Ok(more) if more.is_empty() => return Err(Fault::internal("an entry of the log is missing")),
                Ok(more) => entries.extend(more),
                Err(journal::Error::Pruned { .. }) => return Ok(None),
                Err(error) => return Err(Fault::internal(error)),
            }
        }
        let bytes: Vec<&[u8]> = entries.iter().map(|entry| entry.bytes.as_slice()).collect();
        encode_bundle(&bytes).map(Some).map_err(Fault::internal)
    }
}
