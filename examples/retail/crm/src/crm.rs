//! The whole system behind one lock: the shop, its ledger, the count of calls, the faults that were asked for.
//!
//! A write is worked out on the shop, put into the ledger, flushed, and only then taken in and answered. So a kill at any
//! moment leaves either a line and its effect, or neither.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::ledger::{Attempt, Ledger, LedgerError, Line, Move};
use crate::manifest::{Effect, ToolSpec};
use crate::python;
use crate::shop::{Change, Changed, Shop, ShopError, Table};
use crate::tools::{self, ArgumentsError, Outcome};

/// What a caller reads when the system was told to be unavailable.
pub const UNAVAILABLE: &str = "Error: service unavailable (503)";

/// Where the time comes from: printed as RFC 3339.
pub type Clock = Box<dyn Fn() -> String + Send + Sync>;

/// Why the system cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum CrmError {
    /// The data.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A line of the ledger does not follow from the lines before it.
    #[error("attempt {id} of the ledger does not lead to the state that it names")]
    Replay { id: u64 },
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The caller's fault.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// The system's.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// One call of a tool.
#[derive(Clone, Debug)]
pub struct Request {
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub arguments: Map<String, Json>,
    /// The caller's `_meta`.
    pub meta: Option<Map<String, Json>>,
}

/// A tool's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// It is an error, told by the system itself.
    pub is_error: bool,
}

/// How the system is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// `ok`
    pub status: &'static str,
    /// Attempts in the ledger, by kind.
    pub ledger: BTreeMap<&'static str, u64>,
    /// Calls since the start, by tool.
    pub calls: BTreeMap<&'static str, u64>,
    /// How many more writes will be answered with 503.
    pub faults_left: u64,
}

/// The system.
pub struct Crm {
    inner: Mutex<Inner>,
    initial: Shop,
    clock: Clock,
    torn: u64,
}

struct Inner {
    shop: Shop,
    ledger: Ledger,
    attempts: u64,
    kinds: BTreeMap<&'static str, u64>,
    calls: BTreeMap<&'static str, u64>,
    faults_left: u64,
}

impl fmt::Debug for Crm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crm").field("torn", &self.torn).finish_non_exhaustive()
    }
}

impl Crm {
    /// Loads the data and plays the ledger on it. The first `faults` writes will be answered with 503.
    pub fn open(data: &Path, ledger: &Path, faults: u64, clock: Clock) -> Result<Self, CrmError> {
        let initial = Shop::load(data)?;
        let (ledger, found) = Ledger::open(ledger, initial.digest(), &clock())?;
        let mut inner = Inner::new(initial.clone(), ledger, faults);
        for line in &found.lines {
            inner.replay(line)?;
        }
        Ok(Self { inner: Mutex::new(inner), initial, clock, torn: found.torn })
    }

    /// Bytes of a torn last line that were cut at start.
    pub fn torn(&self) -> u64 {
        self.torn
    }

    /// Calls a tool.
    pub fn call(&self, request: &Request) -> Result<Answer, CallError> {
        let spec = spec(&request.tool)?;
        let mut inner = self.lock();
        *inner.calls.entry(spec.name).or_default() += 1;
        let outcome = tools::perform(&inner.shop, spec, &request.arguments)?;
        if spec.effect != Effect::Read {
            let attempt = inner.attempt(request, (self.clock)(), &outcome);
            inner.record(match (spec.effect, outcome.refused) {
                (_, true) => Line::Refused(attempt),
                (Effect::Note, false) => Line::Noted(attempt),
                (_, false) => Line::Applied(attempt),
            })?;
            inner.shop.apply(&outcome.changes);
        }
        Ok(Answer { text: outcome.text, is_error: outcome.refused })
    }

    /// Uses up one of the faults that were asked for, if the call would write. Nothing changes but the ledger.
    pub fn is_unavailable(&self, request: &Request) -> Result<bool, CallError> {
        let mut inner = self.lock();
        let spec = match spec(&request.tool) {
            Ok(spec) if spec.effect != Effect::Read && inner.faults_left > 0 => spec,
            _ => return Ok(false),
        };
        let outcome = Outcome { text: UNAVAILABLE.to_owned(), refused: true, changes: Vec::new() };
        let attempt = inner.attempt(request, (self.clock)(), &outcome);
        inner.record(Line::Unavailable(attempt))?;
        *inner.calls.entry(spec.name).or_default() += 1;
        inner.faults_left -= 1;
        Ok(true)
    }

