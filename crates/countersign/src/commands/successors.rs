//! From a key of a log that is trusted to the one that signs it now, by what the log itself holds: entries in which each
//! key signed the next one, for a tree that the log still continues.

use kernel::event::{Entry, Event};
use tlog::{Policy, Succession, TILE_WIDTH, TileSource, VerifiedTiles, consistency, verify_consistency};

/// Looks through the entries from `start` on. Returns the policy with all keys that follow from its own, and how.
///
/// The tiles need not be trusted yet: what both keys signed holds whoever shows it, and the tree that they signed must be
/// the beginning of this one.
pub(super) fn follow<S: TileSource>(
    tiles: &VerifiedTiles<S>,
    root: &tlog::Hash,
    mut policy: Policy,
    start: u64,
) -> (Policy, Vec<Succession>) {
    let mut changes = Vec::new();
    for bundle in start / TILE_WIDTH..tiles.size().div_ceil(TILE_WIDTH) {
        // Entries that were pruned cannot be followed through; later ones may do.
        let Ok(entries) = tiles.entries(bundle) else { continue };
        for bytes in entries {
            let Ok(Entry { seq, event, .. }) = Entry::decode(&bytes) else { continue };
            let (Event::LogRekeyed { succession } | Event::LogContinued { succession, .. }) = event else {
                continue;
            };
            let Ok(change) = Succession::open(&succession) else { continue };
            if seq != change.size || !policy.logs().contains(&change.old) {
                continue;
            }
            let continues = change.size == 0
                || consistency(tiles, change.size, tiles.size()).is_ok_and(|path| {
                    verify_consistency(change.size, &change.root, tiles.size(), root, &path)
                });
            if continues {
                policy = policy.with_log(change.new.clone());
                changes.push(change);
            }
        }
    }
    (policy, changes)
}
