//! The judge: what a bundle says about one action. The engine asks, `policy` answers, no I/O in between.
//!
//! A judge is one published bundle, compiled. Every answer is a pure function of the bundle and the question, so an
//! outsider with both reaches the same verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Millis;
use crate::digest::Digest;
use crate::id::{ActionId, AgentId, PersonId, Role, RunId, ToolId, WorkspaceId};
use crate::ports::Output;

/// The three levels of autonomy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Level 1: the agent acts alone.
    Autonomous,
    /// Level 2: a person must countersign.
    Approve,
    /// Level 3: refused, nobody can lift it.
    Never,
}

/// What a call of a tool does to the world, and how an unknown outcome is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// Changes nothing.
    Read,
    /// The provider honours an idempotency key: an unknown may be repeated with the same key.
    Keyed,
    /// Not repeatable: an unknown is settled by look-up, or by a person.
    Once,
    /// Like `once`, and there is a registered tool that takes it back.
    Compensable,
    /// Cannot be taken back and cannot be repeated.
    Irreversible,
}

impl EffectClass {
    /// Whether a call of this class can change anything outside.
    pub fn writes(self) -> bool {
        self != Self::Read
    }

    /// Whether an unknown call may simply be made again: it changes nothing, or the provider knows its key.
    pub fn repeatable(self) -> bool {
        matches!(self, Self::Read | Self::Keyed)
    }

    /// What a person who is asked should know about taking it back.
    pub fn undo(self) -> &'static str {
        match self {
            Self::Read => "It only reads: there is nothing to undo.",
            Self::Compensable => "It can be undone by another action.",
            Self::Keyed | Self::Once => "No way of undoing it is declared.",
            Self::Irreversible => "It cannot be undone.",
        }
    }
}

/// A tool as the bundle pins it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `connector.tool`.
    pub id: ToolId,
    /// What the tool says of itself: data, never instructions to us.
    pub description: String,
    /// JSON Schema of the arguments, as pinned.
    pub input_schema: Value,
    /// Effect class; tools that nobody classified are `irreversible`.
    pub class: EffectClass,
    /// SHA-256 over name, description and schemas: a live tool that differs is not called.
    pub manifest: Digest,
    /// How long one call may take.
    pub timeout: Millis,
}

/// How the effect of a call is taken back: a tool, and a jq expression for its arguments over the original's arguments,
/// facts and output. Registered before the original is performed, evaluated when somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compensation {
    /// The tool.
    pub tool: ToolId,
    /// The expression.
    pub arguments: String,
}

/// A call of a read tool that the server makes as its own principal, to fetch a fact or to look something up.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadCall {
    /// The read tool.
    pub tool: ToolId,
    /// Its arguments.
    pub arguments: Value,
    /// Pinned manifest of the read tool.
    pub manifest: Digest,
    /// How long it may take.
    pub timeout: Millis,
}

/// A fact that the bundle wants for an action, before the verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct FactNeed {
    /// Its name in policy: `context.facts.NAME`.
    pub name: String,
    /// The call that yields it; `None` where the arguments alone do.
    pub read: Option<ReadCall>,
}

/// A value that a decision used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its name in policy.
    pub name: String,
    /// The value: integer minor units for money, otherwise text, integer, boolean or a set of texts.
    pub value: Value,
    /// How to show it: "712.40 USD".
    pub shown: String,
    /// Where it came from: `crm.get_order_details`, or `arguments`.
    pub source: String,
    /// SHA-256 of the source's answer, as its version.
    pub version: Digest,
    /// When the source was read.
    pub read_at: Millis,
    /// How old it may be when it is used.
    pub age_max: Millis,
}

/// Why a fact could not be had. The words are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactFault {
    /// The source answered, but the value is not there: verdict `never`.
    Absent,
    /// The value is there, but is not what was declared (money with three decimals, a text where a number belongs).
    Invalid,
}

/// A counter that an action would move, with the window already worked out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CounterUse {
    /// Its name in policy: `context.counters.NAME`.
    pub name: String,
    /// Identifies one count: name, subject and window ("refunded_today/shop-agent/2026-11-23").
    pub key: String,
    /// What this action would add: minor units, or 1.
    pub amount: i64,
}

/// One question to the judge. Everything that it may look at stands here.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The run that asks.
    pub run: RunSubject,
    /// The tool.
    pub tool: ToolId,
    /// The arguments, parsed.
    pub arguments: Value,
    /// The facts that were fetched.
    pub facts: Vec<Fact>,
    /// Values of the counters before this action, by counter name.
    pub counters: BTreeMap<String, i64>,
}

/// What policy may know of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSubject {
    /// The run.
    pub run: RunId,
    /// Its agent.
    pub agent: AgentId,
    /// The agent's owner.
    pub owner: PersonId,
    /// Who stands in for the owner: the agent is theirs as well.
    #[serde(default)]
    pub deputy: Option<PersonId>,
    /// Stage of the agent: experiment, shadow, canary, production, retired.
    pub stage: String,
    /// For whom the run acts, where a person of the workspace started it.
    pub on_behalf_of: Option<PersonId>,
    /// 0 for a run that no other run started.
    pub depth: i64,
    /// It has read untrusted content.
    pub tainted: bool,
}

