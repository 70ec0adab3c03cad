//! The first rows of a kind in order of their ids, as decided so far; the rest stays in the store.
//!
//! A million timers cost rows, not memory. What was decided and is not in the store yet is kept beside it (`recent`), and
//! of each range that is asked for the first rows are kept (`Page`), so that looking at the first one reads nothing.
//!
//! ```text
//!   store      |------------------------------------------------>      what is durable and applied
//!   page       |--------|upto                                          the first rows, with what is recent
//!   recent        + -        +      -  +                               changes that the store does not have yet
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::ports::StateStore;
use kernel::state::{Noun, Row};

/// Rows read from the store at once, and kept of a range. Twice as many may come to stand in a page.
const PAGE: usize = 512;
/// Ranges of which the first rows are kept.
const PAGES_MAX: usize = 4_096;
/// Changes after which those that the store has by now are looked for.
const RECENT_LOOK: usize = 4_096;

/// The first rows of a range.
#[derive(Default)]
struct Page {
    rows: BTreeMap<String, Arc<Row>>,
    /// All rows of the range up to this id are above.
    upto: String,
    /// There are none after it.
    whole: bool,
}

pub(crate) struct Ahead {
    noun: Noun,
    /// By what the ids of the range begin with.
    pages: BTreeMap<String, Page>,
    /// What was decided, with the count of entries after which the store has it too.
    recent: BTreeMap<String, (Option<Arc<Row>>, u64)>,
    /// When so many changes are kept, those that the store has are let go.
    look_at: usize,
}

impl Ahead {
    pub(crate) fn new(noun: Noun) -> Self {
        Self { noun, pages: BTreeMap::new(), recent: BTreeMap::new(), look_at: RECENT_LOOK }
    }

    /// A row was decided, or its end; the store has it once it holds `since` entries.
    pub(crate) fn note(&mut self, store: &dyn StateStore, id: &str, row: Option<Arc<Row>>, since: u64) {
        // Ranges are of all ids, or of those that begin with some of its parts.
        let parts = id.char_indices().filter(|(_, char)| *char == '/').map(|(at, _)| &id[..=at]);
        for prefix in std::iter::once("").chain(parts) {
            let Some(page) = self.pages.get_mut(prefix).filter(|page| page.whole || id <= page.upto.as_str())
            else {
                continue;
            };
            match &row {
                Some(row) => drop(page.rows.insert(id.to_owned(), row.clone())),
                None => drop(page.rows.remove(id)),
            }
            if page.rows.len() > 2 * PAGE {
                cut(page);
            }
        }
        self.recent.insert(id.to_owned(), (row, since));
        if self.recent.len() > self.look_at {
            let applied = store.applied();
            self.recent.retain(|_, (_, since)| *since > applied);
            self.look_at = RECENT_LOOK.max(2 * self.recent.len());
        }
    }

    /// The first row of a range.
    pub(crate) fn first(&mut self, store: &dyn StateStore, prefix: &str) -> Option<(String, Arc<Row>)> {
        if !self.pages.contains_key(prefix) {
            if self.pages.len() >= PAGES_MAX {
                self.pages.clear();
            }
            self.pages.insert(prefix.to_owned(), Page { upto: prefix.to_owned(), ..Page::default() });
        }
        let page = self.pages.get_mut(prefix)?;
        while page.rows.is_empty() && !page.whole {
            read_on(self.noun, store, &self.recent, prefix, page);
        }
        page.rows.first_key_value().map(|(id, row)| (id.clone(), row.clone()))
    }

    /// Rows in memory, for tests.
    #[cfg(test)]
    fn kept(&self) -> usize {
        self.recent.len() + self.pages.values().map(|page| page.rows.len()).sum::<usize>()
    }
}

/// Keeps the first rows; those after them are in the store, or recent.
fn cut(page: &mut Page) {
    if let Some(end) = page.rows.keys().nth(PAGE).cloned() {
        page.rows.split_off(&end);
        page.upto = page.rows.keys().next_back().cloned().unwrap_or_default();
        page.whole = false;
    }
}

