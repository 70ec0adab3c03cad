//! Threads: saving checkpoints and the writes that wait at them, pruning, copying, deleting.
//!
//! A thread's content is sealed with the data key of its own subject, `thread/AGENT:NAME`. What is sealed while that key
//! is destroyed would be lost although it was acknowledged: who saves looks whether something was erased since, and
//! seals again.

mod content; // what payloads of threads hold
mod whole; // what is done to whole threads

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kernel::actor::Actor;
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::AgentId;
use kernel::refusal::Refusal;
use kernel::state;
use kernel::thread::{self, Checkpoint, Fence, Save, Saved, VALUES_MAX, Write, Writes, Written};

use self::content::{BodyHead, MetadataHead, ValueHead, WriteHead, WritesHead, pack};
pub use self::content::{Content, Filter, Metadata, TaskWrite, Typed};
use crate::desk::{Desk, Named};
use crate::engine::Engine;
use crate::error::Error;
use crate::payload::Payloads;

/// The longest name of a thread: with its agent it is the name of a subject.
const THREAD_BYTES_MAX: usize = 128;
const NAMESPACE_BYTES_MAX: usize = 1_024;
const PATH_BYTES_MAX: usize = 4_096;
const CHANNEL_BYTES_MAX: usize = 256;
/// Checkpoints, tasks, versions, runs.
const NAME_BYTES_MAX: usize = 128;
const KIND_BYTES_MAX: usize = 64;
/// Writes in one request.
const WRITES_MAX: usize = 4_096;
/// Content of one request: as much as one payload holds.
pub const REQUEST_BYTES_MAX: usize = 8 << 20;
/// More than this is sealed and opened off the runtime's threads.
const INLINE_BYTES_MAX: usize = 256 << 10;
/// How often it is sealed again because something was erased meanwhile.
const SEALS_MAX: usize = 8;

/// A value of a channel.
#[derive(Clone, Debug)]
pub struct ChannelValue {
    /// Its channel.
    pub channel: String,
    /// Its version, in the program's form.
    pub version: String,
    /// What it is; `None`: as in the parent.
    pub content: Option<Typed>,
}

/// A checkpoint that is to be saved.
#[derive(Clone, Debug)]
pub struct SaveCheckpoint {
    /// Whose thread it is.
    pub agent: AgentId,
    /// The thread.
    pub thread: String,
    /// Where in the thread.
    pub namespace: String,
    /// Its name.
    pub id: String,
    /// The one that it goes on from.
    pub parent: Option<String>,
    /// The run of the program that made it.
    pub run: Option<String>,
    /// What is in it beside the values.
    pub body: Typed,
    /// What the program says about it.
    pub metadata: Metadata,
    /// Values of its channels.
    pub values: Vec<ChannelValue>,
    /// Channels whose value is put together from ancestors.
    pub delta: Vec<String>,
    /// Only where this is the newest of the namespace, or none is.
    pub if_newest: Option<Option<String>>,
}

/// Writes of a task that are to be kept.
#[derive(Clone, Debug)]
pub struct WriteCheckpoint {
    /// Whose thread it is.
    pub agent: AgentId,
    /// The thread.
    pub thread: String,
    /// Where in the thread.
    pub namespace: String,
    /// The checkpoint that the task started from.
    pub checkpoint: String,
    /// The task.
    pub task: String,
    /// Its place among the tasks.
    pub path: String,
    /// Slot, channel and content.
    pub writes: Vec<(i32, String, Typed)>,
    /// Only where this is the newest of the namespace, or none is.
    pub if_newest: Option<Option<String>>,
}

/// The rows of a checkpoint.
#[derive(Clone, Debug)]
pub struct CheckpointRows {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The writes that wait at it.
    pub writes: Writes,
    /// The newest of its namespace, where that is another one.
    pub newest: Option<Checkpoint>,
}

/// A checkpoint, sealed.
struct Sealed {
    save: Save,
    payloads: Named,
}

impl Engine {
    /// The pseudonym of a thread, which is that of its subject.
    pub fn thread(&self, agent: &AgentId, thread: &str) -> Result<Digest, Error> {
        sized("name of a thread", thread, 1, THREAD_BYTES_MAX)?;
        Ok(self.inner.payloads.subject(&format!("thread/{agent}:{thread}")))
    }

    /// The pseudonym of a namespace.
    pub fn thread_namespace(&self, thread: &Digest, namespace: &str) -> Result<Digest, Error> {
        sized("namespace", namespace, 0, NAMESPACE_BYTES_MAX)?;
        Ok(self.named("countersign/namespace/v1", thread, &[namespace]))
    }

