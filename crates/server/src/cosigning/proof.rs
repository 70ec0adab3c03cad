//! That a checkpoint continues an earlier one (RFC 6962, 2.1.2).

use journal::{Backend, LogId};
use tlog::{Hash, Levels, leaf_hash};

/// Entries and bytes that are read at once.
const READ: (usize, usize) = (4_096, 8 << 20);

/// The consistency proof between two sizes of a log, both durable.
pub(crate) fn consistency(
    journal: &dyn Backend,
    log: LogId,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, anyhow::Error> {
    if old == 0 || old == new {
        return Ok(vec![]);
    }
    let (mut levels, mut next) = (Levels::default(), 0);
    while next < new {
        let entries = journal.read(log, next, READ.0, READ.1)?;
        if entries.is_empty() {
            break;
        }
        for entry in entries.iter().take(usize::try_from(new - next).unwrap_or(usize::MAX)) {
            levels.push(leaf_hash(&entry.bytes));
            next += 1;
        }
    }
    Ok(tlog::consistency(&levels, old, new)?)
}
