//! The command line. Its flags are an interface: scripts and CI depend on them.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Plays recorded shop conversations through a server, one run a conversation, and compares every output and final
/// state with the recording.
///
/// It starts everything itself: the shop's CRM on fresh data, a proxy in front of it, a countersign server on a
/// temporary data directory. Recordings stay where they are: give them, or set COUNTERSIGN_DATA.
#[derive(Debug, Parser)]
#[command(name = "retail-replay", version, max_term_width = 110)]
pub(crate) struct Args {
    /// Folder of the domain: its `db/` has orders, users and products [default: $COUNTERSIGN_DATA/tau-retail-domain]
    #[arg(long, value_name = "DIR")]
    pub(crate) domain: Option<PathBuf>,
    /// Recorded conversations [default: $COUNTERSIGN_DATA/tau-retail-run-a/trajectories.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) trajectories: Option<PathBuf>,
    /// Final states to compare with [default: $COUNTERSIGN_DATA/tau-retail-run-a/final_state.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) final_state: Option<PathBuf>,
    /// How the agent speaks with the server
    #[arg(long, value_enum, default_value = "api")]
    pub(crate) via: Via,
    /// A refund above this amount needs a person; without it nothing does
    #[arg(long, value_name = "MAJOR", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) refund_gate: Option<u32>,
    /// What the reviewer does with requests that wait
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) approve: Approve,
    /// Kill the server during every K-th call
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) crash_every: Option<u64>,
    /// Chooses the moments of crashes
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Only the first N conversations
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// The workspace folder whose connector and agent are used
    #[arg(long, value_name = "DIR", default_value = "examples/retail/workspace")]
    pub(crate) workspace: PathBuf,
    /// Use the binaries beside this one as they are
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Keep the temporary directory and print where it is
    #[arg(long)]
    pub(crate) keep: bool,
}

/// How the agent speaks with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// `/v1`
    Api,
    /// `/mcp`, with the official client
    Mcp,
}

/// What the reviewer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Approve {
    /// Approves each request, after reading its page.
    All,
    /// Answers nothing.
    None,
}
