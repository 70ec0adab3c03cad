//! Pages of lists. A page goes on after a place in the list, not after a number of rows, so rows that arrive
//! meanwhile neither repeat nor hide others.

use crate::error::Error;

/// Rows on one page at most.
pub const LIMIT_MAX: usize = 500;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Give it as `after` to read on; `None` at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts rows, of which one more than the page holds was read, to the page. Each comes with its place.
    pub(crate) fn cut(mut rows: Vec<(Place, T)>, limit: usize) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|(place, _)| place.text());
        Self { items: rows.into_iter().map(|(_, item)| item).collect(), next }
    }
}

/// A place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In lists by position in the log.
    Seq(i64),
    /// In lists by due time, then position.
    Due(i64, i64),
}

impl Place {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Seq(seq) => format!("s{seq:x}"),
            Self::Due(due, seq) => format!("d{due:x}.{seq:x}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let number = |digits: &str| match digits.as_bytes() {
            [b'0'..=b'9' | b'a'..=b'f', ..] => i64::from_str_radix(digits, 16).ok(),
            _ => None,
        };
        match (text.strip_prefix('s'), text.strip_prefix('d').and_then(|rest| rest.split_once('.'))) {
            (Some(seq), _) => Some(Self::Seq(number(seq)?)),
            (_, Some((due, seq))) => Some(Self::Due(number(due)?, number(seq)?)),
            _ => None,
        }
    }
}

fn unknown(text: &str) -> Error {
    Error::After { after: text.chars().take(80).flat_map(char::escape_default).collect() }
}

/// The position after which a list goes on; `start` without one.
pub(crate) fn seq_after(after: Option<&str>, start: i64) -> Result<i64, Error> {
    let Some(text) = after else { return Ok(start) };
    match Place::parse(text) {
        Some(Place::Seq(seq)) => Ok(seq),
        Some(Place::Due(..)) | None => Err(unknown(text)),
    }
}

/// The due time and position after which a list goes on.
pub(crate) fn due_after(after: Option<&str>) -> Result<(i64, i64), Error> {
    let Some(text) = after else { return Ok((i64::MIN, -1)) };
    match Place::parse(text) {
        Some(Place::Due(due, seq)) => Ok((due, seq)),
        Some(Place::Seq(_)) | None => Err(unknown(text)),
    }
}

/// The limit that was asked for, within bounds.
pub(crate) fn bounded(limit: usize) -> usize {
    limit.clamp(1, LIMIT_MAX)
}

/// How many rows to read for a page: one more tells whether there is another.
pub(crate) fn to_read(limit: usize) -> i64 {
    i64::try_from(limit + 1).expect("at most LIMIT_MAX + 1")
}