    /// The pseudonym of a checkpoint.
    pub fn checkpoint_id(&self, namespace: &Digest, id: &str) -> Result<Digest, Error> {
        sized("name of a checkpoint", id, 1, NAME_BYTES_MAX)?;
        Ok(self.named("countersign/checkpoint/v1", namespace, &[id]))
    }

    /// The pseudonym of what an agent's program calls a run.
    pub fn checkpoint_run(&self, agent: &AgentId, run: &str) -> Result<Digest, Error> {
        sized("name of a run", run, 1, NAME_BYTES_MAX)?;
        let parts = [agent.as_str().as_bytes(), run.as_bytes()];
        Ok(self.inner.payloads.pseudonym("countersign/checkpoint-run/v1", &parts))
    }

    fn named(&self, domain: &str, within: &Digest, parts: &[&str]) -> Digest {
        let mut all: Vec<&[u8]> = vec![&within.0];
        all.extend(parts.iter().map(|part| part.as_bytes()));
        self.inner.payloads.pseudonym(domain, &all)
    }

    /// Saves a checkpoint; false where it is on record already, with the same content.
    pub async fn save_checkpoint(&self, call: SaveCheckpoint, by: Actor) -> Result<bool, Error> {
        self.check_open()?;
        self.check_intake()?;
        let size = check_save(&call)?;
        let (call, by) = (Arc::new(call), Arc::new(by));
        self.sealed_since(
            size,
            || {
                let call = call.clone();
                move |engine: &Self| engine.seal_checkpoint(&call)
            },
            || {
                let by = by.clone();
                move |desk: &mut Desk, sealed: Sealed| save(desk, &by, sealed)
            },
        )
        .await
    }

    /// Keeps the writes of a task; false where none of them counts, because all slots are taken.
    pub async fn write_checkpoint(&self, call: WriteCheckpoint, by: Actor) -> Result<bool, Error> {
        self.check_open()?;
        self.check_intake()?;
        let size = check_write(&call)?;
        if call.writes.is_empty() {
            return Ok(false);
        }
        let (call, by) = (Arc::new(call), Arc::new(by));
        self.sealed_since(
            size,
            || {
                let call = call.clone();
                move |engine: &Self| engine.seal_writes(&call)
            },
            || {
                let by = by.clone();
                move |desk: &mut Desk, (write, payloads): (Write, Named)| {
                    known(desk, &write.written.agent)?;
                    let event = write.decide(desk.table())?;
                    let new = event.is_some();
                    if let Some(event) = event {
                        desk.write(&by, None, vec![(event, payloads)])?;
                    }
                    Ok(new)
                }
            },
        )
        .await
    }

    /// Seals, and commands with what was sealed, unless something was erased in between: then it is sealed again.
    async fn sealed_since<S, T, Seal, Command>(
        &self,
        size: usize,
        seal: impl Fn() -> Seal,
        command: impl Fn() -> Command,
    ) -> Result<T, Error>
    where
        S: Send + 'static,
        T: Send + 'static,
        Seal: FnOnce(&Self) -> Result<S, Error> + Send + 'static,
        Command: FnOnce(&mut Desk, S) -> Result<T, Error> + Send + 'static,
    {
        for _ in 0..SEALS_MAX {
            let erasures = self.inner.erasures.load(Ordering::Acquire);
            let seal = seal();
            let sealed = if size > INLINE_BYTES_MAX {
                let engine = self.clone();
                tokio::task::spawn_blocking(move || seal(&engine)).await.map_err(|_| Error::Closed)??
            } else {
                seal(self)?
            };
            let command = command();
            let done = self
                .ask(move |desk| {
                    if desk.erasures.load(Ordering::Acquire) == erasures {
                        command(desk, sealed).map(Some)
                    } else {
                        Ok(None)
                    }
                })
                .await?;
            if let Some(done) = done {
                return Ok(done);
            }
        }
        Err(Error::Busy)
    }

