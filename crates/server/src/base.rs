//! The base of a pruned journal: `base-SEQ` in the data directory, written before entries go, checked against the entry
//! that names its digest before views are made from it.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use journal::{Backend, LogId};
use kernel::digest::Digest;
use kernel::event::{Base, Entry, Event};
use sha2::{Digest as _, Sha256};
use views::Views;

const PREFIX: &str = "base-";
const DRAFT: &str = ".base-new";
/// Entries read at once while the entry that names the base is looked for.
const BATCH_MAX: usize = 4_096;
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Writes the base of a log that is to begin at entry `first`; durable on return.
pub(crate) fn write(data: &Path, views: &Views, first: u64) -> Result<Base> {
    let draft = data.join(DRAFT);
    let file = File::create(&draft).with_context(|| format!("`{}` cannot be made", draft.display()))?;
    let mut out = Hashing { out: BufWriter::new(file), hash: Sha256::new() };
    let applied = views.base(&mut out, first)?;
    let sha256 = Digest(out.hash.finalize().into());
    out.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&draft, path(data, applied))?;
    File::open(data)?.sync_all()?;
    Ok(Base { applied, sha256 })
}

/// Removes the bases before this one.
pub(crate) fn remove_older(data: &Path, than: u64) -> Result<()> {
    for applied in all(data)?.into_iter().filter(|applied| *applied < than) {
        fs::remove_file(path(data, applied))?;
    }
    Ok(())
}

/// Views of a log that was pruned, from the newest base that an entry vouches for.
pub(crate) fn restore(data: &Path, views: &Path, journal: &dyn Backend, log: LogId) -> Result<Views> {
    for applied in all(data)?.into_iter().rev() {
        let Some(base) = vouched(journal, log, applied)? else { continue };
        let path = path(data, applied);
        let mut hash = Hashing { out: io::sink(), hash: Sha256::new() };
        io::copy(&mut File::open(&path)?, &mut hash)?;
        if Digest(hash.hash.finalize().into()) != base.sha256 {
            bail!("`{}` is not the base that the journal names; restore it from a backup", path.display());
        }
        return Ok(Views::from_base(views, &mut BufReader::new(File::open(&path)?))?);
    }
    bail!("the journal was pruned, and `{}` has no base for it; restore it from a backup", data.display())
}

/// The base that an entry names, among those from this position on.
fn vouched(journal: &dyn Backend, log: LogId, applied: u64) -> Result<Option<Base>> {
    let mut next = applied;
    loop {
        let entries = journal.read(log, next, BATCH_MAX, BATCH_BYTES_MAX)?;
        let Some(last) = entries.last() else { return Ok(None) };
        next = last.seq + 1;
        let bases = entries.iter().filter_map(|stored| match Entry::decode(&stored.bytes).ok()?.event {
            Event::JournalPruned(pruned) => pruned.base,
            _ => None,
        });
        if let Some(base) = bases.into_iter().find(|base| base.applied == applied) {
            return Ok(Some(base));
        }
    }
}

fn path(data: &Path, applied: u64) -> PathBuf {
    data.join(format!("{PREFIX}{applied:016x}"))
}

/// By the entries that they hold, oldest first.
fn all(data: &Path) -> Result<Vec<u64>> {
    let mut found = vec![];
    for item in fs::read_dir(data)? {
        let name = item?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).filter(|text| text.len() == 16);
        found.extend(digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()));
    }
    found.sort_unstable();
    Ok(found)
}

struct Hashing<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
