//! `countersign lint`: checks a workspace folder without a server, with the checks that `apply` makes.

use anyhow::Result;

use crate::cli::Lint;
use crate::failure::Failure;
use crate::output::{Out, problem_lines};

use super::folder;

pub(super) fn run(args: &Lint, out: &Out) -> Result<()> {
    let files = folder::read(&args.dir)?;
    let problems = server::lint(&files);
    let errors = problems.iter().filter(|problem| problem.severity == "error").count();
    let warnings = problems.len() - errors;
    if out.json {
        out.value(&problems)?;
    } else {
        for line in problems.iter().flat_map(problem_lines) {
            out.line(line)?;
        }
    }
    let counted = format!("{} files, {errors} errors, {warnings} warnings", files.len());
    if errors > 0 || (args.strict && warnings > 0) {
        return Err(Failure::refused(counted).code("bundle_invalid").into());
    }
    if out.json { Ok(()) } else { out.line(format!("{} {counted}", out.good("in order:"))) }
}
