//! Another key: signed by both, at the head of a segment, and never by the way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tlog::{Succession, VerifierKey};

use super::memory::{DIR, Memory};
use super::recorder::{Chance, Left, Platter, Recorder};
use super::world::{PLATFORM, SHOP, World, append, define, entry, options, sizes, write_story};
use crate::conformance::TestSigner;
use crate::content::Commit;
use crate::frame::{self, Kind, decode};
use crate::succession::succeed_on;
use crate::{Backend, Error, FaultKind, FileJournal, Journal, LogId, Signer};

fn key(log: &str, seed: u8) -> Arc<TestSigner> {
    TestSigner::new(log, seed)
}

fn vkey(signer: &TestSigner) -> String {
    VerifierKey::of(signer).encode()
}

fn succeed(disk: &Memory, old: &TestSigner, new: &TestSigner) -> Result<Vec<Succession>, Error> {
    succeed_on(disk, Path::new(DIR), &[(old as &dyn Signer, new as &dyn Signer)])
}

/// The only segment that another one follows, and the one that does.
fn last(disk: &Memory, world: &World) -> (String, Vec<u8>) {
    let mut frames = 0;
    let mut at = 0;
    while at < world.bytes.len() {
        at += decode(&world.bytes[at..]).unwrap().1;
        frames += 1;
    }
    let name = format!("journal/{frames:016x}.seg");
    let bytes = disk.get(&name);
    (name, bytes)
}

fn head(journal: &FileJournal) -> u64 {
    journal.head(LogId(0)).size
}

#[test]
fn a_log_goes_on_under_its_next_key() {
    let disk = World::new(true).disk;
    let (old, new) = (key(SHOP, 1), key(SHOP, 2));
    let done = succeed(&disk, &old, &new).unwrap();
    assert_eq!((done[0].size, done[0].new.encode()), (6, vkey(&new)));
    let verified = disk.verify().unwrap();
    assert_eq!((verified.logs[0].former.clone(), verified.logs[0].checkpoint_size), (done, Some(6)));
    assert_eq!((verified.logs[0].vkey.clone(), verified.logs[1].former.len()), (vkey(&new), 0));
    let journal = disk.open();
    assert!(matches!(journal.define(SHOP, old.clone()), Err(Error::KeyChanged { .. })));
    let log = journal.define(SHOP, new.clone()).unwrap();
    append(&journal, vec![entry(log, SHOP, 6, &["after"])]).unwrap();
    journal.close().unwrap();
    // Again and again, also where nothing was written between.
    assert_eq!(succeed(&disk, &old, &new).unwrap(), vec![], "it has that key already");
    let (third, fourth) = (key(SHOP, 3), key(SHOP, 4));
    succeed(&disk, &new, &third).unwrap();
    succeed(&disk, &third, &fourth).unwrap();
    let verified = disk.verify().unwrap();
    assert_eq!((verified.entries, verified.logs[0].former.len()), (9, 3));
    // Whoever has any of its keys follows to the last one.
    for (seed, follows) in [(1, true), (2, true), (3, true), (4, true), (5, false)] {
        let keys = BTreeMap::from([(SHOP.to_owned(), vkey(&key(SHOP, seed)))]);
        assert_eq!(disk.verify_with(&keys).is_ok(), follows, "{seed}");
    }
    let journal = disk.open();
    assert_eq!(head(&journal), 7);
    assert_eq!(journal.read(LogId(0), 0, 99, usize::MAX).unwrap().len(), 7);
}

#[test]
fn a_log_goes_on_under_another_origin() {
    let disk = World::new(true).disk;
    let (next, platform) = ("test/shop/2", "test/platform/2");
    let changes: [(&dyn Signer, &dyn Signer); 2] =
        [(&*key(SHOP, 1), &*key(next, 2)), (&*key(PLATFORM, 1), &*key(platform, 2))];
    assert_eq!(succeed_on(&disk, Path::new(DIR), &changes).unwrap().len(), 2);
    let journal = disk.open();
    let names: Vec<String> = journal.logs().into_iter().map(|log| log.name).collect();
    assert_eq!(names, [next, platform]);
    let log = journal.define(next, key(next, 2)).unwrap();
    assert_eq!(log, LogId(0));
    append(&journal, vec![entry(log, next, 6, &[])]).unwrap();
    journal.close().unwrap();
    let verified = disk.verify().unwrap();
    assert_eq!((verified.logs[0].name.as_str(), verified.logs[0].checkpoint_size), (next, Some(7)));
    assert!(disk.get("checkpoints/test~shop~2").starts_with(b"test/shop/2\n7\n"));
    // An entry of the old name has no place behind it, nor has a log that is called so.
    let journal = disk.open();
    append(&journal, vec![entry(LogId(0), SHOP, 7, &[])]).unwrap();
    journal.close().unwrap();
    assert_eq!(disk.fault().kind, FaultKind::WrongLog(SHOP.to_owned()));
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let disk = World::new(true).disk;
    let before = disk.verify().unwrap();
    let (old, new) = (key(SHOP, 1), key(SHOP, 2));
    let stranger = succeed(&disk, &key(SHOP, 7), &new).unwrap_err();
    assert!(matches!(stranger, Error::KeyChanged { .. }), "{stranger}");
    for name in [PLATFORM, "no name"] {
        let refused = succeed(&disk, &old, &key(name, 2)).unwrap_err();
        assert!(matches!(refused, Error::LogName { .. }), "{refused}");
    }
    assert_eq!(disk.verify().unwrap(), before);
}

