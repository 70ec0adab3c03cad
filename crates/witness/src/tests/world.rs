//! A log to witness, and a witness on a directory.

use std::path::Path;

use ed25519_dalek::Signer as _;
use kernel::clock::{Clock, Entropy, Millis, Now};
use kernel::ports::Signer;
use tlog::{
    AddCheckpoint, Checkpoint, Levels, Policy, VerifierKey, WitnessKey, consistency, leaf_hash, root, sign,
};

use crate::{Files, Service, SigningKey};

pub(super) const LOG: &str = "log.example/shop";

struct LogSigner;

impl Signer for LogSigner {
    fn name(&self) -> &str {
        LOG
    }

    fn public_key(&self) -> [u8; 32] {
        ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        ed25519_dalek::SigningKey::from_bytes(&[1; 32]).sign(message).to_bytes()
    }
}

#[derive(Debug)]
pub(super) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Now {
        Now { wall: Millis(1_772_470_800_123), steady: Millis(0) }
    }
}

#[derive(Debug)]
pub(super) struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

pub(super) fn key() -> SigningKey {
    SigningKey::make("witness.example/w1", &Sevens).unwrap()
}

pub(super) fn witness_key() -> WitnessKey {
    WitnessKey::parse(&key().verifier_key()).unwrap()
}

pub(super) fn policy() -> Policy {
    let vkey = VerifierKey::of(&LogSigner).encode();
    Policy::parse(format!("log {vkey}\nquorum none\n").as_bytes()).unwrap()
}

/// A witness on a directory, as it is after a start.
pub(super) fn awake(dir: &Path) -> Service {
    let (memory, seen) = Files::open(dir).unwrap();
    Service::new(&policy(), Box::new(memory), &seen, key(), Box::new(Noon))
}

/// A log whose entries are made from `salt` and their numbers.
pub(super) struct Log(Levels);

impl Log {
    pub(super) fn of(size: u64, salt: &str) -> Self {
        let mut levels = Levels::default();
        for n in 0..size {
            // Two histories of a log may begin alike.
            let salt = if n < 3 { "" } else { salt };
            levels.push(leaf_hash(format!("{salt}{n}").as_bytes()));
        }
        Self(levels)
    }

    pub(super) fn note(&self, size: u64) -> String {
        let checkpoint = Checkpoint::new(LOG, size, root(&self.0, size).unwrap()).unwrap();
        sign(&checkpoint.encode(), &LogSigner).unwrap()
    }

    pub(super) fn request(&self, old: u64, new: u64) -> Vec<u8> {
        let proof = consistency(&self.0, old.min(new), new).unwrap();
        AddCheckpoint { old, proof, note: self.note(new) }.encode().into_bytes()
    }
}
