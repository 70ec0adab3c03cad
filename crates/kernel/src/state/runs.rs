//! Runs and their steps, and the rows that say which of them a worker may have or has.

use super::waits::stop_timer;
use super::{Noun, Row, RowKey, Table, ended_id, load, run as run_row, wait};
use crate::event::{Entry, Event};
use crate::id::{AgentId, RunId};
use crate::lease::{Dispatch, PRIORITY, Stand, ready_id};
use crate::run::{Deadline, Run, RunOutcome};
use crate::step::Step;
use crate::timer::Timer;

/// Where else a run stands, beside its own row.
#[derive(PartialEq, Eq)]
enum Place {
    Nowhere,
    Ready(String),
    Dispatched,
}

fn place(run: &Run) -> Place {
    match run.dispatch.as_deref() {
        Some(dispatch @ Dispatch { stand: Stand::Ready, .. }) if run.finished.is_none() && !run.paused => {
            Place::Ready(ready_id(run, dispatch))
        }
        Some(Dispatch { stand: Stand::Working, .. }) if run.finished.is_none() => Place::Dispatched,
        _ => Place::Nowhere,
    }
}

pub(super) fn change(table: &mut dyn Table, id: &RunId, change: impl FnOnce(&mut Run)) {
    let Some(mut row) = run_row(table, id) else { return };
    let before = place(&row);
    change(&mut row);
    put(table, row, before);
}

/// INVARIANT: a run has a row `ready` or `dispatched` exactly where its own row says so.
fn put(table: &mut dyn Table, row: Run, before: Place) {
    let after = place(&row);
    if before != after {
        match before {
            Place::Nowhere => {}
            Place::Ready(id) => table.put(RowKey::new(Noun::Ready, id), None),
            Place::Dispatched => {
                table.put(RowKey::new(Noun::Dispatched, &row.id), None);
                count(table, &row.agent, |load| load.saturating_sub(1));
            }
        }
        match after {
            Place::Nowhere => {}
            Place::Ready(id) => table.put(RowKey::new(Noun::Ready, id), Some(Row::Ready)),
            Place::Dispatched => {
                let dispatched = Row::Dispatched(row.agent.clone());
                table.put(RowKey::new(Noun::Dispatched, &row.id), Some(dispatched));
                count(table, &row.agent, |load| load.saturating_add(1));
            }
        }
    }
    table.put(RowKey::new(Noun::Run, &row.id), Some(Row::Run(Box::new(row))));
}

fn count(table: &mut dyn Table, agent: &AgentId, change: impl Fn(u32) -> u32) {
    for name in [agent.as_str(), ""] {
        let load = change(load(table, name).unwrap_or(0));
        table.put(RowKey::new(Noun::Load, name), (load > 0).then_some(Row::Load(load)));
    }
}

pub(super) fn started(table: &mut dyn Table, entry: &Entry) {
    let Event::RunStarted {
        run,
        agent,
        agent_version,
        on_behalf_of,
        conversation,
        fingerprint,
        task,
        priority,
        deadline,
        parent,
    } = &entry.event
    else {
        return;
    };
    let mut depth = 0;
    if let Some(parent) = parent {
        change(table, parent, |parent| {
            depth = parent.depth.saturating_add(1);
            parent.children.insert(run.clone());
        });
    }
    let row = Run {
        id: run.clone(),
        agent: agent.clone(),
        agent_version: *agent_version,
        on_behalf_of: on_behalf_of.clone(),
        title: entry.commits.get("title").copied(),
        started_at: entry.at,
        fingerprint: *fingerprint,
        finished: None,
        actions: 0,
        lapsed_at: None,
        dispatch: task
            .as_ref()
            .map(|task| Box::new(Dispatch::new(task.clone(), priority.unwrap_or(PRIORITY)))),
        paused: false,
        deadline: deadline.map(|at| Deadline { at, timer: None }),
        parent: parent.clone(),
        depth,
        children: std::collections::BTreeSet::new(),
        watchers: std::collections::BTreeSet::new(),
        waits: vec![],
        asked: std::collections::BTreeSet::new(),
        input: entry.commits.get("input").copied(),
        result: None,
        error: None,
    };
    put(table, row, Place::Nowhere);
    if let Some(key) = conversation {
        table.put(RowKey::new(Noun::Made, key), Some(Row::Made(run.to_string())));
    }
}

pub(super) fn step(table: &mut dyn Table, entry: &Entry) {
    let Event::StepRecorded { run, key, kind, input, outcome } = &entry.event else { return };
    let result = entry.commits.get("step").copied();
    let row = Step { kind: *kind, input: *input, outcome: *outcome, result, seq: entry.seq, at: entry.at };
    table.put(RowKey::new(Noun::Step, Step::row_id(run, key)), Some(Row::Step(row)));
}

pub(super) fn finished(table: &mut dyn Table, entry: &Entry, id: &RunId, outcome: RunOutcome) {
    let Some(row) = run_row(table, id) else { return };
    for key in &row.waits {
        if let Some(open) = wait(table, &Step::row_id(id, key)) {
            stop_timer(table, &open);
        }
    }
    if let Some(Deadline { at, timer: Some(timer) }) = &row.deadline {
        table.put(RowKey::new(Noun::Timer, Timer::row_id(*at, timer)), None);
    }
    if let Some(parent) = &row.parent {
        change(table, parent, |parent| {
            parent.children.remove(id);
        });
    }
    let ended = Row::Ended(id.clone(), row.agent.clone());
    table.put(RowKey::new(Noun::Ended, ended_id(entry.at, id)), Some(ended));
    change(table, id, |row| {
        row.finished = Some((outcome, entry.at));
        row.waits.clear();
        row.result = entry.commits.get("result").copied();
        row.error = entry.commits.get("error").copied();
    });
}
