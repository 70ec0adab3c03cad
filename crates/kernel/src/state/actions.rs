//! Actions, the counters that they move, and the conflict keys that they hold.

use super::{Counter, Noun, Row, RowKey, Table, action, counter, hold, runs, same_call};
use crate::action::{Action, SettledBy, Status};
use crate::clock::Millis;
use crate::event::{Decided, Entry, Event, FactRef};
use crate::id::{ActionId, RunId};
use crate::judge::CounterUse;
use crate::ports::FailureClass;

fn is_open(status: Status) -> bool {
    matches!(status, Status::Approved | Status::Intended | Status::Unknown)
}

pub(super) fn change(table: &mut dyn Table, id: &ActionId, change: impl FnOnce(&mut Action)) {
    if let Some(mut action) = action(table, id) {
        let was = action.status;
        change(&mut action);
        let open = is_open(action.status);
        if open != is_open(was) {
            table.put(RowKey::new(Noun::Open, id), open.then_some(Row::Open));
        }
        table.put(RowKey::new(Noun::Action, id), Some(Row::Action(Box::new(action))));
    }
}

fn change_counters(table: &mut dyn Table, action: &Action, change: impl Fn(&mut Counter, i64)) {
    for used in &action.reserves {
        let mut count = counter(table, &used.key).unwrap_or_default();
        change(&mut count, used.amount);
        table.put(RowKey::new(Noun::Counter, &used.key), Some(Row::Counter(count)));
    }
}

/// Gives back what it reserved.
fn release_counters(table: &mut dyn Table, id: &ActionId) {
    if let Some(row) = action(table, id) {
        change_counters(table, &row, |count, amount| {
            count.reserved = count.reserved.saturating_sub(amount);
        });
    }
}

fn release_hold(table: &mut dyn Table, action: &Action) {
    if let Some(key) = &action.conflict_key
        && hold(table, key).as_ref() == Some(&action.id)
    {
        table.put(RowKey::new(Noun::Hold, key), None);
    }
}

pub(super) fn finish(table: &mut dyn Table, id: &ActionId, at: Millis, end: impl FnOnce(&mut Action)) {
    change(table, id, |action| {
        end(action);
        action.settled_at = Some(at);
    });
    if let Some(action) = action(table, id) {
        release_hold(table, &action);
    }
}

pub(super) fn proposed(table: &mut dyn Table, entry: &Entry) {
    let Event::ActionProposed {
        action: id,
        run: run_id,
        tool,
        class,
        manifest,
        digest,
        idempotency,
        conflict_key,
        subject,
    } = &entry.event
    else {
        return;
    };
    let arguments = entry.commits.get("arguments").copied().unwrap_or(*digest);
    let row = Action {
        id: id.clone(),
        run: run_id.clone(),
        tool: tool.clone(),
        class: *class,
        manifest: *manifest,
        arguments,
        reason: entry.commits.get("reason").copied(),
        headline: None,
        digest: *digest,
        subject: *subject,
        idempotency: *idempotency,
        conflict_key: *conflict_key,
        proposed_by: entry.actor.clone(),
        proposed_at: entry.at,
        proposed_seq: entry.seq,
        status: Status::Decided,
        verdict: None,
        code: None,
        judged: None,
        why: None,
        rounds: 0,
        facts: vec![],
        approval: None,
        attempts: 0,
        reserves: vec![],
        output: None,
        failure: None,
        settled_by: None,
        settled_at: None,
        handed_over: false,
        later: None,
    };
    table.put(RowKey::new(Noun::Action, id), Some(Row::Action(Box::new(row))));
    if let Some(key) = idempotency {
        table.put(RowKey::new(Noun::Made, key), Some(Row::Made(id.to_string())));
    }
    if class.writes() {
        let key = same_call(run_id, tool.as_str(), &arguments);
        table.put(RowKey::new(Noun::Made, key), Some(Row::Made(id.to_string())));
    }
    runs::change(table, run_id, |run| run.actions += 1);
}

