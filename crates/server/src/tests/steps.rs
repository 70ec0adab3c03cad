//! Steps: recorded once, answered for ever, and never taken for another.

use serde_json::{Value, json};

use super::world::{Got, World, start};

const INPUT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const OTHER: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

fn step(key: &str, result: Value) -> Value {
    json!({ "key": key, "kind": "task", "input_sha256": INPUT, "result": result })
}

async fn record(world: &World, agent: &str, run: &str, steps: Value) -> Got {
    world.post(&format!("/v1/runs/{run}/steps"), agent, json!({ "steps": steps })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_on_record_is_not_done_again_also_after_a_restart() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let failed =
        json!({ "key": "ask", "kind": "think", "input_sha256": INPUT, "error": { "type": "Refused" } });
    let first = record(&world, &agent, &run, json!([step("read", json!({ "total": 7 })), failed])).await;
    assert_eq!(first.status, 200, "{:#}", first.body);
    assert!(first.body["steps"][0].get("memo").is_none(), "{:#}", first.body);
    let head = world.server.entries();
    // Whoever does it again gets what was recorded first.
    let again =
        record(&world, &agent, &run, json!([step("read", json!("other")), step("new", json!(null))])).await;
    let steps = &again.body["steps"];
    assert_eq!(
        (&steps[0]["result"]["total"], &steps[0]["memo"]),
        (&json!(7), &json!(true)),
        "{:#}",
        again.body
    );
    assert_eq!((steps[1].get("memo"), &steps[1]["result"]), (None, &json!(null)), "{:#}", again.body);
    assert_eq!(world.server.entries(), head + 1);
    for round in ["before", "after a restart", "after a rebuild"] {
        let list = world.get(&format!("/v1/runs/{run}/steps?limit=2"), &agent).await;
        let items = list.body["items"].as_array().unwrap();
        assert_eq!(
            items.iter().map(|item| item["key"].as_str().unwrap()).collect::<Vec<_>>(),
            ["read", "ask"]
        );
        assert_eq!((&items[1]["outcome"], &items[1]["error"]["type"]), (&json!("failed"), &json!("Refused")));
        let next = list.text("next");
        let rest = world.get(&format!("/v1/runs/{run}/steps?after={next}"), &agent).await;
        assert_eq!(rest.body["items"][0]["key"], "new", "{round}: {:#}", rest.body);
        let spare = tempfile::tempdir().unwrap();
        let old = std::mem::replace(&mut world.server, start(&spare).await);
        old.shutdown().await.unwrap();
        if round == "after a restart" {
            assert_eq!(crate::rebuild(&world.dir.path().join("data")).unwrap().identical, Some(true));
        }
        let stand_in = std::mem::replace(&mut world.server, start(&world.dir).await);
        stand_in.shutdown().await.unwrap();
        let memo = record(&world, &agent, &run, json!([step("read", json!(0))])).await;
        assert_eq!(memo.body["steps"][0]["result"]["total"], 7, "{round}: {:#}", memo.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_step_changes_nothing() {
    let world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let run = world.run(&agent).await;
    assert_eq!(record(&world, &agent, &run, json!([step("a", json!(1))])).await.status, 200);
    let head = world.server.entries();
    let many: Vec<Value> = (0..257).map(|number| step(&number.to_string(), json!(number))).collect();
    let with = |member: &str, value: Value| {
        let mut step = step("b", json!(1));
        step[member] = value;
        json!([step])
    };
    for (steps, status, code) in [
        (with("key", json!("a")).tap("input_sha256", json!(OTHER)), 409, "step_mismatch"),
        (with("key", json!("a")).tap("kind", json!("think")), 409, "step_mismatch"),
        // All or none: the first of the two is fine.
        (
            json!([step("b", json!(1)), with("key", json!("a")).tap("kind", json!("think"))[0]]),
            409,
            "step_mismatch",
        ),
        (with("key", json!("")), 422, "request_invalid"),
        (with("key", json!("x".repeat(201))), 422, "request_invalid"),
        (with("kind", json!("action")), 422, "request_invalid"),
        (with("input_sha256", json!("abc")), 422, "request_invalid"),
        (with("error", json!("both")), 422, "request_invalid"),
        (json!([step("b", json!(1)), step("b", json!(1))]), 422, "request_invalid"),
        (json!([]), 422, "request_invalid"),
        (json!(many), 422, "request_invalid"),
    ] {
        let got = record(&world, &agent, &run, steps).await;
        assert_eq!(got.code(), (status, code), "{:#}", got.body);
    }
    let large = record(&world, &agent, &run, json!([step("b", json!("x".repeat(2 << 20)))])).await;
    assert_eq!(large.code(), (413, "body_too_large"));
    assert_eq!(record(&world, &ines, &run, json!([step("b", json!(1))])).await.status, 403);
    let nowhere = record(&world, &agent, "run_nonsense", json!([step("b", json!(1))])).await;
    assert_eq!(nowhere.code(), (404, "not_found"));
    assert_eq!(world.server.entries(), head, "nothing of it reached the journal");
    let done = world.post(&format!("/v1/runs/{run}/finish"), &agent, json!({ "outcome": "done" })).await;
    assert_eq!(done.status, 200, "{:#}", done.body);
    let late = record(&world, &agent, &run, json!([step("b", json!(1))])).await;
    assert_eq!(late.code(), (409, "run_finished"), "{:#}", late.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_step_brought_is_erased_with_its_run() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    assert_eq!(
        record(&world, &agent, &run, json!([step("mara-7f3a", json!("mara-7f3a"))])).await.status,
        200
    );
    let erase = json!({ "subject": run, "reason": "asked for" });
    assert_eq!(world.post("/v1/subjects/erase", &world.token(), erase).await.status, 200);
    let list = world.get(&format!("/v1/runs/{run}/steps"), &agent).await;
    assert_eq!(list.body["items"].as_array().map(Vec::len), Some(1), "{:#}", list.body);
    assert!(!list.body.to_string().contains("7f3a"), "{:#}", list.body);
    let entries = world.get("/v1/entries?limit=500", &world.token()).await;
    assert!(!entries.body.to_string().contains("7f3a"));
}

trait Tap {
    fn tap(self, member: &str, value: Value) -> Value;
}

impl Tap for Value {
    /// The first step of a list with another member.
    fn tap(mut self, member: &str, value: Value) -> Value {
        self[0][member] = value;
        self
    }
}
