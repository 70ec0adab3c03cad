//! `countersign signal`: tells a run something.

use anyhow::{Context as _, Result};

use crate::cli::{Global, Signal};
use crate::client::encode;
use crate::output::Out;

use super::client;

pub(super) async fn run(global: &Global, args: Signal, out: &Out) -> Result<()> {
    let value =
        serde_json::from_str(&args.value).context("`--value` is no JSON; texts are quoted: '\"yes\"'")?;
    // Without a key of its own each call is another signal.
    let key = args
        .idempotency_key
        .unwrap_or_else(|| format!("cli-{}-{}", jiff::Timestamp::now().as_nanosecond(), std::process::id()));
    let path = format!("/v1/runs/{}/signals", encode(&args.run));
    let body = api::SendSignal { name: args.name, value };
    let kept: api::SignalKept = client(global)?.post_once(&path, &key, &body).await?;
    if out.json { out.value(&kept) } else { out.line(format!("kept as entry {}", kept.seq)) }
}
