//! How the agent speaks with the server: `/v1`, or `/mcp` with the official client.
//!
//! Both bring the same thing back: the action, and the words that the agent was given.

use anyhow::Result;
use retail_agent::{Client, ClientError, WAIT_MS};
use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, CallToolResponse};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};

/// Codes that say "not now": over `/v1` they come with status 503.
const AGAIN: [&str; 6] =
    ["fact_unavailable", "conflict_held", "deferred", "busy", "stopping", "views_failed"];

/// What the agent was answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) action: api::Action,
    /// The tool's own words, where there are any.
    pub(crate) text: Option<String>,
}

impl Reply {
    fn of(action: api::Action) -> Self {
        let text = action.output.as_ref().map(|output| output.text.clone());
        Self { action, text }
    }
}

/// One proposal.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) run: String,
    pub(crate) conversation: String,
    pub(crate) body: api::ProposeAction,
    pub(crate) key: String,
}

/// The way to the server.
pub(crate) enum Talk {
    Api,
    Mcp { url: String, session: Option<RunningService<RoleClient, ()>> },
}

impl Talk {
    /// Proposes; the same key gives the same action.
    pub(crate) async fn propose(
        &mut self,
        agent: &Client,
        proposal: &Proposal,
    ) -> Result<Reply, ClientError> {
        match self {
            Self::Api => agent.propose(&proposal.run, &proposal.body, &proposal.key).await.map(Reply::of),
            Self::Mcp { .. } => {
                let request = json!({
                    "name": proposal.body.tool.replacen('.', "__", 1),
                    "arguments": proposal.body.arguments,
                    "_meta": {
                        "countersign/conversation": proposal.conversation,
                        "countersign/idempotency-key": proposal.key,
                        "countersign/reason": proposal.body.reason,
                    },
                });
                self.call(agent, request).await
            }
        }
    }

    /// Waits for an action that is under way.
    pub(crate) async fn follow(&mut self, agent: &Client, action: &str) -> Result<Reply, ClientError> {
        match self {
            Self::Api => agent.action(action, WAIT_MS).await.map(Reply::of),
            Self::Mcp { .. } => {
                let arguments = json!({"handle": action, "wait_seconds": WAIT_MS / 1_000});
                self.call(agent, json!({"name": "countersign__await", "arguments": arguments})).await
            }
        }
    }

    /// Forgets the session: the server that kept it is gone.
    pub(crate) fn forget(&mut self) {
        if let Self::Mcp { session, .. } = self {
            *session = None;
        }
    }

    async fn call(&mut self, agent: &Client, request: Value) -> Result<Reply, ClientError> {
        let Self::Mcp { url, session } = self else {
            return Err(ClientError::Answer("this is not an MCP conversation".to_owned()));
        };
        let params: CallToolRequestParams =
            serde_json::from_value(request).map_err(|error| ClientError::Answer(error.to_string()))?;
        let broken = |error: &dyn std::fmt::Display| ClientError::Unreachable(error.to_string());
        if session.is_none() {
            let config = StreamableHttpClientTransportConfig::with_uri(url.as_str()).auth_header(agent.key());
            let transport = StreamableHttpClientTransport::from_config(config);
            *session = Some(().serve(transport).await.map_err(|error| broken(&error))?);
        }
        let Some(open) = session.as_ref() else {
            return Err(ClientError::Unreachable("no MCP session".to_owned()));
        };
        let result = match open.call_tool(params).await {
            Ok(result) => result,
            Err(error) => {
                *session = None;
                return Err(broken(&error));
            }
        };
        let CallToolResponse::Complete(result) = CallToolResponse::from(result) else {
            return Err(ClientError::Answer(
                "the call was answered with something else than a result".to_owned(),
            ));
        };
        let result = serde_json::to_value(&result).map_err(|error| ClientError::Answer(error.to_string()))?;
        let Some(id) = result["_meta"]["countersign/action"].as_str() else {
            return Err(not_taken(&result));
        };
        let action = agent.action(id, 0).await?;
        // What the server says in the tool's place is not the tool's answer.
        let text = action.output.is_some().then(|| text_of(&result));
        Ok(Reply { action, text })
    }
}

fn text_of(result: &Value) -> String {
    let blocks = result["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    blocks.iter().filter_map(|block| block["text"].as_str()).collect()
}

/// The server did not take the call: may it be repeated?
fn not_taken(result: &Value) -> ClientError {
    let code = result["structuredContent"]["code"].as_str().unwrap_or("unknown").to_owned();
    let detail = text_of(result);
    if AGAIN.contains(&code.as_str()) {
        return ClientError::Again { detail, code, after: std::time::Duration::from_millis(250) };
    }
    ClientError::Refused(Box::new(api::Problem {
        kind: format!("/docs/errors/{code}"),
        title: "not taken".to_owned(),
        status: 422,
        detail,
        code,
        hint: String::new(),
        problems: vec![],
    }))
}
