//! `tools/list` and `tools/call` over streamable HTTP.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::host::{Caller, Host, ToolCall};
use crate::reply::{of_action, of_problem};

/// Between connector and tool: dots are not allowed by all MCP clients.
const JOINT: &str = "__";
/// Waits for an action.
const AWAIT: &str = "countersign__await";
/// Takes a waiting proposal back.
const WITHDRAW: &str = "countersign__withdraw";
/// The longest that one `await` holds the line; clients give up after 60 seconds by default.
const AWAIT_SECONDS_MAX: u64 = 50;
/// Header for clients that cannot set `_meta`.
const CONVERSATION_HEADER: &str = "x-countersign-conversation";

/// The routes of `/mcp`. Requests must carry a [`Caller`] in their extensions: the server's authentication puts it
/// there. `hosts` are the accepted `Host` headers; a request with a foreign `Origin` is refused.
pub fn router(host: Arc<dyn Host>, hosts: Vec<String>, stop: CancellationToken) -> axum::Router {
    let mut config = StreamableHttpServerConfig::default();
    config.allowed_hosts.clone_from(&hosts);
    config.allowed_origins = hosts.iter().map(|host| format!("http://{host}:*")).collect();
    config.sse_keep_alive = Some(Duration::from_secs(15));
    config.cancellation_token = stop;
    let factory = move || Ok(Handler { host: host.clone() });
    let service = StreamableHttpService::new(factory, Arc::new(LocalSessionManager::default()), config);
    axum::Router::new().fallback_service(service)
}

struct Handler {
    host: Arc<dyn Host>,
}

/// Who calls, and in which conversation.
fn caller(context: &RequestContext<RoleServer>) -> Result<(Caller, &http::request::Parts), ErrorData> {
    let parts = context.extensions.get::<http::request::Parts>();
    let missing = || ErrorData::invalid_request("this connection carries no credential", None);
    let parts = parts.ok_or_else(missing)?;
    let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(missing)?;
    Ok((caller, parts))
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("countersign", env!("CARGO_PKG_VERSION")))
            .with_instructions(
                "Tools act on real systems. Some calls need a person's approval: the answer is then a handle. Wait \
                 for it with `countersign__await`; never repeat the call.",
            )
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let (caller, _) = caller(&context)?;
        let tools = self.host.tools(&caller).await.map_err(|problem| internal(&problem))?;
        let offered = tools.iter().map(|tool| {
            json!({
                "name": tool.id.replacen('.', JOINT, 1),
                "description": tool.description,
                "inputSchema": tool.input_schema,
                "annotations": { "readOnlyHint": tool.class == "read", "destructiveHint": tool.class != "read" },
            })
        });
        let tools: Result<Vec<Tool>, _> = offered.chain(own_tools()).map(serde_json::from_value).collect();
        let tools = tools.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (caller, parts) = caller(&context)?;
        let meta: Value = serde_json::to_value(&request.meta).unwrap_or_default();
        // rmcp hands the request's `_meta` over in the context once it has read it.
        let passed: Value = serde_json::to_value(&context.meta).unwrap_or_default();
        let meta_text =
            |name: &str| [&meta, &passed].into_iter().find_map(|meta| meta[name].as_str()).map(str::to_owned);
        let arguments = request.arguments.map_or_else(|| json!({}), Value::Object);
        let result = match &*request.name {
            AWAIT => {
                let seconds = arguments["wait_seconds"].as_u64().unwrap_or(30).min(AWAIT_SECONDS_MAX);
                let handle = arguments["handle"].as_str().unwrap_or_default();
                self.host.follow(&caller, handle, seconds * 1_000).await
            }
            WITHDRAW => self.host.withdraw(&caller, arguments["handle"].as_str().unwrap_or_default()).await,
            name => {
                let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
                let conversation = meta_text("countersign/conversation")
                    .or_else(|| header(CONVERSATION_HEADER).map(str::to_owned))
                    .or_else(|| header("mcp-session-id").map(|id| format!("mcp:{id}")))
                    // A client without sessions that names no conversation: one run for its credential.
                    .unwrap_or_else(|| "mcp".to_owned());
                let call = ToolCall {
                    tool: name.replacen(JOINT, ".", 1),
                    arguments,
                    conversation,
                    idempotency: meta_text("countersign/idempotency-key"),
                    based_on: [&meta, &passed]
                        .into_iter()
                        .filter_map(|meta| meta["countersign/based-on"].as_array())
                        .flatten()
                        // What is no text is no action either, and is refused as such.
                        .map(|read| read.as_str().map_or_else(|| read.to_string(), str::to_owned))
                        .collect(),
                    repeat: [&meta, &passed].iter().any(|meta| meta["countersign/repeat"] == true),
                    reason: meta_text("countersign/reason"),
                };
                self.host.call(&caller, call).await
            }
        };
        // Not taken is a result, too: the model must be able to read why.
        Ok(CallToolResponse::Complete(match &result {
            Ok(action) => of_action(action),
            Err(problem) => of_problem(problem),
        }))
    }
}

fn internal(problem: &api::Problem) -> ErrorData {
    ErrorData::internal_error(problem.detail.clone(), Some(json!({ "code": problem.code })))
}

fn own_tools() -> [Value; 2] {
    let handle = json!({ "type": "string", "description": "The handle that a call was answered with." });
    [
        json!({
            "name": AWAIT,
            "description": "Waits for the result of a call that was answered with a handle.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "handle": handle,
                    "wait_seconds": { "type": "integer", "minimum": 0, "maximum": AWAIT_SECONDS_MAX },
                },
                "required": ["handle"],
            },
            "annotations": { "readOnlyHint": true },
        }),
        json!({
            "name": WITHDRAW,
            "description": "Takes back a call that still waits for a person.",
            "inputSchema": { "type": "object", "properties": { "handle": handle }, "required": ["handle"] },
        }),
    ]
}
