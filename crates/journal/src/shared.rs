//! What the threads of a journal share: the queue to the writer, and the view of what is durable.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kernel::ports::Signer;
use tlog::{Hash, Succession, Tree};

use crate::disk::Disk;
use crate::error::Error;
use crate::group::{End, Group, Told};
use crate::index::Index;
use crate::journal::{Batch, Done, Health};
use crate::old::Old;
use crate::room::{Reserve, Spare, SpareGate};
use crate::segment::Segment;
use crate::writer::Stages;

const LOCKED: &str = "no panic while the lock is held";

/// What waits for the writer.
pub(crate) enum Item {
    Append { batch: Batch, done: Done, len: usize },
    Define { name: String, vkey: String, reply: SyncSender<Result<(), Error>> },
}

impl Item {
    /// Bytes of its frames, roughly.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Append { len, .. } => *len,
            Self::Define { name, vkey, .. } => name.len() + vkey.len() + 128,
        }
    }
}

#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) waiting: VecDeque<Item>,
    pub(crate) bytes: usize,
    /// By log number: name and next position, counting what waits.
    pub(crate) logs: Vec<(String, u64)>,
    pub(crate) closing: bool,
    pub(crate) poisoned: Option<String>,
    /// Whether the disk had no room when it was last asked for some.
    pub(crate) full: bool,
    pub(crate) spare: Option<Spare>,
    pub(crate) stages: Stages,
}

impl Queue {
    /// Takes everything out that waits, as if it had never been appended: the next positions are those at `end`.
    pub(crate) fn refuse(&mut self, end: &End) -> VecDeque<Item> {
        self.full = true;
        self.bytes = 0;
        self.logs.truncate(end.state.logs.len());
        for (next, log) in self.logs.iter_mut().zip(&end.state.logs) {
            next.1 = log.tree.size();
        }
        std::mem::take(&mut self.waiting)
    }
}

/// A log, as far as it is durable.
pub(crate) struct LogView {
    pub(crate) name: String,
    pub(crate) vkey: String,
    pub(crate) former: Vec<Succession>,
    pub(crate) signer: Option<Arc<dyn Signer>>,
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) index: Index,
    /// What was pruned of it: the tree before its first entry that is there.
    pub(crate) front: Tree,
    /// The last checkpoint, with its size.
    pub(crate) checkpoint: Option<(u64, String)>,
}

/// What is durable.
pub(crate) struct View {
    pub(crate) logs: Vec<LogView>,
    /// With the durable bytes of each.
    pub(crate) segments: Vec<(Segment, u64)>,
    /// How many of them were pruned since opening: the first ones.
    pub(crate) gone: usize,
    /// How many of those are off the disk for good.
    pub(crate) removed: usize,
    pub(crate) health: Health,
}

/// How the checkpointer is woken.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub(crate) dirty: bool,
    pub(crate) closing: bool,
}

pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    queue: Mutex<Queue>,
    pub(crate) work: Condvar,
    view: RwLock<View>,
    /// The segments that opening did not read.
    pub(crate) old: Old,
    gate: Mutex<Gate>,
    pub(crate) tick: Condvar,
    spare_gate: Mutex<SpareGate>,
    pub(crate) spare_wanted: Condvar,
    pub(crate) reserve: Reserve,
    /// Held while checkpoints are written.
    pub(crate) signing: Mutex<()>,
    /// Held while a log is being defined.
    pub(crate) defining: Mutex<()>,
    pub(crate) closed: AtomicBool,
    /// Whether a thread is about to give the disk a batch and has not done it yet.
    pub(crate) issuing: AtomicBool,
    /// Whether the server was told that the journal stopped.
    pub(crate) fatal: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        dir: PathBuf,
        disk: Arc<dyn Disk>,
        end: End,
        view: View,
        old: Old,
        reserve: Reserve,
    ) -> Self {
        let logs = end.state.logs.iter().map(|log| (log.name.clone(), log.tree.size())).collect();
        Self {
            dir,
            disk,
            queue: Mutex::new(Queue { logs, stages: Stages::new(end), ..Queue::default() }),
            work: Condvar::new(),
            view: RwLock::new(view),
            old,
            gate: Mutex::new(Gate::default()),
            tick: Condvar::new(),
            spare_gate: Mutex::default(),
            spare_wanted: Condvar::new(),
            reserve,
            signing: Mutex::new(()),
            defining: Mutex::new(()),
            closed: AtomicBool::new(false),
            issuing: AtomicBool::new(false),
            fatal: AtomicBool::new(false),
        }
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect(LOCKED)
    }

    pub(crate) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().expect(LOCKED)
    }

    pub(crate) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().expect(LOCKED)
    }

    pub(crate) fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().expect(LOCKED)
    }

    pub(crate) fn spare_gate(&self) -> MutexGuard<'_, SpareGate> {
        self.spare_gate.lock().expect(LOCKED)
    }

    /// From here on nothing is taken in any more, and health says why.
    pub(crate) fn mark_poisoned(&self, cause: &str) {
        let mut queue = self.queue();
        if queue.poisoned.is_none() {
            queue.poisoned = Some(cause.to_owned());
        }
        drop(queue);
        let mut view = self.view_mut();
        if view.health.poisoned.is_none() {
            view.health.poisoned = Some(cause.to_owned());
        }
    }

    /// Nothing more is written: everybody who waits is told.
    pub(crate) fn poison(&self, cause: &str) {
        self.mark_poisoned(cause);
        let told: Vec<Told> = {
            let mut queue = self.queue();
            queue.bytes = 0;
            let stages = &mut queue.stages;
            stages.telling = false;
            let mut groups: Vec<Group> = stages.finished.drain(..).map(|(group, _)| group).collect();
            groups.extend(stages.ready.take());
            let mut told: Vec<Told> = groups.into_iter().flat_map(|group| group.told).collect();
            told.extend(queue.waiting.drain(..).map(Told::of));
            told
        };
        self.work.notify_all();
        for told in told {
            told.tell(Err(Error::Poisoned(cause.to_owned())));
        }
    }
}
