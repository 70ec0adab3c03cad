//! Segments taken away from the front: what stays is as before, the missing front is believed only where entries say so,
//! and a crash on the way is finished.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kernel::digest::Digest;
use kernel::event::{Entry, Event, Pruned};

use super::memory::{DIR, Memory, Mood};
use super::recorder::{Chance, Left, Platter, Recorder};
use super::world::{PLATFORM, SHOP, append, define, entry, options};
use crate::{Backend, Error, FaultKind, FileJournal, Journal, LogId, NewEntry, Options, SegmentStart};

const LOGS: [&str; 2] = [SHOP, PLATFORM];
const ENTRIES: u64 = 30;

fn small() -> Options {
    Options { segment_bytes: 2_500, ..options() }
}

fn log(number: usize) -> LogId {
    LogId(u32::try_from(number).unwrap())
}

/// Two logs over several segments, with payloads; a checkpoint vouches for all.
fn fill(journal: &FileJournal) {
    for name in LOGS {
        define(journal, name);
    }
    for seq in 0..ENTRIES {
        append(journal, vec![entry(log(0), SHOP, seq, &["text"]), entry(log(1), PLATFORM, seq, &[])])
            .unwrap();
    }
    journal.checkpoint_now().unwrap();
}

fn record(number: usize, seq: u64, pruned: Pruned) -> NewEntry {
    let entry = Entry {
        v: 1,
        log: LOGS[number].to_owned(),
        seq,
        at: kernel::clock::Millis(1_000_000),
        run: None,
        actor: kernel::actor::Actor::Server,
        cause: None,
        event: Event::JournalPruned(pruned),
        commits: BTreeMap::new(),
    };
    NewEntry { log: log(number), seq, bytes: entry.encode(), payloads: vec![] }
}

fn pruned(start: &SegmentStart, number: usize) -> Pruned {
    let tree = &start.logs[number];
    Pruned { first: start.first, size: tree.size(), root: Digest(tree.root()), base: None }
}

/// Says in both logs that the journal is to begin there.
fn announce(journal: &FileJournal, start: &SegmentStart) {
    for number in [1, 0] {
        let seq = journal.head(log(number)).size;
        append(journal, vec![record(number, seq, pruned(start, number))]).unwrap();
    }
    journal.checkpoint_now().unwrap();
}

fn proofs(journal: &FileJournal, number: usize, from: u64) -> Vec<Vec<[u8; 32]>> {
    (from..ENTRIES).map(|seq| journal.prove(log(number), seq, ENTRIES).unwrap()).collect()
}

#[test]
fn what_stays_is_as_before() {
    let disk = Memory::default();
    let (journal, _) = disk.open_with(small()).unwrap();
    fill(&journal);
    let segments = journal.segments().unwrap();
    assert!(segments.len() > 6, "{}", segments.len());
    for start in [&segments[1], &segments[3], segments.last().unwrap()] {
        let firsts = [0, 1].map(|number| start.logs[number].size());
        let before = [0, 1].map(|number| proofs(&journal, number, firsts[number]));
        let payload = journal.read(log(0), firsts[0], 1, usize::MAX).unwrap()[0].payloads[0].at.clone();
        let gone = journal.read(log(0), firsts[0] - 1, 1, usize::MAX).unwrap()[0].payloads[0].at.clone();
        announce(&journal, start);
        assert!(journal.prune(start.first).unwrap() > 0);
        assert_eq!(journal.prune(start.first).unwrap(), 0, "again is nothing");
        assert!(matches!(journal.prune(start.first + 1), Err(Error::NoSuchSegment(_))));
        let check = |journal: &FileJournal| {
            for number in [0, 1] {
                let first = firsts[number];
                assert_eq!(proofs(journal, number, first), before[number], "from entry {first}");
                let read = journal.read(log(number), first, 1, usize::MAX).unwrap();
                assert_eq!(read[0].seq, first);
                for seq in [0, first - 1] {
                    let refused = journal.read(log(number), seq, 1, usize::MAX).unwrap_err();
                    assert!(matches!(refused, Error::Pruned { first: at, .. } if at == first), "{refused}");
                    assert!(matches!(journal.prove(log(number), seq, ENTRIES), Err(Error::Pruned { .. })));
                }
            }
            journal.payload(&payload).unwrap();
            assert!(matches!(journal.payload(&gone), Err(Error::PayloadPruned)));
            let first = &journal.segments().unwrap()[0];
            assert_eq!((first.first, &first.logs), (start.first, &start.logs));
        };
        check(&journal);
        let copy = disk.copy();
        let verified = copy.verify().unwrap();
        for number in [0, 1] {
            let pruned = verified.logs[number].pruned.clone().unwrap();
            assert_eq!((pruned.first, pruned.root), (firsts[number], start.logs[number].root()));
            assert_eq!(verified.logs[number].size, journal.head(log(number)).size);
        }
        let (again, recovery) = copy.open_with(small()).unwrap();
        assert_eq!(recovery.cut, None);
        check(&again);
        let size = again.head(log(0)).size;
        append(&again, vec![at(entry(log(0), SHOP, size, &["more"]))]).unwrap();
        again.close().unwrap();
        assert_eq!(copy.verify().unwrap().logs[0].size, size + 1);
    }
}

