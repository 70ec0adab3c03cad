//! The workspace's own row: its bundle, its clock, where its log stands.

use super::{CLOCK_JUMP, Noun, Row, RowKey, Table, Workspace, workspace};
use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Entry;

pub(super) fn change(table: &mut dyn Table, change: impl FnOnce(&mut Workspace)) {
    let mut row = workspace(table);
    change(&mut row);
    table.put(RowKey::new(Noun::Workspace, ""), Some(Row::Workspace(row)));
}

pub(super) fn clock_jumped(table: &mut dyn Table, by: Millis) {
    change(table, |row| {
        let off = Millis(row.clock_off.0.saturating_add(by.0));
        // A jump back to where it was resolves it; otherwise an operator does.
        row.clock_off = if off.0.saturating_abs() > CLOCK_JUMP.0 { off } else { Millis(0) };
    });
}

pub(super) fn published(table: &mut dyn Table, entry: &Entry, bundle: Digest, setup: bool) {
    let files = entry.commits.get("files").copied().unwrap_or(bundle);
    change(table, |row| {
        row.bundle = Some((bundle, files));
        row.published_at = Some(entry.at);
        row.setup = setup;
    });
}
