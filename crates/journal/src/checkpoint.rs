//! The files of checkpoints (their form is `tlog`'s), and holding a journal against them.
//!
//! One file per log, replaced at once. What a checkpoint vouches for can never be cut: [`Anchors`] holds a journal
//! that is being read against them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tlog::{Checkpoint, Hash, NOTE_BYTES_MAX, Note, NoteError, VerifierKey, empty_root};

use crate::content::LogDefinition;
use crate::disk::{Disk, read_all};
use crate::error::{Fault, FaultKind};
use crate::scan::LogState;

/// The longest name of a log.
const NAME_LEN_MAX: usize = 200;
/// What a log's name must be.
pub(crate) const NAME_RULE: &str =
    "1 to 200 of A-Z, a-z, 0-9, `-`, `_`, `.`, `/`, beginning and ending with a letter or digit";

/// Whether a text can name a log: it goes into notes, messages and file names.
pub(crate) fn is_log_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=NAME_LEN_MAX).contains(&bytes.len())
        && [bytes.first(), bytes.last()].into_iter().flatten().all(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(byte))
}

/// Where checkpoints lie.
pub(crate) fn checkpoint_dir(dir: &Path) -> PathBuf {
    dir.join("checkpoints")
}

/// The file of a log. `~` stands in no name, so no two logs share a file.
pub(crate) fn file_name(log: &str) -> String {
    log.replace('/', "~")
}

/// A checkpoint that was found beside a journal.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) note: String,
    pub(crate) checkpoint: Checkpoint,
    file: String,
    /// The root that the journal itself has at that size.
    found: Option<Hash>,
}

impl Anchor {
    /// Whether the journal was seen to have the root that it vouches for.
    pub(crate) fn holds(&self) -> bool {
        self.found == Some(*self.checkpoint.root())
    }
}

/// All checkpoints of a data directory. They are told of every entry that goes by.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    by_name: BTreeMap<String, Anchor>,
    /// By log number: the size at which a root is wanted.
    wanted: Vec<Option<u64>>,
}

impl Anchors {
    /// Reads them. The signatures are checked by [`Anchors::settle`], when the keys are known.
    pub(crate) fn load(disk: &dyn Disk, dir: &Path) -> Result<Self, Fault> {
        let place = checkpoint_dir(dir);
        let fault =
            |file: &str, kind| Fault { file: file.to_owned(), offset: None, log: None, seq: None, kind };
        let mut names = disk
            .list(&place)
            .map_err(|error| fault("checkpoints", FaultKind::Unreadable(error.to_string())))?;
        names.sort();
        let mut anchors = Self::default();
        // A leading dot marks a draft that a crash left behind.
        for name in names.into_iter().filter(|name| !name.starts_with('.')) {
            let file = format!("checkpoints/{name}");
            let bytes = read_all(disk, &place.join(&name), NOTE_BYTES_MAX as u64)
                .map_err(|error| fault(&file, FaultKind::Unreadable(error.to_string())))?;
            let malformed = |why: &str| fault(&file, FaultKind::Note(why.to_owned()));
            let note = String::from_utf8(bytes).map_err(|_| malformed("it is not text"))?;
            let checkpoint = Note::parse(&note)
                .map_err(|error| malformed(&error.to_string()))
                .and_then(|note| Checkpoint::claimed(&note).map_err(|error| malformed(&error.to_string())))?;
            if file_name(checkpoint.origin()) != name {
                return Err(malformed("its origin is not the log of its file"));
            }
            let found = (checkpoint.size() == 0).then(empty_root);
            let _earlier = anchors
                .by_name
                .insert(checkpoint.origin().to_owned(), Anchor { note, checkpoint, file, found });
        }
        Ok(anchors)
    }

    pub(crate) fn get(&self, log: &str) -> Option<&Anchor> {
        self.by_name.get(log)
    }

    /// The logs that have one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Takes out those of logs that are not among these, and names them.
    pub(crate) fn take_others(&mut self, logs: &[LogState]) -> Vec<String> {
        let others = self.by_name.extract_if(.., |name, _| logs.iter().all(|log| log.name != *name));
        others.map(|(name, _)| name).collect()
    }

    /// Logs are numbered in the order in which they are defined.
    pub(crate) fn defined(&mut self, log: &LogState) {
        let wanted = self.want(log);
        self.wanted.push(wanted);
    }

