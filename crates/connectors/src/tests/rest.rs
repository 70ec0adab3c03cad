//! Plain HTTP tools: where arguments go, and how answers are taken.

use kernel::clock::Millis;
use kernel::ports::Call;
use serde_json::{Value, json};

use super::support::{Raw, Reply, answer, http_call, http_spec, told, tool, with};
use crate::{ArgumentsIn, HttpTool, SpecError};

/// One call of one tool; what arrived (request line and body), and how it ended.
async fn check(tool: &HttpTool, arguments: Value, reply: Reply) -> (Vec<String>, String) {
    let server = Raw::start(move |_| reply.clone()).await;
    let (connectors, _) = with(http_spec(&format!("{}/api/", server.url), &[("pay", tool.clone())]));
    let said = told(&connectors, http_call(tool, arguments)).await;
    let seen = server.seen().iter().map(|seen| format!("{} {}", seen.line, seen.body)).collect();
    (seen, said)
}

fn ok() -> Reply {
    answer(200, "application/json; charset=utf-8", "", r#"{"done":true}"#)
}

#[tokio::test]
async fn arguments_go_where_they_are_declared() {
    let (seen, said) =
        check(&tool("POST", "/orders/{id}/refunds"), json!({"id": "W 1/2", "amount": 5}), ok()).await;
    assert_eq!(seen, [r#"POST /api/orders/W%201%2F2/refunds HTTP/1.1 {"amount":5}"#]);
    assert_eq!(said, r#"ok: {"done":true} {"done":true}"#);

    let list = json!({"q": "a&b=c\r\nx: y", "tag": ["x", "y"], "none": null, "n": 3});
    let (seen, _) = check(&tool("GET", "/search"), list, ok()).await;
    assert_eq!(seen, ["GET /api/search?n=3&q=a%26b%3Dc%0D%0Ax%3A+y&tag=x&tag=y HTTP/1.1 null"]);

    let in_body = HttpTool { arguments_in: Some(ArgumentsIn::Body), ..tool("DELETE", "/x") };
    let (seen, _) = check(&in_body, json!({"a": "$(rm -rf /); ' OR 1=1"}), ok()).await;
    assert_eq!(seen, [r#"DELETE /api/x HTTP/1.1 {"a":"$(rm -rf /); ' OR 1=1"}"#]);
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_not_sent() {
    for (path, arguments) in [
        ("/o/{id}", json!({"id": ".."})),
        ("/o/{id}", json!({})),
        ("/o", json!({"nested": {"a": 1}})),
        ("/o", json!([1])),
    ] {
        let (seen, said) = check(&tool("GET", path), arguments, ok()).await;
        assert!(seen.is_empty(), "{seen:?}");
        assert!(said.starts_with("failed blocked: "), "{said}");
    }
}

#[tokio::test]
async fn a_key_travels_in_its_header_or_the_call_does_not_leave() {
    let keyed = HttpTool { idempotency_header: Some("Idempotency-Key".to_owned()), ..tool("POST", "/pay") };
    let server = Raw::start(|_| ok()).await;
    let (connectors, _) = with(http_spec(&server.url, &[("pay", keyed.clone())]));
    let call = Call { idempotency_key: Some("act_1".to_owned()), ..http_call(&keyed, json!({})) };
    assert!(told(&connectors, call.clone()).await.starts_with("ok"));
    assert!(server.seen()[0].head.contains("\r\nidempotency-key: act_1\r\n"));
    let split = Call { idempotency_key: Some("a\r\nhost: evil".to_owned()), ..call };
    assert_eq!(
        told(&connectors, split).await,
        "failed blocked: the idempotency key cannot stand in a header"
    );

    let unkeyed = tool("POST", "/pay");
    connectors.replace(vec![http_spec(&server.url, &[("pay", unkeyed.clone())])]).unwrap();
    let call = Call { idempotency_key: Some("act_1".to_owned()), ..http_call(&unkeyed, json!({})) };
    let blocked = "failed blocked: the tool `crm.pay` declares no `idempotency_header` for its key";
    assert_eq!(told(&connectors, call).await, blocked);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn answers_are_taken_or_unknown() {
    let post = tool("POST", "/pay");
    let cases = [
        (answer(200, "text/plain", "", "done"), "ok: done"),
        (answer(201, "application/vnd.shop+json", "", "[1]"), "ok: [1] [1]"),
        (Reply::Raw(b"HTTP/1.1 204 X\r\n\r\n".to_vec()), "ok: "),
        (
            answer(200, "application/json", "", "{"),
            "unknown: the answer is not valid JSON: EOF while parsing an object at line 1 column 1",
        ),
        (answer(200, "image/png", "", "xx"), "unknown: the answer is `image/png`, neither JSON nor text"),
        (
            answer(302, "text/plain", "", ""),
            "unknown: the system answered 302 and points to nowhere; redirects are not followed",
        ),
        (answer(401, "text/plain", "", ""), "failed unauthorized: the system answered 401"),
        (answer(429, "text/plain", "", ""), "failed rate_limited (retry): the system answered 429"),
        (
            answer(409, "application/problem+json", "", r#"{"title":"taken","status":409}"#),
            "failed refused: the system answered 409: taken",
        ),
        (answer(500, "text/html", "", "<h1>"), "unknown: the system answered 500"),
        (answer(503, "text/plain", "retry-after: 1\r\n", ""), "unknown: the system answered 503"),
        (
            Reply::Cut,
            "unknown: the connection ended before the answer: connection closed before message completed",
        ),
    ];
    for (reply, expected) in cases {
        let (seen, said) = check(&post, json!({}), reply).await;
        assert_eq!(said, expected);
        assert_eq!(seen.len(), 1, "{expected}");
    }
}

#[tokio::test]
async fn waiting_ends_and_floods_are_cut_off() {
    let post = tool("POST", "/pay");
    let server = Raw::start(|_| Reply::Hang).await;
    let (connectors, _) = with(http_spec(&server.url, &[("pay", post.clone())]));
    let call = Call { timeout: Millis(100), ..http_call(&post, json!({})) };
    assert_eq!(told(&connectors, call).await, "late: no answer within 100 ms");
    assert_eq!(server.seen().len(), 1);
    let head = b"HTTP/1.1 200 X\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n".to_vec();
    let (seen, said) = check(&post, json!({}), Reply::Flood(head, vec![b'x'; 65_536])).await;
    assert_eq!(
        (seen.len(), said.as_str()),
        (1, "unknown: the answer is larger than 1048576 bytes, the limit of this connector")
    );
}

#[tokio::test]
async fn a_tool_that_is_declared_otherwise_is_not_called() {
    let post = tool("POST", "/pay");
    let server = Raw::start(|_| ok()).await;
    let changed = HttpTool { description: Some("Pays twice.".to_owned()), ..post.clone() };
    let (connectors, _) = with(http_spec(&server.url, &[("pay", changed)]));
    let said = told(&connectors, http_call(&post, json!({}))).await;
    assert_eq!(said, "failed manifest_changed: the tool `crm.pay` is no longer what was pinned");
    assert!(server.seen().is_empty());
}

#[test]
fn what_is_declared_wrong_is_found_before_any_call() {
    let with_tool = |name: &str, tool: HttpTool| http_spec("http://127.0.0.1:1", &[(name, tool)]).check();
    for bad in [tool("CONNECT", "/"), tool("get", "/"), tool("GET", "x"), tool("GET", "/{")] {
        assert!(matches!(with_tool("pay", bad), Err(SpecError::Tool { .. })));
    }
    assert!(matches!(with_tool("p ay", tool("GET", "/")), Err(SpecError::Tool { .. })));
    for header in ["Host", "content-length", "a b", "x\r\ny", ""] {
        let bad = HttpTool { idempotency_header: Some(header.to_owned()), ..tool("POST", "/") };
        assert!(matches!(with_tool("pay", bad), Err(SpecError::Header { .. })), "{header:?}");
    }
    assert!(http_spec("http://127.0.0.1:1/?a=b", &[]).check().is_err());
}
