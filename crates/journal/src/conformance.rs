//! What any journal must do, as checks that a backend's tests call.
//!
//! Only the traits are used, so the battery fits a backend in a database as well. A check that fails panics with what
//! it expected: this module is for tests.

use std::fmt;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use ed25519_dalek::{Signer as _, SigningKey};
use kernel::ports::Signer;
use tlog::{Checkpoint, Tree, VerifierKey, leaf_hash, verify_inclusion};

use crate::error::Error;
use crate::journal::{
    Backend, Batch, Durable, ENTRY_BYTES_MAX, LogId, NewEntry, PAYLOAD_BYTES_MAX, SealedPayload,
};

/// A place that keeps one journal. Opening again, after the one before was closed, finds what was acknowledged.
pub trait Place {
    /// Opens the journal that is kept here.
    fn open(&self) -> Box<dyn Backend>;
}

/// A signer whose key is made from a number: for tests only.
pub struct TestSigner {
    name: String,
    key: SigningKey,
}

impl TestSigner {
    /// The key of a log.
    pub fn new(name: &str, seed: u8) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), key: SigningKey::from_bytes(&[seed; 32]) })
    }
}

impl fmt::Debug for TestSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSigner").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Signer for TestSigner {
    fn name(&self) -> &str {
        &self.name
    }

    fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

/// Runs the whole battery; `place` gives a new and empty place each time.
pub fn check(place: &dyn Fn() -> Box<dyn Place>) {
    let checks: [fn(&dyn Place); 9] = [
        a_log_is_defined_once_and_keeps_its_key,
        what_is_acknowledged_can_be_read_and_outlives_the_process,
        callbacks_come_in_the_order_of_the_appends,
        what_does_not_follow_is_refused_and_changes_nothing,
        what_is_too_large_is_refused_and_changes_nothing,
        logs_do_not_mix,
        ranges_are_read_as_asked,
        payloads_come_back,
        checkpoints_and_proofs_hold,
    ];
    for check in checks {
        check(&*place());
    }
}

fn entry(log: LogId, seq: u64) -> NewEntry {
    NewEntry { log, seq, bytes: format!("{{\"seq\":{seq}}}").into_bytes(), payloads: vec![] }
}

fn send(journal: &dyn Backend, entries: Vec<NewEntry>) -> Receiver<Result<Durable, Error>> {
    let (told, answer) = channel();
    journal.append(Batch { entries }, Box::new(move |result| drop(told.send(result))));
    answer
}

/// Appends and waits.
fn append(journal: &dyn Backend, entries: Vec<NewEntry>) -> Result<Durable, Error> {
    send(journal, entries).recv().expect("every append is answered")
}

fn define(journal: &dyn Backend, name: &str) -> LogId {
    journal.define(name, TestSigner::new(name, 1)).expect("a log can be defined")
}

fn texts(journal: &dyn Backend, log: LogId) -> Vec<String> {
    let entries = journal.read(log, 0, usize::MAX, usize::MAX).expect("a log can be read");
    for (at, entry) in (0..).zip(&entries) {
        assert_eq!(entry.seq, at, "positions are contiguous from 0");
    }
    entries.into_iter().map(|entry| String::from_utf8(entry.bytes).expect("we wrote text")).collect()
}

fn a_log_is_defined_once_and_keeps_its_key(place: &dyn Place) {
    for _ in 0..2 {
        let journal = place.open();
        let first = define(&*journal, "conformance/a");
        assert_eq!(define(&*journal, "conformance/a"), first);
        let second = define(&*journal, "conformance/b");
        assert_ne!(first, second);
        assert_eq!(journal.head(first).root, Tree::default().root(), "a new log is empty");
        let other = journal.define("conformance/a", TestSigner::new("conformance/a", 2));
        assert!(matches!(other, Err(Error::KeyChanged { .. })), "{other:?}");
        for name in ["", "../a", "a b", "a\nb"] {
            let named = journal.define(name, TestSigner::new(name, 1));
            assert!(matches!(named, Err(Error::LogName { .. })), "{named:?}");
        }
        journal.close().expect("a journal can be closed");
    }
}

fn what_is_acknowledged_can_be_read_and_outlives_the_process(place: &dyn Place) {
    let mut expected: Vec<String> = Vec::new();
    for _ in 0..3 {
        let journal = place.open();
        let log = define(&*journal, "conformance/a");
        assert_eq!(texts(&*journal, log), expected);
        for _ in 0..5 {
            let seq = expected.len() as u64;
            append(&*journal, vec![entry(log, seq), entry(log, seq + 1)]).expect("it follows");
            expected.extend([format!("{{\"seq\":{seq}}}"), format!("{{\"seq\":{}}}", seq + 1)]);
            assert_eq!(journal.head(log).size, expected.len() as u64, "visible when acknowledged");
            assert_eq!(texts(&*journal, log), expected);
        }
        append(&*journal, vec![]).expect("an empty batch is no error");
        journal.close().expect("a journal can be closed");
        let after = append(&*journal, vec![entry(log, expected.len() as u64)]);
        assert!(matches!(after, Err(Error::Closed)), "{after:?}");
    }
}

