//! Incidents: something went wrong that a person must look at.

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Event;
use crate::id::{AgentId, IncidentId, PersonId, RunId};
use crate::refusal::Refusal;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Attempts at a run failed again and again.
    RunFailing,
}

impl Cause {
    /// As it stands in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::RunFailing => "run_failing",
        }
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// Nobody took it.
    Open,
    /// Somebody looks at it.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl IncidentStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Acknowledged, Self::Resolved];

    /// As it stands in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// Who did something about it, when, and the commitment of the reason.
pub type Handled = (Actor, Millis, Option<Digest>);

/// An incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// What went wrong.
    pub cause: Cause,
    /// With which agent.
    pub agent: AgentId,
    /// With which run, where it is one.
    pub run: Option<RunId>,
    /// Who must look at it.
    pub owner: PersonId,
    /// Commitment of the error.
    pub error: Option<Digest>,
    /// Its entry.
    pub seq: u64,
    /// Since when.
    pub opened_at: Millis,
    /// Who took it.
    pub acknowledged: Option<Handled>,
    /// Who ended it.
    pub resolved: Option<Handled>,
}

impl Incident {
    /// Where it stands.
    pub fn status(&self) -> IncidentStatus {
        match (&self.resolved, &self.acknowledged) {
            (Some(_), _) => IncidentStatus::Resolved,
            (None, Some(_)) => IncidentStatus::Acknowledged,
            (None, None) => IncidentStatus::Open,
        }
    }

    fn unresolved(&self) -> Result<(), Refusal> {
        match self.resolved {
            None => Ok(()),
            Some(_) => Err(Refusal::IncidentResolved { incident: self.id.clone() }),
        }
    }

    /// Somebody takes it.
    pub fn acknowledge(&self, by: Actor) -> Result<Event, Refusal> {
        self.unresolved()?;
        Ok(Event::IncidentAcknowledged { incident: self.id.clone(), by })
    }

    /// Somebody says that it is over: what it held up goes on.
    pub fn resolve(&self, by: Actor) -> Result<Event, Refusal> {
        self.unresolved()?;
        Ok(Event::IncidentResolved { incident: self.id.clone(), by })
    }
}
