//! Proofs of every tree up to a size, and what they do not prove.

use std::cell::Cell;

use super::trees::{known_leaves, naive_root};
use super::world::Log;
use crate::{
    Extend, Gather, Hash, HashSource, Levels, Missing, ProofError, Tree, consistency, empty_root, inclusion,
    leaf_hash, root, verify_consistency, verify_inclusion,
};

/// The largest tree that is tried with all its entries.
const SIZE_MAX: u64 = 600;

/// Whether a number below `size` is tried: all of small trees, of larger ones every seventh and those at the ends.
fn is_tried(number: u64, size: u64) -> bool {
    size <= 130 || number % 7 == size % 7 || number < 3 || number + 3 > size || (255..258).contains(&number)
}

fn gathered(index: u64, entries: &[Vec<u8>]) -> Vec<Hash> {
    let mut gather = Gather::new(index, entries.len() as u64);
    for (at, entry) in (0..).zip(entries) {
        gather.pass(at, entry);
    }
    gather.finish()
}

#[test]
fn a_known_path() {
    let mut levels = Levels::default();
    for leaf in known_leaves() {
        levels.push(leaf_hash(&leaf));
    }
    let expected = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    let hex = |path: Vec<Hash>| path.iter().map(hex::encode).collect::<Vec<_>>();
    assert_eq!(hex(inclusion(&levels, 5, 8).unwrap()), expected);
    assert_eq!(hex(gathered(5, &known_leaves())), expected);
}

#[test]
fn entries_of_every_tree_are_shown_to_be_in_it() {
    let log = Log::of(SIZE_MAX, "entry ");
    for size in 1..=SIZE_MAX {
        let root = log.root(size);
        for index in (0..size).filter(|index| is_tried(*index, size)) {
            let path = inclusion(&log.levels, index, size).unwrap();
            let entry = &log.entries[usize::try_from(index).unwrap()];
            assert!(verify_inclusion(&leaf_hash(entry), index, size, &path, &root), "{index} of {size}");
        }
    }
}

#[test]
fn a_path_shows_one_entry_at_one_place_of_one_tree() {
    let log = Log::of(40, "");
    for size in 1..=40 {
        let root = log.root(size);
        assert_eq!(root, naive_root(&log.entries[..usize::try_from(size).unwrap()]));
        for index in 0..size {
            let path = inclusion(&log.levels, index, size).unwrap();
            assert_eq!(path, gathered(index, &log.entries[..usize::try_from(size).unwrap()]));
            let leaf = leaf_hash(&log.entries[usize::try_from(index).unwrap()]);
            for other in (0..size + 2).filter(|other| *other != index) {
                assert!(!verify_inclusion(&leaf, other, size, &path, &root), "{index} as {other} of {size}");
            }
            let mut long = path.clone();
            long.push(root);
            assert!(!verify_inclusion(&leaf, index, size, &long, &root));
            if let Some((_, short)) = path.split_last() {
                assert!(!verify_inclusion(&leaf, index, size, short, &root));
            }
            for at in 0..path.len() {
                let mut wrong = path.clone();
                wrong[at][31] ^= 1;
                assert!(!verify_inclusion(&leaf, index, size, &wrong, &root));
            }
        }
    }
}

#[test]
fn every_tree_is_shown_to_be_the_beginning_of_larger_ones() {
    let log = Log::of(SIZE_MAX, "");
    let roots: Vec<Hash> = (0..=SIZE_MAX).map(|size| log.root(size)).collect();
    for (new, new_root) in (0..).zip(&roots) {
        for (old, old_root) in (0..=new).zip(&roots).filter(|(old, _)| is_tried(*old, new)) {
            let path = consistency(&log.levels, old, new).unwrap();
            assert!(verify_consistency(old, old_root, new, new_root, &path), "{old} in {new}");
        }
    }
}

