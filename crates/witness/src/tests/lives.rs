//! One witness over crashes and races: whatever happens, two histories are never signed.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use kernel::clock::{Clock, Now};

use super::world::{LOG, Log, Noon, awake, key, policy, witness_key};
use crate::{Answer, Files, Keep, MemoryError, Next, Service, read_answer};

fn said(answer: &Answer) -> (u16, &str) {
    (answer.status, if answer.status == 200 { "" } else { answer.body.trim_end() })
}

#[test]
fn what_was_seen_is_remembered_over_starts() {
    let dir = tempfile::tempdir().unwrap();
    let (log, fork) = (Log::of(30, ""), Log::of(30, "x"));
    let first = awake(dir.path());
    let answer = first.add(&log.request(0, 5));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(matches!(
        read_answer(200, answer.body.as_bytes(), &log.note(5), 0, &witness_key()),
        Next::Cosigned(_)
    ));
    assert_eq!(said(&first.add(&log.request(5, 12))), (200, ""));
    drop(first);
    let second = awake(dir.path());
    assert_eq!(said(&second.add(&fork.request(0, 12))), (409, "12"), "another history");
    assert_eq!(said(&second.add(&fork.request(12, 12))), (409, "12"), "of the same size");
    assert_eq!(said(&second.add(&fork.request(12, 20))).0, 422, "that does not continue what was seen");
    assert_eq!(said(&second.add(&log.request(12, 30))), (200, ""));
    assert_eq!(said(&second.add(b"old 1\n")).0, 400);
    assert_eq!(said(&second.add(&[0xff; 10])).0, 400);
    assert_eq!(said(&second.add(&vec![b'x'; 1 << 20])).0, 400);
}

#[test]
fn a_kill_between_memory_and_signature_loses_nothing() {
    /// Keeps, and then the process ends: what it says is never heard.
    struct KilledAfter(Files);
    impl Keep for KilledAfter {
        fn keep(&mut self, origin: &str, note: &str) -> io::Result<()> {
            self.0.keep(origin, note)?;
            Err(io::Error::other("killed"))
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (log, fork) = (Log::of(30, ""), Log::of(30, "x"));
    let (memory, seen) = Files::open(dir.path()).unwrap();
    let dying = Service::new(&policy(), Box::new(KilledAfter(memory)), &seen, key(), Box::new(Noon));
    assert_eq!(said(&dying.add(&log.request(0, 9))).0, 500);
    drop(dying);
    let again = awake(dir.path());
    assert_eq!(said(&again.add(&fork.request(0, 9))), (409, "9"), "what was kept counts, signed or not");
    assert_eq!(
        said(&again.add(&log.request(0, 9))),
        (409, "9"),
        "the log asks as before, and is told from where"
    );
    assert_eq!(said(&again.add(&log.request(9, 9))), (200, ""), "and gets its cosignature");
}

#[test]
fn a_kill_at_any_point_of_keeping_leaves_the_old_or_the_new() {
    let log = Log::of(30, "");
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(awake(dir.path()).add(&log.request(0, 4)).status, 200);
    let seen = dir.path().join("seen");
    let name = std::fs::read_dir(&seen).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    // A draft of any length, left behind by a crash, is no memory.
    let next = log.note(8);
    for len in [0, 1, next.len() / 2, next.len()] {
        std::fs::write(seen.join(format!(".{name}.new")), &next.as_bytes()[..len]).unwrap();
        assert_eq!(said(&awake(dir.path()).add(&log.request(5, 6))), (409, "4"), "draft of {len}");
    }
    assert_eq!(awake(dir.path()).add(&log.request(4, 8)).status, 200, "a draft is written over");
}

#[test]
fn a_witness_that_could_not_keep_never_signs_again() {
    struct Full;
    impl Keep for Full {
        fn keep(&mut self, _: &str, _: &str) -> io::Result<()> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
    }
    let log = Log::of(30, "");
    let witness = Service::new(&policy(), Box::new(Full), &[], key(), Box::new(Noon));
    for old in [0, 5, 0] {
        assert_eq!(witness.add(&log.request(old, 5)).status, 500);
    }
    assert!(witness.broken().unwrap().contains(LOG));
}

#[test]
fn nothing_is_signed_before_it_is_kept() {
    static KEPT: AtomicBool = AtomicBool::new(false);
    struct Noting(Files);
    impl Keep for Noting {
        fn keep(&mut self, origin: &str, note: &str) -> io::Result<()> {
            self.0.keep(origin, note)?;
            KEPT.store(true, Ordering::SeqCst);
            Ok(())
        }
    }
    /// The time is asked for when it is signed, and not before.
    #[derive(Debug)]
    struct Asked;
    impl Clock for Asked {
        fn now(&self) -> Now {
            assert!(KEPT.load(Ordering::SeqCst), "signed before it was kept");
            Noon.now()
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (memory, seen) = Files::open(dir.path()).unwrap();
    let witness = Service::new(&policy(), Box::new(Noting(memory)), &seen, key(), Box::new(Asked));
    assert_eq!(witness.add(&Log::of(9, "").request(0, 9)).status, 200);
}

#[test]
fn of_racing_histories_one_is_signed() {
    for round in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let witness = Arc::new(awake(dir.path()));
        let logs: Vec<Log> = ["", "x", "y", "z"].map(|salt| Log::of(12, salt)).into();
        let start = Arc::new(Barrier::new(logs.len()));
        let threads: Vec<_> = logs
            .into_iter()
            .map(|log| {
                let (witness, start) = (witness.clone(), start.clone());
                std::thread::spawn(move || {
                    start.wait();
                    let answers =
                        [log.request(0, 12), log.request(12, 12)].map(|body| witness.add(&body).status);
                    answers.contains(&200)
                })
            })
            .collect();
        let signed =
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|signed| *signed).count();
        assert_eq!(signed, 1, "round {round}");
    }
}

#[test]
fn a_memory_that_cannot_be_trusted_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of(30, "");
    assert_eq!(awake(dir.path()).add(&log.request(0, 4)).status, 200);
    let held = Files::open(dir.path()).unwrap();
    assert!(matches!(Files::open(dir.path()), Err(MemoryError::Locked(_))), "one process at a time");
    drop(held);
    let seen = dir.path().join("seen");
    let file = std::fs::read_dir(&seen).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    for damage in [&whole[..10], b"", b"\xff\xff", log.note(5).replace("shop", "shed").as_bytes()] {
        std::fs::write(&file, damage).unwrap();
        let refused = Files::open(dir.path());
        assert!(refused.is_err(), "{refused:?}");
    }
    std::fs::write(&file, whole).unwrap();
    assert!(Files::open(Path::new(dir.path())).is_ok());
}
