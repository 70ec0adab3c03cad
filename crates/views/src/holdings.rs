//! Who holds what: the subjects of a run, and the runs of a subject.

use std::collections::BTreeSet;

use kernel::digest::Digest;
use kernel::id::RunId;
use kernel::state::Row;

use crate::error::Error;
use crate::store::parse_row;
use crate::views::Views;

const ACTIONS: &str =
    "SELECT state.row FROM actions JOIN state ON state.noun = 'action' AND state.id = actions.id
     WHERE actions.run = ?1";
const RUNS: &str = "SELECT DISTINCT entries.run FROM payloads JOIN entries ON entries.seq = payloads.seq
     WHERE payloads.subject = ?1 LIMIT ?2";

impl Views {
    /// The subjects of a run's actions, and whether the outcome of every one is settled.
    pub fn subjects_of_run(&self, run: &RunId) -> Result<(BTreeSet<Digest>, bool), Error> {
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(ACTIONS)?;
        let mut rows = statement.query([run.as_str()])?;
        let (mut subjects, mut settled) = (BTreeSet::new(), true);
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            if let Row::Action(action) = parse_row(text)? {
                subjects.insert(action.subject);
                settled &= action.status.is_final();
            }
        }
        Ok((subjects, settled))
    }

    /// The runs that have payloads of a subject. `None` where there are more than `max` of them, or where a payload
    /// belongs to no run.
    pub fn runs_of_subject(&self, subject: &Digest, max: usize) -> Result<Option<Vec<RunId>>, Error> {
        let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(RUNS)?;
        let mut rows = statement.query((subject.to_string(), limit))?;
        let mut runs = vec![];
        while let Some(row) = rows.next()? {
            let Some(run) = row.get::<_, Option<String>>(0)? else { return Ok(None) };
            runs.push(run.parse().map_err(|_| Error::Row(format!("`{run}` is no run")))?);
        }
        Ok((runs.len() <= max).then_some(runs))
    }
}
