//! What was pruned leaves a base: with the entries after it, it makes the rows that all entries made.

use std::io::Cursor;

use journal::Stored;
use kernel::digest::Digest;
use kernel::event::{Base, Event, Pruned};
use kernel::run::RunOutcome;

use super::story::{Story, WAYS, Way};
use crate::{Error, Views};

fn dump(views: &Views) -> String {
    let mut out = Vec::new();
    views.dump(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn follow(views: &Views, entries: &[Stored], size: usize) {
    for batch in entries.chunks(size) {
        views.follow(batch).unwrap();
    }
}

/// A run that was let go, one that was not, and the entry that prunes the first; then another run. With the places of
/// the end of the first run and of the pruning.
fn story() -> (Story, usize, usize, String) {
    let mut story = Story::begin();
    let settled: Vec<Way> =
        WAYS.into_iter().filter(|way| !matches!(way, Way::Waiting | Way::HandedOver)).collect();
    let old = story.run(&settled, Some(RunOutcome::Done));
    let first = story.entries.len();
    story.run(&WAYS, Some(RunOutcome::Failed));
    story.add(Event::RetentionApplied { runs: vec![old.clone()], lapsed: vec![] });
    let at = story.entries.len();
    let base = Some(Base { applied: at as u64, sha256: Digest([1; 32]) });
    story.add(Event::JournalPruned(Pruned { first: 9, size: first as u64, root: Digest([2; 32]), base }));
    story.run(&WAYS, Some(RunOutcome::Done));
    (story, first, at, old.to_string())
}

#[test]
fn a_base_and_the_rest_equal_the_whole() {
    let (Story { entries, .. }, first, at, old) = story();
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    let whole = Views::open(&place("whole"), 0).unwrap().0;
    follow(&whole, &entries, entries.len());
    let whole = dump(&whole);
    // Only the entry that let go of it still names it.
    let left: Vec<&str> = whole.lines().filter(|line| line.contains(&old)).collect();
    assert!(left.len() == 1 && left[0].contains("retention.applied"), "{left:#?}");
    for size in [1, 3, 17] {
        let views = Views::open(&place(&format!("cut {size}")), 0).unwrap().0;
        follow(&views, &entries, size);
        assert_eq!(dump(&views), whole, "batches of {size}");
    }
    // The base may be written at any time before the entry that names it.
    for applied in [first, at - 1, at] {
        let before = Views::open(&place(&format!("before {applied}")), 0).unwrap().0;
        follow(&before, &entries[..applied], 50);
        let mut base = Vec::new();
        assert_eq!(before.base(&mut base, first as u64).unwrap(), applied as u64);
        let after = Views::from_base(&place(&format!("after {applied}")), &mut Cursor::new(&base)).unwrap();
        assert_eq!(after.applied(), applied as u64);
        follow(&after, &entries[applied..], 5);
        assert_eq!(dump(&after), whole, "from {applied}");
    }
}

#[test]
fn a_base_that_is_not_one_is_refused() {
    let (Story { entries, .. }, first, at, _) = story();
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(&dir.path().join("views"), 0).unwrap().0;
    follow(&views, &entries[..at], 50);
    let mut base = Vec::new();
    views.base(&mut base, first as u64).unwrap();
    let text = String::from_utf8(base).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for bad in [
        String::new(),
        text.replacen("views\t", "view\t", 1),
        text.replacen("views\t", "views\t9", 1),
        text.replacen("applied\t", "applied\tx", 1),
        text[..text.len() - 1].to_owned(),
        text.replacen("\nstate\t", "\nmeta\t", 1),
        format!("{text}runs\t1\n"),
        format!("{text}runs\tx\tx\tx\tx\tx\tx\tx\tx\n"),
        format!("{text}state\ta\\q\tb\tc\n"),
        format!("{text}{}\n", lines.last().unwrap()),
        format!("{text}state\t{}\n", "x".repeat(2 << 20)),
    ] {
        let made = Views::from_base(&dir.path().join("bad"), &mut Cursor::new(bad.as_bytes()));
        assert!(matches!(made, Err(Error::Base(_) | Error::Sqlite(_))), "{}", &bad[..bad.len().min(80)]);
    }
}

/// Journals that were pruned by an older program must open for ever.
#[test]
fn a_base_of_the_version_before_is_read() {
    let mut story = Story::begin();
    story.run(&WAYS, None);
    story.run(&WAYS, Some(RunOutcome::Done));
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(&dir.path().join("views"), 0).unwrap().0;
    follow(&views, &story.entries, 50);
    let mut base = Vec::new();
    views.base(&mut base, 1).unwrap();
    let now = String::from_utf8(base).unwrap();
    let before = |line: &str| match line.rsplit_once('\t') {
        Some((rest, _)) if line.starts_with("runs\t") => format!("{rest}\n"),
        _ => format!("{}\n", if line == "views\t4" { "views\t3" } else { line }),
    };
    let old: String = now.lines().map(before).collect();
    let read = |name: &str, text: &str| {
        dump(&Views::from_base(&dir.path().join(name), &mut Cursor::new(text.as_bytes())).unwrap())
    };
    assert_ne!(old, now);
    assert_eq!(read("old", &old), read("now", &now));
    assert!(now.contains("\tattached\n"), "an open run is among them");
}
