//! What a rule redacts (`@redact`), hidden from people wherever it stands: arguments, facts, answers, words.
//!
//! The digest of a page and what runs are of the whole; the action's own agent, which knows its arguments, gets its answer
//! as it came.

use std::collections::BTreeSet;

use kernel::action::Action;
use kernel::digest::Digest;
use kernel::id::ToolId;
use kernel::judge::{Fact, Judge as _};
use kernel::redact::{REDACTED, Secrets, mask};
use kernel::state::{Noun, Row, RowKey};
use serde_json::Value;

use crate::app::App;
use crate::problem::Fault;

/// The source of facts that the arguments alone yield.
const ARGUMENTS: &str = "arguments";

/// What is hidden of one action.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    pointers: BTreeSet<String>,
    secrets: Secrets,
    /// Facts that say something of a redacted argument.
    facts: BTreeSet<String>,
}

impl Veil {
    /// What the request for approval of this action hides.
    pub(crate) fn of(app: &App, action: &Action) -> Result<Self, Fault> {
        let Some(id) = &action.approval else { return Ok(Self::default()) };
        let row = app.views.row(&RowKey::new(Noun::Approval, id))?;
        let Some(Row::Approval(approval)) = row.as_deref() else { return Ok(Self::default()) };
        Self::new(app, action, &approval.obligations.redact, &[])
    }

    /// What these pointers hide, also in facts that were read from the arguments under these bundles.
    pub(crate) fn new(
        app: &App,
        action: &Action,
        pointers: &BTreeSet<String>,
        bundles: &[Digest],
    ) -> Result<Self, Fault> {
        if pointers.is_empty() {
            return Ok(Self::default());
        }
        let judged = action.judged.as_ref().map(|(bundle, _)| *bundle);
        let bundles = bundles.iter().copied().chain(judged);
        // What was erased cannot be shown, nor recognised elsewhere.
        let arguments = app.sealed::<Value>(&action.arguments)?.unwrap_or(Value::Null);
        let mut veil = Self {
            secrets: Secrets::of(&arguments, pointers),
            pointers: pointers.clone(),
            facts: BTreeSet::new(),
        };
        for bundle in bundles {
            veil.cover(app, &bundle, &action.tool, &arguments);
        }
        Ok(veil)
    }

    /// Facts of the arguments that come out otherwise where what is redacted is not there.
    fn cover(&mut self, app: &App, bundle: &Digest, tool: &ToolId, arguments: &Value) {
        let Some(bundle) = app.bundle_of(bundle) else { return };
        let mut masked = arguments.clone();
        mask(&mut masked, &self.pointers);
        for need in bundle.needs(tool, arguments).unwrap_or_default() {
            if need.read.is_some() {
                continue;
            }
            let read =
                |arguments| bundle.fact(tool, &need.name, arguments, None, kernel::clock::Millis(0)).ok();
            let (open, hidden) = (read(arguments), read(&masked));
            let value = |fact: &Option<Fact>| fact.as_ref().map(|fact| fact.value.clone());
            if value(&open) != value(&hidden) {
                if let Some(fact) = open {
                    self.secrets.add(&fact.value);
                    self.secrets.add_text(&fact.shown);
                }
                self.facts.insert(need.name);
            }
        }
    }

    /// Whether nothing is hidden.
    pub(crate) fn is_empty(&self) -> bool {
        self.pointers.is_empty()
    }

    /// Words for people.
    pub(crate) fn text(&self, text: &str) -> String {
        api::visible(&self.secrets.hide(text))
    }

    /// A value without what is hidden.
    pub(crate) fn value(&self, mut value: Value) -> Value {
        self.secrets.hide_in(&mut value);
        value
    }

    /// Arguments for people: nothing hidden in them, and what rules redact (by JSON pointer) masked.
    pub(crate) fn arguments(&self, mut arguments: Value) -> Value {
        mask(&mut arguments, &self.pointers);
        api::visible_value(&self.value(arguments))
    }

    /// A fact for people.
    pub(crate) fn fact(&self, fact: &Fact) -> api::Fact {
        let covered = self.covers(fact);
        let (shown, value) = if covered {
            (REDACTED.to_owned(), Value::from(REDACTED))
        } else {
            (self.text(&fact.shown), api::visible_value(&self.value(fact.value.clone())))
        };
        api::Fact {
            name: fact.name.clone(),
            shown,
            value,
            source: fact.source.clone(),
            read_at: fact.read_at.0,
            age_max_ms: fact.age_max.0,
        }
    }

    /// Whether the fact says something of what is redacted.
    pub(crate) fn covers(&self, fact: &Fact) -> bool {
        fact.source == ARGUMENTS && self.facts.contains(&fact.name)
    }

    /// Whether something hidden stands in these bytes of a payload.
    pub(crate) fn touches(&self, plain: &[u8]) -> bool {
        if let Ok(value) = serde_json::from_slice::<Value>(plain) {
            return self.value(value.clone()) != value;
        }
        let text = String::from_utf8_lossy(plain);
        self.secrets.hide(&text) != text
    }
}
