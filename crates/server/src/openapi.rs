//! The description of `/v1`, made from the handlers and the wire types; `docs/reference/openapi.json` is its copy.

use std::sync::OnceLock;

use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign",
        description = "Proposes, decides, approves and explains actions of AI agents. Times are milliseconds since 1970.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        routes::get_me,
        routes::open_session,
        routes::close_session,
        routes::create_link,
        routes::get_status,
        routes::start_run,
        routes::list_runs,
        routes::get_run,
        routes::finish_run,
        routes::pause_run,
        routes::resume_run,
        routes::open_wait,
        routes::send_signal,
        routes::list_incidents,
        routes::get_incident,
        routes::acknowledge_incident,
        routes::resolve_incident,
        routes::get_brief,
        routes::record_steps,
        routes::list_steps,
        routes::save_checkpoint,
        routes::write_checkpoint,
        routes::get_checkpoint_of_thread,
        routes::list_checkpoints,
        routes::remove_checkpoints,
        routes::prune_threads,
        routes::copy_thread,
        routes::delete_thread,
        routes::propose,
        routes::list_run_actions,
        routes::list_actions,
        routes::get_action,
        routes::explain_action,
        routes::get_evidence,
        routes::withdraw_action,
        routes::reverse_action,
        routes::reverse_run,
        routes::resolve_action,
        routes::list_approvals,
        routes::get_approval,
        routes::approve,
        routes::reject,
        routes::apply,
        routes::get_bundle,
        routes::list_policies,
        routes::list_agents,
        routes::list_connectors,
        routes::test_connector,
        routes::create_key,
        routes::list_keys,
        routes::accept_clock,
        routes::erase_subject,
        routes::hold_subject,
        routes::reconcile,
        routes::get_retention,
        routes::apply_retention,
        routes::prune_journal,
        routes::revoke_key,
        routes::list_entries,
        routes::get_receipt,
        routes::follow_events,
        routes::get_checkpoint,
        routes::get_tile,
        routes::healthz,
        routes::readyz,
        routes::metrics,
    ),
    components(schemas(api::Problem, api::FileProblem))
)]
struct Described;

/// The description as JSON text, always the same bytes.
pub fn openapi_json() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut value = serde_json::to_value(Described::openapi()).unwrap_or_default();
        complete(&mut value);
        let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
        text.push('\n');
        text
    })
}

/// Groups of operations, by the first word of their path after `/v1`: what generators of clients make modules of.
const TAGS: [(&str, &str, &[&str]); 11] = [
    ("runs", "Runs of agents, and their steps.", &["runs"]),
    ("incidents", "What went wrong and a person must look at.", &["incidents"]),
    ("threads", "What programs keep between their steps.", &["threads", "checkpoints"]),
    ("actions", "Actions: proposed, decided, explained, settled.", &["actions"]),
    ("approvals", "Requests for a countersignature, and the answers of people.", &["approvals"]),
    (
        "workspace",
        "The workspace folder in force, and its state.",
        &["apply", "bundle", "policies", "agents", "status", "clock", "reconcile"],
    ),
    ("connectors", "Connected systems.", &["connectors"]),
    ("identity", "Who calls; keys, sessions, links.", &["me", "keys", "sessions", "login-links"]),
    ("log", "The log and its proofs.", &["log", "entries", "events"]),
    ("retention", "How long what runs hold is kept, and what is erased.", &["retention", "subjects"]),
    ("health", "For what watches the server.", &["healthz", "readyz", "metrics"]),
];

/// Open to whoever reaches the server.
const OPEN: [&str; 4] = ["healthz", "readyz", "metrics", "open_session"];

/// Adds what is the same everywhere: groups, who may call, and that every other answer is a problem.
fn complete(api: &mut Value) {
    api["tags"] = TAGS
        .iter()
        .map(|(name, description, _)| json!({ "name": name, "description": description }))
        .collect();
    api["components"]["securitySchemes"] = json!({
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`csk_…`) of an agent or a person, made by `countersign keys create`.",
        },
    });
    let problem = |description: &str| {
        json!({
            "description": description,
            "content": {
                "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
            },
        })
    };
    let paths = api["paths"].as_object_mut().into_iter().flatten();
    for (path, operations) in paths {
        let first =
            path.trim_start_matches("/v1").trim_start_matches('/').split('/').next().unwrap_or_default();
        let tag =
            TAGS.iter().find(|(_, _, words)| words.contains(&first)).map_or("workspace", |(tag, ..)| tag);
        for operation in operations.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            operation["tags"] = json!([tag]);
            let open = operation["operationId"].as_str().is_some_and(|id| OPEN.contains(&id));
            let mut answers = vec![];
            if open {
                operation["security"] = json!([]);
            } else {
                operation["security"] = json!([{ "key": [] }]);
                answers.push(("401", "No credential, or one that opens nothing."));
                answers.push(("403", "This credential may not do that."));
            }
            if path.contains('{') {
                answers.push(("404", "It is not there, or not for this caller."));
            }
            if operation.get("requestBody").is_some() {
                answers.push(("422", "The request does not fit, or the rules of the record say no."));
            }
            answers
                .push(("default", "Everything else: a problem with a stable `code`, a page in docs/errors."));
            for (status, description) in answers {
                if operation["responses"].get(status).is_none() {
                    operation["responses"][status] = problem(description);
                }
            }
        }
    }
}
