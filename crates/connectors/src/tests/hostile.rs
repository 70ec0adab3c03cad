//! Servers that hang, cut, flood and lie. After each story exactly one call has arrived, and what is unknown is called so.

use kernel::clock::Millis;
use kernel::ports::Call;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Raw, Reply, Seen, answer, behave, mcp_spec, pay, result, text, told, with};

/// One call meets one behaviour; exactly one call arrives.
async fn check(on_call: impl Fn(&Seen) -> Reply + Send + Sync + 'static, expected: &str) {
    check_call(pay(), on_call, expected).await;
}

async fn check_call(call: Call, on_call: impl Fn(&Seen) -> Reply + Send + Sync + 'static, expected: &str) {
    let server = Raw::mcp(on_call).await;
    let (connectors, _) = with(mcp_spec(&server.url));
    let said = told(&connectors, call).await;
    assert_eq!(said, expected);
    assert_eq!(server.calls(), 1, "{expected}");
}

fn status(status: u16, extra: &'static str, body: &'static str) -> impl Fn(&Seen) -> Reply {
    move |_| answer(status, "text/plain", extra, body)
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_unknown() {
    let short = Call { timeout: Millis(150), ..pay() };
    check_call(short.clone(), |_| Reply::Hang, "late: no answer within 150 ms").await;
    let half = || {
        Reply::Raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{".to_vec(),
        )
    };
    check_call(short.clone(), move |_| half(), "late: no answer within 150 ms").await;
    let silent = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: keep\n\n".to_vec();
    check_call(short, move |_| Reply::Raw(silent.clone()), "late: no answer within 150 ms").await;
}

#[tokio::test]
async fn a_cut_connection_is_unknown() {
    let cut = "unknown: the connection ended before the answer: connection closed before message completed";
    check(|_| Reply::Cut, cut).await;
    let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 6\r\n\r\n: hi\n\n";
    check(|_| Reply::Raw(events.as_bytes().to_vec()), "unknown: the stream ended before the answer").await;
}

#[tokio::test]
async fn a_flood_is_cut_off_and_unknown() {
    let large = "unknown: the answer is larger than 1048576 bytes, the limit of this connector";
    let declared = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n";
    check(|_| Reply::Flood(declared.as_bytes().to_vec(), vec![b' '; 65_536]), large).await;
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &b" ".repeat(65_536), b"\r\n"].concat();
    check(move |_| Reply::Flood(chunked.as_bytes().to_vec(), chunk.clone()), large).await;
    let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    check(move |_| Reply::Flood(events.as_bytes().to_vec(), b"data: ".repeat(9_000)), large).await;
    check(move |_| Reply::Flood(events.as_bytes().to_vec(), b": keep-alive\n\n".repeat(900)), large).await;
}

#[tokio::test]
async fn garbage_is_unknown() {
    let not_mcp = "unknown: the answer is not a message of MCP";
    check(|_| answer(200, "application/json", "", "{\"jsonrpc\":"), not_mcp).await;
    check(|_| answer(200, "application/json", "", ""), not_mcp).await;
    check(|_| answer(200, "text/event-stream", "", "data: nonsense\n\n"), not_mcp).await;
    check(|_| answer(200, "application/json", "", &"[".repeat(100_000)), not_mcp).await;
    let other = r#"{"jsonrpc":"2.0","id":77,"result":{"content":[]}}"#;
    check(|_| answer(200, "application/json", "", other), "unknown: the answer belongs to another request")
        .await;
    let page = "unknown: the answer is neither JSON nor an event stream";
    check(|_| answer(200, "text/html", "", "<p>ok</p>"), page).await;
    check(|_| answer(202, "text/plain", "", ""), page).await;
    let packed = "unknown: the answer is compressed, which was not asked for";
    check(|_| answer(200, "application/json", "content-encoding: gzip\r\n", "xx"), packed).await;
    let deep = |request: &Seen| {
        let nested = (0..80).fold(json!(1), |inner, _| json!([inner]));
        result(request, json!({"content": [], "structuredContent": {"a": nested}}))
    };
    check(deep, "unknown: the answer is nested deeper than 64 levels").await;
    let strange = "unknown: the answer is not the result of a tool";
    check(|request| result(request, json!({"content": [{"type": "hologram", "x": 1}]})), strange).await;
    check(|request| result(request, json!({"tools": []})), strange).await;
}

#[tokio::test]
async fn a_status_is_believed_as_far_as_it_goes() {
    check(status(401, "", ""), "failed unauthorized: the system answered 401").await;
    check(status(403, "", "no"), "failed unauthorized: the system answered 403: no").await;
    check(status(429, "retry-after: 3\r\n", ""), "failed rate_limited (retry): the system answered 429")
        .await;
    check(status(400, "", "bad\r\nbad"), "failed refused: the system answered 400: bad bad").await;
    check(status(404, "", ""), "failed refused: the system answered 404").await;
    check(status(409, "", ""), "failed refused: the system answered 409").await;
    check(status(422, "", ""), "failed refused: the system answered 422").await;
    check(status(408, "", ""), "unknown: the system answered 408").await;
    check(status(500, "", "{\"message\":\"oops\"}"), "unknown: the system answered 500: oops").await;
    check(status(502, "", ""), "unknown: the system answered 502").await;
    check(status(503, "retry-after: 1\r\n", ""), "unknown: the system answered 503").await;
    let keyed = Call { idempotency_key: Some("k".to_owned()), ..pay() };
    check_call(keyed, status(409, "", ""), "unknown: the system answered 409").await;
}

