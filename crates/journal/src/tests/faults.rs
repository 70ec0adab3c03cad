//! Every way to stop, at every write: a workload is recorded once, then stopped at each boundary between two operations
//! of the disk, in each way, and opened again; and it is done anew with a disk that is full from that boundary on. A
//! model says what must be there.
//!
//! `FAULT_CASES` says how many cases are tried (a sample in CI), `FAULT_SEED` where chance begins; a failure names both.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::{Entry, Event, Pruned};
use tlog::{VerifierKey, inclusion, leaf_hash, verify_inclusion};

use super::memory::{DIR, Memory};
use super::recorder::{Chance, Left, Note, Op, Platter, Recorder};
use super::world::{PLATFORM, SHOP, append, entry, options};
use crate::conformance::TestSigner;
use crate::disk::{Disk, replace};
use crate::succession::succeed_on;
use crate::{
    Backend, Batch, Error, FileJournal, Hashes, HashesError, Journal, LogId, NewEntry, Options, SegmentStart,
    Signer,
};

/// Names and keys of the logs, and what they have after the workload changed them: one another key, one another origin.
const KEYS: [[(&str, u8); 2]; 2] = [[(SHOP, 1), (PLATFORM, 1)], [(SHOP, 2), ("test/platform/2", 2)]];
/// Appends of one opening, and after which of them the first segments are pruned.
const BATCHES: u64 = 14;
const PRUNES_AFTER: u64 = 9;

/// How cases stop.
#[derive(Clone, Copy, Debug)]
enum Way {
    Crash(Left),
    /// A bit is not what it was.
    Flip,
    /// The disk is full, and after a while it is not.
    Full,
}

const WAYS: [Way; 7] = [
    Way::Crash(Left::Everything),
    Way::Crash(Left::Nothing),
    Way::Crash(Left::Some),
    Way::Crash(Left::TornSector),
    Way::Crash(Left::NoNames),
    Way::Flip,
    Way::Full,
];

fn id(log: usize) -> LogId {
    LogId(u32::try_from(log).unwrap())
}

fn key(log: usize, keys: usize) -> Arc<TestSigner> {
    let (name, seed) = KEYS[keys][log];
    TestSigner::new(name, seed)
}

/// Some have payloads, some reach over a page, and now and then one takes most of a segment.
fn new_entry(log: usize, keys: usize, seq: u64, long: usize) -> NewEntry {
    let texts: &[&str] = if seq.is_multiple_of(3) { &["text"] } else { &[] };
    let mut entry = entry(id(log), KEYS[keys][log].0, seq, texts);
    if long > 0 {
        let end = entry.bytes.pop().unwrap();
        entry.bytes.extend(format!(",\"z\":\"{}\"", "z".repeat(long)).bytes());
        entry.bytes.push(end);
    }
    entry
}

/// Says where the log is to begin.
fn announcement(log: usize, keys: usize, seq: u64, start: &SegmentStart) -> NewEntry {
    let tree = &start.logs[log];
    let pruned = Pruned { first: start.first, size: tree.size(), root: Digest(tree.root()), base: None };
    let entry = Entry {
        v: 1,
        log: KEYS[keys][log].0.to_owned(),
        seq,
        at: Millis(i64::try_from(1_000 + seq).unwrap()),
        run: None,
        actor: Actor::Server,
        cause: None,
        event: Event::JournalPruned(pruned),
        commits: BTreeMap::new(),
    };
    NewEntry { log: id(log), seq, bytes: entry.encode(), payloads: vec![] }
}

fn hashes(disk: &dyn Disk, journal: &FileJournal, front: u64) -> Result<Hashes, HashesError> {
    Hashes::open(disk, Path::new(DIR), journal, (id(0), SHOP), front, &mut |_, _| {})
}

/// Where the logs begin.
fn front(journal: &FileJournal) -> [u64; 2] {
    let segments = journal.segments().unwrap();
    [0, 1].map(|log| segments[0].logs.get(log).map_or(0, tlog::Tree::size))
}

/// How the journal is run, and how many appends are on their way at once. With one the record is always the same.
#[derive(Clone)]
struct Workload {
    options: Options,
    in_flight: u64,
}

fn workloads() -> [Workload; 3] {
    let small = Options { segment_bytes: 9_000, ..options() };
    let roomy = Options { segment_bytes: 20_000, room_bytes: 4_096, reserve_bytes: 6_000, ..options() };
    [
        Workload { options: small, in_flight: 1 },
        Workload { options: roomy.clone(), in_flight: 1 },
        Workload { options: roomy, in_flight: 4 },
    ]
}

