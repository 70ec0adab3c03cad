//! What outsiders check: a receipt of one entry, and a published log, whole, forked, cut and damaged.

use std::path::Path;

use journal::conformance::TestSigner;
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::{Entry, Event, Pruned};
use tlog::{Checkpoint, Levels, Tile, VerifierKey, encode_bundle, leaf_hash, sign, tiles};

use crate::approvals::play;
use crate::shop::{Shop, countersign, transcript};

#[test]
fn a_receipt_proves_its_entry_when_the_server_is_gone() {
    let mut shop = Shop::open();
    play(&shop);
    let path = |name: &str| shop.dir.path().join(name).to_str().unwrap().to_owned();
    let (file, policy) = (path("receipt"), path("trust.policy"));
    let waiting = shop.ok(&["approvals", "list"]);
    let action = waiting[0]["action"].as_str().unwrap().to_owned();
    std::fs::write(&policy, shop.run(&["keys", "log"]).stdout).unwrap();
    let written = transcript(&shop.run(&["receipt", &action, "-o", &file]));
    assert!(written.contains("check it anywhere") && written.ends_with("exit 0\n"), "{written}");
    let first = shop.run(&["receipt", "0"]);
    assert!(first.stdout.starts_with(b"c2sp.org/tlog-proof@v1\n"), "{}", transcript(&first));
    let beyond = transcript(&shop.run(&["receipt", "999999"]));
    assert!(beyond.contains("code: not_found") && beyond.ends_with("exit 1\n"), "{beyond}");
    shop.stop();

    let verify = |arguments: &[&str]| {
        transcript(&countersign().args(["verify", "--receipt", &file]).args(arguments).output().unwrap())
    };
    let whole = verify(&["--policy", &policy]);
    assert!(whole.contains("verified: `action.decided` is entry"), "{whole}");
    assert!(whole.contains(&action) && whole.ends_with("exit 0\n"), "{whole}");
    assert!(verify(&[]).ends_with("exit 2\n"), "nobody is trusted without being named");

    // The entry travels in base64 on the second line.
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().nth(1).unwrap();
    let mut changed = line.to_owned().into_bytes();
    changed[40] = if changed[40] == b'A' { b'B' } else { b'A' };
    std::fs::write(&file, text.replace(line, std::str::from_utf8(&changed).unwrap())).unwrap();
    let refused = verify(&["--policy", &policy]);
    assert!(refused.contains("does not vouch for this entry") && refused.ends_with("exit 1\n"), "{refused}");
    std::fs::write(&file, "nonsense\n").unwrap();
    let none = verify(&["--policy", &policy]);
    assert!(none.contains("code: receipt_invalid") && none.ends_with("exit 1\n"), "{none}");
}

const LOG: &str = "log.example/shop";

fn entry(seq: u64, of: &str) -> Vec<u8> {
    telling(seq, Event::LogStarted { format: 1, verifier_key: of.to_owned() })
}

fn telling(seq: u64, event: Event) -> Vec<u8> {
    let at = Millis(1_700_000_000_000);
    let (log, commits) = (LOG.to_owned(), std::collections::BTreeMap::new());
    Entry { v: 1, log, seq, at, run: None, actor: Actor::Server, cause: None, event, commits }.encode()
}

fn levels(entries: &[Vec<u8>]) -> Levels {
    let mut levels = Levels::default();
    for entry in entries {
        levels.push(leaf_hash(entry));
    }
    levels
}

/// Writes a log of so many entries into a folder, as C2SP tlog-tiles has it.
fn publish(dir: &Path, size: u64, of: impl Fn(u64) -> &'static str) {
    publish_entries(dir, &(0..size).map(|seq| entry(seq, of(seq))).collect::<Vec<_>>());
}

fn publish_entries(dir: &Path, entries: &[Vec<u8>]) {
    let size = entries.len() as u64;
    let levels = levels(entries);
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for tile in tiles(0, size) {
        write(&tile.to_string(), &tile.read(&levels).unwrap());
        if tile.level() == 0 {
            let bundle = Tile::entries(tile.index(), tile.width()).unwrap();
            let range =
                usize::try_from(bundle.range().start).unwrap()..usize::try_from(bundle.range().end).unwrap();
            write(&bundle.to_string(), &encode_bundle(&entries[range]).unwrap());
        }
    }
    let checkpoint = Checkpoint::new(LOG, size, tlog::root(&levels, size).unwrap()).unwrap();
    write("checkpoint", sign(&checkpoint.encode(), &*TestSigner::new(LOG, 1)).unwrap().as_bytes());
}

