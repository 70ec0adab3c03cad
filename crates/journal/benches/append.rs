//! Durable appends beside the disk's own pace, taken in turns: what the journal adds to a bare write and flush.
//!
//! `cargo bench -p journal --bench append [-- DIR]`. A plain program, because a harness that repeats one closure cannot
//! take turns with the disk. A *writer* has one entry in flight: when it is durable, the next one follows. The ceiling
//! is a loop that writes the same bytes into a file that was filled with zeros, with one `fdatasync` for each batch, in
//! batches of the size that the journal made in the same round. Beside it, for comparison, the loop in batches of one
//! entry of every writer, which no writer could wait for more cheaply.

#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "figures are for people")]

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use journal::conformance::TestSigner;
use journal::{Backend as _, Batch, FileJournal, Journal as _, LogId, NewEntry, Options, verify};

const LOG: &str = "bench/shop";
const ENTRY_BYTES: usize = 600;
const ROUNDS: usize = 41;
/// Entries of a round, by the number of writers.
const PLAN: [(usize, u64); 4] = [(1, 300), (8, 1_200), (64, 6_400), (256, 12_800)];
/// Bytes of the bare file.
const BARE_BYTES: u64 = 64 << 20;

#[expect(clippy::disallowed_methods, reason = "measures, and decides nothing")]
fn now() -> Instant {
    Instant::now()
}

fn main() {
    let dir = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let place = dir.map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::Builder::new().prefix("journal-bench-").tempdir_in(place).expect("a directory");
    let (journal, _) = FileJournal::open(&dir.path().join("data"), Options::default()).expect("opens");
    let log = journal.define(LOG, TestSigner::new(LOG, 1)).expect("defines");
    let mut ours = Ours { journal: Arc::new(journal), log, seq: 0, entry_bytes: ENTRY_BYTES };
    let bare = Bare::new(&dir.path().join("bare"));

    // Until the journal has found its pace: a segment with room of its own.
    for _ in 0..40 {
        ours.round(64, 1_000);
        std::thread::yield_now();
    }
    println!(
        "writers  entries/s  ceiling/s  ratio median | p50 µs ours/bare  p99 µs ours/bare | entries a flush | all writers in a batch/s  ratio"
    );
    let plan = if std::env::args().any(|argument| argument == "--verify") { &[][..] } else { &PLAN };
    for &(writers, entries) in plan {
        let (mut mine, mut same, mut all) = (Pace::default(), Pace::default(), Pace::default());
        let mut ratios = Vec::with_capacity(ROUNDS);
        let (mut flushes, mut bytes, mut flushing) = (0, 0, 0);
        for _ in 0..ROUNDS {
            let before = ours.journal.health();
            let round = ours.round(writers, entries);
            let took = round.0;
            mine.add(entries, round);
            let after = ours.journal.health();
            let (made, wrote) = (after.flushes - before.flushes, after.bytes - before.bytes);
            flushes += made;
            bytes += wrote;
            flushing += after.flush_micros_total - before.flush_micros_total;
            let round = bare.round(made, wrote);
            ratios.push(round.0.as_secs_f64() / took.as_secs_f64());
            same.add(entries, round);
            let whole = entries / writers as u64;
            all.add(whole * writers as u64, bare.round(whole, wrote * whole * writers as u64 / entries));
        }
        ratios.sort_by(f64::total_cmp);
        let rate = mine.rate();
        let ratio = |pace: &Pace| 100.0 * rate / pace.rate();
        println!(
            "{writers:>7} {:>10.0} {:>10.0} {:>5.0}% {:>5.0}% | {:>8}/{:<8} {:>8}/{:<8} | {:>8.1} ({} B), disk busy {:>3.0}% | {:>10.0} {:>5.0}%",
            rate,
            same.rate(),
            ratio(&same),
            100.0 * ratios[ROUNDS / 2],
            mine.at(50),
            same.at(50),
            mine.at(99),
            same.at(99),
            (entries * ROUNDS as u64) as f64 / flushes as f64,
            bytes / (entries * ROUNDS as u64),
            flushing as f64 / mine.took.as_micros() as f64 * 100.0,
            all.rate(),
            ratio(&all),
        );
    }
    ours.journal.close().expect("closes");
    verification(&dir.path().join("verify"));
    let watch = now();
    let (_, recovery) = FileJournal::open(&dir.path().join("data"), Options::default()).expect("opens");
    println!(
        "open: {:?} for {} entries in {} segments",
        watch.elapsed(),
        recovery.entries,
        recovery.segments
    );
}

/// The best of five: what the core can do, whatever else runs.
fn verification(dir: &Path) {
    let (journal, _) = FileJournal::open(dir, Options::default()).expect("opens");
    let log = journal.define(LOG, TestSigner::new(LOG, 1)).expect("defines");
    let mut ours = Ours { journal: Arc::new(journal), log, seq: 0, entry_bytes: 300 };
    ours.round(4_096, 200_000);
    ours.journal.close().expect("closes");
    let rounds = (0..5).map(|_| {
        let watch = now();
        let verified = verify(dir, &mut |_| {}).expect("is right");
        assert_eq!(verified.entries, 200_000);
        watch.elapsed()
    });
    let took = rounds.min().expect("five");
    println!("verify: {:.0} entries/s on one core, 300 B each", per_second(200_000, took));
}

fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

#[derive(Default)]
struct Pace {
    entries: u64,
    took: Duration,
    micros: Vec<u32>,
}

impl Pace {
    fn add(&mut self, entries: u64, (took, micros): (Duration, Vec<u32>)) {
        self.entries += entries;
        self.took += took;
        self.micros.extend(micros);
    }

    fn rate(&self) -> f64 {
        per_second(self.entries, self.took)
    }

    fn at(&mut self, percent: usize) -> u32 {
        self.micros.sort_unstable();
        self.micros[(self.micros.len() - 1) * percent / 100]
    }
}

struct Ours {
    journal: Arc<FileJournal>,
    log: LogId,
    seq: u64,
    entry_bytes: usize,
}

/// A round under way. Each writer appends its next entry when it hears that the last one is durable, where it hears it:
/// a thread of its own would measure the scheduler.
struct Round {
    journal: Arc<FileJournal>,
    log: LogId,
    entry_bytes: usize,
    state: Mutex<Counts>,
    over: Sender<Vec<u32>>,
}

struct Counts {
    next: u64,
    end: u64,
    left: u64,
    micros: Vec<u32>,
}

impl Ours {
    fn round(&mut self, writers: usize, entries: u64) -> (Duration, Vec<u32>) {
        let (over, ended) = channel();
        let micros = Vec::with_capacity(usize::try_from(entries).expect("small"));
        let state = Counts { next: self.seq, end: self.seq + entries, left: entries, micros };
        self.seq += entries;
        let (journal, log, entry_bytes) = (self.journal.clone(), self.log, self.entry_bytes);
        let round = Arc::new(Round { journal, log, entry_bytes, state: Mutex::new(state), over });
        let start = now();
        for _ in 0..writers {
            round.append();
        }
        let micros = ended.recv().expect("the journal answers");
        (start.elapsed(), micros)
    }
}

impl Round {
    fn append(self: &Arc<Self>) {
        // Held while appending, so that positions arrive in order.
        let mut state = self.state.lock().expect("no panic");
        if state.next == state.end {
            return;
        }
        let entry =
            NewEntry { log: self.log, seq: state.next, bytes: self.entry(state.next), payloads: vec![] };
        state.next += 1;
        let (round, began) = (self.clone(), now());
        let done = move |result: Result<_, journal::Error>| {
            result.expect("is durable");
            round.heard(began);
        };
        self.journal.append(Batch { entries: vec![entry] }, Box::new(done));
    }

    fn heard(self: &Arc<Self>, began: Instant) {
        let mut state = self.state.lock().expect("no panic");
        state.micros.push(u32::try_from(began.elapsed().as_micros()).expect("short"));
        state.left -= 1;
        if state.left == 0 {
            self.over.send(std::mem::take(&mut state.micros)).expect("somebody listens");
        }
        drop(state);
        self.append();
    }

    /// Like one of the engine: several short strings, not one long one.
    fn entry(&self, seq: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entry_bytes);
        write!(bytes, "{{\"at\":{seq},\"log\":\"{LOG}\",\"seq\":{seq},\"v\":[\"x").expect("memory takes it");
        while bytes.len() + 27 < self.entry_bytes {
            bytes.extend_from_slice(b"\",\"0123456789abcdef01234");
        }
        bytes.resize(self.entry_bytes - 3, b'x');
        bytes.extend_from_slice(b"\"]}");
        bytes
    }
}

struct Bare {
    file: File,
    bytes: Arc<[u8]>,
}

impl Bare {
    fn new(path: &Path) -> Self {
        let file = File::create(path).expect("a file");
        let zeros = vec![0; 1 << 20];
        for at in 0..BARE_BYTES >> 20 {
            file.write_all_at(&zeros, at << 20).expect("writes");
        }
        file.sync_all().expect("flushes");
        Self { file, bytes: vec![b'x'; 16 << 20].into() }
    }

    /// `flushes` batches that have `bytes` together.
    fn round(&self, flushes: u64, bytes: u64) -> (Duration, Vec<u32>) {
        let len = bytes / flushes;
        let mut micros = Vec::with_capacity(usize::try_from(flushes).expect("small"));
        let (start, mut at) = (now(), 0);
        for _ in 0..flushes {
            let watch = now();
            if at + len > BARE_BYTES {
                at = 0;
            }
            let batch = &self.bytes[..usize::try_from(len).expect("small")];
            self.file.write_all_at(batch, at).expect("writes");
            self.file.sync_data().expect("flushes");
            at += len;
            micros.push(u32::try_from(watch.elapsed().as_micros()).expect("short"));
        }
        (start.elapsed(), micros)
    }
}
