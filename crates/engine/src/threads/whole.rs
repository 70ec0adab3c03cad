//! What is done to whole threads: deleting, pruning, copying, and letting go of those past their retention.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use kernel::actor::Actor;
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::AgentId;
use kernel::refusal::Refusal;
use kernel::state::{self, Noun, Row};
use kernel::thread::{self, Checkpoint, DeletedWhy, Link, Thread, Write, Writes};

use super::{ChannelValue, SaveCheckpoint, Sealed, WriteCheckpoint, save};
use crate::desk::Named;
use crate::engine::Engine;
use crate::error::Error;
use crate::retention::{blocking, moment, shortest};
use crate::subject::{KEYS_MAX, held};

/// Rows read at once.
const PAGE: usize = 500;
/// Content that one append of a copy takes.
const COPY_BYTES_MAX: u64 = 8 << 20;
/// Checkpoints that one append of a copy takes.
const COPY_MAX: usize = 200;
/// Writes of one task that are sealed together.
const WRITES_TOGETHER: usize = 4 << 20;
/// How often pruning begins again because the thread went on meanwhile.
const TRIES_MAX: usize = 5;

/// Threads that are past their retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Threads {
    pub(crate) due: u64,
    pub(crate) held: u64,
    pub(crate) gone: u64,
}

impl Engine {
    /// Deletes a thread: its data keys are destroyed, and what they sealed can be opened by nobody. False where there
    /// is none.
    pub async fn delete_thread(&self, agent: &AgentId, name: &str, by: Actor) -> Result<bool, Error> {
        self.check_open()?;
        let id = self.thread(agent, name)?;
        self.drop_thread(id, DeletedWhy::Asked, by, |_| true).await
    }

    async fn drop_thread(
        &self,
        id: Digest,
        why: DeletedWhy,
        by: Actor,
        still: impl Fn(&Thread) -> bool + Copy + Send + 'static,
    ) -> Result<bool, Error> {
        let there = self
            .ask(move |desk| {
                let there = thread::thread(desk.table(), &id).is_some_and(|thread| still(&thread));
                if there { held(desk.table(), &id).map(|()| true) } else { Ok(false) }
            })
            .await?;
        if !there {
            return Ok(false);
        }
        // Keys that a crash kept from the vault's own record are found by the payloads, which the views know.
        self.caught_up().await?;
        let payloads = self.inner.payloads.clone();
        let keys = blocking(move || payloads.keys_of(&id)).await?;
        let named = keys.clone();
        let told = self
            .ask(move |desk| {
                if !thread::thread(desk.table(), &id).is_some_and(|thread| still(&thread)) {
                    return Ok(false);
                }
                held(desk.table(), &id)?;
                let event = |keys: &[i64]| Event::ThreadDeleted { thread: id, keys: keys.to_vec(), why };
                let mut events: Vec<_> = named.chunks(KEYS_MAX).map(|keys| (event(keys), vec![])).collect();
                if events.is_empty() {
                    events.push((event(&[]), vec![]));
                }
                desk.write(&by, None, events)?;
                Ok(true)
            })
            .await?;
        if told {
            let payloads = self.inner.payloads.clone();
            blocking(move || payloads.destroy(&keys)).await?;
        }
        Ok(told)
    }

    /// Lists must not be behind when something is decided by them.
    async fn caught_up(&self) -> Result<(), Error> {
        if self.views_caught_up().await { Ok(()) } else { Err(Error::Busy) }
    }

    /// Checkpoints of a thread that these keys name are removed; a thread of which none is left is deleted. Returns how
    /// many were removed.
    pub async fn remove_checkpoints(
        &self,
        id: Digest,
        checkpoints: Vec<Digest>,
        by: Actor,
    ) -> Result<u64, Error> {
        self.check_open()?;
        let who = by.clone();
        let (removed, empty) = self
            .ask(move |desk| {
                let events = thread::remove(desk.table(), &id, &checkpoints);
                let removed = count(&events);
                if removed > 0 {
                    held(desk.table(), &id)?;
                    desk.write(&who, None, events.into_iter().map(|event| (event, vec![])).collect())?;
                }
                let empty = thread::thread(desk.table(), &id).is_some_and(|thread| thread.checkpoints == 0);
                Ok((removed, empty && removed > 0))
            })
            .await?;
        if empty {
            self.drop_thread(id, DeletedWhy::Asked, by, |thread| thread.checkpoints == 0).await?;
        }
        Ok(removed)
    }