/// What an approval needs. Several gates: roles are and-ed, quorum the largest, expiry the shortest, redactions joined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligations {
    /// Each of these roles must be among the approvers' roles, each covered by `quorum` people.
    pub approver_roles: BTreeSet<Role>,
    /// How many different people must approve.
    pub quorum: u32,
    /// How long the request stands.
    pub expires_in: Millis,
    /// Argument paths (JSON pointers) that approvers are not shown.
    pub redact: BTreeSet<String>,
    /// "low", "medium", "high": the highest named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
}

/// The judge's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Ids of the rules that determined it, sorted.
    pub rules: Vec<String>,
    /// Stable reason: `permitted`, `gated`, `forbidden`, `no_permit`, `policy_error`, `empty_policy`.
    pub code: String,
    /// What a person needs; only with `approve`.
    pub obligations: Option<Obligations>,
    /// The whole Cedar request with its entity slice, for the record and for recomputing the verdict.
    pub request: Value,
}

/// Who answers an approval, and what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct ApproverQuestion {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The person.
    pub person: PersonId,
    /// The roles that the person holds now.
    pub roles: BTreeSet<Role>,
    /// The action.
    pub action: ActionId,
    /// The tool that it would use.
    pub tool: ToolId,
    /// The run that asked for it.
    pub run: RunSubject,
    /// What the approval needs.
    pub obligations: Obligations,
}

/// Arguments that do not fit the pinned schema, or a tool that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No such tool in the bundle.
    #[error("there is no tool `{tool}`{}", did_you_mean(nearest.as_deref()))]
    UnknownTool { tool: String, nearest: Option<String> },
    /// The arguments are off the schema.
    #[error("the arguments do not fit `{tool}`: {}", problems.join("; "))]
    Arguments { tool: String, problems: Vec<String> },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// One published bundle, compiled.
pub trait Judge: Send + Sync + fmt::Debug {
    /// The bundle's content address.
    fn bundle(&self) -> Digest;
    /// The policy engine and its version, for the record: "cedar 4.14.1".
    fn version(&self) -> &str;
    /// All pinned tools, by name.
    fn tools(&self) -> &BTreeMap<ToolId, Tool>;
    /// Checks arguments against the pinned schema and binds defaults.
    fn parse(&self, tool: &ToolId, arguments: Value) -> Result<Value, ParseError>;
    /// The facts that the bundle wants before it judges this action.
    fn needs(&self, tool: &ToolId, arguments: &Value) -> Result<Vec<FactNeed>, FactFault>;
    /// Takes a fact out of the source's answer (`None` where the need had no read).
    fn fact(
        &self,
        tool: &ToolId,
        name: &str,
        arguments: &Value,
        answer: Option<&Output>,
        read_at: Millis,
    ) -> Result<Fact, FactFault>;
    /// How far a shown fact moved, in words, if it moved beyond its tolerance.
    fn moved(&self, tool: &ToolId, shown: &Fact, current: &Fact) -> Option<String>;
    /// What two writes must not touch at once, as text; `None` for tools that declare no key.
    fn conflict_key(
        &self,
        tool: &ToolId,
        arguments: &Value,
        facts: &[Fact],
    ) -> Result<Option<String>, FactFault>;
    /// The counters that this action would move, windows worked out at `at` in the workspace's time zone.
    fn counters(&self, question: &Question, at: Millis) -> Result<Vec<CounterUse>, FactFault>;
    /// The verdict.
    fn judge(&self, question: &Question) -> Judgement;
    /// Whether this person may approve or reject; the reason in words otherwise.
    fn may_answer(&self, question: &ApproverQuestion) -> Result<(), String>;
    /// The read that settles an unknown outcome, and how long to wait before it counts; `None`: only a person can.
    fn look_up(&self, tool: &ToolId, arguments: &Value) -> Option<(ReadCall, Millis)>;
    /// Reads the look-up's answer: whether the effect happened.
    fn looked_up(&self, tool: &ToolId, arguments: &Value, answer: &Output) -> Result<bool, FactFault>;
    /// How the effect of a call of this tool is taken back, where the folder declares it.
    fn compensation(&self, tool: &ToolId) -> Option<Compensation>;
    /// The arguments of a registered compensation.
    fn compensate(
        &self,
        registered: &Compensation,
        arguments: &Value,
        facts: &[Fact],
        output: &Output,
    ) -> Result<Value, FactFault>;
    /// What is wrong with an answer by the tool's pinned output schema, where it has one.
    fn output_problem(&self, tool: &ToolId, output: &Output) -> Option<String>;
    /// One line for people: what will run, written by the server from the arguments and facts.
    fn headline(&self, tool: &ToolId, arguments: &Value, facts: &[Fact]) -> String;
    /// The person or record that a payload is about (from a pointer that the connector declares): its data key's name.
    fn subject(&self, tool: &ToolId, arguments: &Value) -> Option<String>;
}
