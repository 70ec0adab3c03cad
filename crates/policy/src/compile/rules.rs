//! Rules: unique over the folder, within reach of its people, true to the tools' types.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, PolicySet, Schema, ValidationMode, Validator};
use kernel::id::{PersonId, Role, ToolId};

use super::{BUILT_IN, FLOOR, Work, is_file};
use crate::problem::Severity;
use crate::problem::line_and_column;
use crate::rule::{Parsed, parse as parse_rules, place_in};
use crate::tool::ToolSpec;
use crate::verdict::uid;

const POLICIES_MAX: usize = 2_000;
const INVALID_HINT: &str =
    "compare with the tool's arguments, facts and counters; docs/guide/policies.md lists what a rule sees";

impl Work<'_> {
    pub(super) fn rules(
        &mut self,
        roles: &[String],
        people: &BTreeMap<PersonId, BTreeSet<Role>>,
    ) -> BTreeMap<String, Parsed> {
        let mut rules = BTreeMap::new();
        let files = self.files.iter().filter(|(path, _)| is_file(path, "", ".cedar"));
        // The floor first: who takes one of its ids is told so.
        let all =
            [(BUILT_IN, FLOOR)].into_iter().chain(files.map(|(path, text)| (path.as_str(), text.as_str())));
        for (file, text) in all {
            for parsed in parse_rules(file, text, roles, &mut self.problems) {
                let (id, line) = (parsed.rule.id.clone(), parsed.rule.line);
                if parsed.gate.is_some() && names_approving(&parsed) {
                    let message = format!("`{id}` is a gate on approving, and nobody approves an approval");
                    self.problems.error(
                        file,
                        line,
                        "gate_on_approve",
                        message,
                        "write `@never(\"true\")`, or name tools",
                    );
                }
                if let Some(gate) = &parsed.gate {
                    for role in &gate.approver_roles {
                        let able = people.values().filter(|held| held.contains(role)).count();
                        if able < gate.quorum as usize {
                            let message = format!("`{id}` needs {} of `{role}`, held by {able}", gate.quorum);
                            self.problems.warn(
                                file,
                                line,
                                "quorum_out_of_reach",
                                message,
                                "give the role to more people",
                            );
                        }
                    }
                }
                match rules.entry(id) {
                    Entry::Vacant(free) => drop(free.insert(parsed)),
                    Entry::Occupied(taken) => {
                        let (id, before): (_, &Parsed) = (taken.key(), taken.get());
                        let message =
                            format!("the id `{id}` stands also at {}:{}", before.rule.file, before.rule.line);
                        self.problems.error(file, line, "policy_id_taken", message, "rename one");
                    }
                }
            }
        }
        if rules.len() > POLICIES_MAX {
            self.problems.error(
                "policies",
                0,
                "too_many_policies",
                format!("{} policies; at most {POLICIES_MAX}", rules.len()),
                "split the workspace",
            );
        }
        // Where rules have errors, their absence is not the news.
        let broken = self
            .problems
            .0
            .iter()
            .any(|problem| problem.severity == Severity::Error && is_file(&problem.file, "", ".cedar"));
        if !broken && rules.values().all(|parsed| parsed.rule.file == BUILT_IN) {
            self.problems.warn(
                "policies",
                0,
                "empty_policy",
                "there is no policy: every action will be refused",
                "permit what agents may do in policies/*.cedar",
            );
        }
        rules
    }

    /// Checks the rules against the tools' types. Where a connector has an error, types are missing, and what would be
    /// said of the rules would be noise.
    /// A mistyped path would hide nothing.
    pub(super) fn redactions(
        &mut self,
        rules: &BTreeMap<String, Parsed>,
        specs: &BTreeMap<ToolId, ToolSpec>,
    ) {
        for parsed in rules.values() {
            let paths = parsed.gate.iter().flat_map(|gate| &gate.redact);
            for path in paths.filter(|path| !specs.values().any(|spec| declares(spec, path))) {
                let message = format!("`@redact` of `{}` names `{path}`, which no tool has", parsed.rule.id);
                let hint = "name an argument: `input.card_number`";
                self.problems.error(&parsed.rule.file, parsed.rule.line, "redact_unknown", message, hint);
            }
        }
    }

    pub(super) fn validate(&mut self, schema: &Schema, rules: &BTreeMap<String, Parsed>) {
        let mut errors = self.problems.0.iter().filter(|problem| problem.severity == Severity::Error);
        if errors.any(|problem| problem.file.starts_with("connectors/")) {
            return;
        }
        let mut set = PolicySet::new();
        for parsed in rules.values() {
            // Ids are unique: they are the map's keys.
            drop(set.add(parsed.policy.clone()));
        }
        let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        let place = |id: &cedar_policy::PolicyId, found: &dyn miette::Diagnostic| {
            let Some(rule) = rules.get(&id.to_string()).map(|parsed| &parsed.rule) else {
                return (String::new(), 0, None);
            };
            // Cedar counts from the beginning of the statement.
            let place = place_in(found, &rule.text).map(|byte| line_and_column(&rule.text, byte));
            match place {
                Some((1, _)) | None => (rule.file.clone(), rule.line, None),
                Some((line, column)) => (rule.file.clone(), rule.line + line - 1, Some(column)),
            }
        };
        for error in result.validation_errors() {
            let (file, line, column) = place(error.policy_id(), error);
            self.problems.error_at(&file, (line, column), "policy_invalid", said(error), INVALID_HINT);
        }
        for warning in result.validation_warnings() {
            let (file, line, _) = place(warning.policy_id(), warning);
            // A workspace without tools makes a rule of the floor impossible: nobody can mend that there.
            if file == BUILT_IN {
                continue;
            }
            self.problems.warn(&file, line, "policy_suspicious", said(warning), "read the rule once more");
        }
    }
}

/// Cedar's words, without the beginning that names the policy: file and line do.
fn said(fault: &(impl miette::Diagnostic + ToString)) -> String {
    let text = fault.to_string();
    let text = text
        .split_once("`, ")
        .filter(|(head, _)| head.starts_with("for policy `"))
        .map_or(&*text, |(_, rest)| rest);
    match fault.help() {
        Some(help) => format!("{text} ({help})"),
        None => text.to_owned(),
    }
}

/// Whether a tool has an argument at this pointer.
fn declares(spec: &ToolSpec, pointer: &str) -> bool {
    let mut schema = &spec.tool.input_schema;
    pointer.split('/').skip(1).all(|name| {
        schema = &schema["properties"][name];
        schema.is_object()
    })
}

/// Whether a rule is about approving by name; one about every action is about tools.
fn names_approving(parsed: &Parsed) -> bool {
    let Some(approve) = uid("Action", "approve") else { return false };
    match parsed.policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::Eq(action) => action == approve,
        ActionConstraint::In(actions) => actions.contains(&approve),
    }
}
