//! Approvals on the wire: the inbox.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// One person's yes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Given {
    /// Who.
    pub person: String,
    /// When.
    pub at: i64,
    /// The roles held then.
    pub roles: Vec<String>,
}

/// A request for a countersignature.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// `apr_…`
    pub id: String,
    /// Its action.
    pub action: String,
    /// Its run.
    pub run: String,
    /// Its agent.
    pub agent: String,
    /// `connector.tool`
    pub tool: String,
    /// `waiting`, `approved`, `used`, `rejected`, `expired`, `withdrawn`
    pub status: String,
    /// Where the action stands now.
    pub action_status: String,
    /// What will run, in one line, written by the server.
    pub headline: String,
    /// When it was asked for.
    pub requested_at: i64,
    /// Until when it stands.
    pub expires_at: i64,
    /// How many people must approve.
    pub quorum: u32,
    /// Roles that must be among them.
    pub approver_roles: Vec<String>,
    /// `low`, `medium`, `high`
    pub risk: Option<String>,
    /// Who approved so far.
    pub given: Vec<Given>,
    /// Who rejected it.
    pub rejected_by: Option<String>,
    /// Why it was rejected, in that person's words.
    pub rejected_reason: Option<String>,
    /// Digest of the page: send it back as `seen`.
    pub digest: String,
    /// The page: what the approver decides on. Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<ApprovalPage>,
    /// Whether the asking person may answer it, and why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub you_may: Option<YouMay>,
}

/// Whether the asking person may answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct YouMay {
    /// May answer.
    pub answer: bool,
    /// Why not, or as what.
    pub why: String,
}

/// What an approver is shown: rendered by the server from the stored bytes, kept as a payload, bound by its digest.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApprovalPage {
    /// What will run.
    pub headline: String,
    /// `connector.tool`
    pub tool: String,
    /// Effect class.
    pub class: String,
    /// The exact arguments; redacted members say so.
    pub arguments: Value,
    /// What it rests on.
    pub facts: Vec<crate::Fact>,
    /// Rules that asked for a person.
    pub rules: Vec<crate::Rule>,
    /// The agent's own words.
    pub agent_says: Option<String>,
    /// The agent.
    pub agent: String,
    /// For whom it acts.
    pub on_behalf_of: Option<String>,
    /// The run's title.
    pub run_title: Option<String>,
    /// What can be undone, in words.
    pub undo: String,
}

/// `POST /v1/approvals/{approval}/approve`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// The digest of the page that was read.
    pub seen: String,
}

/// `POST /v1/approvals/{approval}/reject`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectRequest {
    /// Why, in the person's own words; the agent is told.
    pub reason: String,
}
