//! Lists of actions.

use kernel::action::{Action, Status};
use kernel::id::{AgentId, RunId, ToolId};
use kernel::judge::Verdict;
use kernel::state::Row as StateRow;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use crate::error::Error;
use crate::page::{Page, Place, bounded, seq_after};
use crate::project::verdict_word;
use crate::select::List;
use crate::store::parse_row;
use crate::views::Views;

/// Which actions.
#[derive(Clone, Debug, Default)]
pub struct ActionFilter {
    /// Of this run.
    pub run: Option<RunId>,
    /// In this state.
    pub status: Option<Status>,
    /// With this tool.
    pub tool: Option<ToolId>,
    /// With this last verdict.
    pub verdict: Option<Verdict>,
    /// Of this agent.
    pub agent: Option<AgentId>,
}

/// An action and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionItem {
    /// The action.
    pub action: Action,
    /// The agent of its run.
    pub agent: AgentId,
}

const LIST: List = List {
    columns: "t.seq, s.row, t.agent",
    table: "actions",
    joins: "CROSS JOIN state AS s ON s.noun = 'action' AND s.id = t.id",
};

impl ActionFilter {
    pub(crate) fn query(&self, before: i64, limit: usize) -> (String, Vec<Value>) {
        let equals = vec![
            ("run", "actions_run", self.run.as_ref().map(ToString::to_string)),
            ("status", "actions_status", self.status.map(|status| status.word().to_owned())),
            ("tool", "actions_tool", self.tool.as_ref().map(ToString::to_string)),
            ("agent", "actions_agent", self.agent.as_ref().map(ToString::to_string)),
            ("verdict", "actions_verdict", self.verdict.map(|verdict| verdict_word(verdict).to_owned())),
        ];
        LIST.newest_first(equals, before, limit)
    }
}

/// Reads an action's row and its agent from two columns.
pub(crate) fn read_item(row: &Row<'_>, action: usize, agent: usize) -> Result<ActionItem, Error> {
    let text = row.get_ref(action)?.as_str().map_err(rusqlite::Error::from)?;
    let StateRow::Action(action) = parse_row(text)? else {
        return Err(Error::Row("an action was expected".to_owned()));
    };
    let agent = row.get_ref(agent)?.as_str().map_err(rusqlite::Error::from)?;
    let agent = agent.parse().map_err(|error: kernel::id::ParseIdError| Error::Row(error.to_string()))?;
    Ok(ActionItem { action: *action, agent })
}

impl Views {
    /// Actions, newest first.
    pub fn actions(
        &self,
        filter: &ActionFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<ActionItem>, Error> {
        let limit = bounded(limit);
        let (sql, values) = filter.query(seq_after(after, i64::MAX)?, limit);
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((Place::Seq(row.get(0)?), read_item(row, 1, 2)?));
        }
        Ok(Page::cut(found, limit))
    }
}
