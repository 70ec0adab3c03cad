//! Journal, rows and payloads in memory. The journal has a place to stop: the process that appended there is dead,
//! and what was durable by then is what the next one finds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use engine::{Holdings, Payloads, Sealed};
use journal::{Batch, Journal, LogId, Stored};
use kernel::digest::Digest;
use kernel::event::Entry;
use kernel::id::RunId;
use kernel::ports::StateStore;
use kernel::state::{self, Noun, Row, RowKey, Table};

/// Where the process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// This append (counted from 0) never reaches the disk.
    Before(u64),
    /// This append reaches the disk, and nobody lives to hear of it.
    After(u64),
}

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<Vec<u8>>,
    appends: u64,
    stop: Option<Stop>,
    stopped: bool,
    /// The append before which the disk fills up, and how many are refused until there is room.
    full: Option<(u64, u32)>,
    process: u64,
}

/// What outlives a process: entries and payloads.
#[derive(Debug, Default)]
pub struct Disk {
    kept: Mutex<Kept>,
    payloads: Mutex<HashMap<Digest, Vec<u8>>>,
    /// Erased for good: who seals the same again gets nobody to read it.
    forgotten: Mutex<HashSet<Digest>>,
}

impl Disk {
    /// The next process starts and gets its number; it stops at `stop`, counted from its own first append.
    /// What is left of the one before can neither append nor call.
    pub fn boot(&self, stop: Option<Stop>) -> u64 {
        let mut kept = self.kept.lock().expect("no panic while the lock is held");
        kept.appends = 0;
        kept.stop = stop;
        kept.stopped = false;
        kept.process += 1;
        kept.process
    }

    /// From this append on (counted from 0) there is no room for a while: so many appends are refused.
    pub fn fill(&self, append: u64, refusals: u32) {
        self.kept.lock().expect("no panic while the lock is held").full = Some((append, refusals));
    }

    /// Whether the process of this number still runs.
    pub fn runs(&self, process: u64) -> bool {
        let kept = self.kept.lock().expect("no panic while the lock is held");
        kept.process == process && !kept.stopped
    }

    /// A payload is erased.
    pub fn forget(&self, commitment: &Digest) {
        self.forgotten.lock().expect("no panic while the lock is held").insert(*commitment);
    }

    /// Whether the process was stopped.
    pub fn stopped(&self) -> bool {
        self.kept.lock().expect("no panic while the lock is held").stopped
    }

    /// Appends of the process so far.
    pub fn appends(&self) -> u64 {
        self.kept.lock().expect("no panic while the lock is held").appends
    }

    /// All durable entries.
    pub fn entries(&self) -> Vec<Entry> {
        let kept = self.kept.lock().expect("no panic while the lock is held");
        kept.entries.iter().map(|bytes| Entry::decode(bytes).expect("the engine wrote it")).collect()
    }

    /// All durable entries as bytes.
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        self.kept.lock().expect("no panic while the lock is held").entries.clone()
    }
}

/// The journal's end of the disk, for one process.
#[derive(Debug)]
pub struct MemoryJournal {
    /// The disk.
    pub disk: Arc<Disk>,
    /// The process.
    pub process: u64,
}

/// The payloads' end of the disk. Nothing is encrypted here: that is the vault's, with tests of its own.
#[derive(Debug)]
pub struct MemoryPayloads(pub Arc<Disk>);

impl Payloads for MemoryPayloads {
    fn pseudonym(&self, domain: &str, parts: &[&[u8]]) -> Digest {
        Digest::of(domain, parts)
    }

    fn keys_of(&self, _: &Digest) -> Result<Vec<i64>, String> {
        Ok(vec![1])
    }

    fn held_by(&self, run: &RunId) -> Result<Holdings, String> {
        Ok(Holdings { subjects: [self.subject(run.as_str())].into(), settled: true })
    }

    fn runs_with(&self, _: &Digest, _: usize) -> Result<Option<Vec<RunId>>, String> {
        Ok(None)
    }

    fn destroy(&self, _: &[i64]) -> Result<(), String> {
        self.0.payloads.lock().expect("no panic while the lock is held").clear();
        Ok(())
    }

    fn seal(&self, subject: &Digest, scope: &str, bytes: &[u8]) -> Result<Sealed, String> {
        let commitment = Digest::of("sim/payload", &[&subject.0, scope.as_bytes(), bytes]);
        self.0.payloads.lock().expect("no panic while the lock is held").insert(commitment, bytes.to_vec());
        Ok(Sealed { commitment, subject: *subject, bytes: None })
    }

