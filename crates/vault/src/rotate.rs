//! Another root key: every key of a store is unwrapped with the old one and wrapped with the new one, in one
//! transaction, so a crash leaves it wholly with one of the two. What was sealed stays as it is.

use std::path::Path;

use kernel::clock::Entropy;
use rusqlite::{Connection, OpenFlags, ToSql, Transaction, params};

use crate::error::Error;
use crate::root::RootKey;
use crate::vault::{CHECK, about, about_log};

/// Wraps all keys of the data directory `dir` anew; returns how many. Nobody else may have it open.
pub fn rotate_root(dir: &Path, old: &RootKey, new: &RootKey, entropy: &dyn Entropy) -> Result<u64, Error> {
    let mut db = Connection::open_with_flags(dir.join("keys.db"), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.execute_batch(
        "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;",
    )?;
    let transaction = db.transaction()?;
    let mut turn = Turn { transaction: &transaction, old, new, entropy, count: 0 };
    let check: Vec<u8> =
        transaction.query_row("SELECT value FROM settings WHERE name = 'check'", [], |row| row.get(0))?;
    if *old.unwrap(&check, "check")? != CHECK {
        return Err(Error::RootKeyWrong);
    }
    turn.table::<String>("settings", "name", "value", Clone::clone)?;
    turn.table::<String>("log_keys", "log", "wrapped", |log| about_log(log))?;
    turn.table::<u64>("data_keys", "number", "wrapped", |number| about(*number))?;
    let count = turn.count;
    transaction.commit()?;
    Ok(count)
}

struct Turn<'a> {
    transaction: &'a Transaction<'a>,
    old: &'a RootKey,
    new: &'a RootKey,
    entropy: &'a dyn Entropy,
    count: u64,
}

impl Turn<'_> {
    fn table<Id: ToSql + rusqlite::types::FromSql>(
        &mut self,
        table: &str,
        id: &str,
        column: &str,
        about: impl Fn(&Id) -> String,
    ) -> Result<(), Error> {
        let mut all = self.transaction.prepare(&format!("SELECT {id}, {column} FROM {table}"))?;
        let rows = all.query_map([], |row| Ok((row.get::<_, Id>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let mut put =
            self.transaction.prepare(&format!("UPDATE {table} SET {column} = ?2 WHERE {id} = ?1"))?;
        for (id, wrapped) in rows {
            let about = about(&id);
            let key = self.old.unwrap(&wrapped, &about)?;
            put.execute(params![id, self.new.wrap(&key, &about, self.entropy)])?;
            self.count += 1;
        }
        Ok(())
    }
}