#[tokio::test]
async fn an_unavailable_system_is_certain_where_it_promised_so() {
    let server = Raw::mcp(status(503, "", "")).await;
    let (connectors, _) = with(crate::Spec { unavailable_is_certain: true, ..mcp_spec(&server.url) });
    assert_eq!(told(&connectors, pay()).await, "failed unreachable (retry): the system answered 503");
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let trap = Raw::start(|_| answer(200, "text/plain", "", "secret")).await;
    let to_trap: &'static str = Box::leak(format!("location: {}/x\r\n", trap.url).into_boxed_str());
    let to_metadata = "location: http://169.254.169.254/latest/meta-data\r\n";
    let refused = format!(
        "failed refused: the system answered 307 and points to `{}/x`; redirects are not followed",
        trap.url
    );
    check(status(307, to_trap, ""), &refused).await;
    let unknown = "unknown: the system answered 302 and points to `http://169.254.169.254/latest/meta-data`; \
                   redirects are not followed";
    check(status(302, to_metadata, ""), unknown).await;
    assert!(trap.seen().is_empty());
}

#[tokio::test]
async fn an_error_of_the_protocol_is_a_refusal_or_unknown() {
    let error = |code: i32| {
        move |request: &Seen| {
            let body =
                json!({"jsonrpc": "2.0", "id": request.body["id"], "error": {"code": code, "message": "m"}});
            answer(200, "application/json", "", &body.to_string())
        }
    };
    for code in [-32700, -32600, -32601, -32602] {
        check(error(code), &format!("failed refused: the system answered with error {code}: m")).await;
    }
    for code in [-32603, -32000, 7] {
        check(error(code), &format!("unknown: the system answered with error {code}: m")).await;
    }
}

#[tokio::test]
async fn what_a_tool_says_is_passed_on() {
    check(|request| result(request, text("paid")), "ok: paid").await;
    check(|request| result(request, json!({})), "ok: ").await;
    let no = json!({"content": [{"type": "text", "text": "no such order"}], "isError": true});
    check(move |request| result(request, no.clone()), "error: no such order").await;
    let ids = json!({"content": [], "structuredContent": {"id": 12_345_678_901_234_567_890_u64, "n": 7}});
    check(move |request| result(request, ids.clone()), "ok:  {\"id\":\"12345678901234567890\",\"n\":7}")
        .await;
    let events = |request: &Seen| {
        let id = request.body["id"].to_string();
        let note = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}});
        let body = format!(
            "id: 1\ndata:\n\ndata: {note}\n\ndata: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{}}}\n\n",
            text("late")
        );
        answer(200, "text/event-stream", "", &body)
    };
    check(events, "ok: late").await;
}

#[tokio::test]
async fn a_system_that_cannot_be_reached_is_a_certain_failure() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (connectors, _) = with(mcp_spec(&url));
    let said = told(&connectors, pay()).await;
    assert!(said.starts_with("failed unreachable (retry): could not connect: "), "{said}");
}

#[tokio::test]
async fn a_tls_failure_is_a_certain_failure() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Speaks plain text to whoever begins a handshake.
            stream.read_u8().await.ok();
            stream.write_all(b"HTTP/1.1 400 X\r\n\r\n").await.ok();
        }
    });
    let (connectors, _) = with(mcp_spec(&url));
    let said = told(&connectors, pay()).await;
    assert!(said.starts_with("failed unreachable (retry): could not connect: "), "{said}");
}

#[tokio::test]
async fn trouble_before_the_call_is_certain() {
    for trouble in [Reply::Cut, answer(500, "text/plain", "", ""), answer(200, "application/json", "", "{")] {
        for stage in ["initialize", "tools/list"] {
            let trouble = trouble.clone();
            let server = Raw::start(move |request| match request.body["method"].as_str() {
                Some(method) if method == stage => trouble.clone(),
                _ => behave(request),
            })
            .await;
            let (connectors, _) = with(mcp_spec(&server.url));
            let said = told(&connectors, pay()).await;
            assert!(said.starts_with("failed unreachable (retry): "), "{stage}: {said}");
            assert_eq!(server.calls(), 0);
        }
    }
}

#[tokio::test]
async fn a_list_without_end_is_refused() {
    let server = Raw::start(|request| match request.body["method"].as_str() {
        Some("tools/list") => result(request, json!({"tools": [], "nextCursor": "again"})),
        _ => behave(request),
    })
    .await;
    let (connectors, _) = with(mcp_spec(&server.url));
    let said = told(&connectors, pay()).await;
    assert_eq!(said, "failed unreachable (retry): the list of tools has more than 64 pages");
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_lost_session_is_a_certain_failure_and_the_next_call_opens_another() {
    let server = Raw::start(|request| {
        let old = request.head.contains("mcp-session-id: one");
        match request.body["method"].as_str() {
            Some("initialize") => {
                let Reply::Raw(bytes) = behave(request) else { return Reply::Cut };
                let answer = String::from_utf8(bytes).unwrap();
                Reply::Raw(answer.replacen("\r\n", "\r\nmcp-session-id: one\r\n", 1).into_bytes())
            }
            Some("tools/call") if old => answer(404, "text/plain", "", "no such session"),
            _ => behave(request),
        }
    })
    .await;
    let (connectors, _) = with(mcp_spec(&server.url));
    let lost = "failed unreachable (retry): the server ended the session; the call was not taken";
    assert_eq!(told(&connectors, pay()).await, lost);
    assert_eq!(server.calls(), 1, "not sent again by itself");
    assert_eq!(told(&connectors, pay()).await, lost);
    assert_eq!(server.calls(), 2);
    let opened = server.seen().iter().filter(|seen| seen.body["method"] == "initialize").count();
    assert_eq!(opened, 2, "a lost session is opened again before the next call");
}
