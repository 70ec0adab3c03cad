//! A pack, part by part: checkpoint, entries, payloads, bundles; then what the entries say, and the decisions again.
//!
//! INVARIANT: only what was proved by the part before is used by the next. An entry whose proof fails is no entry, a
//! payload that does not give its commitment is no payload.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kernel::digest::Digest;
use kernel::event::Entry;
use kernel::judge::Judge as _;
use kernel::origin;
use policy::Bundle;
use tlog::{Policy, Receipt, VerifierKey};

use crate::pack::{Pack, PackedBundle};
use crate::report::Report;
use crate::{again, story};

/// What a pack has proved so far.
#[derive(Debug)]
pub(crate) struct Proved {
    /// Entries that are in the log.
    pub(crate) entries: Vec<Entry>,
    /// Payloads that give their commitments.
    pub(crate) payloads: BTreeMap<Digest, Vec<u8>>,
    /// Bundles that have their addresses and compile.
    pub(crate) bundles: BTreeMap<Digest, Arc<Bundle>>,
}

/// Checks a pack. With a policy, the checkpoint must be one that it trusts; without, the pack's own key is taken.
pub fn check(pack: &Pack, policy: Option<&Policy>) -> Report {
    let mut report = Report::default();
    let Some(policy) = checkpoint(pack, policy, &mut report) else { return report };
    let entries = entries(pack, &policy, &mut report);
    let payloads = payloads(pack, &entries, &mut report);
    let bundles = bundles(pack, &entries, &mut report);
    let proved = Proved { entries, payloads, bundles };
    let proposal = story::check(&proved, &mut report);
    again::check(&proved, proposal.as_ref(), &mut report);
    report
}

/// The policy to hold receipts against.
fn checkpoint(pack: &Pack, given: Option<&Policy>, report: &mut Report) -> Option<Policy> {
    let part = "checkpoint";
    let own = || VerifierKey::parse(&pack.verifier_key).map(Policy::of_log);
    let Some(policy) = given.cloned().or_else(own) else {
        report.failed(part, "the pack's verifier key is not a key");
        return None;
    };
    let trusted = match policy.check(&pack.checkpoint) {
        Ok(trusted) => trusted,
        Err(why) => {
            report.failed(part, why.to_string());
            return None;
        }
    };
    let found = &trusted.checkpoint;
    if found.origin() != pack.log {
        report.failed(part, format!("it is of the log `{}`, the pack of `{}`", found.origin(), pack.log));
        return None;
    }
    let seen: Vec<String> =
        trusted.seen_by.iter().map(|(witness, _)| format!(", seen by `{witness}`")).collect();
    let size = found.size();
    report.proved(part, format!("{size} entries of `{}`, signed by its key{}", pack.log, seen.concat()));
    if given.is_none() {
        report.open(
            part,
            "the log's key is the pack's own word: hold it against a key that you know (--policy)",
        );
    }
    Some(policy)
}

fn entries(pack: &Pack, policy: &Policy, report: &mut Report) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    if pack.entries.is_empty() {
        report.failed("entries", "the pack has none");
    }
    for (at, packed) in pack.entries.iter().enumerate() {
        let part = format!("entry {at}");
        match entry(pack, policy, &packed.entry, &packed.proof) {
            Ok(entry) if found.last().is_some_and(|before| before.seq >= entry.seq) => {
                report.failed(&part, "it stands before the one in front of it in the log");
            }
            Ok(entry) => {
                report.proved(&part, format!("`{}` is entry {} of the log", entry.event.kind(), entry.seq));
                found.push(entry);
            }
            Err(why) => report.failed(&part, why),
        }
    }
    found
}

fn entry(pack: &Pack, policy: &Policy, text: &str, proof: &str) -> Result<Entry, String> {
    let receipt = Receipt::parse(proof).map_err(|why| format!("its proof cannot be read: {why}"))?;
    if receipt.note() != pack.checkpoint {
        return Err("its proof is against another checkpoint than the pack's".to_owned());
    }
    let verified =
        receipt.verify(text.as_bytes(), policy).map_err(|why| format!("its proof does not hold: {why}"))?;
    let entry = Entry::decode(text.as_bytes()).map_err(|why| format!("it cannot be read: {why}"))?;
    // What was written before the log went on under another origin names the one that it had.
    if origin::base(&entry.log) != origin::base(&pack.log) || entry.seq != verified.index {
        return Err("it names another place in the log than its proof".to_owned());
    }
    if entry.event.action() != Some(&pack.action) {
        return Err(format!("it is not about the action `{}`", pack.action));
    }
    Ok(entry)
}

fn payloads(pack: &Pack, entries: &[Entry], report: &mut Report) -> BTreeMap<Digest, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut named = BTreeSet::new();
    for entry in entries {
        for (name, commitment) in &entry.commits {
            let part = format!("payload `{name}` of entry {}", entry.seq);
            let fresh = named.insert(*commitment);
            let Some(packed) = pack.payloads.get(commitment) else {
                report.failed(&part, "the entry commits to it, and the pack does not say what became of it");
                continue;
            };
            match packed.open(commitment) {
                Ok(Some(bytes)) if fresh => {
                    report.proved(&part, format!("{} bytes give the entry's commitment", bytes.len()));
                    found.insert(*commitment, bytes);
                }
                Ok(Some(_)) => {}
                Ok(None) => report.open(
                    &part,
                    format!("{}: that it was there is proved, what it says is not", packed.absence()),
                ),
                Err(why) => report.failed(&part, why),
            }
        }
    }
    for commitment in pack.payloads.keys().filter(|commitment| !named.contains(*commitment)) {
        report.failed(&format!("payload {}", &commitment.to_string()[..12]), "no proved entry commits to it");
    }
    found
}

fn bundles(pack: &Pack, entries: &[Entry], report: &mut Report) -> BTreeMap<Digest, Arc<Bundle>> {
    let mut found = BTreeMap::new();
    let judged: BTreeSet<Digest> = entries.iter().filter_map(story::bundle_of).collect();
    for address in &judged {
        let part = format!("bundle {}", &address.to_string()[..12]);
        let (files, floor) = match pack.bundles.get(address) {
            Some(PackedBundle::Whole { files, floor }) => (files, floor),
            Some(PackedBundle::Missing) => {
                report.open(&part, "kept no longer: its decisions cannot be taken again");
                continue;
            }
            None => {
                report.failed(&part, "a decision names it, and it is not in the pack");
                continue;
            }
        };
        let actual = Bundle::address(files, floor);
        if actual != *address {
            report.failed(&part, format!("its files have another address: {}", &actual.to_string()[..12]));
            continue;
        }
        report.proved(&part, format!("{} files have the address that the decision names", files.len()));
        match Bundle::compile(files) {
            Ok(compiled) if compiled.bundle.bundle() == *address => {
                found.insert(*address, compiled.bundle);
            }
            Ok(_) => report.open(
                &part,
                "another version made it, with other built-in rules: take that version to decide again",
            ),
            Err(problems) => report.open(
                &part,
                format!(
                    "this version cannot compile it, so it cannot decide again: {}",
                    problems.first().map(|problem| problem.message.as_str()).unwrap_or_default()
                ),
            ),
        }
    }
    for address in pack.bundles.keys().filter(|address| !judged.contains(*address)) {
        report.failed(&format!("bundle {}", &address.to_string()[..12]), "no decision of the pack names it");
    }
    found
}
