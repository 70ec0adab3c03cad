//! Briefs on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody who takes a run up must know: another session of its agent, another agent, a person. Made from the
/// journal, without a model.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Brief {
    /// The run.
    pub run: String,
    /// The brief rests on the entries before this one.
    pub entries: u64,
    /// When it was made, in milliseconds since 1970: ages are as of then.
    pub at: i64,
    /// The whole text, ready for a prompt. Numbers in brackets are entries of the workspace's log.
    pub text: String,
    /// Tokens of the text.
    pub tokens: u64,
    /// By this tokenizer: `o200k_base`, `cl100k_base`
    pub tokenizer: String,
    /// The lines of the text, one by one.
    pub lines: Vec<BriefLine>,
    /// What did not fit.
    pub left: Vec<BriefLeft>,
}

/// One line of a brief.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BriefLine {
    /// `goal`, `changed`, `open`, `decisions`, `facts`
    pub section: String,
    /// One sentence. What the agent said stands in quotation marks.
    pub text: String,
    /// The entry that it rests on.
    pub entry: u64,
}

/// Lines that were left out.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BriefLeft {
    /// Of this section.
    pub section: String,
    /// How many.
    pub count: u64,
    /// The entry of the first one.
    pub first: u64,
    /// The entry of the last one.
    pub last: u64,
}
