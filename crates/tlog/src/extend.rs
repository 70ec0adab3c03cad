//! A consistency proof (RFC 6962, 2.1.2) where only the right edge of the old tree is known and the new entries go by.
//!
//! Each hash of such a proof is a peak of the old tree or lies over new entries alone: whoever signs one checkpoint after
//! the other need keep nothing else. Whoever keeps hashes asks [`crate::consistency`] instead.

use std::ops::Range;

use crate::tree::{Hash, Tree, leaf_hash};

/// Makes the proof that a tree continues an old one, while the entries between them go by in order.
#[derive(Debug)]
pub struct Extend {
    /// In path order, nearest sibling first.
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    /// A peak of the old tree.
    Known(Hash),
    /// Entries that the old tree does not have, and their tree so far.
    New(Range<u64>, Tree),
}

impl Extend {
    /// From the old tree to the one of the first `new` entries; `None` where that is the smaller one.
    pub fn new(old: &Tree, new: u64) -> Option<Self> {
        let size = old.size();
        if size > new {
            return None;
        }
        let (mut low, mut high) = (0, new);
        let (mut parts, mut peaks) = (Vec::new(), old.peaks().iter());
        while size != 0 && high != size {
            // The largest power of two below the number of entries: where RFC 6962 splits.
            let split = low + (1 << (high - low - 1).ilog2());
            if size <= split {
                parts.push(Part::New(split..high, Tree::default()));
                high = split;
            } else {
                // The left half is perfect and wholly old: the next peak.
                parts.push(Part::Known(*peaks.next()?));
                low = split;
            }
        }
        // The verifier knows the old root; a part of it must be told. What is left is perfect, too: the last peak.
        if low != 0 {
            parts.push(Part::Known(*peaks.next()?));
        }
        parts.reverse();
        Some(Self { parts })
    }

    /// Takes in the next entry.
    pub fn pass(&mut self, seq: u64, entry: &[u8]) {
        for part in &mut self.parts {
            if let Part::New(range, tree) = part
                && range.contains(&seq)
            {
                tree.push(leaf_hash(entry));
            }
        }
    }

    /// The proof, after all entries from the old size on went by.
    pub fn finish(self) -> Vec<Hash> {
        let hash = |part| match part {
            Part::Known(hash) => hash,
            Part::New(_, tree) => tree.root(),
        };
        self.parts.into_iter().map(hash).collect()
    }
}