fn callbacks_come_in_the_order_of_the_appends(place: &dyn Place) {
    let journal = place.open();
    let log = define(&*journal, "conformance/a");
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (told, answers) = channel();
    for seq in 0..500 {
        let (seen, told) = (seen.clone(), told.clone());
        let done = move |result: Result<Durable, Error>| {
            result.expect("it follows");
            seen.lock().expect("no panic").push(seq);
            told.send(()).expect("somebody listens");
        };
        journal.append(Batch { entries: vec![entry(log, seq)] }, Box::new(done));
    }
    assert_eq!(answers.iter().take(500).count(), 500);
    assert_eq!(*seen.lock().expect("no panic"), (0..500).collect::<Vec<_>>());
    journal.close().expect("a journal can be closed");
}

fn what_does_not_follow_is_refused_and_changes_nothing(place: &dyn Place) {
    let journal = place.open();
    let log = define(&*journal, "conformance/a");
    append(&*journal, vec![entry(log, 0)]).expect("it follows");
    for batch in [
        vec![entry(log, 0)],
        vec![entry(log, 2)],
        vec![entry(log, 1), entry(log, 1)],
        vec![entry(log, 1), entry(log, 3)],
        vec![entry(log, u64::MAX)],
    ] {
        let refused = append(&*journal, batch);
        assert!(matches!(refused, Err(Error::OutOfOrder { expected: 1 | 2, .. })), "{refused:?}");
    }
    let unknown = append(&*journal, vec![entry(LogId(77), 0)]);
    assert!(matches!(unknown, Err(Error::UnknownLog(77))), "{unknown:?}");
    append(&*journal, vec![entry(log, 1)]).expect("what was refused left no trace");
    assert_eq!(texts(&*journal, log).len(), 2);
    journal.close().expect("a journal can be closed");
}

fn what_is_too_large_is_refused_and_changes_nothing(place: &dyn Place) {
    let journal = place.open();
    let log = define(&*journal, "conformance/a");
    let payload = |bytes| SealedPayload { commitment: [1; 32], subject: "s".to_owned(), bytes };
    let large = NewEntry { bytes: vec![b'x'; ENTRY_BYTES_MAX + 1], ..entry(log, 0) };
    let heavy = NewEntry { payloads: vec![payload(vec![0; PAYLOAD_BYTES_MAX + 1])], ..entry(log, 0) };
    for bad in [large, heavy] {
        let refused = append(&*journal, vec![bad]);
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    }
    let most = vec![payload(vec![7; PAYLOAD_BYTES_MAX])];
    append(&*journal, vec![NewEntry { bytes: vec![b'x'; ENTRY_BYTES_MAX], payloads: most, ..entry(log, 0) }])
        .expect("the largest entry and payload are taken");
    let stored = journal.read(log, 0, 1, 1).expect("a log can be read").remove(0);
    assert_eq!(stored.bytes.len(), ENTRY_BYTES_MAX);
    assert_eq!(journal.payload(&stored.payloads[0].at).expect("it is there").len(), PAYLOAD_BYTES_MAX);
    journal.close().expect("a journal can be closed");
}

fn logs_do_not_mix(place: &dyn Place) {
    let journal = place.open();
    let (a, b) = (define(&*journal, "conformance/a"), define(&*journal, "conformance/b"));
    let named =
        |log, seq, name: &str| NewEntry { bytes: format!("{name}{seq}").into_bytes(), ..entry(log, seq) };
    for seq in 0..100 {
        append(&*journal, vec![named(a, seq, "a"), named(b, 2 * seq, "b"), named(b, 2 * seq + 1, "b")])
            .expect("it follows");
    }
    let check = |journal: &dyn Backend| {
        for (log, name, count) in [(a, "a", 100), (b, "b", 200)] {
            let expected: Vec<String> = (0..count).map(|seq| format!("{name}{seq}")).collect();
            let mut tree = Tree::default();
            for text in &expected {
                tree.push(leaf_hash(text.as_bytes()));
            }
            assert_eq!((journal.head(log).size, journal.head(log).root), (count, tree.root()));
            assert_eq!(texts(journal, log), expected);
        }
    };
    check(&*journal);
    journal.close().expect("a journal can be closed");
    let again = place.open();
    check(&*again);
    again.close().expect("a journal can be closed");
}

