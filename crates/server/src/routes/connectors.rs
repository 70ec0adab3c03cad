//! Connectors and their test.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use kernel::id::ConnectorId;
use kernel::judge::Judge as _;

use crate::access::Right;
use crate::app::App;
use crate::body::{Json, Nothing};
use crate::caller::Caller;
use crate::codes::Code;
use crate::problem::Fault;
use crate::show;

/// The connectors of the bundle in force, with their health and tools.
#[utoipa::path(get, path = "/v1/connectors", responses((status = 200, body = Vec<api::Connector>)))]
pub(crate) async fn list_connectors(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Answer<Vec<api::Connector>>, Fault> {
    caller.may(Right::SeeWorkspace)?;
    Ok(Answer(show::connectors(&app)))
}

/// Tries a connector step by step. Calls none of its tools.
#[utoipa::path(post, path = "/v1/connectors/{connector}/test", params(("connector" = String, Path)), responses((status = 200, body = api::TestReport)))]
pub(crate) async fn test_connector(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<api::TestReport>, Fault> {
    caller.may(Right::Connect)?;
    let not_found = || Fault::not_found("connector", &id);
    let connector: ConnectorId = id.parse().map_err(|_| not_found())?;
    let bundle = app
        .bundle()
        .ok_or_else(|| Fault::new(Code::NoBundle, "no policy is in force", "run `countersign apply DIR`"))?;
    let pinned = bundle
        .tools()
        .values()
        .filter(|tool| tool.id.connector() == connector)
        .map(|tool| (tool.id.name().to_owned(), tool.manifest))
        .collect();
    let report = app.connectors.test(&connector, &pinned).await.map_err(|_| not_found())?;
    let mut steps: Vec<api::TestStep> = Vec::new();
    for step in &report.steps {
        let value = serde_json::to_value(step).map_err(Fault::internal)?;
        steps.push(api::TestStep {
            step: match value["name"].as_str().unwrap_or_default() {
                "auth" => "authenticate".to_owned(),
                name => name.to_owned(),
            },
            ok: step.ok,
            detail: api::visible(&step.detail),
            hint: step.hint.clone(),
        });
    }
    let tools = if report.steps.iter().any(|step| step.name == connectors::StepName::List && step.ok) {
        app.connectors.tools(&connector).await.unwrap_or_default()
    } else {
        vec![]
    };
    Ok(Answer(api::TestReport { connector: connector.to_string(), ok: report.is_ok(), steps, tools }))
}
