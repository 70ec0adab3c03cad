//! Threads: what a program keeps between its steps, as checkpoints with the writes that wait for the next one.
//!
//! The order in which checkpoints of a namespace were saved is the order that counts: the newest is the one that was
//! acknowledged last, whatever the clocks of the writers say. A thread belongs to the agent that made it, and its names
//! are pseudonyms; the pseudonym of a thread is that of the subject whose data key seals its content, so erasing that
//! subject is deleting the thread. Rows of a thread bear the entry with which it was born: after a deletion the next
//! thread of that name finds nothing of the one before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::{Entry, Event};
use crate::id::AgentId;
use crate::refusal::Refusal;
use crate::state::{Noun, Row, RowKey, Table};

/// Content of one checkpoint, what it shares with its parent included: as much as one answer holds.
pub const CHECKPOINT_BYTES_MAX: u64 = 16 << 20;
/// Content of the writes that wait at one checkpoint.
pub const WRITES_BYTES_MAX: u64 = 32 << 20;
/// Tasks that wrote to one checkpoint: their row stays well within a line of a base.
pub const TASKS_MAX: usize = 4_000;
/// Writes that wait at one checkpoint.
pub const SLOTS_MAX: usize = 20_000;
/// Values of channels in one checkpoint: their marks and commitments stay well within an entry.
pub const VALUES_MAX: usize = 256;
/// Checkpoints of one thread.
pub const CHECKPOINTS_MAX: u64 = 100_000;
/// Checkpoints that one entry removes.
pub const REMOVED_MAX: usize = 500;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A checkpoint, as its entry keeps it. Payloads: `checkpoint`, `metadata`, `value.N` for the values that are new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Its thread.
    pub thread: Digest,
    /// Whose thread it is.
    pub agent: AgentId,
    /// Where in the thread: of the whole program, or of a part of it.
    pub namespace: Digest,
    /// Its name.
    pub checkpoint: Digest,
    /// The checkpoint that it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Digest>,
    /// The run of the program that made it, as the program names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Digest>,
    /// Values of its channels: which version of which channel, and how large. One without a payload is its parent's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(Digest, u64)>,
    /// Channels whose value is put together from the writes of its ancestors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delta: Vec<Digest>,
    /// Bytes of what is in it beside the values.
    pub bytes: u64,
}

/// Writes of a task that wait for the next checkpoint. Payload: `writes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The thread.
    pub thread: Digest,
    /// Whose thread it is.
    pub agent: AgentId,
    /// The checkpoint that the task started from; it need not be on record yet.
    pub checkpoint: Digest,
    /// The task.
    pub task: Digest,
    /// Those of the payload's writes that count. Below zero: special ones, of which the last counts.
    pub slots: Vec<i32>,
    /// Bytes of the payload.
    pub bytes: u64,
}

/// Why a thread was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletedWhy {
    /// Its agent, or who acts for it, asked for it.
    Asked,
    /// Nothing was written to it for as long as its agent's runs are kept.
    Retention,
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Whose it is.
    pub agent: AgentId,
    /// The entry with which it began: its rows bear it.
    pub born: u64,
    /// The day of the last write, in days since 1970.
    pub day: i64,
    /// Checkpoints in it.
    pub checkpoints: u64,
}

impl Thread {
    /// The id of a row of this thread.
    pub fn row_id(&self, thread: &Digest, key: &Digest) -> String {
        format!("{}{key}", self.rows(thread))
    }

    /// What the ids of its rows begin with.
    pub fn rows(&self, thread: &Digest) -> String {
        format!("{thread}/{:x}/", self.born)
    }

    /// The id of the row that says when it was written to last: sorts by that day.
    pub fn day_id(day: i64, thread: &Digest) -> String {
        format!("{:08x}-{thread}", day.max(0))
    }

    /// The last moment of the day of a row of [`Thread::day_id`].
    pub fn last_write(day_id: &str) -> Millis {
        let day = day_id.get(..8).and_then(|text| i64::from_str_radix(text, 16).ok());
        Millis(day.map_or(i64::MAX, |day| day.saturating_add(1).saturating_mul(DAY_MS)))
    }
}

