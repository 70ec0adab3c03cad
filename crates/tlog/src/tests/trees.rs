//! Known roots, and the definition of RFC 6962 word for word.

use expect_test::expect;
use proptest::prelude::*;

use crate::{Hash, Tree, empty_root, leaf_hash, node_hash};

/// The definition of RFC 6962, 2.1, word for word: slow and plain.
pub(super) fn naive_root(entries: &[Vec<u8>]) -> Hash {
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
pub(super) fn known_leaves() -> Vec<Vec<u8>> {
    let hex =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
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
