//! `countersign doctor`: looks for what is wrong with this installation, and says what to do.
//!
//! It changes nothing, unless it is told that a clock which jumped is right. Checks that need the server come last: without one, the others still help.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::cli::{Doctor, Global};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, visible};
use crate::target;

/// Below this a day of work may not fit.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// Views that are further behind than this need a look.
const BEHIND_MAX: u64 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    mark: Mark,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, mark: Mark::Ok, detail: detail.into(), hint: None }
    }

    fn warn(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, mark: Mark::Warn, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn fail(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, mark: Mark::Fail, detail: detail.into(), hint: Some(hint.into()) }
    }
}

pub(super) async fn run(global: &Global, args: &Doctor, out: &Out) -> Result<()> {
    let mut checks = vec![];
    if global.server.is_none() {
        directory(&global.data, &mut checks);
        root_key(&global.data, &mut checks);
        space(&global.data, &mut checks);
        if !args.no_probe {
            disk(&global.data, &mut checks);
        }
    }
    if args.accept_clock {
        let client = super::client(global)?;
        drop(client.post::<api::Status>("/v1/clock/accept", &serde_json::json!({})).await?);
    }
    server(global, &mut checks).await;
    if out.json {
        out.value(&checks)?;
    } else {
        for check in &checks {
            let mark = match check.mark {
                Mark::Ok => out.good("ok  "),
                Mark::Warn => out.warn("look"),
                Mark::Fail => out.bad("FAIL"),
            };
            out.line(format!("{mark} {:<15} {}", check.name, visible(&check.detail)))?;
            if let Some(hint) = &check.hint {
                out.line(format!("     {:<15} {}", "", out.dim(&visible(hint))))?;
            }
        }
    }
    let failed = checks.iter().filter(|check| check.mark == Mark::Fail).count();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::refused(format!("{failed} of {} checks failed", checks.len())).into())
}

fn directory(data: &Path, checks: &mut Vec<Check>) {
    let Ok(meta) = std::fs::metadata(data) else {
        checks.push(Check::warn(
            "data directory",
            format!("`{}` does not exist yet", data.display()),
            "`countersign serve` makes it; or name another one with --data",
        ));
        return;
    };
    let mode = meta.permissions().mode() & 0o777;
    let others = mode & 0o077;
    checks.push(if others == 0 {
        Check::ok("data directory", format!("`{}`, readable by its user only", data.display()))
    } else {
        Check::warn(
            "data directory",
            format!("`{}` is open to other users ({mode:03o})", data.display()),
            format!("chmod 700 {}", data.display()),
        )
    });
}

fn root_key(data: &Path, checks: &mut Vec<Check>) {
    // A running server says which file it took.
    let told = target::local(data).ok().and_then(|server| server.root_key);
    let path = told
        .or_else(|| std::env::var_os("COUNTERSIGN_ROOT_KEY_FILE").map(Into::into))
        .or_else(super::serve::root_key_default);
    let Some(path): Option<std::path::PathBuf> = path else {
        checks.push(Check::warn("root key", "no home directory is known", "set COUNTERSIGN_ROOT_KEY_FILE"));
        return;
    };
    checks.push(match std::fs::metadata(&path) {
        Err(_) if std::env::var_os("COUNTERSIGN_ROOT_KEY").is_some() => {
            Check::ok("root key", "from the environment variable COUNTERSIGN_ROOT_KEY")
        }
        Err(_) => Check::warn(
            "root key",
            format!("`{}` does not exist yet", path.display()),
            "the first `countersign serve` makes it; keep a copy apart from the data",
        ),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Check::fail(
            "root key",
            format!("`{}` is open to other users", path.display()),
            format!("chmod 600 {}", path.display()),
        ),
        Ok(_) => Check::ok("root key", format!("`{}`, readable by its user only", path.display())),
    });
}

/// The nearest folder that exists: where the data is, or would be.
fn nearest(data: &Path) -> &Path {
    data.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("."))
}

fn space(data: &Path, checks: &mut Vec<Check>) {
    checks.push(match rustix::fs::statvfs(nearest(data)) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let detail = format!("{} MiB free", free >> 20);
            if free < FREE_BYTES_MIN {
                Check::fail("disk space", detail, "make room: a full disk stops new work")
            } else {
                Check::ok("disk space", detail)
            }
        }
        Err(error) => Check::warn("disk space", format!("cannot be asked: {error}"), "look with `df`"),
    });
}

fn disk(data: &Path, checks: &mut Vec<Check>) {
    checks.push(match super::bench::probe(nearest(data), 200) {
        Ok(probe) => Check::ok(
            "disk",
            format!(
                "{:.0} flushes/s, one takes {} µs (p50), {} µs (p99)",
                probe.flushes_per_s, probe.p50_us, probe.p99_us
            ),
        ),
        Err(error) => {
            Check::fail("disk", format!("cannot be written: {error}"), "look at mount and permissions")
        }
    });
}

async fn server(global: &Global, checks: &mut Vec<Check>) {
    let client = match target::find(global).and_then(Client::new) {
        Ok(client) => client,
        Err(error) => {
            checks.push(Check::warn("server", error.to_string(), "start it with `countersign serve`"));
            return;
        }
    };
    match client.text("/readyz").await {
        Ok(_) => checks.push(Check::ok("server", format!("{} is ready", client.url()))),
        Err(error) => {
            checks.push(Check::fail("server", error.to_string(), "look at what `countersign serve` printed"));
            return;
        }
    }
    match client.get::<api::Status>("/v1/status").await {
        Ok(status) => {
            checks.push(if status.bundle.is_none() {
                Check::fail("policy", "none is in force: every action is refused", "countersign apply DIR")
            } else if status.refuses_all {
                Check::fail(
                    "policy",
                    "it permits nothing: every action is refused",
                    "write a rule with `permit` under policies/ and run `countersign apply DIR`",
                )
            } else if status.setup {
                Check::warn("policy", "in setup", "the first production connector ends it")
            } else {
                Check::ok("policy", "a bundle is in force")
            });
            let behind = format!("{} entries behind", status.views_behind);
            checks.push(if status.views_behind > BEHIND_MAX {
                Check::warn(
                    "views",
                    behind,
                    "wait; if it grows, stop the server and run `countersign rebuild`",
                )
            } else {
                Check::ok("views", behind)
            });
            for line in status.attention {
                checks.push(Check::warn("attention", line, "see the console or `countersign status`"));
            }
        }
        Err(error) => {
            checks.push(Check::warn("status", error.to_string(), "use a key with the scope `read`"));
        }
    }
    if let Ok(connectors) = client.list::<api::Connector>("/v1/connectors", 1_000).await {
        for connector in connectors {
            let name = connector.id;
            checks.push(match (connector.breaker.as_str(), connector.last_error) {
                ("closed", _) => Check::ok("connector", format!("{name}: {} tools", connector.tools.len())),
                (state, error) => Check::fail(
                    "connector",
                    format!("{name} is {state}: {}", error.unwrap_or_else(|| "no error kept".into())),
                    format!("countersign connector test {name}"),
                ),
            });
        }
    }
}
