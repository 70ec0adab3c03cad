//! Whose payloads were held, erased, or let go by retention.

use super::{Noun, Row, RowKey, Subject, Table, ended_id, run, subject};
use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Lapsed;
use crate::id::RunId;

pub(super) fn change(table: &mut dyn Table, id: &Digest, change: impl FnOnce(&mut Subject)) {
    let mut row = subject(table, id).unwrap_or_default();
    change(&mut row);
    table.put(RowKey::new(Noun::Subject, id), Some(Row::Subject(row)));
}

pub(super) fn erased(table: &mut dyn Table, id: &Digest, keys: &[i64], at: Millis) {
    change(table, id, |row| {
        row.erased_at = Some(at);
        row.keys.extend(keys);
    });
}

pub(super) fn let_go(table: &mut dyn Table, runs: &[RunId], lapsed: &[Lapsed], at: Millis) {
    for id in runs {
        let Some(mut row) = run(table, id) else { continue };
        if let Some((_, ended)) = row.finished {
            table.put(RowKey::new(Noun::Ended, ended_id(ended, id)), None);
        }
        row.lapsed_at = Some(at);
        table.put(RowKey::new(Noun::Run, id), Some(Row::Run(Box::new(row))));
    }
    for Lapsed { subject, keys } in lapsed {
        erased(table, subject, keys, at);
    }
}
