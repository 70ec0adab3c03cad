//! Erasing what is held about a subject, and the legal hold that beats it (DESIGN §3).
//!
//! The entry comes first, the keys go after it is durable; a process that ends in between destroys them when it starts
//! again, and so does one that was restored from an older backup.

use std::sync::atomic::Ordering;

use kernel::actor::Actor;
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::{RunId, ToolId};
use kernel::judge::Judge;
use kernel::refusal::Refusal;
use kernel::state::{self, Noun, Row, Subject};
use serde_json::Value;

use crate::engine::Engine;
use crate::error::Error;

/// The longest subject name.
pub const SUBJECT_NAME_BYTES_MAX: usize = 200;
const REASON_BYTES_MAX: usize = 4 * 1024;
/// Keys that one entry names; more of them are erased by further entries.
pub(crate) const KEYS_MAX: usize = 1_000;
/// Rows read at once.
const PAGE: usize = 1_000;
/// The subject of texts that belong to nobody but the workspace.
pub(crate) const WORKSPACE: &str = "workspace";

impl Engine {
    /// The pseudonym under which a subject's payloads are kept.
    pub fn subject(&self, name: &str) -> Result<Digest, Error> {
        // What belongs to the workspace itself, its rules for one, has a name that cannot be given here.
        if name.len() > SUBJECT_NAME_BYTES_MAX || !(name.contains(':') || name.parse::<RunId>().is_ok()) {
            let text = format!(
                "a subject is `connector:name`, `thread/AGENT:NAME` or a run's id, of at most {SUBJECT_NAME_BYTES_MAX} bytes"
            );
            return Err(Refusal::Invalid(text).into());
        }
        Ok(self.inner.payloads.subject(name))
    }

    /// Whose payloads a call's are: as the connector names it, else the run's own.
    pub(crate) fn subject_of_call(
        &self,
        judge: &dyn Judge,
        tool: &ToolId,
        arguments: &Value,
        run: &RunId,
    ) -> Digest {
        let named = judge.subject(tool, arguments);
        self.inner.payloads.subject(named.as_deref().unwrap_or(run.as_str()))
    }

    /// Erases everything that was sealed for a subject until now. Returns its row; a subject of which nothing was ever
    /// sealed is not found.
    pub async fn erase(&self, subject: Digest, reason: &str, by: Actor) -> Result<Subject, Error> {
        let reason = checked(reason)?;
        self.ask(move |desk| held(desk.table(), &subject)).await?;
        let payloads = self.inner.payloads.clone();
        let keys = tokio::task::spawn_blocking(move || payloads.keys_of(&subject))
            .await
            .map_err(|_| Error::Closed)?
            .map_err(Error::Payload)?;
        if keys.is_empty() {
            return Err(Refusal::NotFound { what: "subject", id: subject.to_string() }.into());
        }
        let named = keys.clone();
        let row = self
            .ask(move |desk| {
                held(desk.table(), &subject)?;
                let mut events = Vec::new();
                for keys in named.chunks(KEYS_MAX) {
                    let event = Event::SubjectErased { subject, keys: keys.to_vec() };
                    let workspace = desk.payloads.subject(WORKSPACE);
                    let reason = desk.seal("reason", &workspace, WORKSPACE, reason.as_bytes())?;
                    events.push((event, vec![reason]));
                }
                desk.write(&by, None, events)?;
                Ok(state::subject(desk.table(), &subject).unwrap_or_default())
            })
            .await?;
        let payloads = self.inner.payloads.clone();
        tokio::task::spawn_blocking(move || payloads.destroy(&keys))
            .await
            .map_err(|_| Error::Closed)?
            .map_err(Error::Payload)?;
        Ok(row)
    }

    /// Puts a legal hold on a subject, or ends it. What is so already is not recorded again.
    pub async fn hold(&self, subject: Digest, hold: bool, reason: &str, by: Actor) -> Result<Subject, Error> {
        let reason = checked(reason)?;
        let inner = self.inner.clone();
        self.ask(move |desk| {
            if hold {
                inner.holds.fetch_add(1, Ordering::Relaxed);
            }
            let row = state::subject(desk.table(), &subject).unwrap_or_default();
            if row.held == hold {
                return Ok(row);
            }
            let event =
                if hold { Event::SubjectHeld { subject } } else { Event::SubjectReleased { subject } };
            let workspace = desk.payloads.subject(WORKSPACE);
            let reason = desk.seal("reason", &workspace, WORKSPACE, reason.as_bytes())?;
            desk.write(&by, None, vec![(event, vec![reason])])?;
            Ok(state::subject(desk.table(), &subject).unwrap_or_default())
        })
        .await
    }

    /// Destroys again what entries say was destroyed: after a crash between entry and key, and after a restore.
    pub(crate) async fn apply_erasures(&self) -> Result<(), Error> {
        let mut from = String::new();
        loop {
            let after = from.clone();
            let rows = self.ask(move |desk| Ok(desk.book.range(Noun::Subject, &after, PAGE))).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            // The next id in order: ids are hexadecimal.
            from = format!("{last}~");
            let keys: Vec<i64> = rows
                .iter()
                .filter_map(|(_, row)| if let Row::Subject(row) = &**row { Some(&row.keys) } else { None })
                .flatten()
                .copied()
                .collect();
            self.inner.payloads.destroy(&keys).map_err(Error::Payload)?;
        }
    }
}

pub(crate) fn checked(reason: &str) -> Result<String, Error> {
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(Refusal::Invalid(format!("give a reason of 1 to {REASON_BYTES_MAX} bytes")).into());
    }
    Ok(reason.to_owned())
}

pub(crate) fn held(table: &dyn state::Table, subject: &Digest) -> Result<(), Error> {
    match state::subject(table, subject) {
        Some(row) if row.held => Err(Refusal::LegalHold.into()),
        _ => Ok(()),
    }
}
