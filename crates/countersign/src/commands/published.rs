//! `countersign verify --log`: a published log (C2SP tlog-tiles), from a server or a folder, trusting nobody but the policy.

mod entries; // each one where its tree has it, or pruned on record

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;
use tlog::{
    Checkpoint, Hash, NOTE_BYTES_MAX, Note, Rejected, StoreError, Succession, Tile, TileSource, Trusted,
    VerifiedTiles, consistency, verify_consistency,
};
use tokio::runtime::Runtime;

use crate::cli::Global;
use crate::client::{Client, Gone};
use crate::failure::Failure;
use crate::output::{Out, visible};
use crate::target;

use super::evidence::{read, read_policy};
use super::successors;

/// A bundle of 256 of the largest entries.
pub(super) const TILE_BYTES_MAX: usize = 256 * (2 + tlog::ENTRY_BYTES_MAX);

/// Where the log is.
enum Place {
    Folder(PathBuf),
    Server { client: Client, runtime: Runtime, path: String },
}

/// Why a part of the log could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum NotHad {
    /// The place answers, and has no such file.
    #[error("there is no `{0}`")]
    Missing(String),
    /// The place could not be asked, or its answer not be read.
    #[error("{0}")]
    Failed(String),
}

impl Place {
    fn open(global: &Global, place: &str) -> Result<Self> {
        if !place.starts_with("http://") && !place.starts_with("https://") {
            return Ok(Self::Folder(PathBuf::from(place)));
        }
        let url = place.trim_end_matches('/');
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (target, path) = target::at(global, url)?;
        Ok(Self::Server { client: Client::new(target)?, runtime, path })
    }

