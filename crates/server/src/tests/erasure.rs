//! Erasing a subject: the content is gone from every answer and every file, everything else stays, and proof holds.

use std::io::Write;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kernel::clock::Millis;
use kernel::event::{Entry, Event};
use serde_json::json;
use tlog::{Checkpoint, Note, Tile};

use super::world::{World, start};
use crate::backup::backup_at;
use crate::{BackupPlan, RestorePlan, restore};

/// What must be gone, and nothing else has in it.
const CANARY: &str = "Zülal-7f3a \"quoted\"";

/// Every way in which the text may stand in a file: as it is, in JSON with and without escapes, in hexadecimal, and in
/// base64 at each of its three places.
fn encodings(text: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(text).unwrap();
    let ascii: String = json
        .chars()
        .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
        .collect();
    let twice = serde_json::to_string(&json).unwrap();
    let inner = |text: &str| text.trim_matches('"').to_owned();
    let mut all = vec![text.to_owned(), inner(&json), inner(&ascii), inner(&twice), hex(text.as_bytes())];
    for shift in 0..3 {
        let padded = [&[b'.'; 3][..shift], text.as_bytes()].concat();
        let encoded = STANDARD_NO_PAD.encode(padded);
        // The first and last characters also carry bits of what stands around.
        all.push(encoded[[0, 2, 3][shift]..encoded.len() - 2].to_owned());
    }
    all.into_iter().map(String::into_bytes).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![];
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Files of the data directory in which the text stands, in any encoding.
pub(super) fn told_in(dir: &Path, text: &str) -> Vec<String> {
    let encodings = encodings(text);
    // A running server's drafts come and go.
    let holds = |path: &std::path::PathBuf| tells(&encodings, &std::fs::read(path).unwrap_or_default());
    files(dir).iter().filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}

/// Whether the text stands in these bytes, in any encoding.
fn tells(encodings: &[Vec<u8>], bytes: &[u8]) -> bool {
    // Room that was made ahead is long.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let bytes = &bytes[..end];
    encodings.iter().any(|text| bytes.windows(text.len()).any(|window| window == text))
}

/// Lines of the log at every level: how many there were, and those in which the canary stands.
static SAID: Mutex<(u64, Vec<String>)> = Mutex::new((0, vec![]));

/// Where the log goes.
struct Said;

impl Write for Said {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        static CANARIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| encodings(CANARY));
        let mut said = SAID.lock().unwrap();
        said.0 += 1;
        if tells(&CANARIES, line) {
            said.1.push(String::from_utf8_lossy(line).into_owned());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Listens to the log from now on; what other tests say is heard, too.
fn listen() {
    let level = tracing::level_filters::LevelFilter::TRACE;
    drop(tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(|| Said).try_init());
    tracing::info!(title = CANARY, "the canary");
    tracing::info!(title = ?CANARY, "the canary");
    let (_, heard) = std::mem::take(&mut *SAID.lock().unwrap());
    assert_eq!(heard.len(), 2, "what is said is heard: {heard:?}");
}

/// Writes into a folder what outsiders can read of the log: checkpoint, tiles, entries, and a receipt for each.
async fn publish(world: &World, dir: &Path) {
    let token = world.token();
    let bytes = async |path: &str| {
        let got = world.request(reqwest::Method::GET, path).bearer_auth(&token).send().await.unwrap();
        assert_eq!(got.status().as_u16(), 200, "{path}");
        got.bytes().await.unwrap()
    };
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    world.server.app().journal.checkpoint_now().unwrap();
    let note = bytes("/log/main/checkpoint").await;
    write("checkpoint", &note);
    let note = Note::parse(std::str::from_utf8(&note).unwrap()).unwrap();
    let size = Checkpoint::claimed(&note).unwrap().size();
    for tile in tlog::tiles(0, size) {
        write(&tile.to_string(), &bytes(&format!("/log/main/{tile}")).await);
        if tile.level() == 0 {
            let bundle = Tile::entries(tile.index(), tile.width()).unwrap();
            let entries = bytes(&format!("/log/main/{bundle}")).await;
            assert!(tells(&[b"action.proposed".to_vec()], &entries), "entries can be read");
            write(&bundle.to_string(), &entries);
        }
    }
    for seq in 0..size {
        write(&format!("receipts/{seq}"), &bytes(&format!("/v1/entries/{seq}/receipt")).await);
    }
}

/// The data keys in the store, wrapped, by number.
fn wrapped(world: &World) -> std::collections::BTreeMap<i64, Vec<u8>> {
    let store = rusqlite::Connection::open(world.dir.path().join("data/keys.db")).unwrap();
    let mut keys = store.prepare("SELECT number, wrapped FROM data_keys").unwrap();
    let rows = keys.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Files in which one of these keys stands.
fn kept_in(dir: &Path, keys: &[Vec<u8>]) -> Vec<String> {
    let hold = |path: &std::path::PathBuf| tells(keys, &std::fs::read(path).unwrap_or_default());
    files(dir).iter().filter(|path| hold(path)).map(|path| path.display().to_string()).collect()
}

/// The numbers of the keys that the log says were destroyed.
fn destroyed(world: &World) -> Vec<i64> {
    let app = world.server.app();
    let entries = app.journal.read(app.log, 0, 10_000, usize::MAX).unwrap();
    let events = entries.iter().map(|entry| Entry::decode(&entry.bytes).unwrap().event);
    events
        .flat_map(|event| if let Event::SubjectErased { keys, .. } = event { keys } else { vec![] })
        .collect()
}

/// All that the server tells about the work, to one who may see everything.
async fn told(world: &World, run: &str, action: &str, approval: &str) -> String {
    let mut all = String::new();
    for path in [
        format!("/v1/runs/{run}"),
        "/v1/runs".to_owned(),
        format!("/v1/runs/{run}/actions"),
        "/v1/actions".to_owned(),
        format!("/v1/actions/{action}"),
        format!("/v1/actions/{action}/explain"),
        "/v1/approvals?status=used".to_owned(),
        format!("/v1/approvals/{approval}"),
        "/v1/entries?limit=500".to_owned(),
        "/v1/status".to_owned(),
        "/metrics".to_owned(),
        format!("/v1/actions/{action}/evidence"),
    ] {
        let got = world.get(&path, &world.token()).await;
        assert_eq!(got.status, 200, "{path}: {:#}", got.body);
        all.push_str(&got.body.to_string());
    }
    all
}

#[test]
fn the_search_finds_each_encoding() {
    let dir = tempfile::tempdir().unwrap();
    for (at, encoding) in encodings(CANARY).iter().enumerate() {
        std::fs::write(dir.path().join(format!("{at}")), [b"before ", &**encoding, b" after"].concat())
            .unwrap();
    }
    for shift in 0..3 {
        let text = format!("{}{CANARY}{}", "x".repeat(shift), "y".repeat(5));
        std::fs::write(dir.path().join(format!("b{shift}")), STANDARD_NO_PAD.encode(text)).unwrap();
    }
    assert_eq!(told_in(dir.path(), CANARY).len(), encodings(CANARY).len() + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_is_gone_everywhere_and_the_proof_holds() {
    listen();
    let mut world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let started = world
        .request(reqwest::Method::POST, "/v1/runs")
        .bearer_auth(&agent)
        .json(&json!({ "title": CANARY, "conversation": CANARY }))
        .send();
    let run = super::world::got(started.await.unwrap()).await.text("id");
    let body = json!({
        "tool": "shop.refund",
        "arguments": { "order": CANARY, "amount": 900, "card": CANARY },
        "reason": format!("{CANARY} asked"),
    });
    let proposed = world.propose_raw(&agent, &run, Some("1"), serde_json::to_vec(&body).unwrap()).await;
    let (action, approval) = (proposed.text("id"), proposed.text("approval"));
    let page = world.get(&format!("/v1/approvals/{approval}"), &ines).await;
    let seen = json!({ "seen": page.text("digest") });
    assert_eq!(world.post(&format!("/v1/approvals/{approval}/approve"), &ines, seen).await.status, 200);
    let done = world.get(&format!("/v1/actions/{action}?wait_ms=20000"), &agent).await;
    assert!(done.text("status") == "confirmed" && done.body.to_string().contains("7f3a"), "{:#}", done.body);
    let kept = world.run(&agent).await;
    let (other, _, _) = world.waiting(&agent, &kept, "2").await;
    assert!(told(&world, &run, &action, &approval).await.contains("7f3a"));

    let keys = wrapped(&world);
    let erase = json!({ "subject": run, "reason": "asked for by letter" });
    let count =
        world.post("/v1/subjects/erase", &world.token(), json!({ "subject": run, "dry_run": true })).await;
    assert!(count.body["payloads"].as_u64().unwrap() >= 5, "{:#}", count.body);
    let erased = world.post("/v1/subjects/erase", &world.token(), erase.clone()).await;
    assert_eq!(erased.status, 200, "{:#}", erased.body);
    assert!(erased.body["keys_destroyed"].as_u64().unwrap() >= 1, "{:#}", erased.body);

    let data = world.dir.path().join("data");
    let gone: Vec<Vec<u8>> = destroyed(&world).iter().map(|number| keys[number].clone()).collect();
    assert!(!gone.is_empty());
    let (stays, place) = (keys.values().find(|key| !gone.contains(key)).unwrap(), data.join("keys.db"));
    let found = kept_in(&data, std::slice::from_ref(stays));
    assert!(found.contains(&place.display().to_string()), "keys are found: {found:?}");
    for round in ["while it runs", "after a restart", "after a rebuild"] {
        let all = told(&world, &run, &action, &approval).await;
        for part in ["7f3a", "Zülal", "quoted"] {
            assert!(!all.contains(part), "{round}: {part} is still told");
        }
        let explained = world.get(&format!("/v1/actions/{other}/explain"), &world.token()).await;
        assert!(
            explained.body.to_string().contains("a complaint"),
            "{round}: another subject's content is gone"
        );
        publish(&world, &world.dir.path().join("mirror")).await;
        assert_eq!(told_in(world.dir.path(), CANARY), Vec::<String>::new(), "{round}");
        assert_eq!(kept_in(world.dir.path(), &gone), Vec::<String>::new(), "{round}");
        let old = std::mem::replace(&mut world.server, start(&tempfile::tempdir().unwrap()).await);
        old.shutdown().await.unwrap();
        assert_eq!(told_in(world.dir.path(), CANARY), Vec::<String>::new(), "{round}, stopped");
        assert_eq!(kept_in(world.dir.path(), &gone), Vec::<String>::new(), "{round}, stopped");
        let verified = journal::verify(&data, &mut |_| ()).unwrap();
        assert!(verified.logs.iter().all(|log| log.size > 0), "{round}");
        if round == "after a restart" {
            assert_eq!(crate::rebuild(&data).unwrap().identical, Some(true));
        }
        world.server = start(&world.dir).await;
    }
    let again = world.post("/v1/subjects/erase", &world.token(), erase).await;
    assert_eq!(again.status, 200, "erasing again is no error: {:#}", again.body);

    // A backup of later, and a server on what comes back from it.
    world.server.app().journal.checkpoint_now().unwrap();
    let place = |name: &str| world.dir.path().join(name);
    let plan = BackupPlan { data, to: place("backup"), keys: Some(place("keys")), keep_keys_days: 35 };
    let copy = backup_at(&plan, Millis(1_767_225_600_000), &mut |_| ()).unwrap().keys.unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(place("root.key"), dir.path().join("root.key")).unwrap();
    let plan = RestorePlan {
        last: vec![plan.to.join("checkpoints/main")],
        from: plan.to,
        keys: copy.clone(),
        to: dir.path().join("data"),
        erasures_from: None,
        point: None,
        root_key_file: None,
        root_key: None,
    };
    restore(&plan, &mut |_| ()).unwrap();
    assert_eq!(kept_in(copy.parent().unwrap(), std::slice::from_ref(stays)).len(), 1, "its keys are found");
    let server = start(&dir).await;
    std::mem::replace(&mut world.server, server).shutdown().await.unwrap();
    let all = told(&world, &run, &action, &approval).await;
    for part in ["7f3a", "Zülal", "quoted"] {
        assert!(!all.contains(part), "restored: {part} is still told");
    }
    let explained = world.get(&format!("/v1/actions/{other}/explain"), &world.token()).await;
    assert!(explained.body.to_string().contains("a complaint"), "restored: {:#}", explained.body);
    for dir in [world.dir.path(), dir.path()] {
        assert_eq!(told_in(dir, CANARY), Vec::<String>::new(), "after a backup and a restore");
        assert_eq!(kept_in(dir, &gone), Vec::<String>::new(), "after a backup and a restore");
    }
    let (lines, heard) = &*SAID.lock().unwrap();
    assert!(*lines > 0 && heard.is_empty(), "{lines} lines of log: {heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_beats_erasure_and_bad_requests_change_nothing() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let (_, _, _) = world.waiting(&agent, &run, "1").await;
    let token = world.token();
    let erase = |subject: &str| json!({ "subject": subject, "reason": "asked for" });
    let hold = |hold: bool| json!({ "subject": run, "hold": hold, "reason": "a lawsuit" });
    assert_eq!(world.post("/v1/subjects/hold", &token, hold(true)).await.body["held"], true);
    let head = world.server.entries();
    for (key, body, wanted) in [
        (&token, erase(&run), (409, "legal_hold")),
        (&token, erase("workspace-files"), (422, "request_invalid")),
        (&token, erase("workspace"), (422, "request_invalid")),
        (&token, erase(&format!("shop:{}", "x".repeat(300))), (422, "request_invalid")),
        (&token, erase("shop:nobody"), (404, "not_found")),
        (&token, json!({ "subject": run }), (422, "request_invalid")),
        (&token, json!({ "subject": run, "reason": " " }), (422, "request_invalid")),
        (&agent, erase(&run), (403, "forbidden")),
    ] {
        let got = world.post("/v1/subjects/erase", key, body.clone()).await;
        assert_eq!(got.code(), wanted, "{body}: {:#}", got.body);
    }
    assert_eq!(world.post("/v1/subjects/hold", &token, hold(true)).await.status, 200);
    assert_eq!(world.server.entries(), head, "nothing of it reached the journal");
    assert_eq!(world.post("/v1/subjects/hold", &token, hold(false)).await.body["held"], false);
    assert_eq!(world.post("/v1/subjects/erase", &token, erase(&run)).await.status, 200);
}
