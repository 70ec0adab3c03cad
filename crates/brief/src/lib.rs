//! A brief: what whoever takes a run up must know, in at most so many tokens of a named tokenizer (DESIGN §7).
//!
//! Made from the journal without a model: goal, decisions with their reasons, open questions, facts with their age. Each
//! line names the entry that it rests on, so that nothing in it need be believed. Pure: lines in, text out; which entries
//! make which lines is the server's business.

mod fit; // as many lines as the budget takes, the important ones first
mod line; // one line, and where it stands
#[cfg(test)]
mod tests;
mod tokens; // counting in a model's own unit

pub use fit::{Brief, Left, TOKENS_MIN, write};
pub use line::{Line, Section, TEXT_CHARS_MAX};
pub use tokens::Tokenizer;
