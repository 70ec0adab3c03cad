//! Notes and cosignatures: what opens, what is passed over, what spoils a note.

use super::world::{LOG, Log, log_key, log_signer, signer};
use crate::{
    NOTE_BYTES_MAX, Note, NoteError, SIGNATURES_MAX, VerifierKey, WitnessKey, sign, with_signatures,
};

/// The example of the specification's authors: key, note and signature were made by their program.
const KNOWN_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const KNOWN_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn a_known_note_opens() {
    let key = VerifierKey::parse(KNOWN_KEY).unwrap();
    assert_eq!(key.encode(), KNOWN_KEY);
    assert!(key.open(KNOWN_NOTE).unwrap().ends_with("your problem is.\n"));
}

#[test]
fn a_note_with_any_other_byte_does_not() {
    let key = VerifierKey::parse(KNOWN_KEY).unwrap();
    for at in 0..KNOWN_NOTE.len() {
        for bit in 0..8 {
            let mut bytes = KNOWN_NOTE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                assert!(key.open(text).is_err(), "byte {at}");
            }
        }
    }
    for end in 0..KNOWN_NOTE.len() {
        if let Some(text) = KNOWN_NOTE.get(..end) {
            assert!(key.open(text).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn keys_with_a_wrong_id_or_of_another_type_are_not_keys() {
    let witness = WitnessKey::of(&log_signer()).encode();
    for text in [
        "",
        "a",
        "a+b",
        "a+00000000+AQ==",
        &KNOWN_KEY.replace("c74f", "c74e"),
        &KNOWN_KEY.replace("c74f", "C74F"),
        // The type of another kind of key, under an id that would be right.
        &KNOWN_KEY.replace("ARpc", "Ahpc"),
        &KNOWN_KEY.replace("Peter", "Peter "),
        &format!("{KNOWN_KEY}="),
        &witness,
    ] {
        assert_eq!(VerifierKey::parse(text), None, "{text}");
    }
    assert_eq!(WitnessKey::parse(&witness).map(|key| key.encode()), Some(witness));
    assert_eq!(WitnessKey::parse(KNOWN_KEY), None);
}

#[test]
fn signatures_of_unknown_keys_are_passed_over_and_wrong_ones_of_known_keys_are_not() {
    let note = Log::of(5, "").note(5);
    let key = log_key();
    let line = |text: &str| with_signatures(&note, text).unwrap();
    // Of a type that nobody knows, of another key of this name, and with this key's id under another name.
    let own = Note::parse(&note).unwrap().signatures()[0].clone();
    let other = sign("x\n", &signer(LOG, 9)).unwrap().split_once("\n\n").unwrap().1.to_owned();
    let renamed = note.split_once("\n\n").unwrap().1.replace(LOG, "elsewhere");
    for lines in [&line("\u{2014} a AAAAAP//\n"), &line(&other), &line(&renamed)] {
        assert_eq!(key.open(lines), Ok(Note::parse(&note).unwrap().text()));
    }
    assert_eq!(own.name, LOG);
    // This key's name and id over another text: whatever else stands there, the note is spoilt.
    let wrong = sign("x\n", &log_signer()).unwrap().split_once("\n\n").unwrap().1.to_owned();
    assert_eq!(key.open(&line(&wrong)), Err(NoteError::Signature));
    // Nobody's.
    assert_eq!(VerifierKey::of(&signer("b", 2)).open(&note), Err(NoteError::Signature));
}

#[test]
fn what_is_not_a_note_is_said_to_be_none() {
    for bad in [
        "",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\n\u{2014} a AAAAAP8=",
        "text\n\n\u{2014} a AAAAAA==\n",
        "text\n\n\u{2014} a AAAAAP9=\n",
        "text\n\n\u{2014} a AAAAAP8\n",
        "text\n\n\u{2014}  AAAAAP8=\n",
        "text\n\n\u{2014} a+b AAAAAP8=\n",
        "text\n\n\u{2014} a\u{a0}b AAAAAP8=\n",
        "text\n\n\u{2014} a b AAAAAP8=\n",
        "text\n\n- a AAAAAP8=\n",
        "text\n\n\u{2014} a AAAAAP8=\nmore\n",
        "te\txt\n\n\u{2014} a AAAAAP8=\n",
        "text\r\n\n\u{2014} a AAAAAP8=\n",
    ] {
        assert!(matches!(Note::parse(bad), Err(NoteError::Form(_))), "{bad:?}");
    }
    let line = "\u{2014} a AAAAAP8=\n";
    let most = format!("text\n\n{}", line.repeat(SIGNATURES_MAX));
    assert_eq!(Note::parse(&most).unwrap().signatures().len(), SIGNATURES_MAX);
    assert!(Note::parse(&format!("{most}{line}")).is_err());
    assert!(Note::parse(&format!("{}\n\n{line}", "a".repeat(NOTE_BYTES_MAX))).is_err());
    assert_eq!(Note::parse(&format!("a\n\nb\n\n{line}")).unwrap().text(), "a\n\nb\n");
}

#[test]
fn nothing_is_signed_that_could_not_be_read() {
    assert!(sign("text", &log_signer()).is_err());
    assert!(sign("te\rxt\n", &log_signer()).is_err());
    assert!(sign("text\n", &signer("a b", 1)).is_err());
    assert!(sign("text\n", &signer("", 1)).is_err());
    let note = sign("text\n", &log_signer()).unwrap();
    // A line must stay a line: an answer cannot make a longer text of the note.
    for lines in ["\n\u{2014} a AAAAAP8=\n", "x\n\n\u{2014} a AAAAAP8=\n", "x\n", "\u{2014} a AAAAAP8="] {
        assert!(with_signatures(&note, lines).is_err(), "{lines:?}");
    }
}