#[test]
fn a_crash_in_between_leaves_the_old_key_or_the_new_one() {
    let world = World::new(true);
    let (old, new) = (key(SHOP, 1), key(SHOP, 2));
    let done = world.disk.copy();
    succeed(&done, &old, &new).unwrap();
    let (name, bytes) = last(&done, &world);
    for cut in 0..=bytes.len() {
        // The checkpoint is still the old key's.
        let copy = world.disk.with(&name, &bytes[..cut]);
        let whole = cut == bytes.len();
        let verified = copy.verify().unwrap();
        assert_eq!((verified.logs[0].former.len(), verified.torn.is_some()), (usize::from(whole), !whole));
        let journal = copy.open();
        let (now, then) = if whole { (&new, &old) } else { (&old, &new) };
        assert!(journal.define(SHOP, then.clone()).is_err(), "cut at {cut}");
        let log = journal.define(SHOP, now.clone()).unwrap();
        append(&journal, vec![entry(log, SHOP, sizes(&journal).0, &[])]).unwrap();
        journal.close().unwrap();
        copy.verify().unwrap();
        // Doing it again brings it to its end.
        succeed(&copy, &old, &new).unwrap();
        assert_eq!(copy.verify().unwrap().logs[0].vkey, vkey(&new));
    }
}

#[test]
fn a_crash_at_any_step_leaves_the_old_origin_or_the_new_one() {
    const NEXT: &str = "test/shop/2";
    let disk = Recorder::default();
    let (journal, _) = FileJournal::open_on(Arc::new(disk.clone()), Path::new(DIR), options()).unwrap();
    write_story(&journal);
    journal.close().unwrap();
    drop(journal);
    let begin = disk.ops().len();
    let (old, new) = (key(SHOP, 1), key(NEXT, 2));
    let changes = [(&*old as &dyn Signer, &*new as &dyn Signer)];
    succeed_on(&disk, Path::new(DIR), &changes).unwrap();
    let ops = disk.ops();
    let mut platter = Platter::default();
    for boundary in 0..=ops.len() {
        for (way, left) in [Left::Everything, Left::Nothing, Left::Some, Left::TornSector, Left::NoNames]
            .into_iter()
            .enumerate()
            .filter(|_| boundary >= begin)
        {
            let at = format!("{boundary} {left:?}");
            let mut chance = Chance((boundary * 8 + way) as u64);
            let after = Memory::of(platter.crash(left, &mut chance));
            let verified = after.verify().unwrap_or_else(|fault| panic!("{at}: {fault}"));
            let name = verified.logs[0].name.clone();
            assert!([SHOP, NEXT].contains(&name.as_str()), "{at}");
            // Whoever does not do it again goes on with what is there.
            let copy = after.copy();
            let journal = copy.open();
            let now = if name == NEXT { &new } else { &old };
            let log = journal.define(&name, now.clone()).unwrap();
            append(&journal, vec![entry(log, &name, 6, &[])]).unwrap();
            journal.close().unwrap();
            assert_eq!(copy.verify().unwrap().logs[0].checkpoint_size, Some(7), "{at}");
            // And doing it again brings it to its end.
            succeed_on(&after, Path::new(DIR), &changes).unwrap();
            let verified = after.verify().unwrap();
            assert_eq!(
                (verified.logs[0].name.as_str(), verified.logs[0].checkpoint_size),
                (NEXT, Some(6)),
                "{at}"
            );
        }
        if let Some(op) = ops.get(boundary) {
            platter.play(op);
        }
    }
}

