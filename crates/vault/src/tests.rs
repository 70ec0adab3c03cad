//! Sealing, opening, restarting and being attacked.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::clock::Entropy;
use kernel::digest::Digest;
use kernel::ports::Signer;

use crate::{Error, RootKey, Vault};

/// Different bytes each time, the same in each run.
#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&next.to_be_bytes()[..chunk.len()]);
        }
    }
}

fn root(digit: &str) -> RootKey {
    RootKey::from_text(&digit.repeat(64), "test").unwrap()
}

fn open(dir: &std::path::Path) -> Vault {
    Vault::open(dir, root("a"), Arc::new(Counting::default())).unwrap()
}

/// A subject.
fn who(name: &str) -> Digest {
    Digest::of("test/subject", &[name.as_bytes()])
}

#[test]
fn what_is_sealed_opens_and_fits_its_commitment() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let sealed = vault.seal(&who("yusuf"), "run_1", b"refund 712.40").unwrap();
    assert!(!sealed.bytes.windows(6).any(|window| window == b"refund"));
    assert_eq!(
        vault.open_payload(&sealed.bytes, &sealed.commitment, &who("yusuf")).unwrap(),
        b"refund 712.40"
    );
}

#[test]
fn equal_payloads_have_one_commitment_only_within_subject_and_scope() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let commit =
        |subject: &str, scope, text: &[u8]| vault.seal(&who(subject), scope, text).unwrap().commitment;
    assert_eq!(commit("a", "r", b"x"), commit("a", "r", b"x"));
    let others = [commit("a", "r", b"y"), commit("a", "s", b"x"), commit("b", "r", b"x")];
    assert!(others.iter().all(|other| *other != commit("a", "r", b"x")));
}

#[test]
fn a_changed_byte_another_subject_and_another_commitment_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let sealed = vault.seal(&who("a"), "r", b"x").unwrap();
    let other = vault.seal(&who("a"), "r", b"y").unwrap();
    for at in 8..sealed.bytes.len() {
        let mut bytes = sealed.bytes.clone();
        bytes[at] ^= 1;
        assert_eq!(
            vault.open_payload(&bytes, &sealed.commitment, &who("a")),
            Err(Error::Damaged),
            "byte {at}"
        );
    }
    assert_eq!(vault.open_payload(&sealed.bytes, &other.commitment, &who("a")), Err(Error::Damaged));
    assert_eq!(vault.open_payload(&sealed.bytes, &sealed.commitment, &who("b")), Err(Error::Damaged));
    assert_eq!(vault.open_payload(&[1, 2], &sealed.commitment, &who("a")), Err(Error::Damaged));
    let mut unknown = sealed.bytes.clone();
    unknown[..8].copy_from_slice(&9_999_u64.to_le_bytes());
    assert_eq!(vault.open_payload(&unknown, &sealed.commitment, &who("a")), Err(Error::Erased));
}

#[test]
fn a_restart_keeps_keys_subjects_and_the_logs_key() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let sealed = vault.seal(&who("a"), "r", b"x").unwrap();
    let public = vault.log_key("example.com/shop").unwrap().public_key();
    drop(vault);
    let vault = open(dir.path());
    assert_eq!(vault.open_payload(&sealed.bytes, &sealed.commitment, &who("a")).unwrap(), b"x");
    assert_eq!(vault.seal(&who("a"), "r", b"x").unwrap().commitment, sealed.commitment);
    assert_eq!(vault.log_key("example.com/shop").unwrap().public_key(), public);
    assert_ne!(vault.log_key("example.com/other").unwrap().public_key(), public);
}

#[test]
fn a_crash_before_the_assignment_costs_a_second_key_and_no_payload() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let first = vault.seal(&who("a"), "r", b"x").unwrap();
    std::mem::forget(vault);
    let vault = Vault::open(dir.path(), root("a"), Arc::new(Counting(AtomicU64::new(1 << 40)))).unwrap();
    assert_eq!(vault.open_payload(&first.bytes, &first.commitment, &who("a")).unwrap(), b"x");
    let second = vault.seal(&who("a"), "r", b"x").unwrap();
    let other = vault.seal(&who("b"), "r", b"x").unwrap();
    assert!(first.key != second.key && first.key != other.key, "a key was given to another");
    let keys = vault.keys_of(&who("a"), [&*first.bytes].into_iter()).unwrap();
    assert_eq!(keys, [first.key, second.key].into());
}

