//! Incidents: taken and ended by people.

use kernel::actor::Actor;
use kernel::id::IncidentId;
use kernel::incident::Incident;
use kernel::refusal::Refusal;
use kernel::state;

use crate::answer::check_reason;
use crate::engine::Engine;
use crate::error::Error;
use crate::subject::WORKSPACE;

/// What a person does about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// Takes it.
    Acknowledge,
    /// Says that it is over.
    Resolve,
}

impl Engine {
    /// A person takes an incident, or says that it is over: then what it held up goes on.
    pub async fn handle_incident(
        &self,
        id: &IncidentId,
        handle: Handle,
        by: Actor,
        reason: Option<String>,
    ) -> Result<Incident, Error> {
        self.check_open()?;
        check_reason(reason.as_deref())?;
        let id = id.clone();
        self.ask(move |desk| {
            let not_found = || Refusal::NotFound { what: "incident", id: id.to_string() };
            let incident = state::incident(desk.table(), &id).ok_or_else(not_found)?;
            let event = match handle {
                Handle::Acknowledge => incident.acknowledge(by.clone())?,
                Handle::Resolve => incident.resolve(by.clone())?,
            };
            let scope = incident.run.as_ref().map_or(WORKSPACE, kernel::id::RunId::as_str).to_owned();
            let named = match &reason {
                Some(text) => {
                    let subject = desk.payloads.subject(&scope);
                    vec![desk.seal("reason", &subject, &scope, text.as_bytes())?]
                }
                None => vec![],
            };
            desk.write(&by, incident.run.as_ref(), vec![(event, named)])?;
            Ok(state::incident(desk.table(), &id).ok_or_else(not_found)?)
        })
        .await
    }
}