    /// Removes all checkpoints of a thread but the newest of each namespace, and what those are put together from.
    pub async fn prune_thread(&self, agent: &AgentId, name: &str, by: Actor) -> Result<u64, Error> {
        self.check_open()?;
        let id = self.thread(agent, name)?;
        for _ in 0..TRIES_MAX {
            let mut links: BTreeMap<Digest, Link> = BTreeMap::new();
            let Some(born) = self
                .each_checkpoint(id, |key, row| {
                    links.insert(key, Link::from(row));
                })
                .await?
            else {
                return Ok(0);
            };
            let gone = thread::superseded(&links);
            let newest: Vec<Digest> =
                links.iter().filter(|(_, link)| link.newest).map(|(key, _)| *key).collect();
            let by = by.clone();
            let done = self
                .ask(move |desk| {
                    let table = desk.table();
                    let same = thread::thread(table, &id).is_some_and(|thread| thread.born == born)
                        && newest.iter().all(|key| {
                            thread::checkpoint(table, &id, key).is_some_and(|row| row.newer.is_none())
                        });
                    if !same {
                        return Ok(None);
                    }
                    let events = thread::remove(table, &id, &gone);
                    let removed = count(&events);
                    if removed > 0 {
                        held(table, &id)?;
                        desk.write(&by, None, events.into_iter().map(|event| (event, vec![])).collect())?;
                    }
                    Ok(Some(removed))
                })
                .await?;
            if let Some(removed) = done {
                return Ok(removed);
            }
        }
        Err(Error::Busy)
    }

    /// Shows each checkpoint of a thread, in no order; returns when the thread was born, `None` where there is none.
    async fn each_checkpoint(
        &self,
        id: Digest,
        mut see: impl FnMut(Digest, &Checkpoint),
    ) -> Result<Option<u64>, Error> {
        self.caught_up().await?;
        let found = self.ask(move |desk| Ok(thread::thread(desk.table(), &id))).await?;
        let Some(thread) = found else { return Ok(None) };
        let prefix = thread.rows(&id);
        let mut from = prefix.clone();
        loop {
            let after = from.clone();
            let rows = self.ask(move |desk| Ok(desk.book.range(Noun::Checkpoint, &after, PAGE))).await?;
            let Some((last, _)) = rows.last() else { return Ok(Some(thread.born)) };
            from = format!("{last}~");
            for (key, row) in &rows {
                let Some(key) = key.strip_prefix(&prefix) else { return Ok(Some(thread.born)) };
                if let (Ok(key), Row::Checkpoint(row)) = (key.parse(), &**row) {
                    see(key, row);
                }
            }
        }
    }

    /// Copies all checkpoints of a thread into another one of the same agent, oldest first. What is there already, with
    /// the same content, is left: a copy that was cut short is completed by asking again. Returns how many came new.
    pub async fn copy_thread(&self, agent: &AgentId, from: &str, to: &str, by: Actor) -> Result<u64, Error> {
        self.check_open()?;
        self.check_intake()?;
        let (source, target) = (self.thread(agent, from)?, self.thread(agent, to)?);
        if source == target {
            return Err(Refusal::Invalid("a thread is copied into another one".to_owned()).into());
        }
        let mut order: Vec<(u64, Digest)> = vec![];
        self.each_checkpoint(source, |key, row| order.push((row.seq, key))).await?;
        order.sort_unstable();
        let mut known = BTreeMap::new();
        let (mut copied, mut rest) = (0, order.as_slice());
        while !rest.is_empty() {
            let keys: Vec<Digest> = rest.iter().take(COPY_MAX).map(|(_, key)| *key).collect();
            let mut rows = self.ask(move |desk| Ok(Rows::read(desk.table(), &source, &keys))).await?;
            rows.within(COPY_BYTES_MAX);
            rest = rest.get(rows.len().max(1)..).unwrap_or_default();
            copied += self.copy_rows(agent, to, rows, &mut known, &by).await?;
        }
        Ok(copied)
    }

