//! The next key of a log: signed by both, or nothing.

use expect_test::expect_file;

use super::world::{LOG, Log, log_key, log_signer, signer};
use crate::{
    AddCheckpoint, Note, NoteError, Succession, VerifierKey, Witness, WitnessKey, sign, with_signatures,
};

fn note() -> String {
    Succession::sign(&log_signer(), &signer(LOG, 2), 7, [3; 32]).unwrap()
}

#[test]
fn what_both_keys_signed_opens() {
    let opened = Succession::open(&note()).unwrap();
    let new = VerifierKey::of(&signer(LOG, 2));
    assert_eq!(opened, Succession { old: log_key(), new, size: 7, root: [3; 32] });
    let renamed = Succession::sign(&log_signer(), &signer("log.example/shop/2", 2), 0, [0; 32]).unwrap();
    assert_eq!(Succession::open(&renamed).unwrap().new.name(), "log.example/shop/2");
}

#[test]
fn every_other_byte_spoils_it() {
    let note = note();
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut bytes = note.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                assert!(Succession::open(text).is_err(), "byte {at}, bit {bit}");
            }
        }
        if let Some(text) = note.get(..at) {
            assert!(Succession::open(text).is_err(), "cut at {at}");
        }
    }
}

#[test]
fn one_signature_a_strange_one_and_the_same_key_are_refused() {
    let note = note();
    let (text, lines) = note.split_once("\n\n").unwrap();
    let text = format!("{text}\n");
    let lines: Vec<&str> = lines.split_inclusive('\n').collect();
    for line in &lines {
        assert!(Succession::open(&format!("{text}\n{line}")).is_err());
    }
    let other = sign(&text, &signer("other", 9)).unwrap();
    let other = &other[text.len() + 1..];
    assert!(Succession::open(&format!("{text}\n{}{other}", lines[0])).is_err());
    assert!(Succession::open(&with_signatures(&note, other).unwrap()).is_err());
    assert_eq!(Succession::open(&format!("{text}\n{}{}", lines[1], lines[0])).unwrap().size, 7);
    let same = Succession::sign(&log_signer(), &log_signer(), 7, [3; 32]).unwrap();
    assert!(matches!(Succession::open(&same), Err(NoteError::Form(_))));
}

/// What the fuzzer begins with: `x` and a note about the next key, `w` and a cosigned note behind the witness' key.
#[test]
fn what_the_fuzzer_begins_with_holds() {
    let log = Log::of(6, "");
    let mut seen = Witness::default();
    seen.follow(LOG, vec![log_key()]);
    let request = AddCheckpoint { old: 0, proof: vec![], note: log.note(6) };
    let line = seen.add(&request.encode()).unwrap().cosign(&signer("w", 9), 7).unwrap();
    let key = WitnessKey::of(&signer("w", 9));
    let cosigned = with_signatures(&log.note(6), &line).unwrap();
    expect_file!["../../../../fuzz/corpus/succession"].assert_eq(&format!("x{}", note()));
    let kept = format!("w{}\0{cosigned}", key.encode());
    expect_file!["../../../../fuzz/corpus/cosigned"].assert_eq(&kept);
    let (key, note) = kept[1..].split_once('\0').unwrap();
    let found = WitnessKey::parse(key).unwrap().cosigned(&Note::parse(note).unwrap()).unwrap();
    assert_eq!(found.map(|found| found.time), Some(7));
}