    fn seal_checkpoint(&self, call: &SaveCheckpoint) -> Result<Sealed, Error> {
        let payloads = &*self.inner.payloads;
        let thread = self.thread(&call.agent, &call.thread)?;
        let namespace = self.thread_namespace(&thread, &call.namespace)?;
        let name = |id: &String| self.checkpoint_id(&namespace, id);
        let mut named = Named::new();
        let body = BodyHead {
            thread: call.thread.clone(),
            namespace: call.namespace.clone(),
            id: call.id.clone(),
            parent: call.parent.clone(),
            run: call.run.clone(),
            delta: call.delta.clone(),
            channels: call.values.iter().map(|value| value.channel.clone()).collect(),
            kind: call.body.kind.clone(),
        };
        let body = seal(payloads, &thread, "checkpoint", &pack(&body, &call.body.bytes)?, &mut named)?;
        let head =
            MetadataHead { kind: call.metadata.typed.kind.clone(), filter: call.metadata.filter.clone() };
        let metadata = pack(&head, &call.metadata.typed.bytes)?;
        let metadata = seal(payloads, &thread, "metadata", &metadata, &mut named)?;
        let (mut values, mut commits) = (vec![], vec![]);
        for (index, value) in call.values.iter().enumerate() {
            let mark = [value.channel.as_str(), value.version.as_str()];
            let mark = self.named("countersign/channel-value/v1", &namespace, &mark);
            let size = value.content.as_ref().map_or(0, |content| content.bytes.len() as u64);
            values.push((mark, size));
            commits.push(match &value.content {
                None => None,
                Some(Typed { kind, bytes }) => {
                    let (channel, version) = (value.channel.clone(), value.version.clone());
                    let value = pack(&ValueHead { channel, version, kind: kind.clone() }, bytes)?;
                    Some(seal(payloads, &thread, &format!("value.{index}"), &value, &mut named)?)
                }
            });
        }
        let delta: BTreeSet<Digest> = call
            .delta
            .iter()
            .map(|channel| self.named("countersign/channel/v1", &namespace, &[channel]))
            .collect();
        let saved = Saved {
            thread,
            agent: call.agent.clone(),
            namespace,
            checkpoint: name(&call.id)?,
            parent: call.parent.as_ref().map(name).transpose()?,
            run: call.run.as_ref().map(|run| self.checkpoint_run(&call.agent, run)).transpose()?,
            values,
            delta: delta.into_iter().collect(),
            bytes: (call.body.bytes.len() + call.metadata.typed.bytes.len()) as u64,
        };
        let fence = self.fence(&namespace, call.if_newest.as_ref())?;
        Ok(Sealed { save: Save { saved, body, metadata, commits, fence }, payloads: named })
    }

    fn seal_writes(&self, call: &WriteCheckpoint) -> Result<(Write, Named), Error> {
        let payloads = &*self.inner.payloads;
        let thread = self.thread(&call.agent, &call.thread)?;
        let namespace = self.thread_namespace(&thread, &call.namespace)?;
        let checkpoint = self.checkpoint_id(&namespace, &call.checkpoint)?;
        let part = |(slot, channel, typed): &(i32, String, Typed)| WriteHead {
            slot: *slot,
            channel: channel.clone(),
            kind: typed.kind.clone(),
            bytes: typed.bytes.len(),
        };
        let head = WritesHead {
            task: call.task.clone(),
            path: call.path.clone(),
            writes: call.writes.iter().map(part).collect(),
        };
        let all: Vec<u8> = call.writes.iter().flat_map(|(_, _, typed)| &typed.bytes).copied().collect();
        let mut named = Named::new();
        let commit = seal(payloads, &thread, "writes", &pack(&head, &all)?, &mut named)?;
        let written = Written {
            thread,
            agent: call.agent.clone(),
            checkpoint,
            task: self.named("countersign/thread-task/v1", &checkpoint, &[&call.task]),
            slots: call.writes.iter().map(|(slot, _, _)| *slot).collect(),
            bytes: all.len() as u64,
        };
        let fence = self.fence(&namespace, call.if_newest.as_ref())?.map(|fence| (namespace, fence));
        Ok((Write { written, commit, fence }, named))
    }

    fn fence(&self, namespace: &Digest, newest: Option<&Option<String>>) -> Result<Option<Fence>, Error> {
        let Some(newest) = newest else { return Ok(None) };
        let id = newest.as_ref().map(|id| self.checkpoint_id(namespace, id)).transpose()?;
        Ok(Some(Fence(id)))
    }

    /// The rows of a checkpoint, the newest of the namespace where none is named, as of the durable head.
    pub async fn checkpoint_rows(
        &self,
        agent: &AgentId,
        thread: &str,
        namespace: &str,
        id: Option<&str>,
    ) -> Result<Option<CheckpointRows>, Error> {
        let thread = self.thread(agent, thread)?;
        let namespace = self.thread_namespace(&thread, namespace)?;
        let id = id.map(|id| self.checkpoint_id(&namespace, id)).transpose()?;
        self.ask(move |desk| {
            let newest = thread::newest(desk.table(), &thread, &namespace);
            let Some(id) = id.or(newest) else { return Ok(None) };
            let row = |id: &Digest| thread::checkpoint(desk.table(), &thread, id);
            let Some(checkpoint) = row(&id) else { return Ok(None) };
            let writes = thread::writes(desk.table(), &thread, &id);
            let newest = newest.filter(|newest| *newest != id).and_then(|newest| row(&newest));
            Ok(Some(CheckpointRows { checkpoint, writes, newest }))
        })
        .await
    }

