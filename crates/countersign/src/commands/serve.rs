//! `countersign serve`: runs the server until it is told to stop.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use tracing_subscriber::EnvFilter;

use crate::cli::{Global, Serve};

pub(super) fn run(global: &Global, args: Serve) -> Result<()> {
    log_to_stderr(global.json);
    let mut config = server::Config::new(global.data.clone());
    config.workspace = args.workspace;
    config.listen = args.listen;
    config.root_key_file = args.root_key.or_else(root_key_default);
    config.root_key = std::env::var("COUNTERSIGN_ROOT_KEY").ok();
    config.allowed_hosts = args.allow_host;
    config.quota = args.quota;
    config.low_space = args.low_space;
    config.witnesses = args.witness_policy.as_deref().map(super::evidence::read_policy).transpose()?;
    config.witness_interval = std::time::Duration::from_secs(args.witness_interval.into());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(server::serve(config))
}

/// Lines on standard error, as `COUNTERSIGN_LOG` filters them.
pub(super) fn log_to_stderr(json: bool) {
    let filter = EnvFilter::try_from_env("COUNTERSIGN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        logs.json().init();
    } else {
        logs.with_target(false).init();
    }
}

/// Where the root key lies unless told otherwise.
pub(super) fn root_key_default() -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(config.join("countersign").join("root.key"))
}
