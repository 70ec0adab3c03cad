//! Sealing and opening payloads: keys from the vault, places from the views, bytes from the journal.
//!
//! What was sealed a moment ago is kept in memory for a while, because an answer is written before the views know where
//! its payloads lie. The memory is bounded, and forgetting costs time only.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Holdings, Payloads, Sealed};
use journal::Backend;
use kernel::digest::Digest;
use kernel::id::RunId;
use vault::Vault;
use views::Views;

/// Plain bytes that are kept in memory.
const RECENT_BYTES_MAX: usize = 32 << 20;
/// Commitments of durable payloads that are remembered, so that an equal one is not stored again.
const STORED_MAX: usize = 100_000;

/// The payloads of one workspace.
pub(crate) struct Shelf {
    vault: Arc<Vault>,
    views: Arc<Views>,
    journal: Arc<dyn Backend>,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    plain: HashMap<Digest, Arc<[u8]>>,
    order: VecDeque<Digest>,
    bytes: usize,
    stored: HashSet<Digest>,
    stored_order: VecDeque<Digest>,
}

impl Recent {
    fn keep(&mut self, commitment: Digest, plain: &[u8]) {
        if plain.len() > RECENT_BYTES_MAX / 8 || self.plain.contains_key(&commitment) {
            return;
        }
        self.bytes += plain.len();
        self.plain.insert(commitment, plain.into());
        self.order.push_back(commitment);
        while self.bytes > RECENT_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.plain.remove(&oldest).map_or(0, |plain| plain.len());
        }
    }

    fn note_stored(&mut self, commitment: Digest) {
        if self.stored.insert(commitment) {
            self.stored_order.push_back(commitment);
        }
        while self.stored_order.len() > STORED_MAX {
            let Some(oldest) = self.stored_order.pop_front() else { return };
            self.stored.remove(&oldest);
        }
    }
}

impl Shelf {
    pub(crate) fn new(vault: Arc<Vault>, views: Arc<Views>, journal: Arc<dyn Backend>) -> Self {
        Self { vault, views, journal, recent: Mutex::default() }
    }

    /// Takes note of payloads that are durable now.
    pub(crate) fn stored(&self, commitments: impl Iterator<Item = Digest>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        commitments.for_each(|commitment| recent.note_stored(commitment));
    }
}

/// A payload, for somebody who shall be able to check its commitment.
pub(crate) enum Disclosed {
    Open(vault::Opened),
    Erased,
    Missing,
}

impl Shelf {
    /// Opens a durable payload with its salt.
    pub(crate) fn disclose(&self, commitment: &Digest) -> Result<Disclosed, String> {
        let place = self.views.payload_at(commitment).map_err(|error| error.to_string())?;
        let Some((subject, at)) = place else { return Ok(Disclosed::Missing) };
        let sealed = self.journal.payload(&at).map_err(|error| error.to_string())?;
        let subject = subject.parse().map_err(|_| "the payload's subject is no pseudonym".to_owned())?;
        match self.vault.disclose(&sealed, commitment, &subject) {
            Ok(opened) => Ok(Disclosed::Open(opened)),
            Err(vault::Error::Erased) => Ok(Disclosed::Erased),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Payloads for Shelf {
    fn pseudonym(&self, domain: &str, parts: &[&[u8]]) -> Digest {
        self.vault.pseudonym(domain, parts)
    }

    fn keys_of(&self, subject: &Digest) -> Result<Vec<i64>, String> {
        // What was sealed a moment ago may not be in the views yet, but its key is in the vault's own record.
        let places = self.views.payloads_of(subject).map_err(|error| error.to_string())?;
        let mut sealed = Vec::with_capacity(places.len());
        for at in &places {
            let bytes = match self.journal.payload(at) {
                Ok(bytes) => bytes,
                Err(journal::Error::PayloadPruned) => continue,
                Err(error) => return Err(error.to_string()),
            };
            // Only what names the key: payloads are large and a subject may have many.
            sealed.push(bytes.get(..vault::KEY_NUMBER_BYTES).unwrap_or_default().to_vec());
        }
        let keys = self
            .vault
            .keys_of(subject, sealed.iter().map(Vec::as_slice))
            .map_err(|error| error.to_string())?;
        keys.into_iter().map(|key| i64::try_from(key).map_err(|error| error.to_string())).collect()
    }

    fn held_by(&self, run: &RunId) -> Result<Holdings, String> {
        let (mut subjects, settled) = self.views.subjects_of_run(run).map_err(|error| error.to_string())?;
        subjects.insert(self.subject(run.as_str()));
        Ok(Holdings { subjects, settled })
    }

    fn runs_with(&self, subject: &Digest, max: usize) -> Result<Option<Vec<RunId>>, String> {
        self.views.runs_of_subject(subject, max).map_err(|error| error.to_string())
    }

    fn destroy(&self, keys: &[i64]) -> Result<(), String> {
        let numbers = keys.iter().filter_map(|key| u64::try_from(*key).ok());
        self.vault.destroy(numbers).map_err(|error| error.to_string())?;
        *self.recent.lock().unwrap_or_else(PoisonError::into_inner) = Recent::default();
        Ok(())
    }

    fn seal(&self, subject: &Digest, scope: &str, bytes: &[u8]) -> Result<Sealed, String> {
        let sealed = self.vault.seal(subject, scope, bytes).map_err(|error| error.to_string())?;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.keep(sealed.commitment, bytes);
        let known = recent.stored.contains(&sealed.commitment);
        Ok(Sealed {
            commitment: sealed.commitment,
            subject: *subject,
            bytes: (!known).then_some(sealed.bytes),
        })
    }

    fn open(&self, commitment: &Digest) -> Result<Option<Vec<u8>>, String> {
        if let Some(plain) = self.recent.lock().unwrap_or_else(PoisonError::into_inner).plain.get(commitment)
        {
            return Ok(Some(plain.to_vec()));
        }
        let place = self.views.payload_at(commitment).map_err(|error| error.to_string())?;
        let Some((subject, at)) = place else { return Err(format!("no payload `{commitment}` is known")) };
        let sealed = match self.journal.payload(&at) {
            Ok(sealed) => sealed,
            Err(journal::Error::PayloadPruned) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let subject = subject.parse().map_err(|_| "the payload's subject is no pseudonym".to_owned())?;
        match self.vault.open_payload(&sealed, commitment, &subject) {
            Ok(plain) => Ok(Some(plain)),
            Err(vault::Error::Erased) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}
