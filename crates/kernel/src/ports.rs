//! What the engine needs from the outside, as traits: the way out (`Effector`), and what follows the journal.
//!
//! The traits live here so that policy, connectors and views build beside the engine and never see each other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Millis;
use crate::digest::Digest;
use crate::id::ToolId;
use crate::state::{Noun, Row, RowKey};

/// A boxed future: `kernel` names no runtime.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One call of a tool of an outside system.
#[derive(Clone, Debug)]
pub struct Call {
    /// The tool.
    pub tool: ToolId,
    /// Its arguments, already checked against the pinned schema.
    pub arguments: Value,
    /// The provider's idempotency key, for tools of class `keyed`.
    pub idempotency_key: Option<String>,
    /// The manifest that the caller pinned: a live tool that differs must not be called.
    pub manifest: Digest,
    /// How long to wait for the answer.
    pub timeout: Millis,
}

/// What a tool answered: the content blocks of MCP's `CallToolResult`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Content blocks (MCP 2025-06-18, `ContentBlock`), texts mostly.
    pub content: Vec<Value>,
    /// The structured result, where the tool gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured: Option<Value>,
    /// The system itself says that it did not do it.
    #[serde(default)]
    pub is_error: bool,
}

impl Output {
    /// An output of one text block.
    pub fn text_of(text: impl Into<String>, is_error: bool) -> Self {
        Self {
            content: vec![serde_json::json!({"type": "text", "text": text.into()})],
            structured: None,
            is_error,
        }
    }

    /// All text blocks, one after the other.
    pub fn text(&self) -> String {
        self.content.iter().filter_map(|block| block.get("text").and_then(Value::as_str)).collect()
    }
}

/// Why a call failed for certain. The words are stable: they stand in entries and in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The system refused it for a reason of its own (`is_error`, 4xx).
    Refused,
    /// The credential was not accepted.
    Unauthorized,
    /// Too many calls.
    RateLimited,
    /// The system could not be reached: nothing was sent.
    Unreachable,
    /// The tool is not there any more, or no longer what was pinned.
    ManifestChanged,
    /// Found by look-up: the effect did not happen.
    NotApplied,
    /// A limit or rule of ours stopped it before it was sent.
    Blocked,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The system answered (also when `is_error` says that it refused).
    Output(Output),
    /// Certain: nothing happened.
    Failed { class: FailureClass, cause: String, retryable: bool },
    /// It may have happened: time-out (`late`), cut connection, 5xx after sending.
    Unknown { cause: String, late: bool },
}

/// The way out: performs calls on outside systems, with their credentials.
pub trait Effector: Send + Sync + fmt::Debug {
    /// Performs the call once. Never repeats a write by itself.
    fn call(&self, call: Call) -> BoxFuture<'_, Answer>;
}

/// Rows that were derived from durable entries, kept so that memory need not hold them all.
pub trait StateStore: Send + Sync {
    /// The row, as of [`StateStore::applied`].
    fn get(&self, key: &RowKey) -> Option<Arc<Row>>;
    /// Rows of one kind in order of their ids, from `from` on.
    fn range(&self, noun: Noun, from: &str, limit: usize) -> Vec<(String, Arc<Row>)>;
    /// How many entries of the log the rows hold.
    fn applied(&self) -> u64;
}

/// Signs what a log vouches for. The key stays where it is kept; only signatures leave.
pub trait Signer: Send + Sync {
    /// Name of the key, as it stands beside its signatures: the origin of the log.
    fn name(&self) -> &str;
    /// The Ed25519 public key (RFC 8032).
    fn public_key(&self) -> [u8; 32];
    /// An Ed25519 signature over exactly these bytes.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}