/// A value of a channel, as a checkpoint's row holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which version of which channel.
    pub mark: Digest,
    /// Commitment of its payload.
    pub commit: Digest,
    /// Its bytes.
    pub bytes: u64,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Where in the thread.
    pub namespace: Digest,
    /// The one that it goes on from.
    pub parent: Option<Digest>,
    /// The run that made it.
    pub run: Option<Digest>,
    /// Commitment of what is in it beside the values.
    pub body: Digest,
    /// Commitment of what the program says about it.
    pub metadata: Digest,
    /// Its values.
    pub values: Vec<Held>,
    /// Channels that are put together from ancestors, each with the oldest that is needed for it.
    pub delta: BTreeMap<Digest, Option<Digest>>,
    /// Bytes of all of it.
    pub bytes: u64,
    /// The one of its namespace that was saved before it.
    pub older: Option<Digest>,
    /// The one of its namespace that was saved after it.
    pub newer: Option<Digest>,
    /// Its entry.
    pub seq: u64,
    /// When it was saved.
    pub at: Millis,
}

/// Writes that came together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Commitment of their payload.
    pub commit: Digest,
    /// Those that count.
    pub slots: Vec<i32>,
    /// Bytes of the payload.
    pub bytes: u64,
}

/// The writes that wait at a checkpoint, by task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    /// By task, in the order in which they came.
    pub tasks: BTreeMap<Digest, Vec<Batch>>,
}

impl Writes {
    fn slots(&self) -> usize {
        self.tasks.values().flatten().map(|batch| batch.slots.len()).sum()
    }

    /// Bytes of all of it.
    pub fn bytes(&self) -> u64 {
        self.tasks.values().flatten().map(|batch| batch.bytes).sum()
    }
}

/// The thread of this pseudonym.
pub fn thread(table: &dyn Table, id: &Digest) -> Option<Thread> {
    match table.get(&RowKey::new(Noun::Thread, id)).as_deref() {
        Some(Row::Thread(thread)) => Some(thread.clone()),
        _ => None,
    }
}

/// The newest checkpoint of a namespace.
pub fn newest(table: &dyn Table, id: &Digest, namespace: &Digest) -> Option<Digest> {
    let row = thread(table, id)?.row_id(id, namespace);
    match table.get(&RowKey::new(Noun::Namespace, row)).as_deref() {
        Some(Row::Namespace(newest)) => Some(*newest),
        _ => None,
    }
}

/// The checkpoint of this pseudonym.
pub fn checkpoint(table: &dyn Table, id: &Digest, checkpoint: &Digest) -> Option<Checkpoint> {
    read(table, &thread(table, id)?, id, checkpoint)
}

fn read(table: &dyn Table, thread: &Thread, id: &Digest, checkpoint: &Digest) -> Option<Checkpoint> {
    match table.get(&RowKey::new(Noun::Checkpoint, thread.row_id(id, checkpoint))).as_deref() {
        Some(Row::Checkpoint(checkpoint)) => Some((**checkpoint).clone()),
        _ => None,
    }
}

/// The writes that wait at a checkpoint.
pub fn writes(table: &dyn Table, id: &Digest, checkpoint: &Digest) -> Writes {
    thread(table, id).map(|thread| read_writes(table, &thread, id, checkpoint)).unwrap_or_default()
}

fn read_writes(table: &dyn Table, thread: &Thread, id: &Digest, checkpoint: &Digest) -> Writes {
    match table.get(&RowKey::new(Noun::Writes, thread.row_id(id, checkpoint))).as_deref() {
        Some(Row::Writes(writes)) => writes.clone(),
        _ => Writes::default(),
    }
}

/// What a writer believes to be the newest checkpoint of the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence(pub Option<Digest>);

impl Fence {
    fn check(self, newest: Option<Digest>) -> Result<(), Refusal> {
        if self.0 == newest { Ok(()) } else { Err(Refusal::CheckpointFenced) }
    }
}

/// A checkpoint, as somebody wants it saved.
#[derive(Clone, Debug)]
pub struct Save {
    /// What its entry will say. The bytes of values that are the parent's are not known yet.
    pub saved: Saved,
    /// Commitment of what is in it beside the values.
    pub body: Digest,
    /// Commitment of what the program says about it.
    pub metadata: Digest,
    /// Commitments of the values, in their order; `None`: its parent's.
    pub commits: Vec<Option<Digest>>,
    /// Go on only where this is still the newest.
    pub fence: Option<Fence>,
}

