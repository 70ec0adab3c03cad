//! People and agents: every name that a file uses is one that another declares.

use std::collections::{BTreeMap, BTreeSet};

use kernel::id::{AgentId, PersonId, Role};
use kernel::lease::DISPATCHED_MAX;

use super::retention::Classes;
use super::{Work, is_file};
use crate::bundle::AgentSpec;
use crate::files::{AgentFile, WorkspaceFile};
use crate::problem::{line_with, nearest};

const STAGES: [&str; 5] = ["experiment", "shadow", "canary", "production", "retired"];

impl Work<'_> {
    pub(super) fn people(
        &mut self,
        workspace: &WorkspaceFile,
        roles: &[String],
    ) -> BTreeMap<PersonId, BTreeSet<Role>> {
        let (file, text) = ("workspace.toml", &self.files["workspace.toml"]);
        let mut people = BTreeMap::new();
        for (name, person) in &workspace.people {
            let line = line_with(text, &format!("[people.{name}]"));
            let Some(id) = self.slug(file, line, name) else { continue };
            let mut held = BTreeSet::new();
            for role in &person.roles {
                match role.parse::<Role>() {
                    Ok(known) if roles.contains(role) => drop(held.insert(known)),
                    _ => {
                        let hint = nearest(role, roles.iter().map(String::as_str)).map_or_else(
                            || "declare it under `roles`".to_owned(),
                            |near| format!("did you mean `{near}`?"),
                        );
                        self.problems.error(
                            file,
                            line,
                            "role_unknown",
                            format!("`{name}` holds the role `{role}`, which is not declared"),
                            hint,
                        );
                    }
                }
            }
            people.insert(id, held);
        }
        if people.is_empty() {
            self.problems.error(
                file,
                0,
                "people_missing",
                "the workspace has no people",
                "add `[people.mara]` with `roles = [\"owner\"]`",
            );
        }
        people
    }

    pub(super) fn agents(
        &mut self,
        people: &BTreeMap<PersonId, BTreeSet<Role>>,
        classes: &Classes,
    ) -> BTreeMap<AgentId, AgentSpec> {
        let mut agents = BTreeMap::new();
        for (file, text) in self.files.iter().filter(|(path, _)| is_file(path, "agents/", ".toml")) {
            let Some(agent) = self.toml::<AgentFile>(file, text) else { continue };
            let Some(name) = self.slug::<AgentId>(file, line_with(text, "name"), &agent.name) else {
                continue;
            };
            let mut person = |role: &str, name: &str| -> Option<PersonId> {
                let known = name.parse().ok().filter(|id| people.contains_key(id));
                if known.is_none() {
                    let line = line_with(text, role);
                    self.problems.error(
                        file,
                        line,
                        "person_unknown",
                        format!("the {role} `{name}` is not a person of the workspace"),
                        format!("add `[people.{name}]` to workspace.toml"),
                    );
                }
                known
            };
            let owner = person("owner", &agent.owner);
            let deputy = agent.deputy.as_deref().and_then(|name| person("deputy", name));
            if !STAGES.contains(&agent.stage.as_str()) {
                self.problems.error(
                    file,
                    line_with(text, "stage"),
                    "stage_unknown",
                    format!("`{}` is not a stage", agent.stage),
                    STAGES.join(", "),
                );
            }
            let concurrency = agent.concurrency.map(u32::try_from).transpose();
            let concurrency =
                concurrency.ok().filter(|runs| runs.is_none_or(|runs| (1..=DISPATCHED_MAX).contains(&runs)));
            if concurrency.is_none() {
                self.problems.error(
                    file,
                    line_with(text, "concurrency"),
                    "concurrency_invalid",
                    format!("an agent may have 1 to {DISPATCHED_MAX} runs with workers at once"),
                    "leave it out for 100",
                );
            }
            let kept = self.retention_of(file, agent.retention.as_deref(), classes);
            let Some(owner) = owner else { continue };
            let title = agent.title.unwrap_or_else(|| agent.name.clone());
            let spec = AgentSpec {
                name: name.clone(),
                title,
                version: agent.version,
                owner,
                deputy,
                stage: agent.stage,
                concurrency: concurrency.flatten(),
                retention: kept.retention,
                retention_reason: kept.reason,
            };
            if agents.insert(name, spec).is_some() {
                self.problems.error(
                    file,
                    1,
                    "name_taken",
                    format!("another file declares the agent `{}`, too", agent.name),
                    "rename one",
                );
            }
        }
        agents
    }
}
