//! Briefs: what whoever takes a run up is told, and what never stands in one.

use serde_json::{Value, json};

use super::world::World;

const INPUT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn step(key: &str, kind: &str, result: Value) -> Value {
    json!({ "key": key, "kind": kind, "input_sha256": INPUT, "result": result })
}

/// Lines of a section, and the kinds of the entries that they name.
async fn lines(world: &World, brief: &Value, section: &str, auditor: &str) -> Vec<(String, String)> {
    let mut found = vec![];
    for line in brief["lines"].as_array().unwrap().iter().filter(|line| line["section"] == section) {
        let entry = world.get(&format!("/v1/entries?from={}&limit=1", line["entry"]), auditor).await;
        let kind = entry.body[0]["kind"].as_str().unwrap_or_default().to_owned();
        found.push((line["text"].as_str().unwrap().to_owned(), kind));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_brief_says_what_was_decided_what_is_open_and_on_what_it_rests() {
    let world = World::shop().await;
    let (agent, token) = (world.agent().await, world.token());
    let run = world.run(&agent).await;
    let steps = json!({ "steps": [
        step("customer", "context", json!({ "name": "Yusuf", "class": "gold" })),
        step("work", "task", json!("of no interest")),
        step("way", "decide", json!({ "chosen": "gift card", "because": "the card expired", "rejected": ["bank"] })),
    ]});
    assert_eq!(world.post(&format!("/v1/runs/{run}/steps"), &agent, steps).await.status, 200);
    world.propose(&agent, &run, "1", "shop.order", json!({ "order": "W1" })).await;
    world.propose(&agent, &run, "2", "shop.wipe", json!({ "order": "W1" })).await;
    let (action, _, _) = world.waiting(&agent, &run, "3").await;
    let wait = json!({ "key": "reply", "any_of": [{ "signal": "customer-replied" }] });
    assert_eq!(world.post(&format!("/v1/runs/{run}/waits"), &agent, wait).await.status, 200);

    let got = world.get(&format!("/v1/runs/{run}/brief"), &agent).await;
    assert_eq!(got.status, 200, "{:#}", got.body);
    let brief = &got.body;
    let kind = |lines: &[(String, String)], part: &str, kind: &str| {
        assert!(
            lines.iter().any(|(text, of)| text.contains(part) && of == kind),
            "{part} {kind}: {lines:#?}"
        );
    };
    kind(&lines(&world, brief, "goal", &token).await, "a complaint", "run.started");
    let decisions = lines(&world, brief, "decisions", &token).await;
    kind(&decisions, "chose gift card, because “the card expired”; not: bank", "step.recorded");
    kind(&decisions, "refused by the rules", "action.proposed");
    let open = lines(&world, brief, "open", &token).await;
    kind(&open, &action, "action.proposed");
    kind(&open, "customer-replied", "wait.opened");
    let facts = lines(&world, brief, "facts", &token).await;
    kind(&facts, "customer: {\"class\":\"gold\",\"name\":\"Yusuf\"}", "step.recorded");
    kind(&facts, "read: ", "action.proposed");
    let text = brief["text"].as_str().unwrap();
    assert!(!text.contains("of no interest") && !text.contains('\u{202e}'), "{text}");
    assert!(brief["tokens"].as_u64().unwrap() <= 2_000);

    // What an answer closed is open no more.
    let signal = json!({ "name": "customer-replied", "value": "yes" });
    let path = format!("/v1/runs/{run}/signals");
    let request =
        world.request(reqwest::Method::POST, &path).bearer_auth(&agent).header("idempotency-key", "s");
    assert_eq!(request.json(&signal).send().await.unwrap().status(), 201);
    let later = world.get(&format!("/v1/runs/{run}/brief"), &agent).await;
    assert!(!later.body["text"].as_str().unwrap().contains("customer-replied"), "{:#}", later.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_brief_says_what_it_left_out_and_people_see_nothing_redacted() {
    let world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let run = world.run(&agent).await;
    let many: Vec<Value> = (0..200)
        .map(|n| {
            step(&format!("choice {n}"), "decide", json!({ "chosen": n, "because": "it was the next one" }))
        })
        .collect();
    assert_eq!(
        world.post(&format!("/v1/runs/{run}/steps"), &agent, json!({ "steps": many })).await.status,
        200
    );
    world.waiting(&agent, &run, "1").await;
    let short = world.get(&format!("/v1/runs/{run}/brief?tokens=200&tokenizer=cl100k_base"), &ines).await;
    assert_eq!(short.status, 200, "{:#}", short.body);
    assert!(short.body["tokens"].as_u64().unwrap() <= 200, "{:#}", short.body);
    let (left, text) = (&short.body["left"], short.body["text"].as_str().unwrap());
    assert_eq!(left[0]["section"], "decisions", "{left:#}");
    assert!(text.contains("left out: entries") && text.contains("choice 199"), "{text}");
    assert!(!text.contains("4111"), "{text}");
    for bad in ["tokens=127", "tokens=32001", "tokens=x", "tokenizer=words"] {
        let got = world.get(&format!("/v1/runs/{run}/brief?{bad}"), &agent).await;
        assert_eq!(got.code(), (400, "query_invalid"), "{bad}: {:#}", got.body);
    }
    assert_eq!(world.get("/v1/runs/run_x/brief", &agent).await.code(), (404, "not_found"));
}