#[test]
fn what_is_destroyed_opens_nowhere_and_who_comes_back_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let (mine, theirs) =
        (vault.seal(&who("a"), "r", b"x").unwrap(), vault.seal(&who("b"), "r", b"x").unwrap());
    let wrapped = |number: u64| {
        let db = rusqlite::Connection::open(dir.path().join("keys.db")).unwrap();
        db.query_row("SELECT wrapped FROM data_keys WHERE number = ?1", [number], |row| {
            row.get::<_, Vec<u8>>(0)
        })
    };
    let kept = wrapped(mine.key).unwrap();
    let keys = vault.keys_of(&who("a"), std::iter::empty()).unwrap();
    let again = vault.seal(&who("a"), "r", b"x").unwrap();
    assert!(!keys.contains(&again.key), "what is sealed after the numbers were taken has a new key");
    vault.destroy(keys.iter().copied()).unwrap();
    vault.destroy(keys.iter().copied()).unwrap();
    assert!(wrapped(mine.key).is_err());
    for round in 0..2 {
        let vault = if round == 0 { &vault } else { &open(dir.path()) };
        let opened =
            |sealed: &crate::Sealed, name| vault.open_payload(&sealed.bytes, &sealed.commitment, &who(name));
        assert_eq!(opened(&mine, "a"), Err(Error::Erased));
        assert_eq!(
            (opened(&again, "a").unwrap(), opened(&theirs, "b").unwrap()),
            (b"x".to_vec(), b"x".to_vec())
        );
    }
    // The store's file, deleted rows and free pages included, holds nothing of the key.
    let raw = std::fs::read(dir.path().join("keys.db")).unwrap();
    assert!(!raw.windows(kept.len()).any(|window| window == kept), "the wrapped key is still in the file");
}

#[test]
fn numbers_of_destroyed_keys_are_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let last = vault.seal(&who("a"), "r", b"x").unwrap().key + 255;
    vault.destroy(1..=last).unwrap();
    drop(vault);
    assert!(open(dir.path()).seal(&who("a"), "r", b"x").unwrap().key > last);
}

#[test]
fn pseudonyms_are_the_same_for_ever_and_others_without_the_key() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let name = open(dir.path()).pseudonym("subject", &[b"samir"]);
    assert_eq!(open(dir.path()).pseudonym("subject", &[b"samir"]), name);
    let elsewhere =
        Vault::open(other.path(), root("a"), Arc::new(Counting(AtomicU64::new(1 << 40)))).unwrap();
    assert_ne!(elsewhere.pseudonym("subject", &[b"samir"]), name);
    assert_ne!(open(dir.path()).pseudonym("conflict", &[b"samir"]), name);
}

#[test]
fn sealing_seldom_waits_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    for number in 0..10_000 {
        vault.seal(&who(&format!("subject {}", number % 500)), "r", b"x").unwrap();
    }
    assert!(vault.flushes() <= 6, "{}", vault.flushes());
}

#[test]
fn the_root_key_is_guarded() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    drop(Vault::open(&data, root("a"), Arc::new(Counting::default())).unwrap());
    let wrong = Vault::open(&data, root("b"), Arc::new(Counting::default())).unwrap_err();
    assert_eq!(wrong, Error::RootKeyWrong);
    assert!(matches!(RootKey::from_text("abc", "x"), Err(Error::RootKeyForm { .. })));

    let chance = Counting::default();
    let file = dir.path().join("keys/root.key");
    assert!(matches!(RootKey::from_file(&file, &data, None), Err(Error::RootKeyFile { .. })));
    RootKey::from_file(&file, &data, Some(&chance)).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(data.join("keys.db")).unwrap().permissions().mode() & 0o777, 0o600);
    let inside = data.join("sub/../root.key");
    assert!(matches!(RootKey::from_file(&inside, &data, Some(&chance)), Err(Error::RootKeyInside { .. })));
}

#[test]
fn a_payload_has_a_largest_size() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let large = vec![0; (8 << 20) + 1];
    assert!(matches!(vault.seal(&who("a"), "r", &large), Err(Error::TooLarge { .. })));
}

#[test]
fn a_copy_opens_what_was_sealed_and_not_what_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let kept = vault.seal(&who("yusuf"), "r", b"kept").unwrap();
    let gone = vault.seal(&who("mara"), "r", b"gone").unwrap();
    vault.flush(1).unwrap();
    let store = dir.path().join("keys.db");
    let place = tempfile::tempdir().unwrap();
    let (copy, thin) = (place.path().join("copy.db"), place.path().join("keys.db"));
    crate::copy_keys(&store, &copy).unwrap();
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(crate::copy_keys(&store, &copy).is_err(), "a copy is never written over");
    assert!(crate::last_key(&copy).unwrap() >= kept.key.max(gone.key));
    assert_eq!(crate::copy_without(&copy, &thin, [gone.key, 9_999].into_iter()).unwrap(), 1);
    let restored = open(place.path());
    assert_eq!(restored.open_payload(&kept.bytes, &kept.commitment, &who("yusuf")).unwrap(), b"kept");
    assert_eq!(restored.open_payload(&gone.bytes, &gone.commitment, &who("mara")), Err(Error::Erased));
    // Its wrapped bytes are in no page.
    let db = rusqlite::Connection::open(&store).unwrap();
    let wrapped: Vec<u8> = db
        .query_row("SELECT wrapped FROM data_keys WHERE number = ?1", [gone.key], |row| row.get(0))
        .unwrap();
    let holds = |path| std::fs::read(path).unwrap().windows(wrapped.len()).any(|window| window == wrapped);
    assert!(holds(&copy) && !holds(&thin));
    vault.destroy([gone.key].into_iter()).unwrap();
    assert!(!holds(&store), "nor in the store in which it was destroyed");
    std::fs::write(place.path().join("text"), "not a database at all, but a text").unwrap();
    for bad in ["text", "missing"] {
        assert!(crate::last_key(&place.path().join(bad)).is_err(), "{bad}");
    }
}

