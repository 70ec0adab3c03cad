//! Connectors and their health; tools, as pinned.

use std::collections::BTreeMap;

use kernel::id::ConnectorId;
use kernel::judge::{Judge as _, Tool};
use policy::Bundle;

use crate::app::App;

use super::action::word;

/// The connectors of the bundle in force.
pub(crate) fn connectors(app: &App) -> Vec<api::Connector> {
    let Some(bundle) = app.bundle() else { return vec![] };
    let health: BTreeMap<ConnectorId, connectors::ConnectorHealth> =
        app.connectors.health().into_iter().map(|health| (health.name.clone(), health)).collect();
    crate::bundle::connector_titles(&bundle)
        .into_iter()
        .map(|titled| {
            let health = health.get(&titled.id);
            api::Connector {
                id: titled.id.to_string(),
                title: titled.title,
                kind: titled.kind,
                environment: titled.environment,
                breaker: health.map_or_else(|| "closed".to_owned(), |health| word(&health.state)),
                last_error: health.and_then(|health| health.last_error.as_deref().map(api::visible)),
                last_ok_at: health.and_then(|health| health.last_ok_at).map(|at| at.0),
                tools: bundle
                    .tools()
                    .values()
                    .filter(|tool| tool.id.connector() == titled.id)
                    .map(self::tool)
                    .collect(),
            }
        })
        .collect()
}

/// All tools of a bundle.
pub(crate) fn tools(bundle: &Bundle) -> Vec<api::Tool> {
    bundle.tools().values().map(tool).collect()
}

fn tool(tool: &Tool) -> api::Tool {
    api::Tool {
        id: tool.id.to_string(),
        description: api::visible(&tool.description),
        class: word(&tool.class),
        input_schema: tool.input_schema.clone(),
        manifest: tool.manifest.to_string(),
    }
}
