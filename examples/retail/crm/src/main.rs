//! `retail-crm`: starts the shop's CRM.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Parser;
use retail_crm::crm::Crm;
use retail_crm::http::{self, Guard};
use retail_crm::manifest;
use retail_crm::mcp::Server;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Shortest token that is taken.
const TOKEN_LEN_MIN: usize = 16;
/// Where the CRM listens unless it is told otherwise.
const LISTEN: &str = "127.0.0.1:7411";

/// The CRM of the example shop: an old system with sixteen tools, served over MCP.
///
/// Every write is in the ledger, and on the disk, before it is answered. Kill the process at any moment: at the next start
/// the data is the initial data with the ledger played on it.
#[derive(Debug, Parser)]
#[command(
    name = "retail-crm",
    version,
    after_help = "\
Addresses (with --listen):
  POST /mcp                 MCP, streamable HTTP, no sessions, plain JSON answers
  GET  /healthz             counts of calls and ledger lines
  GET  /ledger              all lines of the ledger
  GET  /state/orders/{id}   an order now (write # as %23)
  GET  /state/users/{id}    a customer now
  GET  /state/changed       SHA-256 of every record that differs from the initial data
  POST /reset               begin anew; the old ledger is kept beside the new one (--allow-reset)

Examples:
  retail-crm --data examples/retail/data --ledger /tmp/crm.jsonl
  retail-crm --data examples/retail/data --ledger /tmp/crm.jsonl --stdio
  retail-crm --print-manifest > examples/retail/workspace/connectors/crm.manifest.json"
)]
struct Options {
    /// Folder with orders.json, users.json and products.json, or with a folder `db` that has them.
    #[arg(long, value_name = "DIR", required_unless_present = "print_manifest")]
    data: Option<PathBuf>,
    /// File of the ledger; made if it is not there.
    #[arg(long, value_name = "FILE", required_unless_present = "print_manifest")]
    ledger: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:7411, none with --stdio].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Serve one client over standard input and output.
    #[arg(long)]
    stdio: bool,
    /// Name of an environment variable that holds the bearer token; without it only this machine is served.
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// A further host name under which clients may ask, without port; may stand several times.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Answer the first N writes with 503 and do nothing.
    #[arg(long = "fault-503", value_name = "N", default_value_t = 0)]
    fault_503: u64,
    /// Allow `POST /reset`, with an optional body `{"fault_503": N}`.
    #[arg(long)]
    allow_reset: bool,
    /// Print the tools as JSON, as a workspace pins them, and end.
    #[arg(long)]
    print_manifest: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.print_manifest {
        print(&serde_json::to_string_pretty(&manifest::manifest())?);
        return Ok(());
    }
    let (Some(data), Some(ledger)) = (&options.data, &options.ledger) else {
        bail!("`--data` and `--ledger` are needed");
    };
    let token = token(options.token_env.as_deref())?;
    let clock = Box::new(|| jiff::Timestamp::now().to_string());
    let crm = Arc::new(Crm::open(data, ledger, options.fault_503, clock)?);
    if crm.torn() > 0 {
        report(&format!(
            "a last line of {} bytes was torn and has been cut: it was never answered",
            crm.torn()
        ));
    }
    let listen = match options.listen {
        None if options.stdio => None,
        None => Some(LISTEN.parse().context("the default address")?),
        given => given,
    };
    let mut web = None;
    if let Some(address) = listen {
        if token.is_none() && !address.ip().is_loopback() {
            bail!("`{address}` can be reached from other machines; give it a token with `--token-env`");
        }
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))?;
        let address = listener.local_addr()?;
        let guard = Guard::new(token.as_deref(), &options.allow_host);
        let router = http::router(Arc::clone(&crm), guard, options.allow_reset);
        let line = format!(
            "retail-crm listens on http://{address}/mcp, ledger {}",
            fs::canonicalize(ledger)?.display()
        );
        // Standard output belongs to the protocol where it is spoken there.
        if options.stdio {
            report(&line);
        } else {
            print(&line);
        }
        web = Some(http::serve(listener, router, stopped()));
    }
    match (options.stdio, web) {
        (true, None) => Server::serve_stdio(crm).await,
        (true, Some(web)) => tokio::select! {
            ended = Server::serve_stdio(crm) => ended,
            ended = web => Ok(ended?),
        },
        (false, Some(web)) => Ok(web.await?),
        (false, None) => Ok(()),
    }
}

fn token(name: Option<&str>) -> anyhow::Result<Option<String>> {
    let Some(name) = name else { return Ok(None) };
    let token =
        std::env::var(name).with_context(|| format!("the environment variable `{name}` holds no token"))?;
    if token.len() < TOKEN_LEN_MIN {
        bail!("the token in `{name}` is shorter than {TOKEN_LEN_MIN} characters");
    }
    Ok(Some(token))
}

/// Ends when the process is asked to stop.
async fn stopped() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

#[expect(clippy::print_stdout, reason = "the program's own output")]
fn print(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "what must not mix with the protocol on standard output")]
fn report(line: &str) {
    eprintln!("{line}");
}
