//! Entries as they were written, by action, run and position; and where payloads lie.

use journal::Locator;
use kernel::digest::Digest;
use kernel::event::Entry;
use kernel::id::{ActionId, RunId};
use rusqlite::{Params, Row};

use crate::error::Error;
use crate::page::{Page, Place, bounded, seq_after, to_read};
use crate::views::Views;

pub(crate) const ONE: &str = "SELECT seq, bytes FROM entries WHERE seq = ?1";
pub(crate) const FROM: &str = "SELECT seq, bytes FROM entries WHERE seq >= ?1 ORDER BY seq LIMIT ?2";
pub(crate) const OF_ACTION: &str = "SELECT seq, bytes FROM entries INDEXED BY entries_action \
     WHERE action = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
pub(crate) const OF_RUN: &str = "SELECT seq, bytes FROM entries INDEXED BY entries_run \
     WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
pub(crate) const STEPS_OF_RUN: &str = "SELECT seq, bytes FROM entries INDEXED BY entries_run \
     WHERE run = ?1 AND seq > ?2 AND kind = 'step.recorded' ORDER BY seq LIMIT ?3";
pub(crate) const WAITS_OF_RUN: &str = "SELECT seq, bytes FROM entries INDEXED BY entries_run \
     WHERE run = ?1 AND seq > ?2 AND kind = 'wait.opened' ORDER BY seq LIMIT ?3";
pub(crate) const PUBLISHED: &str = "SELECT seq, bytes FROM entries INDEXED BY entries_bundle \
     WHERE kind = 'bundle.published' AND json_extract(bytes, '$.body.bundle') = ?1 ORDER BY seq DESC LIMIT 1";
pub(crate) const OF_SUBJECT: &str = "SELECT locator FROM payloads WHERE subject = ?1 ORDER BY seq";
pub(crate) const PAYLOAD: &str = "SELECT subject, locator FROM payloads WHERE commitment = ?1";

/// Entries of one action at most: far more than attempts, approvals and look-ups can bring.
const OF_ACTION_MAX: i64 = 1_000;

/// An entry, read and as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryItem {
    /// The entry.
    pub entry: Entry,
    /// Its canonical JSON, as hashed.
    pub text: String,
}

fn read(row: &Row<'_>) -> Result<(Place, EntryItem), Error> {
    let seq: i64 = row.get(0)?;
    let text: String = row.get(1)?;
    let entry =
        Entry::decode(text.as_bytes()).map_err(|cause| Error::Entry { seq: seq.cast_unsigned(), cause })?;
    Ok((Place::Seq(seq), EntryItem { entry, text }))
}

impl Views {
    fn read_entries(&self, sql: &str, values: impl Params) -> Result<Vec<(Place, EntryItem)>, Error> {
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// The entry at this position.
    pub fn entry(&self, seq: u64) -> Result<Option<EntryItem>, Error> {
        let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
        Ok(self.read_entries(ONE, [seq])?.pop().map(|(_, item)| item))
    }

    /// Entries from this position on, oldest first.
    pub fn entries(&self, from: u64, limit: usize) -> Result<Vec<EntryItem>, Error> {
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let limit = i64::try_from(bounded(limit)).unwrap_or(i64::MAX);
        Ok(self.read_entries(FROM, [from, limit])?.into_iter().map(|(_, item)| item).collect())
    }

    /// All entries of an action, oldest first.
    pub fn entries_of_action(&self, action: &ActionId) -> Result<Vec<EntryItem>, Error> {
        let found = self.read_entries(OF_ACTION, (action.as_str(), -1, OF_ACTION_MAX))?;
        Ok(found.into_iter().map(|(_, item)| item).collect())
    }

    /// The last entry that brought this bundle into force.
    pub fn published(&self, bundle: &Digest) -> Result<Option<EntryItem>, Error> {
        Ok(self.read_entries(PUBLISHED, [bundle.to_string()])?.pop().map(|(_, item)| item))
    }

    /// Entries of a run, oldest first.
    pub fn entries_of_run(
        &self,
        run: &RunId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<EntryItem>, Error> {
        self.page_of_run(OF_RUN, run, after, limit)
    }

    /// Entries of a run that record its steps, oldest first.
    pub fn steps_of_run(
        &self,
        run: &RunId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<EntryItem>, Error> {
        self.page_of_run(STEPS_OF_RUN, run, after, limit)
    }

    /// Entries with which a run opened its waits, oldest first.
    pub fn waits_of_run(
        &self,
        run: &RunId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<EntryItem>, Error> {
        self.page_of_run(WAITS_OF_RUN, run, after, limit)
    }

    /// One page of what a query finds of a run.
    fn page_of_run(
        &self,
        query: &'static str,
        run: &RunId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<EntryItem>, Error> {
        let limit = bounded(limit);
        let values = (run.as_str(), seq_after(after, -1)?, to_read(limit));
        Ok(Page::cut(self.read_entries(query, values)?, limit))
    }

    /// Where the payloads of a subject lie.
    pub fn payloads_of(&self, subject: &Digest) -> Result<Vec<Locator>, Error> {
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(OF_SUBJECT)?;
        let mut rows = statement.query([subject.to_string()])?;
        let mut places = Vec::new();
        while let Some(row) = rows.next()? {
            let place = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            places.push(serde_json::from_str(place).map_err(|error| Error::Row(error.to_string()))?);
        }
        Ok(places)
    }

    /// Whose key seals the payload of this commitment, and where in the journal it lies.
    pub fn payload_at(&self, commitment: &Digest) -> Result<Option<(String, Locator)>, Error> {
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(PAYLOAD)?;
        let mut rows = statement.query([commitment.0])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let place = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        let place = serde_json::from_str(place).map_err(|error| Error::Row(error.to_string()))?;
        Ok(Some((row.get(0)?, place)))
    }
}
