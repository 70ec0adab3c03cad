//! Copies of a journal: taken while it is written, taken again, damaged, and of another history.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::memory::{DIR, Memory};
use super::recorder::{Chance, Left, Platter, Recorder};
use super::world::{SHOP, append, define, entry, options};
use crate::backup::copy_on;
use crate::conformance::TestSigner;
use crate::disk::Disk as _;
use crate::succession::succeed_on;
use crate::{
    Backend, Copied, Error, FaultKind, FileJournal, Journal, Options, Signer, copy, succeed, verify,
    verify_on,
};

const ROUNDS: u64 = 20;

fn small(room: u64) -> Options {
    Options { segment_bytes: 4_096, room_bytes: room, ..options() }
}

/// Appends entries `from..to`, one batch each.
fn grow(dir: &Path, from: u64, to: u64, options: Options) {
    grow_with("text", dir, from, to, options);
}

fn grow_with(text: &str, dir: &Path, from: u64, to: u64, options: Options) {
    let journal = FileJournal::open(dir, options).unwrap().0;
    let log = define(&journal, SHOP);
    for seq in from..to {
        append(&journal, vec![entry(log, SHOP, seq, &[text])]).unwrap();
    }
    journal.close().unwrap();
}

fn take(from: &Path, to: &Path) -> Result<Copied, Error> {
    copy(from, to, &mut |_| {})
}

fn check(from: &Path, to: &Path) -> Copied {
    let copied = take(from, to).unwrap();
    let verified = verify(to, &mut |_| {}).unwrap();
    assert_eq!(verified.torn, None);
    let same = |(copy, log): (&crate::CopiedLog, &crate::VerifiedLog)| {
        (&copy.name, &copy.vkey, copy.size, copy.root) == (&log.name, &log.vkey, log.size, log.root)
    };
    assert!(copied.logs.iter().zip(&verified.logs).all(same), "{copied:?} {verified:?}");
    copied
}

#[test]
fn a_copy_grows_by_what_came_since() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    grow(from.path(), 0, 70, small(0));
    let first = check(from.path(), to.path());
    assert_eq!((first.logs[0].size, first.segments_written), (70, first.segments));
    let again = check(from.path(), to.path());
    assert_eq!((again.segments_written, again.bytes_written), (0, 0), "nothing came since");
    grow(from.path(), 70, 100, small(0));
    let more = check(from.path(), to.path());
    // The last one grew, or is closed and as it was.
    let new = more.segments - first.segments;
    assert_eq!(more.logs[0].size, 100);
    assert!((new..=new + 1).contains(&more.segments_written), "{more:?}");
    // A segment that got lost is copied again, and so is all after it that differs.
    let lost = fs::read_dir(to.path().join("journal")).unwrap().map(|file| file.unwrap().path());
    fs::remove_file(lost.min().unwrap()).unwrap();
    assert_eq!(check(from.path(), to.path()).segments_written, 1);
}

#[test]
fn a_copy_beside_a_writer_is_whole_each_time() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal = Arc::new(FileJournal::open(from.path(), small(16 << 10)).unwrap().0);
    let log = define(&journal, SHOP);
    append(&journal, vec![entry(log, SHOP, 0, &[])]).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (journal, done) = (journal.clone(), done.clone());
        std::thread::spawn(move || {
            let mut seq = 1;
            while !done.load(Ordering::Relaxed) {
                append(&journal, vec![entry(log, SHOP, seq, &["a", "b"])]).unwrap();
                seq += 1;
                if seq % 16 == 0 {
                    journal.checkpoint_now().unwrap();
                }
            }
        })
    };
    let mut size = 0;
    for _ in 0..ROUNDS {
        let vouched = journal.head(log).size;
        let copied = check(from.path(), to.path());
        // What was acknowledged before is in the copy.
        assert!(copied.logs[0].size >= vouched.max(size), "{copied:?}");
        size = copied.logs[0].size;
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

#[test]
fn what_is_vouched_for_meanwhile_is_left_to_the_next_copy() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal = FileJournal::open(from.path(), options()).unwrap().0;
    let log = define(&journal, SHOP);
    append(&journal, vec![entry(log, SHOP, 0, &[])]).unwrap();
    journal.checkpoint_now().unwrap();
    // After the last segment was read.
    let mut seq = 1;
    let mut go_on = |_| {
        append(&journal, vec![entry(log, SHOP, seq, &[])]).unwrap();
        journal.checkpoint_now().unwrap();
        seq += 1;
    };
    copy(from.path(), to.path(), &mut go_on).unwrap();
    let verified = verify(to.path(), &mut |_| {}).unwrap();
    assert_eq!((verified.entries, verified.logs[0].checkpoint_size), (1, Some(1)));
    assert_eq!(check(from.path(), to.path()).logs[0].size, 2);
}

