//! Flags and commands, as a person types them.
//!
//! Only shapes: what a command does is in `commands/`, one file each.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::output::Color;

const AFTER: &str = "\
Exit codes: 0 done, 1 refused or failed, 2 wrong use, 3 the server cannot be reached.
Without --server, commands talk to the server of this machine, found through its data directory.";

/// Runs AI agents under policy, with people's countersignatures and a journal that can be checked.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = AFTER, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Data directory of the server
    #[arg(
        long,
        global = true,
        env = "COUNTERSIGN_DATA_DIR",
        value_name = "DIR",
        default_value = ".countersign"
    )]
    pub(crate) data: PathBuf,
    /// Address of the server
    #[arg(long, global = true, env = "COUNTERSIGN_URL", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// API key (other users of the machine can see arguments: prefer the variable or --key-file)
    #[arg(long, global = true, env = "COUNTERSIGN_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// File that holds the API key
    #[arg(long, global = true, env = "COUNTERSIGN_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto", hide = true)]
    pub(crate) color: Color,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(Serve),
    /// Put a workspace folder in force: agents, connectors, policies
    Apply(Apply),
    /// Check a workspace folder without a server
    Lint(Lint),
    /// Show the state of the workspace
    Status,
    /// List runs, look at one, hold it, let it go on, cancel it
    Runs(Runs),
    /// Tell a run something; it is kept until the run reads it
    Signal(Signal),
    /// Look at incidents, take them, say that they are over
    #[command(subcommand)]
    Incidents(Incidents),
    /// List actions, and settle those with an unknown outcome
    Actions(Actions),
    /// Look at requests for a countersignature and answer them
    #[command(subcommand)]
    Approvals(Approvals),
    /// Tell the whole story of one action: why, by which rules, on which facts
    Explain(Explain),
    /// Pack one action with its proof into a file that anybody can check without the server
    Evidence(Evidence),
    /// Take the published log with you
    #[command(subcommand)]
    Log(Log),
    /// Write the receipt of an entry: the proof that it is in the log, for anybody to check
    Receipt(Receipt),
    /// Check the journal of a data directory, evidence, a receipt, or a published log
    Verify(Verify),
    /// Cosign the checkpoints of logs, and never two histories of one
    Witness(Witness),
    /// Copy a data directory, beside a running server or without one
    Backup(Backup),
    /// Make a data directory from a backup; what was erased stays erased
    Restore(Restore),
    /// Build state and views again from the journal, with the server stopped
    Rebuild,
    /// Make, list and revoke API keys; make console login links
    #[command(subcommand)]
    Keys(Keys),
    /// Erase what is held about a subject: nobody can read it again, the proof stays
    Erase(Erase),
    /// Put a legal hold on a subject, which beats erasure and retention, or end it
    Hold(Hold),
    /// After a restore to a point in the past: say that the gap was looked at, so that writes go on
    Reconcile(Reconcile),
    /// Show how long what runs hold is kept and what is due, or let go of it
    Retention(Retention),
    /// Test connectors and pin their tools
    #[command(subcommand)]
    Connector(Connector),
    /// Look for what is wrong with this installation
    Doctor(Doctor),
    /// Measure durable decisions a second, beside what the disk can do
    Bench(Bench),
    /// Print the completion script of a shell
    Completion(Completion),
}

/// `serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Name of the workspace
    #[arg(long, env = "COUNTERSIGN_WORKSPACE", value_name = "NAME", default_value = "main")]
    pub(crate) workspace: String,
    /// Address to listen on
    #[arg(long, env = "COUNTERSIGN_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:7400")]
    pub(crate) listen: SocketAddr,
    /// File of the root key, outside the data directory; made at the first start
    /// [default: ~/.config/countersign/root.key]
    #[arg(long, env = "COUNTERSIGN_ROOT_KEY_FILE", value_name = "FILE")]
    pub(crate) root_key: Option<PathBuf>,
    /// Show every checkpoint to the witnesses of this C2SP tlog-policy, and keep what they cosign
    #[arg(long, env = "COUNTERSIGN_WITNESS_POLICY", value_name = "FILE")]
    pub(crate) witness_policy: Option<PathBuf>,
    /// Seconds between two rounds of asking them
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub(crate) witness_interval: u16,
    /// Let everybody who reaches the server read the log: checkpoint, tiles, entries (no payloads)
    #[arg(long, env = "COUNTERSIGN_PUBLISH_LOG")]
    pub(crate) publish_log: bool,
    /// Host names under which browsers and agents may address the server; may be repeated
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
    /// Bytes that the data directory may take (`20GiB`, `500MB`): no new proposals are taken at it
    #[arg(long, env = "COUNTERSIGN_QUOTA", value_name = "SIZE", value_parser = bytes)]
    pub(crate) quota: Option<u64>,
    /// Free bytes on the disk below which status, health and metrics tell
    #[arg(long, env = "COUNTERSIGN_LOW_SPACE", value_name = "SIZE", value_parser = bytes, default_value = "1GiB")]
    pub(crate) low_space: u64,
}

