//! A journal at work: the battery, segments, the lock, checkpoints, the checkpointer's thread.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::world::{SHOP, World, append, define, entry, options, sizes, write_story};
use crate::conformance::{self, Place, TestSigner};
use crate::{Backend, Error, FaultKind, FileJournal, Journal, LogId, Options, Recovery, verify};

struct Files {
    dir: tempfile::TempDir,
    segment_bytes: u64,
}

impl Place for Files {
    fn open(&self) -> Box<dyn Backend> {
        let options = Options { segment_bytes: self.segment_bytes, ..options() };
        Box::new(FileJournal::open(self.dir.path(), options).unwrap().0)
    }
}

#[test]
fn files_conform() {
    conformance::check(&|| Box::new(Files { dir: tempfile::tempdir().unwrap(), segment_bytes: 64 << 20 }));
}

#[test]
fn files_conform_with_a_segment_for_every_batch() {
    conformance::check(&|| Box::new(Files { dir: tempfile::tempdir().unwrap(), segment_bytes: 1 }));
}

fn real(dir: &Path) -> Result<(FileJournal, Recovery), Error> {
    FileJournal::open(dir, options())
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir.join("journal")).unwrap().map(|file| file.unwrap().path());
    let mut segments: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    segments.sort();
    segments
}

/// Three openings, small segments, two hundred entries with payloads.
fn rolled(dir: &Path) {
    for opening in 0..3 {
        let (journal, recovery) =
            FileJournal::open(dir, Options { segment_bytes: 4_096, ..options() }).unwrap();
        assert_eq!(recovery.cut, None);
        let log = define(&journal, SHOP);
        for seq in opening * 70..(opening + 1) * 70 {
            append(&journal, vec![entry(log, SHOP, seq, &["text"])]).unwrap();
        }
        journal.close().unwrap();
    }
}

#[test]
fn segments_roll_over_and_read_as_one() {
    let dir = tempfile::tempdir().unwrap();
    rolled(dir.path());
    assert!(segments(dir.path()).len() > 8);
    let verified = verify(dir.path(), &mut |_| {}).unwrap();
    assert_eq!(
        (verified.entries, verified.logs[0].size, verified.logs[0].checkpoint_size),
        (210, 210, Some(210))
    );
    assert_eq!((verified.logs[0].payloads, verified.logs[0].payloads_missing), (210, 0));
    let journal = real(dir.path()).unwrap().0;
    let all = journal.read(LogId(0), 0, usize::MAX, usize::MAX).unwrap();
    assert_eq!(all.len(), 210);
    for from in 0..210_usize {
        assert_eq!(
            journal.read(LogId(0), from as u64, 7, usize::MAX).unwrap(),
            all[from..(from + 7).min(210)]
        );
    }
    assert!(journal.health().segments > 8);
}

fn copied(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for part in ["journal", "checkpoints"] {
        fs::create_dir(copy.path().join(part)).unwrap();
        for file in fs::read_dir(from.join(part)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.path().join(part).join(file.file_name())).unwrap();
        }
    }
    copy
}

/// Written by the first version of this program.
#[test]
fn a_journal_of_format_1_opens_for_ever() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures/format-1");
    let root = verify(&old, &mut |_| {}).unwrap().logs[0].root;
    // Zeros behind its last frame were never room.
    let torn = copied(&old);
    let last = segments(torn.path()).pop().unwrap();
    fs::write(&last, [fs::read(&last).unwrap(), vec![0; 100]].concat()).unwrap();
    assert_eq!(verify(torn.path(), &mut |_| {}).unwrap().torn.unwrap().bytes, 100);
    assert_eq!(real(torn.path()).unwrap().1.cut.unwrap().bytes, 100);
    let copy = copied(&old);
    let count = segments(copy.path()).len();
    for opening in 0..2 {
        let (journal, recovery) = real(copy.path()).unwrap();
        assert_eq!((recovery.cut, recovery.entries), (None, 210 + opening));
        append(&journal, vec![entry(LogId(0), SHOP, 210 + opening, &[])]).unwrap();
        assert_eq!(journal.read(LogId(0), 0, 500, usize::MAX).unwrap().len() as u64, 211 + opening);
        define(&journal, SHOP);
        journal.close().unwrap();
        // What is added goes into a segment of its own, the old ones stay as they are.
        assert_eq!(segments(copy.path()).len(), count + 1);
        for file in segments(&old) {
            let kept = copy.path().join("journal").join(file.file_name().unwrap());
            assert_eq!(fs::read(kept).unwrap(), fs::read(file).unwrap());
        }
    }
    let verified = verify(copy.path(), &mut |_| {}).unwrap();
    assert_eq!((verified.entries, verified.logs[0].checkpoint_size), (212, Some(212)));
    assert_ne!(verified.logs[0].root, root);
}

