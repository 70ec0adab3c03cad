//! Takes durable entries in: state rows, entries, payload places and lists, in one transaction with how far it went.
//!
//! What a batch leaves behind depends on the entries alone, never on where the batches were cut.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use journal::Stored;
use kernel::event::{Entry, Event};
use kernel::origin;
use rusqlite::{Connection, OptionalExtension};

use crate::batch::BatchTable;
use crate::error::Error;
use crate::project::{About, Lists};
use crate::prune;
use crate::threads;
use crate::views::Views;

impl Views {
    /// Takes entries in, in order. Those that the views already hold are skipped; a gap is an error. All or nothing.
    pub fn follow(&self, entries: &[Stored]) -> Result<(), Error> {
        let taken = self.take_in(entries);
        self.noting_damage(taken)
    }

    fn take_in(&self, entries: &[Stored]) -> Result<(), Error> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.applied();
        let mut next = before;
        let transaction = writer.transaction()?;
        let mut log = Log::read(&transaction)?;
        let mut table = BatchTable::new(&transaction);
        let mut lists = Lists::default();
        for stored in entries {
            if stored.seq < next {
                continue;
            }
            if stored.seq > next {
                return Err(Error::Gap { expected: next, got: stored.seq });
            }
            let entry = decode(stored)?;
            log.admit(&entry)?;
            let ended = threads::ended_by(&table, &entry.event);
            let about = lists.apply(&mut table, &entry);
            threads::note(&transaction, &table, &entry)?;
            table.check()?;
            insert_entry(&transaction, &entry, &about, stored)?;
            insert_payloads(&transaction, stored)?;
            next += 1;
            if let Some(thread) = ended {
                lists.write(&transaction, &table)?;
                table.check()?;
                table.write()?;
                threads::forget(&transaction, &thread)?;
                (table, lists) = (BatchTable::new(&transaction), Lists::default());
            }
            if let Event::JournalPruned(pruned) = &entry.event {
                // What goes is looked for among the rows: those of this batch are written first.
                lists.write(&transaction, &table)?;
                table.check()?;
                table.write()?;
                prune::forget(&transaction, pruned.size)?;
                (table, lists) = (BatchTable::new(&transaction), Lists::default());
            }
        }
        if next == before {
            return Ok(());
        }
        lists.write(&transaction, &table)?;
        table.check()?;
        table.write()?;
        drop(table);
        transaction
            .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'applied'")?
            .execute([next.cast_signed()])?;
        log.write(&transaction)?;
        transaction.commit()?;
        self.applied.store(next, Ordering::Release);
        Ok(())
    }
}

fn decode(stored: &Stored) -> Result<Entry, Error> {
    let entry = Entry::decode(&stored.bytes).map_err(|cause| Error::Entry { seq: stored.seq, cause })?;
    if entry.seq == stored.seq {
        Ok(entry)
    } else {
        let cause = format!("it says that it is entry {}", entry.seq);
        Err(Error::Entry { seq: stored.seq, cause })
    }
}

/// The log that the views are made from: the first entry decides, all others must agree.
struct Log {
    name: Option<String>,
    new: bool,
}

impl Log {
    fn read(connection: &Connection) -> Result<Self, Error> {
        let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = 'log'")?;
        Ok(Self { name: statement.query_row([], |row| row.get(0)).optional()?, new: false })
    }

    fn admit(&mut self, entry: &Entry) -> Result<(), Error> {
        match &self.name {
            // A log that was restored goes on under another origin: the rows are of both.
            Some(own) if origin::base(own) != origin::base(&entry.log) => {
                Err(Error::OtherLog { seq: entry.seq, log: entry.log.clone(), own: own.clone() })
            }
            Some(_) => Ok(()),
            None => {
                self.name = Some(entry.log.clone());
                self.new = true;
                Ok(())
            }
        }
    }

    fn write(&self, connection: &Connection) -> Result<(), Error> {
        if self.new {
            connection.execute("INSERT INTO meta VALUES('log', ?1)", [&self.name])?;
        }
        Ok(())
    }
}

fn insert_entry(connection: &Connection, entry: &Entry, about: &About, stored: &Stored) -> Result<(), Error> {
    let text = std::str::from_utf8(&stored.bytes)
        .map_err(|error| Error::Entry { seq: stored.seq, cause: error.to_string() })?;
    connection
        .prepare_cached(
            "INSERT INTO entries(seq, at, kind, run, action, approval, bytes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            entry.seq.cast_signed(),
            entry.at.0,
            entry.event.kind(),
            about.run.as_ref().map(kernel::id::RunId::as_str),
            about.action.as_ref().map(kernel::id::ActionId::as_str),
            about.approval.as_ref().map(kernel::id::ApprovalId::as_str),
            text,
        ))?;
    Ok(())
}

/// An equal payload may come again with a later entry: the first place stays.
fn insert_payloads(connection: &Connection, stored: &Stored) -> Result<(), Error> {
    if stored.payloads.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO payloads(commitment, subject, locator, seq) VALUES(?1, ?2, ?3, ?4)
         ON CONFLICT(commitment) DO NOTHING",
    )?;
    for payload in &stored.payloads {
        let place = serde_json::to_string(&payload.at).map_err(|error| Error::Row(error.to_string()))?;
        statement.execute((payload.commitment, &payload.subject, place, stored.seq.cast_signed()))?;
    }
    Ok(())
}
