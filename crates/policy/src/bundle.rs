//! The compiled folder, and what it gives to others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::{AgentId, ConnectorId, PersonId, Role, ToolId};
use kernel::judge::Tool;
use kernel::retention::Retention;

use crate::ask::Ground;
use crate::counter::Counter;
use crate::problem::Problem;
use crate::rule::{Parsed, Rule};
use crate::tool::ToolSpec;
use crate::verdict::Slice;

/// An agent, as the folder declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSpec {
    /// Its name.
    pub name: AgentId,
    /// Title for people.
    pub title: String,
    /// Version.
    pub version: i64,
    /// Who answers for it.
    pub owner: PersonId,
    /// Who does when the owner cannot.
    pub deputy: Option<PersonId>,
    /// experiment, shadow, canary, production, retired.
    pub stage: String,
    /// Dispatched runs that it may have at once, where the file says so.
    pub concurrency: Option<u32>,
    /// How long what its runs hold is kept.
    pub retention: Retention,
    /// Why that is less than the floor, where it is.
    pub retention_reason: Option<String>,
}

/// A credential, by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Header that carries it.
    pub header: String,
    /// Before the secret: `Bearer `.
    pub prefix: String,
    /// `env:NAME` or `file:/path`
    pub secret: String,
}

/// A tool of a plain HTTP connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTool {
    /// GET, POST, …
    pub method: String,
    /// Path with `{argument}` places.
    pub path: String,
    /// Header for the provider's idempotency key.
    pub idempotency_header: Option<String>,
}

/// How a connector is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectorKind {
    /// MCP over streamable HTTP.
    McpHttp { url: String },
    /// MCP over a child process's standard input and output.
    McpStdio { command: Vec<String>, env: BTreeMap<String, String> },
    /// Plain HTTP.
    Http { url: String, tools: BTreeMap<String, HttpTool> },
}

/// A connector, as the folder declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorSpec {
    /// Its name.
    pub name: ConnectorId,
    /// Title for people.
    pub title: String,
    /// How it is reached.
    pub kind: ConnectorKind,
    /// Credentials.
    pub auth: Vec<Auth>,
    /// It may lie in a private network.
    pub allow_private: bool,
    /// `sandbox` or `production`
    pub environment: String,
    /// How long a call may take.
    pub timeout: Millis,
}

/// A workspace folder, compiled.
pub struct Bundle {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) zone: jiff::tz::TimeZone,
    pub(crate) digest: Digest,
    /// Of Cedar: "cedar 4.14.1".
    pub(crate) version: String,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) agents: BTreeMap<AgentId, AgentSpec>,
    pub(crate) people: BTreeMap<PersonId, BTreeSet<Role>>,
    pub(crate) connectors: BTreeMap<ConnectorId, ConnectorSpec>,
    pub(crate) tools: BTreeMap<ToolId, Tool>,
    pub(crate) specs: BTreeMap<ToolId, ToolSpec>,
    pub(crate) counters: Vec<Counter>,
    pub(crate) rules: BTreeMap<String, Parsed>,
    pub(crate) ground: Ground,
    pub(crate) slices: BTreeMap<ToolId, Slice>,
    pub(crate) approving: Slice,
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bundle({} {:?})", self.name, self.digest)
    }
}

/// A bundle, and what somebody should look at.
#[derive(Debug)]
pub struct Compiled {
    /// The bundle.
    pub bundle: Arc<Bundle>,
    /// Warnings.
    pub warnings: Vec<Problem>,
}

impl Bundle {
    /// Compiles a folder: files by path. All problems at once.
    pub fn compile(files: &BTreeMap<String, String>) -> Result<Compiled, Vec<Problem>> {
        crate::compile::compile(files)
    }

    /// The content address of a folder under the rules that are built into a program.
    pub fn address(files: &BTreeMap<String, String>, floor: &str) -> Digest {
        Digest::of("countersign/bundle/v1", &[&kernel::json::canonical(files), floor.as_bytes()])
    }

    /// The rules that are built into this program.
    pub fn floor() -> &'static str {
        crate::compile::FLOOR
    }

    /// The workspace's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its title for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The files that it was made of.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// Agents.
    pub fn agents(&self) -> &BTreeMap<AgentId, AgentSpec> {
        &self.agents
    }

    /// People and their roles.
    pub fn people(&self) -> &BTreeMap<PersonId, BTreeSet<Role>> {
        &self.people
    }

    /// Connectors.
    pub fn connectors(&self) -> &BTreeMap<ConnectorId, ConnectorSpec> {
        &self.connectors
    }

    /// All rules, the built-in floor too, by id.
    pub fn policies(&self) -> Vec<Rule> {
        self.rules.values().map(|parsed| parsed.rule.clone()).collect()
    }
}