impl Save {
    /// The entry that saves it; `None` where it is on record already.
    pub fn decide(mut self, table: &dyn Table) -> Result<Option<Event>, Refusal> {
        let id = self.saved.thread;
        let Some(thread) = thread(table, &id) else {
            return self.first();
        };
        let parent = self.saved.parent.and_then(|parent| read(table, &thread, &id, &parent));
        let values = self.values(parent.as_ref())?;
        if let Some(before) = read(table, &thread, &id, &self.saved.checkpoint) {
            let same = before.parent == self.saved.parent
                && before.run == self.saved.run
                && before.body == self.body
                && before.metadata == self.metadata
                && before.values == values
                && before.delta.keys().eq(self.saved.delta.iter().collect::<BTreeSet<_>>());
            return if same { Ok(None) } else { Err(Refusal::CheckpointConflict) };
        }
        if let Some(fence) = self.fence {
            fence.check(newest(table, &id, &self.saved.namespace))?;
        }
        if thread.checkpoints >= CHECKPOINTS_MAX {
            return Err(Refusal::ThreadFull { what: "checkpoints", max: CHECKPOINTS_MAX });
        }
        self.saved.values = values.into_iter().map(|held| (held.mark, held.bytes)).collect();
        self.checked()
    }

    /// The first checkpoint of a thread has nobody to take values from.
    fn first(self) -> Result<Option<Event>, Refusal> {
        self.values(None)?;
        if let Some(fence) = self.fence {
            fence.check(None)?;
        }
        self.checked()
    }

    fn checked(self) -> Result<Option<Event>, Refusal> {
        let bytes =
            self.saved.values.iter().fold(self.saved.bytes, |sum, (_, bytes)| sum.saturating_add(*bytes));
        if bytes > CHECKPOINT_BYTES_MAX {
            return Err(Refusal::CheckpointTooLarge { bytes, max: CHECKPOINT_BYTES_MAX });
        }
        Ok(Some(Event::CheckpointSaved(Box::new(self.saved))))
    }

    fn values(&self, parent: Option<&Checkpoint>) -> Result<Vec<Held>, Refusal> {
        let of_parent = |mark: &Digest| {
            parent.and_then(|parent| parent.values.iter().find(|held| held.mark == *mark)).cloned()
        };
        self.saved
            .values
            .iter()
            .zip(&self.commits)
            .map(|((mark, bytes), commit)| match commit {
                Some(commit) => Ok(Held { mark: *mark, commit: *commit, bytes: *bytes }),
                None => of_parent(mark).ok_or(Refusal::CheckpointValuesMissing),
            })
            .collect()
    }
}

/// Writes of a task, as somebody wants them kept.
#[derive(Clone, Debug)]
pub struct Write {
    /// What their entry will say, with all slots.
    pub written: Written,
    /// Commitment of their payload.
    pub commit: Digest,
    /// Where in the thread, and what is believed to be newest there.
    pub fence: Option<(Digest, Fence)>,
}

impl Write {
    /// The entry that keeps those that count; `None` where none does. A plain slot that is taken stays as it is; in a
    /// special one the last write counts.
    pub fn decide(mut self, table: &dyn Table) -> Result<Option<Event>, Refusal> {
        let Written { thread: id, checkpoint, task, .. } = &self.written;
        let before = writes(table, id, checkpoint);
        let mut taken: BTreeMap<i32, Digest> = BTreeMap::new();
        for batch in before.tasks.get(task).into_iter().flatten() {
            taken.extend(batch.slots.iter().map(|slot| (*slot, batch.commit)));
        }
        let counts = |slot: &i32| match taken.get(slot) {
            None => true,
            Some(commit) => *slot < 0 && *commit != self.commit,
        };
        let slots: Vec<i32> = self.written.slots.iter().copied().filter(counts).collect();
        if slots.is_empty() {
            return Ok(None);
        }
        if let Some((namespace, fence)) = self.fence {
            fence.check(newest(table, id, &namespace))?;
        }
        let full = |what, max: usize| Err(Refusal::ThreadFull { what, max: max as u64 });
        if before.slots() + slots.len() > SLOTS_MAX {
            return full("writes at this checkpoint", SLOTS_MAX);
        }
        if before.tasks.len() >= TASKS_MAX && !before.tasks.contains_key(task) {
            return full("tasks at this checkpoint", TASKS_MAX);
        }
        let bytes = before.bytes().saturating_add(self.written.bytes);
        if bytes > WRITES_BYTES_MAX {
            return Err(Refusal::CheckpointTooLarge { bytes, max: WRITES_BYTES_MAX });
        }
        self.written.slots = slots;
        Ok(Some(Event::CheckpointWritten(self.written)))
    }
}

