//! The two logs of a data directory, the workspace's and the server's own: what they are called, and who signs them.
//!
//! A log that was restored to a point in its past goes on under another origin: `retail`, then `retail/2`, `retail/3`. A
//! log whose key changed keeps its name; [`open`] brings a change to its end that a crash interrupted.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use journal::{Backend, FileJournal, Journal as _, LogId, Signer as _};
use kernel::actor::Actor;
use kernel::clock::Clock;
use kernel::event::{Entry, Event};
use kernel::origin;
use tlog::{Succession, VerifierKey};
use vault::{LogKey, Vault};

/// The server's own log has this name, so no workspace may.
pub(crate) const PLATFORM_LOG: &str = "platform";

/// A log, as it is called now.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(crate) name: String,
    pub(crate) verifier_key: String,
}

/// Finds the log that began under this name, or makes it.
pub(crate) fn open(journal: &FileJournal, vault: &Vault, name: &str, clock: &dyn Clock) -> Result<Log> {
    let known = journal.logs().into_iter().find(|log| origin::base(&log.name) == name);
    let name = known.as_ref().map_or(name, |log| &log.name).to_owned();
    if let (Some(next), Some(known)) = (vault.pending_log_key(&name)?, &known)
        && VerifierKey::of(&next).encode() == known.vkey
    {
        let old = vault.log_key(&name)?;
        let id = journal.define(&name, Arc::new(next.clone()))?;
        // Where opening did not reach back to the change, its entry stands already.
        if let Some(change) = known.former.last().filter(|change| change.size >= journal.head(id).size) {
            let succession = Succession::sign(&old, &next, change.size, change.root)?;
            tell(journal, (id, &name), Event::LogRekeyed { succession }, clock)?;
        }
        vault.promote_log_key(&name)?;
    }
    let key = vault.log_key(&name)?;
    let verifier_key = VerifierKey::of(&key).encode();
    let id = journal.define(&name, Arc::new(key))?;
    Ok(Log { id, name, verifier_key })
}

/// The same for the server's own log, which gets its first entry.
pub(crate) fn open_platform(journal: &FileJournal, vault: &Vault, clock: &dyn Clock) -> Result<Log> {
    let log = open(journal, vault, PLATFORM_LOG, clock)?;
    if journal.head(log.id).size == 0 {
        let verifier_key = log.verifier_key.clone();
        tell(journal, (log.id, &log.name), Event::LogStarted { format: 1, verifier_key }, clock)?;
    }
    Ok(log)
}

/// Whether a change of keys was begun and not brought to its end.
pub(crate) fn pending(journal: &FileJournal, vault: &Vault) -> Result<bool> {
    for log in journal.logs() {
        if vault.pending_log_key(&log.name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys of all logs until now, each with the next one of the same name, made where there is none yet.
pub(crate) fn next_keys(journal: &FileJournal, vault: &Vault) -> Result<Vec<(LogKey, LogKey)>> {
    let keys =
        journal.logs().into_iter().map(|log| Ok((vault.log_key(&log.name)?, vault.next_log_key(&log.name)?)));
    keys.collect()
}

/// The keys of all logs until now, each with that of the origin that follows.
pub(crate) fn next_origins(journal: &FileJournal, vault: &Vault) -> Result<Vec<(LogKey, LogKey)>> {
    let keys = journal
        .logs()
        .into_iter()
        .map(|log| Ok((vault.log_key(&log.name)?, vault.log_key(&origin::next(&log.name))?)));
    keys.collect()
}

/// Says in every log that it goes on under another origin.
pub(crate) fn tell_continued(
    journal: &FileJournal,
    keys: &[(LogKey, LogKey)],
    changes: &[Succession],
    clock: &dyn Clock,
) -> Result<()> {
    for ((old, new), change) in keys.iter().zip(changes) {
        let id = journal.define(new.name(), Arc::new(new.clone()))?;
        let event = Event::LogContinued {
            origin: old.name().to_owned(),
            size: change.size,
            root: kernel::digest::Digest(change.root),
            succession: Succession::sign(old, new, change.size, change.root)?,
        };
        tell(journal, (id, new.name()), event, clock)?;
    }
    Ok(())
}

/// Appends an entry that no engine decides, and waits until it is durable.
pub(crate) fn tell(
    journal: &dyn Backend,
    (log, name): (LogId, &str),
    event: Event,
    clock: &dyn Clock,
) -> Result<()> {
    let head = journal.head(log);
    let last = head.size.checked_sub(1).map(|last| journal.read(log, last, 1, usize::MAX));
    let before = last.transpose()?.and_then(|entries| Entry::decode(&entries.first()?.bytes).ok());
    let now = clock.now().wall;
    let entry = Entry {
        v: 1,
        log: name.to_owned(),
        seq: head.size,
        at: before.map_or(now, |before| now.max(before.at)),
        run: None,
        actor: Actor::Server,
        cause: None,
        event,
        commits: std::collections::BTreeMap::new(),
    };
    let new = journal::NewEntry { log, seq: entry.seq, bytes: entry.encode(), payloads: vec![] };
    let (send, receive) = std::sync::mpsc::channel();
    journal.append(
        journal::Batch { entries: vec![new] },
        Box::new(move |done| {
            drop(send.send(done.map(|_| ())));
        }),
    );
    receive.recv().context("the journal ended")??;
    Ok(())
}
