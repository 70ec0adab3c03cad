//! After a restore to a point in the past: writes are paused until somebody looked at what the world did since.
//!
//! Nobody knows what was approved, performed or refused after that point, so nothing that was open there is taken up by
//! itself. Requests that waited for a person are withdrawn: agents may propose them again, on facts of today. Calls that
//! were under way are settled as after a crash, and never repeated blindly.

use std::sync::atomic::Ordering;

use kernel::actor::Actor;
use kernel::approval::{ApprovalStatus, WithdrawnWhy};
use kernel::event::Event;
use kernel::id::ApprovalId;
use kernel::refusal::Refusal;
use kernel::state::{self, Noun};

use crate::engine::Engine;
use crate::error::Error;
use crate::subject::{WORKSPACE, checked};

/// Requests that are withdrawn in one append.
const WITHDRAWN_AT_ONCE: usize = 200;

/// What reconciling did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Requests for approval that were open at the point of the restore, and are not any more.
    pub withdrawn: usize,
    /// Calls that were under way there and are being settled.
    pub open: usize,
}

impl Engine {
    /// Whether writes are paused until [`Engine::reconcile`].
    pub fn is_reconciling(&self) -> bool {
        self.inner.reconciling.load(Ordering::Acquire)
    }

    pub(crate) fn check_reconciled(&self) -> Result<(), Error> {
        if self.is_reconciling() { Err(Refusal::ReconcileNeeded.into()) } else { Ok(()) }
    }

    /// Reads from the rows whether writes are paused. Called before anything is taken up.
    pub(crate) async fn look_whether_reconciling(&self) -> Result<bool, Error> {
        let paused = self.ask(|desk| Ok(state::workspace(desk.table()).reconciling.is_some())).await?;
        self.inner.reconciling.store(paused, Ordering::Release);
        Ok(paused)
    }

    /// Somebody looked at the world: withdraws what waited at the point of the restore, and lets writes go on. Where
    /// nothing is paused it does nothing.
    pub async fn reconcile(&self, reason: &str, by: Actor) -> Result<Reconciled, Error> {
        let reason = checked(reason)?;
        let mut done = Reconciled::default();
        if !self.is_reconciling() {
            return Ok(done);
        }
        let mut from = String::new();
        loop {
            let (page, by) = (from.clone(), by.clone());
            let (last, withdrawn) = self
                .ask(move |desk| {
                    let rows = desk.book.range(Noun::Approval, &page, WITHDRAWN_AT_ONCE);
                    let mut withdrawn = 0;
                    for (id, _) in &rows {
                        // As decided until now: the store may be behind.
                        let id: Option<ApprovalId> = id.parse().ok();
                        let Some(approval) = id.and_then(|id| state::approval(desk.table(), &id)) else {
                            continue;
                        };
                        if !matches!(approval.status, ApprovalStatus::Waiting | ApprovalStatus::Approved) {
                            continue;
                        }
                        let run = state::action(desk.table(), &approval.action).map(|action| action.run);
                        let events = approval.withdraw(WithdrawnWhy::Restored)?;
                        desk.write(
                            &by,
                            run.as_ref(),
                            events.into_iter().map(|event| (event, vec![])).collect(),
                        )?;
                        withdrawn += 1;
                    }
                    Ok((rows.last().map(|(id, _)| id.clone()), withdrawn))
                })
                .await?;
            done.withdrawn += withdrawn;
            match last {
                Some(last) => from = format!("{last}\u{1}"),
                None => break,
            }
        }
        self.ask(move |desk| {
            let workspace = desk.payloads.subject(WORKSPACE);
            let reason = desk.seal("reason", &workspace, WORKSPACE, reason.as_bytes())?;
            desk.write(&by, None, vec![(Event::LogReconciled {}, vec![reason])])
        })
        .await?;
        self.inner.reconciling.store(false, Ordering::Release);
        done.open = self.take_up().await?;
        Ok(done)
    }
}
