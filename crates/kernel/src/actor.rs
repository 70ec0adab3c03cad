//! Who does things: actors in entries, principals behind API keys, and what a key may be used for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{AgentId, ParseIdError, PersonId};

/// Who brought an entry about. Written as `agent:NAME`, `person:NAME`, `operator` or `server`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// An agent, through its own key.
    Agent(AgentId),
    /// A person.
    Person(PersonId),
    /// Whoever holds the machine: the local operator's credential.
    Operator,
    /// The server itself: timers, recovery.
    Server,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(agent) => write!(f, "agent:{agent}"),
            Self::Person(person) => write!(f, "person:{person}"),
            Self::Operator => f.write_str("operator"),
            Self::Server => f.write_str("server"),
        }
    }
}

impl FromStr for Actor {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        match text.split_once(':') {
            Some(("agent", name)) => Ok(Self::Agent(name.parse()?)),
            Some(("person", name)) => Ok(Self::Person(name.parse()?)),
            None if text == "operator" => Ok(Self::Operator),
            None if text == "server" => Ok(Self::Server),
            _ => Err(ParseIdError {
                kind: "actor",
                text: text.to_owned(),
                rule: "`agent:NAME`, `person:NAME`, `operator` or `server`",
            }),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whom a key speaks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Principal {
    /// An agent.
    Agent(AgentId),
    /// A person.
    Person(PersonId),
}

impl Principal {
    /// The actor that entries name.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Agent(agent) => Actor::Agent(agent.clone()),
            Self::Person(person) => Actor::Person(person.clone()),
        }
    }
}

/// What a key may be used for; roles of the person limit it further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Start runs and propose actions.
    Act,
    /// Read runs, actions, approvals.
    Read,
    /// Approve and reject; settle unknown outcomes.
    Answer,
    /// Publish bundles.
    Publish,
    /// Make and revoke keys.
    Keys,
}
