//! A workspace folder coming into force: compiled, planned, then published with the agents, people and connectors that
//! change with it, in one append.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use kernel::digest::Digest;
use kernel::judge::Judge as _;
use policy::Bundle;

use crate::app::App;
use crate::bundle;
use crate::caller::Caller;
use crate::codes::Code;
use crate::problem::Fault;

/// Everything that is wrong with a folder, and everything worth a warning.
pub fn lint(files: &BTreeMap<String, String>) -> Vec<api::FileProblem> {
    match Bundle::compile(files) {
        Ok(compiled) => compiled.warnings.iter().map(bundle::problem).collect(),
        Err(problems) => problems.iter().map(bundle::problem).collect(),
    }
}

/// Plans, and publishes unless it is a dry run.
pub(crate) async fn apply(app: &Arc<App>, caller: &Caller, wanted: api::Apply) -> Result<api::Plan, Fault> {
    let api::Apply { files, dry_run, expected } = wanted;
    let bytes = kernel::json::canonical(&files);
    let compiled =
        tokio::task::spawn_blocking(move || Bundle::compile(&files)).await.map_err(Fault::internal)?;
    let compiled = compiled.map_err(|problems| {
        let errors =
            problems.iter().map(bundle::problem).filter(|problem| problem.severity == "error").count();
        Fault {
            problems: problems.iter().take(500).map(bundle::problem).collect(),
            ..Fault::new(
                Code::BundleInvalid,
                format!("the workspace folder has {errors} errors"),
                "mend the files; `countersign lint DIR` shows the same without a server",
            )
        }
    })?;
    if compiled.bundle.name() != app.workspace.as_str() {
        let (theirs, ours) = (compiled.bundle.name(), &app.workspace);
        return Err(Fault::new(
            Code::WorkspaceMismatch,
            format!("the folder is for the workspace `{theirs}`, this server serves `{ours}`"),
            format!(
                "look at the address; start the server with `--workspace {theirs}`, or change `name` in workspace.toml"
            ),
        ));
    }
    // One after the other: a plan is made against what is in force.
    let _publishing = app.publishing.lock().await;
    let old = app.bundle();
    let previous = old.as_ref().map(|bundle| bundle.bundle());
    let expected = expected.map(|text| text.parse::<Digest>()).transpose()?;
    if expected.is_some() && expected != previous {
        return Err(Fault::new(
            Code::BundleConflict,
            "another bundle came into force since the plan was made",
            "make the plan again and look at what it would change now",
        ));
    }
    let new = compiled.bundle;
    let mut plan = api::Plan {
        bundle: new.bundle().to_string(),
        previous: previous.map(|digest| digest.to_string()),
        applied: false,
        changes: bundle::changes(old.as_deref(), &new),
        warnings: compiled.warnings.iter().map(bundle::problem).collect(),
    };
    let specs = bundle::specs(&new)?;
    if dry_run {
        return Ok(plan);
    }
    app.connectors.replace(specs).map_err(|error| spec_fault(&error))?;
    let published = app
        .engine
        .publish(engine::Publish {
            judge: new.clone(),
            files: bytes,
            roster: bundle::roster(&new),
            retention: bundle::retention(&new),
            production: bundle::has_production(&new),
            expected: previous,
            by: caller.actor(),
        })
        .await;
    if let Err(error) = published {
        // What is in force stays in force, its connectors too.
        let before = old.as_deref().map(bundle::specs).transpose()?.unwrap_or_default();
        if let Err(error) = app.connectors.replace(before) {
            tracing::error!(%error, "the connectors of the bundle in force could not be restored");
        }
        return Err(error.into());
    }
    app.bundles.write().unwrap_or_else(PoisonError::into_inner).set(new);
    plan.applied = true;
    Ok(plan)
}

/// A connector that cannot be made, as a problem of the folder.
pub(crate) fn spec_fault(error: &connectors::SpecError) -> Fault {
    Fault::new(Code::BundleInvalid, error.to_string(), "mend the connector's file under connectors/")
}
