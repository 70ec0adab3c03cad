//! From the policy crate's words to those of connectors, of entries and of the wire.

use std::collections::BTreeMap;

use connectors::{Credential, Endpoint, HttpTool, Kind, Spec};
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::{AgentId, ConnectorId, PersonId};
use kernel::judge::Judge as _;
use policy::{Bundle, ConnectorKind, ConnectorSpec};

use crate::app::App;
use crate::problem::Fault;

/// Calls of one connector at once.
const IN_FLIGHT_MAX: usize = 32;
/// Bytes of one answer.
const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// A problem of a file, for the wire.
pub(crate) fn problem(problem: &policy::Problem) -> api::FileProblem {
    api::FileProblem {
        severity: match problem.severity {
            policy::Severity::Error => "error".to_owned(),
            policy::Severity::Warning => "warning".to_owned(),
        },
        file: problem.file.clone(),
        line: problem.line,
        code: problem.code.clone(),
        message: api::visible(&problem.message),
        hint: problem.hint.clone(),
    }
}

/// What a new bundle changes.
pub(crate) fn changes(old: Option<&Bundle>, new: &Bundle) -> Vec<api::Change> {
    policy::plan(old, new)
        .into_iter()
        .map(|change| api::Change {
            what: change.what.clone(),
            name: change.name.clone(),
            kind: change.kind.clone(),
            detail: change.detail.clone(),
        })
        .collect()
}

/// The rules of a bundle.
pub(crate) fn rules(bundle: &Bundle) -> Vec<api::Rule> {
    bundle
        .policies()
        .iter()
        .map(|rule| api::Rule {
            id: rule.id.clone(),
            reason: rule.annotations.get("reason").cloned(),
            effect: rule.effect.clone(),
            file: rule.file.clone(),
            line: rule.line,
            text: rule.text.clone(),
        })
        .collect()
}

/// The agents of a bundle.
pub(crate) fn agents(bundle: &Bundle) -> Vec<api::Agent> {
    bundle
        .agents()
        .values()
        .map(|agent| api::Agent {
            id: agent.name.to_string(),
            title: agent.title.clone(),
            version: agent.version,
            owner: agent.owner.to_string(),
            deputy: agent.deputy.as_ref().map(ToString::to_string),
            stage: agent.stage.clone(),
        })
        .collect()
}

/// What people read about a connector.
#[derive(Debug)]
pub(crate) struct Titled {
    pub(crate) id: ConnectorId,
    pub(crate) title: String,
    pub(crate) kind: String,
    pub(crate) environment: String,
}

/// The connectors of a bundle, for people.
pub(crate) fn connector_titles(bundle: &Bundle) -> Vec<Titled> {
    bundle
        .connectors()
        .values()
        .map(|spec| Titled {
            id: spec.name.clone(),
            title: spec.title.clone(),
            kind: match &spec.kind {
                ConnectorKind::McpHttp { .. } | ConnectorKind::McpStdio { .. } => "mcp".to_owned(),
                ConnectorKind::Http { .. } => "http".to_owned(),
            },
            environment: spec.environment.clone(),
        })
        .collect()
}

/// Whether a connector acts on production.
pub(crate) fn has_production(bundle: &Bundle) -> bool {
    bundle.connectors().values().any(|spec| spec.environment == "production")
}

/// The connectors of a bundle, for dialling.
pub(crate) fn specs(bundle: &Bundle) -> Result<Vec<Spec>, Fault> {
    bundle.connectors().values().map(|spec| self::spec(bundle, spec)).collect()
}