/// Written by the second version: zeros behind the last batch were room.
#[test]
fn a_journal_of_format_2_opens_for_ever() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures/format-2");
    let before = verify(&old, &mut |_| {}).unwrap();
    let copy = copied(&old);
    let last = segments(copy.path()).pop().unwrap();
    fs::write(&last, [fs::read(&last).unwrap(), vec![0; 9_000]].concat()).unwrap();
    let (journal, recovery) = real(copy.path()).unwrap();
    assert_eq!((recovery.cut, recovery.entries), (None, before.entries));
    let size = before.logs[0].size;
    append(&journal, vec![entry(LogId(0), SHOP, size, &[])]).unwrap();
    define(&journal, SHOP);
    journal.close().unwrap();
    for file in segments(&old) {
        let kept = fs::read(copy.path().join("journal").join(file.file_name().unwrap())).unwrap();
        assert!(kept.starts_with(&fs::read(file).unwrap()));
    }
    let verified = verify(copy.path(), &mut |_| {}).unwrap();
    assert_eq!((verified.entries, verified.logs[0].checkpoint_size), (before.entries + 1, Some(size + 1)));
}

/// Written by the third version: a log got another key in the middle, at the head of a segment.
#[test]
fn a_journal_of_format_3_opens_for_ever() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures/format-3");
    let before = verify(&old, &mut |_| {}).unwrap();
    let [shop, platform] = [0, 1].map(|log| before.logs[log].clone());
    assert_eq!((shop.former.len(), platform.former.len()), (1, 0));
    assert!(shop.former[0].size < shop.size && shop.checkpoint_size == Some(shop.size));
    let all = segments(&old);
    let has_note = |path: &&PathBuf| {
        fs::read(path).unwrap().windows(29).any(|window| window == b"countersign/log-succession/v1")
    };
    assert_eq!(all.iter().filter(has_note).count(), 1);
    let copy = copied(&old);
    let (journal, recovery) = real(copy.path()).unwrap();
    assert_eq!((recovery.cut, recovery.entries), (None, before.entries));
    assert_eq!(journal.read(LogId(0), 0, 500, usize::MAX).unwrap().len() as u64, shop.size);
    let log = journal.define(SHOP, TestSigner::new(SHOP, 2)).unwrap();
    assert!(matches!(journal.define(SHOP, TestSigner::new(SHOP, 1)), Err(Error::KeyChanged { .. })));
    append(&journal, vec![entry(log, SHOP, shop.size, &[])]).unwrap();
    journal.close().unwrap();
    for file in all {
        let kept = fs::read(copy.path().join("journal").join(file.file_name().unwrap())).unwrap();
        let bytes = fs::read(file).unwrap();
        // What was room may be cut or written to.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        assert!(kept.starts_with(&bytes[..=used]));
    }
    let verified = verify(copy.path(), &mut |_| {}).unwrap();
    assert_eq!(
        (verified.logs[0].size, verified.logs[0].checkpoint_size),
        (shop.size + 1, Some(shop.size + 1))
    );
    assert_eq!(verified.logs[0].former, shop.former);
}

#[test]
fn opening_reads_the_end_only() {
    let dir = tempfile::tempdir().unwrap();
    rolled(dir.path());
    let all = segments(dir.path());
    // Wherever the damage is, and however large: opening does not see it, reading and verifying do.
    for hurt in &all[..all.len() - 1] {
        let bytes = fs::read(hurt).unwrap();
        fs::write(hurt, vec![0xff; bytes.len()]).unwrap();
        let journal = real(dir.path()).unwrap().0;
        assert_eq!((sizes_of_shop(&journal), journal.health().segments), (210, all.len() as u64));
        assert!(!journal.read(LogId(0), 209, 1, usize::MAX).unwrap().is_empty());
        let refused = journal.read(LogId(0), 0, usize::MAX, usize::MAX).unwrap_err();
        assert!(matches!(refused, Error::Damaged(_)), "{refused}");
        drop(journal);
        assert!(verify(dir.path(), &mut |_| {}).is_err());
        fs::write(hurt, bytes).unwrap();
    }
    verify(dir.path(), &mut |_| {}).unwrap();
    // With a checkpoint of long ago opening goes back as far as it vouches: the same entries under the same key.
    let other = tempfile::tempdir().unwrap();
    let journal = real(other.path()).unwrap().0;
    let log = define(&journal, SHOP);
    for seq in 0..70 {
        append(&journal, vec![entry(log, SHOP, seq, &["text"])]).unwrap();
    }
    journal.close().unwrap();
    let note = "checkpoints/test~shop";
    fs::copy(other.path().join(note), dir.path().join(note)).unwrap();
    assert_eq!(sizes_of_shop(&real(dir.path()).unwrap().0), 210);
}

