//! The one binary: `countersign serve` and the commands that talk to it.
//!
//! Why commands live beside the server: the person who runs it at three in the morning has one file to find. What
//! reads a data directory (`verify`, `rebuild`) works without a server; everything else speaks `/v1` like any other
//! client. No rule of the domain is decided here.
//!
//! Exit codes: 0 done · 1 refused or failed · 2 wrong use · 3 the server cannot be reached.

mod cli; // flags and commands
mod client; // the HTTP client of `/v1`
mod commands; // one file a command
mod failure; // message, hint, code, exit code
mod output; // what is printed: tables, times, JSON, visible text
mod target; // which server, with which credential

use std::process::ExitCode;

use clap::Parser as _;

/// A decision makes many small allocations on several threads; the system's allocator takes a sixth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failure::misused(&error),
    };
    let out = output::Out::new(cli.global.json, cli.global.color);
    match commands::run(cli, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error, &out),
    }
}
