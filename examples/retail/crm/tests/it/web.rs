//! MCP over HTTP and the operator's pages, asked without a socket.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use retail_crm::crm::Crm;
use retail_crm::http::{Guard, router};
use retail_crm::manifest;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::stage::{clock, example};

struct Web {
    router: Router,
    peer: SocketAddr,
    _folder: TempDir,
}

impl Web {
    fn new(token: Option<&str>, faults: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let crm =
            Crm::open(&example().join("data"), &folder.path().join("ledger.jsonl"), faults, clock()).unwrap();
        let guard = Guard::new(token, &["crm.internal".to_owned()]);
        let router = router(Arc::new(crm), guard, true);
        Self { router, peer: "127.0.0.1:50000".parse().unwrap(), _folder: folder }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> (StatusCode, String) {
        let mut request = Request::builder().method(method).uri(path);
        if headers.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", "127.0.0.1:7411");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body)).unwrap();
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 8 << 20).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.ask("GET", path, &[], String::new()).await
    }

    async fn rpc(&self, method: &str, params: Json) -> (StatusCode, Json) {
        let headers =
            [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let (status, text) = self.ask("POST", "/mcp", &headers, body).await;
        let answer = serde_json::from_str(&text).unwrap_or(Json::String(text));
        (status, answer)
    }

    async fn tool(&self, name: &str, arguments: Json) -> (StatusCode, Json) {
        self.rpc("tools/call", json!({"name": name, "arguments": arguments, "_meta": {"trace": "t-7"}})).await
    }
}

fn cancel() -> Json {
    json!({"order_id": "#W1000006", "reason": "no longer needed"})
}

#[tokio::test]
async fn one_call_is_one_request_and_one_plain_answer() {
    let web = Web::new(None, 0);
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let (status, answer) = web.rpc("initialize", hello).await;
    assert_eq!((status, &answer["result"]["serverInfo"]["name"]), (StatusCode::OK, &json!("retail-crm")));
    let (_, answer) = web.rpc("tools/list", json!({})).await;
    assert_eq!(answer["result"]["tools"], manifest::manifest(), "live tools are the pinned ones, key by key");
    let (status, answer) = web.tool("think", json!({"thought": "hm"})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["result"]["content"], json!([{"type": "text", "text": ""}]));
    let (_, answer) = web.tool("get_order_details", json!({"order_id": "#W9"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "Error: order not found");
    assert_eq!(answer["result"]["isError"], true);
    let (_, answer) = web.tool("get_order_details", json!({})).await;
    assert_eq!(answer["error"]["code"], -32602);
    assert_eq!(answer["error"]["message"], "`get_order_details` needs the argument `order_id`");
    let (_, answer) = web.tool("drop_table", json!({})).await;
    assert_eq!(answer["error"]["message"], "there is no tool `drop_table`");
}

#[tokio::test]
async fn operators_see_records_changes_and_the_ledger() {
    let web = Web::new(None, 0);
    web.tool("cancel_pending_order", cancel()).await;
    let (_, order) = web.get("/state/orders/%23W1000006").await;
    assert!(order.starts_with(r##"{"order_id": "#W1000006""##) && order.contains(r#""status": "cancelled""#));
    assert_eq!(web.get("/state/users/zoe_mueller_3307").await.0, StatusCode::OK);
    assert_eq!(web.get("/state/users/nobody").await.0, StatusCode::NOT_FOUND);
    let (_, changed) = web.get("/state/changed").await;
    let changed: Json = serde_json::from_str(&changed).unwrap();
    assert_eq!(changed["orders"]["#W1000006"].as_str().map(str::len), Some(64));
    assert_eq!(changed["users"]["zoe_mueller_3307"].as_str().map(str::len), Some(64));
    let (_, ledger) = web.get("/ledger").await;
    assert_eq!(ledger.lines().count(), 2);
    assert!(ledger.contains(r#""meta":{"trace":"t-7"}"#), "{ledger}");
    let (_, health) = web.get("/healthz").await;
    assert!(health.contains(r#""ledger":{"applied":1}"#), "{health}");
}

#[tokio::test]
async fn a_fault_is_a_503_and_changes_nothing() {
    let web = Web::new(None, 1);
    let (status, _) = web.tool("get_order_details", json!({"order_id": "#W1000006"})).await;
    assert_eq!(status, StatusCode::OK, "reads are spared");
    let (status, text) = web.tool("cancel_pending_order", cancel()).await;
    assert_eq!((status, text), (StatusCode::SERVICE_UNAVAILABLE, json!("Error: service unavailable (503)")));
    assert_eq!(web.get("/state/changed").await.1, r#"{"orders":{},"users":{}}"#);
    let (status, answer) = web.tool("cancel_pending_order", cancel()).await;
    assert_eq!((status, &answer["result"]["isError"]), (StatusCode::OK, &json!(false)));
    let (_, ledger) = web.get("/ledger").await;
    assert!(
        ledger.contains(r#""kind":"unavailable","id":1"#) && ledger.contains(r#""kind":"applied","id":2"#)
    );
}

#[tokio::test]
async fn a_reset_begins_anew() {
    let web = Web::new(None, 0);
    web.tool("cancel_pending_order", cancel()).await;
    let (status, _) = web.ask("POST", "/reset", &[], r#"{"fault_503": 1}"#.to_owned()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(web.get("/state/changed").await.1, r#"{"orders":{},"users":{}}"#);
    assert_eq!(web.tool("cancel_pending_order", cancel()).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let (status, text) = web.ask("POST", "/reset", &[], r#"{"faults": 1}"#.to_owned()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("unknown field `faults`"), "{text}");
    assert_eq!(web.ask("GET", "/reset", &[], String::new()).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn strangers_are_not_served() {
    let status =
        async |web: &Web, headers: &[(&str, &str)]| web.ask("GET", "/ledger", headers, String::new()).await.0;
    let mut web = Web::new(None, 0);
    assert_eq!(status(&web, &[("host", "localhost")]).await, StatusCode::OK);
    assert_eq!(status(&web, &[("host", "[::1]:7411")]).await, StatusCode::OK);
    assert_eq!(status(&web, &[("host", "CRM.internal:80")]).await, StatusCode::OK);
    assert_eq!(status(&web, &[("host", "evil.test")]).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&web, &[("host", "127.0.0.1.evil.test")]).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&web, &[("origin", "https://evil.test")]).await, StatusCode::FORBIDDEN);
    web.peer = "192.0.2.7:50000".parse().unwrap();
    assert_eq!(status(&web, &[]).await, StatusCode::FORBIDDEN);
    let mut web = Web::new(Some("a-token-of-the-crm"), 0);
    web.peer = "192.0.2.7:50000".parse().unwrap();
    assert_eq!(status(&web, &[]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        status(&web, &[("authorization", "Bearer a-token-of-the-cr")]).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(status(&web, &[("authorization", "a-token-of-the-crm")]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&web, &[("authorization", "Bearer a-token-of-the-crm")]).await, StatusCode::OK);
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let web = Web::new(None, 0);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "think",
        "arguments": {"thought": "x".repeat(2 << 20)}}});
    let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let (status, _) = web.ask("POST", "/mcp", &headers, body.to_string()).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let (status, _) = web.ask("POST", "/mcp", &headers, nested).await;
    assert!(status.is_client_error(), "{status}");
}
