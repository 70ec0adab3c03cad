//! While the views cannot follow, nothing is decided from them.

use serde_json::json;

use super::world::{World, folder};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_the_folder_leaves_although_the_views_are_behind() {
    let world = World::shop().await;
    // Whoever holds the lock on the views' file keeps them from writing; reading goes on.
    let lock = rusqlite::Connection::open(world.dir.path().join("data/views.db")).unwrap();
    lock.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();

    let with_zoe = |zoe: &str| {
        let mut files = folder(world.tools);
        files.get_mut("workspace.toml").unwrap().push_str(zoe);
        json!({ "files": files })
    };
    let added =
        world.post("/v1/apply", &world.token(), with_zoe("\n[people.zoe]\nroles = [\"finance\"]\n")).await;
    assert_eq!(added.status, 200, "{:#}", added.body);
    let zoe = json!({ "person": "zoe" });
    assert_eq!(world.post("/v1/keys", &world.token(), zoe.clone()).await.status, 201);
    let removed = world.post("/v1/apply", &world.token(), with_zoe("")).await;
    assert_eq!(removed.status, 200, "{:#}", removed.body);
    let gone = world.post("/v1/keys", &world.token(), zoe.clone()).await;
    assert_eq!(gone.code(), (404, "not_found"), "{:#}", gone.body);

    let prune = world.post("/v1/retention/prune", &world.token(), json!({ "dry_run": true })).await;
    assert_eq!(prune.code(), (503, "views_failed"), "{:#}", prune.body);

    lock.execute_batch("ROLLBACK").unwrap();
    for _ in 0..500 {
        if world.get("/v1/status", &world.token()).await.body["views_behind"] == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let prune = world.post("/v1/retention/prune", &world.token(), json!({ "dry_run": true })).await;
    assert_eq!(prune.status, 200, "{:#}", prune.body);
    assert_eq!(world.post("/v1/keys", &world.token(), zoe).await.status, 404);
}