    /// A file of the log; `None` where there is none of this name.
    fn get(&self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Folder(dir) => {
                let path = dir.join(name);
                let file = match std::fs::File::open(&path) {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                    opened => opened.with_context(|| format!("`{}` cannot be read", path.display()))?,
                };
                let mut bytes = Vec::new();
                file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
                anyhow::ensure!(bytes.len() <= bytes_max, "`{}` is too large", path.display());
                Ok(Some(bytes))
            }
            Self::Server { client, runtime, path } => {
                match runtime.block_on(client.bytes(&format!("{path}/{name}"), bytes_max)) {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) if error.is::<Gone>() => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

impl TileSource for &Place {
    type Error = NotHad;

    fn fetch(&self, tile: &Tile) -> Result<Vec<u8>, NotHad> {
        let had =
            |name: &str| self.get(name, TILE_BYTES_MAX).map_err(|error| NotHad::Failed(format!("{error:#}")));
        let missing = || NotHad::Missing(tile.to_string());
        match had(&tile.to_string())? {
            Some(bytes) => Ok(bytes),
            // A log may delete a partial tile once there is a full one.
            None if !tile.is_full() => match tile.whole() {
                Some(whole) => had(&whole.to_string())?.ok_or_else(missing),
                None => Err(missing()),
            },
            None => Err(missing()),
        }
    }
}

/// What is known of the log after the check.
struct Seen {
    trusted: Trusted,
    since: Option<Checkpoint>,
    /// The entries, if they were asked for.
    read: Option<entries::Read>,
    /// How its key follows from one that is trusted.
    changes: Vec<Succession>,
}

/// Checks the log.
pub(super) fn verify(
    global: &Global,
    place: &str,
    policy: &Path,
    since: Option<&Path>,
    all: bool,
    out: &Out,
) -> Result<()> {
    let policy = read_policy(policy)?;
    let from = Place::open(global, place)?;
    let note = from.get("checkpoint", NOTE_BYTES_MAX)?.ok_or_else(|| {
        Failure::usage(format!("there is no checkpoint at `{place}`"))
            .hint("give the address /log/WORKSPACE of a server, or a folder with the files of a C2SP tlog-tiles log")
    })?;
    let what = format!("the checkpoint at `{place}`");
    let text = as_text(note, &what)?;
    let since = match since {
        Some(file) => {
            let what = format!("`{}`", file.display());
            let kept = as_text(read(file, NOTE_BYTES_MAX)?, &what)?;
            Some(policy.check(&kept).map_err(|why| untrusted(&what, &why.to_string()))?.checkpoint)
        }
        None => None,
    };
    let form = |why: &dyn std::fmt::Display| untrusted(&what, &why.to_string());
    let parsed = Note::parse(&text).map_err(|why| form(&why))?;
    let claimed = Checkpoint::claimed(&parsed).map_err(|why| form(&why))?;
    let (size, root) = (claimed.size(), *claimed.root());
    let tiles = || VerifiedTiles::open(&from, size, &root).map_err(|why| broken(&why));
    let (now, changes) = match policy.check(&text) {
        Ok(now) => (now, vec![]),
        Err(why @ (Rejected::UnknownLog(_) | Rejected::LogSignature(_))) => {
            let start = since.as_ref().map_or(0, Checkpoint::size);
            let Ok(tiles) = tiles() else { return Err(form(&why).into()) };
            let (policy, changes) = successors::follow(&tiles, &root, policy, start);
            (policy.check(&text).map_err(|why| form(&why))?, changes)
        }
        Err(why) => return Err(form(&why).into()),
    };
    if let Some(kept) = &since {
        same_log(kept, &now.checkpoint, &changes)?;
    }
    let tiles = tiles()?;
    if let Some(kept) = &since {
        continues(&tiles, kept, size, &root)?;
    }
    let read = if all { Some(entries::read(&tiles, now.checkpoint.origin(), out)?) } else { None };
    show(&Seen { trusted: now, since, read, changes }, out)
}

fn as_text(note: Vec<u8>, what: &str) -> Result<String, Failure> {
    String::from_utf8(note).map_err(|_| untrusted(what, "it is not text"))
}

fn untrusted(what: &str, why: &str) -> Failure {
    Failure::refused(format!("{what} is not trusted: {why}")).code("log_untrusted").hint(
        "compare the keys in the policy with what the operator published: `countersign keys log` prints them",
    )
}

fn fork(what: String) -> Failure {
    Failure::refused(what).code("log_forked").hint(
        "keep both checkpoints: two that are signed and do not continue each other prove that somebody was shown \
         another history",
    )
}

fn same_log(kept: &Checkpoint, now: &Checkpoint, changes: &[Succession]) -> Result<()> {
    let left = changes.iter().find(|change| {
        change.old.name() != change.new.name()
            && change.old.name() == kept.origin()
            && change.size < kept.size()
    });
    if let Some(change) = left {
        let what = format!(
            "WENT BACK: the log was restored to its first {} entries and goes on as `{}`, signed by its key; {} entries \
             that the kept checkpoint vouches for were left behind",
            change.size,
            change.new.name(),
            kept.size() - change.size
        );
        return Err(Failure::refused(what)
            .code("log_went_back")
            .hint("ask its operator what became of them, and keep a checkpoint of the new origin from now on")
            .into());
    }
    let followed = changes.iter().any(|change| change.old.name() == kept.origin());
    if kept.origin() != now.origin() && !followed {
        let what = format!("the kept checkpoint is of `{}`, the log is `{}`", kept.origin(), now.origin());
        return Err(Failure::usage(what).hint("give a checkpoint of this log").into());
    }
    if kept.size() > now.size() {
        let what = format!("SHRUNK: the log has {} entries, and had {} before", now.size(), kept.size());
        return Err(fork(what).into());
    }
    Ok(())
}

fn broken(why: &StoreError<NotHad>) -> Failure {
    let (StoreError::Source { source, .. }, text) = (why, why.to_string()) else {
        return Failure::refused(format!("the log is not what its checkpoint says: {why}"))
            .code("log_damaged")
            .hint("its files were damaged or changed after they were signed for");
    };
    Failure::refused(format!("{text}: {source}"))
        .code("log_incomplete")
        .hint("without its tiles nothing can be said about the log: ask for it again, or its operator")
}

fn continues(tiles: &VerifiedTiles<&Place>, kept: &Checkpoint, size: u64, root: &Hash) -> Result<()> {
    let path = consistency(tiles, kept.size(), size).map_err(|why| match why {
        tlog::ProofError::Source(why) => broken(&why),
        other => Failure::refused(other.to_string()),
    })?;
    if verify_consistency(kept.size(), kept.root(), size, root, &path) {
        return Ok(());
    }
    let what = format!("FORK: the log does not continue the one of {} entries that was kept", kept.size());
    Err(fork(what).into())
}

fn show(seen: &Seen, out: &Out) -> Result<()> {
    let checkpoint = &seen.trusted.checkpoint;
    let (log, size) = (checkpoint.origin(), checkpoint.size());
    let root = kernel::digest::Digest(*checkpoint.root()).to_string();
    if out.json {
        let seen_by: Vec<_> =
            seen.trusted.seen_by.iter().map(|(name, at)| json!({ "witness": name, "at": at })).collect();
        return out.value(&json!({
            "verified": true, "log": log, "size": size, "root": root, "seen_by": seen_by,
            "keys": seen.changes.iter().map(|change| change.new.encode()).collect::<Vec<_>>(),
            "since": seen.since.as_ref().map(Checkpoint::size),
            "entries_read": seen.read.as_ref().map(|read| read.entries),
            "pruned": seen.read.as_ref().and_then(|read| read.pruned).map(|pruned| json!({
                "entries": pruned.size, "said_by": pruned.seq,
                "not_shown": seen.read.as_ref().map(|read| read.beside),
            })),
        }));
    }
    out.line(format!("log {}: {size} entries", visible(log)))?;
    out.line(format!("  root  {root}"))?;
    for (name, _) in &seen.trusted.seen_by {
        out.line(format!("  seen by {}", visible(name)))?;
    }
    for change in &seen.changes {
        out.line(format!(
            "  from entry {} on signed by another key, which the one before signed:",
            change.size
        ))?;
        out.line(format!("    {}", change.new.encode()))?;
    }
    if !seen.changes.is_empty() {
        out.line(out.dim("    write the new key into the policy: the next check needs no way to it then"))?;
    }
    match &seen.since {
        Some(kept) if kept.size() == size => out.line("  same history: it has not grown since")?,
        Some(kept) => out.line(format!("  same history: it grew from {} to {size} entries", kept.size()))?,
        None => {}
    }
    if let Some((read, pruned)) = seen.read.as_ref().and_then(|read| Some((read, read.pruned?))) {
        out.line(format!(
            "  pruned: the first {} entries; entry {} of the log says so, and the tree has the root that it names",
            pruned.size, pruned.seq
        ))?;
        if read.beside > 0 {
            out.line(format!(
                "    {} more are not shown: they share a bundle with pruned ones",
                read.beside
            ))?;
        }
    }
    let what = match &seen.read {
        Some(read) => format!("{} entries read, each where its tree has it", read.entries),
        None => "the checkpoint, and the tiles that its root needs (--all reads every entry)".to_owned(),
    };
    out.line(format!("{} {what}", out.good("verified:")))
}
