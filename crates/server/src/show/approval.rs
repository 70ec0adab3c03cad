//! A request for a countersignature, with the page that its approver reads.
//!
//! The page is rendered from the stored bytes that the digest covers. Redacted members of the arguments are masked here,
//! on the way to people; the digest is that of the whole.

use std::collections::BTreeSet;

use kernel::action::Action;
use kernel::approval::Approval;
use kernel::id::AgentId;
use kernel::judge::{EffectClass, Fact};
use kernel::state::{Noun, Row, RowKey};
use serde::Deserialize;
use serde_json::Value;

use crate::app::App;
use crate::problem::Fault;

use super::action::word;

/// What stands where something was redacted.
const REDACTED: &str = "(redacted)";

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
        page: if whole { page(app, approval, action)? } else { None },
        you_may: None,
    })
}

fn page(app: &App, approval: &Approval, action: &Action) -> Result<Option<api::ApprovalPage>, Fault> {
    let Some(shown) = app.sealed::<Shown>(&approval.binds.shown)? else { return Ok(None) };
    let run = app.views.row(&RowKey::new(Noun::Run, &action.run))?;
    let (on_behalf_of, title) = match run.as_deref() {
        Some(Row::Run(run)) => (run.on_behalf_of.as_ref().map(ToString::to_string), run.title),
        _ => (None, None),
    };
    let run_title = title.map(|title| app.text(&title)).transpose()?.flatten();
    Ok(Some(api::ApprovalPage {
        headline: api::visible(&shown.headline),
        tool: shown.tool,
        class: word(&shown.class),
        arguments: arguments(shown.arguments, &approval.obligations.redact),
        facts: shown.facts.iter().map(fact).collect(),
        rules: super::explain::rules(app, &approval.binds.bundle, &shown.rules),
        agent_says: shown.agent_says.as_deref().map(api::visible),
        agent: shown.agent,
        on_behalf_of,
        run_title: run_title.map(|text| api::visible(&text)),
        undo: undo(shown.class).to_owned(),
    }))
}

/// Arguments for people: nothing hidden in them, and what rules redact (by JSON pointer) masked.
pub(super) fn arguments(mut arguments: Value, redact: &BTreeSet<String>) -> Value {
    for path in redact {
        mask(&mut arguments, &path.trim_start_matches('/').split('/').collect::<Vec<_>>());
    }
    api::visible_value(&arguments)
}

fn mask(value: &mut Value, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else {
        *value = Value::from(REDACTED);
        return;
    };
    match value {
        Value::Object(members) => {
            if let Some(member) = members.get_mut(*first) {
                mask(member, rest);
            }
        }
        // A path goes through lists: what is secret of one item is secret of all.
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, path)),
        _ => {}
    }
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

fn undo(class: EffectClass) -> &'static str {
    match class {
        EffectClass::Read => "It only reads: there is nothing to undo.",
        EffectClass::Compensable => "It can be undone by another action.",
        EffectClass::Keyed | EffectClass::Once => "No way of undoing it is declared.",
        EffectClass::Irreversible => "It cannot be undone.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn redaction_reaches_members_and_items_and_nothing_else() {
        let redact = ["/card/number".to_owned(), "/notes".to_owned(), "/absent/x".to_owned()].into();
        let shown = arguments(
            json!({"card": [{"number": "4111", "name": "a"}], "notes": {"x": 1}, "id": 7}),
            &redact,
        );
        assert_eq!(shown, json!({"card": [{"number": REDACTED, "name": "a"}], "notes": REDACTED, "id": 7}));
    }
}
