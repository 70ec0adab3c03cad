//! The gateway's host: tool calls of MCP clients become proposals here, as those of REST do.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use gateway::{Caller as McpCaller, Host, HostFuture, ToolCall};
use kernel::actor::Actor;
use kernel::id::AgentId;
use tower_http::limit::RequestBodyLimitLayer;

use crate::access::Right;
use crate::app::App;
use crate::caller::of_request;
use crate::codes::Code;
use crate::problem::Fault;
use crate::routes::wait;
use crate::show;

/// How long a call waits for its outcome before it is answered with a handle.
const CALL_WAIT: u64 = 45_000;

/// The routes of `/mcp`: agents only.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let host = Arc::new(Workspace(app.clone()));
    gateway::router(host, app.hosts.clone(), app.stop.clone())
        .layer(RequestBodyLimitLayer::new(kernel::json::REQUEST.bytes_max))
        .layer(from_fn_with_state(app.clone(), authenticate))
        .with_state(())
}

async fn authenticate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let caller = match of_request(&app, request.method(), request.headers()).await {
        Ok(caller) => caller,
        Err(fault) => return fault.into_response(),
    };
    let agent = match (caller.may(Right::Act), caller.agent()) {
        (Ok(()), Some(agent)) => agent.to_string(),
        _ => {
            return Fault::new(Code::Forbidden, "only agents speak MCP here", "use the key of an agent")
                .into_response();
        }
    };
    request.extensions_mut().insert(McpCaller { agent });
    next.run(request).await
}

struct Workspace(Arc<App>);

fn agent(caller: &McpCaller) -> Result<AgentId, Fault> {
    Ok(caller.agent.parse()?)
}

impl Workspace {
    async fn propose(&self, caller: &McpCaller, call: ToolCall) -> Result<api::Action, Fault> {
        let agent = agent(caller)?;
        let by = Actor::Agent(agent.clone());
        let start = engine::StartRun {
            agent: agent.clone(),
            by: by.clone(),
            title: None,
            on_behalf_of: None,
            conversation: Some(call.conversation),
            idempotency: None,
            task: None,
            input: None,
            priority: None,
            deadline: None,
            parent: None,
        };
        let run = self.0.engine.start_run(start).await?;
        let propose = engine::Propose {
            run: run.id,
            by,
            attempt: None,
            tool: call.tool,
            arguments: call.arguments,
            reason: call.reason,
            idempotency: call.idempotency,
            repeat: call.repeat,
            wait: wait(None, CALL_WAIT),
        };
        let action = self.0.engine.propose(propose).await?;
        show::action_now(&self.0, action, agent).await
    }
}

impl Host for Workspace {
    fn tools<'a>(&'a self, _caller: &'a McpCaller) -> HostFuture<'a, Vec<api::Tool>> {
        Box::pin(async { Ok(self.0.bundle().map(|bundle| show::tools(&bundle)).unwrap_or_default()) })
    }

    fn call<'a>(&'a self, caller: &'a McpCaller, call: ToolCall) -> HostFuture<'a, api::Action> {
        Box::pin(async move { self.propose(caller, call).await.map_err(|fault| fault.problem()) })
    }

    fn follow<'a>(
        &'a self,
        caller: &'a McpCaller,
        action: &'a str,
        wait_ms: u64,
    ) -> HostFuture<'a, api::Action> {
        Box::pin(async move {
            let follow = async {
                let agent = agent(caller)?;
                let id = action.parse().map_err(|_| Fault::not_found("action", action))?;
                let wait = wait(Some(wait_ms), 0);
                let action = self.0.engine.follow_action(&id, &Actor::Agent(agent.clone()), wait).await?;
                show::action_now(&self.0, action, agent).await
            };
            follow.await.map_err(|fault: Fault| fault.problem())
        })
    }

    fn withdraw<'a>(&'a self, caller: &'a McpCaller, action: &'a str) -> HostFuture<'a, api::Action> {
        Box::pin(async move {
            let withdraw = async {
                let agent = agent(caller)?;
                let id = action.parse().map_err(|_| Fault::not_found("action", action))?;
                let action = self.0.engine.withdraw(&id, Actor::Agent(agent.clone())).await?;
                show::action_now(&self.0, action, agent).await
            };
            withdraw.await.map_err(|fault: Fault| fault.problem())
        })
    }
}
