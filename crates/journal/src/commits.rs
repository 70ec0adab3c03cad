//! Which commitments have a payload, told in bounded memory: a verifier of many million entries cannot remember them all.
//!
//! Most payloads stand beside the entry that commits to them. Of the others most were stored lately, and the lately stored
//! ones are remembered. What is left is kept apart and looked for in the segments once more, at the end or when it
//! becomes too much.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem;
use std::path::Path;

use crate::content::Envelope;
use crate::disk::Disk;
use crate::error::{Fault, FaultKind};
use crate::frame::{self, Kind};
use crate::segment::Segment;

/// How many are remembered at least, and half of how many at most: about 20 MiB.
const RECENT_MAX: usize = 1 << 17;
/// How many are kept apart until they are looked for: about 40 MiB.
const APART_MAX: usize = 1 << 19;

/// A log's number, and a commitment in it.
type Key = (u32, [u8; 32]);

#[derive(Debug)]
pub(crate) struct Commits {
    recent_max: usize,
    apart_max: usize,
    /// Whose payload is there: the last ones, and those before them.
    recent: [HashSet<Key>; 2],
    /// Whose payload was not met so far.
    apart: BTreeSet<Key>,
    /// How many were looked for in vain and are not kept any more, by log number.
    missing: BTreeMap<u32, u64>,
}

impl Default for Commits {
    fn default() -> Self {
        Self::new(RECENT_MAX, APART_MAX)
    }
}

impl Commits {
    pub(crate) fn new(recent_max: usize, apart_max: usize) -> Self {
        let (recent, apart, missing) = Default::default();
        Self { recent_max, apart_max, recent, apart, missing }
    }

    /// A payload stands beside its entry.
    pub(crate) fn beside(&mut self, log: u32, commitment: [u8; 32]) {
        let _known = self.apart.remove(&(log, commitment));
        self.remember((log, commitment));
    }

    /// An entry commits to a payload that does not stand beside it.
    pub(crate) fn alone(&mut self, log: u32, commitment: [u8; 32]) {
        let key = (log, commitment);
        if self.recent.iter().any(|recent| recent.contains(&key)) {
            self.remember(key);
        } else {
            let _new = self.apart.insert(key);
        }
    }

    fn remember(&mut self, key: Key) {
        let _new = self.recent[0].insert(key);
        if self.recent[0].len() >= self.recent_max {
            self.recent.swap(0, 1);
            self.recent[0].clear();
        }
    }

    /// Called after each segment: looks for those that were kept apart when they are too many. `ends` are the segments so
    /// far, each with the end of its last whole batch.
    pub(crate) fn bound(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        ends: &[(Segment, u64)],
    ) -> Result<(), Fault> {
        if self.apart.len() <= self.apart_max {
            return Ok(());
        }
        self.look(disk, dir, ends)?;
        if self.apart.len() > self.apart_max / 2 {
            for (log, _) in mem::take(&mut self.apart) {
                *self.missing.entry(log).or_default() += 1;
            }
        }
        Ok(())
    }

    /// How many have no payload, by log number.
    pub(crate) fn missing(
        mut self,
        disk: &dyn Disk,
        dir: &Path,
        ends: &[(Segment, u64)],
    ) -> Result<BTreeMap<u32, u64>, Fault> {
        self.look(disk, dir, ends)?;
        for (log, _) in self.apart {
            *self.missing.entry(log).or_default() += 1;
        }
        Ok(self.missing)
    }

    /// Looks in the segments for the payloads of those that were kept apart.
    fn look(&mut self, disk: &dyn Disk, dir: &Path, ends: &[(Segment, u64)]) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        for (segment, end) in ends {
            if self.apart.is_empty() {
                return Ok(());
            }
            let fault = |kind| Fault { file: segment.label(), offset: None, log: None, seq: None, kind };
            segment
                .read(disk, dir, &mut bytes)
                .map_err(|error| fault(FaultKind::Unreadable(error.to_string())))?;
            let whole = bytes.get(..usize::try_from(*end).unwrap_or(usize::MAX));
            let mut rest = whole.ok_or_else(|| fault(FaultKind::CutShort))?;
            while !rest.is_empty() {
                let (frame, len) = frame::decode(rest).map_err(fault)?;
                if frame.kind == Kind::Payload {
                    let payload = Envelope::decode(frame.bytes).map_err(fault)?;
                    let _there = self.apart.remove(&(frame.log, payload.commitment));
                }
                rest = &rest[len..];
            }
        }
        Ok(())
    }
}
