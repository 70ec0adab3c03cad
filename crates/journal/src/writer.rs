//! The writers: two threads that keep the disk busy, with one write and one flush for everything that waits.
//!
//! ```text
//!  append ─┐              gather                 flush                    tell
//!  append ─┼─► queue ─► encode, hash ─► ready ─► close, write, flush ─► finished ─► view, then callbacks in order
//!  define ─┘
//! ```
//!
//! Each of the three stages is done by one thread at a time, by whichever of the two is free: while one flushes a batch
//! the other tells about the one before and gathers the next, and whoever ends a flush begins the next one without
//! waiting for anybody. One thread alone goes through all three, so a single append costs no hand-over.
//!
//! A write or flush that failed leaves unknown bytes behind: the journal is poisoned and never writes again (a second
//! flush may report success for bytes that the first one lost). A full disk is noticed before anything is encoded,
//! because room is asked for first: then what does not fit is refused, and nothing else changes.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use tlog::empty_root;

use crate::disk::{Mode, is_full};
use crate::error::Error;
use crate::group::{End, Group, Told, begin_segment, head_of_segment};
use crate::index::Index;
use crate::room::{SPARE_AFTER, Spare, spare_path};
use crate::segment::{Segment, journal_dir};
use crate::shared::{LogView, Queue, Shared};
use crate::stopwatch::Stopwatch;

/// Buffers larger than this are given back.
const BUFFER_BYTES_KEPT: usize = 16 << 20;
/// While the disk is busy anyway a thread is woken only for this much: about a dozen entries.
const GATHER_BYTES: usize = 8 << 10;

/// With this much in hand the disk does not wait for what came in meanwhile to be encoded.
const FLUSHED_AT_ONCE: u64 = 16 << 10;

/// Called once when the journal is poisoned, after everybody who waited was told. A server ends its process there.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) segment_bytes: u64,
    /// How far ahead room is made in a segment that grows; 0 makes none, and no spare.
    pub(crate) room_bytes: u64,
    pub(crate) on_fatal: Option<OnFatal>,
}

/// What passes between the stages.
#[derive(Default)]
pub(crate) struct Stages {
    /// Here unless somebody works on it.
    pub(crate) end: Option<End>,
    /// Encoded, and still open for more.
    pub(crate) ready: Option<Group>,
    flushing: bool,
    /// Appends of the batch that is being flushed.
    flushing_items: usize,
    /// In order, with the microseconds that it took or the reason why it failed.
    pub(crate) finished: VecDeque<(Group, Result<u64, String>)>,
    pub(crate) telling: bool,
    sleeping: usize,
    /// A sleeper was called and has not looked yet: calling again would cost each append a system call.
    called: bool,
    buffers: Vec<Vec<u8>>,
}

/// What a thread does next.
enum Task {
    Flush,
    Tell,
    Gather,
    Sleep,
    Stop,
}

impl Stages {
    pub(crate) fn new(end: End) -> Self {
        Self { end: Some(end), ..Self::default() }
    }

    /// Whether somebody sleeps who was not called yet: whoever asks calls, best when the queue is not locked any more.
    fn call(&mut self) -> bool {
        let calls = self.sleeping > 0 && !self.called;
        self.called |= calls;
        calls
    }
}

impl Queue {
    /// Called after an append: whether a sleeping thread should look. Whoever tells gathers afterwards, so what its
    /// callbacks append calls another thread only when there is enough of it.
    pub(crate) fn wakes(&mut self) -> bool {
        let stages = &self.stages;
        let first = stages.ready.is_none() && !stages.telling;
        stages.end.is_some()
            && (!stages.flushing || first || self.bytes >= GATHER_BYTES)
            && self.stages.call()
    }

    /// What a batch takes in while the disk is busy: half of all that is not durable yet. If it took everything, a
    /// large batch and a small one would take turns, and nothing would be left to prepare during the large one.
    fn share(&self, ready: usize) -> usize {
        (self.stages.flushing_items + ready + self.waiting.len()).div_ceil(2)
    }
}

impl Writer {
    /// Runs until closed and drained, or poisoned. Two threads run it.
    pub(crate) fn run(&self) {
        let guard = Guard { shared: self.shared.clone(), on_fatal: self.on_fatal.clone() };
        let mut queue = self.shared.queue();
        loop {
            queue = match self.next(&queue) {
                Task::Flush => self.flush(queue),
                Task::Tell => self.tell(queue),
                Task::Gather => self.gather(queue),
                Task::Sleep => {
                    queue.stages.sleeping += 1;
                    let mut queue = self.shared.work.wait(queue).expect("no panic while the lock is held");
                    queue.stages.sleeping -= 1;
                    queue.stages.called = false;
                    if self.shared.issuing.load(Ordering::Relaxed) {
                        drop(queue);
                        // The system may have put this thread in the place of the one that called it, which was about
                        // to give the disk its next batch.
                        std::thread::yield_now();
                        queue = self.shared.queue();
                    }
                    queue
                }
                Task::Stop => {
                    self.shared.work.notify_all();
                    break;
                }
            };
        }
        drop(queue);
        drop(guard);
    }

