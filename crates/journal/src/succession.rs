//! Another key for a log, or another origin: written to a journal that nobody has open.
//!
//! The next segment begins with it (format 3): every log's state, and behind those that get another key the note that
//! hands them over, signed by both keys. Then the new key signs the tree as it stands. A crash in between leaves a
//! checkpoint of the old key, which vouches for no more than it may; one of a name that is given up goes first, because
//! no log would be called so, and a log without a checkpoint is right.

use std::collections::BTreeMap;
use std::path::Path;

use kernel::ports::Signer;
use tlog::{Checkpoint, Succession, VerifierKey};

use crate::checkpoint::{NAME_RULE, checkpoint_dir, file_name, is_log_name};
use crate::disk::{Disk, Mode, RealDisk, replace};
use crate::error::Error;
use crate::group::head_with_keys;
use crate::recover::recover;
use crate::segment::{Segment, journal_dir};

/// Hands logs over from one key to the next; a new key with another name gives the log that name, and so another origin.
/// All of them change together, or none. A log that has the next key already stays as it is. Returns what was signed.
pub fn succeed(dir: &Path, changes: &[(&dyn Signer, &dyn Signer)]) -> Result<Vec<Succession>, Error> {
    succeed_on(&RealDisk, dir, changes)
}

pub(crate) fn succeed_on(
    disk: &dyn Disk,
    dir: &Path,
    changes: &[(&dyn Signer, &dyn Signer)],
) -> Result<Vec<Succession>, Error> {
    let _lock = disk.lock(dir, &journal_dir(dir).join(crate::lock::FILE))?;
    let mut found = recover(disk, dir)?;
    let mut notes = BTreeMap::new();
    let mut done = Vec::new();
    for (old, new) in changes {
        let (from, to) = (VerifierKey::of(*old).encode(), VerifierKey::of(*new).encode());
        if !is_log_name(new.name()) {
            return Err(Error::LogName { name: new.name().to_owned(), rule: NAME_RULE });
        }
        if found.state.logs.iter().any(|log| log.vkey == to) {
            continue;
        }
        let Some((number, log)) = (0_u32..).zip(&found.state.logs).find(|(_, log)| log.vkey == from) else {
            let kept = found.state.logs.iter().find(|log| log.name == old.name());
            let kept = kept.map(|log| log.vkey.clone()).unwrap_or_default();
            return Err(Error::KeyChanged { log: old.name().to_owned(), kept, given: from });
        };
        let taken = found.state.logs.iter().any(|log| log.name == new.name() && log.vkey != from);
        if taken {
            return Err(Error::LogName { name: new.name().to_owned(), rule: "another log has it already" });
        }
        // INVARIANT: both names are logs', so they can name keys.
        let note = Succession::sign(*old, *new, log.tree.size(), log.tree.root()).expect("names of logs");
        done.push(Succession::open(&note).expect("both keys signed it just now"));
        let _earlier = notes.insert(number, note);
    }
    if !notes.is_empty() {
        give_up(disk, dir, changes)?;
        found.state.epoch += 1;
        // A last segment that was never written to is the next one.
        let empty = found.segments.last().filter(|(_, len)| *len == 0).map(|(segment, _)| *segment);
        let next = Segment { first: found.state.frames, ordinal: found.segments.len() };
        let segment = empty.unwrap_or(next);
        let path = segment.path(dir);
        let file = disk.open(&path, Mode::Write).map_err(Error::io("begin", &path))?;
        let head = head_with_keys(&mut found.state, &notes);
        file.write_at(&head, 0).and_then(|()| file.sync()).map_err(Error::io("begin", &path))?;
        let place = journal_dir(dir);
        disk.sync_dir(&place).map_err(Error::io("flush", &place))?;
    }
    for (_, new) in changes {
        vouch(disk, dir, &found.state.logs, *new)?;
    }
    Ok(done)
}

/// Takes the checkpoints of names away that no log is going to have.
fn give_up(disk: &dyn Disk, dir: &Path, changes: &[(&dyn Signer, &dyn Signer)]) -> Result<(), Error> {
    let place = checkpoint_dir(dir);
    for (old, _) in changes.iter().filter(|(old, new)| old.name() != new.name()) {
        let former = place.join(file_name(old.name()));
        disk.remove(&former).map_err(Error::io("remove", &former))?;
    }
    disk.sync_dir(&place).map_err(Error::io("flush", &place))
}

/// The new key signs the tree as it stands.
fn vouch(disk: &dyn Disk, dir: &Path, logs: &[crate::scan::LogState], new: &dyn Signer) -> Result<(), Error> {
    let place = checkpoint_dir(dir);
    let path = place.join(file_name(new.name()));
    let vkey = VerifierKey::of(new).encode();
    // INVARIANT: every change was found among the logs, or was there already.
    let tree = logs.iter().find(|log| log.vkey == vkey).map(|log| &log.tree);
    let Some(tree) = tree.filter(|tree| tree.size() > 0) else { return Ok(()) };
    let checkpoint =
        Checkpoint::new(new.name(), tree.size(), tree.root()).expect("a log's name is a line of text");
    let note = tlog::sign(&checkpoint.encode(), new).expect("a log's name can name a key");
    disk.create_dir(&place).map_err(Error::io("make the directory", &place))?;
    replace(disk, &place, &file_name(new.name()), note.as_bytes())
        .map_err(Error::io("write the checkpoint", &path))
}
