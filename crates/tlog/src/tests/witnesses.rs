//! Witnesses: what they sign, and that they never sign two histories.

use std::fmt::Write as _;

use expect_test::expect;
use kernel::ports::Signer;
use proptest::prelude::*;

use super::world::{LOG, Log, log_key, log_signer, signer};
use crate::{
    AddCheckpoint, Checkpoint, Note, NoteError, Refusal, Witness, WitnessKey, consistency, empty_root, sign,
    with_signatures,
};

fn witness() -> Witness {
    let mut witness = Witness::default();
    witness.follow(LOG, vec![log_key()]);
    witness
}

fn request(log: &Log, old: u64, new: u64) -> String {
    let proof = consistency(&log.levels, old.min(new), new).unwrap();
    AddCheckpoint { old, proof, note: log.note(new) }.encode()
}

#[test]
fn a_witness_follows_a_log_that_only_grows() {
    let (log, fork) = (Log::of(40, ""), Log::of(40, "x"));
    let mut witness = witness();
    let mut out = String::new();
    let mut step = |what: &str, body: String| {
        let said = match witness.add(&body) {
            Ok(accepted) => format!("seen {}", accepted.checkpoint().size()),
            Err(refusal) => format!("{} {refusal} {:?}", refusal.status(), refusal.size_body()),
        };
        writeln!(out, "{what}: {said}").unwrap();
    };
    step("first", request(&log, 0, 5));
    step("again", request(&log, 5, 5));
    step("grown", request(&log, 5, 13));
    step("from an older one", request(&log, 5, 20));
    step("from the start", request(&log, 0, 20));
    step("from a later one", request(&log, 14, 20));
    step("back", request(&log, 5, 5));
    step("smaller", request(&log, 13, 12));
    step("another of this size", request(&fork, 13, 13));
    step("another that is larger", request(&fork, 13, 20));
    let other = AddCheckpoint { old: 13, proof: vec![], note: log.note(20) };
    step("without proof", other.encode());
    let longer = AddCheckpoint { old: 13, proof: vec![[0; 32]], note: log.note(13) };
    step("with a proof of nothing", longer.encode());
    let checkpoint = Checkpoint::new(LOG, 20, log.root(20)).unwrap().encode();
    let foreign = sign(&checkpoint, &signer(LOG, 9)).unwrap();
    step("signed by somebody else", AddCheckpoint { old: 13, proof: vec![], note: foreign }.encode());
    let unknown = sign(&checkpoint.replace("shop", "shed"), &log_signer()).unwrap();
    step("of another log", AddCheckpoint { old: 13, proof: vec![], note: unknown }.encode());
    step("not a request", "old 1\n".to_owned());
    step("grown to the end", request(&log, 13, 40));
    expect![[r#"
        first: seen 5
        again: seen 5
        grown: seen 13
        from an older one: 409 the last checkpoint that was seen has 13 entries Some("13\n")
        from the start: 409 the last checkpoint that was seen has 13 entries Some("13\n")
        from a later one: 409 the last checkpoint that was seen has 13 entries Some("13\n")
        back: 409 the last checkpoint that was seen has 13 entries Some("13\n")
        smaller: 400 the request cannot be read: the old size is larger than the checkpoint's None
        another of this size: 409 another checkpoint of 13 entries was seen before Some("13\n")
        another that is larger: 422 the proof does not show that the log only grew None
        without proof: 422 the proof does not show that the log only grew None
        with a proof of nothing: 422 the proof does not show that the log only grew None
        signed by somebody else: 403 the checkpoint carries no valid signature of the log None
        of another log: 404 the log is not known here None
        not a request: 400 the request cannot be read: line 1: there is no empty line None
        grown to the end: seen 40
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_cosignature_holds_for_one_checkpoint_one_time_and_one_witness() {
    let log = Log::of(8, "");
    let key = WitnessKey::of(&signer("witness.example/w1", 4));
    let line = |size, time| {
        let accepted = witness().add(&request(&log, 0, size)).unwrap();
        accepted.cosign(&signer("witness.example/w1", 4), time).unwrap()
    };
    let check = |lines: &str| {
        let note = with_signatures(&log.note(8), lines).unwrap();
        key.cosigned(&Note::parse(&note).unwrap()).map(|found| found.map(|found| found.time))
    };
    assert_eq!(check(&line(8, 1_679_315_147)), Ok(Some(1_679_315_147)));
    assert_eq!(check(&(line(8, 5) + &line(8, 9) + &line(8, 7))), Ok(Some(9)));
    assert_eq!(check(&line(8, 0)), Ok(Some(0)));
    assert!(check(&line(7, 5)).is_err(), "of another checkpoint");
    assert!(check(&(line(8, 5) + &line(7, 5))).is_err());
    let good = line(8, 5);
    let (name, blob) = good.trim_end().rsplit_once(' ').unwrap();
    let mut bytes = crate::text::bytes(blob).unwrap();
    bytes[11] ^= 1;
    assert!(check(&format!("{name} {}\n", crate::text::base64(&bytes))).is_err(), "of another time");
    assert_eq!(check(&line(8, 5).replace("w1", "w2")), Ok(None), "of another witness");
    // The bytes that are signed, word for word, at the last time that counts and the first that does not.
    let text = Checkpoint::new(LOG, 8, log.root(8)).unwrap().encode();
    for time in [9, i64::MAX as u64, i64::MAX as u64 + 1] {
        let message = format!("cosignature/v1\ntime {time}\n{text}");
        let signature = Signer::sign(&signer("witness.example/w1", 4), message.as_bytes());
        let bytes = [&time.to_be_bytes()[..], &signature[..]].concat();
        let expected = if i64::try_from(time).is_ok() { Ok(Some(time)) } else { Err(NoteError::Signature) };
        assert_eq!(check(&crate::key::signature_line(&key, &bytes)), expected, "{time}");
    }
    assert_eq!(check(""), Ok(None));
    let accepted = |body: &str| witness().add(body).unwrap();
    let first = request(&log, 0, 8);
    assert!(accepted(&first).cosign(&signer("witness.example/w1", 4), u64::MAX).is_err());
    assert!(accepted(&first).cosign(&signer("a witness", 4), 5).is_err());
    assert!(accepted(&first).cosign(&signer("a", 4), i64::MAX as u64).is_ok());
}

#[test]
fn an_empty_log_can_be_seen_and_has_one_root() {
    let log = Log::of(1, "");
    let mut witness = witness();
    assert!(witness.add(&request(&log, 0, 0)).is_ok());
    let wrong = Checkpoint::new(LOG, 0, [1; 32]).unwrap().encode();
    let wrong = AddCheckpoint { old: 0, proof: vec![], note: sign(&wrong, &log_signer()).unwrap() };
    assert_eq!(witness.add(&wrong.encode()), Err(Refusal::Fork { size: 0 }));
    let proof = AddCheckpoint { old: 0, proof: vec![[0; 32]], note: log.note(1) };
    assert_eq!(witness.add(&proof.encode()), Err(Refusal::Proof));
    assert!(witness.add(&request(&log, 0, 1)).is_ok());
}

#[test]
fn what_was_kept_is_restored_and_never_goes_back() {
    let log = Log::of(9, "");
    let mut again = witness();
    assert!(again.restore(LOG, 5, log.root(5)));
    assert_eq!(again.add(&request(&log, 0, 7)), Err(Refusal::Stale { size: 5 }));
    assert!(again.add(&request(&log, 5, 7)).is_ok());
    assert!(!again.restore(LOG, 5, log.root(5)));
    assert!(!again.restore(LOG, 7, log.root(5)));
    assert!(again.restore(LOG, 7, log.root(7)));
    assert!(!again.restore("other", 7, log.root(7)));
    again.follow(LOG, vec![log_key()]);
    assert_eq!(again.add(&request(&log, 0, 7)), Err(Refusal::Stale { size: 7 }));
    assert!(!again.restore(LOG, 0, empty_root()));
}

#[test]
fn a_request_reads_back_and_nothing_else_does() {
    let log = Log::of(20, "");
    let body = request(&log, 13, 20);
    assert!(body.starts_with("old 13\n"));
    assert_eq!(AddCheckpoint::parse(&body).map(|request| request.encode()), Ok(body.clone()));
    let hash = format!("{}=\n", "A".repeat(43));
    for bad in [
        String::new(),
        body.replace("old 13", "old 013"),
        body.replace("old 13", "Old 13"),
        body.replace("old 13", "old  13"),
        body.replace("old 13", "old"),
        body.replace("old 13\n", "old 13\nAAAA\n"),
        body.replace("old 13\n", "old 13\r\n"),
        body.replace("old 13\n", &format!("old 13\n{}", hash.repeat(64))),
        "a".repeat(crate::REQUEST_BYTES_MAX + 1),
    ] {
        assert!(AddCheckpoint::parse(&bad).is_err(), "{bad:.40}");
    }
}

proptest! {
    /// Whatever is asked in whatever order, of a log that shows two histories: what was signed is one.
    #[test]
    fn no_two_histories_are_signed(steps in proptest::collection::vec((any::<bool>(), 0_u64..30, 0_u64..30, any::<bool>()), 1..30)) {
        let logs = [Log::of(30, ""), Log::of(30, "x")];
        let mut witness = witness();
        let mut signed: Vec<(u64, crate::Hash)> = vec![];
        for (which, old, new, follow) in steps {
            let log = &logs[usize::from(which)];
            let last = signed.last().map_or(0, |(size, _)| *size);
            let (old, new) = if follow { (last, last.max(new)) } else { (old, new.max(old)) };
            if let Ok(accepted) = witness.add(&request(log, old, new)) {
                signed.push((accepted.checkpoint().size(), *accepted.checkpoint().root()));
            }
        }
        prop_assert!(signed.is_sorted_by_key(|(size, _)| *size));
        prop_assert!(logs.iter().any(|log| signed.iter().all(|(size, root)| log.root(*size) == *root)));
    }
}
