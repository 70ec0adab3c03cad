//! Timers that have not fired, by due time, as decided so far.

use std::collections::BTreeMap;

use kernel::clock::Millis;
use kernel::id::{ActionId, TimerId};
use kernel::ports::StateStore;
use kernel::state::{Noun, Row};
use kernel::timer::{Purpose, Timer};

/// Rows read from the store at once.
const PAGE: usize = 1_000;

#[derive(Default)]
pub(crate) struct Timers {
    by_due: BTreeMap<String, Timer>,
    /// What was there before each change since the last hand-over to the journal.
    undo: Vec<(String, Option<Timer>)>,
}

impl Timers {
    /// All timers that the store holds.
    pub(crate) fn read(store: &dyn StateStore) -> Self {
        let mut timers = Self::default();
        let mut from = String::new();
        loop {
            let page = store.range(Noun::Timer, &from, PAGE);
            let Some((last, _)) = page.last() else { return timers };
            from = format!("{last}\u{1}");
            for (id, row) in page {
                if let Row::Timer(timer) = &*row {
                    timers.by_due.insert(id, timer.clone());
                }
            }
        }
    }

    pub(crate) fn set(&mut self, timer: Timer) {
        let id = Timer::row_id(timer.due, &timer.id);
        let before = self.by_due.insert(id.clone(), timer);
        self.undo.push((id, before));
    }

    pub(crate) fn remove(&mut self, due: Millis, timer: &TimerId) {
        let id = Timer::row_id(due, timer);
        if let Some(before) = self.by_due.remove(&id) {
            self.undo.push((id, Some(before)));
        }
    }

    /// The next one.
    pub(crate) fn first(&self) -> Option<&Timer> {
        self.by_due.values().next()
    }

    /// Whether something is due for this action, besides the end of its approval.
    pub(crate) fn has(&self, action: &ActionId) -> bool {
        self.by_due
            .values()
            .any(|timer| timer.purpose.action() == action && !matches!(timer.purpose, Purpose::Expire { .. }))
    }

    /// The journal took what was decided.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// The journal did not take it.
    pub(crate) fn take_back(&mut self) {
        for (id, before) in self.undo.drain(..).rev() {
            match before {
                Some(timer) => drop(self.by_due.insert(id, timer)),
                None => drop(self.by_due.remove(&id)),
            }
        }
    }
}
