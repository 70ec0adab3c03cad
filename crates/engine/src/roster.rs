//! Whom and what a bundle names: agents, people, connectors, and what changes in the rows with it.
//!
//! Compared inside the owner, with the rows as decided so far: views may be behind, and a person whom a bundle no longer
//! names would keep their roles.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::{ConnectorId, ParseIdError, PersonId, Role};
use kernel::state::{Agent, Noun, Row};

use crate::book::Book;

/// Whom and what a bundle names.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// Agents.
    pub agents: Vec<Agent>,
    /// People, and their roles.
    pub people: BTreeMap<PersonId, BTreeSet<Role>>,
    /// Connectors: environment, and digest of the definition.
    pub connectors: BTreeMap<ConnectorId, (String, Digest)>,
}

impl Roster {
    /// What must be written so that the rows are as this roster has it.
    pub(crate) fn changes(self, book: &Book) -> Vec<Event> {
        let mut events = vec![];
        let mut before = book.all(Noun::Agent);
        for agent in self.agents {
            let row = before.remove(agent.id.as_str());
            if !matches!(row.as_deref(), Some(Row::Agent(row)) if *row == agent) {
                let Agent { id: agent, version, owner, deputy, stage, concurrency } = agent;
                events.push(Event::AgentRegistered { agent, version, owner, deputy, stage, concurrency });
            }
        }
        for gone in before.keys() {
            events.push(Event::AgentRetired { agent: id(gone) });
        }
        let mut before = book.all(Noun::Person);
        for (person, roles) in self.people {
            let row = before.remove(person.as_str());
            if !matches!(row.as_deref(), Some(Row::Person(row)) if *row == roles) {
                events.push(Event::PersonRegistered { person, roles });
            }
        }
        for gone in before.keys() {
            events.push(Event::PersonRemoved { person: id(gone) });
        }
        let mut before = book.all(Noun::Connector);
        for (connector, (environment, definition)) in self.connectors {
            let row = before.remove(connector.as_str());
            let same = |env: &String, digest: &Digest| (env, digest) == (&environment, &definition);
            if !matches!(row.as_deref(), Some(Row::Connector(env, digest)) if same(env, digest)) {
                events.push(Event::ConnectorRegistered { connector, environment, definition });
            }
        }
        for gone in before.keys() {
            events.push(Event::ConnectorRemoved { connector: id(gone) });
        }
        events
    }
}

/// A name from the key of a row.
fn id<T: FromStr<Err = ParseIdError>>(text: &str) -> T {
    text.parse().expect("rows are kept under names that were parsed")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::actor::Actor;
    use kernel::clock::Millis;
    use kernel::event::Entry;
    use kernel::ports::StateStore;
    use kernel::state::{self, RowKey};

    use super::*;

    /// A store that is behind for ever: what it once took in is all that it has.
    struct Behind(BTreeMap<(Noun, String), Arc<Row>>);

    impl StateStore for Behind {
        fn get(&self, key: &RowKey) -> Option<Arc<Row>> {
            self.0.get(&(key.noun, key.id.clone())).cloned()
        }

        fn range(&self, noun: Noun, from: &str, limit: usize) -> Vec<(String, Arc<Row>)> {
            let rows = self.0.range((noun, from.to_owned())..).take_while(|((kind, _), _)| *kind == noun);
            rows.take(limit).map(|((_, id), row)| (id.clone(), row.clone())).collect()
        }

        fn applied(&self) -> u64 {
            0
        }
    }

    fn roster(people: &[&str]) -> Roster {
        let role = BTreeSet::from(["finance".parse().unwrap()]);
        let agent = Agent {
            id: "bot".parse().unwrap(),
            version: 1,
            owner: "mara".parse().unwrap(),
            deputy: None,
            stage: "production".to_owned(),
            concurrency: None,
        };
        Roster {
            agents: vec![agent],
            people: people.iter().map(|name| (name.parse().unwrap(), role.clone())).collect(),
            connectors: BTreeMap::from([("shop".parse().unwrap(), ("sandbox".to_owned(), Digest([1; 32])))]),
        }
    }

    fn publish(book: &mut Book, roster: Roster) -> Vec<Event> {
        let events = roster.changes(book);
        for event in &events {
            let entry = Entry {
                v: 1,
                log: "log".to_owned(),
                seq: book.next_seq,
                at: Millis(1),
                run: None,
                actor: Actor::Operator,
                cause: None,
                event: event.clone(),
                commits: BTreeMap::new(),
            };
            state::apply(book, &entry);
            book.next_seq += 1;
        }
        events
    }

    #[test]
    fn who_goes_is_removed_although_the_store_never_heard_of_them() {
        let mut book = Book::new(Arc::new(Behind(BTreeMap::new())), 0);
        assert_eq!(publish(&mut book, roster(&["mara", "olga"])).len(), 4);
        assert_eq!(publish(&mut book, roster(&["mara", "olga"])), [], "what is so is not written again");
        let gone = publish(&mut book, Roster { connectors: BTreeMap::new(), ..roster(&["mara"]) });
        let person = Event::PersonRemoved { person: "olga".parse().unwrap() };
        let connector = Event::ConnectorRemoved { connector: "shop".parse().unwrap() };
        assert_eq!(gone, [person, connector]);
    }

    #[test]
    fn who_went_stays_gone_although_the_store_still_has_them() {
        let old = |name: &str| ((Noun::Person, name.to_owned()), Arc::new(Row::Person(BTreeSet::new())));
        let mut book = Book::new(Arc::new(Behind(BTreeMap::from([old("olga"), old("zoe")]))), 0);
        let gone = publish(&mut book, Roster::default());
        assert_eq!(gone.len(), 2, "{gone:?}");
        assert_eq!(publish(&mut book, Roster::default()), []);
        let back = publish(&mut book, Roster { agents: vec![], ..roster(&["olga"]) });
        assert!(
            matches!(&back[0], Event::PersonRegistered { person, .. } if person.as_str() == "olga"),
            "{back:?}"
        );
    }
}
