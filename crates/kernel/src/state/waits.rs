//! Waits, and the signals that they read.

use super::{Noun, Row, RowKey, Table, inbox, runs, signal as signal_row, wait};
use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::{Entry, Event};
use crate::id::RunId;
use crate::lease::Stand;
use crate::signal::{Inbox, Signal, made};
use crate::step::Step;
use crate::timer::{Purpose, Timer};
use crate::wait::{Condition, Met, Wait};

pub(super) fn opened(table: &mut dyn Table, entry: &Entry) {
    let Event::WaitOpened { run, key, input, mode, on, timer } = &entry.event else { return };
    if let Some(alarm) = timer {
        let purpose = Purpose::Wake { run: run.clone(), wait: *key };
        let row = Timer { id: alarm.id.clone(), due: alarm.due, purpose };
        table.put(RowKey::new(Noun::Timer, Timer::row_id(alarm.due, &alarm.id)), Some(Row::Timer(row)));
    }
    for condition in on {
        if let Condition::Run(other) = condition {
            runs::change(table, other, |other| {
                if other.finished.is_none() {
                    other.watchers.insert(run.clone());
                }
            });
        }
    }
    let row = Wait {
        key: *key,
        input: *input,
        mode: *mode,
        on: on.clone(),
        timer: timer.clone(),
        content: entry.commits.get("wait").copied(),
        seq: entry.seq,
        at: entry.at,
        met: None,
    };
    table.put(RowKey::new(Noun::Step, Step::row_id(run, key)), Some(Row::Wait(Box::new(row))));
    runs::change(table, run, |run| run.waits.push(*key));
}

pub(super) fn met(table: &mut dyn Table, run: &RunId, key: &Digest, by: &[u32], at: Millis) {
    let id = Step::row_id(run, key);
    if let Some(mut row) = wait(table, &id) {
        row.met = Some((by.iter().map(|on| read(table, run, &row, *on)).collect(), at));
        stop_timer(table, &row);
        table.put(RowKey::new(Noun::Step, id), Some(Row::Wait(Box::new(row))));
    }
    runs::change(table, run, |run| {
        run.waits.retain(|open| open != key);
        if let Some(dispatch) = run.dispatch.as_mut().filter(|dispatch| dispatch.stand == Stand::Waiting) {
            dispatch.stand = Stand::Ready;
        }
    });
}

/// Notes what met a condition; a signal is read by it.
fn read(table: &mut dyn Table, run: &RunId, row: &Wait, on: u32) -> Met {
    let Some(Condition::Signal(name)) = row.on.get(on as usize) else { return Met { on, signal: None } };
    let id = Inbox::row_id(run, name);
    let Some(mut inbox) = inbox(table, &id).filter(|inbox| inbox.unread() > 0) else {
        return Met { on, signal: None };
    };
    let signal_id = Inbox::signal_id(run, name, inbox.first);
    let content = signal_row(table, &signal_id).and_then(|signal| signal.content);
    table.put(RowKey::new(Noun::Signal, signal_id), None);
    inbox.first += 1;
    table.put(RowKey::new(Noun::Inbox, id), Some(Row::Inbox(inbox)));
    Met { on, signal: content }
}

pub(super) fn stop_timer(table: &mut dyn Table, row: &Wait) {
    if let Some(alarm) = &row.timer {
        table.put(RowKey::new(Noun::Timer, Timer::row_id(alarm.due, &alarm.id)), None);
    }
}

pub(super) fn signal(table: &mut dyn Table, entry: &Entry) {
    let Event::SignalReceived { run, name, signal, fingerprint } = &entry.event else { return };
    let id = Inbox::row_id(run, name);
    let mut inbox = inbox(table, &id).unwrap_or_default();
    let row = Signal { content: entry.commits.get("signal").copied(), seq: entry.seq, at: entry.at };
    table.put(RowKey::new(Noun::Signal, Inbox::signal_id(run, name, inbox.next)), Some(Row::Signal(row)));
    inbox.next += 1;
    table.put(RowKey::new(Noun::Inbox, id), Some(Row::Inbox(inbox)));
    if let Some(key) = signal {
        let made = made(entry.seq, fingerprint.as_ref());
        table.put(RowKey::new(Noun::Made, key), Some(Row::Made(made)));
    }
}
