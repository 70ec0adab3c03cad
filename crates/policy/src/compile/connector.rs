//! Connectors and their tools: how they are reached, what was pinned, what the folder adds to it.

use std::collections::{BTreeMap, BTreeSet};

use kernel::clock::Millis;
use kernel::id::{ConnectorId, ToolId};
use kernel::judge::{EffectClass, Tool};
use serde_json::{Value, json};

use super::{MANIFEST, Work, is_file};
use crate::bundle::{Auth, ConnectorKind, ConnectorSpec, HttpTool};
use crate::files::{ConnectorFile, ToolFile};
use crate::headline::Headline;
use crate::problem::{line_with, nearest};
use crate::tool::{LookUp, ToolSpec, manifest_digest};

const CLASSES: [&str; 5] = ["read", "keyed", "once", "compensable", "irreversible"];
const TIMEOUT_DEFAULT: Millis = Millis(10_000);
const TIMEOUT_MAX: i64 = 300_000;
const NAMES_SHOWN: usize = 20;
/// Steps back in one match of a pattern.
const BACKTRACKS_MAX: usize = 10_000;
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const SETTLE_DEFAULT: Millis = Millis(30_000);

/// What is known of the workspace while its connectors are read.
#[derive(Default)]
pub(super) struct Read {
    pub(super) connectors: BTreeMap<ConnectorId, ConnectorSpec>,
    pub(super) specs: BTreeMap<ToolId, ToolSpec>,
}