#[test]
fn a_torn_tail_is_left_out_and_damage_is_not_copied() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    grow(from.path(), 0, 30, small(0));
    let mut segments: Vec<_> =
        fs::read_dir(from.path().join("journal")).unwrap().map(|file| file.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|end| end == "seg"));
    segments.sort();
    let last = segments.last().unwrap();
    fs::write(last, [fs::read(last).unwrap(), vec![7; 100]].concat()).unwrap();
    assert_eq!(check(from.path(), to.path()).logs[0].size, 30);

    let mut bytes = fs::read(last).unwrap();
    bytes[200] ^= 1;
    fs::write(last, bytes).unwrap();
    let before = fs::read(to.path().join("journal").join(last.file_name().unwrap())).unwrap();
    assert!(matches!(take(from.path(), to.path()), Err(Error::Damaged(_) | Error::OtherHistory { .. })));
    assert_eq!(before, fs::read(to.path().join("journal").join(last.file_name().unwrap())).unwrap());
}

#[test]
fn a_log_under_another_name_goes_on_in_its_copy() {
    const NEXT: [&str; 3] = [SHOP, "test/shop/2", "test/shop/3"];
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    grow(from.path(), 0, 30, small(0));
    check(from.path(), to.path());
    let mut next = 30;
    let notes = |dir: &Path| fs::read_dir(dir.join("checkpoints")).unwrap().count();
    for names in NEXT.windows(2) {
        let [old, new] = [0, 1].map(|place| TestSigner::new(names[place], 1));
        succeed(from.path(), &[(&*old as &dyn Signer, &*new as &dyn Signer)]).unwrap();
        // As it is, and again with what came since, in this segment and in others.
        for more in [0, 1, 30] {
            let journal = FileJournal::open(from.path(), small(0)).unwrap().0;
            let log = journal.define(names[1], new.clone()).unwrap();
            for _ in 0..more {
                append(&journal, vec![entry(log, names[1], next, &["text"])]).unwrap();
                next += 1;
            }
            journal.close().unwrap();
            let copied = check(from.path(), to.path());
            assert_eq!((copied.logs[0].name.as_str(), copied.logs[0].size), (names[1], next));
            assert_eq!(notes(to.path()), 1);
        }
    }
}

