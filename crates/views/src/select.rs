//! List queries that always go by an index: newest first, after a position, with equalities.
//!
//! The index is named in the query, so that a planner without statistics cannot choose to read the whole table.

use rusqlite::types::Value;

use crate::page::to_read;

/// A list table as a query reads it.
pub(crate) struct List {
    /// Columns, from `t` and from what is joined; the first is `t.seq`.
    pub(crate) columns: &'static str,
    /// The table.
    pub(crate) table: &'static str,
    /// What is joined, each by its key.
    pub(crate) joins: &'static str,
}

/// An equality that a list may ask for: column, its index, the value.
pub(crate) type Equal = (&'static str, &'static str, Option<String>);

impl List {
    /// The query and its values. `equals` is in order of choosiness: the first that is asked for lends its index.
    pub(crate) fn newest_first(&self, equals: Vec<Equal>, before: i64, limit: usize) -> (String, Vec<Value>) {
        let Self { columns, table, joins } = self;
        let mut by = "NOT INDEXED".to_owned();
        let mut conditions = String::new();
        let mut values = vec![Value::Integer(before), Value::Integer(to_read(limit))];
        for (column, index, value) in equals {
            let Some(value) = value else { continue };
            if values.len() == 2 {
                by = format!("INDEXED BY {index}");
            }
            values.push(Value::Text(value));
            conditions.extend([" AND t.", column, " = ?", &values.len().to_string()]);
        }
        let sql = format!(
            "SELECT {columns} FROM {table} AS t {by} {joins} \
             WHERE t.seq < ?1{conditions} ORDER BY t.seq DESC LIMIT ?2"
        );
        (sql, values)
    }
}
