//! An MCP client of the official crate against the gateway, over real HTTP.

use std::sync::{Arc, Mutex};

use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult};
use rmcp::transport::StreamableHttpClientTransport;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::host::{Caller, Host, HostFuture, ToolCall};

#[derive(Default)]
struct Shop {
    calls: Mutex<Vec<(Caller, ToolCall)>>,
}

fn action(status: &str, output: Option<&str>) -> api::Action {
    api::Action {
        id: "act_1".to_owned(),
        run: "run_1".to_owned(),
        agent: "bot".to_owned(),
        tool: "crm.refund".to_owned(),
        class: "once".to_owned(),
        status: status.to_owned(),
        settled: matches!(status, "confirmed" | "failed" | "refused"),
        verdict: None,
        code: None,
        message: format!("It is {status}."),
        headline: String::new(),
        approval: None,
        proposed_at: 0,
        settled_at: None,
        settled_by: None,
        failure: None,
        handed_over: false,
        output_invalid: false,
        reversible: false,
        reverses: None,
        reversed_by: None,
        based_on: vec![],
        output: output.map(|text| api::Output {
            text: text.to_owned(),
            content: vec![json!({ "type": "text", "text": text })],
            structured: None,
            is_error: status == "failed",
        }),
        entry: 0,
    }
}

impl Host for Shop {
    fn tools<'a>(&'a self, _caller: &'a Caller) -> HostFuture<'a, Vec<api::Tool>> {
        let tool = api::Tool {
            id: "crm.refund".to_owned(),
            description: "Refunds.".to_owned(),
            class: "once".to_owned(),
            input_schema: json!({ "type": "object", "properties": { "order": { "type": "string" } } }),
            manifest: String::new(),
        };
        Box::pin(async move { Ok(vec![tool]) })
    }

    fn call<'a>(&'a self, caller: &'a Caller, call: ToolCall) -> HostFuture<'a, api::Action> {
        self.calls.lock().unwrap().push((caller.clone(), call.clone()));
        Box::pin(async move {
            match call.arguments["order"].as_str() {
                Some("small") => Ok(action("confirmed", Some("refunded"))),
                Some("gone") => Ok(action("failed", Some("Error: order not found"))),
                Some("large") => Ok(action("waiting", None)),
                Some("banned") => Ok(action("refused", None)),
                _ => Err(api::Problem {
                    kind: String::new(),
                    title: String::new(),
                    status: 422,
                    detail: "the arguments do not fit".to_owned(),
                    code: "arguments_invalid".to_owned(),
                    hint: "correct them".to_owned(),
                    problems: vec![],
                }),
            }
        })
    }

    fn follow<'a>(&'a self, _: &'a Caller, _: &'a str, _: u64) -> HostFuture<'a, api::Action> {
        Box::pin(async { Ok(action("confirmed", Some("refunded after approval"))) })
    }

    fn withdraw<'a>(&'a self, _: &'a Caller, _: &'a str) -> HostFuture<'a, api::Action> {
        Box::pin(async { Ok(action("refused", None)) })
    }
}

/// Serves the gateway as the server does: a credential becomes a caller.
async fn serve(shop: Arc<Shop>) -> String {
    let app = crate::router(shop, vec!["127.0.0.1".to_owned()], CancellationToken::new()).layer(
        axum::middleware::from_fn(
            |mut request: axum::extract::Request, next: axum::middleware::Next| async move {
                request.extensions_mut().insert(Caller { agent: "bot".to_owned() });
                next.run(request).await
            },
        ),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().nest("/mcp", app)).await });
    format!("http://{address}/mcp")
}

fn request(name: &'static str, arguments: Value, meta: Value) -> CallToolRequestParams {
    serde_json::from_value(json!({ "name": name, "arguments": arguments, "_meta": meta })).unwrap()
}

fn text(result: &CallToolResult) -> String {
    serde_json::to_value(result).unwrap()["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_client_sees_the_tools_own_words_or_a_handle() {
    let shop = Arc::new(Shop::default());
    let url = serve(shop.clone()).await;
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = ().serve(StreamableHttpClientTransport::from_uri(url)).await.unwrap();
    let names: Vec<String> =
        client.list_all_tools().await.unwrap().iter().map(|tool| tool.name.to_string()).collect();
    assert_eq!(names, ["crm__refund", "countersign__await", "countersign__withdraw"]);

    let call = async |name, arguments, meta| {
        let CallToolResponse::Complete(result) =
            CallToolResponse::from(client.call_tool(request(name, arguments, meta)).await.unwrap())
        else {
            panic!("a complete result")
        };
        result
    };
    let done = call("crm__refund", json!({ "order": "small" }), json!({})).await;
    assert_eq!((text(&done).as_str(), done.is_error), ("refunded", Some(false)));
    let failed = call("crm__refund", json!({ "order": "gone" }), json!({})).await;
    assert_eq!((text(&failed).as_str(), failed.is_error), ("Error: order not found", Some(true)));
    let waiting = call(
        "crm__refund",
        json!({ "order": "large" }),
        json!({
            "countersign/conversation": "ticket 7",
            "countersign/idempotency-key": "k1",
            "countersign/based-on": ["act_0"],
            "countersign/repeat": true,
        }),
    )
    .await;
    assert!(text(&waiting).contains("Handle: act_1"), "{}", text(&waiting));
    assert_eq!(waiting.is_error, Some(false));
    let refused = call("crm__refund", json!({ "order": "banned" }), json!({})).await;
    assert_eq!(refused.is_error, Some(true));
    let wrong = call("crm__refund", json!({}), json!({})).await;
    assert!(text(&wrong).contains("arguments_invalid"), "{}", text(&wrong));
    let awaited = call("countersign__await", json!({ "handle": "act_1" }), json!({})).await;
    assert_eq!(text(&awaited), "refunded after approval");

    let calls = shop.calls.lock().unwrap();
    let named = &calls[2].1;
    assert_eq!((named.conversation.as_str(), named.idempotency.as_deref()), ("ticket 7", Some("k1")));
    assert_eq!((named.based_on.as_slice(), named.repeat), (&["act_0".to_owned()][..], true));
    assert!(
        calls
            .iter()
            .filter(|(_, call)| call != named)
            .all(|(_, call)| !call.repeat && call.based_on.is_empty())
    );
    assert_eq!(named.tool, "crm.refund");
    let session = &calls[0].1.conversation;
    assert!(session.starts_with("mcp:") && *session == calls[1].1.conversation, "{session}");
    assert!(calls.iter().all(|(caller, _)| caller.agent == "bot"));
}
