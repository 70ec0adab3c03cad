//! Whether this program understands what a data directory holds, found out before a byte of it changes.
//!
//! `understood.json` says how far a program has read each log, and which kinds of entries it knows. A program that knows all
//! of them reads on from there; another one, and one without the file, looks at every entry once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use journal::{Error, FaultKind, Journal, LogId};
use kernel::event::Entry;
use kernel::kinds::kinds;
use kernel::origin;
use serde::{Deserialize, Serialize};

use crate::offline::replace;

const FILE: &str = "understood.json";
/// Of entries: what `Entry::decode` reads.
const ENTRY_FORMAT: u32 = 1;

/// What is there was written by a newer version. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Unfit {
    /// Stable; described in `docs/guide/cli.md`.
    pub code: &'static str,
    /// What is wrong.
    message: String,
}

impl Unfit {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        "start the version that wrote it, or a newer one; or restore the backup from before the upgrade \
         (docs/guide/operations.md)"
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Understood {
    entry_format: u32,
    kinds: BTreeSet<String>,
    /// By the name under which a log began.
    entries: BTreeMap<String, u64>,
}

impl Understood {
    /// What is no file of ours, or cannot be read, says nothing.
    fn read(data: &Path) -> Self {
        let text = std::fs::read(data.join(FILE)).unwrap_or_default();
        let read: Self = serde_json::from_slice(&text).unwrap_or_default();
        let known: BTreeSet<&str> = kinds().iter().copied().collect();
        let mine = read.entry_format <= ENTRY_FORMAT && read.kinds.iter().all(|kind| known.contains(&**kind));
        if mine { read } else { Self::default() }
    }
}

/// Looks at what is there, and writes nothing.
pub(crate) fn check(data: &Path) -> Result<()> {
    let understood = Understood::read(data);
    let from = |log: &str| understood.entries.get(origin::base(log)).copied().unwrap_or(0);
    let mut wrong = None;
    let mut each = |log: &str, seq: u64, bytes: &[u8]| {
        if wrong.is_none()
            && let Err(cause) = Entry::decode(bytes)
        {
            wrong = Some(unknown(log, seq, bytes, &cause));
        }
    };
    match journal::peek(data, &from, &mut each) {
        Ok(()) => {}
        Err(Error::Damaged(fault)) if matches!(fault.kind, FaultKind::NewerFormat { .. }) => {
            let message = format!("a newer version wrote the journal, nothing was changed: {fault}");
            return Err(Unfit { code: "journal_newer", message }.into());
        }
        Err(error) => return Err(error.into()),
    }
    match wrong {
        Some(wrong) => Err(wrong.into()),
        None => Ok(()),
    }
}

fn unknown(log: &str, seq: u64, bytes: &[u8], cause: &str) -> Unfit {
    #[derive(Deserialize)]
    struct Named {
        kind: String,
    }
    let named = serde_json::from_slice::<Named>(bytes).ok().filter(|named| !kinds().contains(&&*named.kind));
    let why = match named {
        Some(Named { kind }) => format!("its kind `{}` is not known", kind.escape_debug()),
        None => cause.to_owned(),
    };
    let message = format!("a newer version wrote entry {seq} of the log `{log}`, nothing was changed: {why}");
    Unfit { code: "entry_unknown", message }
}

/// Writes down how far this program has read.
pub(crate) fn note(data: &Path, journal: &dyn Journal, logs: &[(LogId, &str)]) -> Result<()> {
    let entries = logs.iter().map(|(id, name)| (origin::base(name).to_owned(), journal.head(*id).size));
    let kinds = kinds().iter().map(|kind| (*kind).to_owned()).collect();
    let now = Understood { entry_format: ENTRY_FORMAT, kinds, entries: entries.collect() };
    let text = serde_json::to_string(&now).context("names and numbers are JSON")?;
    replace(&data.join(FILE), &format!("{text}\n"))
}
