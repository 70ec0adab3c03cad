//! Every way to stop, at every write: a workload is recorded once, then stopped at each boundary between two operations
//! of the disk, in each way, and opened again. A model says what must be there.
//!
//! `FAULT_CASES` says how many cases are tried (a sample in CI), `FAULT_SEED` where chance begins; a failure names both.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::memory::{DIR, Memory};
use super::recorder::{Chance, Left, Op, Platter, Recorder};
use super::world::{PLATFORM, SHOP, append, define, entry, options};
use crate::conformance::TestSigner;
use crate::{Backend, Batch, Error, FileJournal, Journal, LogId, NewEntry, Options};

const LOGS: [&str; 2] = [SHOP, PLATFORM];
/// How cases stop: five kinds of crash, and a flipped bit.
const WAYS: [Option<Left>; 6] = [
    Some(Left::Everything),
    Some(Left::Nothing),
    Some(Left::Some),
    Some(Left::TornSector),
    Some(Left::NoNames),
    None,
];

fn new_entry(log: usize, seq: u64) -> NewEntry {
    let texts: &[&str] = if seq.is_multiple_of(3) { &["text"] } else { &[] };
    let mut entry = entry(LogId(u32::try_from(log).unwrap()), LOGS[log], seq, texts);
    // Some reach over a page.
    if seq % 7 == 5 {
        let end = entry.bytes.pop().unwrap();
        entry.bytes.extend(format!(",\"z\":\"{}\"", "z".repeat(5_000)).bytes());
        entry.bytes.push(end);
    }
    entry
}

/// How the journal is run, and how many appends are on their way at once. With one the record is always the same.
#[derive(Clone)]
struct Workload {
    options: Options,
    in_flight: u64,
}

fn workloads() -> [Workload; 3] {
    let small = Options { segment_bytes: 9_000, ..options() };
    let roomy = Options { segment_bytes: 20_000, room_bytes: 4_096, ..options() };
    [
        Workload { options: small, in_flight: 1 },
        Workload { options: roomy.clone(), in_flight: 1 },
        Workload { options: roomy, in_flight: 4 },
    ]
}

/// Two openings, batches of one to three entries of two logs, several segments, checkpoints now and then. Returns what
/// was acknowledged.
fn record(disk: &Recorder, Workload { options, in_flight }: &Workload) -> [u64; 2] {
    let acked = Arc::new(Mutex::new([0; 2]));
    let mut sizes = [0; 2];
    let mut chance = Chance(7);
    for _ in 0..2 {
        let opened = FileJournal::open_on(Arc::new(disk.clone()), Path::new(DIR), options.clone());
        let Ok((journal, _)) = opened else { break };
        for (log, name) in LOGS.iter().enumerate() {
            if journal.define(name, TestSigner::new(name, 1)).is_err() {
                return *acked.lock().unwrap();
            }
            assert_eq!(journal.head(LogId(u32::try_from(log).unwrap())).size, sizes[log]);
        }
        for batch in 0..14 {
            let (told, answers) = channel();
            for _ in 0..*in_flight {
                let entries = (0..=chance.below(3)).map(|_| {
                    let log = chance.below(2);
                    sizes[log] += 1;
                    new_entry(log, sizes[log] - 1)
                });
                let entries = entries.collect();
                disk.note(Op::Submitted(sizes));
                let (told, disk, acked, sizes) = (told.clone(), disk.clone(), acked.clone(), sizes);
                let done = move |result: Result<_, Error>| {
                    if result.is_ok() {
                        disk.note(Op::Acked(sizes));
                        *acked.lock().unwrap() = sizes;
                    }
                    told.send(result.is_ok()).unwrap();
                };
                journal.append(Batch { entries }, Box::new(done));
            }
            drop(told);
            // All of them, whatever the first says.
            let answers: Vec<bool> = answers.iter().collect();
            if answers.contains(&false) {
                return *acked.lock().unwrap();
            }
            // What is done behind the scenes is over before the next one, so that the record is always the same.
            while journal.room_is_being_made() {
                std::thread::yield_now();
            }
            if batch % 5 == 3 {
                drop(journal.checkpoint_now());
            }
        }
        drop(journal.close());
    }
    *acked.lock().unwrap()
}

