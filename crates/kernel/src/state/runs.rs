//! Runs and their steps.

use super::{Noun, Row, RowKey, Table, ended_id, run};
use crate::clock::Millis;
use crate::event::{Entry, Event};
use crate::id::RunId;
use crate::run::{Run, RunOutcome};
use crate::step::Step;

pub(super) fn started(table: &mut dyn Table, entry: &Entry) {
    let Event::RunStarted { run, agent, agent_version, on_behalf_of, conversation, fingerprint } =
        &entry.event
    else {
        return;
    };
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
    };
    table.put(RowKey::new(Noun::Run, run), Some(Row::Run(row)));
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

pub(super) fn finished(table: &mut dyn Table, id: &RunId, outcome: RunOutcome, at: Millis) {
    if let Some(mut row) = run(table, id) {
        row.finished = Some((outcome, at));
        let ended = Row::Ended(id.clone(), row.agent.clone());
        table.put(RowKey::new(Noun::Ended, ended_id(at, id)), Some(ended));
        table.put(RowKey::new(Noun::Run, id), Some(Row::Run(row)));
    }
}
