//! `countersign bench journal`: durable appends beside the disk's own pace, and what a big log costs.
//!
//! What the journal adds to a bare write and flush, measured in turns with it, because the flushes of one disk differ by
//! the minute: the ratio is the claim. Two bare loops write the same bytes in as many batches as the journal made in the
//! same round, one `fdatasync` each. One appends to a file that grows. The other writes again and again over a file that
//! was filled before, for which nobody had to make room: no journal that flushes could do better.

mod bare; // the disk alone
mod big; // a log of millions of entries
mod writers; // entries in flight

use anyhow::{Result, ensure};
use serde::Serialize;

use self::bare::Bare;
use self::writers::Writers;
use super::place;
use crate::cli::{BenchJournal, Global};
use crate::output::{Out, table};

const METHOD: &str = "\
Method: a journal on a temporary directory, in this process. A writer has one entry in flight: it appends the next one when it
hears that the last one is durable. Each round is followed by two bare loops that write as many bytes in as many batches, one
fdatasync each: one appends to a file that grows, one writes over a file that was filled before the clock started, which no
log can do. Ratio to each: of the totals (median of the rounds). Verification: best of five.";

/// Entries of a round: some hundred flushes.
fn entries_a_round(writers: u16) -> u64 {
    u64::from(writers).max(2) * 100
}

/// Entries of the log that is verified.
const VERIFIED: u64 = 200_000;

/// One number of writers.
#[derive(Debug, Serialize)]
struct Row {
    writers: u16,
    entries: u64,
    flushes: u64,
    bytes: u64,
    entries_per_s: f64,
    /// A loop that appends: its pace, and ours as a part of it, of the totals and as the median of the rounds.
    append_per_s: f64,
    append_ratio: [f64; 2],
    /// A loop that writes over what is there.
    overwrite_per_s: f64,
    overwrite_ratio: [f64; 2],
    /// The journal's and those of the loops, of an entry and of a flush.
    p50_us: [u32; 3],
    p99_us: [u32; 3],
}

pub(super) fn run(global: &Global, args: &BenchJournal, out: &Out) -> Result<()> {
    if let Some(entries) = args.entries {
        return match &args.build_in {
            Some(dir) => big::build(dir, entries, args.entry_bytes, out),
            None => big::run(&place(global, args.dir.as_deref())?, entries, args.entry_bytes, out),
        };
    }
    let dir = place(global, args.dir.as_deref())?;
    let writers = Writers::open(&dir.path().join("data"), args.entry_bytes.into())?;
    let bare = Bare::new(&dir.path().join("bare"))?;
    // Until the journal has found its pace: a segment with room of its own.
    for _ in 0..20 {
        writers.round(64, 2_000)?;
    }
    let mut rows = vec![];
    for &count in &args.writers {
        if !out.json {
            out.error(&out.dim(&format!("measuring {count} writers")));
        }
        rows.push(measure(&writers, &bare, count, args.rounds)?);
    }
    writers.close()?;
    let verified_per_s = verification(&dir.path().join("verified"))?;
    if out.json {
        let value = serde_json::json!({"method": METHOD, "rows": rows, "verified_per_s": verified_per_s});
        return out.value(&value);
    }
    out.line(METHOD)?;
    out.line("")?;
    out.line(table(
        [
            "writers",
            "entries/s",
            "append/s",
            "ratio",
            "overwrite/s",
            "ratio",
            "p50 us (loops)",
            "p99 us (loops)",
            "entries/flush",
        ],
        rows.iter().map(|row| {
            [
                row.writers.to_string(),
                format!("{:.0}", row.entries_per_s),
                format!("{:.0}", row.append_per_s),
                percent(row.append_ratio),
                format!("{:.0}", row.overwrite_per_s),
                percent(row.overwrite_ratio),
                beside(row.p50_us),
                beside(row.p99_us),
                format!("{:.1}", per(row.entries, row.flushes)),
            ]
        }),
    ))?;
    out.line("")?;
    out.line(format!("verification: {verified_per_s:.0} entries/s on one core, {VERIFIED} of 300 bytes"))
}

fn measure(writers: &Writers, bare: &Bare, count: u16, rounds: u16) -> Result<Row> {
    let entries = entries_a_round(count);
    let (mut ours, mut append, mut overwrite) = (Pace::default(), Pace::default(), Pace::default());
    let mut ratios = [vec![], vec![]];
    let (mut flushes, mut bytes) = (0, 0);
    for _ in 0..rounds {
        let before = writers.health();
        let mine = writers.round(count, entries)?;
        let after = writers.health();
        let (made, wrote) = (after.flushes - before.flushes, after.bytes.saturating_sub(before.bytes));
        ensure!(made > 0, "the journal made no flush");
        let loops = [bare.append(made, wrote)?, bare.round(made, wrote)?];
        for (ratios, pace) in ratios.iter_mut().zip(&loops) {
            ratios.push(pace.seconds / mine.seconds);
        }
        flushes += made;
        bytes += wrote;
        ours.add(mine);
        let [appended, overwritten] = loops;
        append.add(appended);
        overwrite.add(overwritten);
    }
    let [append_median, overwrite_median] = ratios.map(|mut ratios| {
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    });
    let entries = entries * u64::from(rounds);
    Ok(Row {
        writers: count,
        entries,
        flushes,
        bytes,
        entries_per_s: rate(entries, ours.seconds),
        append_per_s: rate(entries, append.seconds),
        append_ratio: [append.seconds / ours.seconds, append_median],
        overwrite_per_s: rate(entries, overwrite.seconds),
        overwrite_ratio: [overwrite.seconds / ours.seconds, overwrite_median],
        p50_us: [ours.at(50), append.at(50), overwrite.at(50)],
        p99_us: [ours.at(99), append.at(99), overwrite.at(99)],
    })
}

/// Entries a second: the best of five, so what the core can do, whatever else runs.
fn verification(dir: &std::path::Path) -> Result<f64> {
    let writers = Writers::open(dir, 300)?;
    writers.round(4_096, VERIFIED)?;
    writers.close()?;
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let watch = super::load::moment();
        ::journal::verify(dir, &mut |_| {})?;
        best = best.min(watch.elapsed().as_secs_f64());
    }
    Ok(rate(VERIFIED, best))
}

/// How long something took, in all and one by one.
#[derive(Debug, Default)]
struct Pace {
    seconds: f64,
    micros: Vec<u32>,
}

impl Pace {
    fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.micros.extend(other.micros);
    }

    fn at(&mut self, percent: usize) -> u32 {
        self.micros.sort_unstable();
        let rank = self.micros.len().saturating_sub(1) * percent / 100;
        self.micros.get(rank).copied().unwrap_or_default()
    }
}

fn percent([total, median]: [f64; 2]) -> String {
    format!("{:.0} % ({:.0})", total * 100.0, median * 100.0)
}

fn beside([ours, append, overwrite]: [u32; 3]) -> String {
    format!("{ours} ({append}, {overwrite})")
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn rate(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn per(count: u64, of: u64) -> f64 {
    count as f64 / of.max(1) as f64
}
