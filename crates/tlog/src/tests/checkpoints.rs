//! Checkpoints: one spelling each.

use super::world::{Log, log_key, signer};
use crate::{Checkpoint, CheckpointError, NoteError, VerifierKey};

#[test]
fn a_checkpoint_reads_back_and_nothing_else_does() {
    let checkpoint = Checkpoint::new("countersign/shop", 15, [7; 32]).unwrap();
    let text = checkpoint.encode();
    assert_eq!(text, "countersign/shop\n15\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n");
    assert_eq!(Checkpoint::parse(&text), Ok(checkpoint));
    for bad in [
        text.replace("15", "015"),
        text.replace("15", "+15"),
        text.replace("15", "-15"),
        text.replace("15", ""),
        text.replace("15", "18446744073709551616"),
        text.replace('=', ""),
        text.replace("wc=", "wd="),
        text.replace("Bwc=", "BwcH"),
        text.replace("countersign/shop", ""),
        text.replace("countersign", "counter\rsign"),
        text.trim_end().to_owned(),
        format!("{text}\n"),
        format!("{text}a\n\nb\n"),
        "a\n1\n".to_owned(),
        String::new(),
    ] {
        assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
    }
    assert!(Checkpoint::parse(&text.replace("15", "18446744073709551615")).is_ok());
    for origin in ["", "a\nb", "a\0"] {
        assert!(Checkpoint::new(origin, 0, [0; 32]).is_err(), "{origin:?}");
    }
}

#[test]
fn extensions_are_kept_as_they_are() {
    let text = "a\n0\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\nfirst\nsecond line\n";
    let checkpoint = Checkpoint::parse(text).unwrap();
    assert_eq!(checkpoint.extensions(), ["first", "second line"]);
    assert_eq!(checkpoint.encode(), text);
}

#[test]
fn only_the_key_opens_it() {
    let log = Log::of(3, "");
    let checkpoint = Checkpoint::open(&log.note(3), &log_key()).unwrap();
    assert_eq!((checkpoint.size(), *checkpoint.root()), (3, log.root(3)));
    let other = VerifierKey::of(&signer("x", 2));
    assert_eq!(Checkpoint::open(&log.note(3), &other), Err(CheckpointError::Note(NoteError::Signature)));
}
