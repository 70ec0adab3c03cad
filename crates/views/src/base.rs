//! The base: what remains of entries that are pruned, as text, and views made from it.
//!
//! A base is a dump without the entries and payload places before a position. Following the entries after it makes the
//! same rows as following all of them did.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::error::Error;
use crate::schema::{TABLES, VERSION};
use crate::views::Views;

/// Lines are rows: the largest holds an entry, each byte of which may be escaped.
const LINE_BYTES_MAX: u64 = 1 << 20;

impl Views {
    /// Writes the base for a log that is to begin at entry `first`, and says how many entries its rows hold.
    pub fn base(&self, out: &mut dyn Write, first: u64) -> Result<u64, Error> {
        self.dump_from(out, first)
    }

    /// Makes views from a base, in the place of those that are there.
    pub fn from_base(path: &Path, base: &mut dyn BufRead) -> Result<Self, Error> {
        let views = Self::anew(path)?;
        {
            let mut writer = views.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = writer.transaction()?;
            let applied = load(&transaction, base)?;
            transaction
                .execute("UPDATE meta SET value = ?1 WHERE key = 'applied'", [applied.cast_signed()])?;
            transaction.commit()?;
            views.applied.store(applied, Ordering::Release);
        }
        Ok(views)
    }
}

fn load(connection: &Connection, base: &mut dyn BufRead) -> Result<u64, Error> {
    let mut line = Vec::new();
    let mut next = |what: &str| -> Result<String, Error> {
        read_line(base, &mut line)?
            .and_then(|text| text.strip_prefix(what).map(str::to_owned))
            .ok_or_else(|| Error::Base(format!("it does not begin with `{}`", what.trim_end())))
    };
    let version = next("views\t")?;
    // Version 3 is this one without phases of runs.
    let phases = version != "3";
    if phases && version != VERSION.to_string() {
        return Err(Error::Base(format!("its tables are of version {version}, this program has {VERSION}")));
    }
    let applied = next("applied\t")?;
    let applied: u64 =
        applied.parse().map_err(|_| Error::Base("it does not say how far it is".to_owned()))?;
    let mut line = Vec::new();
    let mut kinds: Option<(&str, Vec<String>)> = None;
    while let Some(text) = read_line(base, &mut line)? {
        let mut columns = text.split('\t');
        let name = columns.next().unwrap_or_default();
        let table = TABLES.iter().map(|(table, _)| *table).find(|table| *table == name);
        let table = table.ok_or_else(|| Error::Base("it has a row of no table".to_owned()))?;
        if kinds.as_ref().is_none_or(|(known, _)| *known != table) {
            let mut statement = connection.prepare("SELECT type FROM pragma_table_info(?1) ORDER BY cid")?;
            let found = statement.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
            kinds = Some((table, found));
        }
        let Some((_, kinds)) = &kinds else { continue };
        let mut values: Vec<Value> =
            columns.zip(kinds).map(|(text, kind)| value(text, kind)).collect::<Result<_, _>>()?;
        if !phases && table == "runs" {
            let open = values.get(3) == Some(&Value::Text("open".to_owned()));
            values.push(if open { Value::Text("attached".to_owned()) } else { Value::Null });
        }
        if values.len() != kinds.len() {
            return Err(Error::Base(format!("a row of `{table}` has too few columns")));
        }
        let places = vec!["?"; values.len()].join(", ");
        connection
            .prepare_cached(&format!("INSERT INTO {table} VALUES({places})"))?
            .execute(params_from_iter(values))?;
    }
    Ok(applied)
}

fn read_line<'a>(base: &mut dyn BufRead, line: &'a mut Vec<u8>) -> Result<Option<&'a str>, Error> {
    line.clear();
    let mut limited = std::io::Read::take(base, LINE_BYTES_MAX);
    if limited.read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    let whole = line.strip_suffix(b"\n").ok_or_else(|| Error::Base("a line of it has no end".to_owned()))?;
    std::str::from_utf8(whole).map(Some).map_err(|_| Error::Base("it is not text".to_owned()))
}

fn value(text: &str, kind: &str) -> Result<Value, Error> {
    let bad = || Error::Base(format!("a column of type {kind} cannot be read"));
    match kind {
        _ if text == "\\N" => Ok(Value::Null),
        "INTEGER" => text.parse().map(Value::Integer).map_err(|_| bad()),
        "BLOB" => hex::decode(text).map(Value::Blob).map_err(|_| bad()),
        _ => {
            let mut plain = String::with_capacity(text.len());
            let mut chars = text.chars();
            while let Some(char) = chars.next() {
                plain.push(match char {
                    '\\' => match chars.next() {
                        Some('\\') => '\\',
                        Some('t') => '\t',
                        Some('n') => '\n',
                        _ => return Err(bad()),
                    },
                    char => char,
                });
            }
            Ok(Value::Text(plain))
        }
    }
}
