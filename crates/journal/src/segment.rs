//! Segment files: names and places on disk.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, read_into};

/// No segment file is larger: one batch may exceed the size at which segments roll over, but not by more than itself.
pub(crate) const SEGMENT_BYTES_LIMIT: u64 = 2 << 30;

/// Where the parts of a journal lie within a data directory.
pub(crate) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

/// A segment, named by the number of its first frame: sixteen hexadecimal digits, so that names sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// Number of its first frame, counted through all segments.
    pub(crate) first: u64,
    /// Its place among the segments.
    pub(crate) ordinal: usize,
}

impl Segment {
    pub(crate) fn name(self) -> String {
        format!("{:016x}.seg", self.first)
    }

    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        journal_dir(dir).join(self.name())
    }

    /// As messages call it.
    pub(crate) fn label(self) -> String {
        format!("journal/{}", self.name())
    }

    /// Reads the whole file.
    pub(crate) fn read(self, disk: &dyn Disk, dir: &Path, bytes: &mut Vec<u8>) -> io::Result<()> {
        read_into(disk, &self.path(dir), SEGMENT_BYTES_LIMIT, bytes)
    }
}

/// All segments of a data directory, in order.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<Segment>> {
    let names = disk.list(&journal_dir(dir))?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| parse(name)).collect();
    firsts.sort_unstable();
    Ok(firsts.into_iter().enumerate().map(|(ordinal, first)| Segment { first, ordinal }).collect())
}

fn parse(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 16)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}
