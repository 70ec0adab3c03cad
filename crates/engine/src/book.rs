//! The owner's rows: what was decided but is not yet in the store, over what the store holds.
//!
//! Bounded: a row may leave memory once the store holds it. A miss is read from the store and kept.

use std::collections::HashMap;
use std::sync::Arc;

use kernel::ports::StateStore;
use kernel::state::{Noun, Row, RowKey, Table};
use kernel::timer::Timer;

use crate::ahead::Ahead;

/// Rows kept in memory beyond those that the store does not have yet: about 100 MiB.
const ROWS_KEPT_MAX: usize = 100_000;

/// A row, or its absence, and the count of entries after which the store has it too.
type Kept = (Option<Arc<Row>>, u64);

pub(crate) struct Book {
    store: Arc<dyn StateStore>,
    rows: std::sync::Mutex<HashMap<RowKey, Kept>>,
    /// What was there before each change since the last hand-over to the journal.
    undo: Vec<(RowKey, Option<Kept>)>,
    /// Timers, by due time.
    timers: Ahead,
    /// Runs that a worker may have.
    ready: Ahead,
    /// Which runs workers may have, or have, changed since this was looked at last.
    pub(crate) moved: bool,
    /// Entries decided so far: the position of the next one.
    pub(crate) next_seq: u64,
    /// Once the store holds this many entries, rows are read from it anew: it let go of some.
    pub(crate) anew_at: Option<u64>,
}

impl Book {
    pub(crate) fn new(store: Arc<dyn StateStore>, next_seq: u64) -> Self {
        Self {
            store,
            rows: std::sync::Mutex::default(),
            undo: Vec::new(),
            timers: Ahead::new(Noun::Timer),
            ready: Ahead::new(Noun::Ready),
            moved: false,
            next_seq,
            anew_at: None,
        }
    }

    /// The journal took what was decided: it will not be taken back.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// The journal did not take it: everything is as it was when `next_seq` entries were decided.
    pub(crate) fn take_back(&mut self, next_seq: u64) {
        for (key, before) in std::mem::take(&mut self.undo).into_iter().rev() {
            // What was not in memory was as the store has it.
            let kept = || (matches!(key.noun, Noun::Timer | Noun::Ready)).then(|| self.store.get(&key));
            match before.clone().or_else(|| kept().map(|row| (row, 0))) {
                Some((row, since)) => self.note(&key, row, since),
                None => self.note(&key, None, 0),
            }
            let rows = self.rows.get_mut().expect("no panic while the lock is held");
            match before {
                Some(kept) => drop(rows.insert(key, kept)),
                None => drop(rows.remove(&key)),
            }
        }
        self.next_seq = next_seq;
    }

    /// Lets go of rows that the store holds, once there are too many.
    pub(crate) fn trim(&mut self) {
        let rows = self.rows.get_mut().expect("no panic while the lock is held");
        let anew = self.anew_at.is_some_and(|size| size <= self.store.applied());
        if anew || rows.len() > ROWS_KEPT_MAX {
            self.anew_at = self.anew_at.filter(|_| !anew);
            let applied = self.store.applied();
            rows.retain(|_, (_, since)| *since > applied);
        }
    }
}

impl Table for Book {
    fn get(&self, key: &RowKey) -> Option<Arc<Row>> {
        let mut rows = self.rows.lock().expect("no panic while the lock is held");
        if let Some((row, _)) = rows.get(key) {
            return row.clone();
        }
        let row = self.store.get(key);
        rows.insert(key.clone(), (row.clone(), 0));
        row
    }

    fn put(&mut self, key: RowKey, row: Option<Row>) {
        let since = self.next_seq + 1;
        let row = row.map(Arc::new);
        self.note(&key, row.clone(), since);
        let rows = self.rows.get_mut().expect("no panic while the lock is held");
        let before = rows.insert(key.clone(), (row, since));
        self.undo.push((key, before));
    }
}

impl Book {
    /// Keeps what stands in order of the ids.
    fn note(&mut self, key: &RowKey, row: Option<Arc<Row>>, since: u64) {
        match key.noun {
            Noun::Timer => self.timers.note(&*self.store, &key.id, row, since),
            Noun::Ready => {
                self.ready.note(&*self.store, &key.id, row, since);
                self.moved = true;
            }
            Noun::Load | Noun::Agent | Noun::Workspace => self.moved = true,
            _ => {}
        }
    }

    /// The timer that is due first.
    pub(crate) fn first_timer(&mut self) -> Option<Timer> {
        match &*self.timers.first(&*self.store, "")?.1 {
            Row::Timer(timer) => Some(timer.clone()),
            _ => None,
        }
    }

    /// The id of the row of the run that is to be given away first, of those in a queue.
    pub(crate) fn first_ready(&mut self, queue: &str) -> Option<String> {
        self.ready.first(&*self.store, queue).map(|(id, _)| id)
    }

    /// Rows of one kind as the store has them, in order of their ids.
    pub(crate) fn range(&self, noun: Noun, from: &str, limit: usize) -> Vec<(String, Arc<Row>)> {
        self.store.range(noun, from, limit)
    }

    /// Ids of rows of a kind of which there are few: what is under way. Read once, at the start, from the store.
    pub(crate) fn ids(&self, noun: Noun) -> Vec<String> {
        let (mut ids, mut from) = (Vec::new(), String::new());
        loop {
            let page = self.store.range(noun, &from, 1_000);
            let Some((last, _)) = page.last() else { return ids };
            from = format!("{last}\u{1}");
            ids.extend(page.into_iter().map(|(id, _)| id));
        }
    }
}
