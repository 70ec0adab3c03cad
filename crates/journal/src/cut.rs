//! Shortens a copy of a journal to a point in the past, on purpose.
//!
//! Only whole batches are kept, so the point may lie a little before the one that was asked for. No checkpoint vouches
//! for what is left: whoever goes on from here needs a new origin (`succeed`), because the keys until now have signed what
//! came after.

use std::path::Path;

use tlog::Tree;

use crate::canonical;
use crate::checkpoint::checkpoint_dir;
use crate::content::Envelope;
use crate::disk::{Disk, Mode, RealDisk};
use crate::error::{Error, Fault, FaultKind};
use crate::head::Head;
use crate::scan::{LogState, Place, State, Stop, Visit, scan};
use crate::segment::{Segment, journal_dir, list};

/// An entry, to be asked about.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    /// Its log.
    pub log: &'a str,
    /// Its position.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at: i64,
}

/// What is left of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Its tree.
    pub tree: Tree,
    /// The time of its last entry, where it is among those that were read.
    pub at: Option<i64>,
}

/// Cuts the journal of a data directory behind the last batch before the first entry of which `keep` says no. The
/// directory must be a copy that nobody has open.
pub fn cut_behind(dir: &Path, keep: &mut dyn FnMut(Passing<'_>) -> bool) -> Result<Vec<Kept>, Error> {
    let disk: &dyn Disk = &RealDisk;
    let _lock = disk.lock(dir, &journal_dir(dir).join(crate::lock::FILE))?;
    let segments = list(disk, dir).map_err(Error::io("list", &journal_dir(dir)))?;
    let mut state = match segments.first().filter(|segment| segment.first > 0) {
        None => State::default(),
        Some(first) => {
            let head = Head::read(disk, dir, *first).map_err(Error::io("read", &first.path(dir)))?;
            head.map(|head| head.state(*first)).unwrap_or_default()
        }
    };
    let mut visit = Cutting { keep, beyond: false, logs: Vec::new(), kept: None };
    let mut bytes = Vec::new();
    for segment in &segments {
        segment.read(disk, dir, &mut bytes).map_err(Error::io("read", &segment.path(dir)))?;
        match scan(&mut state, *segment, &bytes, &mut visit) {
            // A copy ends with a whole batch.
            Err(Stop::Wrong(fault) | Stop::Broken { fault, .. }) => return Err(fault.into()),
            Ok(_) if visit.beyond => break,
            Ok(_) => {}
        }
    }
    let Some((end, len, logs)) = visit.kept else {
        let kind = FaultKind::Unreadable("nothing of it is before that point".to_owned());
        return Err(Fault { file: "journal".to_owned(), offset: None, log: None, seq: None, kind }.into());
    };
    let place = checkpoint_dir(dir);
    for name in disk.list(&place).map_err(Error::io("list", &place))? {
        disk.remove(&place.join(&name)).map_err(Error::io("remove", &place.join(&name)))?;
    }
    // From the end, so that what is there is always a journal.
    for segment in segments.iter().rev().take_while(|segment| segment.first > end.first) {
        disk.remove(&segment.path(dir)).map_err(Error::io("remove", &segment.path(dir)))?;
    }
    let path = end.path(dir);
    let file = disk.open(&path, Mode::Write).map_err(Error::io("open", &path))?;
    file.truncate(len).and_then(|()| file.sync()).map_err(Error::io("cut", &path))?;
    for dir in [&place, &journal_dir(dir)] {
        disk.sync_dir(dir).map_err(Error::io("flush", dir))?;
    }
    Ok(logs)
}

struct Cutting<'a> {
    keep: &'a mut dyn FnMut(Passing<'_>) -> bool,
    /// An entry was met that is not kept.
    beyond: bool,
    /// As they stand where the scan is.
    logs: Vec<Kept>,
    /// The end of the last batch that is kept, and the logs there.
    kept: Option<(Segment, u64, Vec<Kept>)>,
}

impl Visit for Cutting<'_> {
    fn defined(&mut self, log: &LogState) {
        self.logs.push(Kept { name: log.name.clone(), tree: log.tree.clone(), at: None });
    }

    fn succeeded(&mut self, number: u32, log: &LogState) {
        self.logs[number as usize].name.clone_from(&log.name);
    }

    fn entry(&mut self, _: Place, number: u32, log: &LogState, entry: &[u8]) -> Result<(), FaultKind> {
        let fields = canonical::check(entry).map_err(FaultKind::Json)?;
        let at = fields.at.ok_or_else(|| FaultKind::Json("`at` is missing".to_owned()))?;
        let passing = Passing { log: &log.name, seq: log.tree.size() - 1, at };
        self.beyond = self.beyond || !(self.keep)(passing);
        let kept = &mut self.logs[number as usize];
        kept.tree.clone_from(&log.tree);
        kept.at = Some(at);
        Ok(())
    }

    fn payload(&mut self, _: Place, _: u32, _: &LogState, _: Envelope<'_>) -> Result<(), FaultKind> {
        Ok(())
    }

    fn committed(&mut self, segment: Segment, end: u64) {
        if !self.beyond {
            self.kept = Some((segment, end, self.logs.clone()));
        }
    }
}
