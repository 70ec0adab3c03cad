//! The workspace in one answer: counts that are kept, not counted, so that it costs the same on any day.

use std::collections::BTreeMap;

use kernel::clock::Millis;
use rusqlite::{Connection, OptionalExtension};

use crate::error::Error;
use crate::project::MINUTE_MS;
use crate::views::Views;

/// The state of the workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Runs by status; statuses of none are left out.
    pub runs: BTreeMap<String, u64>,
    /// Actions by status; statuses of none are left out.
    pub actions: BTreeMap<String, u64>,
    /// First verdicts since the moment that was asked for, by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// Approvals that wait.
    pub waiting: u64,
    /// When the oldest of them was asked for.
    pub oldest_waiting_at: Option<Millis>,
    /// When the next of them expires.
    pub next_expiry_at: Option<Millis>,
    /// Unknown outcomes that only a person can settle.
    pub handed_over: u64,
}

pub(crate) const TOTALS: &str = "SELECT word, n FROM totals WHERE what = ?1";
pub(crate) const VERDICTS: &str = "SELECT verdict, n FROM verdicts WHERE minute >= ?1";
pub(crate) const OLDEST: &str = "SELECT requested_at FROM approvals INDEXED BY approvals_status \
     WHERE status = 'waiting' ORDER BY seq LIMIT 1";
pub(crate) const NEXT: &str = "SELECT expires_at FROM approvals INDEXED BY approvals_expiry \
     WHERE status = 'waiting' ORDER BY expires_at LIMIT 1";

fn sums(
    connection: &Connection,
    sql: &str,
    value: impl rusqlite::ToSql,
) -> Result<BTreeMap<String, u64>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([value])?;
    let mut sums = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let n = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        *sums.entry(row.get(0)?).or_default() += n;
    }
    Ok(sums)
}

fn moment(connection: &Connection, sql: &str) -> Result<Option<Millis>, Error> {
    let found = connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(found.map(Millis))
}

impl Views {
    /// The state of the workspace. Verdicts are counted from the beginning of the minute of `since` on.
    pub fn overview(&self, since: Millis) -> Result<Overview, Error> {
        let reader = self.pool.take()?;
        let snapshot = reader.unchecked_transaction()?;
        Ok(Overview {
            runs: sums(&snapshot, TOTALS, "run")?,
            actions: sums(&snapshot, TOTALS, "action")?,
            verdicts: sums(&snapshot, VERDICTS, since.0.div_euclid(MINUTE_MS))?,
            waiting: sums(&snapshot, TOTALS, "approval")?.remove("waiting").unwrap_or(0),
            oldest_waiting_at: moment(&snapshot, OLDEST)?,
            next_expiry_at: moment(&snapshot, NEXT)?,
            handed_over: sums(&snapshot, TOTALS, "handed_over")?.values().sum(),
        })
    }
}
