//! What one command may do inside the owner: read rows, ask the judge, write one append.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::{LogId, NewEntry, SealedPayload};
use kernel::actor::Actor;
use kernel::clock::{Clock, Entropy, Millis};
use kernel::digest::Digest;
use kernel::event::{ENTRY_BYTES_MAX, Entry, Event};
use kernel::id::{RunId, WorkspaceId};
use kernel::judge::Judge;
use kernel::state::{self, Table};
use kernel::timer::Purpose;

use crate::book::Book;
use crate::error::Error;
use crate::follow_up::{Moved, Note};
use crate::leases::Leases;
use crate::payload::{Payloads, Sealed};

/// Payloads of one event, by the name under which the entry commits to them.
pub(crate) type Named = Vec<(String, Sealed)>;

pub(crate) struct Desk {
    pub(crate) workspace: WorkspaceId,
    pub(crate) log: LogId,
    pub(crate) log_name: String,
    pub(crate) book: Book,
    pub(crate) judge: Option<Arc<dyn Judge>>,
    pub(crate) payloads: Arc<dyn Payloads>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Moment of the command under way; never goes back.
    pub(crate) now: Millis,
    /// The steady clock at that moment: by it leases run out.
    pub(crate) steady: Millis,
    /// Entries of the commands since the last hand-over to the journal.
    pub(crate) batch: Vec<NewEntry>,
    /// Their bytes, payloads included.
    pub(crate) batch_bytes: usize,
    /// Who works on which run.
    pub(crate) leases: Leases,
    /// What may have met waits, within the command under way.
    pub(crate) moved: VecDeque<Moved>,
    /// What somebody is told once the entries so far are durable.
    pub(crate) notes: Vec<Note>,
    /// The bundle that was in force at the last hand-over, where another one came since.
    pub(crate) judge_before: Option<Before>,
    /// Entries since the start that destroy data keys.
    pub(crate) erasures: Arc<AtomicU64>,
}

/// What was in force, if anything.
pub(crate) struct Before(Option<Arc<dyn Judge>>);

impl Desk {
    /// The rows, as decided so far.
    pub(crate) fn table(&self) -> &dyn Table {
        &self.book
    }

    /// The bundle in force.
    pub(crate) fn judge(&self) -> Result<Arc<dyn Judge>, Error> {
        self.judge.clone().ok_or(Error::Refused(kernel::refusal::Refusal::NoBundle))
    }

    /// Another bundle comes into force.
    pub(crate) fn set_judge(&mut self, judge: Arc<dyn Judge>) {
        let before = self.judge.replace(judge);
        self.judge_before.get_or_insert(Before(before));
    }

    /// The journal took the batch.
    pub(crate) fn keep(&mut self) {
        self.book.keep();
        self.leases.keep();
        self.judge_before = None;
    }

    /// The journal refused the batch that begins at this entry: nothing of it was decided.
    pub(crate) fn take_back(&mut self, first: u64) {
        self.book.take_back(first);
        self.leases.take_back();
        if let Some(Before(before)) = self.judge_before.take() {
            self.judge = before;
        }
    }

    /// Writes one append: all of it or, where an entry is too large, nothing; and what follows from it (waits that it
    /// meets). Returns the first position.
    pub(crate) fn write(
        &mut self,
        actor: &Actor,
        run: Option<&RunId>,
        events: Vec<(Event, Named)>,
    ) -> Result<u64, Error> {
        let first = self.append(actor, run, events, None)?;
        self.follow_up(first);
        Ok(first)
    }

    /// Writes entries, without what follows from them.
    pub(crate) fn append(
        &mut self,
        actor: &Actor,
        run: Option<&RunId>,
        events: Vec<(Event, Named)>,
        cause: Option<u64>,
    ) -> Result<u64, Error> {
        let first = self.book.next_seq;
        let mut staged = Vec::with_capacity(events.len());
        for (offset, (event, payloads)) in events.into_iter().enumerate() {
            let entry = Entry {
                v: 1,
                log: self.log_name.clone(),
                seq: first + offset as u64,
                at: self.now,
                run: run.cloned(),
                actor: actor.clone(),
                cause: cause.or((offset > 0).then_some(first)),
                event,
                commits: payloads.iter().map(|(name, sealed)| (name.clone(), sealed.commitment)).collect(),
            };
            let bytes = entry.encode();
            if bytes.len() > ENTRY_BYTES_MAX {
                return Err(Error::Refused(kernel::refusal::Refusal::Invalid(format!(
                    "the record of this request would take {} bytes; at most {ENTRY_BYTES_MAX} are kept",
                    bytes.len()
                ))));
            }
            staged.push((entry, bytes, payloads));
        }
        for (entry, bytes, payloads) in staged {
            if destroys(&entry.event) {
                self.erasures.fetch_add(1, Ordering::AcqRel);
            }
            let due = self.due(&entry.event);
            state::apply(&mut self.book, &entry);
            self.notice(&entry.event, due);
            let payloads: Vec<SealedPayload> =
                payloads.into_iter().filter_map(|(_, sealed)| stored(sealed)).collect();
            let sealed: usize = payloads.iter().map(|payload| payload.bytes.len()).sum();
            self.batch_bytes += bytes.len() + sealed;
            self.batch.push(NewEntry { log: self.log, seq: entry.seq, bytes, payloads });
            self.book.next_seq += 1;
        }
        Ok(first)
    }

    /// A timer entry for later.
    pub(crate) fn timer(&self, after: Millis, purpose: Purpose) -> Event {
        let timer = kernel::id::TimerId::new(self.now, kernel::clock::chance(&*self.entropy));
        Event::TimerSet { timer, due: self.now.plus(after), purpose }
    }

    /// Seals a payload under its entry's name.
    pub(crate) fn seal(
        &self,
        name: &str,
        subject: &Digest,
        scope: &str,
        bytes: &[u8],
    ) -> Result<(String, Sealed), Error> {
        let sealed = self.payloads.seal(subject, scope, bytes).map_err(Error::Payload)?;
        Ok((name.to_owned(), sealed))
    }
}

/// Whether data keys go once this is durable.
fn destroys(event: &Event) -> bool {
    matches!(
        event,
        Event::SubjectErased { .. } | Event::ThreadDeleted { .. } | Event::RetentionApplied { .. }
    )
}

fn stored(sealed: Sealed) -> Option<SealedPayload> {
    let bytes = sealed.bytes?;
    Some(SealedPayload { commitment: sealed.commitment.0, subject: sealed.subject.to_string(), bytes })
}
