//! Waits and signals on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `POST /v1/runs/{run}/waits`: the run has nothing to do until something happens. Asked again under the same key it
/// gives its answer, or says that it still waits.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenWait {
    /// Names it within the run, 1 to 200 bytes, among the keys of steps.
    pub key: String,
    /// 1 to 64 conditions; the first one that holds is the answer, ties by this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any_of: Option<Vec<Condition>>,
    /// 1 to 64 conditions; all must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_of: Option<Vec<Condition>>,
    /// How long the answer may be held back while it still waits, 60 s at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// What a run waits for: exactly one of these.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// A signal of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// A moment, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// A span from when the wait is opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<i64>,
    /// An action of the run that is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// A run that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// A wait as it stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Wait {
    /// Its key; absent where the run's content was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether what it waits for is there.
    pub met: bool,
    /// The numbers of the conditions that met it, from 0, in order.
    pub by: Vec<u32>,
    /// What answered them, in the same order.
    pub answers: Vec<Answered>,
}

/// What answered a condition: exactly one of `signal`, `at`, `action`, `run`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Answered {
    /// The signal that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Its value, or the result of the run; absent where it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
    /// The moment that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// The action that was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The run that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// How the action or the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why the run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
}

/// `POST /v1/runs/{run}/signals`: tells a run something. It is kept until the run reads it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendSignal {
    /// Its name, 1 to 200 bytes.
    pub name: String,
    /// Its value; any JSON.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub value: Value,
}

/// A signal that was kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SignalKept {
    /// Its entry in the log.
    pub seq: u64,
}
