//! The same questions put to other implementations: `tlog_tiles` and `signed_note` (which serve certificate logs), and
//! `ct-merkle`. Where they differ from ours, the test says how.

use std::collections::BTreeSet;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{InclusionProof, RootHash};
use proptest::prelude::*;
use sha2::Sha256;
use signed_note::{StandardVerifier, VerifierList};
use tlog_tiles::{Hash as TheirHash, HashReader, TileHashReader, TileReader};

use super::world::{Files, LOG, Log, log_key, signer};
use crate::{
    Checkpoint, Hash, HashSource, Levels, Tile, VerifierKey, consistency, inclusion, leaf_hash, sign, tiles,
    verify_consistency, verify_inclusion,
};

/// Our hashes, as they read them.
struct Theirs<'a>(&'a Levels);

impl HashReader for Theirs<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<TheirHash>, tlog_tiles::Error> {
        let read = |index: &u64| {
            let (level, n) = tlog_tiles::split_stored_hash_index(*index);
            TheirHash(self.0.hash(level, n).expect("the tree has it"))
        };
        Ok(indexes.iter().map(read).collect())
    }
}

fn plain(hashes: Vec<TheirHash>) -> Vec<Hash> {
    hashes.into_iter().map(|hash| hash.0).collect()
}

fn theirs(hashes: &[Hash]) -> Vec<TheirHash> {
    hashes.iter().map(|hash| TheirHash(*hash)).collect()
}