fn ranges_are_read_as_asked(place: &dyn Place) {
    let journal = place.open();
    let log = define(&*journal, "conformance/a");
    for seq in 0..300 {
        // Ten bytes each.
        let bytes = format!("{seq:010}").into_bytes();
        drop(send(&*journal, vec![NewEntry { bytes, ..entry(log, seq) }]));
    }
    append(&*journal, vec![]).expect("an empty batch waits its turn");
    let read = |from, entries, bytes| -> Vec<u64> {
        let found = journal.read(log, from, entries, bytes).expect("a log can be read");
        for entry in &found {
            assert_eq!(entry.bytes, format!("{:010}", entry.seq).into_bytes());
        }
        found.iter().map(|entry| entry.seq).collect()
    };
    for from in [0, 1, 63, 64, 65, 150, 299] {
        assert_eq!(read(from, 3, usize::MAX), (from..(from + 3).min(300)).collect::<Vec<_>>());
        assert_eq!(read(from, usize::MAX, 25), (from..(from + 2).min(300)).collect::<Vec<_>>());
        assert_eq!(read(from, usize::MAX, usize::MAX), (from..300).collect::<Vec<_>>());
    }
    assert_eq!(read(5, 10, 0), [5], "at least one");
    assert_eq!(read(5, 0, 10), [0_u64; 0]);
    assert_eq!(read(300, 10, 10), [0_u64; 0]);
    assert_eq!(read(u64::MAX, 10, 10), [0_u64; 0]);
    assert!(matches!(journal.read(LogId(99), 0, 1, 1), Err(Error::UnknownLog(99))));
    journal.close().expect("a journal can be closed");
}

fn payloads_come_back(place: &dyn Place) {
    let journal = place.open();
    let log = define(&*journal, "conformance/a");
    let payload = |number: u8| SealedPayload {
        commitment: [number; 32],
        subject: format!("subject-{number}"),
        bytes: vec![number; usize::from(number) * 1_000],
    };
    let with = |seq, payloads| NewEntry { payloads, ..entry(log, seq) };
    append(
        &*journal,
        vec![with(0, vec![payload(1), payload(2)]), with(1, vec![]), with(2, vec![payload(0)])],
    )
    .expect("it follows");
    let check = |journal: &dyn Backend| {
        let stored = journal.read(log, 0, 10, usize::MAX).expect("a log can be read");
        let numbers: Vec<Vec<u8>> =
            stored.iter().map(|entry| entry.payloads.iter().map(|at| at.commitment[0]).collect()).collect();
        assert_eq!(numbers, [vec![1, 2], vec![], vec![0]]);
        for found in stored.iter().flat_map(|entry| &entry.payloads) {
            let expected = payload(found.commitment[0]);
            assert_eq!((found.commitment, &found.subject), (expected.commitment, &expected.subject));
            assert_eq!(journal.payload(&found.at).expect("it is there"), expected.bytes);
        }
        stored
    };
    let before = check(&*journal);
    journal.close().expect("a journal can be closed");
    let again = place.open();
    assert_eq!(check(&*again), before, "places last");
    again.close().expect("a journal can be closed");
}

fn checkpoints_and_proofs_hold(place: &dyn Place) {
    let key = VerifierKey::of(&*TestSigner::new("conformance/a", 1));
    let journal = place.open();
    let log = define(&*journal, "conformance/a");
    for seq in 0..21 {
        append(&*journal, vec![entry(log, seq)]).expect("it follows");
    }
    journal.checkpoint_now().expect("a checkpoint can be written");
    let note = journal.checkpoint(log).expect("there is one now");
    let checkpoint = Checkpoint::open(&note, &key).expect("the log's key signed it");
    assert_eq!(checkpoint.origin(), "conformance/a");
    assert_eq!((checkpoint.size(), *checkpoint.root()), (21, journal.head(log).root));
    for seq in 0..21 {
        let path = journal.prove(log, seq, 21).expect("the entry is there");
        let leaf = leaf_hash(format!("{{\"seq\":{seq}}}").as_bytes());
        assert!(verify_inclusion(&leaf, seq, 21, &path, checkpoint.root()), "entry {seq}");
    }
    for (seq, size) in [(21, 21), (0, 22), (0, 0)] {
        assert!(matches!(journal.prove(log, seq, size), Err(Error::OutOfRange { .. })));
    }
    append(&*journal, vec![entry(log, 21)]).expect("it follows");
    journal.close().expect("a journal can be closed");
    let again = place.open();
    let note = again.checkpoint(log).expect("closing writes one");
    assert!(key.open(&note).expect("the log's key signed it").starts_with("conformance/a\n22\n"));
    assert!(again.health().poisoned.is_none());
    again.close().expect("a journal can be closed");
}
