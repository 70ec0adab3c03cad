//! Every prefix of the file is a crash that could have happened: nothing acknowledged is lost, nothing invented.

use std::path::Path;

use super::memory::Memory;
use super::world::{SEGMENT, SHOP, World, append, define, entry, sizes};
use crate::frame::{Kind, decode};
use crate::{Backend, Error, FaultKind, LogId, Recovery};

/// Ends of the batches, in bytes.
fn commits(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut ends) = (0, vec![]);
    while at < bytes.len() {
        let (frame, len) = decode(&bytes[at..]).unwrap();
        at += len;
        if frame.kind == Kind::Commit {
            ends.push(at);
        }
    }
    ends
}

/// Sizes of shop and platform after each batch of the story: header, two definitions, five of entries.
const SIZES: [(u64, u64); 8] = [(0, 0), (0, 0), (0, 0), (1, 0), (3, 0), (4, 1), (4, 2), (6, 2)];

#[test]
fn a_crash_at_any_byte_loses_nothing_that_was_acknowledged() {
    let world = World::new(false);
    let ends = commits(&world.bytes);
    assert_eq!(ends.len(), SIZES.len());
    for cut in 0..=world.bytes.len() {
        let copy = world.with(&world.bytes[..cut]);
        let batches = ends.iter().filter(|end| **end <= cut).count();
        let whole = batches.checked_sub(1).map_or(0, |last| ends[last]);
        let expected = batches.checked_sub(1).map_or((0, 0), |last| SIZES[last]);

        let verified = copy.verify().unwrap();
        assert_eq!(verified.torn.map_or(0, |torn| torn.bytes), (cut - whole) as u64, "cut at {cut}");

        let (journal, Recovery { cut: torn, .. }) = copy.try_open().unwrap();
        assert_eq!(sizes(&journal), expected, "cut at {cut}");
        match torn {
            None => assert_eq!(cut, whole),
            Some(torn) => {
                assert_eq!((torn.offset, torn.bytes), (whole as u64, (cut - whole) as u64));
                assert_eq!(kept(&copy, &torn.torn_file), world.bytes[whole..cut], "what is cut is kept");
                assert_eq!(journal.health().recovery.cut, Some(torn), "and announced");
            }
        }
        // It goes on from there.
        let log = define(&journal, SHOP);
        append(&journal, vec![entry(log, SHOP, expected.0, &["after"])]).unwrap();
        journal.close().unwrap();
        let verified = copy.verify().unwrap();
        assert_eq!((verified.torn, verified.logs[0].size), (None, expected.0 + 1));
    }
}

#[test]
fn nothing_that_a_checkpoint_vouches_for_is_cut() {
    let world = World::new(true);
    for cut in 0..world.bytes.len() {
        let copy = world.with(&world.bytes[..cut]);
        let Err(Error::Damaged(fault)) = copy.try_open() else {
            panic!("opened, cut at {cut}");
        };
        assert!(matches!(fault.kind, FaultKind::Shorter { .. }), "cut at {cut}: {fault}");
        assert_eq!(copy.verify().unwrap_err(), *fault);
        assert_eq!(copy.get(SEGMENT).len(), cut, "left as it was");
    }
    let copy = world.with(&world.bytes[..world.bytes.len() - 1]);
    let refused = copy.try_open().unwrap_err();
    assert!(refused.to_string().contains("the journal is shorter than its signed checkpoint"), "{refused}");
    assert!(refused.hint().unwrap().contains("restore the journal from a backup"));
}

#[test]
fn zeros_after_the_last_batch_are_room() {
    let world = World::new(true);
    let mut bytes = world.bytes.clone();
    bytes.resize(bytes.len() + 5_000, 0);
    let copy = world.with(&bytes);
    assert_eq!(copy.verify().unwrap().torn, None);
    let (journal, recovery) = copy.try_open().unwrap();
    assert_eq!(recovery.cut, None);
    assert_eq!(sizes(&journal), (6, 2));
    append(&journal, vec![entry(LogId(0), SHOP, 6, &[])]).unwrap();
    assert_eq!(copy.get(SEGMENT).len(), bytes.len(), "room is used");
    assert_eq!(sizes(&copy.copy().open()), (7, 2));
    // Whatever else stands in it does not pass for room.
    let end = bytes.len() - 1_000;
    bytes[end] = 1;
    let copy = world.with(&bytes);
    let torn = copy.verify().unwrap().torn.unwrap();
    let (_, recovery) = copy.try_open().unwrap();
    assert_eq!(recovery.cut.unwrap().bytes, torn.bytes);
    assert_eq!(copy.get(SEGMENT), world.bytes);
}

#[test]
fn zeros_instead_of_what_a_checkpoint_vouches_for_are_damage() {
    let world = World::new(true);
    let ends = commits(&world.bytes);
    let mut bytes = world.bytes.clone();
    bytes[ends[ends.len() - 2]..].fill(0);
    let fault = world.with(&bytes).fault();
    assert!(matches!(fault.kind, FaultKind::Shorter { .. }), "{fault}");
}

#[test]
fn a_batch_of_which_only_the_end_reached_the_disk_is_a_torn_tail() {
    let world = World::new(false);
    let ends = commits(&world.bytes);
    let start = ends[ends.len() - 2];
    let mut bytes = world.bytes.clone();
    bytes[start..start + 40].fill(0);
    let copy = world.with(&bytes);
    let (journal, recovery) = copy.try_open().unwrap();
    assert_eq!(recovery.cut.unwrap().offset, start as u64);
    assert_eq!(sizes(&journal), (4, 2));
}

#[test]
fn a_segment_that_was_only_begun_is_begun_again() {
    let world = World::new(false);
    let frames = {
        let (mut at, mut count) = (0, 0_u64);
        while at < world.bytes.len() {
            at += decode(&world.bytes[at..]).unwrap().1;
            count += 1;
        }
        count
    };
    for begun in [&b""[..], b"half a header"] {
        let copy = world.with(&world.bytes);
        let copy = copy.with(&format!("journal/{frames:016x}.seg"), begun);
        let (journal, recovery) = copy.try_open().unwrap();
        assert_eq!(recovery.cut.map_or(0, |cut| cut.bytes), begun.len() as u64);
        assert_eq!(sizes(&journal), (6, 2));
        append(&journal, vec![entry(LogId(0), SHOP, 6, &[])]).unwrap();
        assert_eq!(journal.health().segments, 2);
        define(&journal, SHOP);
        journal.close().unwrap();
        assert_eq!(copy.verify().unwrap().logs[0].size, 7);
        assert_eq!(sizes(&copy.open()), (7, 2));
    }
}

#[test]
fn two_tails_torn_at_one_place_are_both_kept() {
    let world = World::new(false);
    let mut disk = world.disk;
    let mut files = vec![];
    for torn in [&b"torn"[..], b"again"] {
        disk = disk.with(SEGMENT, &[&world.bytes[..], torn].concat());
        let (_, recovery) = disk.try_open().unwrap();
        files.push((recovery.cut.unwrap().torn_file, torn));
    }
    assert_ne!(files[0].0, files[1].0);
    for (file, torn) in files {
        assert_eq!(kept(&disk, &file), torn);
    }
}

fn kept(disk: &Memory, torn_file: &Path) -> Vec<u8> {
    disk.get(&format!("journal/{}", torn_file.file_name().unwrap().to_str().unwrap()))
}
