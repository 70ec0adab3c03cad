//! `countersign reconcile`: writes go on after a restore to a point in the past.

use anyhow::Result;

use crate::cli::{Global, Reconcile};
use crate::output::Out;

use super::client;

pub(super) async fn run(global: &Global, args: Reconcile, out: &Out) -> Result<()> {
    let body = api::Reconcile { reason: args.reason };
    let done: api::Reconciled = client(global)?.post("/v1/reconcile", &body).await?;
    if out.json {
        return out.value(&done);
    }
    out.line(format!(
        "{} writes go on; {} requests for approval were withdrawn, {} calls are being settled",
        out.good("reconciled:"),
        done.withdrawn,
        done.open
    ))
}
