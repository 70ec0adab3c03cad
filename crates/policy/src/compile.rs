//! Files to bundle: parses every file, checks every name, and reports all problems at once.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::{ConnectorId, Role, ToolId};
use kernel::judge::{EffectClass, Tool};
use kernel::money::Rounding;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bundle::{AgentSpec, Auth, Bundle, Compiled, ConnectorKind, ConnectorSpec, HttpTool};
use crate::counter::{Amount, Counter, Per, Window};
use crate::fact::{FactKind, FactSpec, digits_of};
use crate::files::{
    AgentFile, AmountFile, ConnectorFile, CounterFile, CountersFile, FactFile, ToolFile, WorkspaceFile,
};
use crate::headline::Headline;
use crate::problem::{Problem, Problems, line_of, line_with, nearest};
use crate::query::Query;
use crate::rule::{Parsed, duration, parse as parse_rules};
use crate::schema;
use crate::tool::{LookUp, ToolSpec, manifest_digest};
use crate::verdict::Slice;

/// File name of the rules that a workspace cannot lift.
pub(crate) const BUILT_IN: &str = "(built in)";
const FLOOR: &str = include_str!("floor.cedar");
const ROLES: [&str; 6] = ["viewer", "reviewer", "owner", "governor", "auditor", "admin"];
const STAGES: [&str; 5] = ["experiment", "shadow", "canary", "production", "retired"];
const CLASSES: [&str; 5] = ["read", "keyed", "once", "compensable", "irreversible"];
const FILES_MAX: usize = 500;
const FILE_BYTES_MAX: usize = 256 * 1024;
const FOLDER_BYTES_MAX: usize = 4 << 20;
const POLICIES_MAX: usize = 2_000;
const TIMEOUT_DEFAULT: Millis = Millis(10_000);
const TIMEOUT_MAX: i64 = 300_000;
const SETTLE_DEFAULT: Millis = Millis(30_000);
const AGE_DEFAULT: Millis = Millis(60_000);

pub(crate) fn compile(files: &BTreeMap<String, String>) -> Result<Compiled, Vec<Problem>> {
    let mut work = Work { files, problems: Problems::default() };
    let bundle = work.bundle();
    if work.problems.failed() {
        return Err(work.problems.0);
    }
    match bundle {
        Some(bundle) => Ok(Compiled { bundle: Arc::new(bundle), warnings: work.problems.0 }),
        None => Err(work.problems.0),
    }
}

struct Work<'a> {
    files: &'a BTreeMap<String, String>,
    problems: Problems,
}

/// What is known of the workspace while its connectors are read.
#[derive(Default)]
struct Read {
    connectors: BTreeMap<ConnectorId, ConnectorSpec>,
    specs: BTreeMap<ToolId, ToolSpec>,
}

