//! One line of a brief, and where it stands.

/// A text is cut after so many characters: a brief says what there is, the entry says all of it.
pub const TEXT_CHARS_MAX: usize = 480;
/// What stands where a text was cut.
const CUT: &str = "… (cut)";

/// The parts of a brief, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// What the run is for.
    Goal,
    /// What changed since the run last looked.
    Changed,
    /// What nobody answered yet: approvals, waits, unknown outcomes.
    Open,
    /// What was decided and done, and why.
    Decisions,
    /// What it rests on, with source and age.
    Facts,
}

impl Section {
    /// All of them, as they are read.
    pub const ALL: [Self; 5] = [Self::Goal, Self::Changed, Self::Open, Self::Decisions, Self::Facts];

    /// Its heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Goal => "Goal",
            Self::Changed => "Changed since it was last looked at",
            Self::Open => "Open",
            Self::Decisions => "Decisions, oldest first",
            Self::Facts => "Facts, with source and age",
        }
    }

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Goal => "goal",
            Self::Changed => "changed",
            Self::Open => "open",
            Self::Decisions => "decisions",
            Self::Facts => "facts",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it stands.
    pub section: Section,
    /// One sentence, with nothing in it that a terminal or a page would act upon.
    pub text: String,
    /// The entry of the workspace's log that it rests on.
    pub entry: u64,
}

impl Line {
    /// A line; a long text is cut, and line breaks become spaces.
    pub fn new(section: Section, text: &str, entry: u64) -> Self {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = match flat.char_indices().nth(TEXT_CHARS_MAX) {
            Some((at, _)) => format!("{}{CUT}", &flat[..at]),
            None => flat,
        };
        Self { section, text, entry }
    }
}