/// `tile/8/L/N`, where the specification has `tile/L/N`.
fn our_path(tile: &tlog_tiles::Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

#[test]
fn roots_and_proofs_are_those_of_tlog_tiles() {
    let log = Log::of(600, "entry ");
    let reader = Theirs(&log.levels);
    for size in 1..=600 {
        let root = TheirHash(log.root(size));
        assert_eq!(tlog_tiles::tree_hash(size, &reader).unwrap(), root);
        for index in (0..size).filter(|index| size < 70 || index % 37 == size % 37 || index + 2 > size) {
            let path = inclusion(&log.levels, index, size).unwrap();
            assert_eq!(
                plain(tlog_tiles::prove_record(size, index, &reader).unwrap()),
                path,
                "{index} of {size}"
            );
            let leaf = TheirHash(leaf_hash(&log.entries[usize::try_from(index).unwrap()]));
            tlog_tiles::check_record(&theirs(&path), size, root, index, leaf).unwrap();
            let old = index + 1;
            let path = consistency(&log.levels, old, size).unwrap();
            assert_eq!(plain(tlog_tiles::prove_tree(size, old, &reader).unwrap()), path, "{old} in {size}");
            tlog_tiles::check_tree(&theirs(&path), size, root, old, TheirHash(log.root(old))).unwrap();
        }
    }
}

#[test]
fn roots_and_proofs_are_those_of_ct_merkle() {
    let log = Log::of(130, "");
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=130_u64 {
        tree.push(log.entries[usize::try_from(size - 1).unwrap()].clone());
        assert_eq!(tree.root().as_bytes().as_slice(), log.root(size));
        for index in 0..size {
            let place = usize::try_from(index).unwrap();
            let path = inclusion(&log.levels, index, size).unwrap().concat();
            assert_eq!(tree.prove_inclusion(place).as_bytes(), path, "{index} of {size}");
            let root = RootHash::<Sha256>::new(log.root(size).into(), size);
            let path = InclusionProof::try_from_bytes(path).unwrap();
            root.verify_inclusion(&log.entries[place], index, &path).unwrap();
            let path = consistency(&log.levels, index + 1, size).unwrap().concat();
            let added = usize::try_from(size - index - 1).unwrap();
            assert_eq!(tree.prove_consistency(added).as_bytes(), path, "{} in {size}", index + 1);
        }
    }
}

#[test]
fn tiles_are_those_of_tlog_tiles() {
    let log = Log::of(600, "");
    for new in 0..=600_u64 {
        for old in [0, new / 2, new.saturating_sub(1), new] {
            let expected: BTreeSet<String> =
                tlog_tiles::Tile::new_tiles(8, old, new).iter().map(our_path).collect();
            assert_eq!(tiles(old, new).map(|tile| tile.to_string()).collect::<BTreeSet<_>>(), expected);
        }
    }
    for size in [1, 255, 256, 257, 600] {
        for tile in tlog_tiles::Tile::new_tiles(8, 0, size) {
            let ours: Tile = our_path(&tile).parse().unwrap();
            assert_eq!(ours.read(&log.levels).unwrap(), tile.read_data(&Theirs(&log.levels)).unwrap());
        }
    }
    for (old, new) in [(69_000, 70_000), (0, 200_000), (16_777_215, 16_777_217), ((1 << 40) - 1, 1 << 40)] {
        let expected: BTreeSet<String> =
            tlog_tiles::Tile::new_tiles(8, old, new).iter().map(our_path).collect();
        assert_eq!(tiles(old, new).map(|tile| tile.to_string()).collect::<BTreeSet<_>>(), expected);
    }
}

struct TheirFiles(Files);

impl TileReader for TheirFiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        Ok(tiles.iter().map(|tile| self.0.files[&our_path(tile)].clone()).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn tlog_tiles_reads_and_verifies_our_files() {
    let log = Log::of(66_000, "");
    for size in [1, 256, 600, 65_536, 66_000] {
        let files = TheirFiles(log.files(size));
        let reader = TileHashReader::new(size, TheirHash(log.root(size)), &files);
        for index in [0, size / 2, size - 1] {
            let path = tlog_tiles::prove_record(size, index, &reader).unwrap();
            let leaf = leaf_hash(&log.entries[usize::try_from(index).unwrap()]);
            assert!(verify_inclusion(&leaf, index, size, &plain(path), &log.root(size)));
            let path = tlog_tiles::prove_tree(size, index + 1, &reader).unwrap();
            assert!(verify_consistency(index + 1, &log.root(index + 1), size, &log.root(size), &plain(path)));
        }
    }
}

fn their_verifier(key: &VerifierKey) -> VerifierList {
    VerifierList::new(vec![Box::new(StandardVerifier::new(&key.encode()).unwrap())])
}

/// The text, where they open the note.
fn they_open(note: &[u8], key: &VerifierKey) -> Option<String> {
    let note = signed_note::Note::from_bytes(note).ok()?;
    note.verify(&their_verifier(key)).ok()?;
    String::from_utf8(note.text().to_vec()).ok()
}

#[test]
fn signed_note_opens_what_we_sign() {
    let note = Log::of(5, "").note(5);
    assert_eq!(they_open(note.as_bytes(), &log_key()).as_deref(), log_key().open(&note).ok());
    assert_eq!(they_open(note.as_bytes(), &VerifierKey::of(&signer(LOG, 2))), None);
    assert!(StandardVerifier::new(&VerifierKey::of(&signer("a b", 1)).encode()).is_err());
}

/// A place, and the byte that is put there.
fn change() -> impl Strategy<Value = (prop::sample::Index, u8)> {
    (any::<prop::sample::Index>(), prop_oneof![any::<u8>(), prop::sample::select(b"\n +=0aA/\t\r".to_vec())])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_text_is_signed_for_them_and_for_us(text in "([ -~é\u{2014}]{0,20}\n){1,4}", name in "[!-*,-~é]{1,12}") {
        let signer = signer(&name, 7);
        let key = VerifierKey::of(&signer);
        let note = sign(&text, &signer).unwrap();
        prop_assert_eq!(key.open(&note), Ok(&text[..]));
        prop_assert_eq!(they_open(note.as_bytes(), &key), Some(text));
    }

    #[test]
    fn changed_notes_open_for_both_or_neither(changes in proptest::collection::vec(change(), 1..3), second: bool) {
        let mut note = Log::of(3, "").note(3);
        if second {
            note += sign("x\n", &signer("other", 3)).unwrap().split_once("\n\n").unwrap().1;
        }
        let mut bytes = note.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let ours = std::str::from_utf8(&bytes).ok().and_then(|note| log_key().open(note).ok());
        let key = log_key();
        let theirs = they_open(&bytes, &key);
        prop_assert_eq!(theirs.as_deref(), ours);
    }

    #[test]
    fn changed_checkpoints_are_read_by_both_or_neither(changes in proptest::collection::vec(change(), 0..3), extended: bool) {
        let mut text = Checkpoint::new("log.example/shop", 1024, [7; 32]).unwrap().encode();
        if extended {
            text.push_str("one\ntwo\n");
        }
        let mut bytes = text.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let ours = std::str::from_utf8(&bytes).ok().and_then(|text| Checkpoint::parse(text).ok());
        let theirs = tlog_tiles::Checkpoint::from_bytes(&bytes).ok();
        // Control characters are forbidden in the note around it (signed-note); ours looks here already.
        if bytes.iter().all(|byte| *byte >= b' ' || *byte == b'\n') {
            prop_assert_eq!(ours.is_some(), theirs.is_some());
        }
        if let Some(ours) = ours {
            prop_assert_eq!(ours.encode().into_bytes(), theirs.unwrap().to_bytes());
        }
    }

    #[test]
    fn paths_of_tiles_are_read_by_both_or_neither(
        path in "[0-9]{1,2}/(x[0-9]{3}/){0,2}[0-9]{3}(\\.p/[0-9]{1,3})?", at: prop::sample::Index, other in "[x0-9/.p]{0,2}",
    ) {
        let mut path = path;
        path.insert_str(at.index(path.len()), &other);
        // Theirs stops the program at levels above 63 and at a width of 0.
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
        prop_assume!(number(path.split('/').next()).is_none_or(|level| level < 64));
        prop_assume!(!path.contains(".p/") || number(path.rsplit('/').next()) != Some(0));
        let theirs = tlog_tiles::Tile::from_path(&format!("tile/8/{path}")).ok();
        let ours = format!("tile/{path}").parse::<Tile>().ok();
        // Theirs has names for tiles that are in no tree.
        let theirs = theirs.filter(|tile| Tile::hashes(tile.level(), tile.level_index(), tile.width().into()).is_some());
        prop_assert_eq!(theirs.map(|tile| our_path(&tile)), ours.map(|tile| tile.to_string()));
    }

    #[test]
    fn paths_and_roots_hold_for_both_or_neither(
        size in 1_u64..40, index in 0_u64..40, other in 1_u64..40, flip in proptest::option::of((0_usize..8, 0_usize..32)),
    ) {
        let log = Log::of(40, "");
        let mut path = inclusion(&log.levels, index % size, size).unwrap();
        let mut steps = consistency(&log.levels, other.min(size), size).unwrap();
        if let Some((at, byte)) = flip {
            for hash in path.iter_mut().skip(at).take(1).chain(steps.iter_mut().skip(at).take(1)) {
                hash[byte] ^= 1;
            }
        }
        let (root, old_root) = (log.root(size), log.root(other));
        let leaf = leaf_hash(&log.entries[usize::try_from(index).unwrap()]);
        prop_assert_eq!(
            verify_inclusion(&leaf, index, size, &path, &root),
            tlog_tiles::check_record(&theirs(&path), size, TheirHash(root), index, TheirHash(leaf)).is_ok()
        );
        prop_assert_eq!(
            verify_consistency(other, &old_root, size, &root, &steps),
            tlog_tiles::check_tree(&theirs(&steps), size, TheirHash(root), other, TheirHash(old_root)).is_ok()
        );
    }
}
