//! What changes between two bundles, for the plan that `apply` shows first.

use std::collections::BTreeMap;

use kernel::judge::Judge;
use kernel::retention::Retention;

use crate::bundle::Bundle;
use crate::counter::Amount;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `agent`, `person`, `connector`, `tool`, `policy`, `counter`, `runbook`, `setting`
    pub what: String,
    /// Its name.
    pub name: String,
    /// `added`, `changed`, `removed`
    pub kind: String,
    /// In words.
    pub detail: String,
}

type Things = BTreeMap<(&'static str, String), String>;

/// Everything that a bundle declares, as comparable text: words for people, and after a NUL all the rest.
fn things(bundle: &Bundle) -> Things {
    let mut all = Things::new();
    for agent in bundle.agents.values() {
        let Retention { class, days } = &agent.retention;
        let kept = if agent.retention == Retention::default() {
            String::new()
        } else {
            format!(", kept for {days} days after a run ({class})")
        };
        let text = format!("version {}, stage {}, owner {}{kept}", agent.version, agent.stage, agent.owner);
        all.insert(("agent", agent.name.to_string()), format!("{text}\u{0}{agent:?}"));
    }
    for (person, roles) in &bundle.people {
        let roles: Vec<&str> = roles.iter().map(kernel::id::Role::as_str).collect();
        all.insert(("person", person.to_string()), format!("roles {}", roles.join(", ")));
    }
    for connector in bundle.connectors.values() {
        let address = match &connector.kind {
            crate::ConnectorKind::McpHttp { url } | crate::ConnectorKind::Http { url, .. } => url.clone(),
            crate::ConnectorKind::McpStdio { command, .. } => command.join(" "),
        };
        let credentials: Vec<&str> = connector.auth.iter().map(|auth| auth.secret.as_str()).collect();
        let text = format!("{} {address} {}", connector.environment, credentials.join(" "));
        all.insert(("connector", connector.name.to_string()), format!("{}\u{0}{connector:?}", text.trim()));
    }
    for tool in bundle.tools().values() {
        let class = serde_json::to_value(tool.class).unwrap_or_default();
        let text =
            format!("{}, manifest {}", class.as_str().unwrap_or_default(), &tool.manifest.to_string()[..12]);
        let rest = bundle.specs.get(&tool.id).map(|spec| {
            (
                &spec.tool.timeout,
                &spec.conflict_key,
                &spec.subject,
                &spec.headline,
                &spec.look_up,
                &spec.compensation,
                &spec.facts,
            )
        });
        all.insert(("tool", tool.id.to_string()), format!("{text}\u{0}{rest:?}"));
    }
    for parsed in bundle.rules.values() {
        // Without the line: a rule that only moved says what it said.
        let text = format!("{} in {}", parsed.rule.effect, parsed.rule.file);
        all.insert(("policy", parsed.rule.id.clone()), format!("{text}\u{0}{}", parsed.rule.text));
    }
    for counter in &bundle.counters {
        let amount = match &counter.amount {
            Amount::Fixed(amount) => amount.to_string(),
            Amount::Fact(name) => format!("facts.{name}"),
        };
        let text = format!("{amount} per {} and {}", counter.per.word(), counter.window.word());
        all.insert(("counter", counter.name.clone()), format!("{text}\u{0}{counter:?}"));
    }
    for (path, text) in bundle.files.iter().filter(|(path, _)| path.starts_with("runbooks/")) {
        all.insert(("runbook", path.clone()), format!("{} lines\u{0}{text}", text.lines().count()));
    }
    all.insert(("setting", "title".to_owned()), bundle.title.clone());
    all.insert(("setting", "time zone".to_owned()), bundle.zone.iana_name().unwrap_or("UTC").to_owned());
    all
}

/// What is different in `new`; without an old one, everything is added.
pub fn plan(old: Option<&Bundle>, new: &Bundle) -> Vec<Change> {
    let (before, after) = (old.map(things).unwrap_or_default(), things(new));
    let words = |text: &str| text.split('\u{0}').next().unwrap_or_default().to_owned();
    let change = |key: &(&str, String), kind: &str, detail: String| Change {
        what: key.0.to_owned(),
        name: key.1.clone(),
        kind: kind.to_owned(),
        detail,
    };
    let mut changes: Vec<Change> = after
        .iter()
        .filter_map(|(key, text)| match before.get(key) {
            None => Some(change(key, "added", words(text))),
            Some(was) if was == text => None,
            Some(was) if words(was) == words(text) => Some(change(key, "changed", words(text))),
            Some(was) => Some(change(key, "changed", format!("{} → {}", words(was), words(text)))),
        })
        .collect();
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
    changes.extend(gone.map(|(key, text)| change(key, "removed", words(text))));
    changes
}
