//! Evidence of a real server, checked without it.

use evidence::{Mark, Pack, PackedBundle, PackedPayload, Report, check};
use serde_json::json;

use super::world::{Got, World, folder, start};

fn read(got: &Got) -> Pack {
    assert_eq!(got.status, 200, "{:#}", got.body);
    Pack::parse(got.body.to_string().as_bytes()).unwrap()
}

fn told(report: &Report) -> String {
    let line = |line: &evidence::Line| format!("{:?} {}: {}", line.mark, line.part, line.text);
    report.lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

async fn evidence(world: &World, action: &str) -> (Pack, Report) {
    let auditor = world.person("gwen").await;
    let pack = read(&world.get(&format!("/v1/actions/{action}/evidence"), &auditor).await);
    let report = check(&pack, None);
    assert!(report.holds(), "{}", told(&report));
    (pack, report)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verdict_is_packed_and_decided_again_elsewhere() {
    let mut world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let run = world.run(&agent).await;
    let read = world.propose(&agent, &run, "1", "shop.order", json!({ "order": "W1" })).await;
    let never = world.propose(&agent, &run, "2", "shop.wipe", json!({ "order": "W1" })).await;
    let small = world
        .propose(&agent, &run, "3", "shop.refund", json!({ "order": "W1", "amount": 5, "card": "4111" }))
        .await;
    let asked =
        world.propose(&agent, &run, "4", "shop.refund", json!({ "order": "W1", "amount": 900 })).await;
    let approval = asked.text("approval");
    let page = world.get(&format!("/v1/approvals/{approval}"), &ines).await;
    let seen = json!({ "seen": page.text("digest") });
    assert_eq!(world.post(&format!("/v1/approvals/{approval}/approve"), &ines, seen).await.status, 200);
    let done = world.get(&format!("/v1/actions/{}?wait_ms=20000", asked.text("id")), &agent).await;
    assert_eq!(done.text("status"), "confirmed", "{:#}", done.body);
    for (action, decisions) in [(&read, 1), (&never, 1), (&small, 1), (&asked, 2)] {
        let (pack, report) = evidence(&world, &action.text("id")).await;
        assert_eq!((report.decisions, report.decided_again), (decisions, decisions), "{}", told(&report));
        assert_eq!(report.count(Mark::Open), 1, "only the key is the pack's own word: {}", told(&report));
        assert!(pack.payloads.values().all(|payload| matches!(payload, PackedPayload::Revealed { .. })));
    }

    // Another bundle comes into force, and another server's life begins: the old one is found in the log.
    let mut files = folder(world.tools);
    files.insert("README.md".to_owned(), "later".to_owned());
    let applied = world.post("/v1/apply", &world.token(), json!({ "files": files })).await;
    assert_eq!(applied.status, 200, "{:#}", applied.body);
    world.server.shutdown().await.unwrap();
    world.server = start(&world.dir).await;
    let (pack, report) = evidence(&world, &asked.text("id")).await;
    assert_eq!(report.decided_again, 2, "{}", told(&report));
    assert!(pack.bundles.values().all(|bundle| matches!(bundle, PackedBundle::Whole { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_gate_redacts_stays_a_commitment() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let (action, _, _) = world.waiting(&agent, &run, "1").await;
    let (pack, report) = evidence(&world, &action).await;
    assert!(!String::from_utf8(pack.encode()).unwrap().contains("4111"), "the card is nowhere in the pack");
    let redacted = pack.payloads.values().filter(|payload| **payload == PackedPayload::Redacted).count();
    assert_eq!(redacted, 3, "arguments, request and page: {}", told(&report));
    assert_eq!((report.decisions, report.decided_again), (1, 0));
    let text = told(&report);
    assert!(
        text.contains("Open decision 1: it cannot be taken again: its request is not readable"),
        "{text}"
    );
    assert!(text.contains("Open payload `arguments` of entry"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_erased_is_said_to_be() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let read = world.propose(&agent, &run, "1", "shop.order", json!({ "order": "W1" })).await;
    let erase = json!({ "subject": run, "reason": "asked for by letter" });
    assert_eq!(world.post("/v1/subjects/erase", &world.token(), erase).await.status, 200);
    let (pack, report) = evidence(&world, &read.text("id")).await;
    assert!(pack.payloads.values().all(|payload| *payload == PackedPayload::Erased));
    let text = told(&report);
    assert!(text.contains("erased: that it was there is proved, what it says is not"), "{text}");
    assert_eq!((report.decisions, report.decided_again), (1, 0), "{text}");
    assert!(report.count(Mark::Proved) >= 5, "entries, bundle and proposal are still proved: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_may_read_the_log_gets_evidence() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let read = world.propose(&agent, &run, "1", "shop.order", json!({ "order": "W1" })).await;
    let path = format!("/v1/actions/{}/evidence", read.text("id"));
    for key in [agent, world.person("ines").await, world.person("vera").await] {
        assert_eq!(world.get(&path, &key).await.code(), (403, "forbidden"));
    }
    let gwen = world.person("gwen").await;
    let unknown = world.get("/v1/actions/act_00000000000000000000000000/evidence", &gwen).await;
    assert_eq!(unknown.code(), (404, "not_found"));
}
