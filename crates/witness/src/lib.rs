//! A witness (c2sp.org/tlog-witness): it sees the checkpoints of logs one after the other, keeps what it saw on disk, and
//! only then cosigns. And the other side: what a log makes of a witness' answer.
//!
//! The rules are `tlog`'s. Here stands what makes them hold over crashes: one request at a time, memory before signature,
//! and a witness that could not keep something never signs again.

mod answer; // what a log makes of a witness' answer
mod key; // the key in a file
mod memory; // what was seen, on disk
mod service; // a request in, an answer out
#[cfg(test)]
mod tests;

pub use answer::{ANSWER_BYTES_MAX, Next, read_answer};
pub use key::{KeyError, SigningKey};
pub use memory::{Files, Keep, MemoryError};
pub use service::{Answer, Service};
