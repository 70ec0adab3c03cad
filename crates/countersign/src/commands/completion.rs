//! `countersign completion`: the completion script of a shell.

use anyhow::Result;
use clap::CommandFactory as _;

use crate::cli::{Cli, Completion};

pub(super) fn run(args: &Completion) -> Result<()> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "countersign", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(())
}
