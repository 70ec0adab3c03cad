//! Rows of entries that are pruned go with them.

use kernel::id::RunId;
use rusqlite::Connection;

use crate::error::Error;
use crate::views::Views;

/// What was pruned has no entry any more; what is not let go yet never counts as pruned.
const GONE: &str = "CREATE TEMP TABLE IF NOT EXISTS gone(run TEXT PRIMARY KEY) WITHOUT ROWID;
    DELETE FROM gone;
    INSERT INTO gone SELECT runs.id FROM runs JOIN state ON state.noun = 'run' AND state.id = runs.id
        WHERE json_extract(state.row, '$.run.lapsed_at') IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.run = runs.id);
    DELETE FROM state WHERE noun = 'approval' AND id IN (SELECT id FROM approvals WHERE action IN
        (SELECT id FROM actions WHERE run IN (SELECT run FROM gone)));
    DELETE FROM state WHERE noun = 'made' AND json_extract(row, '$.made') IN
        (SELECT run FROM gone UNION SELECT id FROM actions WHERE run IN (SELECT run FROM gone));
    DELETE FROM state WHERE noun = 'action' AND id IN
        (SELECT id FROM actions WHERE run IN (SELECT run FROM gone));
    DELETE FROM state WHERE (noun, id) IN (SELECT s.noun, s.id FROM gone CROSS JOIN state AS s
        ON s.noun IN ('step', 'signal', 'inbox') AND s.id >= gone.run || '/' AND s.id < gone.run || '0');
    DELETE FROM state WHERE noun = 'run' AND id IN (SELECT run FROM gone);
    DELETE FROM approvals WHERE action IN (SELECT id FROM actions WHERE run IN (SELECT run FROM gone));
    DELETE FROM actions WHERE run IN (SELECT run FROM gone);
    DELETE FROM runs WHERE id IN (SELECT run FROM gone);
    DELETE FROM gone;";

/// Removes what belongs to entries before `first`, and runs of which nothing is left. Counts stay: they are of all time.
pub(crate) fn forget(connection: &Connection, first: u64) -> Result<(), Error> {
    connection.execute("DELETE FROM payloads WHERE seq < ?1", [first.cast_signed()])?;
    connection.execute("DELETE FROM entries WHERE seq < ?1", [first.cast_signed()])?;
    connection.execute_batch(GONE)?;
    Ok(())
}

impl Views {
    /// The runs that have entries from `from` on and before `to`, `None` for entries of no run; each with the time of
    /// its last entry there.
    pub fn runs_between(&self, from: u64, to: u64) -> Result<Vec<(Option<RunId>, i64)>, Error> {
        let reader = self.pool.take()?;
        let mut statement = reader
            .prepare_cached("SELECT run, max(at) FROM entries WHERE seq >= ?1 AND seq < ?2 GROUP BY run")?;
        let mut rows = statement.query([from.cast_signed(), to.cast_signed()])?;
        let mut runs = vec![];
        while let Some(row) = rows.next()? {
            let run = row.get::<_, Option<String>>(0)?.map(|run| run.parse());
            let run = run.transpose().map_err(|error| Error::Row(format!("{error}")))?;
            runs.push((run, row.get(1)?));
        }
        Ok(runs)
    }
}
