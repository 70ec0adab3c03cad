//! An incident.

use kernel::incident::{Handled, Incident};

use crate::app::App;
use crate::problem::Fault;

pub(crate) fn incident(app: &App, incident: &Incident) -> Result<api::Incident, Fault> {
    let handled = |handled: &Option<Handled>| -> Result<Option<api::Handled>, Fault> {
        let Some((by, at, reason)) = handled else { return Ok(None) };
        let reason = match reason {
            Some(commitment) => app.text(commitment)?.map(|text| api::visible(&text)),
            None => None,
        };
        Ok(Some(api::Handled { by: by.to_string(), at: at.0, reason }))
    };
    let error = match &incident.error {
        Some(commitment) => app.sealed(commitment)?,
        None => None,
    };
    Ok(api::Incident {
        id: incident.id.to_string(),
        status: incident.status().word().to_owned(),
        cause: incident.cause.word().to_owned(),
        agent: incident.agent.to_string(),
        run: incident.run.as_ref().map(ToString::to_string),
        owner: incident.owner.to_string(),
        error,
        opened_at: incident.opened_at.0,
        acknowledged: handled(&incident.acknowledged)?,
        resolved: handled(&incident.resolved)?,
    })
}
