//! The outside system: orders that can be cancelled once, payments under a key, bookings that can be taken back, and a
//! ledger of what really happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use kernel::clock::Millis;
use kernel::event::Event;
use kernel::ports::{Answer, BoxFuture, Call, Effector, FailureClass, Output};

use crate::memory::Disk;

/// What goes wrong with one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The connection is cut before the system saw the call.
    CutBefore,
    /// The system did it; the answer is lost.
    CutAfter,
    /// The system did it; the answer does not come in time.
    Late,
    /// The system refuses.
    Refuses,
    /// It cannot be reached.
    Unreachable,
    /// The system did it; its answer is not what it promises.
    Odd,
}

/// What goes wrong with one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// The system cannot be reached.
    Offline,
    /// It says that there is no such record.
    Gone,
}

#[derive(Debug, Default)]
struct Books {
    /// Effects by record, and by the mark that each write carries.
    effects: BTreeMap<String, u32>,
    marks: BTreeMap<String, u32>,
    keys: BTreeSet<String>,
    /// By record, in the order of its writes.
    faults: BTreeMap<String, VecDeque<Fault>>,
    read_faults: VecDeque<ReadFault>,
    /// Writes that reached the system without a durable intent: must stay empty.
    unannounced: Vec<String>,
    /// Records that are being written now, and those that were written twice at once: must stay empty.
    busy: BTreeSet<String>,
    overlaps: Vec<String>,
}

/// The outside system. It outlives the server's process.
#[derive(Debug)]
pub struct Crm {
    books: Mutex<Books>,
    disk: Arc<Disk>,
}

/// How long a call takes.
const LATENCY: Millis = Millis(20);

fn record_of(call: &Call) -> String {
    call.arguments["record"].as_str().unwrap_or_default().to_owned()
}

impl Crm {
    /// An empty system; `disk` lets it check that an intent was durable before each write.
    pub fn new(disk: Arc<Disk>) -> Self {
        Self { books: Mutex::default(), disk }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().expect("no panic while the lock is held")
    }

    /// The next writes on a record go wrong like this, one after the other.
    pub fn plan(&self, record: &str, faults: impl IntoIterator<Item = Fault>) {
        self.books().faults.entry(record.to_owned()).or_default().extend(faults);
    }

    /// The next reads go wrong like this, one after the other.
    pub fn plan_reads(&self, faults: impl IntoIterator<Item = ReadFault>) {
        self.books().read_faults.extend(faults);
    }

    /// Somebody else writes on a record, past the server.
    pub fn meddle(&self, record: &str) {
        *self.books().effects.entry(record.to_owned()).or_default() += 1;
    }

    /// Effects by record.
    pub fn effects(&self) -> BTreeMap<String, u32> {
        self.books().effects.clone()
    }

    /// Effects of writes that carried this mark.
    pub fn effects_of(&self, mark: &str) -> u32 {
        self.books().marks.get(mark).copied().unwrap_or(0)
    }

    /// What must never be: writes without a durable intent, and two writes on one record at once.
    pub fn trespasses(&self) -> Vec<String> {
        let books = self.books();
        let unannounced = books.unannounced.iter().map(|record| format!("{record} without an intent"));
        unannounced.chain(books.overlaps.iter().map(|record| format!("{record} twice at once"))).collect()
    }

    fn begin(&self, call: &Call) {
        let record = record_of(call);
        let mut books = self.books();
        if call.tool.name() != "read" && !books.busy.insert(record.clone()) {
            books.overlaps.push(record);
        }
    }

    fn perform(&self, call: &Call) -> Answer {
        let announced = self.announced(call);
        let mut books = self.books();
        let record = record_of(call);
        if call.tool.name() == "read" {
            return match books.read_faults.pop_front() {
                Some(ReadFault::Offline) => {
                    let cause = "refused connection".to_owned();
                    Answer::Failed { class: FailureClass::Unreachable, cause, retryable: true }
                }
                Some(ReadFault::Gone) => Answer::Output(Output::text_of("Error: no such record", true)),
                None => {
                    let marked = call.arguments["mark"].as_str().map(|mark| books.marks.get(mark));
                    let count = marked.unwrap_or_else(|| books.effects.get(&record)).copied().unwrap_or(0);
                    Answer::Output(Output::text_of(count.to_string(), false))
                }
            };
        }
        books.busy.remove(&record);
        if !announced {
            books.unannounced.push(record.clone());
        }
        let fault = books.faults.get_mut(&record).and_then(VecDeque::pop_front).unwrap_or(Fault::None);
        match fault {
            Fault::CutBefore => return Answer::Unknown { cause: "cut".to_owned(), late: false },
            Fault::Refuses => return Answer::Output(Output::text_of("Error: no", true)),
            Fault::Unreachable => {
                let cause = "refused connection".to_owned();
                return Answer::Failed { class: FailureClass::Unreachable, cause, retryable: true };
            }
            Fault::None | Fault::CutAfter | Fault::Late | Fault::Odd => {}
        }
        let seen_before = call.idempotency_key.clone().is_some_and(|key| !books.keys.insert(key));
        if !seen_before {
            let mark = call.arguments["mark"].as_str().unwrap_or_default().to_owned();
            *books.marks.entry(mark).or_default() += 1;
            let count = books.effects.entry(record).or_default();
            *count = if call.tool.name() == "unbook" { count.saturating_sub(1) } else { *count + 1 };
        }
        match fault {
            Fault::CutAfter => Answer::Unknown { cause: "answer lost".to_owned(), late: false },
            Fault::Late => Answer::Unknown { cause: "no answer in time".to_owned(), late: true },
            Fault::Odd => Answer::Output(Output::text_of("odd", false)),
            _ => Answer::Output(Output::text_of("done", false)),
        }
    }

    /// The last durable word about some action on this tool is an intent that nobody settled.
    fn announced(&self, call: &Call) -> bool {
        let (mut tools, mut open) = (BTreeMap::new(), BTreeSet::new());
        for entry in self.disk.entries() {
            match entry.event {
                Event::ActionProposed { action, tool, .. } => drop(tools.insert(action, tool)),
                Event::ActionIntended { action, .. } => drop(open.insert(action)),
                Event::ActionConfirmed { action, .. } | Event::ActionFailed { action, .. } => {
                    open.remove(&action);
                }
                _ => {}
            }
        }
        open.iter().any(|action| tools.get(action) == Some(&call.tool))
    }
}

/// A process's way to the system: a call of a process that was stopped goes nowhere.
#[derive(Debug)]
pub struct Line {
    /// The system.
    pub crm: Arc<Crm>,
    /// The process.
    pub process: u64,
}

impl Effector for Line {
    fn call(&self, call: Call) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            if !self.crm.disk.runs(self.process) {
                std::future::pending::<()>().await;
            }
            self.crm.begin(&call);
            tokio::time::sleep(std::time::Duration::from_millis(LATENCY.0.unsigned_abs())).await;
            self.crm.perform(&call)
        })
    }
}