#[test]
fn a_path_shows_nothing_of_other_trees() {
    let (log, other) = (Log::of(40, ""), Log::of(40, "x"));
    for old in 0..=40 {
        for new in old..=40 {
            let path = consistency(&log.levels, old, new).unwrap();
            let check = |old, old_root: &Hash, new, new_root: &Hash, path: &[Hash]| {
                assert!(!verify_consistency(old, old_root, new, new_root, path), "{old} in {new}");
            };
            if old > 0 {
                check(old, &other.root(old), new, &log.root(new), &path);
                check(old, &log.root(old), new, &other.root(new), &path);
            } else {
                check(old, &other.root(1), new, &log.root(new), &path);
            }
            let mut long = path.clone();
            long.push(log.root(1));
            check(old, &log.root(old), new, &log.root(new), &long);
            if let Some((_, short)) = path.split_last() {
                check(old, &log.root(old), new, &log.root(new), short);
                check(new, &log.root(new), old, &log.root(old), &path);
            }
            for at in 0..path.len() {
                let mut wrong = path.clone();
                wrong[at][0] ^= 1;
                check(old, &log.root(old), new, &log.root(new), &wrong);
            }
        }
    }
}

#[test]
fn the_empty_tree_is_the_beginning_of_all() {
    let log = Log::of(3, "");
    assert_eq!(root(&log.levels, 0), Ok(empty_root()));
    assert!(verify_consistency(0, &empty_root(), 3, &log.root(3), &[]));
    assert!(!verify_consistency(0, &empty_root(), 3, &log.root(3), &[[0; 32]]));
    assert!(!verify_inclusion(&empty_root(), 0, 0, &[], &empty_root()));
    assert_eq!(inclusion(&log.levels, 3, 3), Err(ProofError::NoEntry { index: 3, size: 3 }));
    assert_eq!(consistency(&log.levels, 3, 2), Err(ProofError::NotOlder { old: 3, new: 2 }));
    assert!(matches!(inclusion(&log.levels, 0, 4), Err(ProofError::Source(_))));
}

/// A tree of any size whose hashes are made up, and how often it was asked.
struct Endless(Cell<u32>);

impl HashSource for Endless {
    type Error = Missing;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Missing> {
        self.0.set(self.0.get() + 1);
        assert!(u128::from(index) < (1_u128 << 64) >> level);
        Ok([level; 32])
    }
}

#[test]
fn a_proof_asks_for_two_hashes_a_level_at_most() {
    for size in [1, 2, 255, 256, 257, 1 << 20, (1 << 20) + 1, (1 << 40) - 1, u64::MAX - 1, u64::MAX] {
        for index in [0, 1, size / 3, size / 2, size - 1] {
            let levels = 64 - (size - 1).leading_zeros();
            let source = Endless(Cell::new(0));
            if index < size {
                let path = inclusion(&source, index, size).unwrap();
                assert!(path.len() <= levels as usize);
                assert!(source.0.get() <= 2 * levels, "{index} of {size}: {}", source.0.get());
            }
            source.0.set(0);
            let path = consistency(&source, index, size).unwrap();
            assert!(path.len() <= levels as usize + 1);
            assert!(source.0.get() <= 2 * levels + 1, "{index} in {size}: {}", source.0.get());
            // Whatever it shows, it is judged without a crash.
            let _verdict = verify_consistency(index, &[0; 32], size, &[1; 32], &path);
            let _verdict = verify_inclusion(&[0; 32], index, size, &path, &[1; 32]);
        }
    }
}

#[test]
fn a_proof_made_from_the_right_edge_is_the_one_made_from_all_hashes() {
    let log = Log::of(300, "");
    let mut old = Tree::default();
    for (size, entry) in (0..).zip(&log.entries) {
        for new in (size..=300).filter(|new| is_tried(*new, 300)) {
            let mut extend = Extend::new(&old, new).unwrap();
            let between =
                log.entries.iter().enumerate().skip(old.size() as usize).take((new - size) as usize);
            between.for_each(|(at, entry)| extend.pass(at as u64, entry));
            let path = extend.finish();
            assert_eq!(path, consistency(&log.levels, size, new).unwrap(), "{size} to {new}");
            assert!(verify_consistency(size, &old.root(), new, &log.root(new), &path), "{size} to {new}");
        }
        assert!(size == 0 || Extend::new(&old, size - 1).is_none());
        old.push(leaf_hash(entry));
    }
}
