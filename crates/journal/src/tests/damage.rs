//! Damage and edits: found by `verify` with their place, refused at opening, never mended.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::memory::Memory;
use super::world::{PLATFORM, SEGMENT, SHOP, World, append, commitment, define, entry, sizes};
use crate::conformance::TestSigner;
use crate::frame::{Frame, Head, Kind, decode, encode};
use crate::{Backend, Error, Fault, FaultKind, LogId, NewEntry, verify};

const NOTE: &str = "checkpoints/test~shop";

/// Where each frame begins, with its kind, log and seq.
fn frames(bytes: &[u8]) -> Vec<(usize, Kind, u32, u64)> {
    let (mut at, mut found) = (0, vec![]);
    while at < bytes.len() {
        let (frame, len) = decode(&bytes[at..]).unwrap();
        found.push((at, frame.kind, frame.log, frame.seq));
        at += len;
    }
    found
}

#[test]
fn every_flipped_byte_is_found_with_its_place() {
    let world = World::new(true);
    let frames = frames(&world.bytes);
    for at in 0..world.bytes.len() {
        let mut bytes = world.bytes.clone();
        bytes[at] ^= 0x20;
        let copy = world.with(&bytes);
        let fault = copy.fault();
        let (start, kind, log, seq) = *frames.iter().rev().find(|(start, ..)| *start <= at).unwrap();
        assert_eq!(fault.file, SEGMENT);
        assert_eq!(fault.offset, Some(start as u64), "byte {at}: {fault}");
        // A flip inside the fields that say which entry it is may hide that, but never names a wrong one.
        let entry = matches!(kind, Kind::Entry | Kind::Payload);
        let fields = start + 8..start + 21;
        if entry && !fields.contains(&at) {
            let name = [SHOP, PLATFORM][log as usize];
            assert_eq!((fault.log.as_deref(), fault.seq), (Some(name), Some(seq)), "byte {at}: {fault}");
        }
        let opened = copy.try_open();
        assert!(matches!(&opened, Err(Error::Damaged(same)) if **same == fault), "byte {at}: {opened:?}");
        drop(opened);
        assert_eq!(copy.get(SEGMENT), bytes, "left as it was");
    }
}

#[test]
fn without_a_checkpoint_only_the_last_batch_may_pass_for_torn() {
    let world = World::new(false);
    let frames = frames(&world.bytes);
    let commits: Vec<usize> =
        frames.iter().filter(|frame| frame.1 == Kind::Commit).map(|frame| frame.0).collect();
    // The last batch begins after the commit frame before its own.
    let last = frames.iter().find(|frame| frame.0 > commits[commits.len() - 2]).unwrap().0;
    for at in 0..world.bytes.len() {
        let mut bytes = world.bytes.clone();
        bytes[at] ^= 0x20;
        let copy = world.with(&bytes);
        match copy.verify() {
            Ok(verified) => {
                assert!(at >= last, "byte {at}");
                let torn = verified.torn.unwrap();
                assert_eq!(torn.bytes, (world.bytes.len() - last) as u64);
                let (journal, recovery) = copy.try_open().unwrap();
                assert_eq!(recovery.cut.unwrap().why, torn.why);
                assert_eq!(sizes(&journal), (4, 2));
            }
            Err(found) => {
                assert!(at < last, "byte {at}: {found}");
                assert!(matches!(copy.try_open(), Err(Error::Damaged(same)) if *same == found));
            }
        }
    }
}

#[test]
fn every_flipped_byte_of_a_checkpoint_is_found() {
    let world = World::new(true);
    let note = world.disk.get(NOTE);
    for at in 0..note.len() {
        let mut bytes = note.clone();
        bytes[at] ^= 1;
        let copy = world.disk.with(NOTE, &bytes);
        let found = copy.fault();
        assert_eq!(found.file, NOTE, "byte {at}: {found}");
        assert!(matches!(copy.try_open(), Err(Error::Damaged(same)) if *same == found), "byte {at}");
    }
    for cut in 0..note.len() {
        let found = world.disk.with(NOTE, &note[..cut]).fault();
        assert_eq!(found.file, NOTE, "cut at {cut}: {found}");
    }
    world.disk.verify().unwrap();
}

