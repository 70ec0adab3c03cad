//! The same entries give the same rows, however they arrive; what does not fit is thrown away.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use journal::Stored;
use kernel::event::Entry;
use kernel::run::RunOutcome;
use tempfile::TempDir;

use super::story::{CANARY, Story, WAYS, Way, long};
use crate::{Error, Opened, Views, Wiped};

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("views.db");
    (dir, path)
}

fn open(path: &Path, head: usize) -> (Views, Opened) {
    Views::open(path, head as u64).unwrap()
}

fn dump(views: &Views) -> String {
    let mut out = Vec::new();
    views.dump(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn dump_of(batches: &mut dyn Iterator<Item = &[Stored]>) -> String {
    let (_dir, path) = place();
    let (views, _) = open(&path, 0);
    for batch in batches {
        views.follow(batch).unwrap();
    }
    dump(&views)
}

#[test]
fn a_small_story_gives_these_rows() {
    let mut story = Story::begin();
    story.run(&[Way::Approved, Way::Waiting], Some(RunOutcome::Done));
    expect_file!["../../testdata/small.dump"].assert_eq(&dump_of(&mut [&story.entries[..]].into_iter()));
}

#[test]
fn the_cut_of_batches_leaves_no_trace() {
    let entries = long().entries;
    let whole = dump_of(&mut [&entries[..]].into_iter());
    for size in [1, 2, 3, 7, 31] {
        assert_eq!(dump_of(&mut entries.chunks(size)), whole, "batches of {size}");
    }
}

#[test]
fn every_prefix_and_then_the_rest_equals_the_whole() {
    let mut story = Story::begin();
    story.run(&WAYS, Some(RunOutcome::Done));
    let entries = story.entries;
    let whole = dump_of(&mut [&entries[..]].into_iter());
    let (_dir, path) = place();
    for cut in 0..=entries.len() {
        drop(fs::remove_file(&path));
        let (views, _) = open(&path, 0);
        views.follow(&entries[..cut]).unwrap();
        drop(views);
        let (views, opened) = open(&path, entries.len());
        assert_eq!(opened, Opened { applied: cut as u64, wiped: None });
        // Overlapping: what is known already is skipped.
        views.follow(&entries[cut.saturating_sub(3)..]).unwrap();
        assert_eq!(dump(&views), whole, "cut after {cut} entries");
    }
}

#[test]
fn a_batch_that_cannot_be_taken_changes_nothing() {
    let entries = long().entries;
    let (_dir, path) = place();
    let (views, _) = open(&path, 0);
    views.follow(&entries[..20]).unwrap();
    let before = dump(&views);
    assert!(matches!(views.follow(&entries[21..]), Err(Error::Gap { expected: 20, got: 21 })));

    let mut broken = entries[20..30].to_vec();
    broken[7].bytes = b"{}".to_vec();
    assert!(matches!(views.follow(&broken), Err(Error::Entry { seq: 27, .. })));
    broken[7].bytes.clone_from(&entries[3].bytes);
    assert!(matches!(views.follow(&broken), Err(Error::Entry { seq: 27, .. })));
    let mut other = Entry::decode(&entries[27].bytes).unwrap();
    other.log = "elsewhere".to_owned();
    broken[7].bytes = other.encode();
    assert!(matches!(views.follow(&broken), Err(Error::OtherLog { seq: 27, .. })));

    assert_eq!(dump(&views), before);
    assert_eq!(views.applied(), 20);
    views.follow(&entries[20..]).unwrap();
    assert_eq!(views.applied(), entries.len() as u64);
}

#[test]
fn views_that_do_not_fit_the_journal_are_wiped() {
    let entries = long().entries;
    let (_dir, path) = place();
    let refill = |head: usize, why: fn(&Wiped) -> bool| {
        let (views, opened) = open(&path, head);
        assert_eq!(opened.applied, 0);
        assert!(opened.wiped.as_ref().is_some_and(why), "{:?}", opened.wiped);
        views.follow(&entries).unwrap();
        dump(&views)
    };
    let (views, opened) = open(&path, 0);
    assert_eq!(opened, Opened { applied: 0, wiped: None });
    views.follow(&entries).unwrap();
    let whole = dump(&views);
    drop(views);

    assert_eq!(refill(5, |why| matches!(why, Wiped::Ahead { head: 5, .. })), whole);

    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE meta SET value = 99 WHERE key = 'version'", []).unwrap();
    drop(raw);
    assert_eq!(refill(500, |why| *why == Wiped::Version { found: 99 }), whole);

    fs::write(&path, "this was never a database, whatever its name says".repeat(99)).unwrap();
    assert_eq!(refill(500, |why| matches!(why, Wiped::Damaged { .. })), whole);

    // A row that cannot be read any more is noticed when it is read.
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE state SET row = '{' WHERE noun = 'agent'", []).unwrap();
    drop(raw);
    let (views, opened) = open(&path, 500);
    assert_eq!(opened.wiped, None);
    assert!(matches!(views.agents(), Err(Error::Row(_))));
    drop(views);
    assert_eq!(refill(500, |why| matches!(why, Wiped::Damaged { .. })), whole);

    // A process that was killed never said that it closed the file, so all of it is looked at.
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE meta SET value = 0 WHERE key = 'closed'", []).unwrap();
    raw.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(raw);
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in 10..pages {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xff; 64]).unwrap();
    }
    drop(file);
    assert_eq!(refill(500, |why| matches!(why, Wiped::Damaged { .. })), whole);
}

#[test]
fn what_payloads_say_never_reaches_the_file() {
    // Each payload of the story says it; the views are told the commitment, the subject and the place.
    let entries = long().entries;
    let (dir, path) = place();
    let (views, _) = open(&path, 0);
    views.follow(&entries).unwrap();
    assert!(!dump(&views).contains(CANARY));
    for file in fs::read_dir(dir.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
    }
}