    /// How the system is.
    pub fn health(&self) -> Health {
        let inner = self.lock();
        Health {
            status: "ok",
            ledger: inner.kinds.clone(),
            calls: inner.calls.clone(),
            faults_left: inner.faults_left,
        }
    }

    /// The ledger, as it stands in its file.
    pub fn ledger(&self) -> Result<Vec<u8>, LedgerError> {
        self.lock().ledger.text()
    }

    /// A record as it is now.
    pub fn record(&self, table: Table, id: &str) -> Option<String> {
        self.lock().shop.get(table, id).map(python::answer)
    }

    /// The records that differ from the initial data.
    pub fn changed(&self) -> Changed {
        self.lock().shop.changed_since(&self.initial)
    }

    /// Begins anew: initial data, new ledger, this many faults. Returns where the old ledger went.
    pub fn reset(&self, faults: u64) -> Result<PathBuf, LedgerError> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let kept = inner.ledger.renew(self.initial.digest(), &(self.clock)())?;
        inner.shop = self.initial.clone();
        inner.attempts = 0;
        inner.kinds.clear();
        inner.calls.clear();
        inner.faults_left = faults;
        Ok(kept)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whatever panicked did so before it changed anything: changes are taken in at one place, in one go.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn new(shop: Shop, ledger: Ledger, faults_left: u64) -> Self {
        Self { shop, ledger, attempts: 0, kinds: BTreeMap::new(), calls: BTreeMap::new(), faults_left }
    }

    fn attempt(&self, request: &Request, at: String, outcome: &Outcome) -> Attempt {
        Attempt {
            id: self.attempts + 1,
            at,
            tool: request.tool.clone(),
            arguments: request.arguments.clone(),
            meta: request.meta.clone(),
            error: outcome.refused.then(|| outcome.text.clone()),
            changes: self.moves(&outcome.changes),
        }
    }

    fn moves(&self, changes: &[Change]) -> Vec<Move> {
        let digest = |change: &Change| Move {
            record: format!("{}/{}", change.table.name(), change.id),
            before: self.shop.get(change.table, &change.id).map(python::digest).unwrap_or_default(),
            after: python::digest(&change.record),
        };
        changes.iter().map(digest).collect()
    }

    /// Makes a line durable and counts it.
    fn record(&mut self, line: Line) -> Result<(), LedgerError> {
        self.ledger.append(&line)?;
        self.count(&line);
        Ok(())
    }

    fn count(&mut self, line: &Line) {
        let (kind, id) = match line {
            Line::Opened { .. } => return,
            Line::Applied(attempt) => ("applied", attempt.id),
            Line::Refused(attempt) => ("refused", attempt.id),
            Line::Unavailable(attempt) => ("unavailable", attempt.id),
            Line::Noted(attempt) => ("noted", attempt.id),
        };
        self.attempts = id;
        *self.kinds.entry(kind).or_default() += 1;
    }

    /// Does again what a line says was done, and compares.
    fn replay(&mut self, line: &Line) -> Result<(), CrmError> {
        if let Line::Applied(attempt) = line {
            let done = spec(&attempt.tool)
                .and_then(|spec| tools::perform(&self.shop, spec, &attempt.arguments))
                .map_err(|_| CrmError::Replay { id: attempt.id })?;
            if self.moves(&done.changes) != attempt.changes {
                return Err(CrmError::Replay { id: attempt.id });
            }
            self.shop.apply(&done.changes);
        }
        self.count(line);
        Ok(())
    }
}

fn spec(tool: &str) -> Result<&'static ToolSpec, ArgumentsError> {
    let unknown = || ArgumentsError::UnknownTool { tool: tool.chars().take(64).collect() };
    ToolSpec::named(tool).ok_or_else(unknown)
}
