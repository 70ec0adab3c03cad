//! Approvals, and what they make of their action.

use std::collections::{BTreeMap, BTreeSet};

use super::{Noun, Row, RowKey, Table, actions, approval, runs};
use crate::action::Status;
use crate::approval::{Approval, ApprovalStatus, Given};
use crate::clock::Millis;
use crate::event::{Entry, Event};
use crate::id::{ActionId, ApprovalId, PersonId, Role};
use crate::timer::Timer;

pub(super) fn change(table: &mut dyn Table, id: &ApprovalId, change: impl FnOnce(&mut Approval)) {
    if let Some(mut approval) = approval(table, id) {
        change(&mut approval);
        if approval.status != ApprovalStatus::Waiting {
            table.put(RowKey::new(Noun::Timer, Timer::row_id(approval.expires_at, &approval.timer)), None);
        }
        let asked = matches!(approval.status, ApprovalStatus::Waiting | ApprovalStatus::Approved);
        if !asked && let Some(run) = actions::run_of(table, &approval.action) {
            runs::change(table, &run, |run| {
                run.asked.remove(&approval.action);
            });
        }
        table.put(RowKey::new(Noun::Approval, id), Some(Row::Approval(Box::new(approval))));
    }
}

pub(super) fn requested(table: &mut dyn Table, entry: &Entry) {
    let Event::ApprovalRequested { approval, action: id, binds, obligations, expires_at, timer } =
        &entry.event
    else {
        return;
    };
    let row = Approval {
        id: approval.clone(),
        action: id.clone(),
        binds: binds.clone(),
        obligations: obligations.clone(),
        expires_at: *expires_at,
        timer: timer.clone(),
        requested_at: entry.at,
        given: BTreeMap::new(),
        rejected: None,
        status: ApprovalStatus::Waiting,
    };
    table.put(RowKey::new(Noun::Approval, approval), Some(Row::Approval(Box::new(row))));
    actions::change(table, id, |action| {
        action.status = Status::Waiting;
        action.approval = Some(approval.clone());
    });
    if let Some(run) = actions::run_of(table, id) {
        runs::change(table, &run, |run| {
            run.asked.insert(id.clone());
        });
    }
}

pub(super) fn given(
    table: &mut dyn Table,
    id: &ApprovalId,
    action: &ActionId,
    (by, roles): (&PersonId, &BTreeSet<Role>),
    at: Millis,
) {
    let mut met = false;
    change(table, id, |approval| {
        approval.given.insert(by.clone(), Given { at, roles: roles.clone() });
        met = Approval::met_by(&approval.obligations, approval.given.iter().map(|(p, g)| (p, &g.roles)));
        if met {
            approval.status = ApprovalStatus::Approved;
        }
    });
    if met {
        actions::change(table, action, |action| action.status = Status::Approved);
    }
}

pub(super) fn rejected(
    table: &mut dyn Table,
    entry: &Entry,
    id: &ApprovalId,
    action: &ActionId,
    by: &PersonId,
) {
    change(table, id, |approval| {
        approval.status = ApprovalStatus::Rejected;
        approval.rejected = Some((by.clone(), entry.commits.get("reason").copied()));
    });
    actions::finish(table, action, entry.at, |action| action.status = Status::Rejected);
}

/// It is no longer asked for, and its action ends with it.
pub(super) fn over(
    table: &mut dyn Table,
    id: &ApprovalId,
    action: &ActionId,
    (was, now): (ApprovalStatus, Status),
    at: Millis,
) {
    change(table, id, |approval| approval.status = was);
    actions::finish(table, action, at, |action| action.status = now);
}
