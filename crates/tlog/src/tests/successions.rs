//! The next key of a log: signed by both, or nothing.

use super::world::{LOG, log_key, log_signer, signer};
use crate::{NoteError, Succession, VerifierKey, sign, with_signatures};

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
