//! Taking segments away from the front.
//!
//! Whoever asks for it has put on record, durably, where the journal begins from then on: `verify` believes a missing
//! front by that entry alone. The first segment goes first and each removal is flushed, so a crash leaves a journal
//! that begins somewhere before the place on record; asking again finishes it.

use tlog::Tree;

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
    // One at a time.
    let _signing = shared.signing.lock().expect("no panic while the lock is held");
    let (going, front) = {
        let view = shared.view();
        let found = view.segments.iter().position(|(segment, _)| segment.first == first);
        let kept = found.ok_or(Error::NoSuchSegment(first))?;
        (view.segments[view.gone.min(kept)..kept].to_vec(), view.segments[kept].0)
    };
    if going.is_empty() {
        return Ok(0);
    }
    let trees = trees(shared, front)?;
    {
        // Before the files go: nobody begins to read what is about to vanish.
        let mut view = shared.view_mut();
        let View { logs, health, gone, .. } = &mut *view;
        for (log, tree) in logs.iter_mut().zip(trees) {
            log.front = tree;
        }
        *gone += going.len();
        health.segments = health.segments.saturating_sub(going.len() as u64);
        health.bytes = health.bytes.saturating_sub(going.iter().map(|(_, len)| len).sum());
    }
    let place = journal_dir(&shared.dir);
    for (segment, _) in &going {
        let path = segment.path(&shared.dir);
        shared.disk.remove(&path).map_err(Error::io("remove", &path))?;
        shared.disk.sync_dir(&place).map_err(Error::io("flush", &place))?;
    }
    Ok(going.len() as u64)
}

fn trees(shared: &Shared, segment: Segment) -> Result<Vec<Tree>, Error> {
    let head = Head::read(&*shared.disk, &shared.dir, segment);
    let head = head.map_err(Error::io("read", &segment.path(&shared.dir)))?;
    let head = head.ok_or_else(|| bad(segment, 0)(crate::error::FaultKind::Malformed))?;
    Ok(head.logs.into_iter().map(|log| log.tree).collect())
}
