//! The inbox, and other lists of approvals. What waits is listed by when it expires, the rest newest first.

use kernel::approval::{Approval, ApprovalStatus};
use kernel::id::ActionId;
use kernel::state::Row as StateRow;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use crate::actions::{ActionItem, read_item};
use crate::error::Error;
use crate::page::{Page, Place, bounded, due_after, seq_after, to_read};
use crate::select::List;
use crate::store::parse_row;
use crate::views::Views;

/// Which approvals.
#[derive(Clone, Debug, Default)]
pub struct ApprovalFilter {
    /// In this state.
    pub status: Option<ApprovalStatus>,
    /// For this action.
    pub action: Option<ActionId>,
}

/// An approval and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalItem {
    /// The approval.
    pub approval: Approval,
    /// Its action, and the agent.
    pub about: ActionItem,
}

const COLUMNS: &str = "t.seq, t.expires_at, s.row, a.row, t.agent";
const JOINS: &str = "CROSS JOIN state AS s ON s.noun = 'approval' AND s.id = t.id \
     CROSS JOIN state AS a ON a.noun = 'action' AND a.id = t.action";

const LIST: List = List { columns: COLUMNS, table: "approvals", joins: JOINS };

impl ApprovalFilter {
    fn is_inbox(&self) -> bool {
        self.status == Some(ApprovalStatus::Waiting) && self.action.is_none()
    }

    pub(crate) fn query(&self, after: Option<&str>, limit: usize) -> Result<(String, Vec<Value>), Error> {
        if self.is_inbox() {
            let (due, seq) = due_after(after)?;
            let values = vec![Value::Integer(due), Value::Integer(seq), Value::Integer(to_read(limit))];
            return Ok((inbox(), values));
        }
        let equals = vec![
            ("action", "approvals_action", self.action.as_ref().map(ToString::to_string)),
            ("status", "approvals_status", self.status.map(|status| status.word().to_owned())),
        ];
        Ok(LIST.newest_first(equals, seq_after(after, i64::MAX)?, limit))
    }
}

fn inbox() -> String {
    format!(
        "SELECT {COLUMNS} FROM approvals AS t INDEXED BY approvals_expiry {JOINS} \
         WHERE t.status = 'waiting' AND t.expires_at >= ?1 AND (t.expires_at > ?1 OR t.seq > ?2) \
         ORDER BY t.expires_at, t.seq LIMIT ?3"
    )
}

fn read(row: &Row<'_>) -> Result<ApprovalItem, Error> {
    let text = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
    let StateRow::Approval(approval) = parse_row(text)? else {
        return Err(Error::Row("an approval was expected".to_owned()));
    };
    Ok(ApprovalItem { approval: *approval, about: read_item(row, 3, 4)? })
}

impl Views {
    /// Approvals: those that wait by when they expire, others newest first.
    pub fn approvals(
        &self,
        filter: &ApprovalFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<ApprovalItem>, Error> {
        let limit = bounded(limit);
        let (sql, values) = filter.query(after, limit)?;
        let reader = self.pool.take()?;
        let mut statement = reader.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let seq = row.get(0)?;
            let place = if filter.is_inbox() { Place::Due(row.get(1)?, seq) } else { Place::Seq(seq) };
            found.push((place, read(row)?));
        }
        Ok(Page::cut(found, limit))
    }
}