/// A size: digits and a unit of 1000 (`kB`, `MB`, `GB`, `TB`) or 1024 (`KiB`, `MiB`, `GiB`, `TiB`).
fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("", 1),
    ];
    let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let factor = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor);
    let size = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
    size.ok_or_else(|| "give bytes, or a size such as `20GiB` or `500MB`".to_owned())
}

/// `apply`
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The workspace folder
    pub(crate) dir: PathBuf,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Only show the plan
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}

/// `lint`
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// The workspace folder
    pub(crate) dir: PathBuf,
    /// Warnings count as errors
    #[arg(long)]
    pub(crate) strict: bool,
}

/// `runs`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Runs {
    #[command(subcommand)]
    pub(crate) command: Option<RunsDo>,
    /// Only of this agent
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Only with this status: open, done, failed, cancelled
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only open ones that do this: attached, ready, working, waiting, paused, parked, retrying
    #[arg(long)]
    pub(crate) phase: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
}

/// What to do about one run.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsDo {
    /// Show a run: what it does, what it began with and brought
    Show {
        /// `run_…`
        run: String,
    },
    /// Say what whoever takes a run up must know: goal, decisions, open questions, facts with their age
    Brief {
        /// `run_…`
        run: String,
        /// At most so many tokens
        #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(128..=32_000))]
        tokens: u32,
        /// Whose tokens: o200k_base, cl100k_base
        #[arg(long, default_value = "o200k_base")]
        tokenizer: String,
    },
    /// Hold a run: no worker gets it, and it takes no new steps and actions
    Pause {
        /// `run_…`
        run: String,
        /// Why; kept sealed beside the entry
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let a run go on
    Resume {
        /// `run_…`
        run: String,
        /// Why; kept sealed beside the entry
        #[arg(long)]
        reason: Option<String>,
    },
    /// End a run, the open runs that it started, and what people were asked for it
    Cancel {
        /// `run_…`
        run: String,
        /// Why; kept sealed beside the entry
        #[arg(long)]
        reason: Option<String>,
    },
}

/// `signal`
#[derive(Debug, Args)]
pub(crate) struct Signal {
    /// `run_…`
    pub(crate) run: String,
    /// Name of the signal
    pub(crate) name: String,
    /// Its value, as JSON
    #[arg(long, value_name = "JSON", default_value = "null")]
    pub(crate) value: String,
    /// The same key is the same signal: for scripts that may send it twice
    #[arg(long, value_name = "TEXT")]
    pub(crate) idempotency_key: Option<String>,
}

/// What to do about incidents.
#[derive(Debug, Subcommand)]
pub(crate) enum Incidents {
    /// List incidents, newest first
    List {
        /// Only with this status: open, acknowledged, resolved
        #[arg(long)]
        status: Option<String>,
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
    },
    /// Show an incident
    Show {
        /// `inc_…`
        incident: String,
    },
    /// Take an incident: others see that somebody looks at it
    Acknowledge {
        /// `inc_…`
        incident: String,
        /// Why; kept sealed beside the entry
        #[arg(long)]
        reason: Option<String>,
    },
    /// Say that an incident is over: what it held up goes on
    Resolve {
        /// `inc_…`
        incident: String,
        /// Why; kept sealed beside the entry
        #[arg(long)]
        reason: Option<String>,
    },
}

/// `actions`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Actions {
    #[command(subcommand)]
    pub(crate) command: Option<ActionsDo>,
    /// Only of this run
    #[arg(long)]
    pub(crate) run: Option<String>,
    /// Only of this agent
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Only with this status, for example waiting, confirmed, refused, unknown
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only with this first verdict: autonomous, approve, never
    #[arg(long)]
    pub(crate) verdict: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
}

/// What to do about an action.
#[derive(Debug, Subcommand)]
pub(crate) enum ActionsDo {
    /// Say what an unknown outcome was, after looking into the system itself
    Settle {
        /// `act_…`
        action: String,
        /// It happened there
        #[arg(long, required_unless_present = "not_applied")]
        applied: bool,
        /// It did not happen there
        #[arg(long, conflicts_with = "applied")]
        not_applied: bool,
        /// How you know; kept sealed beside the entry
        #[arg(long, short)]
        reason: String,
    },
    /// Take back what an action did, by the compensation that was registered with it: a new action, which the rules judge
    Reverse {
        /// The action, `act_…`
        action: String,
        /// Why; shown to whoever is asked
        #[arg(long)]
        reason: Option<String>,
    },
}