/// The same entry, later than any record.
fn at(entry: NewEntry) -> NewEntry {
    let text = String::from_utf8(entry.bytes).unwrap();
    let (_, rest) = text.split_once(',').unwrap();
    NewEntry { bytes: format!("{{\"at\":2000000,{rest}").into_bytes(), ..entry }
}

#[test]
fn what_goes_is_vouched_for_by_then() {
    let disk = Memory::default();
    let (journal, _) = disk.open_with(small()).unwrap();
    fill(&journal);
    // Beyond the last checkpoint.
    for seq in ENTRIES..2 * ENTRIES {
        append(&journal, vec![entry(log(0), SHOP, seq, &["text"]), entry(log(1), PLATFORM, seq, &[])])
            .unwrap();
    }
    let start = journal.segments().unwrap().pop().unwrap();
    for number in [1, 0] {
        let seq = journal.head(log(number)).size;
        append(&journal, vec![record(number, seq, pruned(&start, number))]).unwrap();
    }
    // As long as that cannot be signed nothing goes.
    disk.feel(Mood::Renames);
    assert!(matches!(journal.prune(start.first), Err(Error::Io { .. })));
    assert!(journal.segments().unwrap().len() > 1);
    disk.feel(Mood::Well);
    assert!(journal.prune(start.first).unwrap() > 0);
    let after = disk.copy();
    assert_eq!(after.verify().unwrap().logs[0].pruned.as_ref().unwrap().first, start.logs[0].size());
    assert_eq!(after.open().head(log(0)).size, 2 * ENTRIES + 1);
}

#[test]
fn a_missing_front_that_nobody_announced_is_damage() {
    let disk = Memory::default();
    let (journal, _) = disk.open_with(small()).unwrap();
    fill(&journal);
    let segments = journal.segments().unwrap();
    let start = &segments[3];
    let size = ENTRIES;
    let ours = pruned(start, 0);
    let shop = |pruned: Pruned| record(0, size, pruned);
    let platform = record(1, size, pruned(start, 1));
    let other = Pruned { root: Digest([7; 32]), ..ours.clone() };
    let shorter = Pruned { size: ours.size - 1, ..ours.clone() };
    for (what, entries, believed) in [
        ("nothing", vec![], false),
        ("one log only", vec![shop(ours.clone())], false),
        ("another root", vec![shop(other), platform.clone()], false),
        ("another size", vec![shop(shorter), platform.clone()], false),
        ("an earlier place", vec![shop(pruned(&segments[2], 0)), platform.clone()], false),
        ("a later place", vec![shop(pruned(&segments[4], 0)), platform.clone()], true),
        ("the place", vec![shop(ours.clone()), platform.clone()], true),
    ] {
        let copy = disk.copy();
        let (journal, _) = copy.open_with(small()).unwrap();
        for name in LOGS {
            define(&journal, name);
        }
        if !entries.is_empty() {
            append(&journal, entries).unwrap();
        }
        journal.close().unwrap();
        for segment in &segments[..3] {
            copy.forget(&format!("journal/{:016x}.seg", segment.first));
        }
        match copy.verify() {
            Ok(_) => assert!(believed, "{what}"),
            Err(fault) => {
                assert!(!believed, "{what}: {fault}");
                assert!(matches!(fault.kind, FaultKind::MissingSegment { .. }), "{what}: {fault}");
            }
        }
        // Only a front is ever announced.
        copy.forget(&format!("journal/{:016x}.seg", segments[4].first));
        let fault = copy.fault();
        assert!(matches!(fault.kind, FaultKind::MissingSegment { .. }), "{what}: {fault}");
    }
}

#[test]
fn a_crash_at_any_step_is_finished() {
    let disk = Recorder::default();
    let (journal, _) = FileJournal::open_on(Arc::new(disk.clone()), Path::new(DIR), small()).unwrap();
    fill(&journal);
    let begin = disk.ops().len();
    let start = journal.segments().unwrap()[4].clone();
    announce(&journal, &start);
    let announced = disk.ops().len();
    journal.prune(start.first).unwrap();
    let ops = disk.ops();
    assert!(ops.len() >= announced + 8, "four removals, each of them flushed");
    let mut platter = Platter::default();
    let mut partly = 0;
    for boundary in 0..=ops.len() {
        if boundary >= begin {
            for (way, left) in [Left::Everything, Left::Nothing, Left::Some, Left::TornSector, Left::NoNames]
                .into_iter()
                .enumerate()
            {
                let mut chance = Chance((boundary * 8 + way) as u64);
                let after = Memory::of(platter.crash(left, &mut chance));
                let verified = after.verify().unwrap_or_else(|fault| panic!("{boundary} {left:?}: {fault}"));
                partly += usize::from(verified.logs[0].pruned.is_some());
                let (journal, _) = after.open_with(small()).unwrap();
                if boundary >= announced {
                    journal.prune(start.first).unwrap();
                    assert_eq!(journal.segments().unwrap()[0], start, "{boundary} {left:?}");
                    drop(journal);
                    assert_eq!(
                        after.verify().unwrap().logs[0].pruned.as_ref().unwrap().first,
                        start.logs[0].size()
                    );
                }
            }
        }
        if let Some(op) = ops.get(boundary) {
            platter.play(op);
        }
    }
    assert!(partly > 20, "crashes between the first and the last removal were among them: {partly}");
}
