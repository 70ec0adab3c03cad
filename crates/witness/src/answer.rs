//! What a log makes of a witness' answer to `add-checkpoint`.
//!
//! Most refusals are a matter of order: the witness knows more or less than the log thought, and one more request settles
//! it. Two are not: the witness saw what this log never was (409 with a size that cannot be), or it was shown a proof that
//! does not hold (422). Either the log or the witness holds another history: an alarm, to be kept.

use tlog::{Checkpoint, Note, WitnessKey, with_signatures};

/// The largest answer that is read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The note with the witness' line under it.
    Cosigned(String),
    /// The witness saw a checkpoint of that many entries last: ask again from there.
    From(u64),
    /// The witness holds another history than this log: keep what it said.
    Disputed {
        /// The size that it names, where it names one.
        size: Option<u64>,
    },
    /// It did not sign, for a reason that says nothing about histories.
    Failed(String),
}

/// Reads an answer to a request to cosign `note`, which was sent as continuing `old` entries.
pub fn read_answer(status: u16, body: &[u8], note: &str, old: u64, key: &WitnessKey) -> Next {
    let size =
        Note::parse(note).ok().and_then(|note| Checkpoint::claimed(&note).ok()).map(|found| found.size());
    let Some(size) = size else { return Next::Failed("the log's own checkpoint cannot be read".to_owned()) };
    let text = std::str::from_utf8(body.get(..ANSWER_BYTES_MAX.min(body.len())).unwrap_or_default());
    let text = text.unwrap_or_default();
    match status {
        200 => cosigned(text, note, key),
        409 => match seen(text) {
            // It cosigned less than was thought (or more, by another request of ours): it says from where.
            Some(seen) if seen <= size && seen != old => Next::From(seen),
            // More than the log ever had, or another checkpoint of the same size.
            Some(seen) => Next::Disputed { size: Some(seen) },
            None => Next::Failed("409 without the size that it saw".to_owned()),
        },
        422 => Next::Disputed { size: None },
        status => {
            let why: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
            Next::Failed(if why.is_empty() { status.to_string() } else { format!("{status}: {why}") })
        }
    }
}

/// `text/x.tlog.size`: a decimal number and a line break.
fn seen(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('\n').unwrap_or(text);
    let plain =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

/// Only the lines of this witness are taken, and only if they hold.
fn cosigned(lines: &str, note: &str, key: &WitnessKey) -> Next {
    let own: String = lines
        .split_inclusive('\n')
        .filter(|line| {
            line.strip_prefix("\u{2014} ").is_some_and(|rest| rest.split(' ').next() == Some(key.name()))
        })
        .collect();
    let longer = match with_signatures(note, &own) {
        Ok(longer) => longer,
        Err(why) => return Next::Failed(format!("its answer is not a cosignature: {why}")),
    };
    match Note::parse(&longer).map(|note| key.cosigned(&note)) {
        Ok(Ok(Some(_))) => Next::Cosigned(longer),
        _ => Next::Failed("its answer holds no valid cosignature of its key".to_owned()),
    }
}