fn sizes_of_shop(journal: &FileJournal) -> u64 {
    journal.head(LogId(0)).size
}

#[test]
fn a_missing_segment_is_noticed_wherever_it_was() {
    let dir = tempfile::tempdir().unwrap();
    rolled(dir.path());
    let count = segments(dir.path()).len();
    for gone in 0..count {
        let copy = copied(dir.path());
        fs::remove_file(&segments(copy.path())[gone]).unwrap();
        let fault = verify(copy.path(), &mut |_| {}).unwrap_err();
        let expected = matches!(fault.kind, FaultKind::MissingSegment { .. } | FaultKind::Shorter { .. });
        assert!(expected, "segment {gone} of {count}: {fault}");
        // Opening reads the end only; whoever reads where the segment was meets the gap.
        let damaged = |error| assert!(matches!(error, Error::Damaged(_)), "segment {gone} of {count}");
        match real(copy.path()) {
            Err(error) => damaged(error),
            Ok((journal, _)) => {
                assert!(gone + 1 < count, "the last one is vouched for");
                match journal.read(LogId(0), 0, usize::MAX, usize::MAX).unwrap_err() {
                    // Opening does not know whether the front was pruned on record: `verify` and the server ask.
                    Error::Pruned { .. } if gone == 0 => {}
                    error => damaged(error),
                }
            }
        }
    }
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let journal = real(dir.path()).unwrap().0;
    let refused = real(dir.path()).unwrap_err();
    let who = std::process::id();
    assert!(
        refused.to_string().ends_with(&format!("is in use by another process (process {who})")),
        "{refused}"
    );
    assert!(refused.hint().unwrap().contains("stop the other server"));
    journal.close().unwrap();
    real(dir.path()).unwrap().0.close().unwrap();
}

#[test]
fn the_checkpointer_signs_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) =
        FileJournal::open(dir.path(), Options { checkpoint_interval: Duration::ZERO, ..options() }).unwrap();
    let log = define(&journal, SHOP);
    append(&journal, vec![entry(log, SHOP, 0, &[])]).unwrap();
    // Yields until the other thread had its turn; the suite's own limit ends it otherwise.
    while journal.checkpoint(log).is_none() {
        std::thread::yield_now();
    }
    let file = fs::read_to_string(dir.path().join("checkpoints/test~shop")).unwrap();
    assert_eq!(journal.checkpoint(log), Some(file));
}

#[test]
fn many_threads_share_flushes() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Arc::new(real(dir.path()).unwrap().0);
    let logs: Vec<(String, LogId)> =
        (0..8).map(|n| format!("test/{n}")).map(|n| (n.clone(), define(&journal, &n))).collect();
    std::thread::scope(|scope| {
        for (name, log) in &logs {
            let journal = &journal;
            scope.spawn(move || {
                for seq in 0..50 {
                    append(journal, vec![entry(*log, name, seq, &[])]).unwrap();
                    assert!(journal.head(*log).size > seq);
                }
            });
        }
    });
    let health = journal.health();
    assert_eq!((health.entries, health.waiting_bytes, health.poisoned), (400, 0, None));
    assert!(health.flushes <= 408);
    journal.close().unwrap();
    assert_eq!(verify(dir.path(), &mut |_| {}).unwrap().entries, 400);
}

#[test]
fn more_than_memory_should_hold_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = FileJournal::open(dir.path(), Options { waiting_bytes_max: 10, ..options() }).unwrap();
    let log = define(&journal, SHOP);
    let refused = append(&journal, vec![entry(log, SHOP, 0, &[])]);
    assert!(matches!(refused, Err(Error::Full { .. })), "{refused:?}");
}

#[test]
fn a_torn_checkpoint_draft_is_passed_over() {
    let disk = World::new(true).disk.with("checkpoints/.test~shop.new", b"half a no");
    disk.verify().unwrap();
    assert_eq!(sizes(&disk.open()), (6, 2));
}

#[test]
fn a_signer_of_another_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let journal = real(dir.path()).unwrap().0;
    let refused = journal.define(SHOP, TestSigner::new("test/other", 1));
    assert!(matches!(refused, Err(Error::LogName { .. })), "{refused:?}");
}

#[test]
fn progress_reaches_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let journal = real(dir.path()).unwrap().0;
    write_story(&journal);
    journal.close().unwrap();
    let mut seen = vec![];
    let verified = verify(dir.path(), &mut |progress| seen.push(progress)).unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.bytes, last.entries), (last.bytes_total, 8));
    assert_eq!(verified.bytes, last.bytes_total);
}