    fn next(&self, queue: &Queue) -> Task {
        let stages = &queue.stages;
        let poisoned = queue.poisoned.is_some();
        let gather = !poisoned && self.may_gather(queue);
        // The disk first: it is what everybody waits for.
        if !poisoned && !stages.flushing && stages.end.is_some() {
            match &stages.ready {
                Some(group) if group.topped || !gather || group.bytes >= FLUSHED_AT_ONCE => {
                    return Task::Flush;
                }
                Some(_) => return Task::Gather,
                None => {}
            }
        }
        if !stages.telling && !stages.finished.is_empty() {
            return Task::Tell;
        }
        if gather {
            return Task::Gather;
        }
        let drained = queue.waiting.is_empty() && stages.ready.is_none() && stages.end.is_some();
        if poisoned || (queue.closing && drained) { Task::Stop } else { Task::Sleep }
    }

    fn may_gather(&self, queue: &Queue) -> bool {
        let stages = &queue.stages;
        let (Some(end), Some(first)) = (&stages.end, queue.waiting.front()) else { return false };
        match &stages.ready {
            // A new segment is begun only when the disk is free.
            None => !(stages.flushing && self.must_roll(end, first.len(), queue.spare.is_some())),
            Some(group) => {
                group.takes(first.len(), end.len, self.segment_bytes)
                    && if stages.flushing {
                        queue.bytes >= GATHER_BYTES && group.told.len() < queue.share(group.told.len())
                    } else {
                        !group.topped
                    }
            }
        }
    }

    fn must_roll(&self, end: &End, len: usize, spare: bool) -> bool {
        end.len > 0 && (end.len + len as u64 > self.segment_bytes || (spare && !end.filled))
    }

    /// Encodes what waits, as far as it goes into one write.
    fn gather<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        let mut end = queue.stages.end.take().expect("looked for before");
        let mut group = queue.stages.ready.take();
        let first = queue.waiting.front().expect("looked for before").len();
        let roll = group.is_none() && self.must_roll(&end, first, queue.spare.is_some());
        let spare = if roll { queue.spare.take() } else { None };
        // INVARIANT: nobody flushes meanwhile, because a segment is begun only when the disk is free.
        queue.stages.flushing |= roll;
        let buffer =
            if group.is_none() { queue.stages.buffers.pop().unwrap_or_default() } else { Vec::new() };
        let mut group = group.take().unwrap_or_else(|| Group::new(buffer));
        group.topped = roll || !queue.stages.flushing;
        let len = if roll { 0 } else { end.len };
        let (mut items, mut sum) = (Vec::new(), 0);
        let share = if queue.stages.flushing_items > 0 { queue.share(group.told.len()) } else { usize::MAX };
        while let Some(item) = queue.waiting.pop_front_if(|item| {
            (items.is_empty() && group.told.is_empty())
                || (group.told.len() + items.len() < share
                    && group.takes(sum + item.len(), len, self.segment_bytes))
        }) {
            sum += item.len();
            items.push(item);
        }
        queue.bytes -= sum;
        let calls = self.leaves_work(&queue) && queue.stages.call();
        drop(queue);
        if calls {
            self.shared.work.notify_one();
        }

        let mut result = if roll { self.roll(&mut end, spare, sum) } else { Ok(true) };
        if matches!(result, Ok(true)) && self.room_bytes > 0 {
            let made = self.make_room(&mut end, group.reach(sum, 0) + if roll { 0 } else { len });
            result = made.map_err(|error| format!("room could not be made: {error}"));
        }
        let mut refused = Vec::new();
        match result {
            Ok(true) => items.into_iter().for_each(|item| group.push(&mut end, item)),
            Ok(false) => refused = items,
            Err(_) => group.told.extend(items.into_iter().map(Told::of)),
        }

