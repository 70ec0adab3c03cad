//! The workspace on the wire: applying a folder, agents, connectors, policies, keys, who am I, status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/apply`: a whole workspace folder.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Files by path relative to the folder.
    pub files: BTreeMap<String, String>,
    /// Only say what would change.
    #[serde(default)]
    pub dry_run: bool,
    /// The bundle that the plan was made against; another one in force is a conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

/// What `apply` does or would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Content address of the folder.
    pub bundle: String,
    /// The bundle in force before.
    pub previous: Option<String>,
    /// It is in force now.
    pub applied: bool,
    /// What changes.
    pub changes: Vec<Change>,
    /// Lint.
    pub warnings: Vec<crate::FileProblem>,
}

/// One change of a plan.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// `agent`, `person`, `connector`, `tool`, `policy`, `counter`, `setting`
    pub what: String,
    /// Its name.
    pub name: String,
    /// `added`, `changed`, `removed`
    pub kind: String,
    /// In words.
    pub detail: String,
}

/// An agent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// Its name.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// Version.
    pub version: i64,
    /// Who answers for it.
    pub owner: String,
    /// Deputy.
    pub deputy: Option<String>,
    /// Stage.
    pub stage: String,
}

/// A tool, as pinned.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Tool {
    /// `connector.tool`
    pub id: String,
    /// What it says of itself.
    pub description: String,
    /// Effect class.
    pub class: String,
    /// JSON Schema of the arguments.
    pub input_schema: serde_json::Value,
    /// Manifest digest.
    pub manifest: String,
}

/// A connector and its health.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Connector {
    /// Its name.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// `mcp` or `http`
    pub kind: String,
    /// `sandbox` or `production`
    pub environment: String,
    /// `closed` (healthy), `open`, `half_open`
    pub breaker: String,
    /// Last error, redacted.
    pub last_error: Option<String>,
    /// Last success.
    pub last_ok_at: Option<i64>,
    /// Its tools.
    pub tools: Vec<Tool>,
}

/// One step of `connector test`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TestStep {
    /// `resolve`, `connect`, `authenticate`, `list`, `compare`
    pub step: String,
    /// It held.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
    /// What to do.
    pub hint: Option<String>,
}

/// `POST /v1/connectors/{connector}/test`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TestReport {
    /// The connector.
    pub connector: String,
    /// All steps held.
    pub ok: bool,
    /// Step by step.
    pub steps: Vec<TestStep>,
    /// The live tools, as `{name, description, inputSchema}`: what `connector pin` writes.
    pub tools: Vec<serde_json::Value>,
}

/// `POST /v1/keys`: makes an API key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// For an agent …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// … or for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// `act`, `read`, `answer`, `publish`, `keys`; left out: what its kind usually needs.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// A key; its secret is shown once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// `key_…`
    pub id: String,
    /// `agent:NAME` or `person:NAME`
    pub principal: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: i64,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// Only in the answer that makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// `GET /v1/me`: whom the credential speaks for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The workspace.
    pub workspace: String,
    /// `agent:NAME`, `person:NAME` or `operator`
    pub principal: String,
    /// Roles of the person.
    pub roles: Vec<String>,
    /// What may be done: `act`, `read`, `answer`, `publish`, `keys`
    pub scopes: Vec<String>,
    /// Send it as `x-countersign-csrf` with every change; only for browser sessions.
    pub csrf: Option<String>,
}

/// `POST /v1/sessions`: opens a browser session with either of them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// The code of a one-time link …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// … or the API key of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// `POST /v1/login-links`: makes a one-time link to the console.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLoginLink {
    /// For whom.
    pub person: String,
}

/// A one-time link to the console.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginLink {
    /// Works once.
    pub url: String,
    /// For whom.
    pub person: String,
    /// Until when.
    pub expires_at: i64,
}

/// `GET /v1/status`: the state of the workspace in one answer; the console's Home.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The workspace.
    pub workspace: String,
    /// One person may publish; every connector is a sandbox.
    pub setup: bool,
    /// The bundle in force.
    pub bundle: Option<String>,
    /// No rule permits anything: every action is refused.
    #[serde(default)]
    pub refuses_all: bool,
    /// The log's verifier key, for whoever checks it from outside: `NAME+KEY ID+KEY` (C2SP signed-note).
    pub verifier_key: String,
    /// Entries in the log.
    pub entries: u64,
    /// How far the views are behind the journal, entries.
    pub views_behind: u64,
    /// Size at the last signed checkpoint.
    pub checkpoint_size: u64,
    /// Actions by status.
    pub actions: BTreeMap<String, u64>,
    /// First verdicts of the last 24 hours, by verdict.
    pub verdicts_today: BTreeMap<String, u64>,
    /// Approvals that wait.
    pub waiting: u64,
    /// When the oldest of them was asked for.
    pub oldest_waiting_at: Option<i64>,
    /// When the next of them expires.
    pub next_expiry_at: Option<i64>,
    /// Unknown outcomes that only a person can settle.
    pub handed_over: u64,
    /// Room on the disk.
    pub space: Space,
    /// What somebody should look at, one sentence each.
    pub attention: Vec<String>,
    /// Version of the server.
    pub version: String,
    /// The server's clock, milliseconds since 1970.
    pub now: i64,
}

/// Room on the disk, in bytes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Space {
    /// What the data directory takes.
    pub used: u64,
    /// What it may take, where there is a bound.
    pub quota: Option<u64>,
    /// What is free on its file system.
    pub free: Option<u64>,
}

/// A line of the live stream (`GET /v1/events`, server-sent events): something durable changed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LiveEvent {
    /// Position in the log; the SSE `id`.
    pub seq: u64,
    /// When.
    pub at: i64,
    /// Kind of entry; the SSE `event` is always `entry`.
    pub kind: String,
    /// The run.
    pub run: Option<String>,
    /// The action.
    pub action: Option<String>,
    /// The approval.
    pub approval: Option<String>,
}
