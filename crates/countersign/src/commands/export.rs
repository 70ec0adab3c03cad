//! `countersign log export`: the published log as files, to be put where a plain web server or a mirror keeps them.
//!
//! The files are those of C2SP tlog-tiles. Full tiles never change and are fetched once; the checkpoint comes last, so what
//! it vouches for is there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use serde_json::json;
use tlog::{Checkpoint, NOTE_BYTES_MAX, Note, Tile};

use crate::cli::Global;
use crate::client::{Gone, encode};
use crate::failure::Failure;
use crate::output::{Out, visible};

use super::client;
use super::published::TILE_BYTES_MAX;

pub(super) async fn run(global: &Global, dir: PathBuf, out: &Out) -> Result<()> {
    let client = client(global)?;
    let status: api::Status = client.get("/v1/status").await?;
    let base = format!("/log/{}", encode(&status.workspace));
    let note = client.bytes(&format!("{base}/checkpoint"), NOTE_BYTES_MAX).await.map_err(|error| {
        if error.is::<Gone>() {
            return Failure::refused("the log has no checkpoint yet").hint("try again in a second").into();
        }
        error
    })?;
    let text = std::str::from_utf8(&note).context("the checkpoint is not text")?;
    let now = claimed(text).context("the checkpoint cannot be read")?;
    let before = kept(&dir, &now)?;
    let tiles: Vec<Tile> = tlog::tiles(before, now.size()).collect();
    let bundles = tiles.iter().filter(|tile| tile.level() == 0);
    let bundles: Vec<Tile> = bundles.filter_map(|tile| Tile::entries(tile.index(), tile.width())).collect();
    let bar =
        if out.json { ProgressBar::hidden() } else { ProgressBar::new((tiles.len() + bundles.len()) as u64) };
    let (mut written, mut pruned) = (0_u64, 0_u64);
    for tile in tiles.iter().chain(&bundles) {
        match client.bytes(&format!("{base}/{tile}"), TILE_BYTES_MAX).await {
            Ok(bytes) => {
                write(&dir.join(tile.to_string()), &bytes)?;
                written += 1;
            }
            // Entries past their retention are gone; their hashes are not.
            Err(error) if error.is::<Gone>() && bundles.contains(tile) => pruned += 1,
            Err(error) => return Err(error).with_context(|| format!("`{tile}` could not be fetched")),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    write(&dir.join("checkpoint"), &note)?;
    let (log, size) = (now.origin(), now.size());
    if out.json {
        return out
            .value(&json!({ "log": log, "size": size, "from": before, "files": written, "pruned": pruned }));
    }
    if pruned > 0 {
        out.line(out.warn(&format!(
            "{pruned} bundles hold entries that were pruned, and are not there: their hashes are, and so is the entry that \
             says so"
        )))?;
    }
    out.line(format!(
        "{} log {}: {size} entries, {written} files written",
        out.good("exported:"),
        visible(log)
    ))?;
    out.line(out.dim(&format!("check it: countersign verify --log {} --policy FILE --all", dir.display())))
}

fn claimed(note: &str) -> Result<Checkpoint> {
    Ok(Checkpoint::claimed(&Note::parse(note)?)?)
}

/// How many entries an earlier export of the same log has.
fn kept(dir: &Path, now: &Checkpoint) -> Result<u64> {
    let path = dir.join("checkpoint");
    let Ok(note) = std::fs::read_to_string(&path) else { return Ok(0) };
    let before = claimed(&note).with_context(|| format!("`{}` is not a checkpoint", path.display()))?;
    if before.origin() != now.origin() || before.size() > now.size() {
        let what =
            format!("`{}` holds another log, or more of it: {}", dir.display(), visible(before.origin()));
        return Err(Failure::usage(what)
            .hint("give an empty folder, or look with verify --log --since")
            .into());
    }
    Ok(before.size())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let wrong = || format!("`{}` cannot be written", path.display());
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).with_context(wrong)?;
    // Readable for whom the user's umask says: a web server may be somebody else.
    let draft = dir.join(format!(".{}.new", path.file_name().unwrap_or_default().display()));
    std::fs::write(&draft, bytes).with_context(wrong)?;
    std::fs::rename(&draft, path).with_context(wrong)
}
