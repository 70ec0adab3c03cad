//! Lists of incidents.

use kernel::id::{AgentId, IncidentId};
use kernel::incident::{Incident, IncidentStatus};
use kernel::state::Row as StateRow;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use crate::error::Error;
use crate::page::{Page, Place, bounded, seq_after};
use crate::select::List;
use crate::store::parse_row;
use crate::views::Views;

/// Which incidents.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// With this agent.
    pub agent: Option<AgentId>,
    /// In this state.
    pub status: Option<IncidentStatus>,
}

const LIST: List = List {
    columns: "t.seq, s.row",
    table: "incidents",
    joins: "CROSS JOIN state AS s ON s.noun = 'incident' AND s.id = t.id",
};

pub(crate) const ONE: &str = "SELECT t.seq, s.row FROM incidents AS t \
     CROSS JOIN state AS s ON s.noun = 'incident' AND s.id = t.id WHERE t.id = ?1";

impl IncidentFilter {
    pub(crate) fn query(&self, before: i64, limit: usize) -> (String, Vec<Value>) {
        let equals = vec![
            ("agent", "incidents_agent", self.agent.as_ref().map(ToString::to_string)),
            ("status", "incidents_status", self.status.map(|status| status.word().to_owned())),
        ];
        LIST.newest_first(equals, before, limit)
    }
}

fn read(row: &Row<'_>) -> Result<(Place, Incident), Error> {
    let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    let StateRow::Incident(incident) = parse_row(text)? else {
        return Err(Error::Row("an incident was expected".to_owned()));
    };
    Ok((Place::Seq(row.get(0)?), *incident))
}

impl Views {
    /// Incidents, newest first.
    pub fn incidents(
        &self,
        filter: &IncidentFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Incident>, Error> {
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

    /// One incident.
    pub fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, Error> {
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(ONE)?;
        let mut rows = statement.query([id.as_str()])?;
        rows.next()?.map(|row| read(row).map(|(_, incident)| incident)).transpose()
    }
}
