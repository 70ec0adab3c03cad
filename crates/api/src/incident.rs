//! Incidents on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Something went wrong that a person must look at.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// `inc_…`
    pub id: String,
    /// `open`, `acknowledged`, `resolved`
    pub status: String,
    /// `run_failing`: attempts at a run failed again and again; it is parked until the incident is resolved.
    pub cause: String,
    /// The agent.
    pub agent: String,
    /// The run, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Who must look at it.
    pub owner: String,
    /// What went wrong last; absent where it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
    /// When it was opened, in milliseconds since 1970.
    pub opened_at: i64,
    /// Who took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Handled>,
    /// Who said that it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Handled>,
}

/// Who did something about an incident.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Handled {
    /// `person:NAME` or `operator`
    pub by: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