/// `approvals`
#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// List requests, those that wait first
    List {
        /// Only with this status; `all` for every one
        #[arg(long, default_value = "waiting")]
        status: String,
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
    },
    /// Show a request as its approver sees it
    Show {
        /// `apr_…`
        approval: String,
    },
    /// Show a request, ask, and approve exactly what was shown
    Approve {
        /// `apr_…`
        approval: String,
        /// Approve the page that was read before, by the digest that `approvals show` prints, without asking
        #[arg(long, value_name = "DIGEST")]
        seen: Option<String>,
    },
    /// Reject a request; the agent is told why
    Reject {
        /// `apr_…`
        approval: String,
        /// Why
        #[arg(long, short)]
        reason: String,
    },
}

/// `explain`
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// `act_…`
    pub(crate) action: String,
}

/// `evidence`
#[derive(Debug, Args)]
pub(crate) struct Evidence {
    /// `act_…`
    pub(crate) action: String,
    /// File to write; `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// `verify`
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The data directory, or a copy of it [default: --data]
    pub(crate) dir: Option<PathBuf>,
    /// Check this file, which `countersign evidence` wrote, instead of a directory
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub(crate) evidence: Option<PathBuf>,
    /// Check this receipt (C2SP tlog-proof)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dir", "evidence"], requires = "policy")]
    pub(crate) receipt: Option<PathBuf>,
    /// Check a published log (C2SP tlog-tiles): an address such as http://127.0.0.1:7400/log/main, or a folder
    #[arg(long, value_name = "URL_OR_DIR", conflicts_with_all = ["dir", "evidence", "receipt"], requires = "policy")]
    pub(crate) log: Option<String>,
    /// Prove that the log continues the one of this checkpoint, which was kept before
    #[arg(long, value_name = "FILE", requires = "log")]
    pub(crate) since: Option<PathBuf>,
    /// Read every entry of the log, not only what the proof needs
    #[arg(long, requires = "log")]
    pub(crate) all: bool,
    /// Whom to trust: log keys and witnesses, as a C2SP tlog-policy [default for evidence: the key that the file names]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

/// `log`
#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Write the log as files (C2SP tlog-tiles) for a web server or a mirror; a second time, what came since
    Export {
        /// The folder
        dir: PathBuf,
    },
}

/// `receipt`
#[derive(Debug, Args)]
pub(crate) struct Receipt {
    /// Position of the entry in the log; or `act_…`: the entry that decided the action last
    pub(crate) entry: String,
    /// File to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `witness`
#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// File of the witness' signing key
    #[arg(long = "witness-key", value_name = "FILE")]
    pub(crate) secret: PathBuf,
    /// Name of the witness, for example witness.example/w1: with it a key that is not there is made
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Follow the logs of this C2SP tlog-policy
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Follow the log of this verifier key; may be repeated
    #[arg(long, value_name = "VKEY", required_unless_present = "policy")]
    pub(crate) log: Vec<String>,
    /// Address to listen on; other machines reach it best through something that speaks TLS
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7500")]
    pub(crate) listen: SocketAddr,
}

/// `backup`
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Where the journal goes; an earlier backup there grows by what came since
    pub(crate) dir: PathBuf,
    /// Where a copy of the keys goes, apart from the journal: without keys no payload can be read
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: Option<PathBuf>,
    /// Copies of the keys that are older are removed
    #[arg(long, value_name = "DAYS", default_value_t = 35, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) keep_keys: u32,
}

/// `restore`
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    pub(crate) backup: PathBuf,
    /// The copy of the keys, taken with the backup or after it
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: PathBuf,
    /// The new data directory: empty, or not there
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// A newer data directory or backup of the same history: what was erased there is erased here, too
    #[arg(long, value_name = "DIR")]
    pub(crate) erasures_from: Option<PathBuf>,
    /// The last checkpoint that anybody has: the backup must hold all that it vouches for; may be repeated
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) last: Vec<PathBuf>,
    /// Go on under another origin, with writes paused: `end` for all that the backup holds, the number of the last entry to
    /// keep, or a time like 2026-11-23T14:05:00Z
    #[arg(long, value_name = "POINT", conflicts_with = "last", value_parser = crate::commands::point)]
    pub(crate) point: Option<server::Point>,
    /// File of the root key, for another origin needs another key [default: ~/.config/countersign/root.key]
    #[arg(long, env = "COUNTERSIGN_ROOT_KEY_FILE", value_name = "FILE")]
    pub(crate) root_key: Option<PathBuf>,
}

