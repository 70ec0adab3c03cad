//! Receipts: that an entry is in the log, against a checkpoint that somebody outside can know.

use tlog::{Hash, Receipt};
use views::EntryItem;

use crate::app::App;
use crate::problem::Fault;

use super::explain::checkpoint_size;

/// The receipt of an entry, with the entry itself as its extra data: one file says what was recorded and proves it.
pub(crate) fn receipt(app: &App, item: &EntryItem) -> Result<String, Fault> {
    let note = checkpoint_over(app, item.entry.seq)?;
    Ok(of(app, item.entry.seq, &note, Some(item.text.clone().into_bytes()))?.encode())
}

/// The receipt of an entry against a checkpoint.
pub(super) fn of(app: &App, seq: u64, note: &str, extra: Option<Vec<u8>>) -> Result<Receipt, Fault> {
    let size = checkpoint_size(note).unwrap_or_default();
    let path: Vec<Hash> = app.journal.prove(app.log, seq, size).map_err(Fault::internal)?;
    Receipt::new(seq, path, extra, note.to_owned()).map_err(Fault::internal)
}

/// A checkpoint that vouches for this entry; a new one where the last does not.
pub(super) fn checkpoint_over(app: &App, seq: u64) -> Result<String, Fault> {
    let covers = |note: &String| checkpoint_size(note).is_some_and(|size| size > seq);
    let last = || app.journal.checkpoint(app.log).filter(covers);
    // One that witnesses saw is worth more than a newer one.
    if let Some(note) = app.checkpoint().filter(covers).or_else(last) {
        return Ok(note);
    }
    app.journal.checkpoint_now().map_err(Fault::internal)?;
    last().ok_or_else(|| Fault::internal("no checkpoint vouches for an entry that is durable"))
}