/// The entries that remove those of these checkpoints that are there.
pub fn remove(table: &dyn Table, id: &Digest, checkpoints: &[Digest]) -> Vec<Event> {
    let Some(thread) = thread(table, id) else { return vec![] };
    let there: Vec<Digest> =
        checkpoints.iter().filter(|key| read(table, &thread, id, key).is_some()).copied().collect();
    there
        .chunks(REMOVED_MAX)
        .map(|some| Event::CheckpointRemoved { thread: *id, checkpoints: some.to_vec() })
        .collect()
}

/// What [`superseded`] looks at in a checkpoint.
#[derive(Clone, Debug)]
pub struct Link {
    /// The one that it goes on from.
    pub parent: Option<Digest>,
    /// The oldest ancestors that its channels need.
    pub needs: BTreeSet<Digest>,
    /// No checkpoint of its namespace is newer.
    pub newest: bool,
}

impl From<&Checkpoint> for Link {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            parent: checkpoint.parent,
            needs: checkpoint.delta.values().flatten().copied().collect(),
            newest: checkpoint.newer.is_none(),
        }
    }
}

/// The checkpoints that nothing needs: neither the newest of its namespace, nor an ancestor from which a channel of one
/// of those is put together.
pub fn superseded(links: &BTreeMap<Digest, Link>) -> Vec<Digest> {
    let mut needed = BTreeSet::new();
    for (id, link) in links.iter().filter(|(_, link)| link.newest) {
        needed.insert(*id);
        let mut wanted = link.needs.clone();
        let mut at = link.parent;
        let mut seen = BTreeSet::new();
        while !wanted.is_empty()
            && let Some(ancestor) = at
            && seen.insert(ancestor)
        {
            needed.insert(ancestor);
            wanted.remove(&ancestor);
            at = links.get(&ancestor).and_then(|link| link.parent);
        }
    }
    links.keys().filter(|id| !needed.contains(id)).copied().collect()
}

/// The thread is written to: it begins, or its day is moved.
fn touched(table: &mut dyn Table, id: &Digest, agent: &AgentId, entry: &Entry) -> Thread {
    let day = entry.at.0.div_euclid(DAY_MS);
    let known = thread(table, id);
    let mut row = known.clone().unwrap_or_else(|| Thread {
        agent: agent.clone(),
        born: entry.seq,
        day,
        checkpoints: 0,
    });
    if known.is_none() || row.day != day {
        table.put(RowKey::new(Noun::ThreadDay, Thread::day_id(row.day, id)), None);
        row.day = day;
        let of_day = Row::ThreadDay(*id, row.agent.clone());
        table.put(RowKey::new(Noun::ThreadDay, Thread::day_id(day, id)), Some(of_day));
        table.put(RowKey::new(Noun::Thread, id), Some(Row::Thread(row.clone())));
    }
    row
}

