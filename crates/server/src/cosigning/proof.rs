//! That a checkpoint continues an earlier one, from the kept hashes of the log's tree: a few reads, however long the log
//! is, and whatever of its entries was pruned.

use anyhow::{Context as _, Result, bail};
use journal::{Backend, Hashes, LogId};
use tlog::{Checkpoint, Hash, consistency, root, verify_consistency};

/// The consistency proof from the first `old` entries of a log to a checkpoint of it.
///
/// It is checked before it leaves the house: a witness takes a proof that does not hold for another history, and that is an
/// alarm.
pub(crate) fn continues(
    hashes: &Hashes,
    journal: &dyn Backend,
    log: LogId,
    old: u64,
    checkpoint: &Checkpoint,
) -> Result<Vec<Hash>> {
    let new = checkpoint.size();
    if old == 0 || old == new {
        return Ok(vec![]);
    }
    hashes.extend(journal, log, new, &mut |_, _| {})?;
    let proof = consistency(hashes, old, new).context("there is no proof for it")?;
    let before = root(hashes, old).context("there is no proof for it")?;
    if !verify_consistency(old, &before, new, checkpoint.root(), &proof) {
        bail!("the hashes in `tiles` are damaged: stop the server, remove the folder, start it again");
    }
    Ok(proof)
}
