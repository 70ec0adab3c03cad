//! A disk without room: new entries are refused by name, what was taken in is kept and read, and with room it goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use super::memory::DIR;
use super::recorder::Recorder;
use super::world::{SHOP, append, define, entry, options};
use crate::conformance::TestSigner;
use crate::{Backend, Batch, Error, FileJournal, Journal, LogId, NewEntry, Options, verify_on};

fn open(disk: &Recorder, segment_bytes: u64) -> FileJournal {
    let options = Options { segment_bytes, room_bytes: 1_024, reserve_bytes: 16_384, ..options() };
    FileJournal::open_on(Arc::new(disk.clone()), Path::new(DIR), options).unwrap().0
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    for (segment_bytes, room) in [(1 << 20, 0), (1 << 20, 700), (1 << 20, 5_000), (2_000, 0), (2_000, 3_000)]
    {
        let disk = Recorder::default();
        let journal = open(&disk, segment_bytes);
        let log = define(&journal, SHOP);
        let mut next = 0;
        for round in 0..3 {
            append(&journal, vec![entry(log, SHOP, next, &[])]).unwrap();
            next += 1;
            disk.leave_room(Some(room));
            // The reserve takes in what waits; after it nothing new comes in.
            let refused = loop {
                match append(&journal, vec![entry(log, SHOP, next, &[])]) {
                    Ok(_) => next += 1,
                    Err(refused) => break refused,
                }
                assert!(next < 2_000, "the disk is full at last");
            };
            assert!(matches!(refused, Error::DiskFull), "{refused}");
            assert!(refused.hint().unwrap().contains("make room"));
            let health = journal.health();
            assert!(health.disk_full && health.poisoned.is_none());
            for _ in 0..3 {
                // The same position: nothing changed.
                let refused = append(&journal, vec![entry(log, SHOP, next, &[])]);
                assert!(matches!(refused, Err(Error::DiskFull)), "{refused:?}");
            }
            let refused = journal.define("test/new", TestSigner::new("test/new", 1));
            assert!(matches!(refused, Err(Error::DiskFull)), "{refused:?}");
            assert_eq!(journal.read(log, 0, usize::MAX, usize::MAX).unwrap().len() as u64, next);
            disk.leave_room(None);
            append(&journal, vec![entry(log, SHOP, next, &[])]).unwrap();
            next += 1;
            assert!(!journal.health().disk_full, "round {round}");
        }
        define(&journal, "test/new");
        journal.close().unwrap();
        assert_eq!(open(&disk, segment_bytes).head(log).size, next);
    }
}

/// With a text that makes it as long as that.
fn long(entry: NewEntry, bytes: usize) -> NewEntry {
    let mut text = String::from_utf8(entry.bytes).unwrap();
    let end = text.pop().unwrap();
    let text = format!("{text},\"z\":\"{}\"{end}", "z".repeat(bytes));
    NewEntry { bytes: text.into_bytes(), ..entry }
}

#[test]
fn a_segment_that_found_no_room_leaves_no_name_behind() {
    // Whether the next segment is a file of its own, or the spare that was made ahead.
    for spare in [false, true] {
        let segment_bytes = 20_000;
        let disk = Recorder::default();
        let mut journal = open(&disk, segment_bytes);
        let log = define(&journal, SHOP);
        let mut next = 0;
        let mut add = |journal: &FileJournal, bytes| {
            let added = append(journal, vec![long(entry(log, SHOP, next, &[]), bytes)]);
            next += u64::from(added.is_ok());
            added.map(|_| ())
        };
        for _ in 0..3 {
            add(&journal, if spare { 4_000 } else { 2_000 }).unwrap();
            while spare && journal.room_is_being_made() {
                std::thread::yield_now();
            }
            let before = disk.names();
            disk.leave_room(Some(0));
            // It fits in no segment that is there, and a new one has no place.
            for _ in 0..2 {
                let refused = add(&journal, 60_000);
                assert!(matches!(refused, Err(Error::DiskFull)), "{refused:?}");
            }
            let names = disk.names();
            let new: Vec<_> = names.iter().filter(|name| !before.contains(name)).collect();
            assert!(new.is_empty(), "{new:?}");
            disk.leave_room(None);
            // Small ones go on where the journal stands, beyond the number that the new segment would have had.
            for _ in 0..3 {
                add(&journal, 10).unwrap();
            }
            add(&journal, 60_000).unwrap();
            add(&journal, 10).unwrap();
            // As a crash leaves it.
            let after = disk.copy();
            assert_eq!(open(&after, segment_bytes).head(log).size, journal.head(log).size);
            verify_on(&disk, Path::new(DIR), &BTreeMap::new(), &mut |_| {}).unwrap();
            journal.close().unwrap();
            journal = open(&disk, segment_bytes);
            define(&journal, SHOP);
        }
        assert_eq!(journal.read(log, 0, usize::MAX, usize::MAX).unwrap().len() as u64, next);
    }
}

#[test]
fn everybody_who_waits_on_a_full_disk_is_told() {
    let disk = Recorder::default();
    let journal = open(&disk, 1 << 20);
    let log = define(&journal, SHOP);
    disk.leave_room(Some(0));
    let (told, answers) = channel();
    for seq in 0..500 {
        let told = told.clone();
        let batch = Batch { entries: vec![entry(log, SHOP, seq, &[])] };
        journal.append(batch, Box::new(move |result| told.send((seq, result)).unwrap()));
    }
    let answers: Vec<_> = answers.iter().take(500).collect();
    let size = journal.head(log).size;
    for (seq, result) in answers {
        match result {
            Ok(_) => assert!(seq < size),
            Err(Error::DiskFull | Error::OutOfOrder { .. }) => assert!(seq >= size),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_journal_opens_on_a_full_disk_and_is_read() {
    let disk = Recorder::default();
    let journal = open(&disk, 1 << 20);
    let log = define(&journal, SHOP);
    append(&journal, vec![entry(log, SHOP, 0, &[])]).unwrap();
    disk.leave_room(Some(0));
    while append(&journal, vec![entry(log, SHOP, journal.head(log).size, &[])]).is_ok() {}
    drop(journal);
    let journal = open(&disk, 1 << 20);
    let size = journal.head(log).size;
    assert_eq!(journal.read(LogId(0), 0, usize::MAX, usize::MAX).unwrap().len() as u64, size);
}
