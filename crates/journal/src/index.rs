//! Where entries lie, roughly: one mark for every few entries, in memory.
//!
//! A reader goes to the mark before the entry that it wants and walks from there. Opening makes
//! it for what it reads, `old` for the rest.

/// Entries of a log between two marks: at about a kilobyte each, one read of the page cache.
const STRIDE: u64 = 64;

/// One entry's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) seq: u64,
    /// The segment's place among the segments.
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

/// The marks of one log, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    marks: Vec<Mark>,
}

impl Index {
    /// Notes an entry; keeps it where it is the first of a segment or far enough from the last mark.
    pub(crate) fn note(&mut self, mark: Mark) {
        let keep = self
            .marks
            .last()
            .is_none_or(|last| mark.segment != last.segment || mark.seq - last.seq >= STRIDE);
        if keep {
            self.marks.push(mark);
        }
    }

    /// The mark at or before an entry.
    pub(crate) fn before(&self, seq: u64) -> Option<Mark> {
        let after = self.marks.partition_point(|mark| mark.seq <= seq);
        after.checked_sub(1).map(|at| self.marks[at])
    }
}