#[test]
fn a_published_log_is_held_against_what_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (log, kept, policy) = (path("log"), path("kept"), path("trust.policy"));
    let key = VerifierKey::of(&*TestSigner::new(LOG, 1)).encode();
    std::fs::write(&policy, format!("log {key}\nquorum none\n")).unwrap();
    let verify = |arguments: &[&str]| {
        let mut command = countersign();
        command.args(["verify", "--log", &log, "--policy", &policy]).args(arguments);
        transcript(&command.output().unwrap())
    };
    let again = |size, of: fn(u64) -> &'static str| {
        std::fs::remove_dir_all(&log).ok();
        publish(Path::new(&log), size, of);
    };

    again(300, |_| "one");
    let whole = verify(&["--all"]);
    assert!(whole.contains("300 entries read") && whole.ends_with("exit 0\n"), "{whole}");
    std::fs::copy(format!("{log}/checkpoint"), &kept).unwrap();
    assert!(verify(&["--since", &kept]).contains("it has not grown since"));

    again(70_000, |_| "one");
    let grown = verify(&["--since", &kept]);
    assert!(grown.contains("it grew from 300 to 70000 entries") && grown.ends_with("exit 0\n"), "{grown}");

    again(70_000, |seq| if seq == 250 { "two" } else { "one" });
    let forked = verify(&["--since", &kept]);
    assert!(forked.contains("FORK:") && forked.contains("code: log_forked"), "{forked}");
    assert!(forked.ends_with("exit 1\n"), "{forked}");

    again(299, |_| "one");
    let shrunk = verify(&["--since", &kept]);
    assert!(shrunk.contains("SHRUNK:") && shrunk.ends_with("exit 1\n"), "{shrunk}");

    again(300, |_| "one");
    let bundle = Path::new(&log).join(Tile::entries(0, 256).unwrap().to_string());
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    assert!(verify(&[]).ends_with("exit 0\n"), "the tree is whole");
    let damaged = verify(&["--all"]);
    assert!(damaged.contains("code: log_damaged") && damaged.ends_with("exit 1\n"), "{damaged}");
    std::fs::remove_file(bundle).unwrap();
    let missing = verify(&["--all"]);
    assert!(missing.contains("code: log_incomplete") && missing.ends_with("exit 1\n"), "{missing}");

    let other = VerifierKey::of(&*TestSigner::new(LOG, 2)).encode();
    std::fs::write(&policy, format!("log {other}\nquorum none\n")).unwrap();
    let stranger = verify(&[]);
    assert!(stranger.contains("code: log_untrusted") && stranger.ends_with("exit 1\n"), "{stranger}");
    let nowhere = countersign().args(["verify", "--log", "/nowhere", "--policy", &policy]).output().unwrap();
    assert!(transcript(&nowhere).ends_with("exit 2\n"));
}

#[test]
fn what_was_pruned_is_told_by_the_log_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (log, kept, policy) = (path("log"), path("kept"), path("trust.policy"));
    let key = VerifierKey::of(&*TestSigner::new(LOG, 1)).encode();
    std::fs::write(&policy, format!("log {key}\nquorum none\n")).unwrap();
    let verify = |arguments: &[&str]| {
        let mut command = countersign();
        command.args(["verify", "--log", &log, "--policy", &policy, "--all"]).args(arguments);
        transcript(&command.output().unwrap())
    };
    let take = |bundle: u64| {
        let full = Tile::entries(bundle, 256).unwrap();
        std::fs::remove_file(Path::new(&log).join(full.to_string())).unwrap();
    };
    let mut entries: Vec<Vec<u8>> = (0..1_000).map(|seq| entry(seq, "one")).collect();
    publish_entries(Path::new(&log), &entries[..200]);
    std::fs::copy(format!("{log}/checkpoint"), &kept).unwrap();
    let says = |size: u64, of: u64| {
        let root = Digest(tlog::root(&levels(&entries[..300]), of).unwrap());
        Event::JournalPruned(Pruned { first: 9, size, root, base: None })
    };
    let (half, record, lie) = (says(100, 100), says(300, 300), says(300, 299));

    // Somebody says it with another root, or of entries that come later: nobody believes it.
    for (at, said) in [(900, lie), (200, record.clone())] {
        entries[at] = telling(at as u64, said);
        publish_entries(Path::new(&log), &entries);
        take(0);
        let gap = verify(&[]);
        assert!(gap.contains("code: log_incomplete") && gap.ends_with("exit 1\n"), "{gap}");
        entries[at] = entry(at as u64, "one");
    }
    entries[700] = telling(700, half);
    entries[900] = telling(900, record);
    publish_entries(Path::new(&log), &entries);
    let whole = verify(&[]);
    assert!(whole.contains("1000 entries read") && !whole.contains("pruned"), "nothing is missing: {whole}");
    take(0);
    take(1);
    let told = verify(&["--since", &kept]);
    assert!(told.contains("it grew from 200 to 1000 entries"), "{told}");
    assert!(told.contains("pruned: the first 300 entries; entry 900 of the log says so"), "{told}");
    assert!(told.contains("212 more are not shown"), "{told}");
    assert!(told.contains("488 entries read") && told.ends_with("exit 0\n"), "{told}");
    let json = verify(&["--json"]);
    assert!(json.contains("\"said_by\": 900") || json.contains("\"said_by\":900"), "{json}");

    take(2);
    let gap = verify(&[]);
    assert!(
        gap.contains("code: log_incomplete") && gap.ends_with("exit 1\n"),
        "beyond what was pruned: {gap}"
    );
}

