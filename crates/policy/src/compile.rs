//! Files to bundle: parses every file, checks every name, and reports all problems at once.

mod compensation; // how effects are taken back
mod connector; // connectors and pinned tools
mod counter; // counters
mod fact; // facts and the reads behind them
mod people; // people and agents
mod retention; // classes of retention
mod rules; // Cedar, over all files

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::Schema;
use kernel::clock::Millis;
use kernel::id::{ParseIdError, WorkspaceId};
use kernel::judge::EffectClass;
use serde::de::DeserializeOwned;

use crate::ask::Ground;
use crate::bundle::{Bundle, Compiled};
use crate::files::{CountersFile, WorkspaceFile};
use crate::problem::{Problem, Problems, line_of, line_with, nearest};
use crate::query::Query;
use crate::rule::duration;
use crate::schema;
use crate::verdict::Slice;

/// File name of the rules that a workspace cannot lift.
pub(crate) const BUILT_IN: &str = "(built in)";
pub(crate) const FLOOR: &str = include_str!("floor.cedar");
const ROLES: [&str; 6] = ["viewer", "reviewer", "owner", "governor", "auditor", "admin"];
/// How the pinned tools of a connector end their file name.
const MANIFEST: &str = ".manifest.json";
/// Each tool is an action, and each rule is checked against every action that it may concern.
const TOOLS_MAX: usize = 1_000;
const FILES_MAX: usize = 500;
const FILE_BYTES_MAX: usize = 256 * 1024;
const FOLDER_BYTES_MAX: usize = 4 << 20;

pub(crate) fn compile(files: &BTreeMap<String, String>) -> Result<Compiled, Vec<Problem>> {
    let mut work = Work { files, problems: Problems::default() };
    let bundle = work.bundle();
    let failed = work.problems.failed();
    let mut problems = work.problems.0;
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    match bundle {
        Some(bundle) if !failed => Ok(Compiled { bundle: Arc::new(bundle), warnings: problems }),
        _ => Err(problems),
    }
}

struct Work<'a> {
    files: &'a BTreeMap<String, String>,
    problems: Problems,
}

