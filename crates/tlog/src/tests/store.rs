//! Tiles from a source that lies, or forgets.

use super::world::{Files, Log};
use crate::{
    HashSource as _, StoreError, TileSource, VerifiedTiles, consistency, inclusion, leaf_hash,
    verify_consistency, verify_inclusion,
};

/// Everything that can be asked of a log, through its tiles: every entry, proofs, consistency.
fn read_all<S: TileSource>(source: S, log: &Log, size: u64) -> Result<(), StoreError<S::Error>> {
    let root = log.root(size);
    let tiles = VerifiedTiles::open(source, size, &root)?;
    let mut seen = 0;
    for bundle in 0..size.div_ceil(256) {
        for entry in tiles.entries(bundle)? {
            assert_eq!(entry, log.entries[usize::try_from(seen).unwrap()], "what is given out is true");
            seen += 1;
        }
    }
    assert_eq!(seen, size);
    for index in [0, size / 3, size / 2, size.saturating_sub(1)].into_iter().filter(|index| *index < size) {
        let path = inclusion(&tiles, index, size).map_err(plain)?;
        let entry = &log.entries[usize::try_from(index).unwrap()];
        assert!(verify_inclusion(&leaf_hash(entry), index, size, &path, &root));
        let path = consistency(&tiles, index, size).map_err(plain)?;
        assert!(verify_consistency(index, &log.root(index), size, &root, &path));
    }
    Ok(())
}

fn plain<E: std::error::Error + 'static>(error: crate::ProofError<StoreError<E>>) -> StoreError<E> {
    match error {
        crate::ProofError::Source(error) => error,
        other => panic!("the tree reaches that far: {other}"),
    }
}

#[test]
fn a_log_of_every_size_is_read_through_its_tiles() {
    let log = Log::of(600, "entry ");
    for size in 0..=600 {
        assert_eq!(read_all(&log.files(size), &log, size), Ok(()), "size {size}");
    }
}

#[test]
fn a_log_with_tiles_on_three_levels_is_read_through_them() {
    let log = Log::of(66_000, "");
    for size in [65_535, 65_536, 65_537, 66_000] {
        assert_eq!(read_all(&log.files(size), &log, size), Ok(()), "size {size}");
    }
}

#[test]
fn no_byte_of_any_file_can_be_another() {
    let log = Log::of(520, "");
    for size in [1, 3, 256, 257, 520] {
        let good = log.files(size);
        for (path, bytes) in &good.files {
            let mut places: Vec<usize> = (0..bytes.len()).step_by(97).collect();
            places.extend([0, bytes.len() - 1]);
            for at in places {
                let mut bad = good.clone();
                bad.files.get_mut(path).unwrap()[at] ^= 1;
                assert!(read_all(&bad, &log, size).is_err(), "{path} byte {at} of {size}");
            }
            for wrong in [vec![], bytes[1..].to_vec(), [&bytes[..], &[0; 32]].concat()] {
                let mut bad = good.clone();
                bad.files.insert(path.clone(), wrong);
                assert!(read_all(&bad, &log, size).is_err(), "{path} of {size}, longer or shorter");
            }
        }
    }
}

#[test]
fn files_of_another_log_are_not_taken() {
    let (log, other) = (Log::of(600, ""), Log::of(600, "x"));
    for size in [1, 255, 256, 600] {
        assert_eq!(read_all(&other.files(size), &log, size), Err(StoreError::Root));
        // A tile and its entries, which fit each other: only the tile above can tell.
        let mut mixed = log.files(size);
        for path in ["tile/0/000", "tile/entries/000"].into_iter().filter(|_| size >= 256) {
            mixed.files.insert(path.to_owned(), other.files(size).files[path].clone());
            let tile = "tile/0/000".parse().unwrap();
            let root = log.root(size);
            let tiles = VerifiedTiles::open(&mixed, size, &root).unwrap();
            assert_eq!(tiles.hash(0, 0), Err(StoreError::Foreign(tile)));
            assert_eq!(tiles.entries(0), Err(StoreError::Foreign(tile)));
        }
        for path in log.files(size).files.keys() {
            let mut mixed = log.files(size);
            mixed.files.insert(path.clone(), other.files(size).files[path].clone());
            assert!(read_all(&mixed, &log, size).is_err(), "{path} of {size}");
        }
    }
    let tiles = VerifiedTiles::open(&log.files(600), 599, &log.root(600)).map(|_| ());
    assert!(matches!(tiles, Err(StoreError::Form(_) | StoreError::Root)), "another size has another root");
}

#[test]
fn a_partial_tile_that_was_deleted_is_read_from_the_full_one() {
    let log = Log::of(600, "");
    let mut files = log.files(300);
    let full = log.files(600).files["tile/0/001"].clone();
    files.files.insert("tile/0/001.p/44".to_owned(), full);
    assert_eq!(read_all(&files, &log, 300), Ok(()));
}

#[test]
fn a_proof_fetches_a_handful_of_tiles_once() {
    let log = Log::of(66_000, "");
    let files: Files = log.files(66_000);
    let tiles = VerifiedTiles::open(&files, 66_000, &log.root(66_000)).unwrap();
    for _ in 0..3 {
        let _path = inclusion(&tiles, 1000, 66_000).unwrap();
        let _path = consistency(&tiles, 1000, 66_000).unwrap();
    }
    let edge = ["tile/0/257.p/208", "tile/1/001.p/1", "tile/2/000.p/1"];
    assert_eq!(files.fetched.borrow()[..3], edge);
    assert_eq!(files.fetched.borrow()[3..], ["tile/1/000", "tile/0/003"]);
}

#[test]
fn what_the_tree_does_not_have_is_not_fetched() {
    let log = Log::of(300, "");
    let files = log.files(300);
    let tiles = VerifiedTiles::open(&files, 300, &log.root(300)).unwrap();
    let before = files.fetched.borrow().len();
    for (level, index) in [(0, 300), (0, u64::MAX), (8, 1), (9, 0), (63, 0), (64, 0), (255, u64::MAX)] {
        assert_eq!(tiles.hash(level, index), Err(StoreError::Beyond { size: 300 }), "{level} {index}");
    }
    for bundle in [2, 3, u64::MAX / 256, u64::MAX] {
        assert_eq!(tiles.entries(bundle), Err(StoreError::Beyond { size: 300 }));
    }
    assert_eq!(files.fetched.borrow().len(), before);
}