        let mut queue = self.shared.queue();
        queue.stages.flushing &= !roll;
        if !refused.is_empty() {
            refused.extend(queue.refuse(&end));
        }
        queue.stages.end = Some(end);
        match result {
            Ok(_) if group.told.is_empty() => {}
            Ok(_) if queue.poisoned.is_none() => queue.stages.ready = Some(group),
            result => {
                let cause = queue.poisoned.clone().or(result.err()).unwrap_or_default();
                queue.poisoned.get_or_insert_with(|| cause.clone());
                queue.stages.finished.push_back((group, Err(cause)));
                self.shared.work.notify_all();
            }
        }
        if refused.is_empty() {
            return queue;
        }
        drop(queue);
        for item in refused {
            Told::of(item).tell(Err(Error::DiskFull));
        }
        self.shared.queue()
    }

    /// Makes sure that the segment has its place on the disk up to a byte; `false` where there is no room.
    fn make_room(&self, end: &mut End, to: u64) -> io::Result<bool> {
        if to <= end.room {
            return Ok(true);
        }
        let ahead = to.max((end.len + self.room_bytes).min(self.segment_bytes));
        end.filled = false;
        match end.file.allocate(ahead) {
            Ok(()) => end.room = ahead,
            Err(error) if is_full(&error) => {
                // From here on nothing new is taken in; the reserve is for what was.
                self.shared.queue().full = true;
                self.shared.reserve.release(&*self.shared.disk)?;
                match end.file.allocate(to) {
                    Ok(()) => end.room = to,
                    Err(error) if is_full(&error) => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Writes and flushes what is ready.
    fn flush<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        let mut group = queue.stages.ready.take().expect("looked for before");
        let mut end = queue.stages.end.take().expect("looked for before");
        queue.stages.flushing = true;
        queue.stages.flushing_items = group.told.len();
        self.shared.issuing.store(true, Ordering::Relaxed);
        drop(queue);
        let at = end.len;
        group.close(&mut end);
        let file = end.file.clone();
        self.want_spare(&end);

        let mut queue = self.shared.queue();
        queue.stages.end = Some(end);
        let calls = self.leaves_work(&queue) && queue.stages.call();
        drop(queue);
        if calls {
            self.shared.work.notify_one();
        }

        let watch = Stopwatch::start();
        let result = if group.buffer.is_empty() {
            self.shared.issuing.store(false, Ordering::Relaxed);
            Ok(())
        } else {
            let wrote = file.write_at(&group.buffer, at).map_err(|error| format!("a write failed: {error}"));
            self.shared.issuing.store(false, Ordering::Relaxed);
            wrote.and_then(|()| file.sync().map_err(|error| format!("a flush failed: {error}")))
        };
        let micros = watch.micros();

        let mut queue = self.shared.queue();
        queue.stages.flushing = false;
        queue.stages.flushing_items = 0;
        if let Err(cause) = &result {
            // At once, so that nobody can append between the answers.
            queue.poisoned.get_or_insert_with(|| cause.clone());
        }
        queue.stages.finished.push_back((group, result.map(|()| micros)));
        // This thread goes on, and calls another one when it knows with what. Only an end concerns all.
        if queue.poisoned.is_some() || queue.closing {
            self.shared.work.notify_all();
        }
        queue
    }

    /// Whether there is something to do for another thread than the one that asks and has chosen its own task.
    fn leaves_work(&self, queue: &Queue) -> bool {
        let tell = !queue.stages.telling && !queue.stages.finished.is_empty();
        queue.poisoned.is_some() || tell || self.may_gather(queue)
    }

    /// Tells everybody whose batch is finished, in order.
    fn tell<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        queue.stages.telling = true;
        while let Some((mut group, result)) = queue.stages.finished.pop_front() {
            let calls = self.leaves_work(&queue) && queue.stages.call();
            drop(queue);
            if calls {
                self.shared.work.notify_one();
            }
            match result {
                Ok(micros) => {
                    self.publish(&mut group, micros);
                    for told in group.told.drain(..) {
                        told.tell(Ok(()));
                    }
                }
                Err(cause) => self.fail(&cause, group.told.drain(..).collect()),
            }
            queue = self.shared.queue();
            let mut buffer = group.buffer;
            buffer.clear();
            buffer.shrink_to(BUFFER_BYTES_KEPT);
            queue.stages.buffers.push(buffer);
            // The disk is free again, and nobody else looks after it.
            if !queue.stages.flushing && queue.stages.ready.is_some() && queue.stages.call() {
                self.shared.work.notify_one();
            }
        }
        queue.stages.telling = false;
        queue
    }

    /// Begins a new segment, in the spare if there is one. `false` where there is no room; nothing changed then.
    fn roll(&self, end: &mut End, spare: Option<Spare>, need: usize) -> Result<bool, String> {
        self.try_roll(end, spare, need as u64)
            .map_err(|error| format!("a new segment could not be begun: {error}"))
    }

    fn try_roll(&self, end: &mut End, spare: Option<Spare>, need: u64) -> io::Result<bool> {
        let segment = Segment { first: end.state.frames, ordinal: end.segment.ordinal + 1 };
        let shared = &self.shared;
        let path = segment.path(&shared.dir);
        let (old, len) = (end.file.clone(), end.len);
        let mut state = end.state.clone();
        let (file, room, filled) = if let Some(Spare { file, len }) = spare {
            shared.disk.rename(&spare_path(&shared.dir), &path)?;
            (file, len, true)
        } else {
            match shared.disk.open(&path, Mode::Write) {
                Err(error) if is_full(&error) => return Ok(false),
                file => (file?, 0, false),
            }
        };
        let mut next = End { state: end.state.clone(), file, segment, len: 0, room, filled };
        if self.room_bytes > 0 {
            let head = head_of_segment(&mut state).len() as u64;
            if !self.make_room(&mut next, head + need)? {
                // Smaller entries still fit the segment that is there and take the numbers from this one on: what
                // stayed would look like a segment out of its place. A crash before this leaves it as the last one,
                // which was never written to.
                shared.disk.remove(&path)?;
                shared.disk.sync_dir(&journal_dir(&shared.dir))?;
                return Ok(false);
            }
        }
        next.len = begin_segment(&mut next.state, &*next.file)?;
        shared.disk.sync_dir(&journal_dir(&shared.dir))?;
        // Only tidiness: zeros behind the last batch mean nothing, so this needs no flush.
        if end.room > len {
            old.truncate(len)?;
        }
        let mut view = shared.view_mut();
        view.segments.push((segment, next.len));
        view.health.segments += 1;
        view.health.bytes += next.len;
        drop(view);
        *end = next;
        Ok(true)
    }

    /// Asks for a spare in good time.
    fn want_spare(&self, end: &End) {
        let wanted = end.len > SPARE_AFTER.min(self.segment_bytes / 2);
        if !wanted || self.room_bytes == 0 {
            return;
        }
        let none = self.shared.queue().spare.is_none();
        let mut gate = self.shared.spare_gate();
        if none && !gate.wanted && !gate.failed {
            gate.wanted = true;
            self.shared.spare_wanted.notify_one();
        }
    }

    /// Makes a group visible to readers.
    fn publish(&self, group: &mut Group, micros: u64) {
        let mut view = self.shared.view_mut();
        for (name, vkey) in group.defined.drain(..) {
            view.logs.push(LogView {
                front: tlog::Tree::default(),
                name,
                vkey,
                former: Vec::new(),
                signer: None,
                size: 0,
                root: empty_root(),
                index: Index::default(),
                checkpoint: None,
            });
        }
        for (log, size, root) in group.heads.drain(..) {
            let seen = &mut view.logs[log as usize];
            seen.size = size;
            seen.root = root;
        }
        for (log, mark) in group.marks.drain(..) {
            view.logs[log as usize].index.note(mark);
        }
        view.segments[group.segment].1 = group.end;
        let health = &mut view.health;
        if !group.buffer.is_empty() {
            health.flushes += 1;
            health.entries += group.entries;
            health.batch_last = group.entries;
            health.batch_max = health.batch_max.max(group.entries);
            health.flush_micros_last = micros;
            health.flush_micros_total += micros;
            health.bytes += group.buffer.len() as u64;
        }
        drop(view);
        let mut gate = self.shared.gate();
        if !gate.dirty {
            gate.dirty = true;
            self.shared.tick.notify_all();
        }
    }

    fn fail(&self, cause: &str, told: Vec<Told>) {
        self.shared.mark_poisoned(cause);
        for told in told {
            told.tell(Err(Error::Poisoned(cause.to_owned())));
        }
        self.shared.poison(cause);
        fatal(&self.shared, self.on_fatal.as_ref(), cause);
    }
}

/// The server is told once, whoever comes first.
fn fatal(shared: &Shared, on_fatal: Option<&OnFatal>, cause: &str) {
    if let Some(on_fatal) = on_fatal.filter(|_| !shared.fatal.swap(true, Ordering::SeqCst)) {
        on_fatal(cause);
    }
}

/// A panic on a writer's thread (in a callback, say) must not leave everybody waiting.
struct Guard {
    shared: Arc<Shared>,
    on_fatal: Option<OnFatal>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let cause = "the writer stopped unexpectedly";
            self.shared.poison(cause);
            fatal(&self.shared, self.on_fatal.as_ref(), cause);
        }
    }
}
