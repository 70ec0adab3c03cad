//! What the gateway asks of the server behind it.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

/// A boxed answer of the host.
pub type HostFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, api::Problem>> + Send + 'a>>;

/// Whom a request speaks for. The server's authentication puts it into the request's extensions; nothing in the body
/// or in MCP's client name is believed (THREATS 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The agent's name.
    pub agent: String,
}

/// One `tools/call`.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// `connector.tool`
    pub tool: String,
    /// Arguments as they came, bounded by the server's limits.
    pub arguments: Value,
    /// What ties calls to one run: the client's own conversation id, else its MCP session.
    pub conversation: String,
    /// `_meta["countersign/idempotency-key"]`
    pub idempotency: Option<String>,
    /// `_meta["countersign/based-on"]`: actions that read what the agent relied on.
    pub based_on: Vec<String>,
    /// `_meta["countersign/repeat"]`: perform it although an identical call was made a moment ago.
    pub repeat: bool,
    /// `_meta["countersign/reason"]`: the agent's own words.
    pub reason: Option<String>,
}

/// The server behind the gateway.
pub trait Host: Send + Sync + 'static {
    /// The tools that this caller may propose.
    fn tools<'a>(&'a self, caller: &'a Caller) -> HostFuture<'a, Vec<api::Tool>>;
    /// Proposes a call; answers when it is settled or when a person must be asked.
    fn call<'a>(&'a self, caller: &'a Caller, call: ToolCall) -> HostFuture<'a, api::Action>;
    /// The action, once it is settled or `wait_ms` are over.
    fn follow<'a>(&'a self, caller: &'a Caller, action: &'a str, wait_ms: u64)
    -> HostFuture<'a, api::Action>;
    /// Takes a waiting proposal back.
    fn withdraw<'a>(&'a self, caller: &'a Caller, action: &'a str) -> HostFuture<'a, api::Action>;
}
