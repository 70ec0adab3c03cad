//! `/mcp` of the real server, with the official client; and what it answers to those that are none.

use reqwest::{Method, Response};
use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, CallToolResponse};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::world::{Got, World, got};

type Client = RunningService<RoleClient, ()>;

async fn client(world: &World, key: &str) -> Client {
    let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", world.server.url));
    ().serve(StreamableHttpClientTransport::from_config(config.auth_header(key))).await.unwrap()
}

async fn call(client: &Client, name: &str, arguments: Value) -> Value {
    let params: CallToolRequestParams =
        serde_json::from_value(json!({ "name": name, "arguments": arguments })).unwrap();
    let answer = CallToolResponse::from(client.call_tool(params).await.unwrap());
    let CallToolResponse::Complete(result) = answer else { panic!("no result") };
    serde_json::to_value(&result).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gated_call_is_answered_with_a_handle_and_awaited() {
    let world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let client = client(&world, &agent).await;
    let tools: Vec<String> =
        client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name.to_string()).collect();
    for name in ["shop__order", "shop__refund", "countersign__await"] {
        assert!(tools.iter().any(|tool| tool == name), "{name} is missing in {tools:?}");
    }

    let read = call(&client, "shop__order", json!({ "order": "W1" })).await;
    assert_eq!((&read["isError"], world.calls()), (&json!(false), 1), "{read:#}");
    let never = call(&client, "shop__wipe", json!({ "order": "W1" })).await;
    assert_eq!((&never["isError"], world.calls()), (&json!(true), 1), "{never:#}");

    let asked = call(&client, "shop__refund", json!({ "order": "W1", "amount": 900, "card": "4111" })).await;
    assert_eq!((&asked["isError"], world.calls()), (&json!(false), 1), "nothing is done yet: {asked:#}");
    let told = &asked["structuredContent"];
    assert_eq!((&told["status"], &told["settled"]), (&json!("waiting"), &json!(false)), "{asked:#}");
    let handle = told["handle"].as_str().unwrap().to_owned();
    let early = call(&client, "countersign__await", json!({ "handle": handle, "wait_seconds": 0 })).await;
    assert_eq!(early["structuredContent"]["status"], "waiting", "{early:#}");

    let action = world.get(&format!("/v1/actions/{handle}"), &ines).await;
    let approval = format!("/v1/approvals/{}", action.text("approval"));
    let seen = json!({ "seen": world.get(&approval, &ines).await.text("digest") });
    let approve = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        world.post(&format!("{approval}/approve"), &ines, seen).await
    };
    let waited = call(&client, "countersign__await", json!({ "handle": handle, "wait_seconds": 20 }));
    let (approved, waited) = tokio::join!(approve, waited);
    assert_eq!(approved.status, 200, "{:#}", approved.body);
    assert_eq!(waited["_meta"]["countersign/status"], "confirmed", "{waited:#}");
    assert!(waited["content"].to_string().contains("W1"), "the tool's own answer: {waited:#}");
    assert_eq!(world.calls(), 2);

    // Of another agent there is no such handle.
    let other = self::client(&world, &world.key("agent", "other-agent", &[]).await).await;
    let foreign = call(&other, "countersign__await", json!({ "handle": handle })).await;
    assert_eq!(foreign["structuredContent"]["code"], "not_found", "{foreign:#}");
}

fn message(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"shop__order","arguments":{arguments}}}}}"#
    )
}

async fn send(world: &World, key: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = world.request(Method::POST, "/mcp").bearer_auth(key);
    let request = request.header("accept", "application/json, text/event-stream");
    request.header("content-type", "application/json").body(body).send().await.unwrap()
}

fn check(got: &Got, status: u16, code: &str) {
    assert_eq!(got.code(), (status, code), "{:#}", got.body);
    assert!(!got.text("hint").is_empty() && !got.text("detail").is_empty(), "{:#}", got.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_gets_a_problem_and_changes_nothing() {
    let world = World::shop().await;
    let (agent, person) = (world.agent().await, world.person("ines").await);
    let head = world.server.entries();
    let small = message(r#"{"order":"W1"}"#);
    check(&got(send(&world, "csk_wrong", small.clone()).await).await, 401, "unauthenticated");
    check(&got(send(&world, &person, small.clone()).await).await, 403, "forbidden");
    let large = message(&format!(r#"{{"order":"{}"}}"#, "x".repeat(2 << 20)));
    let refused = send(&world, &agent, large.clone()).await;
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    check(&got(refused).await, 413, "body_too_large");
    let chunk = |bytes: &[u8]| Ok::<_, std::io::Error>(bytes.to_vec());
    let chunks: Vec<_> = large.as_bytes().chunks(64 << 10).map(chunk).collect();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    check(&got(send(&world, &agent, stream).await).await, 413, "body_too_large");
    let deep = message(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)));
    check(&got(send(&world, &agent, deep).await).await, 400, "json_too_deep");
    let twice = message(r#"{"order":"W1","order":"W2"}"#);
    check(&got(send(&world, &agent, twice).await).await, 400, "json_invalid");
    check(&got(send(&world, &agent, "{").await).await, 400, "json_invalid");
    check(&got(send(&world, &agent, "").await).await, 400, "json_invalid");
    let text = world.request(Method::POST, "/mcp").bearer_auth(&agent).header("content-type", "text/plain");
    check(&got(text.body(small).send().await.unwrap()).await, 415, "content_type_invalid");
    assert_eq!((world.server.entries(), world.calls()), (head, 0), "nothing of it reached the journal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let address = world.server.url.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {agent}\r\n\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: 100\r\n\
         connection: close\r\n\r\n{{\"jsonrpc\""
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    tokio::time::timeout(std::time::Duration::from_mins(1), reading).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
}