fn spec(bundle: &Bundle, spec: &ConnectorSpec) -> Result<Spec, Fault> {
    let bad = |error: connectors::SecretRefError| {
        Fault::new(
            crate::codes::Code::BundleInvalid,
            error.to_string(),
            "write `env:NAME` or `file:/absolute/path`",
        )
    };
    let kind = match &spec.kind {
        ConnectorKind::McpHttp { url } => Kind::Mcp { endpoint: Endpoint::Http { url: url.clone() } },
        ConnectorKind::McpStdio { command, env } => Kind::Mcp {
            endpoint: Endpoint::Stdio {
                command: command.clone(),
                env: env
                    .iter()
                    .map(|(name, secret)| Ok((name.clone(), secret.parse().map_err(bad)?)))
                    .collect::<Result<BTreeMap<_, _>, Fault>>()?,
            },
        },
        ConnectorKind::Http { url, tools } => Kind::Http {
            base_url: url.clone(),
            tools: tools
                .iter()
                .filter_map(|(name, tool)| {
                    let id = kernel::id::ToolId::new(&spec.name, name).ok()?;
                    let pinned = bundle.tools().get(&id)?;
                    let http = HttpTool {
                        method: tool.method.clone(),
                        path: tool.path.clone(),
                        arguments_in: None,
                        idempotency_header: tool.idempotency_header.clone(),
                        // Empty where the file gives none: the pinned digest is taken of the empty text, too.
                        description: Some(pinned.description.clone()),
                        input_schema: pinned.input_schema.clone(),
                        output_schema: None,
                    };
                    Some((name.clone(), http))
                })
                .collect(),
        },
    };
    let auth = spec
        .auth
        .iter()
        .map(|auth| {
            let secret = auth.secret.parse().map_err(bad)?;
            Ok(Credential { header: auth.header.clone(), prefix: auth.prefix.clone(), secret })
        })
        .collect::<Result<_, Fault>>()?;
    Ok(Spec {
        name: spec.name.clone(),
        kind,
        auth,
        allow_private: spec.allow_private,
        timeout: spec.timeout,
        max_response_bytes: RESPONSE_BYTES_MAX,
        max_in_flight: IN_FLIGHT_MAX,
        unavailable_is_certain: false,
    })
}

/// What changes in the rows with a new bundle: agents, people, connectors.
pub(crate) fn events(app: &App, new: &Bundle) -> Result<Vec<Event>, Fault> {
    let mut events = vec![];
    let before: BTreeMap<AgentId, _> =
        app.views.agents()?.into_iter().map(|agent| (agent.id.clone(), agent)).collect();
    for agent in new.agents().values() {
        let same = before.get(&agent.name).is_some_and(|row| {
            (row.version, &row.owner, &row.deputy, &row.stage, row.concurrency)
                == (agent.version, &agent.owner, &agent.deputy, &agent.stage, agent.concurrency)
        });
        if !same {
            events.push(Event::AgentRegistered {
                agent: agent.name.clone(),
                version: agent.version,
                owner: agent.owner.clone(),
                deputy: agent.deputy.clone(),
                stage: agent.stage.clone(),
                concurrency: agent.concurrency,
            });
        }
    }
    let gone = before.into_keys().filter(|agent| !new.agents().contains_key(agent));
    events.extend(gone.map(|agent| Event::AgentRetired { agent }));
    let before: BTreeMap<PersonId, _> =
        app.views.persons()?.into_iter().map(|person| (person.id, person.roles)).collect();
    for (person, roles) in new.people() {
        if before.get(person) != Some(roles) {
            events.push(Event::PersonRegistered { person: person.clone(), roles: roles.clone() });
        }
    }
    let gone = before.into_keys().filter(|person| !new.people().contains_key(person));
    events.extend(gone.map(|person| Event::PersonRemoved { person }));
    let before: BTreeMap<ConnectorId, _> = app
        .views
        .connectors()?
        .into_iter()
        .map(|connector| (connector.id, (connector.environment, connector.definition)))
        .collect();
    for spec in new.connectors().values() {
        let row = (spec.environment.clone(), definition(spec));
        if before.get(&spec.name) != Some(&row) {
            let (environment, definition) = row;
            events.push(Event::ConnectorRegistered { connector: spec.name.clone(), environment, definition });
        }
    }
    let gone = before.into_keys().filter(|connector| !new.connectors().contains_key(connector));
    events.extend(gone.map(|connector| Event::ConnectorRemoved { connector }));
    Ok(events)
}

/// How long what each agent's runs hold is kept.
pub(crate) fn retention(new: &Bundle) -> Vec<engine::KeepFor> {
    new.agents()
        .values()
        .map(|agent| engine::KeepFor {
            agent: agent.name.clone(),
            retention: agent.retention.clone(),
            reason: agent.retention_reason.clone(),
        })
        .collect()
}

/// Digest of a connector's definition. Secrets are references in it.
fn definition(spec: &ConnectorSpec) -> Digest {
    Digest::of("countersign/connector/v1", &[format!("{spec:?}").as_bytes()])
}