    /// One append of a copy.
    async fn copy_rows(
        &self,
        agent: &AgentId,
        to: &str,
        rows: Rows,
        known: &mut BTreeMap<Digest, (String, String)>,
        by: &Actor,
    ) -> Result<u64, Error> {
        for _ in 0..TRIES_MAX {
            let erasures = self.inner.erasures.load(Ordering::Acquire);
            let (engine, agent, to, rows) = (self.clone(), agent.clone(), to.to_owned(), rows.clone());
            let names = known.clone();
            let work = move || {
                let mut names = names;
                let sealed = rows.seal(&engine, &agent, &to, &mut names)?;
                Ok::<_, Error>((sealed, names))
            };
            let (sealed, names) = tokio::task::spawn_blocking(work).await.map_err(|_| Error::Closed)??;
            let by = by.clone();
            let done = self
                .ask(move |desk| {
                    if desk.erasures.load(Ordering::Acquire) != erasures {
                        return Ok(None);
                    }
                    let mut copied = 0;
                    for (checkpoint, writes) in sealed {
                        copied += u64::from(save(desk, &by, checkpoint)?);
                        for (write, payloads) in writes {
                            if let Some(event) = write.decide(desk.table())? {
                                desk.write(&by, None, vec![(event, payloads)])?;
                            }
                        }
                    }
                    Ok(Some(copied))
                })
                .await?;
            if let Some(copied) = done {
                *known = names;
                return Ok(copied);
            }
        }
        Err(Error::Busy)
    }

