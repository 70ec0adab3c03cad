//! A request for a countersignature, with the page that its approver reads.
//!
//! The page is rendered from the stored bytes that the digest covers, all of it. What rules redact is masked here, on the
//! way to people; the digest is that of the whole.

use kernel::action::Action;
use kernel::approval::Approval;
use kernel::id::AgentId;
use kernel::judge::{EffectClass, Fact};
use serde::Deserialize;
use serde_json::Value;

use crate::app::App;
use crate::problem::Fault;

use super::action::word;
use super::veil::Veil;

/// The payload `shown`.
#[derive(Debug, Deserialize)]
struct Shown {
    headline: String,
    tool: String,
    class: EffectClass,
    #[serde(default)]
    arguments: Value,
    #[serde(default)]
    facts: Vec<Fact>,
    #[serde(default)]
    rules: Vec<String>,
    #[serde(default)]
    agent_says: Option<String>,
    agent: String,
    #[serde(default)]
    on_behalf_of: Option<String>,
    #[serde(default)]
    run_title: Option<String>,
    undo: String,
}

/// The approval for the wire; `whole`: with its page.
pub(crate) fn approval(
    app: &App,
    approval: &Approval,
    action: &Action,
    agent: &AgentId,
    whole: bool,
) -> Result<api::Approval, Fault> {
    let veil = Veil::new(app, action, &approval.obligations.redact, &[approval.binds.bundle])?;
    let headline = match &action.headline {
        Some(commitment) => app.text(commitment)?,
        None => None,
    };
    let (rejected_by, rejected_reason) = match &approval.rejected {
        Some((person, reason)) => {
            let reason = reason.as_ref().map(|reason| app.text(reason)).transpose()?.flatten();
            (Some(person.to_string()), reason.map(|text| veil.text(&text)))
        }
        None => (None, None),
    };
    Ok(api::Approval {
        id: approval.id.to_string(),
        action: action.id.to_string(),
        run: action.run.to_string(),
        agent: agent.to_string(),
        tool: action.tool.to_string(),
        status: approval.status.word().to_owned(),
        action_status: action.status.word().to_owned(),
        headline: headline.map_or_else(|| action.tool.to_string(), |text| veil.text(&text)),
        requested_at: approval.requested_at.0,
        expires_at: approval.expires_at.0,
        quorum: approval.obligations.quorum.max(1),
        approver_roles: approval.obligations.approver_roles.iter().map(ToString::to_string).collect(),
        risk: approval.obligations.risk.clone(),
        given: approval
            .given
            .iter()
            .map(|(person, given)| api::Given {
                person: person.to_string(),
                at: given.at.0,
                roles: given.roles.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        rejected_by,
        rejected_reason,
        digest: approval.binds.shown.to_string(),
        page: if whole { page(app, approval, &veil)? } else { None },
        you_may: None,
    })
}

fn page(app: &App, approval: &Approval, veil: &Veil) -> Result<Option<api::ApprovalPage>, Fault> {
    let Some(shown) = app.sealed::<Shown>(&approval.binds.shown)? else { return Ok(None) };
    Ok(Some(api::ApprovalPage {
        headline: veil.text(&shown.headline),
        tool: shown.tool,
        class: word(&shown.class),
        arguments: veil.arguments(shown.arguments),
        facts: shown.facts.iter().map(|fact| veil.fact(fact)).collect(),
        rules: super::explain::rules(app, &approval.binds.bundle, &shown.rules),
        agent_says: shown.agent_says.as_deref().map(|words| veil.text(words)),
        agent: shown.agent,
        on_behalf_of: shown.on_behalf_of,
        run_title: shown.run_title.as_deref().map(|title| veil.text(title)),
        undo: shown.undo,
    }))
}
