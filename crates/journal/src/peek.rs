//! Reads the entries of a data directory without opening it: nothing is locked, cut or written.
//!
//! For who must know first whether what is there can be understood at all. It is no verification: what cannot be read ends
//! it without a word, because opening says where and why.

use std::path::Path;

use crate::content::Envelope;
use crate::disk::{Disk, RealDisk};
use crate::error::{Error, FaultKind};
use crate::head::Head;
use crate::scan::{LogState, Place, State, Stop, Visit, scan};
use crate::segment::{journal_dir, list};

/// Hands out the entries of every log from `from(its name)` on. A format that is newer than this program is an error.
pub fn peek(
    dir: &Path,
    from: &dyn Fn(&str) -> u64,
    each: &mut dyn FnMut(&str, u64, &[u8]),
) -> Result<(), Error> {
    let disk: &dyn Disk = &RealDisk;
    if !journal_dir(dir).is_dir() {
        return Ok(());
    }
    let segments = list(disk, dir).map_err(Error::io("list", &journal_dir(dir)))?;
    let (mut first, mut state) = (0, State::default());
    for segment in segments.iter().filter(|segment| segment.first > 0).rev() {
        let head = Head::read(disk, dir, *segment).map_err(Error::io("read", &segment.path(dir)))?;
        let Some(head) = head else { continue };
        // The very first one that is there has nothing before it.
        if segment.ordinal == 0 || head.logs.iter().all(|log| log.tree.size() <= from(&log.name)) {
            (first, state) = (segment.ordinal, head.state(*segment));
            break;
        }
    }
    let mut bytes = Vec::new();
    let mut visit = Peek { from, each };
    for segment in &segments[first..] {
        segment.read(disk, dir, &mut bytes).map_err(Error::io("read", &segment.path(dir)))?;
        match scan(&mut state, *segment, &bytes, &mut visit) {
            Ok(_) => {}
            Err(Stop::Wrong(fault)) if matches!(fault.kind, FaultKind::NewerFormat { .. }) => {
                return Err(fault.into());
            }
            Err(Stop::Wrong(_) | Stop::Broken { .. }) => break,
        }
    }
    Ok(())
}

struct Peek<'a> {
    from: &'a dyn Fn(&str) -> u64,
    each: &'a mut dyn FnMut(&str, u64, &[u8]),
}

impl Visit for Peek<'_> {
    fn defined(&mut self, _: &LogState) {}

    fn succeeded(&mut self, _: u32, _: &LogState) {}

    fn entry(&mut self, _: Place, _: u32, log: &LogState, entry: &[u8]) -> Result<(), FaultKind> {
        let seq = log.tree.size() - 1;
        if seq >= (self.from)(&log.name) {
            (self.each)(&log.name, seq, entry);
        }
        Ok(())
    }

    fn payload(&mut self, _: Place, _: u32, _: &LogState, _: Envelope<'_>) -> Result<(), FaultKind> {
        Ok(())
    }
}
