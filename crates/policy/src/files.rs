//! The form of the files in a workspace folder.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkspaceFile {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default = "utc")]
    pub(crate) time_zone: String,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    #[serde(default)]
    pub(crate) people: BTreeMap<String, PersonFile>,
    #[serde(default)]
    pub(crate) counters: BTreeMap<String, CounterFile>,
}

fn utc() -> String {
    "UTC".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonFile {
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "for people who read the file; the console shows pseudonyms")]
    pub(crate) title: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountersFile {
    #[serde(default)]
    pub(crate) counters: BTreeMap<String, CounterFile>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CounterFile {
    pub(crate) tools: Vec<String>,
    pub(crate) amount: AmountFile,
    #[serde(default = "workspace")]
    pub(crate) per: String,
    #[serde(default = "day")]
    pub(crate) window: String,
}

fn workspace() -> String {
    "workspace".to_owned()
}

fn day() -> String {
    "day".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum AmountFile {
    Number(i64),
    Fact(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentFile {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default = "one")]
    pub(crate) version: i64,
    pub(crate) owner: String,
    #[serde(default)]
    pub(crate) deputy: Option<String>,
    #[serde(default = "experiment")]
    pub(crate) stage: String,
    #[serde(default)]
    pub(crate) retention: Option<String>,
    #[serde(default)]
    pub(crate) concurrency: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionFile {
    #[serde(default)]
    pub(crate) classes: BTreeMap<String, ClassFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassFile {
    pub(crate) days: i64,
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

fn one() -> i64 {
    1
}

fn experiment() -> String {
    "experiment".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectorFile {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) command: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) auth: Option<AuthFile>,
    #[serde(default)]
    pub(crate) allow_private: bool,
    #[serde(default = "sandbox")]
    pub(crate) environment: String,
    #[serde(default)]
    pub(crate) timeout: Option<String>,
    #[serde(default)]
    pub(crate) subject: Option<String>,
    #[serde(default)]
    pub(crate) tools: BTreeMap<String, ToolFile>,
}

fn sandbox() -> String {
    "sandbox".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthFile {
    #[serde(default)]
    pub(crate) bearer: Option<String>,
    #[serde(default)]
    pub(crate) header: Option<String>,
    #[serde(default)]
    pub(crate) secret: Option<String>,
    #[serde(default)]
    pub(crate) prefix: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolFile {
    pub(crate) class: String,
    #[serde(default)]
    pub(crate) conflict_key: Option<String>,
    #[serde(default)]
    pub(crate) settle_after: Option<String>,
    #[serde(default)]
    pub(crate) headline: Option<String>,
    #[serde(default)]
    pub(crate) timeout: Option<String>,
    #[serde(default)]
    pub(crate) subject: Option<String>,
    #[serde(default)]
    pub(crate) lookup: Option<LookUpFile>,
    #[serde(default)]
    pub(crate) facts: BTreeMap<String, FactFile>,
    // Only for `kind = "http"`.
    #[serde(default)]
    pub(crate) method: Option<String>,
    #[serde(default)]
    pub(crate) path: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) input_schema: Option<String>,
    #[serde(default)]
    pub(crate) idempotency_header: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookUpFile {
    pub(crate) tool: String,
    pub(crate) arguments: String,
    pub(crate) applied: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactFile {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) currency: Option<String>,
    #[serde(default)]
    pub(crate) rounding: Option<String>,
    #[serde(default)]
    pub(crate) read: Option<String>,
    #[serde(default)]
    pub(crate) arguments: Option<String>,
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) max_age: Option<String>,
    #[serde(default)]
    pub(crate) tolerance: Option<String>,
}
