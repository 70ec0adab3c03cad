//! `countersign rebuild`: state and views again from the journal, with the server stopped.
//!
//! They are derived, so they may be thrown away; the dump before and after is compared, which proves it.

use anyhow::Result;
use serde_json::json;

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::Out;

pub(super) fn run(global: &Global, out: &Out) -> Result<()> {
    let report = server::rebuild(&global.data)?;
    if out.json {
        out.value(&json!({
            "entries": report.entries, "identical": report.identical, "before": report.before, "after": report.after,
        }))?;
    } else {
        out.line(format!("rebuilt from {} entries", report.entries))?;
        match &report.before {
            Some(before) => out.line(format!("dump before {before}"))?,
            None => out.line("there were no views to compare with")?,
        }
        out.line(format!("dump after  {}", report.after))?;
    }
    if report.identical == Some(false) {
        return Err(Failure::refused("the dump differs from the one before")
            .code("views_differed")
            .hint("the rebuilt views are in place; keep the journal and report this")
            .into());
    }
    if out.json { Ok(()) } else { out.line(out.good("identical")) }
}