/// Takes a saved checkpoint into the rows.
pub(crate) fn apply_saved(table: &mut dyn Table, entry: &Entry, saved: &Saved) {
    let id = &saved.thread;
    let mut thread = touched(table, id, &saved.agent, entry);
    let commit = |name: &str| entry.commits.get(name).copied();
    let parent = saved.parent.and_then(|parent| read(table, &thread, id, &parent));
    let held = |(index, (mark, bytes)): (usize, &(Digest, u64))| {
        let kept = || parent.as_ref()?.values.iter().find(|held| held.mark == *mark).map(|held| held.commit);
        let commit = commit(&format!("value.{index}")).or_else(kept)?;
        Some(Held { mark: *mark, commit, bytes: *bytes })
    };
    let values: Vec<Held> = saved.values.iter().enumerate().filter_map(held).collect();
    // The oldest that is needed: the parent's own, where the parent has no value of the channel either.
    let oldest = |channel: &Digest| {
        let further = parent.as_ref().and_then(|parent| parent.delta.get(channel).copied().flatten());
        (*channel, further.or(saved.parent))
    };
    let before = newest(table, id, &saved.namespace);
    let row = Checkpoint {
        namespace: saved.namespace,
        parent: saved.parent,
        run: saved.run,
        body: commit("checkpoint").unwrap_or(saved.checkpoint),
        metadata: commit("metadata").unwrap_or(saved.checkpoint),
        bytes: values.iter().fold(saved.bytes, |sum, held| sum.saturating_add(held.bytes)),
        values,
        delta: saved.delta.iter().map(oldest).collect(),
        older: before,
        newer: None,
        seq: entry.seq,
        at: entry.at,
    };
    if let Some(before) = before {
        change(table, &thread, id, &before, |row| row.newer = Some(saved.checkpoint));
    }
    put(table, &thread, id, &saved.checkpoint, row);
    let namespace = RowKey::new(Noun::Namespace, thread.row_id(id, &saved.namespace));
    table.put(namespace, Some(Row::Namespace(saved.checkpoint)));
    thread.checkpoints += 1;
    table.put(RowKey::new(Noun::Thread, id), Some(Row::Thread(thread)));
}

fn put(table: &mut dyn Table, thread: &Thread, id: &Digest, key: &Digest, row: Checkpoint) {
    let key = RowKey::new(Noun::Checkpoint, thread.row_id(id, key));
    table.put(key, Some(Row::Checkpoint(Box::new(row))));
}

fn change(
    table: &mut dyn Table,
    thread: &Thread,
    id: &Digest,
    key: &Digest,
    by: impl FnOnce(&mut Checkpoint),
) {
    if let Some(mut row) = read(table, thread, id, key) {
        by(&mut row);
        put(table, thread, id, key, row);
    }
}

/// Takes waiting writes into the rows.
pub(crate) fn apply_written(table: &mut dyn Table, entry: &Entry, written: &Written) {
    let id = &written.thread;
    let thread = touched(table, id, &written.agent, entry);
    let Some(commit) = entry.commits.get("writes").copied() else { return };
    let mut row = read_writes(table, &thread, id, &written.checkpoint);
    let task = row.tasks.entry(written.task).or_default();
    for batch in task.iter_mut() {
        batch.slots.retain(|slot| !written.slots.contains(slot));
    }
    task.retain(|batch| !batch.slots.is_empty());
    task.push(Batch { commit, slots: written.slots.clone(), bytes: written.bytes });
    let key = RowKey::new(Noun::Writes, thread.row_id(id, &written.checkpoint));
    table.put(key, Some(Row::Writes(row)));
}

/// Takes the removal of checkpoints into the rows.
pub(crate) fn apply_removed(table: &mut dyn Table, id: &Digest, checkpoints: &[Digest]) {
    let Some(mut thread) = thread(table, id) else { return };
    for key in checkpoints {
        let Some(row) = read(table, &thread, id, key) else { continue };
        if let Some(newer) = &row.newer {
            change(table, &thread, id, newer, |next| next.older = row.older);
        } else {
            let namespace = RowKey::new(Noun::Namespace, thread.row_id(id, &row.namespace));
            table.put(namespace, row.older.map(Row::Namespace));
        }
        if let Some(older) = &row.older {
            change(table, &thread, id, older, |before| before.newer = row.newer);
        }
        table.put(RowKey::new(Noun::Checkpoint, thread.row_id(id, key)), None);
        table.put(RowKey::new(Noun::Writes, thread.row_id(id, key)), None);
        thread.checkpoints = thread.checkpoints.saturating_sub(1);
    }
    table.put(RowKey::new(Noun::Thread, id), Some(Row::Thread(thread)));
}

/// A subject was erased: where it was a thread, the thread is gone. Its other rows are found by nobody any more.
pub(crate) fn apply_deleted(table: &mut dyn Table, id: &Digest) {
    if let Some(thread) = thread(table, id) {
        table.put(RowKey::new(Noun::ThreadDay, Thread::day_id(thread.day, id)), None);
        table.put(RowKey::new(Noun::Thread, id), None);
    }
}

#[cfg(test)]
mod tests;
