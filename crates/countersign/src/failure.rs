//! How a command fails: one sentence, what to do next, a stable code, an exit code.
//!
//! Why a type beside `anyhow`: scripts read the exit code and the code, people the hint. Any other error counts as
//! "failed" and prints its chain of causes.

use std::fmt;
use std::process::ExitCode;

use serde_json::json;

use crate::output::{Out, visible};

/// What kind of failure it was: the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server said no, or what was checked is not in order.
    Refused,
    /// The command was used in a way that cannot work.
    Usage,
    /// No server answered.
    Unreachable,
}

impl Kind {
    fn exit(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
        }
    }
}

/// A failure that says what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code's meaning.
    pub(crate) kind: Kind,
    /// What is wrong, in one sentence.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// Stable code: a page in `docs/errors/`, or in `docs/guide/cli.md` where it is the command line's own.
    pub(crate) code: Option<String>,
    /// One line each, where several things are wrong.
    pub(crate) problems: Vec<api::FileProblem>,
}

impl Failure {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, code: None, problems: vec![] }
    }

    /// The server or a check said no.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// The command cannot work like this.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The person who was asked said no: nothing was done.
    pub(crate) fn declined(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message).code("declined")
    }

    /// The person who is to be asked is not there.
    pub(crate) fn nobody_to_ask(hint: impl Into<String>) -> Self {
        Self::new(Kind::Usage, "nobody can be asked here: this is not a terminal")
            .code("not_interactive")
            .hint(hint)
    }

    /// Nobody answered.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unreachable, message)
    }

    /// Adds what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the stable code.
    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints a failure and says with which code to end.
pub(crate) fn report(error: &anyhow::Error, out: &Out) -> ExitCode {
    // A reader that went away (`| head`) is no failure of ours.
    if error.chain().any(is_broken_pipe) {
        return ExitCode::SUCCESS;
    }
    let failure = error.downcast_ref::<Failure>();
    let message = match failure {
        Some(failure) => failure.message.clone(),
        None => error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "),
    };
    let journal = || error.chain().find_map(|cause| cause.downcast_ref::<journal::Error>()?.hint());
    let unfit = error.chain().find_map(|cause| cause.downcast_ref::<server::Unfit>());
    let hint = failure.and_then(|f| f.hint.as_deref());
    let hint = hint.or_else(|| unfit.map(server::Unfit::hint)).or_else(journal);
    let code = failure.and_then(|f| f.code.as_deref()).or_else(|| unfit.map(|unfit| unfit.code));
    if out.json {
        let problems = failure.map(|f| f.problems.as_slice()).unwrap_or_default();
        out.error(
            &json!({"error": {"message": message, "hint": hint, "code": code, "problems": problems}})
                .to_string(),
        );
    } else {
        out.error(&format!("{} {}", out.bad("error:"), visible(&message)));
        for problem in failure.map(|f| f.problems.as_slice()).unwrap_or_default() {
            for line in crate::output::problem_lines(problem) {
                out.error(&line);
            }
        }
        if let Some(hint) = hint {
            out.error(&format!("{} {}", out.dim("hint:"), visible(hint)));
        }
        if let Some(code) = code {
            out.error(&format!("{} {}", out.dim("code:"), visible(code)));
        }
    }
    ExitCode::from(failure.map_or(1, |f| f.kind.exit()))
}

/// Prints why the command line cannot be read, or the help that it asks for. Also as JSON, where it says so: a script
/// that reads errors reads this one, too.
pub(crate) fn misused(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    if !(json && error.use_stderr()) {
        // A closed output leaves nobody to tell.
        error.print().ok();
        return ExitCode::from(if error.use_stderr() { Kind::Usage.exit() } else { 0 });
    }
    let text = error.render().to_string();
    // Message, tips and usage are paragraphs.
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let hint = rest.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let failure = Failure::usage(message).code("usage").hint(hint);
    report(&failure.into(), &Out::new(true, crate::output::Color::Never))
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
