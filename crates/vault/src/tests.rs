//! Sealing, opening, restarting and being attacked.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::clock::Entropy;
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

#[test]
fn what_is_sealed_opens_and_fits_its_commitment() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let sealed = vault.seal("yusuf", "run_1", b"refund 712.40").unwrap();
    assert!(!sealed.bytes.windows(6).any(|window| window == b"refund"));
    assert_eq!(vault.open_payload(&sealed.bytes, &sealed.commitment, "yusuf").unwrap(), b"refund 712.40");
}

#[test]
fn equal_payloads_have_one_commitment_only_within_subject_and_scope() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let commit = |subject, scope, text: &[u8]| vault.seal(subject, scope, text).unwrap().commitment;
    assert_eq!(commit("a", "r", b"x"), commit("a", "r", b"x"));
    let others = [commit("a", "r", b"y"), commit("a", "s", b"x"), commit("b", "r", b"x")];
    assert!(others.iter().all(|other| *other != commit("a", "r", b"x")));
}

#[test]
fn a_changed_byte_another_subject_and_another_commitment_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let sealed = vault.seal("a", "r", b"x").unwrap();
    let other = vault.seal("a", "r", b"y").unwrap();
    for at in 8..sealed.bytes.len() {
        let mut bytes = sealed.bytes.clone();
        bytes[at] ^= 1;
        assert_eq!(vault.open_payload(&bytes, &sealed.commitment, "a"), Err(Error::Damaged), "byte {at}");
    }
    assert_eq!(vault.open_payload(&sealed.bytes, &other.commitment, "a"), Err(Error::Damaged));
    assert_eq!(vault.open_payload(&sealed.bytes, &sealed.commitment, "b"), Err(Error::Damaged));
    assert_eq!(vault.open_payload(&[1, 2], &sealed.commitment, "a"), Err(Error::Damaged));
    let mut unknown = sealed.bytes.clone();
    unknown[..8].copy_from_slice(&9_999_u64.to_le_bytes());
    assert_eq!(vault.open_payload(&unknown, &sealed.commitment, "a"), Err(Error::Erased));
}

#[test]
fn a_restart_keeps_keys_subjects_and_the_logs_key() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let sealed = vault.seal("a", "r", b"x").unwrap();
    let public = vault.log_key("example.com/shop").unwrap().public_key();
    drop(vault);
    let vault = open(dir.path());
    assert_eq!(vault.open_payload(&sealed.bytes, &sealed.commitment, "a").unwrap(), b"x");
    assert_eq!(vault.seal("a", "r", b"x").unwrap().commitment, sealed.commitment);
    assert_eq!(vault.log_key("example.com/shop").unwrap().public_key(), public);
    assert_ne!(vault.log_key("example.com/other").unwrap().public_key(), public);
}

#[test]
fn a_crash_before_the_assignment_is_written_loses_no_payload() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let sealed = vault.seal("a", "r", b"x").unwrap();
    std::mem::forget(vault);
    let vault = Vault::open(dir.path(), root("a"), Arc::new(Counting(AtomicU64::new(1 << 40)))).unwrap();
    assert_eq!(vault.open_payload(&sealed.bytes, &sealed.commitment, "a").unwrap(), b"x");
    vault.reassign("a", &sealed.bytes).unwrap();
    assert_eq!(vault.seal("a", "r", b"x").unwrap().commitment, sealed.commitment);
}

#[test]
fn sealing_seldom_waits_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    for number in 0..10_000 {
        vault.seal(&format!("subject {}", number % 500), "r", b"x").unwrap();
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
    assert!(matches!(vault.seal("a", "r", &large), Err(Error::TooLarge { .. })));
}
