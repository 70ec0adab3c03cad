//! A disk probe: what one flush costs here and now, with nothing of ours in the way.
//!
//! Figures of a journal mean little without the disk's own, taken in the same minutes: interleave [`Probe::step`] with
//! whatever is measured. Two ways of writing, because file systems treat them differently: growing a file, and writing
//! into one whose blocks are there already.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk as _, File, Mode, RealDisk};
use crate::error::Error;
use crate::stopwatch::Stopwatch;

/// Bytes of one write.
const WRITE: usize = 4_096;
/// Writes after which a file begins again: the probe takes 32 MiB at most.
const WRITES_A_FILE: u64 = 4_096;
/// Samples kept; later ones are only counted. An hour of flushes at their fastest.
const SAMPLES_MAX: usize = 1 << 24;

/// What was measured in one way of writing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Flushes.
    pub flushes: u64,
    /// Half took no longer.
    pub p50_micros: u64,
    /// 99 of 100 took no longer.
    pub p99_micros: u64,
    /// None took longer.
    pub max_micros: u64,
    /// One after the other.
    pub flushes_per_second: f64,
}

/// What a probe measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Probed {
    /// Each write makes the file longer.
    pub growing: Rate,
    /// Each write replaces bytes that are there.
    pub preallocated: Rate,
}

/// A probe under way. Its files go when it goes.
#[derive(Debug)]
pub struct Probe {
    growing: Way,
    preallocated: Way,
}

#[derive(Debug)]
struct Way {
    path: PathBuf,
    file: Arc<dyn File>,
    preallocated: bool,
    writes: u64,
    micros: Vec<u32>,
}

impl Probe {
    /// Makes the files of a probe in a directory, which is made where it is not there.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        RealDisk.create_dir(dir).map_err(Error::io("make the directory", dir))?;
        Ok(Self { growing: Way::open(dir, false)?, preallocated: Way::open(dir, true)? })
    }

    /// Flushes `count` times in each way, taking turns.
    pub fn step(&mut self, count: u64) -> Result<(), Error> {
        for _ in 0..count {
            self.growing.flush()?;
            self.preallocated.flush()?;
        }
        Ok(())
    }

    /// What was measured so far.
    pub fn report(&self) -> Probed {
        Probed { growing: self.growing.rate(), preallocated: self.preallocated.rate() }
    }
}

impl Way {
    fn open(dir: &Path, preallocated: bool) -> Result<Self, Error> {
        let path = dir.join(format!(
            ".probe-{}-{}",
            std::process::id(),
            if preallocated { "fixed" } else { "growing" }
        ));
        let io = || Error::io("probe", &path);
        let file = RealDisk.open(&path, Mode::Write).map_err(io())?;
        if preallocated {
            // Real zeros: reserved blocks would still be turned into written ones at the first write.
            let zeros = vec![0; WRITE * 64];
            for part in 0..WRITES_A_FILE / 64 {
                file.write_at(&zeros, part * zeros.len() as u64).map_err(io())?;
            }
        } else {
            file.truncate(0).map_err(io())?;
        }
        file.sync().map_err(io())?;
        Ok(Self { path, file, preallocated, writes: 0, micros: Vec::new() })
    }

    fn flush(&mut self) -> Result<(), Error> {
        let slot = self.writes % WRITES_A_FILE;
        if slot == 0 && self.writes > 0 && !self.preallocated {
            self.file.truncate(0).and_then(|()| self.file.sync()).map_err(Error::io("probe", &self.path))?;
        }
        let bytes = [self.writes.to_le_bytes()[0] | 1; WRITE];
        let watch = Stopwatch::start();
        let wrote = self.file.write_at(&bytes, slot * WRITE as u64).and_then(|()| self.file.sync());
        let micros = u32::try_from(watch.micros()).unwrap_or(u32::MAX);
        wrote.map_err(Error::io("probe", &self.path))?;
        self.writes += 1;
        if self.micros.len() < SAMPLES_MAX {
            self.micros.push(micros);
        }
        Ok(())
    }

    fn rate(&self) -> Rate {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let quantile = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().map_or(0, u64::from)
        };
        let total: u64 = sorted.iter().copied().map(u64::from).sum();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let flushes_per_second = if total == 0 { 0.0 } else { sorted.len() as f64 * 1e6 / total as f64 };
        Rate {
            flushes: self.writes,
            p50_micros: quantile(50),
            p99_micros: quantile(99),
            max_micros: quantile(100),
            flushes_per_second,
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        // A file left behind is a nuisance, not an error.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Flushes `count` times in each way and reports.
pub fn probe(dir: &Path, count: u64) -> Result<Probed, Error> {
    let mut probe = Probe::open(dir)?;
    probe.step(count)?;
    Ok(probe.report())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_measures_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let probed = probe(dir.path(), 3).unwrap();
        for rate in [probed.growing, probed.preallocated] {
            assert_eq!(rate.flushes, 3);
            assert!(rate.p50_micros <= rate.p99_micros && rate.p99_micros <= rate.max_micros);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
