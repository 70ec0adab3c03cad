//! The description of `/v1`, made from the handlers and the wire types; `docs/reference/openapi.json` is its copy.

use std::sync::OnceLock;

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
    ),
    components(schemas(api::Problem, api::FileProblem))
)]
struct Described;

/// The description as JSON text, always the same bytes.
pub fn openapi_json() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let value = serde_json::to_value(Described::openapi()).unwrap_or_default();
        let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
        text.push('\n');
        text
    })
}