/// A workload on its way: two openings, batches of one to three entries of two logs, several segments, checkpoints now
/// and then, hashes for proofs, segments that are pruned, and other keys in between.
struct Story<'a> {
    disk: &'a Recorder,
    workload: &'a Workload,
    chance: Chance,
    acked: Arc<Mutex<[u64; 2]>>,
    keys: usize,
    /// Refusals until somebody makes room on a full disk.
    patience: usize,
}

/// How it went.
struct Told {
    acked: [u64; 2],
    to_the_end: bool,
}

fn record(disk: &Recorder, workload: &Workload, patience: usize) -> Told {
    let mut story = Story { disk, workload, chance: Chance(7), acked: Arc::default(), keys: 0, patience };
    let to_the_end = story.tell().is_ok();
    let acked = story.acked();
    Told { acked, to_the_end }
}

impl Story<'_> {
    fn acked(&self) -> [u64; 2] {
        *self.acked.lock().unwrap()
    }

    /// What a full disk refuses is done when there is room.
    fn patiently<T>(&self, mut what: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        match what() {
            Err(_) if self.disk.is_limited() => {
                self.disk.leave_room(None);
                what()
            }
            result => result,
        }
    }

    fn tell(&mut self) -> Result<(), Error> {
        let options = self.workload.options.clone();
        for keys in 0..KEYS.len() {
            if keys > 0 {
                self.succeed(keys)?;
            }
            let open = || FileJournal::open_on(Arc::new(self.disk.clone()), Path::new(DIR), options.clone());
            let (journal, _) = self.patiently(open)?;
            self.work(&journal)?;
            drop(journal.close());
        }
        Ok(())
    }

    fn succeed(&mut self, keys: usize) -> Result<(), Error> {
        self.disk.note(Note::Succeeding);
        let pairs = [0, 1].map(|log| (key(log, keys - 1), key(log, keys)));
        let changes: Vec<(&dyn Signer, &dyn Signer)> =
            pairs.iter().map(|(old, new)| (&**old as &dyn Signer, &**new as &dyn Signer)).collect();
        let _notes = self.patiently(|| succeed_on(self.disk, Path::new(DIR), &changes))?;
        self.disk.note(Note::Succeeded);
        self.keys = keys;
        Ok(())
    }

    fn work(&mut self, journal: &FileJournal) -> Result<(), Error> {
        for (log, size) in self.acked().into_iter().enumerate() {
            let defined = self.patiently(|| journal.define(KEYS[self.keys][log].0, key(log, self.keys)))?;
            assert_eq!((defined, journal.head(defined).size), (id(log), size));
        }
        let disk = self.disk;
        let open = || hashes(disk, journal, front(journal)[0]).ok();
        let mut tree = open();
        for batch in 0..BATCHES {
            self.batch(journal)?;
            if batch % 5 == 3 {
                drop(journal.checkpoint_now());
            }
            if batch % 4 == 1 {
                // What could not be written is made anew.
                let size = journal.head(id(0)).size;
                let extended = |tree: &Hashes| tree.extend(journal, id(0), size, &mut |_, _| {}).is_ok();
                tree = tree.filter(extended).or_else(open);
            }
            if batch == PRUNES_AFTER {
                self.prune(journal, tree.as_ref())?;
            }
        }
        Ok(())
    }

    fn batch(&mut self, journal: &FileJournal) -> Result<(), Error> {
        let (told, answers) = channel();
        let mut sizes = self.acked();
        // Where the disk is full smaller ones are tried.
        let small = self.disk.is_limited() && self.chance.coin();
        for _ in 0..self.workload.in_flight {
            let entries = (0..=self.chance.below(3)).map(|_| {
                let log = self.chance.below(2);
                sizes[log] += 1;
                let long = match self.chance.below(48) {
                    _ if small => 0,
                    0 => 12_000,
                    1..=4 => 5_000,
                    _ => 0,
                };
                new_entry(log, self.keys, sizes[log] - 1, long)
            });
            let entries = entries.collect();
            self.submit(journal, entries, &told);
        }
        drop(told);
        self.settle(journal, answers.iter().collect())?;
        // What is done behind the scenes is over before the next one, so that the record is always the same.
        while journal.room_is_being_made() {
            std::thread::yield_now();
        }
        Ok(())
    }

    fn submit(&self, journal: &FileJournal, entries: Vec<NewEntry>, told: &Sender<Result<(), Error>>) {
        self.disk.note(Note::Submitted(entries.clone()));
        let ends: Vec<(usize, u64)> =
            entries.iter().map(|entry| (entry.log.0 as usize, entry.seq + 1)).collect();
        let (told, disk, acked) = (told.clone(), self.disk.clone(), self.acked.clone());
        let done = move |result: Result<_, Error>| {
            if result.is_ok() {
                let mut acked = acked.lock().unwrap();
                for (log, end) in ends {
                    acked[log] = end;
                }
                disk.note(Note::Acked(*acked));
            }
            told.send(result.map(drop)).unwrap();
        };
        journal.append(Batch { entries }, Box::new(done));
    }

    /// Looks at all answers, whatever the first says. A full disk refuses, is read, and is waited for.
    fn settle(&mut self, journal: &FileJournal, answers: Vec<Result<(), Error>>) -> Result<(), Error> {
        let refusals: Vec<Error> = answers.into_iter().filter_map(Result::err).collect();
        if refusals.is_empty() {
            return Ok(());
        }
        for refusal in refusals {
            // What waits behind a refused one is out of order then.
            if !matches!(refusal, Error::DiskFull | Error::OutOfOrder { .. }) {
                return Err(refusal);
            }
        }
        self.disk.note(Note::Refused);
        assert!(self.disk.is_limited(), "refused, and there is room");
        let size = journal.head(id(0)).size;
        assert!(size == 0 || journal.read(id(0), size - 1, 1, usize::MAX).unwrap().len() == 1);
        self.patience = self.patience.saturating_sub(1);
        if self.patience == 0 {
            self.disk.leave_room(None);
        }
        Ok(())
    }

    /// As retention does: what is needed later is beside the journal and durable before it is put on record, and that
    /// before anything goes.
    fn prune(&mut self, journal: &FileJournal, tree: Option<&Hashes>) -> Result<(), Error> {
        let segments = journal.segments()?;
        let start = &segments[segments.len() / 2];
        let Some(tree) = tree.filter(|_| start.logs.len() == 2) else { return Ok(()) };
        let size = journal.head(id(0)).size;
        let hashed = tree.extend(journal, id(0), size, &mut |_, _| {}).and_then(|()| tree.flush(self.disk));
        let base = (format!("base-{size:016x}"), format!("rows until {size}\n").into_bytes());
        let written = replace(self.disk, Path::new(DIR), &base.0, &base.1);
        if hashed.is_err() || written.is_err() {
            return Ok(());
        }
        let before = self.acked();
        for log in [1, 0] {
            let (told, answers) = channel();
            self.submit(journal, vec![announcement(log, self.keys, before[log], start)], &told);
            drop(told);
            self.settle(journal, answers.iter().collect())?;
        }
        if self.acked() != before.map(|size| size + 1) {
            return Ok(());
        }
        self.disk.note(Note::Pruning { front: [0, 1].map(|log| start.logs[log].size()), base });
        // What failed once is asked for again.
        let pruned = journal.prune(start.first).or_else(|_| journal.prune(start.first));
        match pruned {
            Ok(_) => self.disk.note(Note::Pruned),
            Err(error) => assert!(self.disk.is_limited(), "asking again finishes it: {error}"),
        }
        Ok(())
    }
}

