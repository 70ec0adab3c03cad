//! What an entry costs the cores: appending, its hash in the tree, and reading it back to verify it.
//!
//! `cargo bench -p journal --bench throughput`. What the disk adds is measured by `countersign bench journal`, so the
//! files lie in memory where the system has a place for that: a flush costs nothing there.

use std::hint::black_box;
use std::path::Path;
use std::sync::mpsc::channel;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use journal::conformance::TestSigner;
use journal::{Backend as _, Batch, FileJournal, Journal as _, LogId, NewEntry, Options};
use tempfile::TempDir;
use tlog::{Tree, leaf_hash};

const LOG: &str = "bench/shop";
/// Of one batch, as under load.
const ENTRIES: u64 = 128;
/// Of the log that is verified.
const VERIFIED: u64 = 20_000;

fn entry(seq: u64) -> Vec<u8> {
    format!("{{\"at\":{seq},\"log\":\"{LOG}\",\"seq\":{seq},\"v\":\"{}\"}}", "0123456789abcdef".repeat(34))
        .into_bytes()
}

fn batch(log: LogId, from: u64, count: u64) -> Batch {
    let entries = (from..from + count).map(|seq| NewEntry { log, seq, bytes: entry(seq), payloads: vec![] });
    Batch { entries: entries.collect() }
}

fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary directory")
}

fn open(dir: &Path) -> (FileJournal, LogId) {
    let (journal, _) = FileJournal::open(dir, Options::default()).expect("it opens");
    let log = journal.define(LOG, TestSigner::new(LOG, 1)).expect("it is new");
    (journal, log)
}

fn append(journal: &FileJournal, batch: Batch) {
    let (told, heard) = channel();
    journal.append(batch, Box::new(move |result| drop(told.send(result))));
    heard.recv().expect("it is told").expect("it is durable");
}

/// Checks, encodes, hashes, closes, writes and tells.
fn appending(criterion: &mut Criterion) {
    let dir = place();
    let (journal, log) = open(dir.path());
    let mut next = 0;
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(ENTRIES));
    group.bench_function("batch of 128", |bencher| {
        bencher.iter_batched(
            || {
                next += ENTRIES;
                batch(log, next - ENTRIES, ENTRIES)
            },
            |batch| append(&journal, batch),
            // One at a time: the positions are those of the log.
            BatchSize::PerIteration,
        );
    });
    group.finish();
    journal.close().expect("it closes");
}

fn hashing(criterion: &mut Criterion) {
    let bytes = entry(1_000_000);
    let mut group = criterion.benchmark_group("hash");
    group.throughput(Throughput::Elements(1));
    group.bench_function("leaf", |bencher| bencher.iter(|| leaf_hash(black_box(&bytes))));
    let (mut tree, leaf) = (Tree::default(), leaf_hash(&bytes));
    group.bench_function("tree", |bencher| bencher.iter(|| tree.push(black_box(leaf))));
    group.finish();
}

/// Scans the frames, checks their sums and their content, and computes the trees again.
fn verifying(criterion: &mut Criterion) {
    let dir = place();
    let (journal, log) = open(dir.path());
    for from in (0..VERIFIED).step_by(1_000) {
        append(&journal, batch(log, from, 1_000));
    }
    journal.close().expect("it closes");
    let mut group = criterion.benchmark_group("verify");
    group.sample_size(20).throughput(Throughput::Elements(VERIFIED));
    group.bench_function("20,000 entries", |bencher| {
        bencher.iter(|| journal::verify(dir.path(), &mut |_| {}).expect("it is sound"));
    });
    group.finish();
}

criterion_group!(benches, appending, hashing, verifying);
criterion_main!(benches);
