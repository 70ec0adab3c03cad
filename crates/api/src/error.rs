//! Errors on the wire: RFC 9457 problem details with a stable code and a hint.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `application/problem+json`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Page of the error: `/docs/errors/CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status as words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, in one sentence.
    pub detail: String,
    /// Stable code.
    pub code: String,
    /// What to do next.
    pub hint: String,
    /// One line each, where several things are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FileProblem>,
}

/// A problem in a workspace file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FileProblem {
    /// `error` or `warning`
    pub severity: String,
    /// File in the workspace folder.
    pub file: String,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}
