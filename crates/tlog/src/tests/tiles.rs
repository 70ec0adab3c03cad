//! Names and contents of tiles and bundles.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::Log;
use crate::{
    BundleError, ENTRY_BYTES_MAX, HashSource as _, Tile, encode_bundle, parse_bundle, parse_hashes, tiles,
};

fn name(tile: Option<Tile>) -> String {
    tile.map(|tile| tile.to_string()).unwrap_or_default()
}

#[test]
fn tiles_are_named_as_the_specification_names_them() {
    assert_eq!(name(Tile::hashes(0, 0, 256)), "tile/0/000");
    assert_eq!(name(Tile::hashes(1, 1_234_067, 256)), "tile/1/x001/x234/067");
    assert_eq!(name(Tile::hashes(0, 999, 1)), "tile/0/999.p/1");
    assert_eq!(name(Tile::hashes(0, 1000, 255)), "tile/0/x001/000.p/255");
    assert_eq!(name(Tile::entries(1_000_000, 256)), "tile/entries/x001/x000/000");
    assert_eq!(name(Tile::entries((1 << 56) - 1, 255)), "tile/entries/x072/x057/x594/x037/x927/935.p/255");
    for none in [
        Tile::hashes(0, 0, 0),
        Tile::hashes(0, 0, 257),
        Tile::hashes(8, 0, 1),
        Tile::hashes(255, 0, 1),
        Tile::hashes(0, (1 << 56) - 1, 256),
        Tile::hashes(7, 0, 256),
        Tile::hashes(7, 1, 1),
        Tile::entries(u64::MAX, 1),
    ] {
        assert_eq!(none, None);
    }
}

#[test]
fn every_name_has_one_spelling() {
    for bad in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/00/000",
        "tile/+0/000",
        "tile/8/000",
        "tile/64/000",
        "tile/x/000",
        "tile/data/000",
        "tile/entries/",
        "tile/entries/0",
        "tile/entries/0000",
        "tile/entries/+01",
        "tile/entries/x000/001",
        "tile/entries/x000",
        "tile/entries/001/001",
        "tile/entries/x001/x001",
        "tile/entries/x001/",
        "tile/entries/x001//001",
        "tile/entries/000.p/0",
        "tile/entries/000.p/256",
        "tile/entries/000.p/01",
        "tile/entries/000.p/",
        "tile/entries/000.p",
        "tile/entries/000.p/1.p/1",
        "tile/entries/000.p/1/",
        "tile/entries/x999/x999/x999/x999/x999/999",
        "tile/entries/x001/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/000\n",
        "tile/entries/٠٠٠",
        "tile/8/0/000",
        &format!("tile/entries/{}000", "x000/".repeat(1000)),
    ] {
        assert!(bad.parse::<Tile>().is_err(), "{bad}");
    }
}

#[test]
fn a_log_of_any_size_has_the_tiles_that_the_specification_counts() {
    let names = |size| tiles(0, size).map(|tile| tile.to_string()).collect::<Vec<_>>();
    assert_eq!(names(0), Vec::<String>::new());
    assert_eq!(names(1), ["tile/0/000.p/1"]);
    assert_eq!(names(256), ["tile/0/000", "tile/1/000.p/1"]);
    let large = names(70_000);
    assert_eq!(large.len(), 273 + 1 + 1 + 1 + 1);
    assert_eq!(&large[273..], ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert_eq!(tiles(u64::MAX - 1, u64::MAX).count(), 1);
    assert_eq!(tiles(u64::MAX, 0).count(), 0);
}

#[test]
fn growing_step_by_step_writes_every_tile() {
    for size in 0..=600_u64 {
        // Every way to get there in two steps leaves the same tiles as one step, beside partial ones that are left over.
        for middle in [0, size / 2, size.saturating_sub(1), size] {
            let once: BTreeSet<Tile> = tiles(0, size).collect();
            let twice: BTreeSet<Tile> = tiles(0, middle).chain(tiles(middle, size)).collect();
            assert!(once.is_subset(&twice), "{size} over {middle}");
            assert!(once.iter().all(|tile| tile.is_in(size)));
            assert!(tiles(middle, size).all(|tile| !tile.is_in(middle)));
        }
    }
}

#[test]
fn tiles_of_every_size_hold_the_hashes_of_the_tree() {
    let log = Log::of(600, "");
    for size in 0..=600 {
        for tile in tiles(0, size) {
            let bytes = tile.read(&log.levels).unwrap();
            let hashes = parse_hashes(&bytes, tile.width()).unwrap();
            for (hash, index) in hashes.iter().zip(tile.range()) {
                assert_eq!(log.levels.hash(tile.level() * 8, index).as_ref(), Ok(hash));
            }
            assert_eq!(parse_hashes(&bytes, tile.width() + 1), None);
            assert_eq!(parse_hashes(&bytes[1..], tile.width()), None);
        }
    }
}

#[test]
fn an_entry_of_a_bundle_fits_into_two_bytes_of_length() {
    let most = vec![b'x'; ENTRY_BYTES_MAX];
    let bytes = encode_bundle(&[&most[..], b"", b"a"]).unwrap();
    assert_eq!(parse_bundle(&bytes, 3), Ok(vec![&most[..], b"", b"a"]));
    assert_eq!(encode_bundle(&[[&most[..], b"x"].concat()]), Err(BundleError::TooLarge(65_536)));
    assert_eq!(encode_bundle::<&[u8]>(&[]), Err(BundleError::Width(0)));
    assert_eq!(encode_bundle(&vec![b""; 257]), Err(BundleError::Width(257)));
    assert_eq!(encode_bundle(&[&b"ab"[..], b"c"]), Ok(vec![0, 2, b'a', b'b', 0, 1, b'c']));
}

#[test]
fn a_bundle_with_more_or_less_in_it_is_none() {
    let bytes = encode_bundle(&[&b"ab"[..], b"", b"c"]).unwrap();
    for end in 0..bytes.len() {
        assert!(matches!(parse_bundle(&bytes[..end], 3), Err(BundleError::CutShort(_))), "cut at {end}");
    }
    assert_eq!(parse_bundle(&bytes, 2), Err(BundleError::Rest(3)));
    assert_eq!(parse_bundle(&bytes, 4), Err(BundleError::CutShort(3)));
    assert_eq!(parse_bundle(&[&bytes[..], b"\0"].concat(), 3), Err(BundleError::Rest(1)));
}

proptest! {
    #[test]
    fn a_name_that_is_read_is_written_the_same(path in "tile/([0-9]{1,2}|entries)/(x[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = path.parse::<Tile>() {
            prop_assert_eq!(tile.to_string(), path);
        }
    }

    #[test]
    fn any_bytes_are_a_bundle_of_one_spelling_or_none(bytes in proptest::collection::vec(0_u8..4, 0..40), width in 0_u64..6) {
        if let Ok(entries) = parse_bundle(&bytes, width) {
            prop_assert_eq!(entries.len() as u64, width);
            if width > 0 {
                prop_assert_eq!(encode_bundle(&entries), Ok(bytes.clone()));
            }
        }
    }
}
