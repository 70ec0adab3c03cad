//! A request for a countersignature, with the page that its approver reads.
//!
//! The page is rendered from the stored bytes that the digest covers, all of it. Redacted members of the arguments are
//! masked here, on the way to people; the digest is that of the whole.

use std::collections::BTreeSet;

use kernel::action::Action;
use kernel::approval::Approval;
use kernel::id::AgentId;
use kernel::judge::{EffectClass, Fact};
use serde::Deserialize;
use serde_json::Value;

use crate::app::App;
use crate::problem::Fault;

use super::action::word;

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
    let headline = match &action.headline {
        Some(commitment) => app.text(commitment)?,
        None => None,
    };
    let (rejected_by, rejected_reason) = match &approval.rejected {
        Some((person, reason)) => {
            let reason = reason.as_ref().map(|reason| app.text(reason)).transpose()?.flatten();
            (Some(person.to_string()), reason.map(|text| api::visible(&text)))
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
        headline: headline.map_or_else(|| action.tool.to_string(), |text| api::visible(&text)),
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
        page: if whole { page(app, approval)? } else { None },
        you_may: None,
    })
}

fn page(app: &App, approval: &Approval) -> Result<Option<api::ApprovalPage>, Fault> {
    let Some(shown) = app.sealed::<Shown>(&approval.binds.shown)? else { return Ok(None) };
    Ok(Some(api::ApprovalPage {
        headline: api::visible(&shown.headline),
        tool: shown.tool,
        class: word(&shown.class),
        arguments: arguments(shown.arguments, &approval.obligations.redact),
        facts: shown.facts.iter().map(fact).collect(),
        rules: super::explain::rules(app, &approval.binds.bundle, &shown.rules),
        agent_says: shown.agent_says.as_deref().map(api::visible),
        agent: shown.agent,
        on_behalf_of: shown.on_behalf_of,
        run_title: shown.run_title.as_deref().map(api::visible),
        undo: shown.undo,
    }))
}

/// Arguments for people: nothing hidden in them, and what rules redact (by JSON pointer) masked.
pub(super) fn arguments(mut arguments: Value, redact: &BTreeSet<String>) -> Value {
    kernel::redact::mask(&mut arguments, redact);
    api::visible_value(&arguments)
}

pub(super) fn fact(fact: &Fact) -> api::Fact {
    api::Fact {
        name: fact.name.clone(),
        shown: api::visible(&fact.shown),
        value: api::visible_value(&fact.value),
        source: fact.source.clone(),
        read_at: fact.read_at.0,
        age_max_ms: fact.age_max.0,
    }
}
