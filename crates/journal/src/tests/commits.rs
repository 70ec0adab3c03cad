//! Which commitments have a payload is told rightly, however little is remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::memory::{DIR, Memory};
use super::recorder::Chance;
use super::world::{PLATFORM, SHOP, append, define, entry, options};
use crate::commits::Commits;
use crate::verify::walk;
use crate::{Backend as _, Options, VerifiedLog};

const ENTRIES: u64 = 150;

fn verify(disk: &Memory, commits: Commits) -> Vec<VerifiedLog> {
    walk(disk, Path::new(DIR), &BTreeMap::new(), commits, &mut (), &mut |_| {}).unwrap().logs
}

/// Entries of two logs that commit to three payloads each: one that stands beside them, and two that were stored before,
/// lately or long ago, or never, of which there are `gone`. Returns how many of each log are nowhere.
fn fill(disk: &Memory, gone: usize) -> [u64; 2] {
    let (journal, _) = disk.open_with(Options { segment_bytes: 4_000, ..options() }).unwrap();
    let logs = [SHOP, PLATFORM].map(|name| (define(&journal, name), name));
    let mut chance = Chance(5);
    let mut nowhere = [BTreeSet::new(), BTreeSet::new()];
    let mut names = Vec::new();
    for seq in 0..ENTRIES {
        for (number, (log, name)) in logs.into_iter().enumerate() {
            // Payloads of the other log do not count.
            let own = format!("{number}-{seq}");
            let mut texts = BTreeSet::from([own.clone()]);
            texts.insert(format!("{number}-{}", seq.saturating_sub(chance.below(3) as u64)));
            texts.insert(format!("{number}-{}", chance.below(usize::try_from(seq).unwrap() + 1)));
            if chance.coin() {
                let text = format!("{}-gone-{}", 1 - number, chance.below(gone));
                nowhere[number].insert(text.clone());
                texts.insert(text);
            }
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut entry = entry(log, name, seq, &texts);
            let place = texts.iter().position(|text| *text == own).unwrap();
            entry.payloads = vec![entry.payloads.swap_remove(place)];
            names.push(entry);
        }
        append(&journal, std::mem::take(&mut names)).unwrap();
    }
    journal.close().unwrap();
    nowhere.map(|texts| texts.len() as u64)
}

#[test]
fn what_is_missing_is_counted_once_however_little_is_remembered() {
    let disk = Memory::default();
    let nowhere = fill(&disk, 4);
    for commits in [Commits::default(), Commits::new(1, 20), Commits::new(10, 20), Commits::new(1_000, 20)] {
        let logs = verify(&disk, commits);
        for log in 0..2 {
            assert_eq!((logs[log].payloads, logs[log].payloads_missing), (ENTRIES, nowhere[log]));
        }
    }
}

#[test]
fn more_than_is_remembered_is_counted_at_least_once() {
    let disk = Memory::default();
    let nowhere = fill(&disk, 1_000);
    let logs = verify(&disk, Commits::new(1, 10));
    for log in 0..2 {
        assert!((nowhere[log]..=ENTRIES).contains(&logs[log].payloads_missing), "{logs:?} {nowhere:?}");
    }
    let exact = verify(&disk, Commits::default());
    assert_eq!([0, 1].map(|log| exact[log].payloads_missing), nowhere);
}
