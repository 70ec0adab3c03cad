//! State rows, for the engine.

use std::sync::Arc;

use kernel::ports::StateStore;
use kernel::state::{Noun, Row, RowKey};
use rusqlite::{Connection, OptionalExtension};

use crate::error::Error;
use crate::views::Views;

pub(crate) const GET: &str = "SELECT row FROM state WHERE noun = ?1 AND id = ?2";
pub(crate) const RANGE: &str = "SELECT id, row FROM state WHERE noun = ?1 AND id >= ?2 ORDER BY id LIMIT ?3";

pub(crate) fn read_row(connection: &Connection, key: &RowKey) -> Result<Option<Arc<Row>>, Error> {
    let mut statement = connection.prepare_cached(GET)?;
    let text = statement
        .query_row((key.noun.word(), &key.id), |found| Ok(parse_row(found.get_ref(0)?.as_str()?)))
        .optional()?;
    text.transpose().map(|row| row.map(Arc::new))
}

pub(crate) fn parse_row(text: &str) -> Result<Row, Error> {
    serde_json::from_str(text).map_err(|error| Error::Row(error.to_string()))
}

pub(crate) fn read_range(
    connection: &Connection,
    noun: Noun,
    from: &str,
    limit: usize,
) -> Result<Vec<(String, Arc<Row>)>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(RANGE)?;
    let mut found = statement.query((noun.word(), from, limit))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        rows.push((row.get(0)?, Arc::new(parse_row(text)?)));
    }
    Ok(rows)
}

impl Views {
    /// The state row, as of [`Views::applied`] or later.
    pub fn row(&self, key: &RowKey) -> Result<Option<Arc<Row>>, Error> {
        let row = read_row(&*self.pool.take()?, key);
        self.noting_damage(row)
    }

    /// State rows of one kind in order of their ids, from `from` on.
    pub fn rows(&self, noun: Noun, from: &str, limit: usize) -> Result<Vec<(String, Arc<Row>)>, Error> {
        let rows = read_range(&*self.pool.take()?, noun, from, limit);
        self.noting_damage(rows)
    }
}

/// Whoever decides on rows must not take a failed read for an absent row: an idempotency key that seems unknown
/// would send a write twice. The trait has no error, so a failed read stops the caller.
const STOP: &str = "the views cannot be read, and deciding without them would be a guess";

impl StateStore for Views {
    fn get(&self, key: &RowKey) -> Option<Arc<Row>> {
        self.row(key).expect(STOP)
    }

    fn range(&self, noun: Noun, from: &str, limit: usize) -> Vec<(String, Arc<Row>)> {
        self.rows(noun, from, limit).expect(STOP)
    }

    fn applied(&self) -> u64 {
        Self::applied(self)
    }
}
