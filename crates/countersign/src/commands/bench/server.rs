//! The server under test: a child process with a small workspace on a temporary directory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::target::{self, Target};

/// A running server, stopped when this is dropped.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) agent_key: String,
    child: Child,
}

/// Ticks of `/proc/PID/stat` in a second: the same on every Linux that people run.
const TICKS_PER_SECOND: u64 = 100;

impl Server {
    /// Processor time that it took until now, user and system.
    pub(super) fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()?)).ok()?;
        // The name of the program may hold anything; the fields behind it are numbers (proc(5)).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
        Some(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
    }
}

/// Starts it, applies the workspace, makes the agent's key.
pub(super) async fn start(dir: &Path, echo: SocketAddr) -> Result<Server> {
    let data = dir.join("data");
    let mut child = Command::new(std::env::current_exe().context("this program cannot be found")?)
        .args(["serve", "--workspace", "bench", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .arg("--root-key")
        .arg(dir.join("root.key"))
        .env("COUNTERSIGN_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("the server cannot be started")?;
    let target = ready(&mut child, &data).await?;
    let client = Client::new(target.clone())?;
    let body = api::Apply { files: workspace(echo), dry_run: false, expected: None };
    let _applied: api::Plan = client.post("/v1/apply", &body).await?;
    let key = api::CreateKey { agent: Some("load".into()), person: None, scopes: vec![] };
    let key: api::Key = client.post("/v1/keys", &key).await?;
    let agent_key = key.secret.context("the server told no key")?;
    Ok(Server { url: target.url, agent_key, child })
}

async fn ready(child: &mut Child, data: &Path) -> Result<Target> {
    for _ in 0..1_000 {
        if let Some(status) = child.try_wait()? {
            bail!("the server ended at once ({status})");
        }
        if let Ok(target) = target::local(data)
            && Client::new(target.clone())?.text("/readyz").await.is_ok()
        {
            return Ok(target);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("the server did not get ready")
}

fn workspace(echo: SocketAddr) -> BTreeMap<String, String> {
    let schema = r#"'{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}'"#;
    let tool = |name: &str| {
        format!(
            "[tools.{name}]\nclass = \"read\"\nmethod = \"POST\"\npath = \"/{name}\"\ninput_schema = {schema}\n\n"
        )
    };
    let connector = format!(
        "name = \"echo\"\ntitle = \"Echo\"\nkind = \"http\"\nurl = \"http://{echo}\"\nallow_private = true\n\
         environment = \"sandbox\"\n\n{}{}",
        tool("ping"),
        tool("forbidden")
    );
    let policy = "@id(\"ping\")\npermit (principal, action == Action::\"echo.ping\", resource);\n";
    BTreeMap::from([
        (
            "workspace.toml".to_owned(),
            "name = \"bench\"\ntitle = \"Bench\"\ntime_zone = \"UTC\"\nroles = []\n\n[people.ada]\nroles = [\"owner\"]\n"
                .to_owned(),
        ),
        (
            "agents/load.toml".to_owned(),
            "name = \"load\"\ntitle = \"Load\"\nversion = 1\nowner = \"ada\"\nstage = \"production\"\n".to_owned(),
        ),
        ("connectors/echo.toml".to_owned(), connector),
        ("policies/bench.cedar".to_owned(), policy.to_owned()),
    ])
}
