//! What a failing disk does: nobody is told that something is kept which is not, and nothing more is written.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::memory::{Memory, Mood};
use super::world::{SHOP, append, define, entry, options, sizes};
use crate::conformance::TestSigner;
use crate::{Backend, Batch, Error, FileJournal, Journal, LogId, Options};

struct World {
    disk: Memory,
    fatal: Arc<Mutex<Vec<String>>>,
    journal: FileJournal,
    log: LogId,
}

fn world(segment_bytes: u64) -> World {
    let disk = Memory::default();
    let fatal: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = fatal.clone();
    let on_fatal = Arc::new(move |cause: &str| heard.lock().unwrap().push(cause.to_owned()));
    let options = Options { on_fatal: Some(on_fatal), segment_bytes, ..options() };
    let (journal, _) = disk.open_with(options).unwrap();
    let log = define(&journal, SHOP);
    append(&journal, vec![entry(log, SHOP, 0, &[])]).unwrap();
    World { disk, fatal, journal, log }
}

fn poisons(mood: Mood, segment_bytes: u64, cause: &str) {
    let World { disk, fatal, journal, log } = world(segment_bytes);
    disk.feel(mood);
    let refused = append(&journal, vec![entry(log, SHOP, 1, &[])]).unwrap_err();
    assert_eq!(refused.to_string(), format!("the journal stopped: {cause}: the disk is moody"));
    // The disk is well again; the journal does not believe it.
    disk.feel(Mood::Well);
    for seq in [1, 2] {
        assert!(matches!(append(&journal, vec![entry(log, SHOP, seq, &[])]), Err(Error::Poisoned(_))));
    }
    assert!(matches!(journal.define("test/new", TestSigner::new("test/new", 1)), Err(Error::Poisoned(_))));
    assert_eq!(journal.head(log).size, 1, "what was acknowledged is still read");
    assert_eq!(journal.read(log, 0, 10, usize::MAX).unwrap().len(), 1);
    assert!(journal.health().poisoned.unwrap().contains("moody"));
    assert!(matches!(journal.close(), Err(Error::Poisoned(_))));
    assert_eq!(fatal.lock().unwrap().len(), 1, "the server is told once");
    drop(journal);
    // The next process finds all that was acknowledged. An entry that nobody was told of may be there or not.
    disk.verify().unwrap();
    let journal = disk.open();
    assert!((1..=2).contains(&sizes(&journal).0));
}

#[test]
fn a_failed_flush_poisons() {
    poisons(Mood::Flushes, 64 << 20, "a flush failed");
}

#[test]
fn a_write_that_got_halfway_poisons() {
    poisons(Mood::Writes, 64 << 20, "a write failed");
}

#[test]
fn a_segment_that_cannot_be_begun_poisons() {
    poisons(Mood::NewFiles, 1, "a new segment could not be begun");
    poisons(Mood::Flushes, 1, "a new segment could not be begun");
}

#[test]
fn everybody_who_waits_is_told() {
    let World { disk, journal, log, .. } = world(64 << 20);
    disk.feel(Mood::Flushes);
    let (told, answers) = channel();
    for seq in 1..200 {
        let told = told.clone();
        let batch = Batch { entries: vec![entry(log, SHOP, seq, &[])] };
        journal.append(batch, Box::new(move |result| told.send(result.is_err()).unwrap()));
    }
    assert!(answers.iter().take(199).all(|failed| failed));
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_announced_and_tried_again() {
    let World { disk, journal, log, .. } = world(64 << 20);
    disk.feel(Mood::Renames);
    assert!(matches!(journal.checkpoint_now(), Err(Error::Io { .. })));
    assert!(journal.health().checkpoint_failed.unwrap().contains("could not write the checkpoint"));
    append(&journal, vec![entry(log, SHOP, 1, &[])]).unwrap();
    disk.feel(Mood::Well);
    journal.checkpoint_now().unwrap();
    assert_eq!(journal.health().checkpoint_failed, None);
    assert_eq!(disk.verify().unwrap().logs[0].checkpoint_size, Some(2));
}

#[test]
fn a_callback_that_panics_stops_the_journal() {
    let World { journal, log, fatal, .. } = world(64 << 20);
    journal.append(
        Batch { entries: vec![entry(log, SHOP, 1, &[])] },
        Box::new(|_| panic!("a bug of the caller")),
    );
    assert!(matches!(journal.close(), Err(Error::Poisoned(_))));
    assert_eq!(*fatal.lock().unwrap(), ["the writer stopped unexpectedly"]);
}
