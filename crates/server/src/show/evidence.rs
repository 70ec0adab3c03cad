//! An action packed for those who were not there, and who need not believe this server.
//!
//! Packed is what `explain` shows its reader, and nothing that a gate's rule redacts: such a payload stays a commitment,
//! whole, because a masked one would give another. The pack says so, and its check counts nothing of it as proved.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{
    ENTRIES_MAX, EVIDENCE_BYTES_MAX, FORMAT, Pack, PackedBundle, PackedEntry, PackedPayload,
    REVEALED_BYTES_MAX,
};
use kernel::digest::Digest;
use kernel::event::{Decided, Entry, Event};
use kernel::id::ActionId;
use kernel::judge::{Fact, Judge as _};
use kernel::state::{Noun, Row, RowKey};
use policy::Bundle;
use serde_json::Value;
use views::EntryItem;

use crate::app::App;
use crate::codes::Code;
use crate::payloads::Disclosed;
use crate::problem::Fault;

use super::{Veil, explain, receipt};

/// The pack of an action, as bytes.
pub(crate) fn evidence(app: &App, id: &ActionId) -> Result<Vec<u8>, Fault> {
    let items = app.views.entries_of_action(id)?;
    let Some(last) = items.last().map(|item| item.entry.seq) else {
        return Err(Fault::not_found("action", id.as_str()));
    };
    if items.len() >= ENTRIES_MAX {
        return Err(too_much(format!("the action has {ENTRIES_MAX} entries or more")));
    }
    let note = receipt::checkpoint_over(app, last)?;
    let pack = Pack {
        format: FORMAT.to_owned(),
        log: app.log_name.clone(),
        verifier_key: app.verifier_key.clone(),
        action: id.clone(),
        made_at: app.clock.now().wall,
        entries: items.iter().map(|item| entry(app, item, &note)).collect::<Result<_, _>>()?,
        payloads: payloads(app, id, &items)?,
        bundles: bundles(app, &items)?,
        checkpoint: note,
    };
    let bytes = pack.encode();
    if bytes.len() > EVIDENCE_BYTES_MAX {
        return Err(too_much(format!("the evidence takes {} bytes", bytes.len())));
    }
    Ok(bytes)
}

fn too_much(what: String) -> Fault {
    Fault::new(
        Code::RequestInvalid,
        format!("{what}: that is more than one file of evidence takes"),
        "read the action with `countersign explain`, and verify a copy of the data directory",
    )
}

fn entry(app: &App, item: &EntryItem, note: &str) -> Result<PackedEntry, Fault> {
    let receipt = receipt::of(app, item, note, None)?;
    Ok(PackedEntry { entry: item.text.clone(), proof: receipt.encode() })
}

fn decisions(items: &[EntryItem]) -> impl Iterator<Item = &Decided> {
    items.iter().filter_map(|item| match &item.entry.event {
        Event::ActionDecided(decided) => Some(decided),
        _ => None,
    })
}

/// Every commitment of the entries, with what may be told of it.
fn payloads(app: &App, id: &ActionId, items: &[EntryItem]) -> Result<BTreeMap<Digest, PackedPayload>, Fault> {
    let redact: BTreeSet<String> = decisions(items)
        .filter_map(|decided| decided.obligations.as_ref())
        .flat_map(|obligations| obligations.redact.iter().cloned())
        .collect();
    let veil = match app.views.row(&RowKey::new(Noun::Action, id))?.as_deref() {
        Some(Row::Action(action)) => {
            let entries: Vec<Entry> = items.iter().map(|item| item.entry.clone()).collect();
            explain::veil(app, action, &entries)?
        }
        _ => Veil::default(),
    };
    let (mut packed, mut revealed) = (BTreeMap::new(), 0);
    for (name, commitment) in items.iter().flat_map(|item| &item.entry.commits) {
        if packed.contains_key(commitment) {
            continue;
        }
        let payload = match app.shelf.disclose(commitment).map_err(Fault::internal)? {
            Disclosed::Erased => PackedPayload::Erased,
            Disclosed::Missing => PackedPayload::Missing,
            Disclosed::Open(opened) if hides(name, &opened.plain, &redact, &veil) => PackedPayload::Redacted,
            Disclosed::Open(opened) if revealed + opened.plain.len() > REVEALED_BYTES_MAX => {
                PackedPayload::TooLarge
            }
            Disclosed::Open(opened) => {
                revealed += opened.plain.len();
                PackedPayload::revealed(&opened.salt, opened.plain)
            }
        };
        packed.insert(*commitment, payload);
    }
    Ok(packed)
}

/// Whether a rule redacts something of this payload: a member of the arguments, which stand in three of them; a fact that
/// tells of one; or the value itself, wherever it came back.
fn hides(name: &str, plain: &[u8], redact: &BTreeSet<String>, veil: &Veil) -> bool {
    if redact.is_empty() {
        return false;
    }
    if veil.touches(plain) {
        return true;
    }
    if name.starts_with("fact.") {
        return serde_json::from_slice::<Fact>(plain).map_or(true, |fact| veil.covers(&fact));
    }
    let place = match name {
        "arguments" => "",
        "request" => "/request/context/input",
        "shown" => "/arguments",
        _ => return false,
    };
    let Ok(value) = serde_json::from_slice::<Value>(plain) else { return true };
    let Some(arguments) = value.pointer(place) else { return false };
    let mut masked = arguments.clone();
    kernel::redact::mask(&mut masked, redact);
    masked != *arguments
}

/// The bundles that judged.
fn bundles(app: &App, items: &[EntryItem]) -> Result<BTreeMap<Digest, PackedBundle>, Fault> {
    let addresses: BTreeSet<Digest> = decisions(items).map(|decided| decided.bundle).collect();
    addresses.into_iter().map(|address| Ok((address, bundle(app, &address)?))).collect()
}

fn bundle(app: &App, address: &Digest) -> Result<PackedBundle, Fault> {
    let files = match app.bundle_of(address).or_else(|| app.bundle()) {
        Some(known) if known.bundle() == *address => Some(known.files().clone()),
        _ => {
            let published = app.views.published(address)?;
            let sealed = published.and_then(|item| item.entry.commits.get("files").copied());
            match sealed {
                Some(commitment) => app.sealed(&commitment)?,
                None => None,
            }
        }
    };
    // Files that a program with other built-in rules published have another address here: nothing to decide with.
    let whole = files.filter(|files| Bundle::address(files, Bundle::floor()) == *address);
    Ok(whole.map_or(PackedBundle::Missing, |files| PackedBundle::Whole {
        files,
        floor: Bundle::floor().to_owned(),
    }))
}
