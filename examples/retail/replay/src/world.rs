//! The processes of a replay: CRM, proxy, server; and the people and keys in it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use retail_agent::Client;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::args::Args;
use crate::proxy::Proxy;
use crate::workspace;

/// Polls of one process until it is ready, 20 ms apart.
const POLLS_MAX: u32 = 1_500;
/// Names of the example's workspace.
const AGENT: &str = "shop-agent";
const OWNER: &str = "mara";
const REVIEWER: &str = "jonas";
const TOKEN: &str = "replay-crm-token";

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) proxy: Proxy,
    pub(crate) agent: Client,
    pub(crate) reviewer: Client,
    pub(crate) owner: Client,
    crm: Child,
    crm_url: String,
    http: reqwest::Client,
    server: Child,
    server_url: String,
    binaries: PathBuf,
    dir: PathBuf,
}

impl World {
    /// Starts CRM, proxy and server, applies the workspace, makes the keys.
    pub(crate) async fn start(args: &Args, db: &Path, dir: &Path) -> Result<Self> {
        let binaries = binaries(args)?;
        let crm_port = free_port().await?;
        let crm_url = format!("http://127.0.0.1:{crm_port}");
        let crm = Command::new(binaries.join("retail-crm"))
            .arg("--data")
            .arg(db)
            .arg("--ledger")
            .arg(dir.join("ledger.jsonl"))
            .args(["--listen", &format!("127.0.0.1:{crm_port}"), "--allow-reset"])
            .args(["--token-env", "CRM_TOKEN"])
            .env("CRM_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log(dir, "crm.log")?)
            .kill_on_drop(true)
            .spawn()
            .context("retail-crm cannot be started")?;
        // Any client chooses the process's cryptography; the agent's does it for all.
        let early = Client::new(&crm_url, TOKEN)?;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        drop(early);
        poll(&http, &format!("{crm_url}/healthz")).await.context("the CRM did not get ready")?;
        let proxy = Proxy::start(&crm_url).await?;

        let server_url = format!("http://127.0.0.1:{}", free_port().await?);
        let server = spawn_server(&binaries, dir, &server_url)?;
        poll(&http, &format!("{server_url}/readyz")).await.context("the server did not get ready")?;
        let operator = Client::new(&server_url, &operator_token(dir)?)?;
        let files = workspace::generate(&args.workspace, &format!("{}/mcp", proxy.url), args.refund_gate)?;
        let apply = api::Apply { files, dry_run: false, expected: None };
        let plan: Result<api::Plan, _> = operator.send(Method::POST, "/v1/apply", Some(&apply), None).await;
        plan.context("the replay's workspace was not accepted")?;
        let agent = client(&server_url, &operator, &json!({"agent": AGENT})).await?;
        let reviewer = client(&server_url, &operator, &json!({"person": REVIEWER})).await?;
        let owner = client(&server_url, &operator, &json!({"person": OWNER})).await?;
        let dir = dir.to_owned();
        Ok(Self { proxy, agent, reviewer, owner, crm, crm_url, http, server, server_url, binaries, dir })
    }

    /// Kills the server as the kernel does when memory runs out, and starts it again on the same data.
    pub(crate) async fn crash(&mut self) -> Result<()> {
        self.server.kill().await.context("the server cannot be killed")?;
        self.server = spawn_server(&self.binaries, &self.dir, &self.server_url)?;
        self.wait_ready().await
    }

    async fn wait_ready(&mut self) -> Result<()> {
        if let Err(error) = poll(&self.http, &format!("{}/readyz", self.server_url)).await {
            let state =
                self.server.try_wait()?.map_or("it runs".to_owned(), |status| format!("it ended: {status}"));
            bail!(
                "the server did not get ready again ({state}): {error}\n{}",
                tail(&self.dir.join("server.log"))
            );
        }
        Ok(())
    }

    /// Sends the beginning of a request and kills the server while it waits for the rest.
    pub(crate) async fn crash_during_request(&mut self, path: &str, body: &[u8], key: &str) -> Result<()> {
        let host = self.server_url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             idempotency-key: {key}\r\ncontent-length: {}\r\n\r\n",
            self.agent.key(),
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body[..body.len() / 2]).await?;
        stream.flush().await?;
        self.crash().await
    }

