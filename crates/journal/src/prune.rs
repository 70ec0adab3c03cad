//! Taking segments away from the front.
//!
//! Whoever asks for it has put on record, durably, where the journal begins from then on: `verify` believes a missing
//! front by that entry alone. The first segment goes first and each removal is flushed, so a crash leaves a journal
//! that begins somewhere before the place on record; asking again finishes it, with or without a start in between.

use tlog::Tree;

use crate::checkpointer::checkpoint_all;
use crate::error::Error;
use crate::head::Head;
use crate::read::bad;
use crate::segment::{Segment, journal_dir};
use crate::shared::{Shared, View};

/// A segment, and where every log stood at its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentStart {
    /// The number of its first frame, which is its name.
    pub first: u64,
    /// Its bytes.
    pub bytes: u64,
    /// By log number; logs that are defined later are missing.
    pub logs: Vec<Tree>,
}

/// The segments that are there, oldest first.
pub(crate) fn segments(shared: &Shared) -> Result<Vec<SegmentStart>, Error> {
    let there: Vec<(Segment, u64)> = {
        let view = shared.view();
        view.segments[view.gone..].to_vec()
    };
    let start = |(segment, bytes): (Segment, u64)| {
        let logs = if segment.first == 0 { vec![] } else { trees(shared, segment)? };
        Ok(SegmentStart { first: segment.first, bytes, logs })
    };
    there.into_iter().map(start).collect()
}

/// Takes away the segments before the one of this name. Returns how many went.
pub(crate) fn prune(shared: &Shared, first: u64) -> Result<u64, Error> {
    let kept = kept(shared, first)?;
    if shared.view().removed >= kept {
        return Ok(0);
    }
    // The head of the first segment is believed as far as checkpoints reach.
    checkpoint_all(shared)?;
    // One at a time.
    let _signing = shared.signing.lock().expect("no panic while the lock is held");
    let front = shared.view().segments[kept].0;
    let trees = trees(shared, front)?;
    let going = {
        // Before the files go: nobody begins to read what is about to vanish.
        let mut view = shared.view_mut();
        let View { logs, health, gone, removed, segments } = &mut *view;
        if *gone < kept {
            for (log, tree) in logs.iter_mut().zip(trees) {
                log.front = tree;
            }
            let going = &segments[*gone..kept];
            health.segments = health.segments.saturating_sub(going.len() as u64);
            health.bytes = health.bytes.saturating_sub(going.iter().map(|(_, len)| len).sum());
            *gone = kept;
        }
        // What could not be removed when it was asked for before is still to go.
        segments[(*removed).min(kept)..kept].to_vec()
    };
    let place = journal_dir(&shared.dir);
    for (segment, _) in &going {
        let path = segment.path(&shared.dir);
        shared.disk.remove(&path).map_err(Error::io("remove", &path))?;
        shared.disk.sync_dir(&place).map_err(Error::io("flush", &place))?;
        shared.view_mut().removed += 1;
    }
    Ok(going.len() as u64)
}

/// The place of a segment.
fn kept(shared: &Shared, first: u64) -> Result<usize, Error> {
    let view = shared.view();
    let found = view.segments.iter().position(|(segment, _)| segment.first == first);
    found.ok_or(Error::NoSuchSegment(first))
}

fn trees(shared: &Shared, segment: Segment) -> Result<Vec<Tree>, Error> {
    let head = Head::read(&*shared.disk, &shared.dir, segment);
    let head = head.map_err(Error::io("read", &segment.path(&shared.dir)))?;
    let head = head.ok_or_else(|| bad(segment, 0)(crate::error::FaultKind::Malformed))?;
    Ok(head.logs.into_iter().map(|log| log.tree).collect())
}