/// `keys`
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key for an agent or a person; it is shown once
    Create {
        /// The agent
        #[arg(long, required_unless_present = "person", conflicts_with = "person")]
        agent: Option<String>,
        /// The person
        #[arg(long)]
        person: Option<String>,
        /// What it may be used for: act, read, answer, publish, keys [default: what its kind needs]
        #[arg(long)]
        scope: Vec<String>,
        /// Write the key to a new file that only you can read, instead of showing it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the log's verifier key as a trust policy, for whoever checks receipts, evidence or the log itself
    Log,
    /// List keys
    List,
    /// Revoke a key at once
    Revoke {
        /// `key_…`
        #[arg(value_name = "KEY_ID")]
        id: String,
    },
    /// Make a one-time link that logs a person into the console
    Login {
        /// The person
        person: String,
    },
    /// Give the logs other signing keys, each signed by the one before, with the server stopped
    RotateLog {
        /// File of the root key [default: ~/.config/countersign/root.key]
        #[arg(long, env = "COUNTERSIGN_ROOT_KEY_FILE", value_name = "FILE")]
        root_key: Option<PathBuf>,
    },
    /// Wrap all keys of the data directory with another root key, with the server stopped
    RotateRoot {
        /// File of the root key until now [default: ~/.config/countersign/root.key]
        #[arg(long, env = "COUNTERSIGN_ROOT_KEY_FILE", value_name = "FILE")]
        root_key: Option<PathBuf>,
        /// File of the new root key, outside the data directory; made if it is not there
        #[arg(long, value_name = "FILE")]
        new_root_key: PathBuf,
    },
}

/// `connector`
#[derive(Debug, Subcommand)]
pub(crate) enum Connector {
    /// List connectors and their health
    List,
    /// Reach, authenticate, list and compare, step by step
    Test {
        /// Its name
        connector: String,
    },
    /// Write the tools that the system offers now into the workspace folder
    Pin {
        /// Its name
        connector: String,
        /// The workspace folder
        #[arg(long, value_name = "DIR")]
        workspace: PathBuf,
    },
}

/// `erase`
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// `connector:name`, as the connector's `subject` makes it, or a run's id
    pub(crate) subject: String,
    /// Why; kept sealed beside the entry
    #[arg(long)]
    pub(crate) reason: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `hold`
#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// `connector:name`, as the connector's `subject` makes it, or a run's id
    pub(crate) subject: String,
    /// Why; kept sealed beside the entry
    #[arg(long)]
    pub(crate) reason: String,
    /// End the hold
    #[arg(long)]
    pub(crate) release: bool,
}

/// `reconcile`
#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// What was compared and found; kept sealed beside the entry
    #[arg(long)]
    pub(crate) reason: String,
}

/// `retention`
#[derive(Debug, Args)]
pub(crate) struct Retention {
    #[command(subcommand)]
    pub(crate) command: Option<RetentionDo>,
}

/// What to do about retention.
#[derive(Debug, Subcommand)]
pub(crate) enum RetentionDo {
    /// Take away whole segments of the journal whose runs are all past their retention; proofs of the rest stay
    Prune {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Let go of what is past its retention now, as the server does by itself four times a day
    Apply {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// `doctor`
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Say that a clock which jumped is right: approvals expire again
    #[arg(long)]
    pub(crate) accept_clock: bool,
    /// Leave out the disk probe
    #[arg(long)]
    pub(crate) no_probe: bool,
}

/// `bench`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) part: Option<BenchPart>,
    /// Seconds for each number of requests in flight
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub(crate) seconds: u16,
    /// Requests in flight, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,64,256")]
    pub(crate) in_flight: Vec<u16>,
    /// Where to make the temporary data directory: the disk that is measured [default: beside --data]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// A part that is measured alone.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchPart {
    /// Measure the journal beside a bare loop that writes the same bytes
    Journal(BenchJournal),
}

/// `bench journal`
#[derive(Debug, Args)]
pub(crate) struct BenchJournal {
    /// Writers, each with one entry in flight; one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,256", value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub(crate) writers: Vec<u16>,
    /// Rounds of each, taken in turns with the bare loop
    #[arg(long, default_value_t = 41, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) rounds: u16,
    /// Bytes of an entry
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u16).range(100..))]
    pub(crate) entry_bytes: u16,
    /// Instead make a log of so many entries, kill its writer, and measure opening, proofs and verification
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) entries: Option<u64>,
    /// Where to make the temporary data directory: the disk that is measured [default: beside --data]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Only make the log, here, and go on until killed
    #[arg(long, hide = true, requires = "entries")]
    pub(crate) build_in: Option<PathBuf>,
}

/// `completion`
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// bash, zsh, fish, elvish, powershell
    pub(crate) shell: clap_complete::Shell,
}