/// Reads the next rows of a range, with what was decided since.
fn read_on(
    noun: Noun,
    store: &dyn StateStore,
    recent: &BTreeMap<String, (Option<Arc<Row>>, u64)>,
    prefix: &str,
    page: &mut Page,
) {
    // Ids are ASCII: nothing sorts between an id and the id with this added.
    let after = if page.upto == prefix { prefix.to_owned() } else { format!("{}\u{1}", page.upto) };
    let mut rows = store.range(noun, &after, PAGE);
    let read = rows.len();
    rows.retain(|(id, _)| id.starts_with(prefix));
    page.whole = read < PAGE || rows.len() < read;
    let end = rows.last().map(|(id, _)| id.clone());
    page.rows.extend(rows);
    for (id, (row, _)) in recent.range(after..) {
        if !id.starts_with(prefix) || !(page.whole || end.as_ref().is_some_and(|end| id <= end)) {
            break;
        }
        match row {
            Some(row) => drop(page.rows.insert(id.clone(), row.clone())),
            None => drop(page.rows.remove(id)),
        }
    }
    if let Some(end) = end {
        page.upto = end;
    }
    if page.rows.len() > 2 * PAGE {
        cut(page);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kernel::state::RowKey;

    use super::*;

    #[derive(Default)]
    struct Store(Mutex<(BTreeMap<String, Arc<Row>>, u64)>);

    impl StateStore for Store {
        fn get(&self, key: &RowKey) -> Option<Arc<Row>> {
            self.0.lock().unwrap().0.get(&key.id).cloned()
        }

        fn range(&self, _: Noun, from: &str, limit: usize) -> Vec<(String, Arc<Row>)> {
            let rows = self.0.lock().unwrap();
            rows.0.range(from.to_owned()..).take(limit).map(|(id, row)| (id.clone(), row.clone())).collect()
        }

        fn applied(&self) -> u64 {
            self.0.lock().unwrap().1
        }
    }

    /// A small generator: the test needs many cases, not good chance.
    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    #[test]
    fn the_first_row_is_the_same_however_far_the_store_is() {
        for seed in 0..20 {
            let (mut chance, mut ahead, store) = (seed, Ahead::new(Noun::Ready), Store::default());
            let mut truth: BTreeMap<String, Arc<Row>> = BTreeMap::new();
            let mut log: Vec<(String, Option<Arc<Row>>)> = vec![];
            for _ in 0..4_000 {
                let id = format!(
                    "{}/{:06}",
                    ["a", "b"][(next(&mut chance) % 2) as usize],
                    next(&mut chance) % 3_000
                );
                match next(&mut chance) % 10 {
                    0..6 => {
                        let row = Arc::new(Row::Ready);
                        truth.insert(id.clone(), row.clone());
                        log.push((id.clone(), Some(row.clone())));
                        ahead.note(&store, &id, Some(row), log.len() as u64);
                    }
                    6..8 => {
                        let prefix = ["a/", "b/", ""][(next(&mut chance) % 3) as usize];
                        let first = truth.keys().find(|id| id.starts_with(prefix)).cloned();
                        assert_eq!(ahead.first(&store, prefix).map(|(id, _)| id), first, "seed {seed}");
                        if let Some(id) = first {
                            truth.remove(&id);
                            log.push((id.clone(), None));
                            ahead.note(&store, &id, None, log.len() as u64);
                        }
                    }
                    8 => {
                        truth.remove(&id);
                        log.push((id.clone(), None));
                        ahead.note(&store, &id, None, log.len() as u64);
                    }
                    _ => {
                        let mut rows = store.0.lock().unwrap();
                        let to = (rows.1 + next(&mut chance) % 400).min(log.len() as u64);
                        for (id, row) in &log[usize::try_from(rows.1).unwrap()..usize::try_from(to).unwrap()]
                        {
                            match row {
                                Some(row) => drop(rows.0.insert(id.clone(), row.clone())),
                                None => drop(rows.0.remove(id)),
                            }
                        }
                        rows.1 = to;
                    }
                }
            }
        }
    }

    #[test]
    fn many_rows_in_the_store_are_not_many_in_memory() {
        let (mut ahead, store) = (Ahead::new(Noun::Timer), Store::default());
        for number in 0..50_000_u64 {
            let row = Arc::new(Row::Ready);
            ahead.note(&store, &format!("{number:08}"), Some(row.clone()), number + 1);
            let mut rows = store.0.lock().unwrap();
            rows.0.insert(format!("{number:08}"), row);
            rows.1 = number + 1;
        }
        for number in 0..5_000 {
            assert_eq!(ahead.first(&store, "").unwrap().0, format!("{number:08}"));
            ahead.note(&store, &format!("{number:08}"), None, 60_000);
        }
        assert!(ahead.kept() < 15_000, "{}", ahead.kept());
    }
}
