//! The whole decision, for a person who was not there: from its entries and their payloads.

use std::collections::BTreeSet;

use kernel::action::Action;
use kernel::digest::Digest;
use kernel::event::{Decided, Entry, Event};
use kernel::id::ActionId;
use kernel::judge::Fact;
use kernel::state::{Noun, Row, RowKey};
use serde_json::Value;

use crate::app::App;
use crate::problem::Fault;

use super::action::word;
use super::{Veil, approval, timeline};

/// Explains an action.
pub(crate) fn explain(app: &App, id: &ActionId) -> Result<api::Explanation, Fault> {
    let not_found = || Fault::not_found("action", id.as_str());
    let Some(Row::Action(action)) = app.views.row(&RowKey::new(Noun::Action, id))?.as_deref().cloned() else {
        return Err(not_found());
    };
    let item = app.views.run(&action.run)?.ok_or_else(not_found)?;
    let agent = item.run.agent.clone();
    let entries: Vec<Entry> = app.views.entries_of_action(id)?.into_iter().map(|item| item.entry).collect();
    let asked = match &action.approval {
        Some(approval) => match app.views.row(&RowKey::new(Noun::Approval, approval))?.as_deref() {
            Some(Row::Approval(approval)) => Some((**approval).clone()),
            _ => None,
        },
        None => None,
    };
    let veil = veil(app, &action, &entries)?;
    let arguments = app.sealed::<Value>(&action.arguments)?.unwrap_or(Value::Null);
    let mut rounds = Vec::new();
    for entry in &entries {
        if let Event::ActionDecided(decided) = &entry.event {
            rounds.push(round(app, entry, decided, &veil)?);
        }
    }
    let reason = action.reason.as_ref().map(|reason| app.text(reason)).transpose()?.flatten();
    let approval =
        asked.as_ref().map(|asked| approval::approval(app, asked, &action, &agent, true)).transpose()?;
    Ok(api::Explanation {
        action: super::action(app, &action, &agent, true, &veil)?,
        run: super::run(app, &item)?,
        arguments: veil.arguments(arguments),
        reason: reason.map(|text| veil.text(&text)),
        rounds,
        approval,
        timeline: entries.iter().map(|entry| timeline::line(app, entry, &veil)).collect::<Result<_, _>>()?,
        proof: proof(app, id, &entries),
    })
}

/// What all decisions on an action hide.
pub(super) fn veil(app: &App, action: &Action, entries: &[Entry]) -> Result<Veil, Fault> {
    let (mut redact, mut bundles) = (BTreeSet::new(), vec![]);
    for entry in entries {
        if let Event::ActionDecided(decided) = &entry.event {
            redact.extend(decided.obligations.iter().flat_map(|asked| asked.redact.iter().cloned()));
            bundles.push(decided.bundle);
        }
    }
    Veil::new(app, action, &redact, &bundles)
}

fn round(app: &App, entry: &Entry, decided: &Decided, veil: &Veil) -> Result<api::Round, Fault> {
    let mut facts = Vec::new();
    for fact in &decided.facts {
        if let Some(commitment) = entry.commits.get(&format!("fact.{}", fact.name))
            && let Some(fact) = app.sealed::<Fact>(commitment)?
        {
            facts.push(veil.fact(&fact));
        }
    }
    let request = match entry.commits.get("request") {
        Some(commitment) => app.sealed::<Value>(commitment)?,
        None => None,
    };
    Ok(api::Round {
        round: decided.round,
        at: entry.at.0,
        verdict: word(&decided.verdict),
        code: decided.code.clone(),
        rules: rules(app, &decided.bundle, &decided.rules),
        facts,
        counters: request.and_then(|request| request.get("counters").cloned()).unwrap_or(Value::Null),
        bundle: decided.bundle.to_string(),
        judge: decided.judge.clone(),
        entry: entry.seq,
    })
}

/// Rules by id, with their text where this process knows the bundle.
pub(crate) fn rules(app: &App, bundle: &Digest, ids: &[String]) -> Vec<api::Rule> {
    let known = app.bundle_of(bundle).map(|bundle| crate::bundle::rules(&bundle)).unwrap_or_default();
    ids.iter()
        .map(|id| {
            known.iter().find(|rule| rule.id == *id).cloned().unwrap_or_else(|| api::Rule {
                id: id.clone(),
                reason: None,
                effect: String::new(),
                file: String::new(),
                line: 0,
                text: String::new(),
            })
        })
        .collect()
}

fn proof(app: &App, id: &ActionId, entries: &[Entry]) -> api::Proof {
    let entries: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
    let note = app.journal.checkpoint(app.log);
    let size = note.as_deref().and_then(checkpoint_size);
    let covered = entries.last().is_some_and(|last| size.is_some_and(|size| *last < size));
    api::Proof {
        log: app.log_name.clone(),
        entries,
        checkpoint: note.filter(|_| covered),
        checkpoint_size: size.filter(|_| covered),
        command: format!(
            "countersign evidence {id} -o evidence.json && countersign verify --evidence evidence.json"
        ),
    }
}

/// The size in a checkpoint: its second line.
pub(crate) fn checkpoint_size(note: &str) -> Option<u64> {
    note.lines().nth(1)?.parse().ok()
}
