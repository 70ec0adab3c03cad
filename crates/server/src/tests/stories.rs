//! The life of an action over REST.

use reqwest::Method;
use serde_json::json;

use super::world::{World, got, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_verdicts_and_an_approval_are_performed_and_explained() {
    let world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let run = world.run(&agent).await;

    let read = world.propose(&agent, &run, "1", "shop.order", json!({ "order": "W1" })).await;
    assert_eq!((read.status, read.text("status").as_str()), (200, "confirmed"), "{:#}", read.body);
    assert!(read.body["output"]["text"].as_str().unwrap().contains("done"), "{:#}", read.body);

    let never = world.propose(&agent, &run, "2", "shop.wipe", json!({ "order": "W1" })).await;
    assert_eq!((never.status, never.text("status").as_str()), (200, "refused"), "{:#}", never.body);
    assert!(never.text("message").contains("Nothing is wiped by an agent"), "{:#}", never.body);

    let (action, approval, digest) = world.waiting(&agent, &run, "3").await;
    assert_eq!(world.calls(), 1, "nothing is sent before the answer");
    let page = world.get(&format!("/v1/approvals/{approval}"), &ines).await;
    assert_eq!(page.body["page"]["arguments"]["card"], "(redacted)");
    assert_eq!(page.body["page"]["agent_says"], "the customer⟨U+202E⟩ asked");
    assert_eq!(page.body["you_may"]["answer"], true, "{:#}", page.body);
    let inbox = world.get("/v1/approvals?status=waiting", &ines).await;
    assert_eq!(inbox.body["items"][0]["id"], approval.as_str());
    let approve = format!("/v1/approvals/{approval}/approve");
    let approved = world.post(&approve, &ines, json!({ "seen": digest })).await;
    assert_eq!(approved.status, 200, "{:#}", approved.body);
    let done = world.get(&format!("/v1/actions/{action}?wait_ms=20000"), &agent).await;
    assert_eq!((done.status, done.text("status").as_str()), (200, "confirmed"), "{:#}", done.body);
    assert_eq!(world.calls(), 2);

    let whole = world.get(&format!("/v1/actions/{action}/explain"), &ines).await;
    assert_eq!(whole.status, 200, "{:#}", whole.body);
    assert_eq!(
        whole.body["rounds"].as_array().unwrap().len(),
        2,
        "decided, and decided again: {:#}",
        whole.body
    );
    assert_eq!(whole.body["rounds"][0]["rules"][0]["id"], "large-refund", "{:#}", whole.body);
    assert_eq!(whole.body["arguments"], json!({ "order": "W1", "amount": 900, "card": "(redacted)" }));
    let kinds: Vec<&str> = whole.body["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"approval.used") && kinds.contains(&"action.confirmed"), "{kinds:?}");
    let runs = world.get("/v1/runs", &ines).await;
    assert_eq!(runs.body["items"][0]["actions"], 3, "{:#}", runs.body);
    assert_eq!(runs.body["items"][0]["title"], "a complaint");
    let status = world.get("/v1/status", &ines).await;
    assert_eq!(status.body["actions"]["confirmed"], 2, "{:#}", status.body);
    let metrics = world.get("/metrics", "").await;
    assert!(metrics.body.as_str().unwrap().contains("countersign_decisions_total{verdict=\"never\"} 1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_tells_the_agent_why() {
    let world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let run = world.run(&agent).await;
    let (action, approval, _) = world.waiting(&agent, &run, "1").await;
    let rejected = world
        .post(&format!("/v1/approvals/{approval}/reject"), &ines, json!({ "reason": "wrong order" }))
        .await;
    assert_eq!(rejected.text("rejected_reason"), "wrong order", "{:#}", rejected.body);
    let told = world.get(&format!("/v1/actions/{action}"), &agent).await;
    assert_eq!(told.text("status"), "rejected");
    assert!(
        told.text("message").contains("ines rejected this, with the words “wrong order”"),
        "{:#}",
        told.body
    );
    assert_eq!(world.calls(), 0);
    let (second, _, _) = world.waiting(&agent, &run, "2").await;
    let taken = world.post(&format!("/v1/actions/{second}/withdraw"), &agent, json!({})).await;
    assert_eq!(taken.text("status"), "withdrawn", "{:#}", taken.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_everything() {
    let mut world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let run = world.run(&agent).await;
    let (action, approval, digest) = world.waiting(&agent, &run, "1").await;
    let data = world.dir.path().join("data");
    assert!(data.join("server.json").exists());
    let old = std::mem::replace(&mut world.server, start(&tempfile::tempdir().unwrap()).await);
    let entries = old.entries();
    old.shutdown().await.unwrap();
    assert!(!data.join("server.json").exists(), "a clean end removes it");
    let report = crate::rebuild(&data).unwrap();
    assert_eq!((report.entries, report.identical), (entries, Some(true)));
    world.server = start(&world.dir).await;
    let page = world.get(&format!("/v1/approvals/{approval}"), &ines).await;
    assert_eq!(page.text("digest"), digest, "{:#}", page.body);
    let approved =
        world.post(&format!("/v1/approvals/{approval}/approve"), &ines, json!({ "seen": digest })).await;
    assert_eq!(approved.status, 200, "{:#}", approved.body);
    let done = world.get(&format!("/v1/actions/{action}?wait_ms=20000"), &agent).await;
    assert_eq!(done.text("status"), "confirmed", "{:#}", done.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_before_keys_were_assigned_does_not_make_a_repeated_request_another_one() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let first = world.propose(&agent, &run, "same", "shop.order", json!({ "order": "W1" })).await;
    assert_eq!(first.status, 200, "{:#}", first.body);
    let old = std::mem::replace(&mut world.server, start(&tempfile::tempdir().unwrap()).await);
    old.shutdown().await.unwrap();
    // As a kill leaves it, a moment after the entries were flushed.
    let keys = rusqlite::Connection::open(world.dir.path().join("data/keys.db")).unwrap();
    let lost = keys.execute("UPDATE data_keys SET subject = NULL, current = 0", []).unwrap();
    keys.execute("DELETE FROM marks", []).unwrap();
    drop(keys);
    assert!(lost > 0);
    world.server = start(&world.dir).await;
    let again = world.propose(&agent, &run, "same", "shop.order", json!({ "order": "W1" })).await;
    assert_eq!(again.text("id"), first.text("id"), "{:#}", again.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_stream_goes_on_where_it_ended() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let head = world.server.entries();
    let run = world.run(&agent).await;
    let stream = world.request(Method::GET, "/v1/events").bearer_auth(world.token());
    let mut stream = stream.header("last-event-id", (head - 1).to_string()).send().await.unwrap();
    let mut text = String::new();
    while !text.contains("run.started") {
        text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(
        text.contains(&format!("id: {head}")) && text.contains("event: entry") && text.contains(&run),
        "{text}"
    );
    let denied =
        got(world.request(Method::GET, "/v1/events").bearer_auth(&agent).send().await.unwrap()).await;
    assert_eq!(denied.code(), (403, "forbidden"));
}
