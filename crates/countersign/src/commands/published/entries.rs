//! Every entry of a published log: each one where its tree has it, or pruned on record.
//!
//! A bundle that is not there is believed to be pruned only where a later entry of the log says so, with the root that the
//! tree has at that place: `journal.pruned`, written before anything goes. Any other gap is a log that is not whole.

use anyhow::Result;
use indicatif::ProgressBar;
use kernel::event::{Entry, Event, Pruned};
use kernel::origin;
use tlog::{StoreError, TILE_WIDTH, VerifiedTiles, root};

use crate::failure::Failure;
use crate::output::Out;

use super::{NotHad, Place, broken};

/// What is there, and what is not.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Entries that were read.
    pub(super) entries: u64,
    /// What was pruned, and the entry that says so, as far as something is not there.
    pub(super) pruned: Option<OnRecord>,
    /// Entries that were not pruned, and are not there either: their bundle holds pruned ones, too.
    pub(super) beside: u64,
}

/// An entry of the log says that those before the first that is kept were taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OnRecord {
    /// How many.
    pub(super) size: u64,
    /// The entry.
    pub(super) seq: u64,
}

/// Reads what is there.
pub(super) fn read(tiles: &VerifiedTiles<&Place>, log: &str, out: &Out) -> Result<Read> {
    let bar = if out.json { ProgressBar::hidden() } else { ProgressBar::new(tiles.size()) };
    let mut read = Read::default();
    let mut missing: Vec<(u64, StoreError<NotHad>)> = Vec::new();
    let mut records = Vec::new();
    for bundle in 0..tiles.size().div_ceil(TILE_WIDTH) {
        let first = bundle * TILE_WIDTH;
        match tiles.entries(bundle) {
            Ok(entries) => {
                for (seq, bytes) in (first..).zip(entries) {
                    records.extend(entry(seq, &bytes, log)?.map(|pruned| (seq, pruned)));
                    read.entries += 1;
                }
            }
            Err(why @ StoreError::Source { source: NotHad::Missing(_), .. }) => missing.push((first, why)),
            Err(why) => return Err(broken(&why).into()),
        }
        bar.set_position(first);
    }
    bar.finish_and_clear();
    let Some((last, _)) = missing.last() else { return Ok(read) };
    let end = (last + TILE_WIDTH).min(tiles.size());
    for (seq, pruned) in records {
        let kept = root(tiles, pruned.size).map_err(|why| broken(&why))?;
        // A later one reaches further.
        if kept == pruned.root.0 {
            read.pruned = Some(OnRecord { size: pruned.size, seq });
        }
    }
    let front = read.pruned.map_or(0, |pruned| pruned.size);
    if let Some((_, why)) = missing.into_iter().find(|(first, _)| *first >= front) {
        return Err(broken(&why).into());
    }
    read.beside = end.saturating_sub(front);
    Ok(read)
}

/// Whether an entry is one of this log, and what it says of pruned ones.
fn entry(seq: u64, bytes: &[u8], log: &str) -> Result<Option<Pruned>> {
    match Entry::decode(bytes) {
        Ok(entry) if entry.seq == seq && origin::base(&entry.log) == origin::base(log) => {
            Ok(match entry.event {
                // INVARIANT: an entry speaks of those before it.
                Event::JournalPruned(pruned) if pruned.size <= seq => Some(pruned),
                _ => None,
            })
        }
        _ => {
            let what = format!("entry {seq} of the log is not an entry of this version");
            Err(Failure::refused(what).code("log_damaged").hint("use a newer version").into())
        }
    }
}