#[test]
fn a_damaged_middle_is_refused_and_named() {
    let world = World::new(true);
    let (start, ..) =
        *frames(&world.bytes).iter().find(|frame| frame.1 == Kind::Entry && frame.3 == 3).unwrap();
    let mut bytes = world.bytes.clone();
    bytes[start + 40] ^= 1;
    let copy = world.with(&bytes);
    let refused = copy.try_open().unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "the journal is damaged: `journal/0000000000000000.seg` at byte {start}, log `test/shop`, entry 3: \
             the checksum does not match"
        )
    );
    assert!(refused.hint().unwrap().contains("countersign verify"));
}

/// Somebody who can write the file rewrites frames with right checksums; `edit` is given every frame.
fn forged(bytes: &[u8], mut edit: impl FnMut(Frame<'_>) -> Option<Vec<u8>>) -> Vec<u8> {
    let (mut at, mut out, mut batch, mut count) = (0, vec![], vec![], 0_u32);
    while at < bytes.len() {
        let (frame, len) = decode(&bytes[at..]).unwrap();
        let Frame { kind, log, seq, epoch, .. } = frame;
        if kind == Kind::Commit {
            let mut commit = crate::content::Commit::decode(frame.bytes).unwrap();
            commit.frames = count;
            commit.len = batch.len() as u64;
            commit.crc = crc32c::crc32c(&batch);
            out.append(&mut batch);
            encode(&mut out, kind, log, seq, epoch, &[&commit.encode()]);
            count = 0;
        } else if let Some(content) = edit(frame) {
            encode(&mut batch, kind, log, seq, epoch, &[&content]);
            count += 1;
        }
        at += len;
    }
    out
}

fn text(frame: Frame<'_>) -> String {
    String::from_utf8_lossy(frame.bytes).into_owned()
}

#[test]
fn an_entry_that_was_edited_with_care_still_breaks_its_tree() {
    let world = World::new(true);
    let bytes = forged(&world.bytes, |frame| match frame.kind {
        Kind::Entry if frame.log == 0 && frame.seq == 2 => {
            Some(text(frame).replace("1002", "1001").into_bytes())
        }
        _ => Some(frame.bytes.to_vec()),
    });
    let found = world.with(&bytes).fault();
    // The batch holds entries 1 and 2: from 1 on they cannot be told apart.
    assert_eq!((found.kind, found.log.as_deref(), found.seq), (FaultKind::Root, Some(SHOP), Some(1)));
}

#[test]
fn a_payload_may_go_but_not_move() {
    let world = World::new(true);
    let gone = forged(&world.bytes, |frame| {
        (frame.kind != Kind::Payload || frame.seq != 1).then(|| frame.bytes.to_vec())
    });
    // Frame numbers are counted, so a later segment would not fit any more; within one nothing else depends on them.
    let verified = world.with(&gone).verify().unwrap();
    assert_eq!((verified.logs[0].payloads, verified.logs[0].payloads_missing), (2, 2));

    let other = forged(&world.bytes, |frame| match frame.kind {
        Kind::Payload if frame.seq == 3 => {
            let mut bytes = frame.bytes.to_vec();
            bytes[..32].copy_from_slice(&commitment("other"));
            Some(bytes)
        }
        _ => Some(frame.bytes.to_vec()),
    });
    let found = world.with(&other).fault();
    assert_eq!((found.kind, found.seq), (FaultKind::StrayPayload, Some(3)));
}

#[test]
fn another_history_under_the_same_checkpoint_is_found() {
    let world = World::new(true);
    // The same sizes, other entries, all frames and roots right: only the signature knows.
    let other = Memory::default();
    let journal = other.open();
    let (shop, platform) = (define(&journal, SHOP), define(&journal, PLATFORM));
    for seq in 0..6 {
        append(&journal, vec![entry(shop, SHOP, seq, &[])]).unwrap();
    }
    for seq in 0..2 {
        append(&journal, vec![entry(platform, PLATFORM, seq, &[])]).unwrap();
    }
    let bytes = other.get(SEGMENT);
    let found = world.with(&bytes).fault();
    assert_eq!(found.kind, FaultKind::CheckpointRoot(6));
    assert_eq!((found.file.as_str(), found.log.as_deref()), (NOTE, Some(SHOP)));
}

#[test]
fn another_key_is_found() {
    let world = World::new(true);
    let keys = |seed| {
        BTreeMap::from([(SHOP.to_owned(), tlog::VerifierKey::of(&*TestSigner::new(SHOP, seed)).encode())])
    };
    world.disk.verify_with(&keys(1)).unwrap();
    let found = world.disk.verify_with(&keys(2)).unwrap_err();
    assert!(matches!(found.kind, FaultKind::UnexpectedKey(_)), "{found}");
    let missing = BTreeMap::from([("test/nobody".to_owned(), String::new())]);
    let found = world.disk.verify_with(&missing).unwrap_err();
    assert_eq!(found.kind, FaultKind::MissingLog);
    // A checkpoint of another key, as somebody without the log's key would make it.
    let other = Memory::default();
    let journal = other.open();
    journal.define(SHOP, TestSigner::new(SHOP, 9)).unwrap();
    append(&journal, vec![entry(LogId(0), SHOP, 0, &[])]).unwrap();
    journal.close().unwrap();
    let found = world.disk.with(NOTE, &other.get(NOTE)).fault();
    assert!(matches!(found.kind, FaultKind::Signature(_)), "{found}");
}

/// A journal of one entry with these bytes after a good one.
fn single(bytes: &str) -> Fault {
    let disk = Memory::default();
    let journal = disk.open();
    let log = define(&journal, SHOP);
    append(&journal, vec![entry(log, SHOP, 0, &[])]).unwrap();
    let bytes = bytes.as_bytes().to_vec();
    append(&journal, vec![NewEntry { log, seq: 1, bytes, payloads: vec![] }]).unwrap();
    journal.close().unwrap();
    let found = disk.fault();
    assert_eq!((found.log.as_deref(), found.seq), (Some(SHOP), Some(1)));
    found
}

#[test]
fn entries_must_say_the_truth_about_themselves() {
    for (bytes, kind) in [
        (r#"{"at":1001,"log":"test/shop","seq":2}"#, FaultKind::WrongSeq(2)),
        (r#"{"at":1001,"log":"test/other","seq":1}"#, FaultKind::WrongLog("test/other".to_owned())),
        (r#"{"at":999,"log":"test/shop","seq":1}"#, FaultKind::TimeWentBack { before: 1_000, at: 999 }),
        (r#"{"at":1001,"log":"test/shop"}"#, FaultKind::Json("`seq` is missing".to_owned())),
        (
            r#"{"log":"test/shop","at":1001,"seq":1}"#,
            FaultKind::Json("a key that does not follow the one before it at byte 19".to_owned()),
        ),
    ] {
        assert_eq!(single(bytes).kind, kind, "{bytes}");
    }
}

#[test]
fn what_is_no_journal_is_no_journal() {
    let disk = Memory::default();
    assert!(matches!(disk.fault().kind, FaultKind::Unreadable(_)));
    let torn = disk.with(SEGMENT, b"GIF89a").verify().unwrap().torn.unwrap();
    assert_eq!(torn.bytes, 6, "nothing in it was vouched for");
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(verify(dir.path(), &mut |_| {}).unwrap_err().kind, FaultKind::Unreadable(_)));
}

proptest! {
    /// Bytes from elsewhere, cuts, repetitions and frames that were made right again: refused or cut, never a panic.
    #[test]
    fn no_bytes_bring_it_down(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..40_usize, proptest::collection::vec(any::<u8>(), 0..40)), 1..4),
        repeat in any::<Option<(prop::sample::Index, prop::sample::Index)>>(),
        mend in any::<bool>(),
        closed in any::<bool>(),
    ) {
        let world = World::new(closed);
        let mut bytes = world.bytes.clone();
        for (at, gone, new) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + gone).min(bytes.len());
            bytes.splice(at..end, new);
        }
        if let Some((from, to)) = repeat.filter(|_| !bytes.is_empty()) {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.extend(part);
        }
        if mend {
            mend_checksums(&mut bytes);
        }
        let disk = world.with(&bytes);
        let said = disk.verify();
        match disk.try_open() {
            Ok((journal, _)) => {
                prop_assert!(said.is_ok());
                journal.close().unwrap();
                disk.verify().unwrap();
            }
            Err(Error::Damaged(fault)) => prop_assert_eq!(said.err(), Some(*fault)),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }
}

/// Somebody who can write the file makes every frame's checksum right, as far as its length leads.
fn mend_checksums(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(head) = Head::read(&bytes[at..]) {
        let Some(frame) = bytes.get_mut(at..at.saturating_add(head.frame_len())) else { return };
        let crc = crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &frame[8..]);
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
        at += frame.len();
    }
}
