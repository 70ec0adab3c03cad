//! What a check found: a line for each part, with what became of it.

use serde::Serialize;

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// It holds, and the pack shows it.
    Proved,
    /// The pack cannot show it: what it would take was erased, redacted or is another's to bring.
    Open,
    /// It does not hold.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What became of it.
    pub mark: Mark,
    /// Which part of the pack.
    pub part: String,
    /// What was found.
    pub text: String,
}

/// All that was looked at, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// A line for each thing.
    pub lines: Vec<Line>,
    /// Decisions in the pack.
    pub decisions: usize,
    /// Of them, those that were decided again with the same outcome.
    pub decided_again: usize,
}

impl Report {
    /// Whether nothing failed.
    pub fn holds(&self) -> bool {
        self.count(Mark::Failed) == 0
    }

    /// How many lines have this mark.
    pub fn count(&self, mark: Mark) -> usize {
        self.lines.iter().filter(|line| line.mark == mark).count()
    }

    fn add(&mut self, mark: Mark, part: &str, text: String) {
        self.lines.push(Line { mark, part: part.to_owned(), text });
    }

    pub(crate) fn proved(&mut self, part: &str, text: impl Into<String>) {
        self.add(Mark::Proved, part, text.into());
    }

    pub(crate) fn open(&mut self, part: &str, text: impl Into<String>) {
        self.add(Mark::Open, part, text.into());
    }

    pub(crate) fn failed(&mut self, part: &str, text: impl Into<String>) {
        self.add(Mark::Failed, part, text.into());
    }
}
