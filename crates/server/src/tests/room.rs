//! Quota: new work stops, what was begun goes on.

use serde_json::json;

use super::world::{World, config, start};
use crate::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_quota_new_work_is_refused_and_begun_work_goes_on() {
    let mut world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let run = world.run(&agent).await;
    let (action, approval, digest) = world.waiting(&agent, &run, "1").await;
    // A directory is never as small as this.
    let small = crate::Config { quota: Some(1), ..config(&world.dir) };
    let empty = tempfile::tempdir().unwrap();
    std::mem::replace(&mut world.server, start(&empty).await).shutdown().await.unwrap();
    let new = Server::start_at(small, std::sync::Arc::new(crate::clock::SystemClock::new())).await.unwrap();
    std::mem::replace(&mut world.server, new).shutdown().await.unwrap();

    let full = (507, "quota_exceeded");
    let refund = json!({ "order": "W1", "amount": 900, "card": "4111" });
    let got = world.propose(&agent, &run, "2", "shop.refund", refund.clone()).await;
    assert_eq!(got.code(), full, "{:#}", got.body);
    let other = world.key("agent", "other-agent", &[]).await;
    assert_eq!(world.post("/v1/runs", &other, json!({ "conversation": "new" })).await.code(), full);
    assert_eq!(world.run(&agent).await, run, "a run that was begun is found");
    let again = world.propose(&agent, &run, "1", "shop.refund", refund).await;
    assert_eq!((again.status, again.text("id")), (202, action.clone()), "{:#}", again.body);
    let seen = json!({ "seen": digest });
    assert_eq!(world.post(&format!("/v1/approvals/{approval}/approve"), &ines, seen).await.status, 200);
    let done = world.get(&format!("/v1/actions/{action}?wait_ms=20000"), &agent).await;
    assert_eq!(done.text("status"), "confirmed", "{:#}", done.body);

    assert_eq!(world.get("/readyz", &agent).await.status, 503);
    let metrics = world.get("/metrics", &agent).await.body.to_string();
    assert!(
        metrics.contains("countersign_quota_bytes 1\\n") && metrics.contains("intake_stopped 1"),
        "{metrics}"
    );
    let status = world.get("/v1/status", &world.token()).await;
    assert!(status.body["attention"].to_string().contains("No new work is taken"), "{:#}", status.body);

    std::mem::replace(&mut world.server, start(&empty).await).shutdown().await.unwrap();
    let new = start(&world.dir).await;
    std::mem::replace(&mut world.server, new).shutdown().await.unwrap();
    let order = json!({ "order": "W1" });
    assert_eq!(world.propose(&agent, &run, "3", "shop.order", order).await.status, 200, "with room again");
}
