//! Why a command was not carried out: the rules said no, the world failed, or the engine is closing.

use kernel::clock::Millis;
use kernel::json::JsonError;
use kernel::judge::ParseError;
use kernel::refusal::Refusal;

/// What a caller gets instead of an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The rules said no; nothing changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request does not fit the tool.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The request holds a value that has two meanings, or costs too much.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// No verdict is possible now; the same request may be repeated.
    #[error("no decision is possible now: {why}")]
    Deferred { code: &'static str, why: String, retry_after: Millis },
    /// Too much is under way.
    #[error("too many requests are under way")]
    Busy,
    /// There is no room on the disk: nothing new is decided until there is some.
    #[error("the disk is full")]
    NoRoom,
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed,
    /// The journal failed: nothing more is decided.
    #[error("the journal failed: {0}")]
    Journal(String),
    /// A payload could not be sealed or opened.
    #[error("a payload could not be handled: {0}")]
    Payload(String),
}
