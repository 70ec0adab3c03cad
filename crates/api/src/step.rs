//! Steps of a run on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `POST /v1/runs/{run}/steps`: records what a run did, so that it need not do it again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordSteps {
    /// 1 to 256 of them; all are recorded, or none.
    pub steps: Vec<NewStep>,
}

/// A step that was done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStep {
    /// Names it within the run, 1 to 200 bytes: the same whenever the program comes here again.
    pub key: String,
    /// `task`, `context` (something read that the run relies on), `think` (a model's answer), `decide` (a choice with its
    /// reasons). What changes the world is an action.
    pub kind: String,
    /// SHA-256 of its input, 64 hexadecimal digits: asked for again with another one, it is another step.
    pub input_sha256: String,
    /// What it brought; any JSON. Left out where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Why it failed for good; another try would not mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
}

/// A step on record.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Its key; absent where the run's content was erased.
    pub key: Option<String>,
    /// `task`, `context`, `think`, `decide`
    pub kind: String,
    /// `done`, `failed`
    pub outcome: String,
    /// What it brought; absent where it failed, or was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
    /// Its entry in the log.
    pub entry: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub at: i64,
    /// It had been recorded before: what the request brought was dropped, and this stands.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub memo: bool,
}

/// What was recorded, in the order of the request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordedSteps {
    /// The steps.
    pub steps: Vec<Step>,
}
