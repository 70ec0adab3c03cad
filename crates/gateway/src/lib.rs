//! The way in for foreign agents: an MCP server that any MCP client can use.
//!
//! It knows the wire and nothing behind it: the server implements [`Host`]. Every tool of the workspace is offered
//! under the name `connector__tool`; a call becomes a proposal and is answered with the tool's own result, or at once
//! with a handle where a person must countersign. No client's time-out ever means yes.

mod handler; // tools/list and tools/call
mod host; // what the server must be able to do
mod reply; // an action as a tool result
#[cfg(test)]
mod tests;

pub use handler::router;
pub use host::{Caller, Host, HostFuture, ToolCall};
