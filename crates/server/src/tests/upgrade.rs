//! Other versions of the program on one directory: an older one left it, or a newer one did.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use journal::{Backend as _, FileJournal, Journal as _, Options};
use kernel::clock::Now;
use serde_json::json;
use tempfile::TempDir;

use super::retention::Ahead;
use super::world::{World, config, start};
use crate::clock::{SystemClock, SystemEntropy};
use crate::{Server, Unfit};

/// What older versions left: the archive, the approval that waits in it and its action, and when it was left.
const LEFT: [(&str, &str, &str, i64); 1] =
    [("format-3", "apr_01m8ftn4bdhdfyvttmmeqne14r", "act_01m8ftn4bdctkzt3cmycnekj6v", 1_795_827_602_000)];

/// Unpacks what an older version left.
fn left(archive: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = fixtures().join(format!("{archive}.tar.gz"));
    let unpacked = std::process::Command::new("tar").arg("-xzf").arg(file).arg("-C").arg(dir.path()).status();
    assert!(unpacked.unwrap().success());
    dir
}

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures/waiting")
}

/// The folder that was in force, for tools at another address.
fn folder_of(tools: std::net::SocketAddr) -> BTreeMap<String, String> {
    let names = ["workspace.toml", "agents/shop-agent.toml", "connectors/shop.toml", "policies/shop.cedar"];
    let read = |name: &str| std::fs::read_to_string(fixtures().join("workspace").join(name)).unwrap();
    let here = |text: String| text.replace("127.0.0.1:17411", &tools.to_string());
    names.map(|name| (name.to_owned(), here(read(name)))).into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_in_an_older_version_is_approved_and_done_in_this_one() {
    for (archive, approval, action, at) in LEFT {
        let mut world = World::bare().await;
        let dir = left(archive);
        // A minute after it was left.
        let machine = SystemClock::new();
        let Now { wall, .. } = kernel::clock::Clock::now(&machine);
        let clock = Arc::new(Ahead::by(machine, at + 60_000 - wall.0));
        let server = Server::start_at(config(&dir), clock.clone()).await.unwrap();
        std::mem::replace(&mut world.server, server).shutdown().await.unwrap();
        let token = world.token();
        let page = world.get(&format!("/v1/approvals/{approval}"), &token).await;
        assert_eq!(page.text("status"), "waiting", "{archive}: {:#}", page.body);
        assert!(page.body.to_string().contains("the bike was sent back"), "{archive}: {:#}", page.body);
        let files = folder_of(world.tools);
        let applied = world.post("/v1/apply", &token, json!({ "files": files })).await;
        assert_eq!(applied.status, 200, "{archive}: {:#}", applied.body);

        let ines = world.person("ines").await;
        let seen = json!({ "seen": page.text("digest") });
        let yes = world.post(&format!("/v1/approvals/{approval}/approve"), &ines, seen).await;
        assert_eq!(yes.status, 200, "{archive}: {:#}", yes.body);
        let done = world.get(&format!("/v1/actions/{action}?wait_ms=20000"), &token).await;
        assert_eq!(
            (done.text("status").as_str(), world.calls()),
            ("confirmed", 1),
            "{archive}: {:#}",
            done.body
        );
        let empty = tempfile::tempdir().unwrap();
        std::mem::replace(&mut world.server, start(&empty).await).shutdown().await.unwrap();
        let data = dir.path().join("data");
        journal::verify(&data, &mut |_| ()).unwrap();
        assert_eq!(crate::rebuild(&data).unwrap().identical, Some(true), "{archive}");
    }
}

/// Every file with its bytes.
fn snapshot(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files.insert(format!("{}/", path.display()), vec![]);
            files.extend(snapshot(&path));
        } else {
            files.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    files
}

/// Starts a server, which must refuse and leave everything as it is. Returns code and words.
async fn refused(world: &World) -> (&'static str, String) {
    let before = snapshot(world.dir.path());
    let error = Server::start(config(&world.dir)).await.unwrap_err();
    let after = snapshot(world.dir.path());
    let changed: Vec<_> =
        before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name)).collect();
    assert!(changed.is_empty(), "{changed:?}");
    let unfit = error.downcast_ref::<Unfit>().unwrap_or_else(|| panic!("{error:#}"));
    assert!(unfit.hint().contains("start the version that wrote it"));
    (unfit.code, unfit.to_string())
}