    /// Counts threads past their retention, and lets go of them where `by` says for whom.
    pub(crate) async fn threads_past(&self, by: Option<Actor>) -> Result<Threads, Error> {
        let (mut threads, mut from) = (Threads::default(), String::new());
        loop {
            let after = from.clone();
            let (page, last) = self
                .ask(move |desk| {
                    let (now, shortest) = (moment(desk), shortest(desk));
                    let mut page: Vec<(Digest, i64, bool)> = vec![];
                    let mut last = None;
                    for (id, row) in desk.book.range(Noun::ThreadDay, &after, PAGE) {
                        let Row::ThreadDay(thread, agent) = &*row else { continue };
                        let written = Thread::last_write(&id);
                        if shortest.until(written) > now {
                            return Ok((page, None));
                        }
                        last = Some(id);
                        let Some(row) = thread::thread(desk.table(), thread) else { continue };
                        let written = written.max(Thread::last_write(&Thread::day_id(row.day, thread)));
                        if state::retention(desk.table(), agent).until(written) <= now {
                            page.push((*thread, row.day, held(desk.table(), thread).is_err()));
                        }
                    }
                    Ok((page, last))
                })
                .await?;
            for (thread, day, held) in page {
                if held {
                    threads.held += 1;
                    continue;
                }
                threads.due += 1;
                if let Some(by) = &by {
                    let still = move |row: &Thread| row.day == day;
                    let gone = self.drop_thread(thread, DeletedWhy::Retention, by.clone(), still).await;
                    match gone {
                        Ok(gone) => threads.gone += u64::from(gone),
                        // A hold that was put on meanwhile beats this.
                        Err(Error::Refused(Refusal::LegalHold)) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            let Some(last) = last else { return Ok(threads) };
            from = format!("{last}~");
        }
    }
}

fn count(events: &[Event]) -> u64 {
    let removed = |event: &Event| match event {
        Event::CheckpointRemoved { checkpoints, .. } => checkpoints.len() as u64,
        _ => 0,
    };
    events.iter().map(removed).sum()
}

/// Rows that are copied together.
#[derive(Clone)]
struct Rows {
    rows: Vec<(Checkpoint, Writes, Option<Checkpoint>)>,
}

impl Rows {
    fn read(table: &dyn state::Table, source: &Digest, keys: &[Digest]) -> Self {
        let row = |key: &Digest| thread::checkpoint(table, source, key);
        let rows = keys.iter().filter_map(|key| {
            let own = row(key)?;
            let parent = own.parent.as_ref().and_then(row).filter(|parent| parent.seq < own.seq);
            Some((own, thread::writes(table, source, key), parent))
        });
        Self { rows: rows.collect() }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    /// Keeps the first of them, as many as fit, at least one.
    fn within(&mut self, bytes: u64) {
        let mut sum = 0_u64;
        let mut count = 0;
        for (own, writes, _) in &self.rows {
            sum = sum.saturating_add(own.bytes).saturating_add(writes.bytes());
            if count > 0 && sum > bytes {
                break;
            }
            count += 1;
        }
        self.rows.truncate(count);
    }

    /// Opens them and seals them for the other thread. `known` are values that were seen, with channel and version.
    fn seal(
        self,
        engine: &Engine,
        agent: &AgentId,
        to: &str,
        known: &mut BTreeMap<Digest, (String, String)>,
    ) -> Result<Vec<Copied>, Error> {
        let gone =
            || Error::Refused(Refusal::NotFound { what: "thread", id: "(erased meanwhile)".to_owned() });
        let mut all = Vec::with_capacity(self.rows.len());
        for (row, writes, parent) in self.rows {
            let content = engine.checkpoint_content(&row)?.ok_or_else(gone)?;
            let metadata = engine.checkpoint_metadata(&row)?.ok_or_else(gone)?;
            let mut values = Vec::with_capacity(row.values.len());
            for held in &row.values {
                let shared = parent.as_ref().is_some_and(|parent| parent.values.contains(held));
                if let (true, Some((channel, version))) = (shared, known.get(&held.commit)) {
                    let (channel, version) = (channel.clone(), version.clone());
                    values.push(ChannelValue { channel, version, content: None });
                    continue;
                }
                let value = engine.checkpoint_value(held)?.ok_or_else(gone)?;
                known.insert(held.commit, (value.channel.clone(), value.version.clone()));
                values.push(value);
            }
            let (namespace, id) = (content.namespace.clone(), content.id.clone());
            let call = SaveCheckpoint {
                agent: agent.clone(),
                thread: to.to_owned(),
                namespace: content.namespace,
                id: content.id,
                parent: content.parent,
                run: content.run,
                body: content.body,
                metadata,
                values,
                delta: content.delta,
                if_newest: None,
            };
            let checkpoint = engine.seal_checkpoint(&call)?;
            let mut calls: Vec<WriteCheckpoint> = vec![];
            let mut size = 0;
            for write in engine.checkpoint_writes(&writes)?.ok_or_else(gone)? {
                size += write.typed.bytes.len();
                let own = (write.slot, write.channel, write.typed);
                match calls.last_mut() {
                    Some(last)
                        if last.task == write.task && last.path == write.path && size <= WRITES_TOGETHER =>
                    {
                        last.writes.push(own);
                    }
                    _ => {
                        size = own.2.bytes.len();
                        calls.push(WriteCheckpoint {
                            agent: agent.clone(),
                            thread: to.to_owned(),
                            namespace: namespace.clone(),
                            checkpoint: id.clone(),
                            task: write.task,
                            path: write.path,
                            writes: vec![own],
                            if_newest: None,
                        });
                    }
                }
            }
            let writes = calls.iter().map(|call| engine.seal_writes(call)).collect::<Result<_, _>>()?;
            all.push((checkpoint, writes));
        }
        Ok(all)
    }
}

/// A checkpoint and the writes that wait at it, sealed for another thread.
type Copied = (Sealed, Vec<(Write, Named)>);
