//! What payloads of threads hold: a head that says what it is, and the bytes of the program.
//!
//! `length of the head u32, big-endian · head as JSON · bytes`. The bytes are the program's own: nothing here reads them.

use kernel::thread::{Checkpoint, Held, Writes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ChannelValue;
use crate::engine::Engine;
use crate::error::Error;

/// What a list can be filtered by.
pub type Filter = Map<String, Value>;

/// Bytes of a program, and how it reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// The form of the bytes, in the program's words.
    pub kind: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What a program says about a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// All of it.
    pub typed: Typed,
    /// The part of it that a list can be filtered by.
    pub filter: Filter,
}

/// A write that waits at a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskWrite {
    /// Its task.
    pub task: String,
    /// The task's place among the tasks.
    pub path: String,
    /// Its place among the writes of the task.
    pub slot: i32,
    /// The channel.
    pub channel: String,
    /// What is written.
    pub typed: Typed,
}

/// A checkpoint, opened.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its thread.
    pub thread: String,
    /// Where in the thread.
    pub namespace: String,
    /// Its name.
    pub id: String,
    /// The one that it goes on from.
    pub parent: Option<String>,
    /// The run that made it.
    pub run: Option<String>,
    /// Channels that are put together from ancestors.
    pub delta: Vec<String>,
    /// The channels of its values, in their order.
    pub channels: Vec<String>,
    /// What is in it beside the values.
    pub body: Typed,
}

#[derive(Serialize, Deserialize)]
pub(super) struct BodyHead {
    pub(super) thread: String,
    pub(super) namespace: String,
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) delta: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) channels: Vec<String>,
    pub(super) kind: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MetadataHead {
    pub(super) kind: String,
    pub(super) filter: Filter,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ValueHead {
    pub(super) channel: String,
    pub(super) version: String,
    pub(super) kind: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WritesHead {
    pub(super) task: String,
    pub(super) path: String,
    pub(super) writes: Vec<WriteHead>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WriteHead {
    pub(super) slot: i32,
    pub(super) channel: String,
    pub(super) kind: String,
    pub(super) bytes: usize,
}

pub(super) fn pack(head: &impl Serialize, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let head = serde_json::to_vec(head).map_err(|error| Error::Payload(error.to_string()))?;
    let len = u32::try_from(head.len()).map_err(|error| Error::Payload(error.to_string()))?;
    Ok([&len.to_be_bytes(), &*head, bytes].concat())
}

fn unpack<H: DeserializeOwned>(bytes: &[u8]) -> Result<(H, &[u8]), Error> {
    let parts = || {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (head, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
        Some((serde_json::from_slice(head).ok()?, rest))
    };
    parts().ok_or_else(unreadable)
}

fn unreadable() -> Error {
    Error::Payload("a payload of a thread is not what this program writes".to_owned())
}

/// Reading, each `None` where it was erased.
impl Engine {
    /// What is in a checkpoint beside its values.
    pub fn checkpoint_content(&self, row: &Checkpoint) -> Result<Option<Content>, Error> {
        let Some(bytes) = self.payload(&row.body)? else { return Ok(None) };
        let (head, body) = unpack::<BodyHead>(&bytes)?;
        let BodyHead { thread, namespace, id, parent, run, delta, channels, kind } = head;
        let body = Typed { kind, bytes: body.to_vec() };
        Ok(Some(Content { thread, namespace, id, parent, run, delta, channels, body }))
    }

    /// What the program says about a checkpoint.
    pub fn checkpoint_metadata(&self, row: &Checkpoint) -> Result<Option<Metadata>, Error> {
        let Some(bytes) = self.payload(&row.metadata)? else { return Ok(None) };
        let (MetadataHead { kind, filter }, rest) = unpack(&bytes)?;
        Ok(Some(Metadata { typed: Typed { kind, bytes: rest.to_vec() }, filter }))
    }

    /// A value of a checkpoint.
    pub fn checkpoint_value(&self, held: &Held) -> Result<Option<ChannelValue>, Error> {
        let Some(bytes) = self.payload(&held.commit)? else { return Ok(None) };
        let (ValueHead { channel, version, kind }, rest) = unpack(&bytes)?;
        let content = Some(Typed { kind, bytes: rest.to_vec() });
        Ok(Some(ChannelValue { channel, version, content }))
    }

    /// The writes that wait at a checkpoint, by path and name of the task and place among its writes.
    pub fn checkpoint_writes(&self, row: &Writes) -> Result<Option<Vec<TaskWrite>>, Error> {
        let mut all = vec![];
        for batch in row.tasks.values().flatten() {
            let Some(bytes) = self.payload(&batch.commit)? else { return Ok(None) };
            let (head, mut rest) = unpack::<WritesHead>(&bytes)?;
            for WriteHead { slot, channel, kind, bytes } in head.writes {
                let (own, others) = rest.split_at_checked(bytes).ok_or_else(unreadable)?;
                rest = others;
                if batch.slots.contains(&slot) {
                    let (task, path) = (head.task.clone(), head.path.clone());
                    let typed = Typed { kind, bytes: own.to_vec() };
                    all.push(TaskWrite { task, path, slot, channel, typed });
                }
            }
        }
        all.sort_by(|a, b| (&a.path, &a.task, a.slot).cmp(&(&b.path, &b.task, b.slot)));
        Ok(Some(all))
    }
}
