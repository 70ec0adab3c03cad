//! What an agent relied on: reads of its run that are made again, as the server's own principal, at the last moment before
//! its action is performed (DESIGN §5.5).
//!
//! The version of a read is the whole of its answer. Who relied on more than matters is stopped once too often, and told
//! what changed.

use kernel::action::Status;
use kernel::id::{ActionId, RunId};
use kernel::judge::{EffectClass, Judge, ReadCall};
use kernel::ports::Output;
use kernel::refusal::Refusal;
use kernel::state::{self, Table};
use serde_json::Value;

use crate::engine::Engine;
use crate::error::Error;

/// Reads that one action may rest on.
pub(crate) const BASED_ON_MAX: usize = 16;
/// Differences that are told of one read, and characters of each value.
const DIFFERENCES_MAX: usize = 5;
const VALUE_CHARS_MAX: usize = 80;

/// Why a read could not be compared.
pub(crate) enum NotRead {
    /// A passing failure.
    Transient { cause: String },
    /// The engine's own.
    Failed(Error),
}

impl From<Error> for NotRead {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Whether this is a read of this run that was answered.
pub(crate) fn check_read(table: &dyn Table, run: &RunId, id: &ActionId) -> Result<(), Error> {
    let read = state::action(table, id).filter(|action| {
        action.run == *run && action.class == EffectClass::Read && action.status == Status::Confirmed
    });
    match read {
        Some(_) => Ok(()),
        None => Err(Refusal::Invalid(format!("`{id}` is no read of this run that was answered")).into()),
    }
}

impl Engine {
    /// How the answers of these reads have changed since, in words; `None` where one of them was erased.
    pub(crate) async fn moved_reads(
        &self,
        judge: &dyn Judge,
        reads: &[ActionId],
    ) -> Result<Option<Vec<String>>, NotRead> {
        let mut moved = Vec::new();
        for id in reads {
            let Some(action) = self.action(id).await? else { return Ok(None) };
            let before = match &action.output {
                Some(output) => self.payload(output)?,
                None => None,
            };
            let (Some(arguments), Some(before)) = (self.arguments_of(&action)?, before) else {
                return Ok(None);
            };
            let Some(pinned) =
                judge.tools().get(&action.tool).filter(|tool| tool.manifest == action.manifest)
            else {
                moved.push(format!("{} is no longer the tool that was read", action.tool));
                continue;
            };
            let read = ReadCall {
                tool: action.tool.clone(),
                arguments,
                manifest: pinned.manifest,
                timeout: pinned.timeout,
            };
            let now = self.read(&read).await.map_err(|cause| NotRead::Transient { cause })?;
            let now = kernel::json::canonical(&now);
            if now != before {
                let of = |bytes: &[u8]| serde_json::from_slice::<Output>(bytes).ok();
                moved.push(format!("{} {}", action.tool, difference(of(&before), of(&now))));
            }
        }
        Ok(Some(moved))
    }
}

fn difference(before: Option<Output>, now: Option<Output>) -> String {
    let value = |output: Option<Output>| {
        let output = output?;
        output.structured.clone().or_else(|| serde_json::from_str(&output.text()).ok())
    };
    let mut found = Vec::new();
    if let (Some(before), Some(now)) = (value(before), value(now)) {
        compare("", &before, &now, &mut found);
    }
    if found.is_empty() { "answers differently now".to_owned() } else { format!("has {}", found.join(", ")) }
}

/// Recursion is bounded by the depth of answers, which connectors cap.
fn compare(place: &str, before: &Value, now: &Value, found: &mut Vec<String>) {
    if before == now || found.len() >= DIFFERENCES_MAX {
        return;
    }
    match (before, now) {
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.keys().filter(|name| !new.contains_key(*name));
            for name in new.keys().chain(gone) {
                let of = |members: &serde_json::Map<String, Value>| members.get(name).cloned();
                let (old, new) = (of(old).unwrap_or(Value::Null), of(new).unwrap_or(Value::Null));
                compare(&format!("{place}/{name}"), &old, &new, found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{place}/{index}"), old, new, found);
            }
        }
        _ => {
            let place = if place.is_empty() { "the answer" } else { place };
            found.push(format!("{place} {} where {} was", short(now), short(before)));
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
