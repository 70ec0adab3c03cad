//! The public formats of `tlog`: what is parsed can be written again, and is what was read.

use std::str::from_utf8;

use tlog::{
    AddCheckpoint, Checkpoint, Note, Policy, Receipt, Succession, Tile, VerifierKey, WitnessKey, encode_bundle,
    parse_bundle, parse_hashes,
};

pub fn note(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    drop(Note::parse(text));
}

pub fn checkpoint(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    let Ok(read) = Checkpoint::parse(text) else { return };
    // Lines of extensions may follow, and are passed over.
    assert!(text.starts_with(read.encode().trim_end_matches('\n')), "{read:?}");
}

pub fn tile(bytes: &[u8]) {
    if let Some((&width, hashes)) = bytes.split_first()
        && let Some(read) = parse_hashes(hashes, u64::from(width))
    {
        assert_eq!(read.concat(), hashes);
    }
    let Ok(path) = from_utf8(bytes) else { return };
    if let Ok(tile) = path.parse::<Tile>() {
        assert_eq!(tile.to_string(), path);
    }
}

pub fn bundle(bytes: &[u8]) {
    let Some((&width, bundle)) = bytes.split_first() else { return };
    if let Ok(entries) = parse_bundle(bundle, u64::from(width)) {
        assert_eq!(encode_bundle(&entries).expect("was a bundle"), bundle);
    }
}

pub fn receipt(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    let Ok(receipt) = Receipt::parse(text) else { return };
    assert_eq!(receipt.encode(), text);
    let policy = Policy::parse(b"log example.com/log+0+AA==\nquorum none\n");
    assert!(policy.is_err(), "a key of no length");
}

/// A policy, and after a byte of zero a receipt to hold against it.
pub fn policy(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let Some(Ok(policy)) = parts.next().map(Policy::parse) else { return };
    let Some(Ok(text)) = parts.next().map(from_utf8) else { return };
    drop(policy.check(text));
    if let Ok(receipt) = Receipt::parse(text) {
        drop(receipt.verify(b"entry", &policy));
    }
}

pub fn add_checkpoint(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    if let Ok(request) = AddCheckpoint::parse(text) {
        assert_eq!(request.encode(), text);
    }
}

pub fn key(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    if let Some(key) = VerifierKey::parse(text) {
        assert_eq!(key.encode(), text);
    }
}

pub fn succession(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else { return };
    drop(Succession::open(text));
}

/// A witness' key, and after a byte of zero a note that it may have cosigned.
pub fn cosigned(bytes: &[u8]) {
    let Some((key, note)) = from_utf8(bytes).ok().and_then(|text| text.split_once('\0')) else { return };
    if let (Some(key), Ok(note)) = (WitnessKey::parse(key), Note::parse(note)) {
        drop(key.cosigned(&note));
    }
}