#[test]
fn every_flipped_byte_of_it_is_found() {
    let world = World::new(true);
    let disk = world.disk.copy();
    succeed(&disk, &key(SHOP, 1), &key(SHOP, 2)).unwrap();
    let (name, bytes) = last(&disk, &world);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let copy = disk.with(&name, &flipped);
        assert!(copy.verify().is_err(), "byte {at}");
        assert!(copy.try_open().is_err(), "byte {at}");
    }
}

/// The head of the segment with other notes, and everything else in order.
fn rewritten(bytes: &[u8], change: impl Fn(Kind, u32, &[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let (mut out, mut at, mut frames) = (Vec::new(), 0, 0);
    loop {
        let (frame, len) = decode(&bytes[at..]).unwrap();
        at += len;
        if frame.kind == Kind::Commit {
            let heads = Commit::decode(frame.bytes).unwrap().heads;
            let commit = Commit { frames, len: out.len() as u64, crc: crc32c::crc32c(&out), heads };
            frame::encode(&mut out, Kind::Commit, frame.log, frame.seq, frame.epoch, &[&commit.encode()]);
            return out;
        }
        if let Some(content) = change(frame.kind, frame.log, frame.bytes) {
            frame::encode(&mut out, frame.kind, frame.log, frame.seq, frame.epoch, &[&content]);
            frames += 1;
        }
    }
}

#[test]
fn a_switch_that_the_old_key_did_not_sign_is_refused() {
    let world = World::new(true);
    let disk = world.disk.copy();
    let (old, new) = (key(SHOP, 1), key(SHOP, 2));
    let done = succeed(&disk, &old, &new).unwrap().remove(0);
    let (name, bytes) = last(&disk, &world);
    assert_eq!(rewritten(&bytes, |_, _, content| Some(content.to_vec())), bytes);
    let note =
        |old: &TestSigner, new: &TestSigner, size, root| Succession::sign(old, new, size, root).unwrap();
    let thief = key(SHOP, 9);
    let notes = [
        // A thief who has no key of the log, however they sign.
        note(&thief, &new, done.size, done.root),
        note(&new, &thief, done.size, done.root),
        note(&old, &new, done.size, done.root).replace(&vkey(&new), &vkey(&thief)),
        // Of another tree.
        note(&old, &new, done.size - 1, done.root),
        note(&old, &new, done.size, [1; 32]),
        // To a name that is taken, or none.
        note(&old, &key(PLATFORM, 2), done.size, done.root),
        note(&old, &key("-", 2), done.size, done.root),
        String::new(),
    ];
    for note in notes {
        let forged = rewritten(&bytes, |kind, _, content| {
            Some(if kind == Kind::Succession { note.clone().into_bytes() } else { content.to_vec() })
        });
        let copy = disk.with(&name, &forged);
        let fault = copy.fault();
        assert!(matches!(fault.kind, FaultKind::Succession(_)), "{note}: {fault}");
        assert!(copy.try_open().is_err(), "{note}");
    }
    // Without the note the definition before it stands, and the checkpoint of the new key has nobody.
    let without = rewritten(&bytes, |kind, _, content| (kind != Kind::Succession).then(|| content.to_vec()));
    assert!(matches!(disk.with(&name, &without).fault().kind, FaultKind::Signature(_)));
    // A definition that just says another key.
    let silent = rewritten(&bytes, |kind, log, content| match kind {
        Kind::Succession => None,
        Kind::Log if log == 0 => {
            let text =
                String::from_utf8_lossy(&content[..2 + SHOP.len() + 2 + vkey(&old).len()]).into_owned();
            let rest = &content[text.len()..];
            Some([text.replace(&vkey(&old), &vkey(&new)).into_bytes(), rest.to_vec()].concat())
        }
        _ => Some(content.to_vec()),
    });
    assert_eq!(disk.with(&name, &silent).fault().kind, FaultKind::Redefined);
}

#[test]
fn what_the_old_key_signs_later_counts_for_nothing() {
    let disk = World::new(true).disk;
    let (old, new) = (key(SHOP, 1), key(SHOP, 2));
    succeed(&disk, &old, &new).unwrap();
    let journal = disk.open();
    let log = journal.define(SHOP, new).unwrap();
    define(&journal, PLATFORM);
    append(&journal, vec![entry(log, SHOP, 6, &[])]).unwrap();
    let root = journal.head(log).root;
    journal.close().unwrap();
    disk.verify().unwrap();
    let checkpoint = tlog::Checkpoint::new(SHOP, 7, root).unwrap();
    let forged = tlog::sign(&checkpoint.encode(), &*old).unwrap();
    let copy = disk.with("checkpoints/test~shop", forged.as_bytes());
    assert!(matches!(copy.fault().kind, FaultKind::Signature(_)));
    assert!(copy.try_open().is_err());
}
