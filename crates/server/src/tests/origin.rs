//! Other keys, and other origins: a log that goes on where a verifier can follow.

use std::sync::Arc;

use journal::Signer;
use kernel::clock::Millis;
use kernel::event::{Entry, Event};
use serde_json::json;
use tempfile::TempDir;

use super::world::{World, config, start};
use crate::backup::backup_at;
use crate::{BackupPlan, Point, RestorePlan, Restored, restore, rotate_log};

/// The server's events after entry `from`, as kinds.
fn kinds(world: &World, from: u64) -> Vec<&'static str> {
    let app = world.server.app();
    let entries = app.journal.read(app.log, from, 500, usize::MAX).unwrap();
    entries.iter().map(|entry| Entry::decode(&entry.bytes).unwrap().event.kind()).collect()
}

/// Stops the server; another one stands in for it as long as its directory is there.
async fn stop(world: &mut World) -> TempDir {
    let spare = tempfile::tempdir().unwrap();
    let old = std::mem::replace(&mut world.server, start(&spare).await);
    old.shutdown().await.unwrap();
    spare
}

async fn start_again(world: &mut World, spare: TempDir) {
    let stand_in = std::mem::replace(&mut world.server, start(&world.dir).await);
    stand_in.shutdown().await.unwrap();
    drop(spare);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_logs_get_other_keys_and_work_goes_on() {
    let mut world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let run = world.run(&agent).await;
    let (action, approval, digest) = world.waiting(&agent, &run, "1").await;
    let before = world.server.entries();
    let old_key = world.get("/v1/status", &world.token()).await.text("verifier_key");
    assert!(rotate_log(&config(&world.dir)).unwrap_err().to_string().contains("stop the server first"));
    let spare = stop(&mut world).await;
    let done = rotate_log(&config(&world.dir)).unwrap();
    assert_eq!(done.len(), 2, "the server's own log, too");
    let data = world.dir.path().join("data");
    let verified = journal::verify(&data, &mut |_| ()).unwrap();
    assert!(verified.logs.iter().all(|log| log.checkpoint_size == Some(log.size)));
    start_again(&mut world, spare).await;
    assert_eq!(kinds(&world, before), ["log.rekeyed"]);
    let new_key = world.get("/v1/status", &world.token()).await.text("verifier_key");
    assert_ne!(new_key, old_key);
    let seen = json!({ "seen": digest });
    let yes = world.post(&format!("/v1/approvals/{approval}/approve"), &ines, seen).await;
    assert_eq!(yes.status, 200, "{:#}", yes.body);
    let done = world.get(&format!("/v1/actions/{action}?wait_ms=20000"), &agent).await;
    assert_eq!(done.text("status"), "confirmed", "{:#}", done.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_keys_that_a_crash_cut_short_is_brought_to_its_end() {
    // Before the logs were handed over, and after.
    for handed_over in [false, true] {
        let mut world = World::shop().await;
        let agent = world.agent().await;
        let before = world.server.entries();
        let spare = stop(&mut world).await;
        let (config, data) = (config(&world.dir), world.dir.path().join("data"));
        let next = {
            let root = config.root_key(None).unwrap();
            let vault = vault::Vault::open(&data, root, Arc::new(crate::clock::SystemEntropy)).unwrap();
            let keys = ["main", "platform"]
                .map(|name| (vault.log_key(name).unwrap(), vault.next_log_key(name).unwrap()));
            let changes: Vec<(&dyn Signer, &dyn Signer)> =
                keys.iter().map(|(old, new)| (old as &dyn Signer, new as &dyn Signer)).collect();
            if handed_over {
                journal::succeed(&data, &changes).unwrap();
            }
            tlog::VerifierKey::of(&keys[0].1).encode()
        };
        start_again(&mut world, spare).await;
        let key = world.get("/v1/status", &world.token()).await.text("verifier_key");
        assert_eq!(key == next, handed_over);
        assert_eq!(kinds(&world, before), if handed_over { vec!["log.rekeyed"] } else { vec![] });
        drop(world.run(&agent).await);
        let spare = stop(&mut world).await;
        assert_eq!(rotate_log(&config).unwrap().len(), 2);
        start_again(&mut world, spare).await;
        assert_eq!(*kinds(&world, before).last().unwrap(), "log.rekeyed");
        let key = world.get("/v1/status", &world.token()).await.text("verifier_key");
        assert_eq!(key == next, !handed_over, "a key that was made and not used is used");
        let _spare = stop(&mut world).await;
        journal::verify(&data, &mut |_| ()).unwrap();
    }
}

/// Restores what the world has into another directory.
fn back_to(world: &World, places: &std::path::Path, point: Point) -> (TempDir, anyhow::Result<Restored>) {
    let backup = places.join("backup");
    let plan = BackupPlan {
        data: world.dir.path().join("data"),
        to: backup.clone(),
        keys: Some(places.join("keys")),
        keep_keys_days: 35,
    };
    let keys = backup_at(&plan, Millis(1_767_225_600_000), &mut |_| ()).unwrap().keys.unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(world.dir.path().join("root.key"), dir.path().join("root.key")).unwrap();
    let plan = RestorePlan {
        from: backup,
        keys: keys.clone(),
        to: dir.path().join("data"),
        erasures_from: None,
        last: vec![],
        point: Some(point),
        root_key_file: Some(dir.path().join("root.key")),
        root_key: None,
    };
    let restored = restore(&plan, &mut |_| ());
    std::fs::remove_file(keys).unwrap();
    (dir, restored)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_goes_back_to_a_point_and_waits_for_somebody_to_reconcile_it() {
    let mut world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let run = world.run(&agent).await;
    let (action, approval, digest) = world.waiting(&agent, &run, "1").await;
    let point = world.server.entries() - 1;
    // What the journal will know nothing of: it was approved, and done.
    let seen = json!({ "seen": digest });
    let yes = world.post(&format!("/v1/approvals/{approval}/approve"), &ines, seen.clone()).await;
    assert_eq!(yes.status, 200, "{:#}", yes.body);
    let done = world.get(&format!("/v1/actions/{action}?wait_ms=20000"), &agent).await;
    assert_eq!((done.text("status").as_str(), world.calls()), ("confirmed", 1), "{:#}", done.body);
    world.server.app().journal.checkpoint_now().unwrap();
    let (old_data, places) = (world.dir.path().join("data"), tempfile::tempdir().unwrap());
    let old = journal::verify(&old_data, &mut |_| ()).unwrap();
    let (dir, restored) = back_to(&world, places.path(), Point::Entry(point));
    let restored = restored.unwrap();
    assert!(restored.entries_left_out >= 4, "{restored:?}");
    assert_eq!(
        restored.continued.iter().map(|change| change.new.name()).collect::<Vec<_>>(),
        ["platform/2", "main/2"]
    );
    let spare = stop(&mut world).await;
    let first = std::mem::replace(&mut world.dir, dir);
    start_again(&mut world, spare).await;

    assert_eq!(kinds(&world, point + 1), ["log.continued"]);
    let status = world.get("/v1/status", &world.token()).await;
    assert!(status.body.to_string().contains("countersign reconcile"), "{:#}", status.body);
    // Nothing is done twice, and nothing new is begun.
    let page = world.get(&format!("/v1/approvals/{approval}"), &ines).await;
    assert_eq!(page.text("status"), "waiting", "{:#}", page.body);
    let no = world.post(&format!("/v1/approvals/{approval}/approve"), &ines, seen.clone()).await;
    assert_eq!(no.code(), (503, "reconcile_needed"), "{:#}", no.body);
    let no = world.propose(&agent, &run, "2", "shop.order", json!({ "order": "W1" })).await;
    assert_eq!(no.code(), (503, "reconcile_needed"), "{:#}", no.body);
    assert_eq!(world.post("/v1/reconcile", &agent, json!({ "reason": "x" })).await.status, 403);
    assert_eq!(world.post("/v1/reconcile", &world.token(), json!({ "reason": " " })).await.status, 422);
    // A restart does not forget it, nor does making the rows anew.
    let spare = stop(&mut world).await;
    let data = world.dir.path().join("data");
    assert_eq!(crate::rebuild(&data).unwrap().identical, Some(true));
    start_again(&mut world, spare).await;
    let no = world.propose(&agent, &run, "2", "shop.order", json!({ "order": "W1" })).await;
    assert_eq!(no.code(), (503, "reconcile_needed"), "{:#}", no.body);

    let reconciled =
        world.post("/v1/reconcile", &world.token(), json!({ "reason": "the shop has the refund" })).await;
    assert_eq!(reconciled.status, 200, "{:#}", reconciled.body);
    assert_eq!(reconciled.body["withdrawn"], 1, "{:#}", reconciled.body);
    let gone = world.post(&format!("/v1/approvals/{approval}/approve"), &ines, seen).await;
    assert_eq!(gone.code(), (409, "approval_settled"), "{:#}", gone.body);
    let fine = world.propose(&agent, &run, "2", "shop.order", json!({ "order": "W1" })).await;
    assert_eq!((fine.status, world.calls()), (200, 2), "{:#}", fine.body);
    let explained = world.get(&format!("/v1/actions/{action}/explain"), &world.token()).await;
    assert!(explained.body.to_string().contains("restored"), "{:#}", explained.body);

    // The old checkpoint is of a history that this one shares up to the point, under another origin and key.
    world.server.app().journal.checkpoint_now().unwrap();
    let _spare = stop(&mut world).await;
    let new = journal::verify(&data, &mut |_| ()).unwrap();
    let main = new.logs.iter().find(|log| log.name == "main/2").unwrap();
    assert_ne!(main.vkey, old.logs.iter().find(|log| log.name == "main").unwrap().vkey);
    assert_eq!((main.former[0].old.name(), main.former[0].size), ("main", point + 1));
    assert_eq!(std::fs::read_dir(data.join("checkpoints")).unwrap().count(), 2);
    journal::verify(&first.path().join("data"), &mut |_| ()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_are_the_end_an_entry_or_a_time_and_each_restore_has_an_origin_of_its_own() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    drop(world.run(&agent).await);
    let app = world.server.app();
    let last = world.server.entries() - 1;
    let at = Entry::decode(&app.journal.read(app.log, last, 1, usize::MAX).unwrap()[0].bytes).unwrap().at;
    drop(app);
    for (point, kept) in [
        (Point::End, Some(last + 1)),
        (Point::Entry(last + 100), Some(last + 1)),
        (Point::At(at), Some(last + 1)),
        (Point::At(Millis(at.0 - 1)), Some(last)),
        (Point::At(Millis(1)), None),
    ] {
        let places = tempfile::tempdir().unwrap();
        let (_dir, restored) = back_to(&world, places.path(), point);
        let continued = restored.map(|restored| restored.continued);
        let size = continued.as_ref().ok().and_then(|all| all.iter().find(|one| one.new.name() == "main/2"));
        if point == Point::At(Millis(1)) {
            // The logs were defined, and no entry was there yet.
            assert!(size.is_none_or(|change| change.size == 0), "{continued:?}");
        } else {
            assert!(
                size.is_some_and(|change| Some(change.size) <= kept && change.size + 2 >= kept.unwrap()),
                "{point:?}: {continued:?}"
            );
        }
    }
    // And again from what was restored.
    let places = tempfile::tempdir().unwrap();
    let (dir, restored) = back_to(&world, places.path(), Point::End);
    restored.unwrap();
    let spare = stop(&mut world).await;
    world.dir = dir;
    start_again(&mut world, spare).await;
    let places = tempfile::tempdir().unwrap();
    let (dir, restored) = back_to(&world, places.path(), Point::End);
    assert_eq!(restored.unwrap().continued[1].new.name(), "main/3");
    let spare = stop(&mut world).await;
    world.dir = dir;
    start_again(&mut world, spare).await;
    let app = world.server.app();
    let events = app.journal.read(app.log, 0, 500, usize::MAX).unwrap();
    let origins: Vec<String> = events
        .iter()
        .filter_map(|entry| match Entry::decode(&entry.bytes).unwrap().event {
            Event::LogContinued { origin, .. } => Some(origin),
            _ => None,
        })
        .collect();
    assert_eq!(origins, ["main", "main/2"]);
}

/// What a restore says to these checkpoints, of what the world has now.
fn held(world: &World, last: &[&std::path::Path]) -> Result<(), String> {
    let places = tempfile::tempdir().unwrap();
    let plan = BackupPlan {
        data: world.dir.path().join("data"),
        to: places.path().join("backup"),
        keys: Some(places.path().join("keys")),
        keep_keys_days: 35,
    };
    let keys = backup_at(&plan, Millis(1_767_225_600_000), &mut |_| ()).unwrap().keys.unwrap();
    let plan = RestorePlan {
        from: plan.to,
        keys,
        to: places.path().join("data"),
        erasures_from: None,
        last: last.iter().map(|file| (*file).to_owned()).collect(),
        point: None,
        root_key_file: None,
        root_key: None,
    };
    restore(&plan, &mut |_| ()).map(|_| ()).map_err(|error| format!("{error:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_of_an_earlier_key_or_origin_vouches_for_what_it_saw() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let kept = tempfile::tempdir().unwrap();
    let keep = |world: &World, origin: &str, name: &str| {
        world.server.app().journal.checkpoint_now().unwrap();
        let file = kept.path().join(name);
        std::fs::copy(world.dir.path().join("data/checkpoints").join(origin), &file).unwrap();
        file
    };
    let first = keep(&world, "main", "first");
    let spare = stop(&mut world).await;
    rotate_log(&config(&world.dir)).unwrap();
    start_again(&mut world, spare).await;
    let (_, _, _) = world.waiting(&agent, &run, "1").await;
    let point = world.server.entries() - 1;
    let second = keep(&world, "main", "second");
    assert_eq!(held(&world, &[&second]), Ok(()));
    assert_eq!(held(&world, &[&first]), Ok(()), "signed by the key from before the change");
    assert_eq!(held(&world, &[&first, &second, &first]), Ok(()), "two of one log");

    // What was left behind on the way back is not held, by either name.
    let (_, _, _) = world.waiting(&agent, &run, "2").await;
    let third = keep(&world, "main", "third");
    let places = tempfile::tempdir().unwrap();
    let (dir, restored) = back_to(&world, places.path(), Point::Entry(point));
    restored.unwrap();
    let spare = stop(&mut world).await;
    let _first = std::mem::replace(&mut world.dir, dir);
    start_again(&mut world, spare).await;
    let reconciled = world.post("/v1/reconcile", &world.token(), json!({ "reason": "looked" })).await;
    assert_eq!(reconciled.status, 200, "{:#}", reconciled.body);
    let (_, _, _) = world.waiting(&agent, &run, "3").await;
    let fourth = keep(&world, "main~2", "fourth");
    assert_eq!(held(&world, &[&first, &second, &fourth]), Ok(()));
    let left = held(&world, &[&third]).unwrap_err();
    assert!(left.contains("what came after it there is of another history"), "{left}");
    let forged = std::fs::read_to_string(&first).unwrap().replace('A', "B");
    std::fs::write(&third, forged).unwrap();
    assert!(held(&world, &[&third]).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_goes_on_in_its_place_after_a_restore_under_another_origin() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    world.server.app().journal.checkpoint_now().unwrap();
    let places = tempfile::tempdir().unwrap();
    let (dir, restored) = back_to(&world, places.path(), Point::End);
    restored.unwrap();
    let spare = stop(&mut world).await;
    let first = std::mem::replace(&mut world.dir, dir);
    start_again(&mut world, spare).await;
    let reconciled = world.post("/v1/reconcile", &world.token(), json!({ "reason": "looked" })).await;
    assert_eq!(reconciled.status, 200, "{:#}", reconciled.body);
    let (_, approval, _) = world.waiting(&agent, &run, "1").await;
    world.server.app().journal.checkpoint_now().unwrap();

    let data = world.dir.path().join("data");
    let plan = BackupPlan {
        data: data.clone(),
        to: places.path().join("backup"),
        keys: Some(places.path().join("keys")),
        keep_keys_days: 35,
    };
    let keys = backup_at(&plan, Millis(1_767_225_600_000), &mut |_| ()).unwrap().keys.unwrap();
    let verified = journal::verify(&plan.to, &mut |_| ()).unwrap();
    let main = verified.logs.iter().find(|log| log.name == "main/2").unwrap();
    assert_eq!((main.size, main.checkpoint_size), (world.server.entries(), Some(main.size)));
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(world.dir.path().join("root.key"), dir.path().join("root.key")).unwrap();
    let plan = RestorePlan {
        from: plan.to,
        keys,
        to: dir.path().join("data"),
        erasures_from: None,
        last: vec![first.path().join("data/checkpoints/main"), data.join("checkpoints/main~2")],
        point: None,
        root_key_file: None,
        root_key: None,
    };
    restore(&plan, &mut |_| ()).unwrap();
    let spare = stop(&mut world).await;
    world.dir = dir;
    start_again(&mut world, spare).await;
    let page = world.get(&format!("/v1/approvals/{approval}"), &world.token()).await;
    assert_eq!(page.text("status"), "waiting", "{:#}", page.body);
}
