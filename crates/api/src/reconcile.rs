//! After a restore to a point in the past.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/reconcile`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// What was looked at and found: a sealed text beside the entry.
    pub reason: String,
}

/// What reconciling did.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reconciled {
    /// Requests for approval that were open at the point of the restore: withdrawn.
    pub withdrawn: u64,
    /// Calls that were under way there: they are being settled.
    pub open: u64,
}