#[test]
fn a_crash_at_any_step_leaves_a_copy_that_goes_on() {
    let disk = Recorder::default();
    let [from, to] = ["from", "to"].map(|name| Path::new(DIR).join(name));
    disk.create_dir(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new(".")).unwrap();
    let mut next = 0;
    let mut grow = |name: &str| {
        let journal = FileJournal::open_on(Arc::new(disk.clone()), &from, small(0)).unwrap().0;
        let log = define(&journal, name);
        for _ in 0..25 {
            append(&journal, vec![entry(log, name, next, &["text"])]).unwrap();
            next += 1;
        }
        journal.close().unwrap();
    };
    let mut copied = Vec::new();
    let mut take = || {
        let begin = disk.ops().len();
        copy_on(&disk, &from, &to, &mut |_| {}).unwrap();
        copied.push(begin..=disk.ops().len());
    };
    grow(SHOP);
    take();
    grow(SHOP);
    take();
    let [old, new] = [SHOP, "test/shop/2"].map(|name| TestSigner::new(name, 1));
    succeed_on(&disk, &from, &[(&*old as &dyn Signer, &*new as &dyn Signer)]).unwrap();
    grow("test/shop/2");
    take();
    let mut platter = Platter::default();
    let (mut whole, mut size) = (0, 0);
    for (at, op) in disk.ops().iter().enumerate() {
        if copied.iter().any(|steps| steps.contains(&at)) {
            let chances = [Left::Some; 5];
            let lefts = [Left::Everything, Left::Nothing, Left::NoNames].into_iter().chain(chances);
            for (round, left) in lefts.enumerate() {
                let mut chance = Chance((at * 8 + round) as u64);
                let after = Memory::of(platter.crash(left, &mut chance));
                let verify = |dir: &Path| {
                    verify_on(&after, dir, &BTreeMap::new(), &mut |_| {}).map(|done| done.entries)
                };
                // Once it is done it stays one.
                match verify(&to) {
                    Ok(entries) => {
                        assert!(entries >= size, "{at} {left:?}: {entries}");
                        whole += 1;
                    }
                    Err(fault) => {
                        assert!(at <= *copied[0].end(), "{at} {left:?}: {fault}");
                        assert!(matches!(fault.kind, FaultKind::Unreadable(_)), "{at} {left:?}: {fault}");
                    }
                }
                copy_on(&after, &from, &to, &mut |_| {}).unwrap_or_else(|e| panic!("{at} {left:?}: {e}"));
                assert_eq!(verify(&to).unwrap(), verify(&from).unwrap(), "{at} {left:?}");
            }
        }
        if copied.iter().any(|steps| *steps.end() == at) {
            size += 25;
        }
        platter.play(op);
    }
    assert!(whole > 200, "{whole}");
}

#[test]
fn a_log_that_only_the_copy_has_is_of_another_history() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [from.path(), to.path()] {
        grow(dir, 0, 5, options());
    }
    let journal = FileJournal::open(to.path(), options()).unwrap().0;
    let log = define(&journal, "test/other");
    append(&journal, vec![entry(log, "test/other", 0, &[])]).unwrap();
    journal.close().unwrap();
    assert!(matches!(take(from.path(), to.path()), Err(Error::OtherHistory { .. })));
    fs::remove_dir_all(to.path().join("journal")).unwrap();
    assert!(matches!(take(from.path(), to.path()), Err(Error::OtherHistory { .. })));
}

#[test]
fn another_history_is_not_mixed_in() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    grow(from.path(), 0, 70, small(0));
    check(from.path(), to.path());
    let other = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(other.path(), small(0)).unwrap().0;
    let log = journal.define(SHOP, TestSigner::new(SHOP, 2)).unwrap();
    for seq in 0..70 {
        append(&journal, vec![entry(log, SHOP, seq, &[])]).unwrap();
    }
    journal.close().unwrap();
    assert!(matches!(take(other.path(), to.path()), Err(Error::OtherHistory { .. })));
    // Of the same shape, byte for byte as long, and signed with the same key.
    let fork = tempfile::tempdir().unwrap();
    grow_with("fork", fork.path(), 0, 70, small(0));
    assert!(matches!(take(fork.path(), to.path()), Err(Error::OtherHistory { .. })));
    // One that parts within the last segment.
    let (short, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    grow(short.path(), 0, 5, small(0));
    check(short.path(), copy.path());
    for text in ["fork", "a longer fork"] {
        for to in [4, 5, 40] {
            let fork = tempfile::tempdir().unwrap();
            grow_with(text, fork.path(), 0, to, small(0));
            let refused = take(fork.path(), copy.path());
            assert!(matches!(refused, Err(Error::OtherHistory { .. })), "{text} {to}: {refused:?}");
        }
    }
    assert_eq!(check(short.path(), copy.path()).segments_written, 0);
    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(take(nothing.path(), to.path()), Err(Error::Damaged(_))));
    assert!(verify(to.path(), &mut |_| {}).is_ok(), "the copy is as it was");
}
