//! Who and what is registered: agents, people, connectors, keys.

use super::{Agent, Key, Noun, Row, RowKey, Table, key, key_hash};
use crate::event::{Entry, Event};

/// Takes in an entry about something registered; others change nothing here.
pub(super) fn apply(table: &mut dyn Table, entry: &Entry) {
    let at = entry.at;
    match &entry.event {
        Event::AgentRegistered { agent, version, owner, deputy, stage, concurrency } => {
            let row = Agent {
                id: agent.clone(),
                version: *version,
                owner: owner.clone(),
                deputy: deputy.clone(),
                stage: stage.clone(),
                concurrency: *concurrency,
            };
            table.put(RowKey::new(Noun::Agent, agent), Some(Row::Agent(row)));
        }
        Event::AgentRetired { agent } => table.put(RowKey::new(Noun::Agent, agent), None),
        Event::PersonRegistered { person, roles } => {
            table.put(RowKey::new(Noun::Person, person), Some(Row::Person(roles.clone())));
        }
        Event::PersonRemoved { person } => table.put(RowKey::new(Noun::Person, person), None),
        Event::ConnectorRegistered { connector, environment, definition } => {
            let row = Row::Connector(environment.clone(), *definition);
            table.put(RowKey::new(Noun::Connector, connector), Some(row));
        }
        Event::ConnectorRemoved { connector } => table.put(RowKey::new(Noun::Connector, connector), None),
        Event::KeyCreated { key, principal, scopes, secret_hash } => {
            let row = Key {
                id: key.clone(),
                principal: principal.clone(),
                scopes: scopes.clone(),
                created_at: at,
                revoked_at: None,
            };
            table.put(RowKey::new(Noun::Key, secret_hash), Some(Row::Key(row)));
            table.put(RowKey::new(Noun::KeyName, key), Some(Row::KeyName(*secret_hash)));
        }
        Event::KeyRevoked { key: id } => {
            if let Some(hash) = key_hash(table, id)
                && let Some(mut row) = key(table, &hash)
            {
                row.revoked_at.get_or_insert(at);
                table.put(RowKey::new(Noun::Key, hash), Some(Row::Key(row)));
            }
        }
        _ => {}
    }
}
