//! How fast it is here, printed where `RUN_SLOW_TESTS` is set. Asserts nothing: figures are for people, and depend on
//! the profile (`--release`) and the disk.

use std::sync::mpsc::channel;

use super::world::{SHOP, define, entry, options};
use crate::stopwatch::Stopwatch;
use crate::{Backend, Batch, FileJournal, Journal, Options, probe, verify};

const ENTRIES: u64 = 300_000;

#[test]
fn the_pace_of_a_journal() {
    if std::env::var_os("RUN_SLOW_TESTS").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let rate = |count: u64, watch: &Stopwatch| count * 1_000_000 / watch.micros().max(1);
    println!("disk {:?}", probe(dir.path(), 500).unwrap());

    let (journal, _) =
        FileJournal::open(dir.path(), Options { segment_bytes: 64 << 20, ..options() }).unwrap();
    let log = define(&journal, SHOP);
    let (told, answers) = channel();
    let watch = Stopwatch::start();
    // 256 in flight, three entries and one payload each: about what a decision takes.
    let mut in_flight = 0;
    let batches = ENTRIES / 3;
    let payload = "x".repeat(400);
    for batch in 0..batches {
        if in_flight == 256 {
            answers.recv().unwrap();
            in_flight -= 1;
        }
        let seq = batch * 3;
        let pad = |mut entry: crate::NewEntry| {
            entry.bytes.pop();
            entry.bytes.extend(format!(",\"zz\":\"{}\"}}", &payload[..300]).bytes());
            entry
        };
        let entries = vec![
            pad(entry(log, SHOP, seq, &[&payload])),
            pad(entry(log, SHOP, seq + 1, &[])),
            pad(entry(log, SHOP, seq + 2, &[])),
        ];
        let told = told.clone();
        journal.append(Batch { entries }, Box::new(move |result| told.send(result.unwrap()).unwrap()));
        in_flight += 1;
    }
    answers.iter().take(in_flight).for_each(drop);
    let health = journal.health();
    println!("append {} batches/s, {health:?}", rate(batches, &watch));
    drop(journal);

    let watch = Stopwatch::start();
    let verified = verify(dir.path(), &mut |_| {}).unwrap();
    println!(
        "verify {} entries/s, {} MB/s",
        rate(verified.entries, &watch),
        rate(verified.bytes, &watch) >> 20
    );
    let watch = Stopwatch::start();
    let (journal, _) = FileJournal::open(dir.path(), options()).unwrap();
    println!("open {} entries/s", rate(verified.entries, &watch));
    let (watch, mut from) = (Stopwatch::start(), 0);
    while from < verified.entries {
        from += journal.read(log, from, 4_096, 8 << 20).unwrap().len() as u64;
    }
    println!("read {} entries/s", rate(verified.entries, &watch));
}
