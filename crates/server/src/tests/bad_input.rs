//! Every refusal of bad input: code, status, and a journal that did not move.

use reqwest::Method;
use serde_json::json;

use super::world::{Got, World, got};

fn check(got: &Got, status: u16, code: &str) {
    assert_eq!(got.code(), (status, code), "{:#}", got.body);
    assert!(!got.text("hint").is_empty() && !got.text("detail").is_empty(), "{:#}", got.body);
    assert_eq!(got.text("type"), format!("/docs/errors/{code}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_proposals_change_nothing() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let first = world.propose(&agent, &run, "same", "shop.order", json!({ "order": "W1" })).await;
    assert_eq!(first.status, 200, "{:#}", first.body);
    let again = world.propose(&agent, &run, "same", "shop.order", json!({ "order": "W1" })).await;
    assert_eq!(again.text("id"), first.text("id"), "the same request is the same action");
    let head = world.server.entries();

    check(&world.propose(&agent, &run, "a", "shop.refnd", json!({})).await, 422, "tool_unknown");
    check(&world.propose(&agent, &run, "b", "no tool", json!({})).await, 422, "tool_unknown");
    let off = json!({ "order": "W1", "amount": "much" });
    check(&world.propose(&agent, &run, "c", "shop.refund", off).await, 422, "arguments_invalid");
    let other = world.propose(&agent, &run, "same", "shop.order", json!({ "order": "W2" })).await;
    check(&other, 422, "idempotency_mismatch");

    let large = format!(r#"{{"tool":"shop.order","arguments":{{"order":"{}"}}}}"#, "x".repeat(2 << 20));
    check(&world.propose_raw(&agent, &run, Some("d"), large.into_bytes()).await, 413, "body_too_large");
    let deep = format!(r#"{{"tool":"shop.order","arguments":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    check(&world.propose_raw(&agent, &run, Some("e"), deep.into_bytes()).await, 400, "json_too_deep");
    check(&world.propose_raw(&agent, &run, Some("f"), b"{".to_vec()).await, 400, "json_invalid");
    let twice = br#"{"tool":"shop.order","tool":"shop.wipe"}"#.to_vec();
    check(&world.propose_raw(&agent, &run, Some("g"), twice).await, 400, "json_invalid");
    let unknown = br#"{"tool":"shop.order","args":{}}"#.to_vec();
    check(&world.propose_raw(&agent, &run, Some("h"), unknown).await, 422, "request_invalid");
    let keyless = br#"{"tool":"shop.order","arguments":{"order":"W1"}}"#.to_vec();
    check(&world.propose_raw(&agent, &run, None, keyless.clone()).await, 400, "idempotency_key_missing");
    check(&world.propose_raw("csk_wrong", &run, Some("i"), keyless.clone()).await, 401, "unauthenticated");
    check(&world.propose_raw(&agent, "run_nonsense", Some("j"), keyless).await, 404, "not_found");
    check(&world.post("/v1/runs", &agent, json!({ "title": "x" })).await, 400, "idempotency_key_missing");
    check(&world.get("/v1/actions?status=lost", &world.token()).await, 400, "query_invalid");
    check(&world.get("/v1/nothing", &agent).await, 404, "route_not_found");
    check(&world.post("/v1/status", &agent, json!({})).await, 405, "method_not_allowed");
    let form =
        world.request(Method::POST, "/v1/runs").bearer_auth(&agent).header("content-type", "text/plain");
    check(
        &got(form.header("idempotency-key", "k").body("{}").send().await.unwrap()).await,
        415,
        "content_type_invalid",
    );
    assert_eq!(world.server.entries(), head, "nothing of it reached the journal");
    assert_eq!(world.calls(), 1);
}

/// The library that reads MCP would take the last of two keys, and a number that the record cannot keep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_two_meanings_does_not_pass_the_gateway() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let head = world.server.entries();
    let call = async |arguments: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"shop__refund","arguments":{arguments}}}}}"#
        );
        let request = world
            .request(Method::POST, "/mcp")
            .bearer_auth(&agent)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        got(request.body(body).send().await.unwrap()).await
    };
    check(&call(r#"{"order":"W1","amount":9007199254740993}"#).await, 400, "json_invalid");
    check(&call(r#"{"order":"W1","amount":1,"amount":2}"#).await, 400, "json_invalid");
    let deep = format!(r#"{{"order":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    check(&call(&deep).await, 400, "json_too_deep");
    assert_eq!((world.server.entries(), world.calls()), (head, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_answers_change_nothing() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let (mara, ines, omar, vera) = (
        world.person("mara").await,
        world.person("ines").await,
        world.person("omar").await,
        world.person("vera").await,
    );
    let run = world
        .request(Method::POST, "/v1/runs")
        .bearer_auth(&agent)
        .json(&json!({ "conversation": "c", "on_behalf_of": "omar" }))
        .send()
        .await
        .unwrap();
    let run = got(run).await.text("id");
    let (action, approval, digest) = world.waiting(&agent, &run, "1").await;
    let approve = format!("/v1/approvals/{approval}/approve");
    let seen = json!({ "seen": digest });
    let head = world.server.entries();

    check(&world.post(&approve, &ines, json!({ "seen": "0".repeat(64) })).await, 409, "approval_stale");
    check(&world.post(&approve, &ines, json!({ "seen": "x" })).await, 422, "request_invalid");
    check(&world.post(&approve, &mara, seen.clone()).await, 403, "approver_not_allowed");
    check(&world.post(&approve, &omar, seen.clone()).await, 403, "approver_not_allowed");
    check(&world.post(&approve, &vera, seen.clone()).await, 403, "forbidden");
    check(&world.post(&approve, &agent, seen.clone()).await, 403, "forbidden");
    check(&world.post(&approve, &world.token(), seen.clone()).await, 403, "forbidden");
    let resolve = format!("/v1/actions/{action}/resolve");
    let looked = json!({ "applied": true, "reason": "I looked" });
    check(&world.post(&resolve, &mara, looked.clone()).await, 409, "action_state");
    check(&world.post(&resolve, &ines, looked).await, 403, "forbidden");
    assert_eq!(world.server.entries(), head, "nothing of it reached the journal");

    assert_eq!(world.post(&approve, &ines, seen.clone()).await.status, 200);
    let done = world.get(&format!("/v1/actions/{action}?wait_ms=20000"), &agent).await;
    assert_eq!(done.text("status"), "confirmed", "{:#}", done.body);
    let head = world.server.entries();
    check(&world.post(&approve, &ines, seen).await, 409, "approval_settled");
    assert_eq!(world.server.entries(), head);
    assert_eq!(world.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_are_two_people() {
    let world = World::shop().await;
    let (agent, ines, omar) = (world.agent().await, world.person("ines").await, world.person("omar").await);
    let run = world.run(&agent).await;
    let refund = json!({ "order": "W1", "amount": 5001 });
    let action = world.propose(&agent, &run, "1", "shop.refund", refund).await;
    let approval = format!("/v1/approvals/{}", action.text("approval"));
    let page = world.get(&approval, &ines).await;
    assert_eq!(page.body["quorum"], 2, "{:#}", page.body);
    let (approve, seen) = (format!("{approval}/approve"), json!({ "seen": page.text("digest") }));
    let once = world.post(&approve, &ines, seen.clone()).await;
    assert_eq!((once.status, once.text("status").as_str()), (200, "waiting"), "{:#}", once.body);
    let head = world.server.entries();
    check(&world.post(&approve, &ines, seen.clone()).await, 409, "approval_twice");
    assert_eq!((world.server.entries(), world.calls()), (head, 0));
    assert_eq!(world.post(&approve, &omar, seen).await.status, 200);
    let done = format!("/v1/actions/{}?wait_ms=20000", action.text("id"));
    assert_eq!(world.get(&done, &agent).await.text("status"), "confirmed");
    assert_eq!(world.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_errors_changes_nothing() {
    let world = World::bare().await;
    let head = world.server.entries();
    let agent = world.post("/v1/keys", &world.token(), json!({ "agent": "shop-agent" })).await;
    check(&agent, 422, "agent_unknown");
    let mut files = super::world::folder(world.tools);
    files.insert("policies/bad.cedar".to_owned(), "permit (principal".to_owned());
    let refused = world.post("/v1/apply", &world.token(), json!({ "files": files })).await;
    check(&refused, 422, "bundle_invalid");
    let problems = refused.body["problems"].as_array().unwrap();
    assert!(problems.iter().any(|one| one["file"] == "policies/bad.cedar"), "{:#}", refused.body);
    let dry = json!({ "files": super::world::folder(world.tools), "dry_run": true });
    let plan = world.post("/v1/apply", &world.token(), dry).await;
    assert_eq!((plan.status, &plan.body["applied"]), (200, &json!(false)), "{:#}", plan.body);
    let late = json!({ "files": super::world::folder(world.tools), "expected": "0".repeat(64) });
    check(&world.post("/v1/apply", &world.token(), late).await, 409, "bundle_conflict");
    let mut theirs = super::world::folder(world.tools);
    theirs
        .entry("workspace.toml".to_owned())
        .and_modify(|text| *text = text.replace("\"main\"", "\"other\""));
    check(
        &world.post("/v1/apply", &world.token(), json!({ "files": theirs })).await,
        409,
        "workspace_mismatch",
    );
    assert_eq!(world.server.entries(), head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_other_agents_are_not_there() {
    let world = World::shop().await;
    let (agent, other) = (world.agent().await, world.key("agent", "other-agent", &[]).await);
    let run = world.run(&agent).await;
    let (action, approval, _) = world.waiting(&agent, &run, "1").await;
    let head = world.server.entries();
    for path in
        [format!("/v1/runs/{run}"), format!("/v1/runs/{run}/actions"), format!("/v1/actions/{action}")]
    {
        check(&world.get(&path, &other).await, 404, "not_found");
    }
    let order = json!({ "order": "W1" });
    check(&world.propose(&other, &run, "1", "shop.order", order).await, 404, "not_found");
    check(&world.post(&format!("/v1/actions/{action}/withdraw"), &other, json!({})).await, 404, "not_found");
    let finish = format!("/v1/runs/{run}/finish");
    check(&world.post(&finish, &other, json!({ "outcome": "done" })).await, 404, "not_found");
    check(&world.get(&format!("/v1/approvals/{approval}"), &other).await, 403, "forbidden");
    assert_eq!(world.get("/v1/actions", &other).await.body["items"], json!([]));
    assert_eq!(world.get("/v1/runs", &other).await.body["items"], json!([]));
    assert_eq!(world.server.entries(), head);
}
