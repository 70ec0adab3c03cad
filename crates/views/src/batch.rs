//! The rows that one batch of entries touches: read once, changed in memory, written once.
//!
//! `apply` cannot fail, a database can: a failed read is kept here and fails the batch before anything is committed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::state::{Row, RowKey, Table};
use rusqlite::Connection;

use crate::error::Error;
use crate::store::read_row;

struct Slot {
    row: Option<Arc<Row>>,
    changed: bool,
}

/// State rows as of the last entry applied within an open transaction.
pub(crate) struct BatchTable<'a> {
    connection: &'a Connection,
    slots: RefCell<BTreeMap<RowKey, Slot>>,
    failed: RefCell<Option<Error>>,
}

impl<'a> BatchTable<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection, slots: RefCell::default(), failed: RefCell::default() }
    }

    /// The first read that failed, if one did: nothing applied since then can be trusted.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.failed.borrow_mut().take().map_or(Ok(()), Err)
    }

    /// Writes what changed.
    pub(crate) fn write(&self) -> Result<(), Error> {
        let mut put = self.connection.prepare_cached(
            "INSERT INTO state(noun, id, row) VALUES(?1, ?2, ?3)
             ON CONFLICT(noun, id) DO UPDATE SET row = excluded.row",
        )?;
        let mut remove = self.connection.prepare_cached("DELETE FROM state WHERE noun = ?1 AND id = ?2")?;
        for (key, slot) in self.slots.borrow().iter().filter(|(_, slot)| slot.changed) {
            match &slot.row {
                Some(row) => {
                    let text =
                        serde_json::to_string(&**row).map_err(|error| Error::Row(error.to_string()))?;
                    put.execute((key.noun.word(), &key.id, text))?;
                }
                None => {
                    remove.execute((key.noun.word(), &key.id))?;
                }
            }
        }
        Ok(())
    }
}

impl Table for BatchTable<'_> {
    fn get(&self, key: &RowKey) -> Option<Arc<Row>> {
        if let Some(slot) = self.slots.borrow().get(key) {
            return slot.row.clone();
        }
        let row = read_row(self.connection, key).unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            None
        });
        self.slots.borrow_mut().insert(key.clone(), Slot { row: row.clone(), changed: false });
        row
    }

    fn put(&mut self, key: RowKey, row: Option<Row>) {
        self.slots.get_mut().insert(key, Slot { row: row.map(Arc::new), changed: true });
    }
}
