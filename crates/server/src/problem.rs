//! Refusals and errors as problem details (RFC 9457): one place for status, code and hint.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use kernel::clock::Millis;
use kernel::json::JsonError;
use kernel::judge::ParseError;
use kernel::refusal::Refusal;

use crate::codes::Code;

/// Why a request got no answer.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) detail: String,
    pub(crate) hint: String,
    pub(crate) problems: Vec<api::FileProblem>,
    pub(crate) retry_after: Option<Millis>,
}

impl Fault {
    pub(crate) fn new(code: Code, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), hint: hint.into(), problems: vec![], retry_after: None }
    }

    /// Not there, or not for this caller: the same answer, so that ids cannot be tried.
    pub(crate) fn not_found(what: &'static str, id: &str) -> Self {
        Refusal::NotFound { what, id: id.chars().take(80).collect() }.into()
    }

    /// Our own mistake or the machine's. The cause goes to the log, not to the caller.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(
            Code::Internal,
            "the server could not carry out the request",
            "try again; if it stays, look at the server's log",
        )
    }

    pub(crate) fn problem(&self) -> api::Problem {
        let status = self.code.status();
        api::Problem {
            kind: format!("/docs/errors/{}", self.code.text()),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: api::visible(&self.detail),
            code: self.code.text().to_owned(),
            hint: self.hint.clone(),
            problems: self.problems.clone(),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = kernel::json::canonical(&self.problem());
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        if self.code == Code::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, ((wait.0.max(0) + 999) / 1_000).into());
        }
        response
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::NotFound { .. } => Code::NotFound,
            Refusal::RunFinished { .. } => Code::RunFinished,
            Refusal::IdempotencyMismatch => Code::IdempotencyMismatch,
            Refusal::ApprovalSettled { .. } => Code::ApprovalSettled,
            Refusal::ApprovalStale => Code::ApprovalStale,
            Refusal::ApprovalTwice => Code::ApprovalTwice,
            Refusal::ApproverNotAllowed { .. } => Code::ApproverNotAllowed,
            Refusal::ApprovalExpired { .. } => Code::ApprovalExpired,
            Refusal::ActionState { .. } => Code::ActionState,
            Refusal::ConflictHeld { .. } => Code::ConflictHeld,
            Refusal::AgentUnknown { .. } => Code::AgentUnknown,
            Refusal::NoBundle => Code::NoBundle,
            Refusal::LegalHold => Code::LegalHold,
            Refusal::QuotaExceeded { .. } => Code::QuotaExceeded,
            Refusal::DiskFull { .. } => Code::DiskFull,
            Refusal::ReconcileNeeded => Code::ReconcileNeeded,
            Refusal::StepMismatch { .. } => Code::StepMismatch,
            Refusal::CheckpointConflict => Code::CheckpointConflict,
            Refusal::CheckpointFenced => Code::CheckpointFenced,
            Refusal::CheckpointValuesMissing => Code::CheckpointValuesMissing,
            Refusal::CheckpointTooLarge { .. } => Code::CheckpointTooLarge,
            Refusal::ThreadFull { .. } => Code::ThreadFull,
            Refusal::RunPaused { .. } => Code::RunPaused,
            Refusal::LeaseLost { .. } => Code::LeaseLost,
            Refusal::InboxFull { .. } => Code::InboxFull,
            Refusal::IncidentResolved { .. } => Code::IncidentResolved,
            Refusal::LimitReached { .. } => Code::LimitReached,
            Refusal::Invalid(_) => Code::RequestInvalid,
        };
        let detail = match &refusal {
            Refusal::RunFinished { run, .. } => format!("the run `{run}` has ended"),
            Refusal::ApprovalExpired { .. } => "the request for approval has expired".to_owned(),
            other => other.to_string(),
        };
        let retry_after = match code {
            Code::ConflictHeld => Some(Millis(1_000)),
            Code::QuotaExceeded | Code::DiskFull | Code::ReconcileNeeded => Some(Millis(60_000)),
            _ => None,
        };
        Self { retry_after, ..Self::new(code, detail, refusal.hint()) }
    }
}

impl From<ParseError> for Fault {
    fn from(error: ParseError) -> Self {
        match &error {
            ParseError::UnknownTool { .. } => Self::new(
                Code::ToolUnknown,
                error.to_string(),
                "use a tool that the workspace pins: `countersign connector list` shows them",
            ),
            ParseError::Arguments { problems, .. } => Self {
                problems: problems
                    .iter()
                    .take(50)
                    .map(|message| api::FileProblem {
                        severity: "error".to_owned(),
                        file: String::new(),
                        line: 0,
                        code: "arguments_invalid".to_owned(),
                        message: api::visible(message),
                        hint: String::new(),
                    })
                    .collect(),
                ..Self::new(
                    Code::ArgumentsInvalid,
                    error.to_string(),
                    "correct the arguments to fit the tool's schema and propose again with a new idempotency key",
                )
            },
        }
    }
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Self {
        let (code, hint) = match &error {
            JsonError::TooLarge { .. } => (Code::BodyTooLarge, "send less"),
            JsonError::TooDeep { .. } => (Code::JsonTooDeep, "flatten the value"),
            JsonError::TooMany { .. } => (Code::JsonTooManyValues, "send fewer values"),
            JsonError::Invalid(_) => {
                (Code::JsonInvalid, "send one JSON value, each key once, numbers within 2^53")
            }
        };
        Self::new(code, error.to_string(), hint)
    }
}

impl From<engine::Error> for Fault {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::Refused(refusal) => refusal.into(),
            engine::Error::Parse(error) => error.into(),
            engine::Error::Deferred { code, why, retry_after } => Self {
                retry_after: Some(retry_after),
                ..Self::new(
                    match code {
                        "fact_unavailable" => Code::FactUnavailable,
                        "conflict_held" => Code::ConflictHeld,
                        _ => Code::Deferred,
                    },
                    format!("no decision is possible now: {why}"),
                    "send the same request again, with the same idempotency key, after a moment",
                )
            },
            engine::Error::Busy => Self {
                retry_after: Some(Millis(1_000)),
                ..Self::new(
                    Code::Busy,
                    "too many requests are under way",
                    "send the same request again after a moment",
                )
            },
            engine::Error::NoRoom => Self {
                retry_after: Some(Millis(5_000)),
                ..Self::new(
                    Code::DiskFull,
                    "the disk is full, so nothing is decided; nothing was changed",
                    "make room on the disk of the data directory, then send the same request again",
                )
            },
            engine::Error::Closed => Self {
                retry_after: Some(Millis(2_000)),
                ..Self::new(
                    Code::Stopping,
                    "the server is stopping",
                    "send the same request again when it is back",
                )
            },
            engine::Error::Journal(cause) => {
                tracing::error!(%cause, "the journal failed");
                Self::new(
                    Code::JournalFailed,
                    "the record could not be written, so nothing is decided",
                    "look at the disk and at the server's log, then start it again",
                )
            }
            engine::Error::Payload(cause) => {
                tracing::error!(%cause, "a payload failed");
                Self::new(
                    Code::PayloadFailed,
                    "a sealed text could not be written or read",
                    "look at the root key and at the server's log",
                )
            }
        }
    }
}