/// What must hold of the logs after a stop.
#[derive(Debug, Default)]
struct Model {
    /// By log: what may be there.
    submitted: [Vec<NewEntry>; 2],
    acked: [u64; 2],
    /// Before the last write that was acknowledged, at least.
    before: [u64; 2],
    /// When nothing was on its way.
    quiet: [u64; 2],
    /// The keys that the logs have at least, and at most.
    keys: (usize, usize),
    /// Where they begin at least, and at most.
    gone: [u64; 2],
    front: [u64; 2],
    /// What must be there then, by where the first log begins.
    bases: BTreeMap<u64, (String, Vec<u8>)>,
}

impl Model {
    fn sizes(&self) -> [u64; 2] {
        [0, 1].map(|log| self.submitted[log].len() as u64)
    }

    fn play(&mut self, op: &Op) {
        let Op::Note(note) = op else { return };
        match note {
            Note::Submitted(entries) => {
                if self.sizes() == self.acked {
                    self.quiet = self.acked;
                }
                for entry in entries {
                    let log = &mut self.submitted[entry.log.0 as usize];
                    assert_eq!(entry.seq, log.len() as u64);
                    log.push(entry.clone());
                }
            }
            Note::Acked(sizes) => (self.before, self.acked) = (self.quiet, *sizes),
            Note::Refused => {
                for (log, acked) in self.submitted.iter_mut().zip(self.acked) {
                    log.truncate(usize::try_from(acked).unwrap());
                }
            }
            Note::Succeeding => self.keys.1 += 1,
            Note::Succeeded => self.keys.0 += 1,
            Note::Pruned => self.gone = self.front,
            Note::Pruning { front, base } => {
                self.front = *front;
                let _earlier = self.bases.insert(front[0], base.clone());
            }
        }
    }
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn whatever_stops_it_wherever_nothing_acknowledged_is_lost() {
    let (cases, seed) = (env("FAULT_CASES", 1_500), env("FAULT_SEED", 1));
    let records: Vec<(Workload, Vec<Op>)> = workloads()
        .into_iter()
        .map(|workload| {
            let disk = Recorder::default();
            let Told { acked, to_the_end } = record(&disk, &workload, 0);
            assert!(to_the_end && acked.iter().all(|size| *size > 10), "it is written: {acked:?}");
            (workload, disk.ops())
        })
        .collect();
    let boundaries: u64 = records.iter().map(|(_, ops)| ops.len() as u64 + 1).sum();
    let all = boundaries * WAYS.len() as u64;
    let (mut done, mut tally) = (0, BTreeMap::<&str, u64>::new());
    // Each round goes through all boundaries in all ways; a sample passes over some of them evenly.
    for round in 0..cases.div_ceil(all) {
        let wanted = (cases - done).min(all);
        let mut at = 0;
        for (number, (workload, ops)) in records.iter().enumerate() {
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
                        "workload {number}, stopped before operation {boundary} ({way:?}), chance {chance}, \
                         FAULT_CASES={cases} FAULT_SEED={seed}"
                    );
                    let mut chance = Chance(chance);
                    let case = Case { options: &workload.options, platter: &platter, model: &model, name };
                    let outcome = match way {
                        Way::Crash(left) => case.crash(left, &mut chance),
                        Way::Flip => case.flip(&mut chance),
                        Way::Full => full(workload, boundary, &mut chance, &case.name),
                    };
                    *tally.entry(outcome).or_default() += 1;
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

/// The workload once more, on a disk that has only so much room from a boundary on, until somebody makes some. What it
/// leaves is judged at its end, and where a crash stops it somewhere.
fn full(workload: &Workload, boundary: usize, chance: &mut Chance, name: &str) -> &'static str {
    let disk = Recorder::default();
    let room = [0, 0, 1_000, 4_000, 16_000][chance.below(5)] + chance.below(500);
    disk.leave_room_at(boundary, room);
    let told = record(&disk, workload, 1 + chance.below(6));
    let ops = disk.ops();
    let (mut platter, mut model) = (Platter::default(), Model::default());
    let stop = chance.below(ops.len() + 1);
    for (at, op) in ops.iter().enumerate() {
        if at == stop {
            let left = [Left::Everything, Left::Nothing, Left::Some, Left::TornSector][chance.below(4)];
            let name = format!("{name}, {room} bytes left, stopped at {at} ({left:?})");
            Case { options: &workload.options, platter: &platter, model: &model, name }.crash(left, chance);
        }
        platter.play(op);
        model.play(op);
    }
    let name = format!("{name}, {room} bytes left");
    assert_eq!(model.acked, told.acked, "{name}");
    // Without room made ahead a write fails, and the journal stops.
    assert!(told.to_the_end || workload.options.room_bytes == 0, "a full disk stops nothing: {name}");
    Case { options: &workload.options, platter: &platter, model: &model, name }
        .crash(Left::Everything, chance);
    match (disk.was_full(), told.to_the_end) {
        (false, _) => "there was room",
        (true, true) => "full, and went on",
        (true, false) => "full, and stopped",
    }
}

struct Case<'a> {
    options: &'a Options,
    platter: &'a Platter,
    model: &'a Model,
    name: String,
}

impl Case<'_> {
    fn crash(&self, left: Left, chance: &mut Chance) -> &'static str {
        let disk = Memory::of(self.platter.crash(left, chance));
        let (journal, recovery) =
            disk.open_with(self.options.clone()).unwrap_or_else(|error| panic!("{error}: {}", self.name));
        let sizes = self.sizes(&journal);
        for log in 0..2 {
            assert!(sizes[log] >= self.model.acked[log], "lost, {sizes:?}: {}", self.name);
        }
        assert!(self.keys(&journal) >= self.model.keys.0, "an old key is back: {}", self.name);
        let [front, other] = front(&journal);
        assert!(front >= self.model.gone[0] && other >= self.model.gone[1], "back again: {}", self.name);
        if front > 0 {
            // A pruning that was cut short begins before the place that it named.
            let (name, bytes) = self.model.bases.range(front..).next().unwrap().1;
            assert_eq!(disk.get(name), *bytes, "{}", self.name);
        }
        let hashes = hashes(&disk, &journal, front);
        let hashes = hashes.unwrap_or_else(|error| panic!("{error}: {}", self.name));
        self.proves(&journal, &hashes, sizes[0]);
        self.goes_on(&disk, journal, sizes);
        if recovery.cut.is_some() { "torn" } else { "whole" }
    }

    /// Everything that is read is what was appended, in order. Returns the sizes.
    fn sizes(&self, journal: &FileJournal) -> [u64; 2] {
        let front = front(journal);
        [0, 1].map(|log| {
            let size = journal.head(id(log)).size;
            assert!(size <= self.model.sizes()[log], "invented: {}", self.name);
            assert!(front[log] <= self.model.front[log], "pruned too much: {}", self.name);
            let mut next = front[log];
            while next < size {
                let found = journal.read(id(log), next, 100, usize::MAX);
                for stored in found.unwrap_or_else(|error| panic!("{error}: {}", self.name)) {
                    let expected = &self.model.submitted[log][usize::try_from(next).unwrap()];
                    assert_eq!((stored.seq, &stored.bytes), (next, &expected.bytes), "{}", self.name);
                    assert_eq!(stored.payloads.len(), expected.payloads.len(), "{}", self.name);
                    next += 1;
                }
            }
            size
        })
    }

    /// Which keys the logs have: all of them the next ones, or none.
    fn keys(&self, journal: &FileJournal) -> usize {
        let found = journal.logs().into_iter().enumerate().map(|(log, known)| {
            let has = |keys: &usize| known.vkey == VerifierKey::of(&*key(log, *keys)).encode();
            (0..KEYS.len()).find(has).unwrap_or_else(|| panic!("a strange key: {}", self.name))
        });
        let found: Vec<usize> = found.collect();
        let keys = found.first().copied().unwrap_or_default();
        assert!(found.iter().all(|other| *other == keys), "{found:?}: {}", self.name);
        assert!(keys <= self.model.keys.1, "a key that nobody gave: {}", self.name);
        keys
    }

    /// The first entry is proved, whether it is there or not.
    fn proves(&self, journal: &FileJournal, hashes: &Hashes, size: u64) {
        if size > 0 {
            let leaf = leaf_hash(&self.model.submitted[0][0].bytes);
            let path = inclusion(hashes, 0, size).unwrap_or_else(|error| panic!("{error}: {}", self.name));
            assert!(verify_inclusion(&leaf, 0, size, &path, &journal.head(id(0)).root), "{}", self.name);
        }
    }

    /// The journal takes the next entries, and is right as a whole.
    fn goes_on(&self, disk: &Memory, journal: FileJournal, sizes: [u64; 2]) {
        let keys = self.keys(&journal);
        for log in 0..2 {
            let defined = journal.define(KEYS[keys][log].0, key(log, keys)).unwrap();
            assert_eq!(defined, id(log), "{}", self.name);
            append(&journal, vec![new_entry(log, keys, sizes[log], 0)]).unwrap();
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
                // What is made of entries is made anew from them, as far as they are there.
                let front = front(&journal)[0];
                match hashes(&disk, &journal, front) {
                    Ok(_) => {}
                    Err(HashesError::Damaged(_)) if front > 0 => {}
                    Err(error) => panic!("{error}: {}", self.name),
                }
                self.goes_on(&disk, journal, sizes);
                if cut { "announced" } else { "harmless" }
            }
        }
    }
}

/// The disk refuses one call, whichever: nothing that was acknowledged is lost, and what failed is not tried again.
#[test]
fn any_call_may_fail_once() {
    let (mut failed, mut crashes) = (0, 0);
    for workload in workloads() {
        let step = if std::env::var_os("FAULT_CASES").is_some() { 1 } else { 11 };
        for failing in (0..).step_by(step) {
            let disk = Recorder::default();
            disk.fail_after(failing);
            let told = record(&disk, &workload, 0);
            // Past the end of the workload nothing fails.
            if !disk.failed() {
                break;
            }
            failed += 1;
            let (mut platter, mut model) = (Platter::default(), Model::default());
            for op in &disk.ops() {
                platter.play(op);
                model.play(op);
            }
            assert_eq!(model.acked, told.acked);
            for left in [Left::Everything, Left::Nothing, Left::Some] {
                let name = format!("call {failing} failed ({left:?})");
                let case = Case { options: &workload.options, platter: &platter, model: &model, name };
                case.crash(left, &mut Chance(failing as u64));
                crashes += 1;
            }
        }
    }
    println!("{failed} calls failed, {crashes} crashes after them");
    assert!(failed > 50, "{failed}");
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