/// A server that was stopped; another one, of a directory of its own, stands in.
async fn stopped() -> (World, TempDir) {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let (_, _, _) = world.waiting(&agent, &run, "1").await;
    let empty = tempfile::tempdir().unwrap();
    let old = std::mem::replace(&mut world.server, start(&empty).await);
    old.shutdown().await.unwrap();
    // The last reader of the views closes their file a moment later.
    let open = world.dir.path().join("data/views.db-wal");
    for _ in 0..1_000 {
        if !open.exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    (world, empty)
}

/// Adds an entry as another version would: like the last one, with other members.
fn append(world: &World, other: &[(&str, serde_json::Value)]) {
    let (config, data) = (config(&world.dir), world.dir.path().join("data"));
    let vault = vault::Vault::open(&data, config.root_key(None).unwrap(), Arc::new(SystemEntropy)).unwrap();
    let (journal, _) = FileJournal::open(&data, Options::default()).unwrap();
    let log = crate::logs::open(&journal, &vault, "main", &SystemClock::new()).unwrap();
    let seq = journal.head(log.id).size;
    let last = &journal.read(log.id, seq - 1, 1, usize::MAX).unwrap()[0];
    let mut entry: serde_json::Value = serde_json::from_slice(&last.bytes).unwrap();
    entry["seq"] = seq.into();
    for (name, value) in other {
        entry[name] = value.clone();
    }
    let bytes = kernel::json::canonical(&entry);
    let new = journal::NewEntry { log: log.id, seq, bytes, payloads: vec![] };
    let (send, receive) = std::sync::mpsc::channel();
    let done = move |done: Result<journal::Durable, journal::Error>| send.send(done.map(|_| ())).unwrap();
    journal.append(journal::Batch { entries: vec![new] }, Box::new(done));
    receive.recv().unwrap().unwrap();
    journal.close().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_of_entry_that_is_not_known_keeps_the_server_from_starting() {
    let (world, _empty) = stopped().await;
    let data = world.dir.path().join("data");
    let known = std::fs::read_to_string(data.join("understood.json")).unwrap();
    append(&world, &[("kind", "oracle.asked".into()), ("body", serde_json::json!({}))]);
    let (code, why) = refused(&world).await;
    assert_eq!(code, "entry_unknown");
    assert!(
        why.contains("its kind `oracle.asked` is not known") && why.contains("of the log `main`"),
        "{why}"
    );
    // A newer version has read it, and says so.
    let mut newer: serde_json::Value = serde_json::from_str(&known).unwrap();
    newer["kinds"].as_array_mut().unwrap().push("oracle.asked".into());
    newer["entries"]["main"] = (newer["entries"]["main"].as_u64().unwrap() + 1).into();
    for text in [newer.to_string(), String::new(), "nonsense".to_owned()] {
        std::fs::write(data.join("understood.json"), text).unwrap();
        assert_eq!(refused(&world).await.0, "entry_unknown");
    }
    std::fs::remove_file(data.join("understood.json")).unwrap();
    assert_eq!(refused(&world).await.0, "entry_unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_form_of_entries_and_a_newer_format_of_the_journal_are_refused() {
    let (world, _empty) = stopped().await;
    append(&world, &[("v", 2.into())]);
    let (code, why) = refused(&world).await;
    assert_eq!(code, "entry_unknown");
    assert!(why.contains("entry format 2"), "{why}");

    let segment = world.dir.path().join("data/journal/0000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[45..49].copy_from_slice(&99_u32.to_le_bytes());
    let crc = crc32c(&[&bytes[..4], &bytes[8..57]].concat());
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&segment, bytes).unwrap();
    let (code, why) = refused(&world).await;
    assert_eq!(code, "journal_newer");
    assert!(why.contains("format 99 is newer than this program, which knows format"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_once_is_not_read_at_each_start() {
    let (mut world, _empty) = stopped().await;
    let data = world.dir.path().join("data");
    let size = |name: &str| {
        let text = std::fs::read(data.join("understood.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()["entries"][name].as_u64().unwrap()
    };
    let known = size("main");
    let mut seen = vec![];
    journal::peek(&data, &|_| 0, &mut |log, seq, _| seen.push((log.to_owned(), seq))).unwrap();
    assert!(seen.contains(&("main".to_owned(), known - 1)) && !seen.contains(&("main".to_owned(), known)));
    assert!(size("platform") > 0);
    seen.clear();
    journal::peek(&data, &size, &mut |log, seq, _| seen.push((log.to_owned(), seq))).unwrap();
    assert_eq!(seen, []);
    // Written by a version that knew less, it still counts.
    let text = std::fs::read_to_string(data.join("understood.json")).unwrap();
    std::fs::write(data.join("understood.json"), text.replace("\"action.decided\",", "")).unwrap();
    let again = start(&world.dir).await;
    std::mem::replace(&mut world.server, again).shutdown().await.unwrap();
    assert_eq!(std::fs::read_to_string(data.join("understood.json")).unwrap(), text);
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