impl Work<'_> {
    fn bundle(&mut self) -> Option<Bundle> {
        self.limits()?;
        let workspace: WorkspaceFile = match self.files.get("workspace.toml") {
            Some(text) => self.toml("workspace.toml", text)?,
            None => {
                self.problems.error("workspace.toml", 0, "file_missing", "the folder has no workspace.toml", "begin with `name = \"shop\"` and your people");
                return None;
            }
        };
        self.slug::<kernel::id::WorkspaceId>("workspace.toml", 1, &workspace.name);
        let zone = jiff::tz::TimeZone::get(&workspace.time_zone).unwrap_or_else(|_| {
            let line = line_with(&self.files["workspace.toml"], "time_zone");
            let message = format!("`{}` is not a time zone", workspace.time_zone);
            self.problems.error("workspace.toml", line, "time_zone_unknown", message, "an IANA name such as `Europe/Vienna`");
            jiff::tz::TimeZone::UTC
        });
        let mut roles: Vec<String> = ROLES.iter().map(ToString::to_string).collect();
        roles.extend(workspace.roles.clone());
        let people = self.people(&workspace, &roles);
        let agents = self.agents(&people);
        let read = self.connectors();
        let mut counted = workspace.counters.clone();
        if let Some(text) = self.files.get("counters.toml")
            && let Some(more) = self.toml::<CountersFile>("counters.toml", text)
        {
            counted.extend(more.counters);
        }
        let counters = self.counters(&counted, &read.specs);
        let (schema_text, omitted) = schema::generate(read.specs.values(), &counters);
        for lost in omitted {
            let file = lost.tool.split('.').next().map(|name| format!("connectors/{name}.manifest.json"));
            let message = format!("policy cannot see `{}` of `{}`: its schema has no Cedar type", lost.path, lost.tool);
            self.problems.warn(&file.unwrap_or_default(), 0, "argument_invisible", message, "write no rule on it, or take it as a fact");
        }
        let rules = self.rules(&roles, &people);
        let schema = match Schema::from_cedarschema_str(&schema_text) {
            Ok((schema, _)) => schema,
            Err(error) => {
                let message = format!("the schema of the pinned tools could not be made: {error}");
                self.problems.error("connectors", 0, "schema_invalid", message, "simplify the tool that it names");
                return None;
            }
        };
        self.validate(&schema, &rules);
        let slices = read.specs.values().map(|spec| {
            let group = if spec.tool.class == EffectClass::Read { "read" } else { "write" };
            (spec.tool.id.clone(), Slice::of(&rules, &[spec.tool.id.as_str(), group, "tool"]))
        });
        let slices = slices.collect();
        let approving = Slice::of(&rules, &["approve"]);
        let digest = Digest::of(
            "countersign/bundle/v1",
            &[&kernel::json::canonical(self.files), FLOOR.as_bytes()],
        );
        Some(Bundle {
            title: workspace.title.unwrap_or_else(|| workspace.name.clone()),
            name: workspace.name,
            zone,
            digest,
            files: self.files.clone(),
            agents,
            people,
            connectors: read.connectors,
            tools: read.specs.iter().map(|(id, spec)| (id.clone(), spec.tool.clone())).collect(),
            specs: read.specs,
            counters,
            rules,
            schema,
            slices,
            approving,
        })
    }

    fn limits(&mut self) -> Option<()> {
        let total: usize = self.files.values().map(String::len).sum();
        if self.files.len() > FILES_MAX || total > FOLDER_BYTES_MAX {
            let message = format!("{} files of {total} bytes; at most {FILES_MAX} and {FOLDER_BYTES_MAX}", self.files.len());
            self.problems.error("", 0, "folder_too_large", message, "split the workspace");
            return None;
        }
        for (path, text) in self.files {
            let plain = path.split('/').all(|part| {
                !part.is_empty() && part != "." && part != ".." && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            });
            if !plain {
                self.problems.error("", 0, "path_invalid", format!("`{}` is not a plain path", path.escape_default()), "letters, digits, `-`, `_` and `.`");
            }
            if text.len() > FILE_BYTES_MAX {
                self.problems.error(path, 0, "file_too_large", format!("{} bytes; at most {FILE_BYTES_MAX}", text.len()), "split the file");
            }
        }
        (!self.problems.failed()).then_some(())
    }

    fn toml<T: DeserializeOwned>(&mut self, file: &str, text: &str) -> Option<T> {
        match toml::from_str(text) {
            Ok(value) => Some(value),
            Err(error) => {
                let line = error.span().map_or(0, |span| line_of(text, span.start));
                self.problems.error(file, line, "toml_invalid", error.message().to_owned(), "see the reference of workspace files");
                None
            }
        }
    }

    fn slug<T: FromStr<Err = kernel::id::ParseIdError>>(&mut self, file: &str, line: u32, text: &str) -> Option<T> {
        text.parse().map_err(|error: kernel::id::ParseIdError| {
            self.problems.error(file, line, "name_invalid", error.to_string(), error.rule);
        }).ok()
    }

    fn query(&mut self, file: &str, text: &str, what: &str) -> Option<Query> {
        Query::compile(text).map_err(|cause| {
            let line = line_with(&self.files[file], text);
            self.problems.error(file, line, "jq_invalid", format!("{what}: {cause}"), "jq on `.arguments`, `.facts`, `.output`");
        }).ok()
    }

    fn duration(&mut self, file: &str, text: Option<&String>, default: Millis, max: i64) -> Millis {
        let Some(text) = text else { return default };
        match duration(text).filter(|span| (0..=max).contains(&span.0)) {
            Some(span) => span,
            None => {
                let line = line_with(&self.files[file], text);
                self.problems.error(file, line, "duration_invalid", format!("`{text}` is not a duration of at most {} s", max / 1_000), "ISO 8601, for example `PT5S`");
                default
            }
        }
    }

    fn people(&mut self, workspace: &WorkspaceFile, roles: &[String]) -> BTreeMap<kernel::id::PersonId, BTreeSet<Role>> {
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
                        let hint = nearest(role, roles.iter().map(String::as_str)).map_or_else(|| "declare it under `roles`".to_owned(), |near| format!("did you mean `{near}`?"));
                        self.problems.error(file, line, "role_unknown", format!("`{name}` holds the role `{role}`, which is not declared"), hint);
                    }
                }
            }
            people.insert(id, held);
        }
        if people.is_empty() {
            self.problems.error(file, 0, "people_missing", "the workspace has no people", "add `[people.mara]` with `roles = [\"owner\"]`");
        }
        people
    }

    fn agents(&mut self, people: &BTreeMap<kernel::id::PersonId, BTreeSet<Role>>) -> BTreeMap<kernel::id::AgentId, AgentSpec> {
        let mut agents = BTreeMap::new();
        for (file, text) in self.files.iter().filter(|(path, _)| path.starts_with("agents/")) {
            let Some(agent) = self.toml::<AgentFile>(file, text) else { continue };
            let Some(name) = self.slug::<kernel::id::AgentId>(file, line_with(text, "name"), &agent.name) else { continue };
            let mut person = |role: &str, name: &str| -> Option<kernel::id::PersonId> {
                let known = name.parse().ok().filter(|id| people.contains_key(id));
                if known.is_none() {
                    let line = line_with(text, role);
                    self.problems.error(file, line, "person_unknown", format!("the {role} `{name}` is not a person of the workspace"), format!("add `[people.{name}]` to workspace.toml"));
                }
                known
            };
            let owner = person("owner", &agent.owner);
            let deputy = agent.deputy.as_deref().and_then(|name| person("deputy", name));
            if !STAGES.contains(&agent.stage.as_str()) {
                self.problems.error(file, line_with(text, "stage"), "stage_unknown", format!("`{}` is not a stage", agent.stage), STAGES.join(", "));
            }
            let Some(owner) = owner else { continue };
            let title = agent.title.unwrap_or_else(|| agent.name.clone());
            let spec = AgentSpec { name: name.clone(), title, version: agent.version, owner, deputy, stage: agent.stage };
            if agents.insert(name, spec).is_some() {
                self.problems.error(file, 1, "name_taken", format!("another file declares the agent `{}`, too", agent.name), "rename one");
            }
        }
        agents
    }

    fn connectors(&mut self) -> Read {
        let mut read = Read::default();
        let mut parsed = Vec::new();
        let files = self.files.iter().filter(|(path, _)| path.starts_with("connectors/") && path.ends_with(".toml"));
        for (file, text) in files {
            if let Some(connector) = self.toml::<ConnectorFile>(file, text)
                && let Some(name) = self.slug::<ConnectorId>(file, line_with(text, "name"), &connector.name)
            {
                parsed.push((file.as_str(), name, connector));
            }
        }
        // All tools first: facts and look-ups may read through another connector.
        let mut pinned: BTreeMap<ToolId, Tool> = BTreeMap::new();
        for (file, name, connector) in &parsed {
            for tool in self.pinned(file, name, connector) {
                pinned.insert(tool.id.clone(), tool);
            }
        }
        for (file, name, connector) in &parsed {
            let Some(spec) = self.connector(file, name, connector) else { continue };
            if read.connectors.insert(name.clone(), spec).is_some() {
                self.problems.error(file, 1, "name_taken", format!("another file declares the connector `{name}`, too"), "rename one");
            }
            let own: Vec<Tool> = pinned.values().filter(|tool| tool.id.connector() == *name).cloned().collect();
            for tool in own {
                if let Some(spec) = self.tool(file, tool, connector, &pinned) {
                    read.specs.insert(spec.tool.id.clone(), spec);
                }
            }
        }
        read
    }

    fn connector(&mut self, file: &str, name: &ConnectorId, connector: &ConnectorFile) -> Option<ConnectorSpec> {
        let text = &self.files[file];
        let mut fail = |needle: &str, code: &str, message: String, hint: &str| {
            self.problems.error(file, line_with(text, needle), code, message, hint);
        };
        let kind = match (connector.kind.as_str(), &connector.url, &connector.command) {
            ("mcp", Some(url), None) => ConnectorKind::McpHttp { url: url.clone() },
            ("mcp", None, Some(command)) if !command.is_empty() => {
                ConnectorKind::McpStdio { command: command.clone(), env: connector.env.clone() }
            }
            ("http", Some(url), None) => {
                let tools = connector.tools.iter().filter_map(|(tool, spec)| {
                    let (method, path) = (spec.method.clone()?, spec.path.clone()?);
                    Some((tool.clone(), HttpTool { method, path, idempotency_header: spec.idempotency_header.clone() }))
                });
                ConnectorKind::Http { url: url.clone(), tools: tools.collect() }
            }
            _ => {
                fail("kind", "connector_kind", format!("`{}` is not `mcp` with `url` or `command`, or `http` with `url`", connector.kind), "see the guide to connectors");
                return None;
            }
        };
        if !["sandbox", "production"].contains(&connector.environment.as_str()) {
            fail("environment", "environment_unknown", format!("`{}` is not an environment", connector.environment), "sandbox or production");
        }
        let mut auth = Vec::new();
        if let Some(given) = &connector.auth {
            let (header, prefix, secret) = match (&given.bearer, &given.header, &given.secret) {
                (Some(secret), None, None) => ("authorization".to_owned(), "Bearer ".to_owned(), secret.clone()),
                (None, Some(header), Some(secret)) => {
                    (header.clone(), given.prefix.clone().unwrap_or_default(), secret.clone())
                }
                _ => {
                    fail("[auth]", "auth_invalid", "`[auth]` needs `bearer`, or `header` and `secret`".to_owned(), "bearer = \"env:CRM_TOKEN\"");
                    return None;
                }
            };
            if !(secret.starts_with("env:") || secret.starts_with("file:/")) {
                fail("[auth]", "secret_in_file", "the credential is not a reference".to_owned(), "write `env:NAME` or `file:/path`, never the secret itself");
            }
            auth.push(Auth { header, prefix, secret });
        }
        let timeout = self.duration(file, connector.timeout.as_ref(), TIMEOUT_DEFAULT, TIMEOUT_MAX);
        Some(ConnectorSpec {
            name: name.clone(),
            title: connector.title.clone().unwrap_or_else(|| name.to_string()),
            kind,
            auth,
            allow_private: connector.allow_private,
            environment: connector.environment.clone(),
            timeout,
        })
    }

    /// Tools as pinned: from the manifest beside the file, or declared in it.
    fn pinned(&mut self, file: &str, name: &ConnectorId, connector: &ConnectorFile) -> Vec<Tool> {
        let text = &self.files[file];
        let manifest_file = format!("connectors/{name}.manifest.json");
        let declared: Vec<Value> = if connector.kind == "http" {
            let mut tools = Vec::new();
            for (tool, spec) in &connector.tools {
                let schema = spec.input_schema.as_deref().unwrap_or(r#"{"type":"object","properties":{}}"#);
                match kernel::json::parse(schema.as_bytes(), kernel::json::REQUEST) {
                    Ok(schema) => tools.push(json!({ "name": tool, "description": spec.description.clone().unwrap_or_default(), "inputSchema": schema })),
                    Err(error) => self.problems.error(file, line_with(text, &format!("[tools.{tool}]")), "schema_invalid", format!("input_schema of `{tool}`: {error}"), "JSON Schema as text"),
                }
            }
            tools
        } else {
            let Some(manifest) = self.files.get(&manifest_file) else {
                self.problems.error(file, 0, "manifest_missing", format!("`{name}` has no {manifest_file}"), format!("run `countersign connector pin {name}`"));
                return vec![];
            };
            match kernel::json::parse(manifest.as_bytes(), kernel::json::REQUEST) {
                Ok(Value::Array(tools)) => tools,
                Ok(Value::Object(mut whole)) => match whole.remove("tools") {
                    Some(Value::Array(tools)) => tools,
                    _ => vec![],
                },
                Ok(_) => vec![],
                Err(error) => {
                    self.problems.error(&manifest_file, 0, "manifest_invalid", error.to_string(), format!("run `countersign connector pin {name}` again"));
                    return vec![];
                }
            }
        };
        let names: BTreeSet<&str> = declared.iter().filter_map(|tool| tool["name"].as_str()).collect();
        for tool in connector.tools.keys().filter(|tool| !names.contains(tool.as_str())) {
            let line = line_with(text, &format!("[tools.{tool}"));
            let hint = nearest(tool, names.iter().copied()).map_or_else(|| format!("pinned are {}", names.iter().copied().collect::<Vec<_>>().join(", ")), |near| format!("did you mean `{near}`?"));
            self.problems.error(file, line, "tool_unknown", format!("`{name}` has no tool `{tool}`"), hint);
        }
        let connector_timeout = self.duration(file, connector.timeout.as_ref(), TIMEOUT_DEFAULT, TIMEOUT_MAX);
        let mut tools = Vec::new();
        for tool in &declared {
            let Some(id) = tool["name"].as_str().and_then(|tool| ToolId::new(name, tool).ok()) else {
                self.problems.error(&manifest_file, 0, "name_invalid", format!("`{}` is not a tool name", tool["name"]), "letters, digits, `-`, `_`");
                continue;
            };
            let spec = connector.tools.get(id.name());
            let class = spec.map_or("irreversible", |spec| spec.class.as_str());
            let line = line_with(text, &format!("[tools.{}]", id.name()));
            if spec.is_none() {
                self.problems.warn(file, 0, "tool_unclassified", format!("`{id}` has no class and counts as irreversible"), format!("add `[tools.{}]` with its class", id.name()));
            }
            let class = match serde_json::from_value(json!(class)) {
                Ok(class) => class,
                Err(_) => {
                    let hint = nearest(class, CLASSES.into_iter()).map_or_else(|| CLASSES.join(", "), |near| format!("did you mean `{near}`?"));
                    self.problems.error(file, line, "class_unknown", format!("`{class}` is not an effect class"), hint);
                    EffectClass::Irreversible
                }
            };
            let timeout = self.duration(file, spec.and_then(|spec| spec.timeout.as_ref()), connector_timeout, TIMEOUT_MAX);
            tools.push(Tool {
                id,
                description: tool["description"].as_str().unwrap_or_default().to_owned(),
                input_schema: tool["inputSchema"].clone(),
                class,
                manifest: manifest_digest(tool),
                timeout,
            });
        }
        tools
    }

    fn tool(&mut self, file: &str, tool: Tool, connector: &ConnectorFile, pinned: &BTreeMap<ToolId, Tool>) -> Option<ToolSpec> {
        let text = &self.files[file];
        let line = line_with(text, &format!("[tools.{}]", tool.id.name()));
        let validator = match jsonschema::validator_for(&tool.input_schema) {
            Ok(validator) => validator,
            Err(error) => {
                self.problems.error(file, line, "schema_invalid", format!("the schema of `{}`: {error}", tool.id), "pin the tool again, or ask its makers");
                return None;
            }
        };
        let mut spec = ToolSpec { tool, validator, conflict_key: None, subject: None, headline: None, look_up: None, facts: vec![] };
        let name = spec.tool.id.name().to_owned();
        let given: Option<&ToolFile> = connector.tools.get(&name);
        let subject = given.and_then(|given| given.subject.as_ref()).or(connector.subject.as_ref());
        spec.subject = subject.and_then(|text| self.query(file, text, "subject"));
        let Some(given) = given else { return Some(spec) };
        spec.conflict_key = given.conflict_key.as_ref().and_then(|text| self.query(file, text, "conflict_key"));
        spec.headline = given.headline.as_ref().and_then(|template| {
            Headline::compile(template).map_err(|cause| {
                self.problems.error(file, line_with(text, template), "headline_invalid", format!("headline: {cause}"), "text with jq in braces: `Cancel {.arguments.order_id}`");
            }).ok()
        });
        let settle_after = self.duration(file, given.settle_after.as_ref(), SETTLE_DEFAULT, TIMEOUT_MAX);
        if let Some(look_up) = &given.lookup {
            let tool = self.read_tool(file, line, &look_up.tool, &spec.tool.id, pinned);
            let arguments = self.query(file, &look_up.arguments, "lookup.arguments");
            let applied = self.query(file, &look_up.applied, "lookup.applied");
            if let (Some(tool), Some(arguments), Some(applied)) = (tool, arguments, applied) {
                spec.look_up = Some(LookUp { tool, arguments, applied, settle_after });
            }
        }
        for (fact, form) in &given.facts {
            if let Some(fact) = self.fact(file, fact, form, &spec.tool.id, pinned) {
                spec.facts.push(fact);
            }
        }
        if spec.tool.class.writes() {
            if spec.conflict_key.is_none() {
                self.problems.warn(file, line, "no_conflict_key", format!("`{name}` declares no conflict key: two calls on one record may overlap"), "conflict_key = \".arguments.order_id\"");
            }
            if !spec.tool.class.repeatable() && spec.look_up.is_none() {
                self.problems.warn(file, line, "no_look_up", format!("an unknown outcome of `{name}` will wait for a person"), format!("add `[tools.{name}.lookup]`"));
            }
        }
        Some(spec)
    }

    fn read_tool(&mut self, file: &str, line: u32, name: &str, beside: &ToolId, pinned: &BTreeMap<ToolId, Tool>) -> Option<ToolId> {
        let full = if name.contains('.') { name.to_owned() } else { format!("{}.{name}", beside.connector()) };
        match full.parse::<ToolId>().ok().and_then(|id| pinned.get(&id)) {
            Some(tool) if tool.class == EffectClass::Read => Some(tool.id.clone()),
            Some(tool) => {
                self.problems.error(file, line, "not_a_read", format!("`{}` is not of class read", tool.id), "facts and look-ups may change nothing");
                None
            }
            None => {
                let hint = nearest(&full, pinned.keys().map(ToolId::as_str)).map_or_else(|| "name a pinned read tool".to_owned(), |near| format!("did you mean `{near}`?"));
                self.problems.error(file, line, "tool_unknown", format!("there is no tool `{full}`"), hint);
                None
            }
        }
    }

    fn fact(&mut self, file: &str, name: &str, form: &FactFile, tool: &ToolId, pinned: &BTreeMap<ToolId, Tool>) -> Option<FactSpec> {
        let line = line_with(&self.files[file], &format!("[tools.{}.facts.{name}]", tool.name()));
        self.slug::<Role>(file, line, name)?;
        let digits = form.currency.as_deref().map_or(0, digits_of);
        let kind = match (form.kind.as_str(), &form.currency) {
            ("money", Some(currency)) if currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()) => {
                let rounding = match form.rounding.as_deref() {
                    None | Some("exact") => Rounding::Exact,
                    Some("up") => Rounding::Up,
                    Some("half_even") => Rounding::HalfEven,
                    Some(other) => {
                        self.problems.error(file, line, "rounding_unknown", format!("`{other}` is not a rounding"), "exact, up or half_even");
                        return None;
                    }
                };
                FactKind::Money { currency: currency.clone(), digits, rounding }
            }
            ("money", _) => {
                self.problems.error(file, line, "currency_missing", format!("the fact `{name}` is money without a currency"), "currency = \"USD\"");
                return None;
            }
            ("integer", _) => FactKind::Integer,
            ("text", _) => FactKind::Text,
            ("bool", _) => FactKind::Bool,
            ("texts", _) => FactKind::Texts,
            (other, _) => {
                self.problems.error(file, line, "fact_type_unknown", format!("`{other}` is not a type of fact"), "money, integer, text, bool or texts");
                return None;
            }
        };
        let read = match &form.read {
            None => None,
            Some(reader) => {
                let reader = self.read_tool(file, line, reader, tool, pinned)?;
                let arguments = self.query(file, form.arguments.as_deref().unwrap_or("{}"), "arguments")?;
                Some((reader, arguments))
            }
        };
        let tolerance = match form.tolerance.as_deref().map(|text| kernel::money::minor_units(text, digits, Rounding::Exact)) {
            None => 0,
            Some(Ok(tolerance)) if tolerance >= 0 => tolerance,
            Some(_) => {
                self.problems.error(file, line, "tolerance_invalid", format!("the tolerance of `{name}` is not an amount"), "tolerance = \"0.50\"");
                0
            }
        };
        let value = self.query(file, &form.value, "value")?;
        let age_max = self.duration(file, form.max_age.as_ref(), AGE_DEFAULT, 30 * 24 * 3_600_000);
        Some(FactSpec { name: name.to_owned(), kind, read, value, age_max, tolerance })
    }

    fn counters(&mut self, counted: &BTreeMap<String, CounterFile>, specs: &BTreeMap<ToolId, ToolSpec>) -> Vec<Counter> {
        let file = if self.files.contains_key("counters.toml") { "counters.toml" } else { "workspace.toml" };
        let mut counters = Vec::new();
        for (name, form) in counted {
            let line = line_with(&self.files[file], &format!("[counters.{name}]"));
            if self.slug::<Role>(file, line, name).is_none() {
                continue;
            }
            let mut fail = |code: &str, message: String, hint: &str| self.problems.error(file, line, code, message, hint);
            let amount = match &form.amount {
                AmountFile::Number(amount) => Amount::Fixed(*amount),
                AmountFile::Fact(text) => match text.strip_prefix("facts.") {
                    Some(fact) => Amount::Fact(fact.to_owned()),
                    None => {
                        fail("counter_amount", format!("`{text}` is not an amount"), "a whole number, or `facts.NAME`");
                        continue;
                    }
                },
            };
            let per = match form.per.as_str() {
                "workspace" => Per::Workspace,
                "agent" => Per::Agent,
                "run" => Per::Run,
                "on_behalf_of" => Per::OnBehalfOf,
                other => {
                    fail("counter_per", format!("`{other}` is nobody to count for"), "workspace, agent, run or on_behalf_of");
                    continue;
                }
            };
            let window = match form.window.as_str() {
                "hour" => Window::Hour,
                "day" => Window::Day,
                "run" => Window::Run,
                other => {
                    fail("counter_window", format!("`{other}` is not a window"), "hour, day or run");
                    continue;
                }
            };
            let mut tools = Vec::new();
            for tool in &form.tools {
                let spec = tool.parse::<ToolId>().ok().and_then(|id| specs.get(&id));
                let Some(spec) = spec else {
                    fail("tool_unknown", format!("the counter `{name}` names `{tool}`, which is no pinned tool"), "write `connector.tool`");
                    continue;
                };
                if let Amount::Fact(fact) = &amount
                    && !spec.facts.iter().any(|known| known.name == *fact)
                {
                    fail("fact_unknown", format!("`{tool}` has no fact `{fact}`"), "declare it at the tool");
                }
                tools.push(spec.tool.id.clone());
            }
            counters.push(Counter { name: name.clone(), tools, amount, per, window });
        }
        counters
    }

    fn rules(&mut self, roles: &[String], people: &BTreeMap<kernel::id::PersonId, BTreeSet<Role>>) -> BTreeMap<String, Parsed> {
        let mut rules = BTreeMap::new();
        let files = self.files.iter().filter(|(path, _)| path.ends_with(".cedar"));
        let all = files.map(|(path, text)| (path.as_str(), text.as_str())).chain([(BUILT_IN, FLOOR)]);
        for (file, text) in all {
            for parsed in parse_rules(file, text, roles, &mut self.problems) {
                let (id, line) = (parsed.rule.id.clone(), parsed.rule.line);
                if let Some(gate) = &parsed.gate {
                    for role in &gate.approver_roles {
                        let able = people.values().filter(|held| held.contains(role)).count();
                        if able < gate.quorum as usize {
                            let message = format!("`{id}` needs {} of `{role}`, held by {able}", gate.quorum);
                            self.problems.warn(file, line, "quorum_out_of_reach", message, "give the role to more people");
                        }
                    }
                }
                if let Some(before) = rules.insert(id.clone(), parsed) {
                    let before: Parsed = before;
                    let message = format!("the id `{id}` stands also at {}:{}", before.rule.file, before.rule.line);
                    self.problems.error(file, line, "policy_id_taken", message, "rename one");
                }
            }
        }
        if rules.len() > POLICIES_MAX {
            self.problems.error("policies", 0, "too_many_policies", format!("{} policies; at most {POLICIES_MAX}", rules.len()), "split the workspace");
        }
        if rules.values().all(|parsed| parsed.rule.file == BUILT_IN) {
            self.problems.warn("policies", 0, "empty_policy", "there is no policy: every action will be refused", "permit what agents may do in policies/*.cedar");
        }
        rules
    }

    fn validate(&mut self, schema: &Schema, rules: &BTreeMap<String, Parsed>) {
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
            self.problems.error(&file, line, "policy_invalid", error.to_string(), "compare with the tool's schema: `countersign explain` shows what a request holds");
        }
        for warning in result.validation_warnings() {
            let (file, line) = place(warning.policy_id());
            self.problems.warn(&file, line, "policy_suspicious", warning.to_string(), "read the rule once more");
        }
    }
}
