//! The outside system: orders that can be cancelled once, payments under a key, and a ledger of what really happened.

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
    /// The system refuses.
    Refuses,
    /// It cannot be reached.
    Unreachable,
}

#[derive(Debug, Default)]
struct Books {
    /// Effects by record.
    effects: BTreeMap<String, u32>,
    keys: BTreeSet<String>,
    faults: VecDeque<Fault>,
    /// Writes that reached the system without a durable intent: must stay empty.
    unannounced: Vec<String>,
}

/// The outside system. It outlives the server's process.
#[derive(Debug)]
pub struct Crm {
    books: Mutex<Books>,
    disk: Arc<Disk>,
}

/// How long a call takes.
const LATENCY: Millis = Millis(20);

impl Crm {
    /// An empty system; `disk` lets it check that an intent was durable before each write.
    pub fn new(disk: Arc<Disk>) -> Self {
        Self { books: Mutex::default(), disk }
    }

    /// The next writes go wrong like this, one after the other.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.books.lock().expect("no panic while the lock is held").faults.extend(faults);
    }

    /// Effects by record.
    pub fn effects(&self) -> BTreeMap<String, u32> {
        self.books.lock().expect("no panic while the lock is held").effects.clone()
    }

    /// Writes without a durable intent.
    pub fn unannounced(&self) -> Vec<String> {
        self.books.lock().expect("no panic while the lock is held").unannounced.clone()
    }

    fn perform(&self, call: &Call) -> Answer {
        let mut books = self.books.lock().expect("no panic while the lock is held");
        let record = call.arguments["record"].as_str().unwrap_or_default().to_owned();
        if call.tool.name() == "read" {
            let count = books.effects.get(&record).copied().unwrap_or(0);
            return Answer::Output(Output::text_of(count.to_string(), false));
        }
        if !self.announced(call) {
            books.unannounced.push(record.clone());
        }
        let fault = books.faults.pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::CutBefore => return Answer::Unknown { cause: "cut".to_owned() },
            Fault::Refuses => return Answer::Output(Output::text_of("Error: no", true)),
            Fault::Unreachable => {
                let cause = "refused connection".to_owned();
                return Answer::Failed { class: FailureClass::Unreachable, cause, retryable: true };
            }
            Fault::None | Fault::CutAfter => {}
        }
        let seen_before = call.idempotency_key.clone().is_some_and(|key| !books.keys.insert(key));
        if !seen_before {
            *books.effects.entry(record).or_default() += 1;
        }
        match fault {
            Fault::CutAfter => Answer::Unknown { cause: "answer lost".to_owned() },
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
            tokio::time::sleep(std::time::Duration::from_millis(LATENCY.0.unsigned_abs())).await;
            self.crm.perform(&call)
        })
    }
}
