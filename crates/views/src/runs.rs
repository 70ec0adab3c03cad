//! Lists of runs, with what happened in each so far.

use kernel::clock::Millis;
use kernel::id::{AgentId, RunId};
use kernel::run::{Phase, Run, RunOutcome};
use kernel::state::Row as StateRow;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use crate::error::Error;
use crate::page::{Page, Place, bounded, seq_after};
use crate::select::List;
use crate::store::parse_row;
use crate::views::Views;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// It takes actions.
    Open,
    /// It ended.
    Ended(RunOutcome),
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Open,
        Self::Ended(RunOutcome::Done),
        Self::Ended(RunOutcome::Failed),
        Self::Ended(RunOutcome::Cancelled),
    ];

    /// The status of a run.
    pub fn of(run: &Run) -> Self {
        run.finished.map_or(Self::Open, |(outcome, _)| Self::Ended(outcome))
    }

    /// The status as it stands in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended(outcome) => outcome.word(),
        }
    }

    /// The status of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// Which runs.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// In this state.
    pub status: Option<RunStatus>,
    /// Doing this.
    pub phase: Option<Phase>,
}

/// A run and what its actions came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunItem {
    /// The run.
    pub run: Run,
    /// Its actions that wait for a person.
    pub waiting: u64,
    /// Its actions refused, rejected, expired, failed.
    pub stopped: u64,
    /// Its actions whose outcome is unknown.
    pub unknown: u64,
    /// When something last happened in it.
    pub last_at: Millis,
}

const LIST: List = List {
    columns: "t.seq, s.row, t.waiting, t.stopped, t.unknown, t.last_at",
    table: "runs",
    joins: "CROSS JOIN state AS s ON s.noun = 'run' AND s.id = t.id",
};

pub(crate) const ONE: &str = "SELECT t.seq, s.row, t.waiting, t.stopped, t.unknown, t.last_at FROM runs AS t \
     CROSS JOIN state AS s ON s.noun = 'run' AND s.id = t.id WHERE t.id = ?1";

impl RunFilter {
    pub(crate) fn query(&self, before: i64, limit: usize) -> (String, Vec<Value>) {
        let equals = vec![
            ("agent", "runs_agent", self.agent.as_ref().map(ToString::to_string)),
            ("phase", "runs_phase", self.phase.map(|phase| phase.word().to_owned())),
            ("status", "runs_status", self.status.map(|status| status.word().to_owned())),
        ];
        LIST.newest_first(equals, before, limit)
    }
}

fn read(row: &Row<'_>) -> Result<(Place, RunItem), Error> {
    let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    let StateRow::Run(run) = parse_row(text)? else {
        return Err(Error::Row("a run was expected".to_owned()));
    };
    let count = |index: usize| row.get::<_, i64>(index).map(|count| u64::try_from(count).unwrap_or(0));
    let item = RunItem {
        run: *run,
        waiting: count(2)?,
        stopped: count(3)?,
        unknown: count(4)?,
        last_at: Millis(row.get(5)?),
    };
    Ok((Place::Seq(row.get(0)?), item))
}

impl Views {
    /// Runs, newest first.
    pub fn runs(
        &self,
        filter: &RunFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<RunItem>, Error> {
        let limit = bounded(limit);
        let (sql, values) = filter.query(seq_after(after, i64::MAX)?, limit);
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(Page::cut(found, limit))
    }

    /// One run with its counts.
    pub fn run(&self, id: &RunId) -> Result<Option<RunItem>, Error> {
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(ONE)?;
        let mut rows = statement.query([id.as_str()])?;
        rows.next()?.map(|row| read(row).map(|(_, item)| item)).transpose()
    }
}
