//! A log of millions of entries: how long it takes to make, to open after a kill, to prove from and to verify.
//!
//! The writer is a process of its own, so that it can be killed in the middle of a write, and so that the memory that
//! is reported is that of opening and proving alone.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use ::journal::conformance::TestSigner;
use ::journal::{Backend as _, FileJournal, Hashes, Journal as _, Options, RealDisk};
use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use tempfile::TempDir;

use super::writers::{LOG, Writers};
use super::{Pace, rate};
use crate::commands::bench::load::moment;
use crate::output::{Out, table};

/// Entries in flight while the log is made.
const IN_FLIGHT: u16 = 4_096;
/// Said when the log is long enough, on standard output.
const BUILT: &str = "built";
/// Proofs that are timed, spread over the log.
const PROOFS: u64 = 1_001;

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    entries: u64,
    segment_bytes: u64,
    data_bytes: u64,
    build_seconds: f64,
    open_seconds: f64,
    open_torn_bytes: u64,
    rss_after_open_kib: u64,
    hash_seconds: f64,
    proofs: usize,
    proof_first_us: u32,
    proof_p50_us: u32,
    proof_p99_us: u32,
    rss_peak_kib: u64,
    verify_seconds: f64,
    verified_per_s: f64,
}

/// Makes the log and goes on with it until killed.
pub(super) fn build(dir: &Path, entries: u64, entry_bytes: u16, out: &Out) -> Result<()> {
    let writers = Writers::open(dir, entry_bytes.into())?;
    writers.round(IN_FLIGHT, entries)?;
    writers.journal().checkpoint_now()?;
    out.line(BUILT)?;
    // Bounded: nobody may come to kill it.
    for _ in 0..10_000 {
        writers.round(64, 1_000)?;
    }
    Ok(())
}

pub(super) fn run(dir: &TempDir, entries: u64, entry_bytes: u16, out: &Out) -> Result<()> {
    let data = dir.path().join("data");
    if !out.json {
        out.error(&out.dim(&format!("making a log of {entries} entries")));
    }
    let watch = moment();
    kill_when_built(&data, entries, entry_bytes)?;
    let build_seconds = watch.elapsed().as_secs_f64();

    let watch = moment();
    let (journal, recovery) = FileJournal::open(&data, Options::default())?;
    let open_seconds = watch.elapsed().as_secs_f64();
    let rss_after_open_kib = memory("VmRSS")?;
    let log = journal.define(LOG, TestSigner::new(LOG, 1))?;
    let size = journal.head(log).size;
    ensure!(size >= entries, "{entries} entries were durable, and {size} are left");
    let watch = moment();
    let hashes = Hashes::open(&RealDisk, &data, &journal, (log, LOG), 0, &mut |_, _| {})?;
    let hash_seconds = watch.elapsed().as_secs_f64();
    let (first, mut pace) = proofs(&journal, &hashes, log, size)?;
    journal.close()?;
    drop(journal);
    let rss_peak_kib = memory("VmHWM")?;

    let watch = moment();
    let verified = ::journal::verify(&data, &mut |_| {})?;
    let verify_seconds = watch.elapsed().as_secs_f64();
    let report = Report {
        entries: size,
        segment_bytes: recovery.bytes,
        data_bytes: bytes(dir.path())?,
        build_seconds,
        open_seconds,
        open_torn_bytes: recovery.cut.map_or(0, |cut| cut.bytes),
        rss_after_open_kib,
        hash_seconds,
        proofs: pace.micros.len(),
        proof_first_us: first,
        proof_p50_us: pace.at(50),
        proof_p99_us: pace.at(99),
        rss_peak_kib,
        verify_seconds,
        verified_per_s: rate(verified.entries, verify_seconds),
    };
    if out.json {
        return out.value(&report);
    }
    let serde_json::Value::Object(lines) = serde_json::to_value(&report)? else {
        return Ok(());
    };
    out.line(table(["figure", "value"], lines.into_iter().map(|(name, value)| [name, value.to_string()])))
}

fn kill_when_built(data: &Path, entries: u64, entry_bytes: u16) -> Result<()> {
    let mut child = Command::new(std::env::current_exe().context("this program cannot be found")?)
        .args(["bench", "journal", "--entries", &entries.to_string()])
        .args(["--entry-bytes", &entry_bytes.to_string()])
        .arg("--build-in")
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the writer cannot be started")?;
    let said = child.stdout.take().context("the writer has no output")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    child.kill()?;
    child.wait()?;
    ensure!(line.trim() == BUILT, "the writer ended early");
    Ok(())
}

/// How long the first proof took, in µs, and all of them.
fn proofs(journal: &FileJournal, hashes: &Hashes, log: ::journal::LogId, size: u64) -> Result<(u32, Pace)> {
    let mut pace = Pace::default();
    for at in 0..PROOFS {
        // A step that shares nothing with powers of two.
        let seq = (at * 1_000_003 + size / 2) % size;
        let watch = moment();
        let path = tlog::inclusion(hashes, seq, size)?;
        let took = watch.elapsed();
        let leaf = journal.read(log, seq, 1, 1)?.pop().context("an entry is missing")?;
        let root = journal.head(log).root;
        let right = tlog::verify_inclusion(&tlog::leaf_hash(&leaf.bytes), seq, size, &path, &root);
        ensure!(right, "the proof of entry {seq} is not right");
        pace.seconds += took.as_secs_f64();
        pace.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }
    Ok((pace.micros.first().copied().unwrap_or_default(), pace))
}

/// A figure of this process, in KiB.
fn memory(name: &str) -> Result<u64> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("how much memory is used cannot be read")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|rest| rest.split_whitespace().next()).context("the figure is missing")?;
    Ok(number.parse()?)
}

/// Bytes of all files below.
fn bytes(dir: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        total += if kind.is_dir() { bytes(&entry.path())? } else { kind.len() };
    }
    Ok(total)
}