    /// Address of the MCP endpoint.
    pub(crate) fn mcp_url(&self) -> String {
        format!("{}/mcp", self.server_url)
    }

    /// Gives the CRM fresh data and an empty ledger.
    pub(crate) async fn reset_crm(&self) -> Result<()> {
        let request = self.http.post(format!("{}/reset", self.crm_url)).bearer_auth(TOKEN);
        request.send().await?.error_for_status().context("the CRM was not reset")?;
        Ok(())
    }

    /// What the CRM itself says, as text.
    pub(crate) async fn ask_crm(&self, path: &str) -> Result<String> {
        let request = self.http.get(format!("{}{path}", self.crm_url)).bearer_auth(TOKEN);
        Ok(request.send().await?.error_for_status()?.text().await?)
    }

    /// Stops the server so that its last checkpoint is written, stops the CRM, and verifies the journal offline.
    pub(crate) async fn finish(mut self) -> Result<(bool, u64, String)> {
        let pid = self.server.id().map(|pid| pid.to_string());
        if let Some(pid) = pid {
            Command::new("kill").args(["-TERM", &pid]).status().await?;
            match tokio::time::timeout(Duration::from_secs(20), self.server.wait()).await {
                Ok(status) => drop(status?),
                Err(_) => self.server.kill().await?,
            }
        }
        self.crm.kill().await?;
        let output = Command::new(self.binaries.join("countersign"))
            .args(["--json", "verify"])
            .arg(self.dir.join("data"))
            .output()
            .await?;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let entries = report["entries"].as_u64().unwrap_or(0);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.success(), entries, said))
    }
}

/// The folder of our binaries, built if need be: `cargo run` builds only this one.
fn binaries(args: &Args) -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let mut dir = me.parent().context("this program has no folder")?;
    if dir.ends_with("deps") {
        dir = dir.parent().context("this program has no folder")?;
    }
    if !args.no_build
        && let Some(cargo) = std::env::var_os("CARGO")
    {
        let mut build = std::process::Command::new(cargo);
        build.args(["build", "--quiet", "-p", "countersign", "-p", "retail-crm"]);
        if dir.ends_with("release") {
            build.arg("--release");
        }
        if !build.status()?.success() {
            bail!("countersign and retail-crm could not be built");
        }
    }
    for name in ["countersign", "retail-crm"] {
        if !dir.join(name).is_file() {
            bail!("`{}` is missing: build it with `cargo build -p {name}`", dir.join(name).display());
        }
    }
    Ok(dir.to_owned())
}

fn spawn_server(binaries: &Path, dir: &Path, url: &str) -> Result<Child> {
    Command::new(binaries.join("countersign"))
        .args(["serve", "--workspace", "retail", "--listen", url.trim_start_matches("http://"), "--data"])
        .arg(dir.join("data"))
        .arg("--root-key")
        .arg(dir.join("root.key"))
        .env("CRM_TOKEN", TOKEN)
        .env("COUNTERSIGN_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log(dir, "server.log")?)
        .kill_on_drop(true)
        .spawn()
        .context("countersign cannot be started")
}

fn log(dir: &Path, name: &str) -> Result<Stdio> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(dir.join(name))?;
    Ok(file.into())
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// A port that was free a moment ago.
async fn free_port() -> Result<u16> {
    Ok(tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

async fn poll(http: &reqwest::Client, url: &str) -> Result<()> {
    let mut last = String::new();
    for _ in 0..POLLS_MAX {
        match http.get(url).bearer_auth(TOKEN).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => last = answer.status().to_string(),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("{url}: {last}")
}

fn operator_token(dir: &Path) -> Result<String> {
    let text =
        std::fs::read_to_string(dir.join("data/server.json")).context("the server left no server.json")?;
    let file: Value = serde_json::from_str(&text)?;
    Ok(file["token"].as_str().context("server.json names no token")?.to_owned())
}

async fn client(url: &str, operator: &Client, body: &Value) -> Result<Client> {
    let key: api::Key = operator.send(Method::POST, "/v1/keys", Some(body), None).await?;
    Ok(Client::new(url, &key.secret.context("the server told no key")?)?)
}
