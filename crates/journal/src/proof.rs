//! Audit paths (RFC 6962, 2.1.1): that an entry is in a tree, shown with a handful of hashes.
//!
//! A path is computed in one pass over the entries, with one small tree for each of its hashes. Reading them is
//! somebody else's business.

use std::ops::Range;

use crate::tree::{Hash, Tree, leaf_hash, node_hash};

/// Gathers the audit path of one entry while all entries of the tree go by in order.
#[derive(Debug)]
pub(crate) struct Path {
    /// Each hash of the path: the entries under it, and their tree so far. In path order, nearest sibling first.
    parts: Vec<(Range<u64>, Tree)>,
}

impl Path {
    /// For entry `seq` in the tree of the first `size`; `seq < size`.
    pub(crate) fn new(seq: u64, size: u64) -> Self {
        let (mut low, mut high) = (0, size);
        let mut parts = Vec::new();
        while high - low > 1 {
            // The largest power of two below the number of entries: where RFC 6962 splits.
            let split = low + (1 << (high - low - 1).ilog2());
            if seq < split {
                parts.push((split..high, Tree::default()));
                high = split;
            } else {
                parts.push((low..split, Tree::default()));
                low = split;
            }
        }
        parts.reverse();
        Self { parts }
    }

    /// Takes in the next entry.
    pub(crate) fn pass(&mut self, seq: u64, entry: &[u8]) {
        if let Some((_, tree)) = self.parts.iter_mut().find(|(range, _)| range.contains(&seq)) {
            tree.push(leaf_hash(entry));
        }
    }

    pub(crate) fn finish(self) -> Vec<Hash> {
        self.parts.into_iter().map(|(_, tree)| tree.root()).collect()
    }
}

/// Whether `path` leads from an entry's [`leaf_hash`] at `seq` to the root of a tree of `size` entries.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::{known_leaves, naive_root};

    fn path(seq: u64, entries: &[Vec<u8>]) -> Vec<Hash> {
        let mut path = Path::new(seq, entries.len() as u64);
        for (at, entry) in (0..).zip(entries) {
            path.pass(at, entry);
        }
        path.finish()
    }

    #[test]
    fn a_known_path() {
        let leaves = known_leaves();
        let found: Vec<String> = path(5, &leaves).iter().map(hex::encode).collect();
        assert_eq!(
            found,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }

    #[test]
    fn every_entry_of_every_tree_has_a_path_and_only_its_own() {
        let entries: Vec<Vec<u8>> = (0..40_u8).map(|n| vec![n]).collect();
        for size in 1..=entries.len() {
            let root = naive_root(&entries[..size]);
            for seq in 0..size {
                let found = path(seq as u64, &entries[..size]);
                let leaf = leaf_hash(&entries[seq]);
                assert!(verify_inclusion(&leaf, seq as u64, size as u64, &found, &root), "{seq} of {size}");
                for other in 0..size + 2 {
                    if other != seq {
                        assert!(!verify_inclusion(&leaf, other as u64, size as u64, &found, &root));
                    }
                }
                let mut long = found.clone();
                long.push(root);
                assert!(!verify_inclusion(&leaf, seq as u64, size as u64, &long, &root));
                if let Some((_, short)) = found.split_last() {
                    assert!(!verify_inclusion(&leaf, seq as u64, size as u64, short, &root));
                }
            }
        }
    }
}
