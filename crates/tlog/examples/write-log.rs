//! Writes a log as tlog-tiles lays it out, so that other programs can be tried on it (`scripts/verify-go.sh`).
//!
//! `write-log DIR SIZE OLD [WORD]`: DIR gets `checkpoint`, `tile/…`, a few receipts, the verifier key in `key`, and in
//! `checkpoint.old` what the log said of itself when it had OLD entries. Another WORD makes other entries, signed by the
//! same key: the log as it would look if it lied. The key is a fixed one: for tests only.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use ed25519_dalek::{Signer as _, SigningKey};
use kernel::ports::Signer;
use tlog::{
    Checkpoint, Levels, Receipt, Tile, VerifierKey, encode_bundle, inclusion, leaf_hash, root, sign, tiles,
};

const ORIGIN: &str = "log.example/written-for-a-test";

struct FixedKey(SigningKey);

impl Signer for FixedKey {
    fn name(&self) -> &str {
        ORIGIN
    }

    fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (dir, size, old, word) = match arguments.as_slice() {
        [dir, size, old] => (dir, size, old, "seq"),
        [dir, size, old, word] => (dir, size, old, word.as_str()),
        _ => return Err("usage: write-log DIR SIZE OLD [WORD]".into()),
    };
    let (dir, size, old): (_, u64, u64) = (Path::new(dir), size.parse()?, old.parse()?);
    if old > size {
        return Err("OLD is larger than SIZE".into());
    }
    // One entry is empty and one is as large as entries can be: both must survive the length in front of them.
    let entries: Vec<Vec<u8>> = (0..size)
        .map(|n| match n {
            1 => Vec::new(),
            2 => vec![b'x'; tlog::ENTRY_BYTES_MAX],
            _ => format!("{{\"{word}\":{n}}}").into_bytes(),
        })
        .collect();
    let mut levels = Levels::default();
    for entry in &entries {
        levels.push(leaf_hash(entry));
    }
    for tile in tiles(0, size) {
        put(dir, &tile.to_string(), &tile.read(&levels)?)?;
        if tile.level() == 0 {
            let bundle = Tile::entries(tile.index(), tile.width()).ok_or("no such bundle")?;
            let (start, end) = (bundle.range().start, bundle.range().end);
            let range = usize::try_from(start)?..usize::try_from(end)?;
            put(dir, &bundle.to_string(), &encode_bundle(&entries[range])?)?;
        }
    }
    let signer = FixedKey(SigningKey::from_bytes(&[42; 32]));
    for (name, size) in [("checkpoint", size), ("checkpoint.old", old)] {
        let checkpoint = Checkpoint::new(ORIGIN, size, root(&levels, size)?)?;
        put(dir, name, sign(&checkpoint.encode(), &signer)?.as_bytes())?;
    }
    let note = fs::read_to_string(dir.join("checkpoint"))?;
    for index in [0, 1, 2, size / 2, size.saturating_sub(1)].into_iter().filter(|index| *index < size) {
        let path = inclusion(&levels, index, size)?;
        let extra = (index == 0).then(|| b"anything".to_vec());
        let receipt = Receipt::new(index, path, extra, note.clone())?.encode();
        put(dir, &format!("{index}.tlog-proof"), receipt.as_bytes())?;
    }
    put(dir, "key", VerifierKey::of(&signer).encode().as_bytes())
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let path = dir.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(fs::write(path, bytes)?)
}
