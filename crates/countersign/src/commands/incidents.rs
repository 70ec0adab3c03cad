//! `countersign incidents`: what a person must look at.

use anyhow::Result;

use crate::cli::{Global, Incidents};
use crate::client::{encode, query};
use crate::output::{Out, moment, table, visible};

use super::client;

pub(super) async fn run(global: &Global, command: Incidents, out: &Out) -> Result<()> {
    let client = client(global)?;
    let (incident, what, reason) = match command {
        Incidents::List { status, limit } => {
            let path = format!("/v1/incidents{}", query(&[("status", status.as_deref())]));
            return list(client.list(&path, limit.into()).await?, out);
        }
        Incidents::Show { incident } => {
            return show(&client.get(&format!("/v1/incidents/{}", encode(&incident))).await?, out);
        }
        Incidents::Acknowledge { incident, reason } => (incident, "acknowledge", reason),
        Incidents::Resolve { incident, reason } => (incident, "resolve", reason),
    };
    let path = format!("/v1/incidents/{}/{what}", encode(&incident));
    show(&client.post(&path, &api::Reasoned { reason }).await?, out)
}

fn list(incidents: Vec<api::Incident>, out: &Out) -> Result<()> {
    if out.json {
        return out.value(&incidents);
    }
    if incidents.is_empty() {
        return out.line("no incidents");
    }
    out.line(table(
        ["incident", "status", "cause", "agent", "run", "owner", "opened"],
        incidents.into_iter().map(|incident| {
            [
                incident.id,
                incident.status,
                incident.cause,
                incident.agent,
                incident.run.unwrap_or_default(),
                incident.owner,
                moment(incident.opened_at),
            ]
        }),
    ))
}

fn show(incident: &api::Incident, out: &Out) -> Result<()> {
    if out.json {
        return out.value(incident);
    }
    let handled = |what: &str, handled: Option<&api::Handled>| -> Result<()> {
        let Some(handled) = handled else { return Ok(()) };
        let reason = handled.reason.as_deref().map(|reason| format!(": {}", visible(reason)));
        out.line(format!("{what} by {} at {}{}", handled.by, moment(handled.at), reason.unwrap_or_default()))
    };
    out.line(format!("{}  {}  {}", incident.id, incident.status, incident.cause))?;
    out.line(format!(
        "agent {}, owner {}, opened {}",
        incident.agent,
        incident.owner,
        moment(incident.opened_at)
    ))?;
    if let Some(run) = &incident.run {
        out.line(format!("run {run}"))?;
    }
    if let Some(error) = &incident.error {
        out.line(format!("error {}", visible(&error.to_string())))?;
    }
    handled("acknowledged", incident.acknowledged.as_ref())?;
    handled("resolved", incident.resolved.as_ref())
}
