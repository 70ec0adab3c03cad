//! Actions on the wire: proposing one, following it, explaining it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `POST /v1/runs/{run}/actions`: proposes one use of a tool. Needs an `Idempotency-Key` header.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeAction {
    /// `connector.tool`
    pub tool: String,
    /// Arguments, as the tool's schema asks.
    #[serde(default)]
    pub arguments: Value,
    /// Why, in the agent's own words. Shown to people as the agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Reads of this run that the agent relied on: if one of them answers differently when the action is to be performed, it
    /// is refused with `context_changed`. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub based_on: Vec<BasedOn>,
    /// How long to hold the answer while the action is under way, at most 60,000. A waiting approval is answered at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// A read that an agent relied on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BasedOn {
    /// `act_…`, a read of the same run that was answered.
    pub action: String,
}

/// An action. Also the handle: ask for it again by its id.
#[expect(clippy::struct_excessive_bools, reason = "each of them is a word of the wire")]
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Action {
    /// `act_…`
    pub id: String,
    /// Its run.
    pub run: String,
    /// Its agent.
    pub agent: String,
    /// `connector.tool`
    pub tool: String,
    /// `read`, `keyed`, `once`, `compensable`, `irreversible`
    pub class: String,
    /// `waiting`, `approved`, `intended`, `confirmed`, `failed`, `unknown`, `refused`, `rejected`, `expired`,
    /// `withdrawn`, `deferred`, `compensated`
    pub status: String,
    /// Nothing more will happen.
    pub settled: bool,
    /// `autonomous`, `approve`, `never`
    pub verdict: Option<String>,
    /// Stable reason of the verdict or of the end: `permitted`, `gated`, `no_permit`, `context_changed`, …
    pub code: Option<String>,
    /// One sentence for the agent and for people: what happened and what to do.
    pub message: String,
    /// One line for people, written by the server from arguments and facts.
    pub headline: String,
    /// The approval, where one was asked for.
    pub approval: Option<String>,
    /// When it was proposed.
    pub proposed_at: i64,
    /// When it reached its final state.
    pub settled_at: Option<i64>,
    /// `answer`, `look_up` or `person:NAME`
    pub settled_by: Option<String>,
    /// Why it failed: `refused`, `unauthorized`, `rate_limited`, `unreachable`, `manifest_changed`, `not_applied`, `blocked`
    pub failure: Option<String>,
    /// An unknown outcome that only a person can settle.
    pub handed_over: bool,
    /// The answer is not what the tool's pinned output schema promises. Its effect stands.
    #[serde(default)]
    pub output_invalid: bool,
    /// It can be taken back: `POST /v1/actions/{action}/reverse`.
    #[serde(default)]
    pub reversible: bool,
    /// The action whose effect this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<String>,
    /// The last action that was to take this one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversed_by: Option<String>,
    /// Reads that the agent relied on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub based_on: Vec<BasedOn>,
    /// What the tool answered. Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// Entry of the proposal in the workspace's log.
    pub entry: u64,
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Output {
    /// All text blocks, one after the other.
    pub text: String,
    /// Content blocks as in MCP.
    pub content: Vec<Value>,
    /// The structured result, where the tool gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured: Option<Value>,
    /// The system itself says that it did not do it.
    pub is_error: bool,
}

/// `POST /v1/actions/{action}/resolve`: a person settles an unknown outcome after looking.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveAction {
    /// It happened.
    pub applied: bool,
    /// How the person knows. Kept, sealed.
    pub reason: String,
}

/// `POST /v1/actions/{action}/reverse` and `POST /v1/runs/{run}/reverse`: takes effects back. Needs an `Idempotency-Key` header.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReverseRequest {
    /// Why. Shown to people who are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long to hold the answer while it is under way, at most 60,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// What taking back a run began.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reversed {
    /// The compensating actions, the one for the last effect first. Where the last of them is not `confirmed` the earlier
    /// effects still stand: the same request, with another key, goes on from there.
    pub actions: Vec<Action>,
    /// Nothing that can be taken back is left.
    pub complete: bool,
}

/// A fact that a decision used.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Fact {
    /// Its name in policy.
    pub name: String,
    /// As shown: "712.40 USD".
    pub shown: String,
    /// The value that policy saw.
    pub value: Value,
    /// Where it came from.
    pub source: String,
    /// When the source was read.
    pub read_at: i64,
    /// How old it may be.
    pub age_max_ms: i64,
}

/// A rule that decided.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`.
    pub reason: Option<String>,
    /// `permit`, `gate`, `never`
    pub effect: String,
    /// File in the workspace folder.
    pub file: String,
    /// Line of the file, from 1.
    pub line: u32,
    /// The rule as text.
    pub text: String,
}

/// One evaluation of the bundle.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Round {
    /// 1 for the first decision.
    pub round: u32,
    /// When.
    pub at: i64,
    /// The verdict.
    pub verdict: String,
    /// The reason.
    pub code: String,
    /// The rules that determined it.
    pub rules: Vec<Rule>,
    /// The facts that it saw.
    pub facts: Vec<Fact>,
    /// Values of counters before the action.
    pub counters: Value,
    /// The bundle.
    pub bundle: String,
    /// The policy engine and its version.
    pub judge: String,
    /// Its entry.
    pub entry: u64,
}

/// A line of an action's history.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// Position in the log.
    pub seq: u64,
    /// When.
    pub at: i64,
    /// `action.decided`, …
    pub kind: String,
    /// Who.
    pub actor: String,
    /// One sentence for people.
    pub text: String,
}

/// Where the record can be checked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// Name of the log.
    pub log: String,
    /// Entries of this action, by position.
    pub entries: Vec<u64>,
    /// The last signed checkpoint (a C2SP signed note), if it covers them.
    pub checkpoint: Option<String>,
    /// Size of the log at that checkpoint.
    pub checkpoint_size: Option<u64>,
    /// The command that verifies the journal offline.
    pub command: String,
}

/// `GET /v1/actions/{action}/explain`: the whole decision, for a person who was not there.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The action.
    pub action: Action,
    /// The run.
    pub run: crate::Run,
    /// The arguments, as stored; `null` where they were erased.
    pub arguments: Value,
    /// The agent's words.
    pub reason: Option<String>,
    /// Every evaluation.
    pub rounds: Vec<Round>,
    /// The approval with its answers.
    pub approval: Option<crate::Approval>,
    /// What happened, in order.
    pub timeline: Vec<TimelineEntry>,
    /// Where it can be checked.
    pub proof: Proof,
}