    fn open(&self, commitment: &Digest) -> Result<Option<Vec<u8>>, String> {
        if self.0.forgotten.lock().expect("no panic while the lock is held").contains(commitment) {
            return Ok(None);
        }
        Ok(self.0.payloads.lock().expect("no panic while the lock is held").get(commitment).cloned())
    }
}

/// Rows in memory, fed by durable entries only.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: Mutex<(Rows, u64)>,
}

/// The rows themselves.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Rows(pub BTreeMap<RowKey, Arc<Row>>);

impl Table for Rows {
    fn get(&self, key: &RowKey) -> Option<Arc<Row>> {
        self.0.get(key).cloned()
    }

    fn put(&mut self, key: RowKey, row: Option<Row>) {
        match row {
            Some(row) => drop(self.0.insert(key, Arc::new(row))),
            None => drop(self.0.remove(&key)),
        }
    }
}

impl MemoryStore {
    /// Takes durable entries in.
    pub fn follow(&self, entries: &[Stored]) -> Result<(), String> {
        let mut rows = self.rows.lock().expect("no panic while the lock is held");
        for stored in entries {
            let entry = Entry::decode(&stored.bytes)?;
            state::apply(&mut rows.0, &entry);
            rows.1 = entry.seq + 1;
        }
        Ok(())
    }

    /// A copy of the rows.
    pub fn rows(&self) -> Rows {
        self.rows.lock().expect("no panic while the lock is held").0.clone()
    }
}

impl StateStore for MemoryStore {
    fn get(&self, key: &RowKey) -> Option<Arc<Row>> {
        self.rows.lock().expect("no panic while the lock is held").0.get(key)
    }

    fn range(&self, noun: Noun, from: &str, limit: usize) -> Vec<(String, Arc<Row>)> {
        let rows = self.rows.lock().expect("no panic while the lock is held");
        let start = RowKey::new(noun, from);
        rows.0
            .0
            .range(start..)
            .take_while(|(key, _)| key.noun == noun)
            .take(limit)
            .map(|(key, row)| (key.id.clone(), row.clone()))
            .collect()
    }

    fn applied(&self) -> u64 {
        self.rows.lock().expect("no panic while the lock is held").1
    }
}

impl MemoryJournal {
    /// `None` where nobody lives to hear of it.
    fn take(&self, batch: Batch) -> Option<Result<journal::Durable, journal::Error>> {
        let mut kept = self.disk.kept.lock().expect("no panic while the lock is held");
        if kept.stopped || kept.process != self.process {
            return None;
        }
        let this = kept.appends;
        if let Some((append, left)) = &mut kept.full
            && *append == this
            && *left > 0
        {
            *left -= 1;
            return Some(Err(journal::Error::DiskFull));
        }
        kept.appends += 1;
        if kept.stop == Some(Stop::Before(this)) {
            kept.stopped = true;
            return None;
        }
        for entry in batch.entries {
            assert_eq!(entry.seq, kept.entries.len() as u64, "positions are contiguous");
            kept.entries.push(entry.bytes);
        }
        kept.stopped = kept.stop == Some(Stop::After(this));
        (!kept.stopped).then_some(Ok(journal::Durable))
    }

    fn slice(&self, from: u64, max: usize) -> Vec<Stored> {
        let kept = self.disk.kept.lock().expect("no panic while the lock is held");
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let rest = kept.entries.get(from..).unwrap_or(&[]);
        rest.iter()
            .take(max)
            .enumerate()
            .map(|(offset, bytes)| Stored {
                seq: (from + offset) as u64,
                bytes: bytes.clone(),
                payloads: vec![],
            })
            .collect()
    }
}

impl Journal for MemoryJournal {
    fn append(&self, batch: Batch, done: Box<dyn FnOnce(Result<journal::Durable, journal::Error>) + Send>) {
        if let Some(result) = self.take(batch) {
            done(result);
        }
    }

    fn head(&self, _log: LogId) -> journal::Head {
        let size = self.disk.kept.lock().expect("no panic while the lock is held").entries.len() as u64;
        journal::Head { size, root: [0; 32] }
    }

    fn read(&self, _log: LogId, from: u64, max: usize, _bytes: usize) -> Result<Vec<Stored>, journal::Error> {
        Ok(self.slice(from, max))
    }
}