    /// The newest checkpoint of a namespace.
    pub async fn newest_checkpoint(
        &self,
        agent: &AgentId,
        thread: &str,
        namespace: &str,
    ) -> Result<Option<Checkpoint>, Error> {
        Ok(self.checkpoint_rows(agent, thread, namespace, None).await?.map(|rows| rows.checkpoint))
    }
}

fn seal(
    payloads: &dyn Payloads,
    thread: &Digest,
    name: &str,
    plain: &[u8],
    named: &mut Named,
) -> Result<Digest, Error> {
    if plain.len() > REQUEST_BYTES_MAX {
        return Err(too_large(plain.len()));
    }
    let sealed = payloads.seal(thread, &thread.to_string(), plain).map_err(Error::Payload)?;
    let commitment = sealed.commitment;
    named.push((name.to_owned(), sealed));
    Ok(commitment)
}

/// Writes a sealed checkpoint down; false where it is on record already.
fn save(desk: &mut Desk, by: &Actor, sealed: Sealed) -> Result<bool, Error> {
    known(desk, &sealed.save.saved.agent)?;
    let event: Option<Event> = sealed.save.decide(desk.table())?;
    let new = event.is_some();
    if let Some(event) = event {
        desk.write(by, None, vec![(event, sealed.payloads)])?;
    }
    Ok(new)
}

fn known(desk: &Desk, agent: &AgentId) -> Result<(), Error> {
    match state::agent(desk.table(), agent) {
        Some(_) => Ok(()),
        None => Err(Refusal::AgentUnknown { agent: agent.to_string() }.into()),
    }
}

fn too_large(bytes: usize) -> Error {
    Refusal::CheckpointTooLarge { bytes: bytes as u64, max: REQUEST_BYTES_MAX as u64 }.into()
}

fn sized(what: &str, text: &str, min: usize, max: usize) -> Result<(), Error> {
    if (min..=max).contains(&text.len()) {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("the {what} has {} bytes; it may have {min} to {max}", text.len())).into())
}

/// Checks names and counts; returns the bytes of content.
fn check_save(call: &SaveCheckpoint) -> Result<usize, Error> {
    for name in [Some(&call.id), call.parent.as_ref()].into_iter().flatten() {
        sized("name of a checkpoint", name, 1, NAME_BYTES_MAX)?;
    }
    if call.values.len() > VALUES_MAX || call.delta.len() > VALUES_MAX {
        let text = format!("a checkpoint has values of at most {VALUES_MAX} channels");
        return Err(Refusal::Invalid(text).into());
    }
    let mut channels = BTreeSet::new();
    for value in &call.values {
        sized("name of a channel", &value.channel, 1, CHANNEL_BYTES_MAX)?;
        sized("version of a value", &value.version, 0, NAME_BYTES_MAX)?;
        if !channels.insert(&value.channel) {
            let text = format!("the channel `{}` stands in this request twice", api_safe(&value.channel));
            return Err(Refusal::Invalid(text).into());
        }
    }
    for channel in &call.delta {
        sized("name of a channel", channel, 1, CHANNEL_BYTES_MAX)?;
    }
    let contents = call.values.iter().filter_map(|value| value.content.as_ref());
    let all = contents.chain([&call.body, &call.metadata.typed]);
    checked_size(all)
}

fn check_write(call: &WriteCheckpoint) -> Result<usize, Error> {
    sized("name of a task", &call.task, 1, NAME_BYTES_MAX)?;
    sized("path of a task", &call.path, 0, PATH_BYTES_MAX)?;
    if call.writes.len() > WRITES_MAX {
        return Err(Refusal::Invalid(format!("a request has at most {WRITES_MAX} writes")).into());
    }
    let mut slots = BTreeSet::new();
    for (slot, channel, _) in &call.writes {
        sized("name of a channel", channel, 1, CHANNEL_BYTES_MAX)?;
        if !(-100..=1_000_000).contains(slot) || !slots.insert(slot) {
            let text = format!("the slot {slot} stands in this request twice, or is none of -100 to 1000000");
            return Err(Refusal::Invalid(text).into());
        }
    }
    checked_size(call.writes.iter().map(|(_, _, typed)| typed))
}

fn checked_size<'a>(all: impl Iterator<Item = &'a Typed>) -> Result<usize, Error> {
    let mut size = 0;
    for typed in all {
        sized("type of a value", &typed.kind, 1, KIND_BYTES_MAX)?;
        size += typed.bytes.len();
    }
    if size > REQUEST_BYTES_MAX { Err(too_large(size)) } else { Ok(size) }
}

/// Names come from outside: what is echoed is short and free of control characters.
fn api_safe(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}
