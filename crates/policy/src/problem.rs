//! What is wrong with a workspace file: where, why, and what to do.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The folder cannot be published.
    Error,
    /// It can, and somebody should look.
    Warning,
}

/// A problem in a workspace file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the folder.
    pub file: String,
    /// Line from 1; 0 where the whole file is meant.
    pub line: u32,
    /// Column from 1, where it is known.
    pub column: Option<u32>,
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Nobody reads more, and a list without end is an attack of its own.
const PROBLEMS_MAX: usize = 1_000;

/// Collects problems, so that one run shows all of them.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    pub(crate) fn error(
        &mut self,
        file: &str,
        line: u32,
        code: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.error_at(file, (line, None), code, message, hint);
    }

    /// An error whose column is known, too.
    pub(crate) fn error_at(
        &mut self,
        file: &str,
        (line, column): (u32, Option<u32>),
        code: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Problem {
            severity: Severity::Error,
            file: file.to_owned(),
            line,
            column,
            code: code.to_owned(),
            message: message.into(),
            hint: hint.into(),
        });
    }

    pub(crate) fn warn(
        &mut self,
        file: &str,
        line: u32,
        code: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Problem {
            severity: Severity::Warning,
            file: file.to_owned(),
            line,
            column: None,
            code: code.to_owned(),
            message: message.into(),
            hint: hint.into(),
        });
    }

    fn add(&mut self, problem: Problem) {
        // INVARIANT: warnings never crowd out an error, so each kind has its own bound; what is left out of a thousand
        // errors changes nothing, for one is enough to fail.
        let alike = self.0.iter().filter(|other| other.severity == problem.severity).count();
        // A connector's default is read once for each of its tools: told once.
        if alike < PROBLEMS_MAX && !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// The line, from 1, of a byte.
pub(crate) fn line_of(text: &str, byte: usize) -> u32 {
    let before = text.as_bytes().get(..byte.min(text.len())).unwrap_or_default();
    u32::try_from(before.split(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// The line and the column, from 1, of a byte.
pub(crate) fn line_and_column(text: &str, byte: usize) -> (u32, u32) {
    let before = text.as_bytes().get(..byte.min(text.len())).unwrap_or_default();
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let chars = String::from_utf8_lossy(&before[start..]).chars().count();
    (line_of(text, byte), u32::try_from(chars + 1).unwrap_or(u32::MAX))
}

/// The line of a TOML table (`[people.mara]`) or key (`owner`); failing that, of the text, wherever it stands first.
pub(crate) fn line_with(text: &str, needle: &str) -> u32 {
    let begins = |line: &str| {
        let rest = line.trim_start().strip_prefix(needle)?;
        let rest = rest.trim_start();
        (needle.starts_with('[') || rest.starts_with('=')).then_some(())
    };
    let found = text.lines().position(|line| begins(line).is_some());
    let found = found.and_then(|line| u32::try_from(line + 1).ok());
    found.unwrap_or_else(|| text.find(needle).map_or(0, |byte| line_of(text, byte)))
}

/// The known name closest to a mistyped one.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let ranked = known.map(|other| (distance(name, other), other));
    ranked.filter(|(far, other)| *far <= 2.max(other.len() / 4)).min().map(|(_, other)| other.to_owned())
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
