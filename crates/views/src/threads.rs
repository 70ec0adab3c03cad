//! Checkpoints of threads, newest first, and what goes with a thread that is gone.

use kernel::digest::Digest;
use kernel::event::{Entry, Event};
use kernel::id::AgentId;
use kernel::state::{Noun, Row as StateRow};
use kernel::thread::{self, Checkpoint, Writes};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use crate::batch::BatchTable;
use crate::error::Error;
use crate::page::{Page, Place, bounded, seq_after};
use crate::select::List;
use crate::store::parse_row;
use crate::views::Views;

const LIST: List = List {
    columns: "t.seq, s.row, t.thread, t.checkpoint, w.row",
    table: "checkpoints",
    joins: "CROSS JOIN state AS s ON s.noun = 'checkpoint' AND s.id = t.row \
            LEFT JOIN state AS w ON w.noun = 'writes' AND w.id = t.row",
};
const SAVED: &str = "INSERT INTO checkpoints(seq, agent, thread, namespace, checkpoint, run, row) \
     VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";
/// Threads that live and have entries in a range.
const BETWEEN: &str = "SELECT 1 FROM entries CROSS JOIN state AS t
         ON t.noun = 'thread' AND t.id = json_extract(entries.bytes, '$.body.thread')
     WHERE entries.seq >= ?1 AND entries.seq < ?2 AND entries.kind IN ('checkpoint.saved', 'checkpoint.written')
         AND entries.seq >= json_extract(t.row, '$.thread.born')
     LIMIT 1";

/// Which checkpoints.
#[derive(Clone, Debug, Default)]
pub struct CheckpointFilter {
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Of this thread.
    pub thread: Option<Digest>,
    /// Of this namespace.
    pub namespace: Option<Digest>,
    /// Only this one.
    pub checkpoint: Option<Digest>,
    /// Made by this run of the agent's program.
    pub run: Option<Digest>,
}

/// A checkpoint, as a list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointItem {
    /// Its entry.
    pub seq: u64,
    /// Its thread.
    pub thread: Digest,
    /// Its name.
    pub id: Digest,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The writes that wait at it.
    pub writes: Writes,
}

impl CheckpointItem {
    /// Its place: the list goes on after it.
    pub fn place(&self) -> String {
        Place::Seq(self.seq.cast_signed()).text()
    }
}

impl CheckpointFilter {
    fn equals(&self) -> Vec<crate::select::Equal> {
        let text = |digest: &Option<Digest>| digest.as_ref().map(ToString::to_string);
        vec![
            ("checkpoint", "checkpoints_checkpoint", text(&self.checkpoint)),
            ("run", "checkpoints_run", text(&self.run)),
            ("namespace", "checkpoints_namespace", text(&self.namespace)),
            ("thread", "checkpoints_thread", text(&self.thread)),
            ("agent", "checkpoints_agent", self.agent.as_ref().map(ToString::to_string)),
        ]
    }
}

fn read(row: &Row<'_>) -> Result<(Place, CheckpointItem), Error> {
    let text = |index: usize| row.get_ref(index)?.as_str().map_err(rusqlite::Error::from);
    let digest = |index: usize| text(index)?.parse::<Digest>().map_err(|error| Error::Row(error.to_string()));
    let StateRow::Checkpoint(checkpoint) = parse_row(text(1)?)? else {
        return Err(Error::Row("a checkpoint was expected".to_owned()));
    };
    let writes = match row.get_ref(4)?.as_str_or_null().map_err(rusqlite::Error::from)? {
        Some(text) => match parse_row(text)? {
            StateRow::Writes(writes) => writes,
            _ => return Err(Error::Row("writes were expected".to_owned())),
        },
        None => Writes::default(),
    };
    let seq: i64 = row.get(0)?;
    let (thread, id) = (digest(2)?, digest(3)?);
    Ok((
        Place::Seq(seq),
        CheckpointItem { seq: seq.cast_unsigned(), thread, id, checkpoint: *checkpoint, writes },
    ))
}

impl Views {
    /// Checkpoints, the last saved first: those before a position, or after a page.
    pub fn checkpoints(
        &self,
        filter: &CheckpointFilter,
        before: Option<u64>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<CheckpointItem>, Error> {
        let limit = bounded(limit);
        let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
        let before = seq_after(after, i64::MAX)?.min(before);
        let (sql, values) = LIST.newest_first(filter.equals(), before, limit);
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(Page::cut(found, limit))
    }

    /// Whether entries in this range belong to a thread that is still there: its content may lie there.
    pub fn threads_between(&self, from: u64, to: u64) -> Result<bool, Error> {
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(BETWEEN)?;
        let found = statement.query_row((from.cast_signed(), to.cast_signed()), |_| Ok(())).optional()?;
        Ok(found.is_some())
    }
}

/// The thread that this entry ends, where there is one: its rows go with it.
pub(crate) fn ended_by(table: &BatchTable<'_>, event: &Event) -> Option<Digest> {
    match event {
        Event::ThreadDeleted { thread: id, .. } | Event::SubjectErased { subject: id, .. } => {
            thread::thread(table, id).map(|_| *id)
        }
        _ => None,
    }
}

/// Takes note of checkpoints in the list.
pub(crate) fn note(connection: &Connection, table: &BatchTable<'_>, entry: &Entry) -> Result<(), Error> {
    match &entry.event {
        Event::CheckpointSaved(saved) => {
            let Some(thread) = thread::thread(table, &saved.thread) else { return Ok(()) };
            connection.prepare_cached(SAVED)?.execute((
                entry.seq.cast_signed(),
                saved.agent.as_str(),
                saved.thread.to_string(),
                saved.namespace.to_string(),
                saved.checkpoint.to_string(),
                saved.run.as_ref().map(ToString::to_string),
                thread.row_id(&saved.thread, &saved.checkpoint),
            ))?;
        }
        Event::CheckpointRemoved { checkpoints, .. } => {
            let mut remove = connection.prepare_cached("DELETE FROM checkpoints WHERE checkpoint = ?1")?;
            for checkpoint in checkpoints {
                remove.execute([checkpoint.to_string()])?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Removes the rows of a thread that is gone. They are found by nobody: a thread of that name has others.
pub(crate) fn forget(connection: &Connection, thread: &Digest) -> Result<(), Error> {
    connection.execute("DELETE FROM checkpoints WHERE thread = ?1", [thread.to_string()])?;
    let mut rows = connection
        .prepare_cached("DELETE FROM state WHERE noun = ?1 AND id >= ?2 || '/' AND id < ?2 || '0'")?;
    for noun in [Noun::Namespace, Noun::Checkpoint, Noun::Writes] {
        rows.execute((noun.word(), thread.to_string()))?;
    }
    Ok(())
}
