//! Subjects: whose payloads are held, erased or kept by a legal hold.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/subjects/erase`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseSubject {
    /// `connector:name`, as the connector's `subject` makes it, `thread/AGENT:NAME`, or a run's id.
    pub subject: String,
    /// Why: a sealed text beside the entry.
    #[serde(default)]
    pub reason: String,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /v1/subjects/hold`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldSubject {
    /// `connector:name`, `thread/AGENT:NAME`, or a run's id.
    pub subject: String,
    /// `true` puts the hold, `false` ends it.
    pub hold: bool,
    /// Why: a sealed text beside the entry.
    pub reason: String,
}

/// What is known of a subject.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Subject {
    /// Its pseudonym: what the journal has in place of the name.
    pub subject: String,
    /// Payloads that were ever sealed for it.
    pub payloads: u64,
    /// Under a legal hold.
    pub held: bool,
    /// When it was erased last, in milliseconds since 1970.
    pub erased_at: Option<i64>,
    /// Data keys that were destroyed.
    pub keys_destroyed: u64,
}
