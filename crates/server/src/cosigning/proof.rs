//! That a checkpoint continues an earlier one, made from the entries between them.
//!
//! Kept are the right edges of the trees that were shown lately: a round reads what is new and no more. What a witness saw
//! before this start is read once.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use journal::{Backend, LogId};
use tlog::{Extend, Hash, Tree, leaf_hash};

/// Entries and bytes that are read at once.
const READ: (usize, usize) = (4_096, 8 << 20);
/// Trees that are kept: one for each witness that is somewhere else, and the last.
const TREES_MAX: usize = 64;

/// Trees of one log, by size.
#[derive(Debug, Default)]
pub(crate) struct Trees(BTreeMap<u64, Tree>);

impl Trees {
    /// The consistency proof between two sizes of a log, both durable.
    pub(crate) fn consistency(
        &mut self,
        journal: &dyn Backend,
        log: LogId,
        old: u64,
        new: u64,
    ) -> Result<Vec<Hash>> {
        if old == 0 || old == new {
            return Ok(vec![]);
        }
        let mut tree = self.tree(journal, log, old)?;
        let mut proof = Extend::new(&tree, new).ok_or_else(|| anyhow!("the log has not shrunk"))?;
        read(journal, log, old, new, |seq, entry| {
            proof.pass(seq, entry);
            tree.push(leaf_hash(entry));
        })?;
        self.keep(tree);
        Ok(proof.finish())
    }

    /// The tree of the first `size` entries, from the nearest one that is kept.
    fn tree(&mut self, journal: &dyn Backend, log: LogId, size: u64) -> Result<Tree> {
        let mut tree = self.0.range(..=size).next_back().map(|(_, tree)| tree.clone()).unwrap_or_default();
        read(journal, log, tree.size(), size, |_, entry| tree.push(leaf_hash(entry)))?;
        self.keep(tree.clone());
        Ok(tree)
    }

    fn keep(&mut self, tree: Tree) {
        drop(self.0.insert(tree.size(), tree));
        if self.0.len() > TREES_MAX {
            drop(self.0.pop_first());
        }
    }
}

/// Reads entries in order: all of them, or an error.
fn read(
    journal: &dyn Backend,
    log: LogId,
    from: u64,
    to: u64,
    mut pass: impl FnMut(u64, &[u8]),
) -> Result<()> {
    let mut next = from;
    while next < to {
        let left = usize::try_from(to - next).unwrap_or(usize::MAX);
        let entries = journal.read(log, next, READ.0.min(left), READ.1)?;
        if entries.is_empty() {
            return Err(anyhow!("entry {next} of {to} cannot be read"));
        }
        for entry in &entries {
            pass(entry.seq, &entry.bytes);
            next += 1;
        }
    }
    Ok(())
}