impl Work<'_> {
    fn bundle(&mut self) -> Option<Bundle> {
        self.limits()?;
        let Some(text) = self.files.get("workspace.toml") else {
            let (message, hint) =
                ("the folder has no workspace.toml", "begin with `name = \"shop\"` and your people");
            self.problems.error("workspace.toml", 0, "file_missing", message, hint);
            return None;
        };
        let workspace: WorkspaceFile = self.toml("workspace.toml", text)?;
        self.slug::<WorkspaceId>("workspace.toml", 1, &workspace.name);
        let zone = jiff::tz::TimeZone::get(&workspace.time_zone).unwrap_or_else(|_| {
            let line = line_with(&self.files["workspace.toml"], "time_zone");
            let message = format!("`{}` is not a time zone", workspace.time_zone);
            self.problems.error(
                "workspace.toml",
                line,
                "time_zone_unknown",
                message,
                "an IANA name such as `Europe/Vienna`",
            );
            jiff::tz::TimeZone::UTC
        });
        let mut roles: Vec<String> = ROLES.iter().map(ToString::to_string).collect();
        roles.extend(workspace.roles.clone());
        let people = self.people(&workspace, &roles);
        let classes = self.retention_classes();
        let agents = self.agents(&people, &classes);
        let read = self.connectors();
        let mut counters = self.counters("workspace.toml", &workspace.counters, &read.specs);
        if let Some(text) = self.files.get("counters.toml")
            && let Some(more) = self.toml::<CountersFile>("counters.toml", text)
        {
            for name in more.counters.keys().filter(|name| workspace.counters.contains_key(*name)) {
                let line = line_with(text, &format!("[counters.{name}]"));
                let message = format!("workspace.toml declares the counter `{name}`, too");
                self.problems.error("counters.toml", line, "name_taken", message, "keep one");
            }
            counters.extend(self.counters("counters.toml", &more.counters, &read.specs));
        }
        if read.specs.len() > TOOLS_MAX {
            let message = format!("{} tools; at most {TOOLS_MAX}", read.specs.len());
            self.problems.error("connectors", 0, "too_many_tools", message, "split the workspace");
            return None;
        }
        for path in self.files.keys().filter(|path| path.ends_with(MANIFEST)) {
            let name = path.trim_start_matches("connectors/").trim_end_matches(MANIFEST);
            if !read.connectors.keys().any(|known| known.as_str() == name) {
                let message = format!("there is no connector `{name}` that would pin these tools");
                self.problems.warn(path, 0, "file_unused", message, "name it after its connector");
            }
        }
        let (schema_text, omitted) = schema::generate(read.specs.values(), &counters);
        for lost in omitted {
            let file = lost.tool.split('.').next().map(|name| format!("connectors/{name}{MANIFEST}"));
            let message =
                format!("policy cannot see `{}` of `{}`: its schema has no Cedar type", lost.path, lost.tool);
            self.problems.warn(
                &file.unwrap_or_default(),
                0,
                "argument_invisible",
                message,
                "write no rule on it, or take it as a fact",
            );
        }
        let rules = self.rules(&roles, &people);
        self.redactions(&rules, &read.specs);
        let ground = Schema::from_cedarschema_str(&schema_text)
            .map_err(|error| error.to_string())
            .and_then(|(schema, _)| Ground::new(schema));
        let ground = match ground {
            Ok(ground) => ground,
            Err(error) => {
                let message = format!("the schema of the pinned tools could not be made: {error}");
                self.problems.error(
                    "connectors",
                    0,
                    "schema_invalid",
                    message,
                    "simplify the tool that it names",
                );
                return None;
            }
        };
        self.validate(ground.schema(), &rules);
        let slices = read.specs.values().map(|spec| {
            let group = if spec.tool.class == EffectClass::Read { "read" } else { "write" };
            (spec.tool.id.clone(), Slice::of(&rules, &[spec.tool.id.as_str(), group, "tool"]))
        });
        let slices = slices.collect();
        let approving = Slice::of(&rules, &["approve"]);
        let digest = Bundle::address(self.files, FLOOR);
        Some(Bundle {
            title: workspace.title.unwrap_or_else(|| workspace.name.clone()),
            name: workspace.name,
            zone,
            digest,
            version: format!("cedar {}", cedar_policy::get_sdk_version()),
            files: self.files.clone(),
            agents,
            people,
            connectors: read.connectors,
            tools: read.specs.iter().map(|(id, spec)| (id.clone(), spec.tool.clone())).collect(),
            specs: read.specs,
            counters,
            rules,
            ground,
            slices,
            approving,
        })
    }

    fn limits(&mut self) -> Option<()> {
        let total: usize = self.files.values().map(String::len).sum();
        if self.files.len() > FILES_MAX || total > FOLDER_BYTES_MAX {
            let message = format!(
                "{} files of {total} bytes; at most {FILES_MAX} and {FOLDER_BYTES_MAX}",
                self.files.len()
            );
            self.problems.error("", 0, "folder_too_large", message, "split the workspace");
            return None;
        }
        for (path, text) in self.files {
            let plain = path.split('/').all(|part| {
                !part.is_empty()
                    && part != "."
                    && part != ".."
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            });
            if !plain {
                self.problems.error(
                    "",
                    0,
                    "path_invalid",
                    format!("`{}` is not a plain path", path.escape_default()),
                    "letters, digits, `-`, `_` and `.`",
                );
            }
            if text.len() > FILE_BYTES_MAX {
                self.problems.error(
                    path,
                    0,
                    "file_too_large",
                    format!("{} bytes; at most {FILE_BYTES_MAX}", text.len()),
                    "split the file",
                );
            }
        }
        for path in self.files.keys().filter(|path| !is_known(path)) {
            let message = "no part of the workspace: nothing reads it";
            self.problems.warn(
                path,
                0,
                "file_unused",
                message,
                "see the reference of workspace files for names",
            );
        }
        (!self.problems.failed()).then_some(())
    }

    fn toml<T: DeserializeOwned>(&mut self, file: &str, text: &str) -> Option<T> {
        match toml::from_str(text) {
            Ok(value) => Some(value),
            Err(error) => {
                let line = error.span().map_or(0, |span| line_of(text, span.start));
                // "unknown field `ownr`, expected one of `name`, `owner`": the quoted words are names.
                let message = error.message().to_owned();
                let mut names = message.split('`').skip(1).step_by(2);
                let near =
                    message.starts_with("unknown field").then(|| nearest(names.next()?, names)).flatten();
                let hint = near.map_or_else(
                    || "docs/reference/workspace-files.md lists what may stand here".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                self.problems.error(file, line, "toml_invalid", message, hint);
                None
            }
        }
    }

    fn slug<T: FromStr<Err = ParseIdError>>(&mut self, file: &str, line: u32, text: &str) -> Option<T> {
        text.parse()
            .map_err(|error: ParseIdError| {
                self.problems.error(file, line, "name_invalid", error.to_string(), "rename it");
            })
            .ok()
    }

    fn query(&mut self, file: &str, text: &str, what: &str) -> Option<Query> {
        Query::compile(text)
            .map_err(|cause| {
                let line = line_with(&self.files[file], text);
                self.problems.error(
                    file,
                    line,
                    "jq_invalid",
                    format!("{what}: {cause}"),
                    "jq on `.arguments`, `.facts`, `.output`",
                );
            })
            .ok()
    }

    fn duration(&mut self, file: &str, text: Option<&String>, default: Millis, max: i64) -> Millis {
        let Some(text) = text else { return default };
        duration(text).filter(|span| (0..=max).contains(&span.0)).unwrap_or_else(|| {
            let line = line_with(&self.files[file], text);
            let message = format!("`{text}` is not a duration of at most {} s", max / 1_000);
            self.problems.error(file, line, "duration_invalid", message, "ISO 8601, for example `PT5S`");
            default
        })
    }
}

/// Whether a file lies in a folder and ends like this. Names are exact: `never.CEDAR` is an unused file, and warned about.
fn is_file(path: &str, folder: &str, end: &str) -> bool {
    path.starts_with(folder) && path.ends_with(end)
}

/// Whether something reads a file of this name. A mistyped `.ceder` must not pass in silence.
fn is_known(path: &str) -> bool {
    path == "workspace.toml"
        || path == "counters.toml"
        || path == retention::FILE
        || is_file(path, "agents/", ".toml")
        || is_file(path, "connectors/", ".toml")
        || is_file(path, "connectors/", ".manifest.json")
        || is_file(path, "", ".cedar")
        || path.to_ascii_lowercase().ends_with(".md")
}
