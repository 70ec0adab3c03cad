//! `countersign witness`: cosigns the checkpoints of logs that others run, and never two histories.

use std::path::Path;

use anyhow::{Context as _, Result};
use tlog::{Policy, VerifierKey};

use crate::cli::{Global, Witness};
use crate::failure::Failure;

use super::evidence::read_policy;
use super::serve::log_to_stderr;

pub(super) fn run(global: &Global, args: Witness) -> Result<()> {
    log_to_stderr(global.json);
    let config = server::WitnessConfig {
        // Apart from what a server keeps in the same place.
        data: global.data.join("witness"),
        key_file: args.secret,
        name: args.name,
        policy: logs(args.policy.as_deref(), &args.log)?,
        listen: args.listen,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(server::serve_witness(config))
}

fn logs(file: Option<&Path>, keys: &[String]) -> Result<Policy> {
    let mut policy = match file {
        Some(file) => read_policy(file)?,
        None => Policy::parse(b"quorum none\n").context("a policy of nobody")?,
    };
    for text in keys {
        let key = VerifierKey::parse(text).ok_or_else(|| {
            Failure::usage("a --log is not the verifier key of a log")
                .hint("`countersign --json verify DIR` prints it: NAME+ID+KEY")
        })?;
        policy = policy.with_log(key);
    }
    Ok(policy)
}