#[test]
fn another_root_key_opens_everything_and_the_old_one_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let sealed = vault.seal(&who("yusuf"), "r", b"text").unwrap();
    let (key, name) = (vault.log_key("shop").unwrap().public_key(), vault.pseudonym("d", &[b"x"]));
    drop(vault);
    let chance = Counting(AtomicU64::new(1 << 40));
    let wrong = crate::rotate_root(dir.path(), &root("c"), &root("b"), &chance);
    assert_eq!(wrong, Err(Error::RootKeyWrong));
    assert!(crate::rotate_root(dir.path(), &root("a"), &root("b"), &chance).unwrap() > 256);
    let old = Vault::open(dir.path(), root("a"), Arc::new(Counting::default()));
    assert!(matches!(old, Err(Error::RootKeyWrong)));
    let vault = Vault::open(dir.path(), root("b"), Arc::new(Counting(AtomicU64::new(1 << 50)))).unwrap();
    assert_eq!(vault.open_payload(&sealed.bytes, &sealed.commitment, &who("yusuf")).unwrap(), b"text");
    assert_eq!((vault.log_key("shop").unwrap().public_key(), vault.pseudonym("d", &[b"x"])), (key, name));
}

#[test]
fn what_a_crash_kept_from_being_written_is_learned_from_what_was_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let before = vault.seal(&who("yusuf"), "r", b"text").unwrap();
    let gone = vault.seal(&who("mara"), "r", b"text").unwrap();
    vault.destroy([gone.key].into_iter()).unwrap();
    // Nothing is written down when a process is killed.
    std::mem::forget(vault);
    let chance = |from| Arc::new(Counting(AtomicU64::new(from)));
    let vault = Vault::open(dir.path(), root("a"), chance(1 << 40)).unwrap();
    assert_eq!(vault.mark(), 0);
    assert!(!vault.knows(&who("yusuf")).unwrap());
    vault.learn(&who("yusuf"), &before.bytes).unwrap();
    vault.learn(&who("mara"), &gone.bytes).unwrap();
    vault.learn(&who("thief"), &before.bytes).unwrap();
    assert!(vault.knows(&who("yusuf")).unwrap());
    assert!(!vault.knows(&who("mara")).unwrap(), "a destroyed key is no key");
    assert_eq!(vault.learn(&who("x"), &[1]), Err(Error::Damaged));
    vault.learned(9).unwrap();
    std::mem::forget(vault);
    let vault = Vault::open(dir.path(), root("a"), chance(1 << 50)).unwrap();
    assert_eq!(vault.mark(), 9);
    assert_eq!(vault.seal(&who("yusuf"), "r", b"text").unwrap().commitment, before.commitment);
    assert_ne!(vault.seal(&who("thief"), "r", b"text").unwrap().key, before.key, "a key has one subject");
    assert_ne!(vault.seal(&who("mara"), "r", b"text").unwrap().key, gone.key);
    vault.learned(3).unwrap();
    assert_eq!(vault.mark(), 3, "an older journal was restored");
}

#[test]
fn the_next_key_of_a_log_is_made_once_and_takes_the_place_of_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let first = vault.log_key("shop").unwrap().public_key();
    assert!(vault.pending_log_key("shop").unwrap().is_none());
    vault.promote_log_key("shop").unwrap();
    assert_eq!(vault.log_key("shop").unwrap().public_key(), first, "nothing is pending");
    let next = vault.next_log_key("shop").unwrap();
    assert_eq!(next.name(), "shop");
    drop(vault);
    // A crash in between finds it again, also under another root key.
    let chance = Counting(AtomicU64::new(1 << 40));
    crate::rotate_root(dir.path(), &root("a"), &root("b"), &chance).unwrap();
    let vault = Vault::open(dir.path(), root("b"), Arc::new(Counting(AtomicU64::new(1 << 50)))).unwrap();
    assert_eq!(vault.log_key("shop").unwrap().public_key(), first);
    assert_eq!(vault.pending_log_key("shop").unwrap().unwrap().public_key(), next.public_key());
    vault.promote_log_key("shop").unwrap();
    assert!(vault.pending_log_key("shop").unwrap().is_none());
    assert_eq!(vault.log_key("shop").unwrap().public_key(), next.public_key());
    assert_ne!(
        vault.next_log_key("shop").unwrap().public_key(),
        next.public_key(),
        "and another one after it"
    );
}
