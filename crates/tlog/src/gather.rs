//! An audit path (RFC 6962, 2.1.1) where only the entries are kept and no hashes: gathered in one pass over them.
//!
//! One small tree for each hash of the path. Whoever keeps hashes asks [`crate::inclusion`] instead.

use std::ops::Range;

use crate::tree::{Hash, Tree, leaf_hash};

/// Gathers the audit path of one entry while all entries of the tree go by in order.
#[derive(Debug)]
pub struct Gather {
    /// Each hash of the path: the entries under it, and their tree so far. In path order, nearest sibling first.
    parts: Vec<(Range<u64>, Tree)>,
}

impl Gather {
    /// For entry `seq` in the tree of the first `size`; meaningless unless `seq < size`.
    pub fn new(seq: u64, size: u64) -> Self {
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

    /// Begins after the entries of a tree, which do not go by: they are all before the entry whose path this is.
    pub fn begin(&mut self, front: &Tree) {
        let mut low = 0;
        let mut rest = front.size();
        for peak in front.peaks() {
            let high = low + (1 << rest.ilog2());
            rest -= high - low;
            // RFC 6962 splits where perfect subtrees end: each of them lies within one part.
            let part = self.parts.iter_mut().find(|(range, _)| range.start <= low && high <= range.end);
            if let Some((_, tree)) = part {
                let peaks = tree.peaks().iter().copied().chain([*peak]).collect();
                *tree = Tree::from_peaks(tree.size() + (high - low), peaks).unwrap_or_default();
            }
            low = high;
        }
    }

    /// Takes in the next entry.
    pub fn pass(&mut self, seq: u64, entry: &[u8]) {
        if let Some((_, tree)) = self.parts.iter_mut().find(|(range, _)| range.contains(&seq)) {
            tree.push(leaf_hash(entry));
        }
    }

    /// The path, nearest sibling first, after all entries went by.
    pub fn finish(self) -> Vec<Hash> {
        self.parts.into_iter().map(|(_, tree)| tree.root()).collect()
    }
}