    fn want(&mut self, log: &LogState) -> Option<u64> {
        let anchor = self.by_name.get_mut(&log.name)?;
        // Where reading begins in the middle, the log may stand just there.
        if anchor.checkpoint.size() == log.tree.size() {
            anchor.found = Some(log.tree.root());
        }
        Some(anchor.checkpoint.size())
    }

    /// A log has another key. One with another name has another origin, and checkpoints of its own.
    pub(crate) fn succeeded(&mut self, number: u32, log: &LogState) {
        let wanted = self.want(log);
        if let Some(slot) = self.wanted.get_mut(number as usize) {
            *slot = wanted;
        }
    }

    /// Forgets the logs from `count` on, which are going to be defined again.
    pub(crate) fn forget(&mut self, count: usize) {
        self.wanted.truncate(count);
    }

    /// Whether reading may begin at the head of a segment: what it says about every log that has a checkpoint will be
    /// proved by that checkpoint, which vouches for no less.
    pub(crate) fn prove(&self, logs: &[LogDefinition]) -> bool {
        logs.iter().all(|log| {
            self.by_name.get(&log.name).is_none_or(|anchor| anchor.checkpoint.size() >= log.tree.size())
        })
    }

    /// Called after each entry.
    pub(crate) fn passed(&mut self, number: u32, log: &LogState) {
        if self.wanted.get(number as usize) == Some(&Some(log.tree.size()))
            && let Some(anchor) = self.by_name.get_mut(&log.name)
        {
            anchor.found = Some(log.tree.root());
        }
    }

    /// The first log that has fewer entries than its checkpoint vouches for.
    pub(crate) fn shorter(&self, logs: &[LogState]) -> Option<Fault> {
        self.by_name.values().find_map(|anchor| {
            let log = logs.iter().find(|log| log.name == anchor.checkpoint.origin());
            let size = log.map_or(0, |log| log.tree.size());
            (size < anchor.checkpoint.size()).then(|| Fault {
                file: anchor.file.clone(),
                offset: None,
                log: Some(anchor.checkpoint.origin().to_owned()),
                seq: Some(size),
                kind: FaultKind::Shorter { size, checkpoint: anchor.checkpoint.size() },
            })
        })
    }

    /// Holds the whole journal against all checkpoints: signatures, sizes, roots.
    pub(crate) fn settle(&self, logs: &[LogState]) -> Result<(), Fault> {
        if let Some(fault) = self.shorter(logs) {
            return Err(fault);
        }
        for anchor in self.by_name.values() {
            let name = anchor.checkpoint.origin();
            let fault = |kind| Fault {
                file: anchor.file.clone(),
                offset: None,
                log: Some(name.to_owned()),
                seq: None,
                kind,
            };
            let Some(log) = logs.iter().find(|log| log.name == name) else {
                return Err(fault(FaultKind::MissingLog));
            };
            let key =
                VerifierKey::parse(&log.vkey).ok_or_else(|| fault(FaultKind::Signature(log.vkey.clone())))?;
            // A key that was succeeded vouches for the trees until then.
            let size = anchor.checkpoint.size();
            let former = log.former.iter().filter(|next| size <= next.size).map(|next| &next.old);
            let mut signed = Err(NoteError::Signature);
            for key in std::iter::once(&key).chain(former) {
                signed = key.open(&anchor.note).map(|_| ());
                if signed != Err(NoteError::Signature) {
                    break;
                }
            }
            match signed {
                Ok(()) => {}
                Err(NoteError::Form(why)) => return Err(fault(FaultKind::Note(why.to_owned()))),
                Err(NoteError::Signature) => return Err(fault(FaultKind::Signature(log.vkey.clone()))),
            }
            if !anchor.holds() {
                return Err(fault(FaultKind::CheckpointRoot(anchor.checkpoint.size())));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_folder_are_not_names() {
        assert!(is_log_name("countersign.example/workspace/shop"));
        for bad in [
            "",
            ".",
            "..",
            "/etc",
            "a/",
            "a b",
            "a+b",
            "a~b",
            "a\nb",
            "é",
            &"a".repeat(201),
            "-a",
            "a\\b",
            "a\0",
        ] {
            assert!(!is_log_name(bad), "{bad:?}");
        }
    }
}
