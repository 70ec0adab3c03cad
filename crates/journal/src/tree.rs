//! The Merkle tree of RFC 6962 over the entries of one log, kept as its right edge.
//!
//! Only the roots of the perfect subtrees ("peaks") are kept: at most 64 hashes for any size. Proofs are computed from
//! the entries when they are asked for (`proof`).

use sha2::{Digest as _, Sha256};

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

    pub(crate) fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    pub(crate) fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
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

#[cfg(test)]
pub(crate) mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    /// The definition of RFC 6962, 2.1, word for word: slow and plain.
    pub(crate) fn naive_root(entries: &[Vec<u8>]) -> Hash {
        match entries {
            [] => empty_root(),
            [one] => leaf_hash(one),
            many => {
                let split = many.len().next_power_of_two() / 2;
                node_hash(&naive_root(&many[..split]), &naive_root(&many[split..]))
            }
        }
    }

    fn grown(entries: &[Vec<u8>]) -> Tree {
        let mut tree = Tree::default();
        for entry in entries {
            tree.push(leaf_hash(entry));
        }
        tree
    }

    /// The eight leaves that implementations of RFC 6962 are tested with.
    pub(crate) fn known_leaves() -> Vec<Vec<u8>> {
        let hex = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        hex.iter().map(|text| hex::decode(text).unwrap()).collect()
    }

    #[test]
    fn known_trees_have_their_known_roots() {
        let leaves = known_leaves();
        let roots: Vec<String> = (0..=8).map(|size| hex::encode(grown(&leaves[..size]).root())).collect();
        expect![[r#"
            e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
            6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
            fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
            aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
            d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
            4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
            76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
            ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
            5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"#]]
        .assert_eq(&roots.join("\n"));
    }

    proptest! {
        #[test]
        fn any_tree_has_the_root_of_the_definition(
            entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..8), 0..70),
        ) {
            let tree = grown(&entries);
            prop_assert_eq!(tree.size(), entries.len() as u64);
            prop_assert_eq!(tree.root(), naive_root(&entries));
            prop_assert_eq!(Tree::from_peaks(tree.size(), tree.peaks().to_vec()), Some(tree));
        }
    }
}