/// What must hold of a log after a stop.
#[derive(Clone, Copy, Debug, Default)]
struct Model {
    submitted: [u64; 2],
    acked: [u64; 2],
    /// Before the last write that was acknowledged, at least.
    before: [u64; 2],
    /// When nothing was on its way.
    quiet: [u64; 2],
}

impl Model {
    fn play(&mut self, op: &Op) {
        match op {
            Op::Submitted(sizes) => {
                if self.submitted == self.acked {
                    self.quiet = self.acked;
                }
                self.submitted = *sizes;
            }
            Op::Acked(sizes) => (self.before, self.acked) = (self.quiet, *sizes),
            _ => {}
        }
    }
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn whatever_stops_it_wherever_nothing_acknowledged_is_lost() {
    let (cases, seed) = (env("FAULT_CASES", 2_000), env("FAULT_SEED", 1));
    let records: Vec<(Options, Vec<Op>)> = workloads()
        .into_iter()
        .map(|workload| {
            let disk = Recorder::default();
            let sizes = record(&disk, &workload);
            assert!(sizes[0] > 10 && sizes[1] > 10, "the workload is written: {sizes:?}");
            (workload.options, disk.ops())
        })
        .collect();
    let boundaries: u64 = records.iter().map(|(_, ops)| ops.len() as u64 + 1).sum();
    let all = boundaries * WAYS.len() as u64;
    let (mut done, mut tally) = (0, BTreeMap::<&str, u64>::new());
    // Each round goes through all boundaries in all ways; a sample passes over some of them evenly.
    for round in 0..cases.div_ceil(all) {
        let wanted = (cases - done).min(all);
        let mut at = 0;
        for (workload, (options, ops)) in records.iter().enumerate() {
            let (mut platter, mut model) = (Platter::default(), Model::default());
            for boundary in 0..=ops.len() {
                for way in WAYS {
                    let taken = (at + 1) * wanted / all > at * wanted / all;
                    at += 1;
                    if !taken {
                        continue;
                    }
                    let chance = seed ^ (round << 40) ^ (at << 8);
                    let name = format!(
                        "workload {workload}, stopped before operation {boundary} ({way:?}), chance {chance}, \
                         FAULT_CASES={cases} FAULT_SEED={seed}"
                    );
                    let case = Case { options, platter: &platter, model, name };
                    *tally.entry(case.run(way, &mut Chance(chance))).or_default() += 1;
                    done += 1;
                }
                if let Some(op) = ops.get(boundary) {
                    platter.play(op);
                    model.play(op);
                }
            }
        }
    }
    println!("{done} faults at {boundaries} boundaries: {tally:?}");
    assert_eq!(done, cases);
}

struct Case<'a> {
    options: &'a Options,
    platter: &'a Platter,
    model: Model,
    name: String,
}

