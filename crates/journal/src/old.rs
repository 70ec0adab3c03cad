//! The segments that opening did not read: what reading back needs of them, found when it is asked for and then kept.

use std::path::Path;
use std::sync::OnceLock;

use crate::disk::{Disk, Mode, read_all};
use crate::error::{Error, FaultKind};
use crate::frame::{self, Kind};
use crate::head::Head;
use crate::index::{Index, Mark};
use crate::journal::LogId;
use crate::read::bad;
use crate::segment::{SEGMENT_BYTES_LIMIT, Segment};

/// One of them.
#[derive(Debug, Default)]
struct Known {
    /// Where the logs stood at its head, by number.
    starts: OnceLock<Vec<u64>>,
    marks: OnceLock<Marks>,
}

/// Where entries lie in a segment.
#[derive(Debug, Default)]
struct Marks {
    /// By log number.
    logs: Vec<Index>,
    /// The byte after the last batch; the file's end where something before it cannot be read.
    end: u64,
}

/// All of them, in order.
#[derive(Debug, Default)]
pub(crate) struct Old(Vec<Known>);

impl Old {
    /// The first `count` segments.
    pub(crate) fn new(count: usize) -> Self {
        Self(std::iter::repeat_with(Known::default).take(count).collect())
    }

    /// The mark at or before an entry, and how far its segment goes. The entry must be older than those that opening
    /// read, and not in the first `gone` segments, which were pruned since.
    pub(crate) fn mark(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        segments: &[Segment],
        gone: usize,
        log: LogId,
        seq: u64,
    ) -> Result<(Mark, u64), Error> {
        // The last segment at whose head the log had not got further than the entry.
        let mut high = self.0.len();
        let mut low = gone.min(high.saturating_sub(1));
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            let starts = self.starts(disk, dir, segments[middle])?;
            if starts.get(log.0 as usize).is_none_or(|start| *start <= seq) {
                low = middle;
            } else {
                high = middle;
            }
        }
        let segment = segments[low];
        let known = &self.0[low].marks;
        let marks = if let Some(marks) = known.get() {
            marks
        } else {
            let marks = marks(disk, dir, segment)?;
            known.get_or_init(|| marks)
        };
        let mark = marks.logs.get(log.0 as usize).and_then(|index| index.before(seq));
        let nothing = bad(segment, 0)(FaultKind::Sequence { expected: seq, found: 0 });
        mark.map(|mark| (mark, marks.end)).ok_or(nothing)
    }

    fn starts(&self, disk: &dyn Disk, dir: &Path, segment: Segment) -> Result<&Vec<u64>, Error> {
        let known = &self.0[segment.ordinal].starts;
        if let Some(starts) = known.get() {
            return Ok(starts);
        }
        let head = Head::read(disk, dir, segment).map_err(Error::io("read", &segment.path(dir)))?;
        let head = head.ok_or_else(|| bad(segment, 0)(FaultKind::Malformed))?;
        Ok(known.get_or_init(|| head.logs.iter().map(|log| log.tree.size()).collect()))
    }
}

/// Goes through a segment once. Where a frame cannot be read the marks end: whoever reads on meets it, and names it.
fn marks(disk: &dyn Disk, dir: &Path, segment: Segment) -> Result<Marks, Error> {
    let path = segment.path(dir);
    let bytes = read_all(disk, &path, SEGMENT_BYTES_LIMIT).map_err(Error::io("read", &path))?;
    let mut marks = Marks { logs: Vec::new(), end: bytes.len() as u64 };
    let mut at = 0;
    while at < bytes.len() {
        let Ok((frame, len)) = frame::decode(&bytes[at..]) else {
            // Zeros to the end are room that was not used.
            if crate::scan::used(&bytes[at..]) == 0 {
                marks.end = at as u64;
            }
            break;
        };
        // Logs are numbered without gaps and defined before their entries: a number far out is damage.
        let number = frame.log as usize;
        if frame.kind == Kind::Log && number == marks.logs.len() {
            marks.logs.push(Index::default());
        }
        if frame.kind == Kind::Entry
            && let Some(index) = marks.logs.get_mut(number)
        {
            let ordinal = u32::try_from(segment.ordinal).expect("segments are counted in 32 bits");
            index.note(Mark { seq: frame.seq, segment: ordinal, offset: at as u64 });
        }
        at += len;
    }
    Ok(marks)
}

/// The durable length of a segment that is not read: its file's.
pub(crate) fn length(disk: &dyn Disk, dir: &Path, segment: Segment) -> Result<u64, Error> {
    let path = segment.path(dir);
    let file = disk.open(&path, Mode::Read).map_err(Error::io("open", &path))?;
    file.length().map_err(Error::io("measure", &path))
}
