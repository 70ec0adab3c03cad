//! The way out: performs calls on outside systems, over MCP and plain HTTP, with their credentials.
//!
//! Why a crate of its own: what is known about a call after it went wrong (nothing happened, or nobody knows) decides
//! whether money moves twice, so one place owns that judgement. It knows `kernel` only. It decides nothing about
//! policy, writes no journal, and never repeats a write by itself.

mod answer; // what a system answered, bounded and tamed
mod breaker; // rest for a system that keeps failing
mod connector; // one system: bulkhead, breaker, redaction around the call
mod connectors; // all systems of a workspace; the `Effector`
mod egress; // which addresses may be reached
mod fault; // how a call goes wrong: certain or unknown
mod flight; // one call on its way: the moment when it leaves
mod mcp; // tools of an MCP server
mod probe; // `connector test`, step by step
mod rest; // tools of a plain HTTP API
mod secret; // credentials by reference, and their redaction
mod spec; // what a connector is made from
#[cfg(test)]
mod tests;
mod wire; // one HTTP exchange, bounded

pub use breaker::BreakerState;
pub use connector::ConnectorHealth;
pub use connectors::{Connectors, ConnectorsError, ManifestDigest, Setup};
pub use egress::{EgressError, check_address};
pub use probe::{Drift, Report, Step, StepName};
pub use secret::{Credential, SecretRef, SecretRefError};
pub use spec::{ArgumentsIn, Endpoint, HttpTool, Kind, Spec, SpecError};
