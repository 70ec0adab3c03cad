//! A backup beside a running server, checked, restored and served again; another root key.

use crate::shop::{Shop, countersign, root, transcript};

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// A receipt of the last entry makes a checkpoint that covers it.
fn checkpoint(shop: &Shop) {
    let last = shop.ok(&["status"])["entries"].as_u64().unwrap() - 1;
    assert!(shop.run(&["receipt", &last.to_string()]).status.success());
}

#[test]
fn a_backup_is_taken_beside_the_server_and_restored() {
    let mut shop = Shop::empty();
    shop.ok(&["apply", text(&root().join("examples/retail/workspace")), "--yes"]);
    let place = tempfile::tempdir().unwrap();
    let (backup, keys, to) =
        (place.path().join("backup"), place.path().join("keys"), place.path().join("data"));

    let bare = transcript(&shop.run(&["backup", text(&backup)]));
    assert!(bare.contains("no keys: nobody can read a payload") && bare.ends_with("exit 0\n"), "{bare}");
    let inside = transcript(&shop.run(&["backup", text(&backup), "--keys", text(&backup.join("keys"))]));
    assert!(inside.contains("beside what they open") && inside.ends_with("exit 1\n"), "{inside}");
    checkpoint(&shop);
    let made = shop.ok(&["backup", text(&backup), "--keys", text(&keys)]);
    let copy = made["keys"].as_str().unwrap();
    let verified = transcript(&shop.run(&["verify", text(&backup)]));
    assert!(verified.contains("verified:") && !verified.contains("torn"), "{verified}");
    let manifest = std::fs::read_to_string(backup.join("backup.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!((&manifest["format"], manifest["logs"].as_array().unwrap().len()), (&1.into(), 2));

    let restore = ["restore", text(&backup), "--keys", copy, "--to", text(&to)];
    let unsure = transcript(&shop.run(&restore));
    assert!(unsure.contains("could make a second history") && unsure.ends_with("exit 1\n"), "{unsure}");
    let later = place.path().join("later");
    shop.ok(&["keys", "create", "--person", "mara"]);
    checkpoint(&shop);
    std::fs::copy(shop.data().join("checkpoints/retail"), &later).unwrap();
    let behind = transcript(&shop.run(&[&restore[..], &["--last", text(&later)]].concat()));
    assert!(behind.contains("are missing; take a newer backup") && behind.ends_with("exit 1\n"), "{behind}");
    assert!(!to.exists(), "nothing was made");
    let held = backup.join("checkpoints/retail");
    let restore = [&restore[..], &["--last", text(&held)]].concat();
    let restored = transcript(&shop.run(&restore));
    assert!(restored.contains("restored:") && restored.ends_with("exit 0\n"), "{restored}");
    let twice = transcript(&shop.run(&restore));
    assert!(twice.contains("is not empty") && twice.ends_with("exit 1\n"), "{twice}");

    shop.stop();
    let rotate = |old: &str, new: &str| {
        let mut command = countersign();
        command.arg("--data").arg(&to).args(["keys", "rotate-root", "--root-key"]);
        command.arg(shop.dir.path().join(old)).arg("--new-root-key").arg(shop.dir.path().join(new));
        transcript(&command.output().unwrap())
    };
    let rotated = rotate("root.key", "second.key");
    assert!(rotated.contains("rotated:") && rotated.ends_with("exit 0\n"), "{rotated}");
    let gone = rotate("root.key", "third.key");
    assert!(gone.contains("this root key does not open the vault"), "{gone}");
}
