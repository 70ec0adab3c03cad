//! Timers: things that are due later, as entries.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::digest::Digest;
use crate::id::{ActionId, ApprovalId, RunId, TimerId};

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Purpose {
    /// An approval expires.
    Expire { approval: ApprovalId, action: ActionId },
    /// An unknown outcome is looked up.
    LookUp { action: ActionId },
    /// An approved action that could not be judged again is tried again.
    Retry { action: ActionId },
    /// A moment for which a run waits.
    Wake { run: RunId, wait: Digest },
    /// A run whose attempt failed is tried again.
    Again { run: RunId },
    /// A run must have ended by now.
    Deadline { run: RunId },
}

impl Purpose {
    /// The action that it is about, if it is about one.
    pub fn action(&self) -> Option<&ActionId> {
        match self {
            Self::Expire { action, .. } | Self::LookUp { action } | Self::Retry { action } => Some(action),
            Self::Wake { .. } | Self::Again { .. } | Self::Deadline { .. } => None,
        }
    }

    /// The run that it is about, if it is about one as a whole.
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::Expire { .. } | Self::LookUp { .. } | Self::Retry { .. } => None,
            Self::Wake { run, .. } | Self::Again { run } | Self::Deadline { run } => Some(run),
        }
    }
}

/// A timer that has not fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Its id.
    pub id: TimerId,
    /// When it is due.
    pub due: Millis,
    /// What it is for.
    pub purpose: Purpose,
}

impl Timer {
    /// The key of its row: sorts by due time.
    pub fn row_id(due: Millis, id: &TimerId) -> String {
        format!("{:016x}-{id}", due.0.max(0))
    }
}