#[test]
fn who_trusts_a_key_follows_to_the_next_one_and_to_the_next_origin() {
    let mut shop = Shop::open();
    play(&shop);
    let dir = shop.dir.path().to_owned();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (mirror, kept, policy, backup) = (path("mirror"), path("kept"), path("trust.policy"), path("backup"));
    std::fs::write(&policy, shop.run(&["keys", "log"]).stdout).unwrap();
    let cover = |shop: &Shop| {
        let last = shop.ok(&["status"])["entries"].as_u64().unwrap() - 1;
        assert!(shop.run(&["receipt", &last.to_string()]).status.success());
        last
    };
    let last = cover(&shop);
    shop.ok(&["log", "export", &mirror]);
    std::fs::copy(format!("{mirror}/checkpoint"), &kept).unwrap();
    let made = shop.ok(&["backup", &backup, "--keys", &path("keys")]);
    let copy = made["keys"].as_str().unwrap().to_owned();
    shop.stop();
    let mut rotate = countersign();
    rotate.arg("--data").arg(shop.data()).args(["keys", "rotate-log", "--root-key"]);
    let rotated = transcript(&rotate.arg(shop.dir.path().join("root.key")).output().unwrap());
    assert!(rotated.contains("rotated: log retail") && rotated.ends_with("exit 0\n"), "{rotated}");
    let offline = transcript(&countersign().arg("verify").arg(shop.data()).output().unwrap());
    assert!(offline.contains("another key from entry") && offline.ends_with("exit 0\n"), "{offline}");
    shop.start();
    cover(&shop);
    shop.ok(&["log", "export", &mirror]);
    let check = |arguments: &[&str]| {
        let mut command = countersign();
        command.args(["verify", "--log", &mirror, "--policy", &policy]).args(arguments);
        transcript(&command.output().unwrap())
    };
    for arguments in [&["--since", &*kept, "--all"][..], &[]] {
        let followed = check(arguments);
        assert!(followed.contains("signed by another key") && followed.ends_with("exit 0\n"), "{followed}");
    }

    // Back to the point of the backup, and to one before it.
    shop.stop();
    for (point, left) in [("end".to_owned(), false), ((last - 3).to_string(), true)] {
        std::fs::rename(shop.data(), path(&format!("before-{point}"))).unwrap();
        let mut restore = countersign();
        restore.args(["restore", &backup, "--keys", &copy, "--to"]).arg(shop.data());
        restore.args(["--point", &point, "--root-key"]).arg(shop.dir.path().join("root.key"));
        let restored = transcript(&restore.output().unwrap());
        assert!(restored.contains("goes on as retail/2") && restored.ends_with("exit 0\n"), "{restored}");
        shop.start();
        let paused = transcript(&shop.run(&["status"]));
        assert!(paused.contains("countersign reconcile"), "{paused}");
        shop.ok(&["reconcile", "--reason", "nothing happened meanwhile"]);
        cover(&shop);
        std::fs::remove_dir_all(&mirror).unwrap();
        shop.ok(&["log", "export", &mirror]);
        let followed = check(&["--since", &kept, "--all"]);
        if left {
            assert!(followed.contains("code: log_went_back") && followed.ends_with("exit 1\n"), "{followed}");
        } else {
            assert!(followed.contains("retail/2") && followed.ends_with("exit 0\n"), "{followed}");
        }
        shop.stop();
    }
}

#[test]
fn an_exported_log_is_checked_like_the_server_and_grows() {
    let mut shop = Shop::open();
    play(&shop);
    let path = |name: &str| shop.dir.path().join(name).to_str().unwrap().to_owned();
    let (mirror, kept, policy) = (path("mirror"), path("kept"), path("trust.policy"));
    std::fs::write(&policy, shop.run(&["keys", "log"]).stdout).unwrap();
    let cover = || {
        let last = shop.ok(&["status"])["entries"].as_u64().unwrap() - 1;
        assert!(shop.run(&["receipt", &last.to_string()]).status.success());
    };
    cover();
    let first = shop.ok(&["log", "export", &mirror]);
    assert_eq!((&first["from"], &first["pruned"]), (&0.into(), &0.into()), "{first}");
    std::fs::copy(format!("{mirror}/checkpoint"), &kept).unwrap();
    shop.key("--person", "mara");
    cover();
    let second = shop.ok(&["log", "export", &mirror]);
    assert_eq!(second["from"], first["size"], "{second}");
    let url = std::fs::read_to_string(shop.data().join("server.json")).unwrap();
    let url: serde_json::Value = serde_json::from_str(&url).unwrap();
    let online = format!("{}/log/retail", url["url"].as_str().unwrap());
    let check =
        |place: &str| shop.ok(&["verify", "--log", place, "--policy", &policy, "--since", &kept, "--all"]);
    let (there, here) = (check(&online), check(&mirror));
    assert_eq!((&there["root"], &there["entries_read"]), (&here["root"], &here["size"]), "{there}");
    shop.stop();
    let offline = countersign().args(["verify", "--log", &mirror, "--policy", &policy]).output().unwrap();
    assert!(transcript(&offline).ends_with("exit 0\n"), "{}", transcript(&offline));
}
