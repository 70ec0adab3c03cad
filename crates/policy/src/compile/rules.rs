//! Rules: unique over the folder, within reach of its people, true to the tools' types.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, PolicySet, Schema, ValidationMode, Validator};
use kernel::id::{PersonId, Role};

use super::{BUILT_IN, FLOOR, Work, is_file};
use crate::rule::{Parsed, parse as parse_rules};
use crate::verdict::uid;

const POLICIES_MAX: usize = 2_000;

impl Work<'_> {
    pub(super) fn rules(
        &mut self,
        roles: &[String],
        people: &BTreeMap<PersonId, BTreeSet<Role>>,
    ) -> BTreeMap<String, Parsed> {
        let mut rules = BTreeMap::new();
        let files = self.files.iter().filter(|(path, _)| is_file(path, "", ".cedar"));
        let all = files.map(|(path, text)| (path.as_str(), text.as_str())).chain([(BUILT_IN, FLOOR)]);
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
                if let Some(before) = rules.insert(id.clone(), parsed) {
                    let before: Parsed = before;
                    let message =
                        format!("the id `{id}` stands also at {}:{}", before.rule.file, before.rule.line);
                    self.problems.error(file, line, "policy_id_taken", message, "rename one");
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
        if rules.values().all(|parsed| parsed.rule.file == BUILT_IN) {
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

    pub(super) fn validate(&mut self, schema: &Schema, rules: &BTreeMap<String, Parsed>) {
        let mut set = PolicySet::new();
        for parsed in rules.values() {
            // Ids are unique: they are the map's keys.
            drop(set.add(parsed.policy.clone()));
        }
        let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        let place = |id: &cedar_policy::PolicyId| {
            let rule = rules.get(&id.to_string()).map(|parsed| &parsed.rule);
            rule.map_or_else(|| (String::new(), 0), |rule| (rule.file.clone(), rule.line))
        };
        for error in result.validation_errors() {
            let (file, line) = place(error.policy_id());
            self.problems.error(
                &file,
                line,
                "policy_invalid",
                error.to_string(),
                "compare with the tool's schema: `countersign explain` shows what a request holds",
            );
        }
        for warning in result.validation_warnings() {
            let (file, line) = place(warning.policy_id());
            // A workspace without tools makes a rule of the floor impossible: nobody can mend that there.
            if file == BUILT_IN {
                continue;
            }
            self.problems.warn(
                &file,
                line,
                "policy_suspicious",
                warning.to_string(),
                "read the rule once more",
            );
        }
    }
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
