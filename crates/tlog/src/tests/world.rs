//! Keys and logs to try things on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;

use ed25519_dalek::{Signer as _, SigningKey};
use kernel::ports::Signer;

use crate::{
    Checkpoint, Hash, Levels, Tile, TileSource, VerifierKey, encode_bundle, leaf_hash, root, sign, tiles,
};

/// Name of the log.
pub(super) const LOG: &str = "log.example/shop";

/// A key made from a number.
pub(super) struct TestSigner {
    name: String,
    key: SigningKey,
}

pub(super) fn signer(name: &str, seed: u8) -> TestSigner {
    TestSigner { name: name.to_owned(), key: SigningKey::from_bytes(&[seed; 32]) }
}

impl Signer for TestSigner {
    fn name(&self) -> &str {
        &self.name
    }

    fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

/// The key of the log.
pub(super) fn log_signer() -> TestSigner {
    signer(LOG, 1)
}

pub(super) fn log_key() -> VerifierKey {
    VerifierKey::of(&log_signer())
}

/// A log with all its entries and hashes.
pub(super) struct Log {
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) levels: Levels,
}

impl Log {
    /// The log whose entries are made from `salt` and their numbers.
    pub(super) fn of(size: u64, salt: &str) -> Self {
        let entries: Vec<Vec<u8>> = (0..size).map(|n| format!("{salt}{n}").into_bytes()).collect();
        let mut levels = Levels::default();
        for entry in &entries {
            levels.push(leaf_hash(entry));
        }
        Self { entries, levels }
    }

    pub(super) fn root(&self, size: u64) -> Hash {
        root(&self.levels, size).unwrap()
    }

    /// The signed checkpoint of the first `size` entries.
    pub(super) fn note(&self, size: u64) -> String {
        let checkpoint = Checkpoint::new(LOG, size, self.root(size)).unwrap();
        sign(&checkpoint.encode(), &log_signer()).unwrap()
    }

    /// All files of the log at a size, by path.
    pub(super) fn files(&self, size: u64) -> Files {
        let mut files = BTreeMap::new();
        for tile in tiles(0, size) {
            files.insert(tile.to_string(), tile.read(&self.levels).unwrap());
            if tile.level() == 0 {
                let bundle = Tile::entries(tile.index(), tile.width()).unwrap();
                let range = bundle.range();
                let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                files.insert(bundle.to_string(), encode_bundle(&self.entries[range]).unwrap());
            }
        }
        Files { files, fetched: RefCell::default() }
    }
}

/// Files by path, and which of them were asked for.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) fetched: RefCell<Vec<String>>,
}

/// There is no such file: said as an empty one.
impl TileSource for &Files {
    type Error = Infallible;

    fn fetch(&self, tile: &Tile) -> Result<Vec<u8>, Infallible> {
        self.fetched.borrow_mut().push(tile.to_string());
        Ok(self.files.get(&tile.to_string()).cloned().unwrap_or_default())
    }
}
