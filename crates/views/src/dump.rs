//! Everything as sorted text: two files that hold the same rows give the same bytes, however they came about.
//!
//! SQLite files that hold the same rows differ in their bytes; what counts is compared here.

use std::io::Write;

use rusqlite::types::ValueRef;

use crate::error::Error;
use crate::schema::{TABLES, VERSION};
use crate::views::Views;

impl Views {
    /// Writes all rows of one moment, table by table, sorted by key, one a line, columns between tabs.
    pub fn dump(&self, out: &mut dyn Write) -> Result<(), Error> {
        self.dump_from(out, 0).map(drop)
    }

    /// The same without entries and payload places before `first`; returns how many entries the rows hold.
    pub(crate) fn dump_from(&self, out: &mut dyn Write, first: u64) -> Result<u64, Error> {
        let reader = self.pool.take()?;
        let snapshot = reader.unchecked_transaction()?;
        let applied: i64 =
            snapshot.query_row("SELECT value FROM meta WHERE key = 'applied'", [], |row| row.get(0))?;
        writeln!(out, "views\t{VERSION}\napplied\t{applied}")?;
        for (table, order) in TABLES {
            let from = match *table {
                "entries" | "payloads" => format!("WHERE seq >= {first}"),
                _ => String::new(),
            };
            let mut statement =
                snapshot.prepare_cached(&format!("SELECT * FROM {table} {from} ORDER BY {order}"))?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                out.write_all(table.as_bytes())?;
                for column in 0..columns {
                    out.write_all(b"\t")?;
                    write_value(out, row.get_ref(column)?)?;
                }
                out.write_all(b"\n")?;
            }
        }
        Ok(applied.cast_unsigned())
    }
}

fn write_value(out: &mut dyn Write, value: ValueRef<'_>) -> Result<(), Error> {
    match value {
        ValueRef::Null => out.write_all(b"\\N")?,
        ValueRef::Integer(number) => write!(out, "{number}")?,
        ValueRef::Real(number) => write!(out, "{number}")?,
        ValueRef::Blob(bytes) => out.write_all(hex::encode(bytes).as_bytes())?,
        ValueRef::Text(text) => {
            for byte in text {
                match byte {
                    b'\\' => out.write_all(b"\\\\")?,
                    b'\t' => out.write_all(b"\\t")?,
                    b'\n' => out.write_all(b"\\n")?,
                    _ => out.write_all(&[*byte])?,
                }
            }
        }
    }
    Ok(())
}
