//! The Merkle tree of RFC 6962 over the entries of one log: as its right edge, or with all its hashes.
//!
//! [`Tree`] keeps only the roots of the perfect subtrees ("peaks"): at most 64 hashes for any size. [`Levels`] keeps
//! every hash that never changes again, from which tiles and proofs are made.

use sha2::{Digest as _, Sha256};

use crate::proof::HashSource;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Root of the empty tree.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Hash of an entry.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0x00]);
    hash.update(entry);
    hash.finalize().into()
}

/// Hash of two subtrees.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0x01]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// A tree that only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Largest first. INVARIANT: one for each bit that is set in `size`.
    peaks: Vec<Hash>,
}

impl Tree {
    /// Entries in it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect subtrees, largest first: one for each bit that is set in the size.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// The tree with these peaks; `None` if there are not as many as the size has bits that are set.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Adds an entry by its [`leaf_hash`].
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each trailing one of the old size is a subtree that is as large as the node: they become one.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak for each bit that is set");
            node = node_hash(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// Hash of the whole tree.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// Root of a perfect tree over these hashes; their number must be a power of two.
pub fn perfect_root(hashes: &[Hash]) -> Hash {
    assert!(hashes.len().is_power_of_two(), "only a power of two has a perfect tree");
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    level[0]
}

/// A tree with all its hashes in memory, by level: 64 bytes for each entry.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// Level 0 holds the leaves; each level above one hash for two of the level below.
    levels: Vec<Vec<Hash>>,
}

/// A hash that a tree of this size does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tree has no hash {index} on level {level}")]
pub struct Missing {
    level: u8,
    index: u64,
}

impl Levels {
    /// Entries in it.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Adds an entry by its [`leaf_hash`].
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(node);
            match row.as_slice() {
                [.., left, right] if row.len().is_multiple_of(2) => node = node_hash(left, right),
                _ => break,
            }
        }
    }
}

impl HashSource for Levels {
    type Error = Missing;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Missing> {
        let row = self.levels.get(usize::from(level)).map(Vec::as_slice).unwrap_or_default();
        usize::try_from(index).ok().and_then(|index| row.get(index)).copied().ok_or(Missing { level, index })
    }
}