impl Case<'_> {
    fn run(&self, way: Option<Left>, chance: &mut Chance) -> &'static str {
        let Some(left) = way else { return self.flip(chance) };
        let disk = Memory::of(self.platter.crash(left, chance));
        let (journal, recovery) =
            disk.open_with(self.options.clone()).unwrap_or_else(|error| panic!("{error}: {}", self.name));
        let sizes = self.sizes(&journal);
        for log in 0..2 {
            assert!(sizes[log] >= self.model.acked[log], "lost, {sizes:?}: {}", self.name);
        }
        self.goes_on(&disk, journal, sizes);
        if recovery.cut.is_some() { "torn" } else { "whole" }
    }

    /// Everything that is read is what was appended, in order. Returns the sizes.
    fn sizes(&self, journal: &FileJournal) -> [u64; 2] {
        [0, 1].map(|log| {
            let id = LogId(u32::try_from(log).unwrap());
            let size = journal.head(id).size;
            assert!(size <= self.model.submitted[log], "invented: {}", self.name);
            let mut next = 0;
            while next < size {
                let found =
                    journal.read(id, next, 100, usize::MAX).unwrap_or_else(|e| panic!("{e}: {}", self.name));
                for stored in found {
                    let expected = new_entry(log, next);
                    assert_eq!((stored.seq, &stored.bytes), (next, &expected.bytes), "{}", self.name);
                    assert_eq!(stored.payloads.len(), expected.payloads.len(), "{}", self.name);
                    next += 1;
                }
            }
            size
        })
    }

    /// The journal takes the next entries, and is right as a whole.
    fn goes_on(&self, disk: &Memory, journal: FileJournal, sizes: [u64; 2]) {
        for log in 0..2 {
            let id = define(&journal, LOGS[log]);
            assert_eq!(id, LogId(u32::try_from(log).unwrap()), "{}", self.name);
            append(&journal, vec![new_entry(log, sizes[log])]).unwrap();
        }
        journal.close().unwrap();
        let verified = disk.verify().unwrap_or_else(|fault| panic!("{fault}: {}", self.name));
        assert_eq!(verified.torn, None, "{}", self.name);
        let found = [0, 1].map(|log| verified.logs[log].size);
        assert_eq!(found, sizes.map(|size| size + 1), "{}", self.name);
    }

    /// A bit is not what it was: the damage is named, or what it took is announced as cut, or it hit nothing.
    fn flip(&self, chance: &mut Chance) -> &'static str {
        let mut files = self.platter.crash(Left::Everything, chance);
        let names: Vec<String> =
            files.iter().filter(|(_, b)| !b.is_empty()).map(|(n, _)| n.clone()).collect();
        if names.is_empty() {
            return "nothing to flip";
        }
        let name = &names[chance.below(names.len())];
        let bytes = files.get_mut(name).unwrap();
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(8);
        let disk = Memory::of(files);
        let said = disk.verify();
        match disk.open_with(self.options.clone()) {
            Err(Error::Damaged(_)) => {
                assert!(said.is_err(), "verify agrees: {}", self.name);
                "refused"
            }
            Err(error) => panic!("{error}: {}", self.name),
            Ok((journal, recovery)) => {
                if said.is_err() {
                    // Opening reads the end of the journal only: what lies before is told by whoever reads it.
                    assert_eq!(recovery.cut, None, "{}", self.name);
                    return "found by verify";
                }
                let sizes = self.sizes(&journal);
                for log in 0..2 {
                    let least =
                        if recovery.cut.is_some() { self.model.before[log] } else { self.model.acked[log] };
                    assert!(sizes[log] >= least, "lost without a word, {sizes:?}: {}", self.name);
                }
                let cut = recovery.cut.is_some();
                self.goes_on(&disk, journal, sizes);
                if cut { "announced" } else { "harmless" }
            }
        }
    }
}

/// The disk refuses one call, whichever: nothing that was acknowledged is lost, and what failed is not tried again.
#[test]
fn any_call_may_fail_once() {
    for workload in workloads() {
        let calls = {
            let disk = Recorder::default();
            record(&disk, &workload);
            disk.ops().len()
        };
        let step = if std::env::var_os("FAULT_CASES").is_some() { 1 } else { 7 };
        for failing in (0..calls).step_by(step) {
            let disk = Recorder::default();
            disk.fail_after(failing);
            let acked = record(&disk, &workload);
            // The workload counts fewer calls than operations: past its end nothing fails.
            if !disk.failed() {
                break;
            }
            let ops = disk.ops();
            let (mut platter, mut model) = (Platter::default(), Model::default());
            for op in &ops {
                platter.play(op);
                model.play(op);
            }
            assert_eq!(model.acked, acked);
            for left in [Left::Everything, Left::Nothing, Left::Some] {
                let name = format!("call {failing} failed ({left:?})");
                let case = Case { options: &workload.options, platter: &platter, model, name };
                case.run(Some(left), &mut Chance(failing as u64));
            }
        }
    }
}

#[test]
fn a_second_opening_of_one_directory_is_refused() {
    let disk = Recorder::default();
    let open = || FileJournal::open_on(Arc::new(disk.clone()), Path::new(DIR), options());
    let (journal, _) = open().unwrap();
    let before = disk.ops().len();
    assert!(matches!(open(), Err(Error::InUse { .. })));
    let writes = disk.ops()[before..].iter().filter(|op| !matches!(op, Op::SyncDir { .. })).count();
    assert_eq!(writes, 0, "it touched nothing");
    journal.close().unwrap();
    open().unwrap();
}
