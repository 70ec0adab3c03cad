//! `verify` and `rebuild` on the journal of a real server, whole and damaged on purpose.

use std::path::PathBuf;

use crate::shop::{Shop, root, transcript};

/// A shop whose server has ended, with some entries in its journal.
fn ended() -> Shop {
    let mut shop = Shop::empty();
    shop.ok(&["apply", root().join("examples/retail/workspace").to_str().unwrap(), "--yes"]);
    shop.stop();
    shop
}

fn segment(shop: &Shop) -> PathBuf {
    let mut segments: Vec<PathBuf> = std::fs::read_dir(shop.data().join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "seg"))
        .collect();
    segments.sort();
    segments.remove(0)
}

#[test]
fn a_whole_journal_verifies_and_a_changed_byte_is_named() {
    let shop = ended();
    let data = shop.data();
    let verify = || transcript(&shop.run(&["verify", data.to_str().unwrap()]));
    let whole = verify();
    assert!(whole.contains("verified:") && whole.ends_with("exit 0\n"), "{whole}");

    let file = segment(&shop);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let damaged = verify();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(damaged.contains("code: journal_damaged") && damaged.ends_with("exit 1\n"), "{damaged}");
    assert!(damaged.contains(name), "the place is named: {damaged}");
}

#[test]
fn rebuilding_gives_an_identical_dump() {
    let shop = ended();
    let text = transcript(&shop.run(&["rebuild"]));
    assert!(text.contains("identical") && text.ends_with("exit 0\n"), "{text}");
}
