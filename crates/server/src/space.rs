//! Room on the disk: what the data directory takes, its quota, and what is free.
//!
//! New work stops at the quota, and before the disk is full: an append that finds no room fails what was decided, a
//! request that is refused before it is decided costs nobody anything. Answers to open work go on in both cases.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::refusal::Refusal;

use crate::app::App;

/// How often the directory is measured: a busy journal grows by some megabytes in that time.
const EVERY: Duration = Duration::from_secs(5);
/// With less than this free no new work is taken: two segments.
const FREE_BYTES_MIN: u64 = 128 << 20;
/// The share of the quota from which on somebody should look, in percent.
const WARN_PERCENT: u64 = 80;
/// Directories lie no deeper than this in a data directory.
const DEPTH_MAX: usize = 8;

/// What was measured last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Bytes of the data directory on disk.
    pub(crate) used: u64,
    /// Bytes free on its file system, where it says so.
    pub(crate) free: Option<u64>,
}

/// The bounds of a data directory.
#[derive(Debug)]
pub(crate) struct Space {
    data: PathBuf,
    pub(crate) quota: Option<u64>,
    pub(crate) low: u64,
    seen: Mutex<Seen>,
}

impl Space {
    pub(crate) fn new(data: PathBuf, quota: Option<u64>, low: u64) -> Self {
        let space = Self { data, quota, low, seen: Mutex::default() };
        space.measure();
        space
    }

    /// Measures again.
    pub(crate) fn measure(&self) -> Seen {
        let free = rustix::fs::statvfs(&self.data).ok().map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        let seen = Seen { used: bytes_on_disk(&self.data, DEPTH_MAX), free };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        seen
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why no new work is taken, where that is so.
    pub(crate) fn stop(&self) -> Option<Refusal> {
        let Seen { used, free } = self.seen();
        match (self.quota, free) {
            (_, Some(free)) if free < FREE_BYTES_MIN.min(self.low) => Some(Refusal::DiskFull { free }),
            (Some(quota), _) if used >= quota => Some(Refusal::QuotaExceeded { used, quota }),
            _ => None,
        }
    }

    /// What somebody should look at while work goes on.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let Seen { used, free } = self.seen();
        let mut out = vec![];
        if let Some(quota) = self.quota.filter(|quota| used < *quota)
            && used >= quota / 100 * WARN_PERCENT
        {
            out.push(format!(
                "The workspace keeps {used} of {quota} bytes; at its quota it takes no new proposals. Raise \
                 `serve --quota`, or keep less (docs/guide/sizing.md)."
            ));
        }
        if let Some(free) = free.filter(|free| *free < self.low) {
            out.push(format!("Only {free} bytes are free on the disk. Make room before it is full."));
        }
        out
    }
}

/// Bytes of the blocks of all files. What cannot be read counts nothing: files come and go while this looks.
fn bytes_on_disk(path: &Path, depth: usize) -> u64 {
    let Ok(items) = fs::read_dir(path) else { return 0 };
    let bytes = items.filter_map(Result::ok).map(|item| match fs::symlink_metadata(item.path()) {
        Ok(meta) if meta.is_dir() && depth > 0 => bytes_on_disk(&item.path(), depth - 1),
        Ok(meta) => meta.blocks().saturating_mul(512),
        Err(_) => 0,
    });
    bytes.sum()
}

/// Measures until the server stops.
pub(crate) async fn watch(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let measured = app.clone();
        drop(tokio::task::spawn_blocking(move || measured.look_at_space()).await);
    }
}

impl App {
    /// Measures the disk, and stops or resumes taking new work.
    pub(crate) fn look_at_space(&self) {
        let before = self.space.stop();
        self.space.measure();
        let stop = self.space.stop();
        if stop.is_some() != before.is_some() {
            if let Some(why) = &stop {
                tracing::warn!(%why, "no new work is taken");
            } else {
                tracing::info!("there is room again: new work is taken");
            }
        }
        self.engine.set_no_intake(stop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(used: u64, free: u64, quota: Option<u64>, low: u64) -> (Option<&'static str>, usize) {
        let space = Space { data: PathBuf::new(), quota, low, seen: Mutex::default() };
        *space.seen.lock().unwrap() = Seen { used, free: Some(free) };
        (space.stop().map(|why| why.code()), space.warnings().len())
    }

    #[test]
    fn quota_and_free_space_warn_before_they_stop() {
        const GIB: u64 = 1 << 30;
        for (used, free, wanted) in [
            (0, 9 * GIB, (None, 0)),
            (79, 9 * GIB, (None, 0)),
            (80, 9 * GIB, (None, 1)),
            (99, 9 * GIB, (None, 1)),
            (100, 9 * GIB, (Some("quota_exceeded"), 0)),
            (100, GIB - 1, (Some("quota_exceeded"), 1)),
            (10, GIB - 1, (None, 1)),
            (10, FREE_BYTES_MIN, (None, 1)),
            (10, FREE_BYTES_MIN - 1, (Some("disk_full"), 1)),
            (100, 0, (Some("disk_full"), 1)),
        ] {
            assert_eq!(told(used * GIB, free, Some(100 * GIB), GIB), wanted, "{used} {free}");
        }
        assert_eq!(told(u64::MAX, 9 * GIB, None, GIB), (None, 0));
        assert_eq!(told(0, 0, None, 0), (None, 0), "an operator may switch the alarm off");
    }

    #[test]
    fn directories_are_added_up() {
        let dir = tempfile::tempdir().unwrap();
        let before = bytes_on_disk(dir.path(), DEPTH_MAX);
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        for name in ["x", "a/y", "a/b/z"] {
            fs::write(dir.path().join(name), [1; 10_000]).unwrap();
        }
        assert!(bytes_on_disk(dir.path(), DEPTH_MAX) >= before + 30_000);
        assert_eq!(bytes_on_disk(&dir.path().join("nothing"), DEPTH_MAX), 0);
    }
}
