//! What is printed: tables, times, JSON, colour on a terminal only, and text made visible.
//!
//! Why text is changed here at all: what agents and tools wrote reaches a person's terminal through this file. Control
//! characters could move the cursor, bidirectional ones reorder a sum; both are shown as what they are.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde::Serialize;

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where and how a command prints.
#[derive(Debug)]
pub(crate) struct Out {
    /// Print JSON instead of text.
    pub(crate) json: bool,
    color: bool,
    /// Print lines beside the output proper: on standard error.
    aside: bool,
}

#[expect(clippy::unused_self, reason = "whoever may print holds an `Out`, and only through it")]
impl Out {
    /// Decides once whether there is colour.
    pub(crate) fn new(json: bool, color: Color) -> Self {
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        Self { json, color, aside: false }
    }

    /// The same as text on standard error, where questions are asked: what a question is about must reach the person
    /// who answers it, also when the output is JSON or goes to a file.
    pub(crate) fn aside(&self) -> Self {
        Self { json: false, color: self.color && std::io::stderr().is_terminal(), aside: true }
    }

    /// Prints one line.
    pub(crate) fn line(&self, text: impl AsRef<str>) -> Result<()> {
        if self.aside {
            writeln!(std::io::stderr().lock(), "{}", text.as_ref())?;
        } else {
            writeln!(std::io::stdout().lock(), "{}", text.as_ref())?;
        }
        Ok(())
    }

    /// Prints a value as JSON.
    pub(crate) fn value(&self, value: &impl Serialize) -> Result<()> {
        self.line(serde_json::to_string_pretty(value)?)
    }

    /// Prints one line for people to standard error. A closed standard error leaves nobody to tell.
    pub(crate) fn error(&self, text: &str) {
        writeln!(std::io::stderr().lock(), "{text}").ok();
    }

    /// Asks on the terminal; anything but `y` or `yes` is a no.
    pub(crate) fn ask(&self, question: &str) -> Result<bool> {
        write!(std::io::stderr().lock(), "{question} [y/N] ")?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A heading.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Less important.
    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    /// In order.
    pub(crate) fn good(&self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Needs a look.
    pub(crate) fn warn(&self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Wrong.
    pub(crate) fn bad(&self, text: &str) -> String {
        self.paint("31", text)
    }
}

/// Whether both ends of a conversation are a terminal.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// An aligned table without lines; every cell is made visible text.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.map(str::to_uppercase));
    for row in rows {
        table.add_row(row.map(|cell| visible(&cell)));
    }
    table
        .to_string()
        .lines()
        .map(|line| line.trim_end().trim_start_matches(' '))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Text on one line with nothing hidden in it.
pub(crate) fn visible(text: &str) -> String {
    api::visible(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// Like [`visible`], but line breaks stay: for texts that have paragraphs.
pub(crate) fn visible_lines(text: &str) -> String {
    api::visible(text)
}

/// A moment as `2026-01-31 09:30:00Z`.
pub(crate) fn moment(at: i64) -> String {
    match jiff::Timestamp::from_millisecond(at) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => format!("{at} ms"),
    }
}

/// A span in its largest whole unit: `3 min`, `2 h`, `5 d`.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The lines of a problem in a workspace file.
pub(crate) fn problem_lines(problem: &api::FileProblem) -> Vec<String> {
    let place = match (problem.file.as_str(), problem.line) {
        ("", _) => String::new(),
        (file, 0) => format!("{}: ", visible(file)),
        (file, line) => format!("{}:{line}: ", visible(file)),
    };
    let mut lines =
        vec![format!("  {place}{}: {} ({})", problem.severity, visible(&problem.message), problem.code)];
    if !problem.hint.is_empty() {
        lines.push(format!("    {}", visible(&problem.hint)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_the_picture_is_written_out() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c\nd\té"), "a⟨U+001B⟩[2Jb⟨U+202E⟩c\\nd\\té");
        assert_eq!(visible_lines("a\nb\u{1b}"), "a\nb⟨U+001B⟩");
    }

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        let shown: Vec<String> =
            [-5, 90_000, 180_000, 7_200_000, 864_000_000].into_iter().map(span).collect();
        assert_eq!(shown, ["0 s", "90 s", "3 min", "2 h", "10 d"]);
    }

    #[test]
    fn columns_line_up() {
        let text = table(["id", "n"], [["long one".into(), "1".into()], ["x".into(), "22".into()]]);
        assert_eq!(text, "ID        N\nlong one  1\nx         22");
    }
}
