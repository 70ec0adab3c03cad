//! A copy that is cut at a point in the past: whole batches, no checkpoints, and a new origin to go on.

use std::path::Path;

use super::world::{PLATFORM, SHOP, append, define, entry, options, write_story};
use crate::conformance::TestSigner;
use crate::{Backend as _, FileJournal, LogId, Options, Signer, cut_behind, succeed, verify};

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("journal")).unwrap().count()
}

#[test]
fn every_point_leaves_whole_batches_and_a_journal_that_goes_on() {
    // Entries of shop after each of the story's batches.
    for (point, left) in [(0, 1), (1, 1), (2, 3), (3, 4), (4, 4), (5, 6), (9, 6)] {
        let dir = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(dir.path(), options()).unwrap().0;
        write_story(&journal);
        journal.close().unwrap();
        let kept = cut_behind(dir.path(), &mut |entry| entry.log != SHOP || entry.seq <= point).unwrap();
        assert_eq!(
            (kept[0].tree.size(), kept[0].at),
            (left, Some(999 + i64::try_from(left).unwrap())),
            "{point}"
        );
        let verified = verify(dir.path(), &mut |_| {}).unwrap();
        assert_eq!((verified.logs[0].size, verified.logs[0].checkpoint_size), (left, None), "{point}");
        let signer = |name: &str, seed| TestSigner::new(name, seed);
        let next = [("test/shop/2", SHOP), ("test/platform/2", PLATFORM)];
        let keys = next.map(|(new, old)| (signer(old, 1), signer(new, 2)));
        let changes: Vec<(&dyn Signer, &dyn Signer)> =
            keys.iter().map(|(old, new)| (&**old as &dyn Signer, &**new as &dyn Signer)).collect();
        succeed(dir.path(), &changes).unwrap();
        let journal = FileJournal::open(dir.path(), options()).unwrap().0;
        let log = journal.define("test/shop/2", signer("test/shop/2", 2)).unwrap();
        append(&journal, vec![entry(log, "test/shop/2", left, &[])]).unwrap();
        journal.close().unwrap();
        let verified = verify(dir.path(), &mut |_| {}).unwrap();
        assert_eq!((verified.logs[0].size, verified.logs[0].checkpoint_size), (left + 1, Some(left + 1)));
        assert_eq!(verified.logs[0].former[0].root, kept[0].tree.root());
    }
}

#[test]
fn later_segments_go_and_a_point_before_everything_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(dir.path(), Options { segment_bytes: 4_096, ..options() }).unwrap().0;
    let log = define(&journal, SHOP);
    for seq in 0..100 {
        append(&journal, vec![entry(log, SHOP, seq, &["text"])]).unwrap();
    }
    journal.close().unwrap();
    let before = files(dir.path());
    let kept = cut_behind(dir.path(), &mut |entry| entry.at <= 1_040).unwrap();
    assert_eq!(kept[0].tree.size(), 41);
    assert!(files(dir.path()) < before - 2);
    assert_eq!(verify(dir.path(), &mut |_| {}).unwrap().logs[0].size, 41);
    // All of it: only the head of the journal is left, with no entry.
    cut_behind(dir.path(), &mut |_| false).unwrap();
    assert_eq!(verify(dir.path(), &mut |_| {}).unwrap().entries, 0);
    let journal = FileJournal::open(dir.path(), options()).unwrap().0;
    assert_eq!(crate::Journal::head(&journal, LogId(0)).size, 0);
}
