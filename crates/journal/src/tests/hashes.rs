//! The hashes in files give the proofs that the entries give, and heal from whatever a crash leaves of them.

use std::path::Path;

use tlog::{HashSource as _, Tile, consistency, inclusion, verify_consistency};

use super::world::{SHOP as LOG, define, options};
use crate::{
    Backend as _, Batch, FileJournal, Hashes, HashesError, Journal as _, LogId, NewEntry, Options, RealDisk,
};

fn grow(journal: &FileJournal, log: LogId, to: u64) {
    let from = journal.head(log).size;
    let entries = (from..to).map(|seq| {
        let bytes = format!("{{\"n\":{seq}}}").into_bytes();
        NewEntry { log, seq, bytes, payloads: vec![] }
    });
    let (send, receive) = std::sync::mpsc::channel();
    journal.append(
        Batch { entries: entries.collect() },
        Box::new(move |done| drop(send.send(done.map(|_| ())))),
    );
    receive.recv().unwrap().unwrap();
}

fn open(dir: &Path, journal: &FileJournal, log: LogId) -> Hashes {
    open_from(dir, journal, log, 0).unwrap()
}

fn open_from(dir: &Path, journal: &FileJournal, log: LogId, front: u64) -> Result<Hashes, HashesError> {
    Hashes::open(&RealDisk, dir, journal, (log, LOG), front, &mut |_, _| {})
}

#[test]
fn proofs_are_those_that_the_entries_give() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = FileJournal::open(dir.path(), options()).unwrap();
    let log = define(&journal, LOG);
    let hashes = open(dir.path(), &journal, log);
    let (mut before, mut before_root) = (0, journal.head(log).root);
    for size in [1, 2, 255, 256, 257, 511, 700, 1_025] {
        grow(&journal, log, size);
        assert!(size == 1 || inclusion(&hashes, 0, size).is_err(), "not there yet");
        hashes.extend(&journal, log, size, &mut |_, _| {}).unwrap();
        assert_eq!(hashes.size(), size);
        for seq in [0, size / 2, size - 1] {
            assert_eq!(inclusion(&hashes, seq, size).unwrap(), journal.prove(log, seq, size).unwrap());
        }
        let path = consistency(&hashes, before, size).unwrap();
        let root = journal.head(log).root;
        assert!(verify_consistency(before, &before_root, size, &root, &path), "{before} to {size}");
        (before, before_root) = (size, root);
    }
    let tile = Tile::hashes(1, 0, 4).unwrap();
    assert_eq!(tile.read(&hashes).unwrap().len(), 4 * 32);
    assert!(
        hashes.hash(0, 1_025).is_err() && hashes.hash(60, 0).is_err() && hashes.hash(0, u64::MAX).is_err()
    );
}

#[test]
fn whatever_a_crash_leaves_of_them_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = FileJournal::open(dir.path(), options()).unwrap();
    let log = define(&journal, LOG);
    grow(&journal, log, 600);
    let right = |hashes: &Hashes| tlog::root(hashes, 600).unwrap() == journal.head(log).root;
    assert!(right(&open(dir.path(), &journal, log)));
    let place = dir.path().join("tiles").join(LOG.replace('/', "~"));
    let damage: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.truncate(100 * 32 + 7),
        |bytes| bytes.iter_mut().skip(300 * 32).for_each(|byte| *byte = 0),
        |bytes| bytes.extend([7; 3_200]),
        Vec::clear,
    ];
    for (number, damage) in damage.into_iter().enumerate() {
        for level in ["0", "1"] {
            let path = place.join(level);
            let mut bytes = std::fs::read(&path).unwrap();
            damage(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
            assert!(right(&open(dir.path(), &journal, log)), "damage {number} of level {level}");
        }
    }
    std::fs::remove_dir_all(dir.path().join("tiles")).unwrap();
    assert!(right(&open(dir.path(), &journal, log)));
}

type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);

#[test]
fn hashes_of_pruned_entries_are_kept_and_never_made_up() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = FileJournal::open(dir.path(), Options { segment_bytes: 2_000, ..options() }).unwrap();
    let log = define(&journal, LOG);
    for size in 1..=30 {
        grow(&journal, log, size * 20);
    }
    let hashes = open(dir.path(), &journal, log);
    hashes.flush(&RealDisk).unwrap();
    let start = journal.segments().unwrap().into_iter().rfind(|start| start.logs.len() == 1).unwrap();
    let front = start.logs[0].size();
    assert!((513..600).contains(&front), "{front}");
    journal.prune(start.first).unwrap();
    let place = dir.path().join("tiles").join(LOG.replace('/', "~"));
    let whole = ["0", "1"].map(|level| std::fs::read(place.join(level)).unwrap());
    let restore = || {
        for (level, bytes) in ["0", "1"].iter().zip(&whole) {
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join(level), bytes).unwrap();
        }
    };
    let proof = inclusion(&hashes, 3, 600).unwrap();
    let right = |hashes: &Hashes| {
        assert_eq!(tlog::root(hashes, 600).unwrap(), journal.head(log).root);
        assert_eq!(inclusion(hashes, 3, 600).unwrap(), proof);
    };
    // What lies behind the front heals, and so does what is made of hashes alone.
    let front_byte = usize::try_from(front).unwrap() * 32;
    let heals: [(&str, Damage<'_>); 5] = [
        ("0", &|bytes| bytes.truncate(front_byte)),
        ("0", &|bytes| bytes[front_byte..].fill(7)),
        ("1", &|bytes| bytes.fill(7)),
        ("1", &|bytes| bytes[5] ^= 1),
        ("1", &Vec::clear),
    ];
    for (number, (level, damage)) in heals.into_iter().enumerate() {
        let path = place.join(level);
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        right(&open_from(dir.path(), &journal, log, front).unwrap_or_else(|e| panic!("{number}: {e}")));
        restore();
    }
    let lost: [&dyn Fn(); 4] = [
        &|| std::fs::remove_dir_all(dir.path().join("tiles")).unwrap(),
        &|| std::fs::write(place.join("0"), []).unwrap(),
        &|| std::fs::write(place.join("0"), &whole[0][..front_byte - 1]).unwrap(),
        &|| std::fs::write(place.join("0"), vec![7; whole[0].len()]).unwrap(),
    ];
    for (number, lose) in lost.into_iter().enumerate() {
        lose();
        if number == 3 {
            std::fs::write(place.join("1"), []).unwrap();
        }
        let refused = open_from(dir.path(), &journal, log, front).unwrap_err();
        assert!(matches!(refused, HashesError::Damaged(_)), "{number}: {refused}");
        assert!(refused.to_string().contains("restore"), "{refused}");
        restore();
        right(&open_from(dir.path(), &journal, log, front).unwrap());
    }
}
