//! Threads on the wire: what a program keeps between its steps. Names travel in bodies, never in addresses, which end up
//! in logs; bytes travel as base64.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Bytes of a program, and how it reads them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// The form of the bytes, in the program's words, 1 to 64 bytes: `msgpack`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The bytes, in base64 (RFC 4648, with padding).
    pub data: String,
}

/// What is believed to be the newest checkpoint of the namespace.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IfNewest {
    /// Its id; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

/// `POST /v1/checkpoints`: saves a checkpoint. At most 8 MiB of content.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveCheckpoint {
    /// Whose thread it is; an agent's key names its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The thread, 1 to 128 bytes.
    pub thread: String,
    /// Where in the thread, at most 1,024 bytes: the whole program where it is empty.
    #[serde(default)]
    pub namespace: String,
    /// Its id, 1 to 128 bytes.
    pub id: String,
    /// The one that it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The run of the program that made it: what `/v1/checkpoints/remove` asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What is in it beside the values of its channels.
    pub checkpoint: Blob,
    /// What the program says about it.
    pub metadata: Blob,
    /// The part of that by which lists can be filtered: plain JSON.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub filter: Map<String, Value>,
    /// Values of its channels, at most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<NewValue>,
    /// Channels whose value is put together from what was written at its ancestors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delta: Vec<String>,
    /// Save it only where this is the newest of the namespace, else `checkpoint_fenced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_newest: Option<IfNewest>,
}

/// A value of a channel; without `type` and `data` it is the parent's, of the same version.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewValue {
    /// The channel, 1 to 256 bytes.
    pub channel: String,
    /// Its version, at most 128 bytes.
    #[serde(default)]
    pub version: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Blob>,
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stored {
    /// `false`: it was on record already, or did not count.
    pub stored: bool,
}

/// `POST /v1/checkpoints/writes`: keeps what a task wrote, until the next checkpoint holds it. At most 8 MiB of content.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteCheckpoint {
    /// Whose thread it is; an agent's key names its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The thread.
    pub thread: String,
    /// Where in the thread.
    #[serde(default)]
    pub namespace: String,
    /// The checkpoint that the task started from; it may be saved later.
    pub checkpoint: String,
    /// The task, 1 to 128 bytes.
    pub task: String,
    /// Its place among the tasks, at most 4,096 bytes: writes are given back in the order of path, task and slot.
    #[serde(default)]
    pub path: String,
    /// What it wrote, at most 4,096 writes.
    pub writes: Vec<NewWrite>,
    /// Keep them only where this is the newest of the namespace, else `checkpoint_fenced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_newest: Option<IfNewest>,
}

/// One write of a task.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWrite {
    /// Its place among the writes of the task. From 0 on the first that came counts, below 0 the last.
    pub slot: i32,
    /// The channel.
    pub channel: String,
    /// What is written.
    pub value: Blob,
}

/// `POST /v1/checkpoints/get`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GetCheckpoint {
    /// Whose thread it is; an agent's key names its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The thread.
    pub thread: String,
    /// Where in the thread.
    #[serde(default)]
    pub namespace: String,
    /// Its id; absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A checkpoint, where there is one.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GotCheckpoint {
    /// The checkpoint; absent where there is none of that id, or none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// The newest of the namespace: what `if_newest` is to name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
}

/// A checkpoint with the writes that wait at it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Checkpoint {
    /// Its thread.
    pub thread: String,
    /// Where in the thread.
    pub namespace: String,
    /// Its id.
    pub id: String,
    /// The one that it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What is in it beside the values.
    pub checkpoint: Blob,
    /// What the program says about it.
    pub metadata: Blob,
    /// Values of its channels.
    pub values: Vec<ChannelValue>,
    /// Writes that wait for the next checkpoint, by path, task and slot.
    pub writes: Vec<TaskWrite>,
    /// Its entry in the log.
    pub entry: u64,
    /// When it was saved, in milliseconds since 1970.
    pub at: i64,
}

/// A value of a channel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelValue {
    /// The channel.
    pub channel: String,
    /// What it is.
    pub value: Blob,
}

/// A write that waits.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskWrite {
    /// The task.
    pub task: String,
    /// Its place among the tasks.
    pub path: String,
    /// The write's place among the writes of the task.
    pub slot: i32,
    /// The channel.
    pub channel: String,
    /// What is written.
    pub value: Blob,
}

/// `POST /v1/checkpoints/list`: the last saved first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListCheckpoints {
    /// Whose threads; an agent's key names its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Of this thread; absent: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Of this namespace; absent: of all. Needs a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Only this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Only those saved before this one. Where thread and namespace do not say which one it is, or it is gone: only those
    /// whose id is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Only those with these members in their `filter`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub filter: Map<String, Value>,
    /// Only the ancestors of the checkpoint of this id, the nearest first. Needs thread and namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ancestors_of: Option<String>,
    /// Give values and writes of these channels only; absent: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// How many on a page, 1 to 100; fewer come where they are large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A page of checkpoints.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Checkpoints {
    /// The checkpoints.
    pub items: Vec<Checkpoint>,
    /// Give it as `after` to read on, also where there are no items; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `POST /v1/checkpoints/remove`: removes the checkpoints that these runs of the program made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveCheckpoints {
    /// Whose threads; an agent's key names its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The runs, as `run` named them, at most 100.
    pub runs: Vec<String>,
}

/// `POST /v1/threads/prune`: leaves the newest checkpoint of each namespace, and what it is put together from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PruneThreads {
    /// Whose threads; an agent's key names its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The threads, at most 100.
    pub threads: Vec<String>,
}

/// `POST /v1/threads/copy`: copies all checkpoints into another thread of the same agent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyThread {
    /// Whose threads; an agent's key names its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// From this thread …
    pub from: String,
    /// … to this one. What is there already, with the same content, is left.
    pub to: String,
}

/// `POST /v1/threads/delete`: destroys the data keys of a thread, and with them its content.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteThread {
    /// Whose thread it is; an agent's key names its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The thread.
    pub thread: String,
}

/// How many were removed or copied.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Counted {
    /// Checkpoints.
    pub checkpoints: u64,
}

/// What became of a thread.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ThreadDeleted {
    /// `false`: there was none.
    pub deleted: bool,
}