pub(super) fn decided(table: &mut dyn Table, entry: &Entry, decided: &Decided) {
    change(table, &decided.action, |action| {
        if action.rounds == 0 {
            let value = |fact: &FactRef| entry.commits.get(&format!("fact.{}", fact.name)).copied();
            action.facts =
                decided.facts.iter().filter_map(|fact| Some((fact.clone(), value(fact)?))).collect();
        }
        if let Some(headline) = entry.commits.get("headline") {
            action.headline = Some(*headline);
        }
        action.rounds = decided.round;
        action.verdict = Some(decided.verdict);
        action.code = Some(decided.code.clone());
        action.judged = Some((decided.bundle, decided.rules.clone()));
    });
}

pub(super) fn refused(table: &mut dyn Table, entry: &Entry, id: &ActionId, code: &str) {
    // Refused after a look-up showed that the first attempt did not happen: the reservation goes back.
    release_counters(table, id);
    finish(table, id, entry.at, |action| {
        action.status = Status::Refused;
        action.code = Some(code.to_owned());
        action.why = entry.commits.get("difference").copied();
        action.reserves.clear();
    });
}

pub(super) fn deferred(table: &mut dyn Table, id: &ActionId, code: &str, at: Millis) {
    if let Some(row) = action(table, id) {
        let same = same_call(&row.run, row.tool.as_str(), &row.arguments);
        for key in row.idempotency.into_iter().chain([same]) {
            table.put(RowKey::new(Noun::Made, key), None);
        }
    }
    finish(table, id, at, |action| {
        action.status = Status::Deferred;
        action.code = Some(code.to_owned());
    });
}

pub(super) fn intended(table: &mut dyn Table, id: &ActionId, attempt: u32, reserves: &[CounterUse]) {
    change(table, id, |action| {
        action.status = Status::Intended;
        action.attempts = attempt;
        if !reserves.is_empty() {
            action.reserves = reserves.to_vec();
        }
    });
    if let Some(row) = action(table, id) {
        if !reserves.is_empty() {
            change_counters(table, &row, |count, amount| {
                count.reserved = count.reserved.saturating_add(amount);
            });
        }
        if let Some(key) = row.conflict_key {
            table.put(RowKey::new(Noun::Hold, key), Some(Row::Hold(id.clone())));
        }
    }
}

pub(super) fn confirmed(table: &mut dyn Table, entry: &Entry, id: &ActionId, settled_by: &SettledBy) {
    if let Some(row) = action(table, id) {
        change_counters(table, &row, |count, amount| {
            count.reserved = count.reserved.saturating_sub(amount);
            count.committed = count.committed.saturating_add(amount);
        });
    }
    finish(table, id, entry.at, |action| {
        action.status = Status::Confirmed;
        action.output = entry.commits.get("output").copied();
        action.settled_by = Some(settled_by.clone());
    });
}

pub(super) fn failed(
    table: &mut dyn Table,
    entry: &Entry,
    id: &ActionId,
    class: FailureClass,
    settled_by: &SettledBy,
) {
    release_counters(table, id);
    finish(table, id, entry.at, |action| {
        action.status = Status::Failed;
        action.failure = Some(class);
        action.why = entry.commits.get("cause").copied();
        action.output = entry.commits.get("output").copied();
        action.settled_by = Some(settled_by.clone());
    });
}

pub(super) fn unknown(table: &mut dyn Table, entry: &Entry, id: &ActionId) {
    change(table, id, |action| {
        action.status = Status::Unknown;
        action.why = entry.commits.get("cause").copied();
    });
}

pub(super) fn run_of(table: &dyn Table, id: &ActionId) -> Option<RunId> {
    match table.get(&RowKey::new(Noun::Action, id)).as_deref() {
        Some(Row::Action(action)) => Some(action.run.clone()),
        _ => None,
    }
}
