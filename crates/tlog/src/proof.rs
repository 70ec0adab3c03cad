//! That an entry is in a tree, and that one tree is the beginning of another (RFC 6962, 2.1.1 and 2.1.2; the
//! verification is that of RFC 9162, 2.1.3.2 and 2.1.4.2).
//!
//! Proofs are made from hashes that are kept somewhere, with at most two reads for each level of the tree.

use std::ops::Range;

use crate::tree::{Hash, empty_root, node_hash};

/// The longest proof that is read: enough for 2⁶³ entries (tlog-witness names the same bound).
pub const PROOF_LEN_MAX: usize = 63;

/// Where the hashes of a tree are kept.
pub trait HashSource {
    /// Why a hash could not be had.
    type Error: std::error::Error + 'static;

    /// Root of the perfect subtree over the entries from `index << level` to before `(index + 1) << level`.
    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// Why there is no proof.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E: std::error::Error + 'static> {
    /// The entry is not in the tree.
    #[error("entry {index} is not among {size}")]
    NoEntry {
        /// The entry.
        index: u64,
        /// Entries of the tree.
        size: u64,
    },
    /// The older tree is the larger one.
    #[error("a tree of {old} entries is not the beginning of one of {new}")]
    NotOlder {
        /// Entries of the older tree.
        old: u64,
        /// Entries of the newer one.
        new: u64,
    },
    /// A hash is missing.
    #[error(transparent)]
    Source(#[from] E),
}

/// Root of the tree over the first `size` entries.
pub fn root<S: HashSource>(source: &S, size: u64) -> Result<Hash, S::Error> {
    if size == 0 { Ok(empty_root()) } else { range_root(source, 0..size) }
}

/// Root over a range that RFC 6962 splits off: it begins where a perfect subtree of at least its length may begin.
fn range_root<S: HashSource>(source: &S, range: Range<u64>) -> Result<Hash, S::Error> {
    let mut peaks = Vec::new();
    let mut low = range.start;
    while low < range.end {
        let level = (range.end - low).ilog2();
        let level_byte = u8::try_from(level).expect("a logarithm of 64 bits is below 64");
        peaks.push(source.hash(level_byte, low >> level)?);
        low += 1 << level;
    }
    let mut peaks = peaks.into_iter().rev();
    let last = peaks.next().expect("no caller asks for an empty range");
    Ok(peaks.fold(last, |right, left| node_hash(&left, &right)))
}

/// Where RFC 6962 splits a range of two or more: the largest power of two below its length.
fn split(range: &Range<u64>) -> u64 {
    range.start + (1 << (range.end - range.start - 1).ilog2())
}

/// The audit path of entry `index` in the tree of the first `size`, nearest sibling first.
pub fn inclusion<S: HashSource>(
    source: &S,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    if index >= size {
        return Err(ProofError::NoEntry { index, size });
    }
    let mut range = 0..size;
    let mut path = Vec::new();
    while range.end - range.start > 1 {
        let middle = split(&range);
        if index < middle {
            path.push(range_root(source, middle..range.end)?);
            range.end = middle;
        } else {
            path.push(range_root(source, range.start..middle)?);
            range.start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of the first `old` entries is the beginning of the tree of the first `new`.
pub fn consistency<S: HashSource>(source: &S, old: u64, new: u64) -> Result<Vec<Hash>, ProofError<S::Error>> {
    if old > new {
        return Err(ProofError::NotOlder { old, new });
    }
    let mut path = Vec::new();
    if old == 0 || old == new {
        return Ok(path);
    }
    let mut range = 0..new;
    while range.end != old {
        let middle = split(&range);
        if old <= middle {
            path.push(range_root(source, middle..range.end)?);
            range.end = middle;
        } else {
            path.push(range_root(source, range.start..middle)?);
            range.start = middle;
        }
    }
    // The verifier knows the old root; a part of it must be told.
    if range.start != 0 {
        path.push(range_root(source, range)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` leads from an entry's [`crate::leaf_hash`] at `seq` to the root of a tree of `size` entries.
pub fn verify_inclusion(leaf: &Hash, seq: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if seq >= size {
        return false;
    }
    let (mut index, mut last, mut hash) = (seq, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            hash = node_hash(sibling, &hash);
            // A right edge without a sibling on this level goes up as it is.
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `path` shows that the tree of `old` entries is the beginning of the tree of `new`. Trees of one size must be
/// one tree, and the empty tree is the beginning of all: their paths are empty.
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, path: &[Hash]) -> bool {
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return path.is_empty() && *old_root == empty_root();
    }
    if old > new {
        return false;
    }
    // An old tree that is perfect is a node of the new one: its root is not told again.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, path)
    } else {
        match path.split_first() {
            Some(split) => split,
            None => return false,
        }
    };
    let up = (old - 1).trailing_ones();
    let (mut index, mut last) = ((old - 1) >> up, (new - 1) >> up);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}
