//! Views made anew from the journal, offline: the proof that they hold nothing of their own.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use journal::{FileJournal, Journal as _, LogId};
use sha2::{Digest as _, Sha256};
use views::Views;

use crate::base;
use crate::logs::PLATFORM_LOG;
use crate::server::{VIEWS_FILE, first_entry};

/// Entries taken in at once.
const BATCH_MAX: usize = 4_096;
/// Bytes taken in at once.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// What a rebuild found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries in the log.
    pub entries: u64,
    /// Whether the rows are the same as before; `None` where there were none to compare with, or not all of them.
    pub identical: Option<bool>,
    /// Digest of the sorted dump before.
    pub before: Option<String>,
    /// Digest of the sorted dump after.
    pub after: String,
}

/// Rebuilds the views of a data directory on which no server runs.
pub fn rebuild(data: &Path) -> Result<Rebuilt> {
    let verified = journal::verify(data, &mut |_| {}).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    // A journal numbers its logs in the order in which they were defined.
    let place = verified.logs.iter().position(|log| kernel::origin::base(&log.name) != PLATFORM_LOG);
    let id = place.and_then(|place| u32::try_from(place).ok()).map(LogId);
    let Some(id) = id else { bail!("`{}` holds no workspace log yet", data.display()) };
    let (journal, _) = FileJournal::open(data, journal::Options::default())
        .context("the journal cannot be opened; stop the server first")?;
    let size = journal.head(id).size;
    let path = data.join(VIEWS_FILE);
    let before = if path.exists() {
        let (views, opened) = Views::open(&path, size)?;
        if opened.wiped.is_none() { Some((views.applied(), digest(&views)?)) } else { None }
    } else {
        None
    };
    for end in ["", "-wal", "-shm"] {
        let file = data.join(format!("{VIEWS_FILE}{end}"));
        if file.exists() {
            std::fs::remove_file(&file).with_context(|| format!("`{}` cannot be removed", file.display()))?;
        }
    }
    let views = if first_entry(&journal, id)? > 0 {
        base::restore(data, &path, &journal, id)?
    } else {
        Views::open(&path, size)?.0
    };
    while views.applied() < size {
        let entries = journal.read(id, views.applied(), BATCH_MAX, BATCH_BYTES_MAX)?;
        if entries.is_empty() {
            bail!("the journal gave no entry {}, though it holds {size}", views.applied());
        }
        views.follow(&entries)?;
    }
    let after = digest(&views)?;
    // Views that lagged when the server stopped are shorter, not wrong.
    let identical =
        before.as_ref().filter(|(applied, _)| *applied == size).map(|(_, digest)| *digest == after);
    Ok(Rebuilt { entries: size, identical, before: before.map(|(_, digest)| digest), after })
}

fn digest(views: &Views) -> Result<String> {
    let mut hash = Hashing(Sha256::new());
    views.dump(&mut hash)?;
    Ok(hex::encode(hash.0.finalize()))
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
