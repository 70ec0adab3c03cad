//! A backup of a server at work, and a server on what was restored from it.

use std::path::Path;

use kernel::clock::Millis;
use serde_json::json;
use tempfile::TempDir;

use super::retention::Story;
use super::world::{World, config, start};
use crate::backup::backup_at;
use crate::{BackedUp, BackupPlan, Config, RestorePlan, Restored, restore, rotate_root};

/// 2026-01-01 00:00:00Z
const NEW_YEAR: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;

fn back_up(world: &World, places: &Path, day: i64) -> BackedUp {
    let plan = BackupPlan {
        data: world.dir.path().join("data"),
        to: places.join("backup"),
        keys: Some(places.join("keys")),
        keep_keys_days: 35,
    };
    world.server.app().journal.checkpoint_now().unwrap();
    backup_at(&plan, Millis(NEW_YEAR + day * DAY), &mut |_| ()).unwrap()
}

/// A directory with the root key, and a restored data directory in it.
fn restored(world: &World, places: &Path, keys: &Path, newer: bool) -> (TempDir, anyhow::Result<Restored>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(world.dir.path().join("root.key"), dir.path().join("root.key")).unwrap();
    let plan = RestorePlan {
        from: places.join("backup"),
        keys: keys.to_owned(),
        to: dir.path().join("data"),
        erasures_from: newer.then(|| world.dir.path().join("data")),
        last: vec![places.join("backup/checkpoints/main")],
        point: None,
        root_key_file: None,
        root_key: None,
    };
    let result = restore(&plan, &mut |_| ());
    (dir, result)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_approved_after_a_restore_and_what_was_erased_stays_so() {
    let mut world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let run = world.run(&agent).await;
    let (action, approval, _) = world.waiting(&agent, &run, "1").await;
    let other = world
        .request(reqwest::Method::POST, "/v1/runs")
        .bearer_auth(&agent)
        .header("idempotency-key", "other")
        .json(&json!({ "title": "about Zulal" }))
        .send();
    let erased = super::world::got(other.await.unwrap()).await.text("id");

    let places = tempfile::tempdir().unwrap();
    let early = back_up(&world, places.path(), 0);
    let first_keys = early.keys.unwrap();
    assert!(first_keys.ends_with("keys-20260101-000000.db"), "{first_keys:?}");
    let erase = json!({ "subject": erased, "reason": "asked for" });
    assert_eq!(world.post("/v1/subjects/erase", &world.token(), erase).await.status, 200);

    let (without, result) = restored(&world, places.path(), &first_keys, false);
    assert_eq!(result.unwrap().keys_destroyed, 0, "the backup knows of no erasure");
    let (dir, result) = restored(&world, places.path(), &first_keys, true);
    let result = result.unwrap();
    assert!(result.keys_destroyed > 0 && result.entries_left_out > 0, "{result:?}");
    // Later: the erasure is in the backup itself, the keys are those of before it.
    let late = back_up(&world, places.path(), 35);
    assert_eq!(late.keys_removed, Vec::<std::path::PathBuf>::new(), "kept for 35 days");
    let (own, result) = restored(&world, places.path(), &first_keys, false);
    assert!(result.unwrap().keys_destroyed > 0);
    let (full, result) = restored(&world, places.path(), &first_keys, false);
    result.unwrap();
    let again = RestorePlan {
        from: places.path().join("backup"),
        keys: first_keys.clone(),
        to: full.path().join("data"),
        erasures_from: None,
        last: vec![],
        point: None,
        root_key_file: None,
        root_key: None,
    };
    assert!(restore(&again, &mut |_| ()).unwrap_err().to_string().contains("is not empty"));
    assert_eq!(back_up(&world, places.path(), 36).keys_removed, [first_keys]);

    let spare = tempfile::tempdir().unwrap();
    let old = std::mem::replace(&mut world.server, start(&spare).await);
    old.shutdown().await.unwrap();
    for (dir, title) in [(&without, Some("about Zulal")), (&dir, None), (&own, None)] {
        let old = std::mem::replace(&mut world.server, start(dir).await);
        old.shutdown().await.unwrap();
        let shown = world.get(&format!("/v1/runs/{erased}"), &world.token()).await;
        assert_eq!(shown.body["title"].as_str().filter(|title| !title.is_empty()), title, "{:#}", shown.body);
    }
    let page = world.get(&format!("/v1/approvals/{approval}"), &ines).await;
    assert_eq!(page.text("status"), "waiting", "{:#}", page.body);
    let seen = json!({ "seen": page.text("digest") });
    let yes = world.post(&format!("/v1/approvals/{approval}/approve"), &ines, seen).await;
    assert_eq!(yes.status, 200, "{:#}", yes.body);
    let done = world.get(&format!("/v1/actions/{action}?wait_ms=20000"), &agent).await;
    assert_eq!((done.text("status").as_str(), world.calls()), ("confirmed", 1), "{:#}", done.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_retention_let_go_stays_so_after_a_restore() {
    let mut story = Story::begin().await;
    let (run, actions) = story.run(&story.pilot, "short", &["W-gone"]).await;
    story.finish(&story.pilot, &run).await;
    let (_, open) = story.run(&story.pilot, "open", &["W-open"]).await;
    let places = tempfile::tempdir().unwrap();
    let first_keys = back_up(&story.world, places.path(), 0).keys.unwrap();
    story.day(31);
    assert_eq!(story.apply().await["runs"], 1);
    let (newer, told) = restored(&story.world, places.path(), &first_keys, true);
    assert!(told.unwrap().keys_destroyed > 0, "the newer journal says what was let go");
    back_up(&story.world, places.path(), 31);
    let (own, told) = restored(&story.world, places.path(), &first_keys, false);
    assert!(told.unwrap().keys_destroyed > 0, "so does the backup itself");
    story.stop().await;
    for dir in [newer, own] {
        // On the day of the backup nothing is due, so no sweep does it.
        story.day(0);
        let server = crate::Server::start_at(config(&dir), story.clock.clone()).await.unwrap();
        std::mem::replace(&mut story.world.server, server).shutdown().await.unwrap();
        assert!(!story.tells(&actions[0], "W-gone").await);
        assert!(story.tells(&open[0], "W-open").await);
        story.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_journals_that_do_not_belong_together_are_refused() {
    let world = World::shop().await;
    let places = tempfile::tempdir().unwrap();
    let data = world.dir.path().join("data");
    let old_keys = back_up(&world, places.path(), 0).keys.unwrap();
    let agent = world.agent().await;
    // More new subjects than one block of keys is for.
    for number in 0..300 {
        let run = world
            .request(reqwest::Method::POST, "/v1/runs")
            .bearer_auth(&agent)
            .header("idempotency-key", format!("{number}"))
            .json(&json!({ "title": format!("run {number}") }))
            .send();
        assert_eq!(run.await.unwrap().status().as_u16(), 201);
    }
    back_up(&world, places.path(), 1);
    let error = restored(&world, places.path(), &old_keys, false).1.unwrap_err();
    assert!(error.to_string().contains("are older than the backup"), "{error}");

    let stranger = World::bare().await;
    let keys = places.path().join("keys/keys-20260102-000000.db");
    let plan = RestorePlan {
        from: places.path().join("backup"),
        keys,
        to: places.path().join("new"),
        erasures_from: Some(stranger.dir.path().join("data")),
        last: vec![places.path().join("backup/checkpoints/main")],
        point: None,
        root_key_file: None,
        root_key: None,
    };
    let error = restore(&plan, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("not of one history"), "{error}");
    assert!(!plan.to.exists(), "nothing is made before everything is checked");

    for (to, keys, why) in [
        (data.join("backup"), None, "lie in each other"),
        (world.dir.path().to_owned(), None, "lie in each other"),
        (places.path().join("b"), Some(places.path().join("b/keys")), "beside what they open"),
        (places.path().join("b"), Some(data.clone()), "beside what they open"),
    ] {
        let plan = BackupPlan { data: data.clone(), to, keys, keep_keys_days: 35 };
        let error = backup_at(&plan, Millis(NEW_YEAR), &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_root_key_opens_the_server_and_the_old_one_does_not() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let mut config = Config::new(world.dir.path().join("data"));
    config.root_key_file = Some(world.dir.path().join("root.key"));
    let new = world.dir.path().join("new.key");
    let busy = rotate_root(&config, &new).unwrap_err();
    assert!(busy.to_string().contains("stop the server first"), "{busy}");
    let inside = config.data.join("root.key");
    let elsewhere = tempfile::tempdir().unwrap();
    let old = std::mem::replace(&mut world.server, start(&elsewhere).await);
    old.shutdown().await.unwrap();
    assert!(rotate_root(&config, &inside).is_err(), "a key beside what it opens");
    rotate_root(&config, &new).unwrap();
    config.listen = "127.0.0.1:0".parse().unwrap();
    let error = crate::Server::start(config.clone()).await.unwrap_err();
    assert!(format!("{error:#}").contains("root key does not open"), "{error:#}");
    std::fs::rename(&new, world.dir.path().join("root.key")).unwrap();
    let spare = std::mem::replace(&mut world.server, start(&world.dir).await);
    spare.shutdown().await.unwrap();
    let shown = world.get(&format!("/v1/runs/{run}"), &world.token()).await;
    assert_eq!(shown.text("title"), "a complaint", "{:#}", shown.body);
}
