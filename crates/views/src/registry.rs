//! Who and what is registered: agents, people, connectors, keys. Small sets, read whole.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use kernel::digest::Digest;
use kernel::id::{ConnectorId, ParseIdError, PersonId, Role};
use kernel::state::{Agent, Key, Noun, Row};

use crate::error::Error;
use crate::views::Views;

/// Rows of one kind that are listed at most.
pub const REGISTRY_MAX: usize = 10_000;

/// A person of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub id: PersonId,
    /// The roles held now.
    pub roles: BTreeSet<Role>,
}

/// A connector of the bundle in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Its name.
    pub id: ConnectorId,
    /// `sandbox` or `production`.
    pub environment: String,
    /// Digest of its definition.
    pub definition: Digest,
}

fn name<T: FromStr<Err = ParseIdError>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: ParseIdError| Error::Row(error.to_string()))
}

fn unexpected<T>(noun: Noun) -> Result<T, Error> {
    Err(Error::Row(format!("a row of kind `{}` holds something else", noun.word())))
}

impl Views {
    fn all<T>(&self, noun: Noun, take: impl Fn(&str, &Row) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let rows: Vec<(String, Arc<Row>)> = self.rows(noun, "", REGISTRY_MAX)?;
        rows.iter().map(|(id, row)| take(id, row)).collect()
    }

    /// Registered agents, by name.
    pub fn agents(&self) -> Result<Vec<Agent>, Error> {
        self.all(Noun::Agent, |_, row| match row {
            Row::Agent(agent) => Ok(agent.clone()),
            _ => unexpected(Noun::Agent),
        })
    }

    /// People, by name.
    pub fn persons(&self) -> Result<Vec<Person>, Error> {
        self.all(Noun::Person, |id, row| match row {
            Row::Person(roles) => Ok(Person { id: name(id)?, roles: roles.clone() }),
            _ => unexpected(Noun::Person),
        })
    }

    /// Connectors, by name.
    pub fn connectors(&self) -> Result<Vec<Connector>, Error> {
        self.all(Noun::Connector, |id, row| match row {
            Row::Connector(environment, definition) => {
                Ok(Connector { id: name(id)?, environment: environment.clone(), definition: *definition })
            }
            _ => unexpected(Noun::Connector),
        })
    }

    /// API keys, newest first; revoked ones too.
    pub fn keys(&self) -> Result<Vec<Key>, Error> {
        let mut keys = self.all(Noun::Key, |_, row| match row {
            Row::Key(key) => Ok(key.clone()),
            _ => unexpected(Noun::Key),
        })?;
        keys.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(keys)
    }
}