impl Work<'_> {
    pub(super) fn connectors(&mut self) -> Read {
        let mut read = Read::default();
        let mut parsed = Vec::new();
        let files = self.files.iter().filter(|(path, _)| is_file(path, "connectors/", ".toml"));
        for (file, text) in files {
            if let Some(connector) = self.toml::<ConnectorFile>(file, text)
                && let Some(name) = self.slug::<ConnectorId>(file, line_with(text, "name"), &connector.name)
            {
                parsed.push((file, name, connector));
            }
        }
        // All tools first: facts and look-ups may read through another connector.
        let mut pinned: BTreeMap<ToolId, Tool> = BTreeMap::new();
        let mut promised: BTreeMap<ToolId, Value> = BTreeMap::new();
        for (file, name, connector) in &parsed {
            for (tool, output) in self.pinned(file, name, connector) {
                promised.extend(output.map(|schema| (tool.id.clone(), schema)));
                if let Some(twice) = pinned.insert(tool.id.clone(), tool) {
                    let message = format!("the tool `{}` is pinned twice", twice.id);
                    self.problems.error(file, 0, "name_taken", message, "keep one in the manifest");
                }
            }
        }
        for (file, name, connector) in &parsed {
            let Some(spec) = self.connector(file, name, connector) else { continue };
            if read.connectors.insert(name.clone(), spec).is_some() {
                self.problems.error(
                    file,
                    1,
                    "name_taken",
                    format!("another file declares the connector `{name}`, too"),
                    "rename one",
                );
            }
            let own: Vec<Tool> =
                pinned.values().filter(|tool| tool.id.connector() == *name).cloned().collect();
            for tool in own {
                let output = promised.get(&tool.id);
                if let Some(spec) = self.tool(file, tool, output, connector, &pinned) {
                    read.specs.insert(spec.tool.id.clone(), spec);
                }
            }
        }
        read
    }

    pub(super) fn connector(
        &mut self,
        file: &str,
        name: &ConnectorId,
        connector: &ConnectorFile,
    ) -> Option<ConnectorSpec> {
        let text = &self.files[file];
        let mut fail = |needle: &str, code: &str, message: String, hint: &str| {
            self.problems.error(file, line_with(text, needle), code, message, hint);
        };
        if let Some(url) = connector.url.as_ref().filter(|url| !is_address(url)) {
            let message = format!("`{}` is not an address", url.escape_default());
            fail("url", "url_invalid", message, "url = \"https://crm.example.com/mcp\"");
        }
        let kind = match (connector.kind.as_str(), &connector.url, &connector.command) {
            ("mcp", Some(url), None) => ConnectorKind::McpHttp { url: url.clone() },
            ("mcp", None, Some(command)) if !command.is_empty() => {
                ConnectorKind::McpStdio { command: command.clone(), env: connector.env.clone() }
            }
            ("http", Some(url), None) => {
                let mut tools = BTreeMap::new();
                for (tool, spec) in &connector.tools {
                    if let (Some(method), Some(path)) = (spec.method.clone(), spec.path.clone()) {
                        let needle = format!("[tools.{tool}]");
                        if !METHODS.contains(&method.as_str()) || !path.starts_with('/') {
                            let message = format!("`{tool}` is called by `{method} {path}`");
                            fail(
                                &needle,
                                "http_tool_invalid",
                                message,
                                "a method such as GET, and a path from `/`",
                            );
                        }
                        if spec.class == "keyed" && spec.idempotency_header.is_none() {
                            let message = format!("`{tool}` is keyed, but its calls carry no key");
                            fail(
                                &needle,
                                "idempotency_header_missing",
                                message,
                                "idempotency_header = \"Idempotency-Key\"",
                            );
                        }
                        let idempotency_header = spec.idempotency_header.clone();
                        tools.insert(tool.clone(), HttpTool { method, path, idempotency_header });
                    } else {
                        let needle = format!("[tools.{tool}]");
                        let message = format!("`{tool}` does not say how it is called");
                        fail(
                            &needle,
                            "http_tool_incomplete",
                            message,
                            "method = \"GET\", path = \"/orders/{order_id}\"",
                        );
                    }
                }
                ConnectorKind::Http { url: url.clone(), tools }
            }
            _ => {
                fail(
                    "kind",
                    "connector_kind",
                    format!(
                        "`{}` is not `mcp` with `url` or `command`, or `http` with `url`",
                        connector.kind
                    ),
                    "see the guide to connectors",
                );
                return None;
            }
        };
        if !["sandbox", "production"].contains(&connector.environment.as_str()) {
            fail(
                "environment",
                "environment_unknown",
                format!("`{}` is not an environment", connector.environment),
                "sandbox or production",
            );
        }
        let mut auth = Vec::new();
        if let Some(given) = &connector.auth {
            let (header, prefix, secret) = match (&given.bearer, &given.header, &given.secret) {
                (Some(secret), None, None) => {
                    ("authorization".to_owned(), "Bearer ".to_owned(), secret.clone())
                }
                (None, Some(header), Some(secret)) => {
                    (header.clone(), given.prefix.clone().unwrap_or_default(), secret.clone())
                }
                _ => {
                    fail(
                        "[auth]",
                        "auth_invalid",
                        "`[auth]` needs `bearer`, or `header` and `secret`".to_owned(),
                        "bearer = \"env:CRM_TOKEN\"",
                    );
                    return None;
                }
            };
            if !(secret.starts_with("env:") || secret.starts_with("file:/")) {
                fail(
                    "[auth]",
                    "secret_in_file",
                    "the credential is not a reference".to_owned(),
                    "write `env:NAME` or `file:/path`, never the secret itself",
                );
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

    /// Tools as pinned, each with the schema of its output where it promises one: from the manifest beside the file, or
    /// declared in it.
    pub(super) fn pinned(
        &mut self,
        file: &str,
        name: &ConnectorId,
        connector: &ConnectorFile,
    ) -> Vec<(Tool, Option<Value>)> {
        let text = &self.files[file];
        let manifest_file = format!("connectors/{name}{MANIFEST}");
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
                self.problems.error(
                    file,
                    0,
                    "manifest_missing",
                    format!("`{name}` has no {manifest_file}"),
                    format!("run `countersign connector pin {name}`"),
                );
                return vec![];
            };
            match kernel::json::parse(manifest.as_bytes(), kernel::json::REQUEST) {
                Ok(manifest) => {
                    let Some(tools) = tools_of(manifest) else {
                        let message = "it is neither a list of tools nor an object with `tools`";
                        let hint = format!("run `countersign connector pin {name}` again");
                        self.problems.error(&manifest_file, 0, "manifest_invalid", message, hint);
                        return vec![];
                    };
                    tools
                }
                Err(error) => {
                    self.problems.error(
                        &manifest_file,
                        0,
                        "manifest_invalid",
                        error.to_string(),
                        format!("run `countersign connector pin {name}` again"),
                    );
                    return vec![];
                }
            }
        };
        let names: BTreeSet<&str> = declared.iter().filter_map(|tool| tool["name"].as_str()).collect();
        let declares = connector.kind == "http";
        for tool in connector.tools.keys().filter(|tool| !declares && !names.contains(tool.as_str())) {
            let line = line_with(text, &format!("[tools.{tool}"));
            let hint = nearest(tool, names.iter().copied()).map_or_else(
                || format!("pinned are {}", some_of(&names)),
                |near| format!("did you mean `{near}`?"),
            );
            self.problems.error(file, line, "tool_unknown", format!("`{name}` has no tool `{tool}`"), hint);
        }
        let connector_timeout = self.duration(file, connector.timeout.as_ref(), TIMEOUT_DEFAULT, TIMEOUT_MAX);
        let mut tools = Vec::new();
        for tool in &declared {
            let Some(id) = tool["name"].as_str().and_then(|tool| ToolId::new(name, tool).ok()) else {
                self.problems.error(
                    &manifest_file,
                    0,
                    "name_invalid",
                    format!("`{}` is not a tool name", tool["name"]),
                    "letters, digits, `-`, `_`",
                );
                continue;
            };
            let spec = connector.tools.get(id.name());
            let class = spec.map_or("irreversible", |spec| spec.class.as_str());
            let line = line_with(text, &format!("[tools.{}]", id.name()));
            if spec.is_none() {
                self.problems.warn(
                    file,
                    0,
                    "tool_unclassified",
                    format!("`{id}` has no class and counts as irreversible"),
                    format!("add `[tools.{}]` with its class", id.name()),
                );
            }
            let class = serde_json::from_value(json!(class)).unwrap_or_else(|_| {
                let hint = nearest(class, CLASSES.into_iter())
                    .map_or_else(|| CLASSES.join(", "), |near| format!("did you mean `{near}`?"));
                let message = format!("`{class}` is not an effect class");
                self.problems.error(file, line, "class_unknown", message, hint);
                EffectClass::Irreversible
            });
            let timeout = self.duration(
                file,
                spec.and_then(|spec| spec.timeout.as_ref()),
                connector_timeout,
                TIMEOUT_MAX,
            );
            let output = tool.get("outputSchema").filter(|schema| !schema.is_null()).cloned();
            let tool = Tool {
                id,
                description: tool["description"].as_str().unwrap_or_default().to_owned(),
                input_schema: tool["inputSchema"].clone(),
                class,
                manifest: manifest_digest(tool),
                timeout,
            };
            tools.push((tool, output));
        }
        tools
    }

    pub(super) fn tool(
        &mut self,
        file: &str,
        tool: Tool,
        output: Option<&Value>,
        connector: &ConnectorFile,
        pinned: &BTreeMap<ToolId, Tool>,
    ) -> Option<ToolSpec> {
        let text = &self.files[file];
        let line = line_with(text, &format!("[tools.{}]", tool.id.name()));
        let validator = match validator(&tool.input_schema) {
            Ok(validator) => validator,
            Err(error) => {
                self.problems.error(
                    file,
                    line,
                    "schema_invalid",
                    format!("the schema of `{}`: {error}", tool.id),
                    "pin the tool again, or ask its makers",
                );
                return None;
            }
        };
        let output_validator = match output.map(self::validator).transpose() {
            Ok(validator) => validator,
            Err(error) => {
                let message = format!("the output schema of `{}`: {error}", tool.id);
                let hint = "pin the tool again, or ask its makers";
                self.problems.error(file, line, "schema_invalid", message, hint);
                None
            }
        };
        let mut spec = ToolSpec {
            tool,
            validator,
            output_validator,
            conflict_key: None,
            subject: None,
            headline: None,
            look_up: None,
            compensation: None,
            facts: vec![],
        };
        let name = spec.tool.id.name().to_owned();
        let given: Option<&ToolFile> = connector.tools.get(&name);
        let subject = given.and_then(|given| given.subject.as_ref()).or(connector.subject.as_ref());
        spec.subject = subject.and_then(|text| self.query(file, text, "subject"));
        let Some(given) = given else { return Some(spec) };
        spec.conflict_key =
            given.conflict_key.as_ref().and_then(|text| self.query(file, text, "conflict_key"));
        spec.headline = given.headline.as_ref().and_then(|template| {
            Headline::compile(template)
                .map_err(|cause| {
                    self.problems.error(
                        file,
                        line_with(text, template),
                        "headline_invalid",
                        format!("headline: {cause}"),
                        "text with jq in braces: `Cancel {.arguments.order_id}`",
                    );
                })
                .ok()
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
        if let Some(form) = &given.compensation {
            spec.compensation = self.compensation(file, form, &spec.tool, pinned);
        }
        for (fact, form) in &given.facts {
            if let Some(fact) = self.fact(file, fact, form, &spec.tool.id, pinned) {
                spec.facts.push(fact);
            }
        }
        if spec.tool.class.writes() {
            if spec.conflict_key.is_none() {
                self.problems.warn(
                    file,
                    line,
                    "no_conflict_key",
                    format!("`{name}` declares no conflict key: two calls on one record may overlap"),
                    "conflict_key = \".arguments.order_id\"",
                );
            }
            if spec.tool.class == EffectClass::Compensable && given.compensation.is_none() {
                self.problems.warn(
                    file,
                    line,
                    "no_compensation",
                    format!("`{name}` can be taken back, and nothing says how"),
                    format!("add `[tools.{name}.compensation]`"),
                );
            }
            if !spec.tool.class.repeatable() && spec.look_up.is_none() {
                self.problems.warn(
                    file,
                    line,
                    "no_look_up",
                    format!("an unknown outcome of `{name}` will wait for a person"),
                    format!("add `[tools.{name}.lookup]`"),
                );
            }
        }
        Some(spec)
    }
}

/// Some names, for a hint.
fn some_of(names: &BTreeSet<&str>) -> String {
    let shown: Vec<&str> = names.iter().copied().take(NAMES_SHOWN).collect();
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn is_address(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'))
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Patterns are matched in linear time; those that look around get a matcher that gives up.
pub(super) fn validator(
    schema: &Value,
) -> Result<jsonschema::Validator, jsonschema::ValidationError<'static>> {
    let linear =
        jsonschema::options().with_pattern_options(jsonschema::PatternOptions::regex()).build(schema);
    linear.or_else(|_| {
        let bounded = jsonschema::PatternOptions::fancy_regex().backtrack_limit(BACKTRACKS_MAX);
        jsonschema::options().with_pattern_options(bounded).build(schema)
    })
}

/// `tools/list` as a server answers it, or its list alone.
fn tools_of(manifest: Value) -> Option<Vec<Value>> {
    match manifest {
        Value::Array(tools) => Some(tools),
        Value::Object(mut whole) => match whole.remove("tools") {
            Some(Value::Array(tools)) => Some(tools),
            _ => None,
        },
        _ => None,
    }
}
