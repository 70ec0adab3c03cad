//! A journal whose first segments are missing: believed by what its own entries say about it, and by nothing else.
//!
//! The head of the first segment that is there says where every log stood, and the checkpoints prove it. That somebody
//! meant it is told by an entry `journal.pruned` in each log that lost entries.

use std::path::Path;

use kernel::event::{Entry, Event};

use crate::checkpoint::Anchors;
use crate::disk::Disk;
use crate::error::{Fault, FaultKind};
use crate::head::Head;
use crate::segment::Segment;
use crate::verify::Pruned;

/// Looked for before an entry is read for good: one in many thousands has it.
const MARK: &[u8] = b"\"journal.pruned\"";

/// The first segment that is there.
pub(crate) struct Front {
    pub(crate) head: Head,
}

/// What an entry says about the front of its log.
pub(crate) struct Record {
    log: u32,
    first: u64,
    size: u64,
    root: [u8; 32],
}

impl Record {
    pub(crate) fn read(log: u32, entry: &[u8]) -> Option<Self> {
        if !entry.windows(MARK.len()).any(|window| window == MARK) {
            return None;
        }
        let Event::JournalPruned(pruned) = Entry::decode(entry).ok()?.event else { return None };
        Some(Self { log, first: pruned.first, size: pruned.size, root: pruned.root.0 })
    }
}

impl Front {
    /// `None` where nothing is missing.
    pub(crate) fn read(
        disk: &dyn Disk,
        dir: &Path,
        first: Segment,
        anchors: &Anchors,
    ) -> Result<Option<Self>, Fault> {
        if first.first == 0 {
            return Ok(None);
        }
        let fault = |kind| fault(first, kind);
        let head = Head::read(disk, dir, first);
        let head = head.map_err(|error| fault(FaultKind::Unreadable(error.to_string())))?;
        // A head that no checkpoint proves, or none: the segments before it are simply gone.
        let missing = || fault(FaultKind::MissingSegment { expected: 0, found: first.first });
        head.filter(|head| anchors.prove(&head.logs)).map(|head| Some(Self { head })).ok_or_else(missing)
    }

    /// Whether each log that lost entries says so. A pruning that was cut short by a crash left more than it says.
    pub(crate) fn on_record(&self, first: Segment, records: &[Record]) -> Result<(), Fault> {
        let lost = (0_u32..).zip(&self.head.logs).filter(|(_, log)| log.tree.size() > 0);
        for (number, log) in lost {
            let said = records.iter().filter(|record| record.log == number).any(|record| {
                let same = record.size == log.tree.size() && record.root == log.tree.root();
                record.first > first.first || (record.first == first.first && same)
            });
            if !said {
                let kind = FaultKind::MissingSegment { expected: 0, found: first.first };
                return Err(Fault { log: Some(log.name.clone()), ..fault(first, kind) });
            }
        }
        Ok(())
    }

    /// What a log lost.
    pub(crate) fn of(&self, number: usize) -> Option<Pruned> {
        let tree = &self.head.logs.get(number)?.tree;
        (tree.size() > 0).then(|| Pruned { first: tree.size(), root: tree.root() })
    }
}

fn fault(segment: Segment, kind: FaultKind) -> Fault {
    Fault { file: segment.label(), offset: Some(0), log: None, seq: None, kind }
}
