//! What a rule redacts does not come back by another way: facts, answers, errors, words, the packed evidence.

use std::collections::BTreeMap;

use evidence::{Pack, PackedPayload};
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{World, folder, got};

const CARD: &str = "4111-2222-3333-9876";

/// The shop, whose rules read facts from the card, and whose headline shows one.
fn files(world: &World) -> BTreeMap<String, String> {
    let mut files = folder(world.tools);
    let facts = "headline = \"Refund {.arguments.order} to the card that ends in {.facts.ending}\"\n\n\
                 [tools.refund.facts.ending]\ntype = \"text\"\nvalue = \".arguments.card[-4:]\"\n\n\
                 [tools.refund.facts.card_length]\ntype = \"integer\"\nvalue = \".arguments.card | length\"\n\n\
                 [tools.refund.facts.cents]\ntype = \"integer\"\nvalue = \".arguments.amount + 90000\"\n\n";
    let shop = files.get_mut("connectors/shop.toml").unwrap();
    *shop = shop.replace("[tools.wipe]", &format!("{facts}[tools.wipe]"));
    // The headline belongs to the tool's table, which ends where the facts begin.
    let (head, tail) = shop.split_once("headline = ").unwrap();
    let (line, rest) = tail.split_once('\n').unwrap();
    *shop = format!("{}headline = {line}\n{rest}", head.trim_end().to_owned() + "\n");
    files
}

async fn shop() -> World {
    let world = World::bare().await;
    let applied = world.post("/v1/apply", &world.token(), json!({ "files": files(&world) })).await;
    assert_eq!(applied.status, 200, "{:#}", applied.body);
    world
}

/// Nothing of the card: not the number, not its end, not what its length is.
fn clean(what: &str, shown: &Value) {
    let text = shown.to_string();
    for word in [CARD, "9876", "\"shown\":\"19\"", "\"value\":19,", "\"value\":19}"] {
        assert!(!text.contains(word), "{what} shows `{word}`: {shown:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redacted_value_is_hidden_wherever_it_comes_back() {
    let world = shop().await;
    let (agent, ines, gwen) = (world.agent().await, world.person("ines").await, world.person("gwen").await);
    let run = world.run(&agent).await;
    let refund = json!({ "order": "W1", "amount": 900, "card": CARD });
    let body = json!({ "tool": "shop.refund", "arguments": refund, "reason": format!("the card is {CARD}") });
    let request = world
        .request(Method::POST, &format!("/v1/runs/{run}/actions"))
        .bearer_auth(&agent)
        .header("idempotency-key", "1");
    let asked = got(request.json(&body).send().await.unwrap()).await;
    assert_eq!((asked.status, asked.text("status").as_str()), (202, "waiting"), "{:#}", asked.body);
    let (action, approval) = (asked.text("id"), format!("/v1/approvals/{}", asked.text("approval")));

    let page = world.get(&approval, &ines).await;
    clean("the page", &page.body);
    let fact = |name: &str| {
        let facts = page.body["page"]["facts"].as_array().unwrap();
        facts.iter().find(|fact| fact["name"] == name).unwrap()["shown"].clone()
    };
    assert_eq!((fact("ending"), fact("card_length")), (json!("(redacted)"), json!("(redacted)")));
    assert_eq!(fact("cents"), "90900", "what says nothing of the card is shown");
    assert_eq!(page.body["page"]["agent_says"], "the card is (redacted)");
    for list in ["/v1/approvals", "/v1/actions"] {
        clean(list, &world.get(list, &ines).await.body);
    }

    let seen = json!({ "seen": page.text("digest") });
    assert_eq!(world.post(&format!("{approval}/approve"), &ines, seen).await.status, 200);
    let done = world.get(&format!("/v1/actions/{action}?wait_ms=20000"), &agent).await;
    assert_eq!(done.text("status"), "confirmed", "{:#}", done.body);
    assert!(
        done.body["output"].to_string().contains(CARD),
        "its agent gets what the tool said: {:#}",
        done.body
    );

    let read = world.get(&format!("/v1/actions/{action}"), &ines).await;
    clean("the action", &read.body);
    assert!(read.body["output"].to_string().contains("(redacted)"), "{:#}", read.body);
    clean("the settled page", &world.get(&approval, &ines).await.body);
    let story = world.get(&format!("/v1/actions/{action}/explain"), &ines).await;
    clean("the explanation", &story.body);
    assert_eq!(story.body["rounds"].as_array().unwrap().len(), 2, "{:#}", story.body);
    clean("the run's actions", &world.get(&format!("/v1/runs/{run}/actions"), &ines).await.body);

    let pack = world.get(&format!("/v1/actions/{action}/evidence"), &gwen).await;
    let pack = Pack::parse(pack.body.to_string().as_bytes()).unwrap();
    for payload in pack.payloads.values() {
        if let PackedPayload::Revealed { .. } = payload {
            let text = serde_json::to_string(payload).unwrap();
            let plain = revealed(&text);
            assert!(!plain.contains(CARD) && !plain.contains("9876"), "{plain}");
        }
    }
    let redacted = pack.payloads.values().filter(|payload| **payload == PackedPayload::Redacted).count();
    assert!(redacted >= 8, "arguments, page, reason, answer, requests, facts, headlines: {redacted}");
    assert!(evidence::check(&pack, None).holds());
}

/// Everything in a packed payload, also what is base64.
fn revealed(text: &str) -> String {
    use base64::Engine as _;
    let value: Value = serde_json::from_str(text).unwrap();
    let mut all = text.to_owned();
    let mut rest = vec![&value];
    while let Some(value) = rest.pop() {
        match value {
            Value::String(text) => {
                if let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(text) {
                    all.push_str(&String::from_utf8_lossy(&bytes));
                }
            }
            Value::Array(items) => rest.extend(items),
            Value::Object(members) => rest.extend(members.values()),
            _ => {}
        }
    }
    all
}
