//! The commands, one file each, and the way from a parsed command line to its file.

mod actions;
mod apply;
mod approvals;
mod backup;
mod bench;
mod completion;
mod connector;
mod doctor;
mod evidence;
mod explain;
mod export; // the published log as files
mod folder; // reads a workspace folder
mod incidents;
mod keys;
mod lint;
mod published; // a log, as seen from outside
mod rebuild;
mod receipt;
mod reconcile;
mod restore;
mod retention;
mod runs;
mod serve;
mod signal;
mod status;
mod subject;
mod successors; // from a trusted key to the next one
mod verify;
mod witness;

use std::future::Future;

use anyhow::{Context as _, Result};

use crate::cli::{Cli, Command, Global, Log};
use crate::client::Client;
use crate::output::Out;
use crate::target;

pub(crate) use restore::point;

/// Carries out a command.
pub(crate) fn run(cli: Cli, out: &Out) -> Result<()> {
    let global = cli.global;
    match cli.command {
        Command::Serve(args) => serve::run(&global, args),
        Command::Apply(args) => wait(apply::run(&global, args, out)),
        Command::Lint(args) => lint::run(&args, out),
        Command::Status => wait(status::run(&global, out)),
        Command::Runs(args) => wait(runs::run(&global, args, out)),
        Command::Signal(args) => wait(signal::run(&global, args, out)),
        Command::Incidents(command) => wait(incidents::run(&global, command, out)),
        Command::Actions(args) => wait(actions::run(&global, args, out)),
        Command::Approvals(command) => wait(approvals::run(&global, command, out)),
        Command::Explain(args) => wait(explain::run(&global, args, out)),
        Command::Evidence(args) => wait(evidence::pack(&global, args, out)),
        Command::Log(Log::Export { dir }) => wait(export::run(&global, dir, out)),
        Command::Receipt(args) => wait(receipt::fetch(&global, args, out)),
        Command::Verify(args) => verify::run(&global, args, out),
        Command::Witness(args) => witness::run(&global, args),
        Command::Backup(args) => backup::run(&global, args, out),
        Command::Restore(args) => restore::run(args, out),
        Command::Rebuild => rebuild::run(&global, out),
        Command::Keys(command) => wait(keys::run(&global, command, out)),
        Command::Erase(args) => wait(subject::erase(&global, args, out)),
        Command::Hold(args) => wait(subject::hold(&global, args, out)),
        Command::Reconcile(args) => wait(reconcile::run(&global, args, out)),
        Command::Retention(args) => wait(retention::run(&global, args, out)),
        Command::Connector(command) => wait(connector::run(&global, command, out)),
        Command::Doctor(args) => wait(doctor::run(&global, &args, out)),
        Command::Bench(args) => bench::run(&global, &args, out),
        Command::Completion(args) => completion::run(&args),
    }
}

/// A client of the server that the flags mean.
fn client(global: &Global) -> Result<Client> {
    Client::new(target::find(global)?)
}

/// Runs one command's conversation on this thread.
fn wait(work: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(work)
}
