//! Taking back what was done, over REST.

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{Got, World, folder, got};

/// The shop, where a small refund can be taken back by wiping it.
async fn shop() -> World {
    let world = World::bare().await;
    let mut files = folder(world.tools);
    let connector = files.get_mut("connectors/shop.toml").unwrap();
    *connector = connector.replacen("class = \"irreversible\"", "class = \"compensable\"", 1);
    connector.push_str(
        "[tools.refund.compensation]\ntool = \"wipe\"\narguments = \"{order: .arguments.order}\"\n",
    );
    let rules = files.get_mut("policies/shop.cedar").unwrap();
    let (kept, _) = rules.split_once("@id(\"never-wipe\")").unwrap();
    *rules = format!("{kept}@id(\"wipe\")\npermit (principal, action == Action::\"shop.wipe\", resource);\n");
    let applied = world.post("/v1/apply", &world.token(), json!({ "files": files })).await;
    assert_eq!(applied.status, 200, "{:#}", applied.body);
    world
}

async fn reverse(world: &World, who: &str, path: &str, key: Option<&str>) -> Got {
    let mut request = world.request(Method::POST, &format!("/v1/{path}/reverse")).bearer_auth(who);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    got(request.json(&json!({ "reason": "a mistake" })).send().await.unwrap()).await
}

async fn refunded(world: &World, agent: &str, run: &str, order: &str) -> String {
    let action =
        world.propose(agent, run, order, "shop.refund", json!({ "order": order, "amount": 5 })).await;
    assert_eq!((action.text("status").as_str(), &action.body["reversible"]), ("confirmed", &json!(true)));
    action.text("id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_is_taken_back_once_by_a_new_action() {
    let world = shop().await;
    let (agent, mara, ines) = (world.agent().await, world.person("mara").await, world.person("ines").await);
    let run = world.run(&agent).await;
    let original = refunded(&world, &agent, &run, "W1").await;
    let read = world.propose(&agent, &run, "read", "shop.order", json!({ "order": "W1" })).await.text("id");
    let (path, head) = (format!("actions/{original}"), world.server.entries());
    assert_eq!(reverse(&world, &mara, &path, None).await.code(), (400, "idempotency_key_missing"));
    assert_eq!(reverse(&world, &ines, &path, Some("k")).await.code(), (403, "forbidden"));
    let of_read = reverse(&world, &mara, &format!("actions/{read}"), Some("k")).await;
    assert_eq!(of_read.code(), (409, "not_reversible"), "{:#}", of_read.body);
    assert_eq!(world.server.entries(), head, "nothing of it reached the journal");

    // Mistakes are found late.
    let ended = world.post(&format!("/v1/runs/{run}/finish"), &agent, json!({ "outcome": "done" })).await;
    assert_eq!(ended.status, 200, "{:#}", ended.body);
    let undoing = reverse(&world, &mara, &path, Some("k")).await;
    assert_eq!((undoing.status, undoing.text("status").as_str()), (200, "confirmed"), "{:#}", undoing.body);
    assert_eq!((undoing.text("tool").as_str(), undoing.text("reverses")), ("shop.wipe", original.clone()));
    assert_eq!(reverse(&world, &mara, &path, Some("k")).await.text("id"), undoing.text("id"));
    assert_eq!(reverse(&world, &mara, &path, Some("another")).await.code(), (409, "not_reversible"));
    let seen = world.get(&format!("/v1/actions/{original}"), &agent).await;
    assert_eq!((seen.text("status").as_str(), seen.text("reversed_by")), ("compensated", undoing.text("id")));
    let told = world.get(&format!("/v1/actions/{original}/explain"), &ines).await;
    let last = told.body["timeline"].as_array().unwrap().last().unwrap()["kind"].clone();
    assert_eq!(last, "action.compensated", "{:#}", told.body);
    assert_eq!(world.calls(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_taken_back_last_effect_first() {
    let world = shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let (first, second) =
        (refunded(&world, &agent, &run, "W1").await, refunded(&world, &agent, &run, "W2").await);
    let done = reverse(&world, &agent, &format!("runs/{run}"), Some("all")).await;
    assert_eq!((done.status, &done.body["complete"]), (200, &json!(true)), "{:#}", done.body);
    let reversed: Vec<&Value> =
        done.body["actions"].as_array().unwrap().iter().map(|action| &action["reverses"]).collect();
    assert_eq!(reversed, [&json!(second), &json!(first)]);
    let again = reverse(&world, &agent, &format!("runs/{run}"), Some("again")).await;
    assert_eq!(again.body, json!({ "actions": [], "complete": true }));
}
