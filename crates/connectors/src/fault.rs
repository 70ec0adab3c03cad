//! How a call goes wrong: for certain nothing happened, or nobody knows.
//!
//! The most consequential judgement of this crate. A wrong "certain" makes somebody pay twice; a wrong "unknown" makes
//! somebody look. So certainty needs a reason, and whatever is not listed here as certain is unknown.

use std::error::Error;

use http::{HeaderMap, StatusCode};
use kernel::ports::{Answer, FailureClass};

use crate::egress::EgressError;

/// Longest cause that is told; the rest of an error page helps nobody.
const CAUSE_CHARS_MAX: usize = 400;

/// How a call went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing happened.
    Certain { class: FailureClass, cause: String, retryable: bool },
    /// It may have happened; `late`: no answer came in time.
    Unknown { cause: String, late: bool },
}

impl Fault {
    fn certain(class: FailureClass, cause: impl Into<String>, retryable: bool) -> Self {
        Self::Certain { class, cause: cause.into(), retryable }
    }

    /// Could not be reached; nothing was sent.
    pub(crate) fn unreachable(cause: impl Into<String>) -> Self {
        Self::certain(FailureClass::Unreachable, cause, true)
    }

    /// Stopped by a rule of ours; another try meets the same rule.
    pub(crate) fn blocked(cause: impl Into<String>) -> Self {
        Self::certain(FailureClass::Blocked, cause, false)
    }

    /// Stopped by a limit of ours that passes.
    pub(crate) fn busy(cause: impl Into<String>) -> Self {
        Self::certain(FailureClass::Blocked, cause, true)
    }

    /// The system refused it.
    pub(crate) fn refused(cause: impl Into<String>) -> Self {
        Self::certain(FailureClass::Refused, cause, false)
    }

    /// The tool is gone or not what was pinned.
    pub(crate) fn manifest(cause: impl Into<String>) -> Self {
        Self::certain(FailureClass::ManifestChanged, cause, false)
    }

    /// It may have happened.
    pub(crate) fn unknown(cause: impl Into<String>) -> Self {
        Self::Unknown { cause: cause.into(), late: false }
    }

    /// It may have happened: the answer did not come in time.
    pub(crate) fn late(cause: impl Into<String>) -> Self {
        Self::Unknown { cause: cause.into(), late: true }
    }

    /// The same fault of a request that only prepared the call: the call itself was not sent.
    pub(crate) fn before_sending(self) -> Self {
        match self {
            Self::Unknown { cause, .. } => Self::unreachable(cause),
            certain @ Self::Certain { .. } => certain,
        }
    }

    /// Whether the way to the system is in doubt: what a breaker counts.
    pub(crate) fn is_transport(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Certain { class: FailureClass::Unreachable, .. })
    }

    pub(crate) fn cause(&self) -> &str {
        match self {
            Self::Certain { cause, .. } | Self::Unknown { cause, .. } => cause,
        }
    }

    /// The same fault, its cause rewritten.
    pub(crate) fn map_cause(self, rewrite: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Certain { class, cause, retryable } => {
                Self::Certain { class, cause: rewrite(&cause), retryable }
            }
            Self::Unknown { cause, late } => Self::Unknown { cause: rewrite(&cause), late },
        }
    }

    pub(crate) fn into_answer(self) -> Answer {
        match self {
            Self::Certain { class, cause, retryable } => Answer::Failed { class, cause, retryable },
            Self::Unknown { cause, late } => Answer::Unknown { cause, late },
        }
    }
}

/// What is known about a call besides the status of its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// The call carried the provider's idempotency key.
    pub keyed: bool,
    /// The system promises that a 503 means "not begun".
    pub unavailable_is_certain: bool,
}

/// Judges an answer by its status, when that is not a success.
pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap, terms: Terms, detail: &str) -> Fault {
    let code = status.as_u16();
    let cause = match (detail.is_empty(), status.is_redirection()) {
        (_, true) => {
            format!(
                "the system answered {code} and points to {}; redirects are not followed",
                location(headers)
            )
        }
        (true, false) => format!("the system answered {code}"),
        (false, false) => format!("the system answered {code}: {detail}"),
    };
    match code {
        401 | 403 => Fault::certain(FailureClass::Unauthorized, cause, false),
        429 => Fault::certain(FailureClass::RateLimited, cause, true),
        // The first request with this key may still be at work.
        409 if terms.keyed => Fault::unknown(cause),
        // 301, 307 and 308 ask to send the request elsewhere. 302 and 303 are missing on purpose: many systems do the
        // work, then point to a page. So are 408 and 499: they speak of time, not of what happened.
        301 | 307 | 308 | 400 | 402 | 404..=407 | 409..=417 | 421..=424 | 426 | 428 | 431 | 451 => {
            Fault::refused(cause)
        }
        425 => Fault::certain(FailureClass::Refused, cause, true),
        503 if terms.unavailable_is_certain => Fault::unreachable(cause),
        _ => Fault::unknown(cause),
    }
}

fn location(headers: &HeaderMap) -> String {
    let text = headers.get(http::header::LOCATION).and_then(|value| value.to_str().ok());
    text.map_or_else(|| "nowhere".to_owned(), |text| format!("`{}`", crate::spec::shown(text)))
}

/// Judges a request that brought no answer.
pub(crate) fn of_request(error: &reqwest::Error) -> Fault {
    if let Some(denied) = find::<EgressError>(error) {
        return if denied.is_refusal() {
            Fault::blocked(denied.to_string())
        } else {
            Fault::unreachable(denied.to_string())
        };
    }
    if error.is_builder() {
        return Fault::blocked(format!("the request cannot be made: {}", deepest(error)));
    }
    if error.is_connect() {
        let cause = if error.is_timeout() { "no connection in time".to_owned() } else { deepest(error) };
        return Fault::unreachable(format!("could not connect: {cause}"));
    }
    if error.is_timeout() {
        return Fault::late(format!("no answer in time: {}", deepest(error)));
    }
    Fault::unknown(format!("the connection ended before the answer: {}", deepest(error)))
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        next = current.source();
    }
    None
}

/// The innermost cause: the layers above it only say that something failed.
pub(crate) fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

/// Text of an outside system as one short line.
pub(crate) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(CAUSE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}
