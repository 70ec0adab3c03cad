//! Timers, and what they change by being set or by firing alone.

use super::{Noun, Row, RowKey, Table, actions, leases, runs};
use crate::clock::Millis;
use crate::id::TimerId;
use crate::timer::{Purpose, Timer};

pub(super) fn set(table: &mut dyn Table, timer: &TimerId, due: Millis, purpose: &Purpose) {
    let row = Timer { id: timer.clone(), due, purpose: purpose.clone() };
    table.put(RowKey::new(Noun::Timer, Timer::row_id(due, timer)), Some(Row::Timer(row)));
    match purpose {
        Purpose::LookUp { action } | Purpose::Retry { action } => {
            actions::change(table, action, |action| action.later = Some(timer.clone()));
        }
        Purpose::Deadline { run } => runs::change(table, run, |run| {
            if let Some(deadline) = &mut run.deadline {
                deadline.timer = Some(timer.clone());
            }
        }),
        Purpose::Expire { .. } | Purpose::Wake { .. } | Purpose::Again { .. } => {}
    }
}

pub(super) fn fired(table: &mut dyn Table, timer: &TimerId, due: Millis) {
    let key = RowKey::new(Noun::Timer, Timer::row_id(due, timer));
    let Some(row) = table.get(&key) else { return };
    table.put(key, None);
    let Row::Timer(Timer { purpose, .. }) = &*row else { return };
    match purpose {
        Purpose::LookUp { action } | Purpose::Retry { action } => actions::change(table, action, |action| {
            action.later.take_if(|later| later == timer);
        }),
        Purpose::Again { run } => leases::again(table, run),
        Purpose::Expire { .. } | Purpose::Wake { .. } | Purpose::Deadline { .. } => {}
    }
}
