//! A disk that remembers everything that was asked of it, and what of it a crash would have left: names and pages that
//! were not flushed are there or not, as chance has it. On demand one call fails, or there is no room.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::disk::{Disk, File, Held, Mode};
use crate::{Error, NewEntry};

use super::memory::DIR;

/// What the page cache writes at once, and what a drive does.
const PAGE: usize = 4_096;
const SECTOR: usize = 512;

/// One thing that was asked, or happened meanwhile.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    MakeDir {
        path: PathBuf,
    },
    Create {
        path: PathBuf,
        inode: usize,
    },
    Write {
        inode: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    /// Cut, or made longer with zeros.
    Resize {
        inode: usize,
        len: usize,
    },
    Sync {
        inode: usize,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    SyncDir {
        path: PathBuf,
    },
    Note(Note),
}

/// What happened meanwhile, for whoever judges.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// An append was made.
    Submitted(Vec<NewEntry>),
    /// So many entries of each log were acknowledged.
    Acked([u64; 2]),
    /// What was not acknowledged by now was refused.
    Refused,
    /// The logs are to have their next keys, or have them.
    Succeeding,
    Succeeded,
    /// Entries before these are to go; what is needed to do without them is beside.
    Pruning {
        front: [u64; 2],
        base: (String, Vec<u8>),
    },
    /// They went.
    Pruned,
}

#[derive(Debug, Default)]
struct Inner {
    inodes: Vec<Vec<u8>>,
    names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    ops: Vec<Op>,
    locked: bool,
    /// Calls until one fails.
    failing: Option<usize>,
    failed: bool,
    /// Bytes that all files may have together.
    capacity: Option<usize>,
    /// From which operation on there is room for so many bytes more, and no others.
    full_at: Option<(usize, usize)>,
    /// Whether something was refused for want of room.
    was_full: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<Inner>>);

impl Recorder {
    pub(crate) fn note(&self, note: Note) {
        self.0.lock().unwrap().ops.push(Op::Note(note));
    }

    pub(crate) fn ops(&self) -> Vec<Op> {
        self.0.lock().unwrap().ops.clone()
    }

    /// The call after `calls` others fails, once.
    pub(crate) fn fail_after(&self, calls: usize) {
        self.0.lock().unwrap().failing = Some(calls);
    }

    pub(crate) fn failed(&self) -> bool {
        self.0.lock().unwrap().failed
    }

    /// Every file there is.
    pub(crate) fn names(&self) -> Vec<PathBuf> {
        self.0.lock().unwrap().names.keys().cloned().collect()
    }

    /// Another disk with the same files, as the end of the process leaves them.
    pub(crate) fn copy(&self) -> Self {
        let inner = self.0.lock().unwrap();
        let (inodes, names, dirs) = (inner.inodes.clone(), inner.names.clone(), inner.dirs.clone());
        Self(Arc::new(Mutex::new(Inner { inodes, names, dirs, ..Inner::default() })))
    }

    /// All files together may have so many bytes more than now.
    pub(crate) fn leave_room(&self, bytes: Option<usize>) {
        let mut inner = self.0.lock().unwrap();
        inner.full_at = None;
        inner.capacity = bytes.map(|bytes| inner.used() + bytes);
    }

    /// The same, from operation `at` on.
    pub(crate) fn leave_room_at(&self, at: usize, bytes: usize) {
        self.0.lock().unwrap().full_at = Some((at, bytes));
    }

    /// Whether there is only so much room.
    pub(crate) fn is_limited(&self) -> bool {
        self.0.lock().unwrap().capacity.is_some()
    }

    /// Whether something was refused for want of room.
    pub(crate) fn was_full(&self) -> bool {
        self.0.lock().unwrap().was_full
    }
}

impl Inner {
    fn used(&self) -> usize {
        self.names.values().map(|inode| self.inodes[*inode].len()).sum()
    }

    fn may(&mut self) -> io::Result<()> {
        match self.failing {
            Some(0) => {
                self.failing = None;
                self.failed = true;
                Err(io::Error::other("the disk is moody"))
            }
            Some(calls) => {
                self.failing = Some(calls - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn grow(&mut self, inode: usize, len: usize) -> io::Result<()> {
        if let Some((at, bytes)) = self.full_at
            && self.ops.len() >= at
        {
            self.full_at = None;
            self.capacity = Some(self.used() + bytes);
        }
        let more = len.saturating_sub(self.inodes[inode].len());
        if more > 0 && self.capacity.is_some_and(|capacity| self.used() + more > capacity) {
            self.was_full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[derive(Debug)]
struct RecordedFile(usize, Recorder);

#[derive(Debug)]
struct Unlock(Recorder);

impl Held for Unlock {}

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().locked = false;
    }
}

impl Disk for Recorder {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        // Those above it first.
        let mut missing: Vec<&Path> = above(path).filter(|dir| !inner.dirs.contains(*dir)).collect();
        while let Some(dir) = missing.pop() {
            inner.may()?;
            inner.dirs.insert(dir.to_owned());
            inner.ops.push(Op::MakeDir { path: dir.to_owned() });
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let inner = self.0.lock().unwrap();
        let inside = inner.names.keys().filter(|file| file.parent() == Some(path));
        Ok(inside.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect())
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let mut inner = self.0.lock().unwrap();
        let inode = match inner.names.get(path) {
            Some(inode) => *inode,
            None if mode == Mode::Read || !inner.dirs.contains(path.parent().unwrap()) => {
                return Err(io::ErrorKind::NotFound.into());
            }
            None => {
                inner.may()?;
                let inode = inner.inodes.len();
                inner.inodes.push(Vec::new());
                inner.names.insert(path.to_owned(), inode);
                inner.ops.push(Op::Create { path: path.to_owned(), inode });
                inode
            }
        };
        Ok(Arc::new(RecordedFile(inode, self.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        inner.may()?;
        let inode = inner.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        inner.names.insert(to.to_owned(), inode);
        inner.ops.push(Op::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        if inner.names.contains_key(path) {
            inner.may()?;
            inner.names.remove(path);
            inner.ops.push(Op::Remove { path: path.to_owned() });
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        inner.may()?;
        inner.ops.push(Op::SyncDir { path: path.to_owned() });
        Ok(())
    }

    fn lock(&self, dir: &Path, _: &Path) -> Result<Box<dyn Held>, Error> {
        let mut inner = self.0.lock().unwrap();
        if std::mem::replace(&mut inner.locked, true) {
            return Err(Error::InUse { dir: dir.to_owned(), holder: String::new() });
        }
        Ok(Box::new(Unlock(self.clone())))
    }
}

impl File for RecordedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.1.0.lock().unwrap().inodes[self.0].len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let inner = self.1.0.lock().unwrap();
        let rest = inner.inodes[self.0].get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.1.0.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        inner.grow(self.0, at + bytes.len())?;
        let result = inner.may();
        let bytes = if result.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        put(&mut inner.inodes[self.0], at, bytes);
        inner.ops.push(Op::Write { inode: self.0, at, bytes: bytes.to_vec() });
        result
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.1.0.lock().unwrap();
        inner.may()?;
        inner.ops.push(Op::Sync { inode: self.0 });
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut inner = self.1.0.lock().unwrap();
        inner.may()?;
        let len = usize::try_from(len).unwrap();
        inner.inodes[self.0].resize(len, 0);
        inner.ops.push(Op::Resize { inode: self.0, len });
        Ok(())
    }

    fn allocate(&self, end: u64) -> io::Result<()> {
        let mut inner = self.1.0.lock().unwrap();
        let len = inner.inodes[self.0].len().max(usize::try_from(end).unwrap());
        inner.grow(self.0, len)?;
        inner.may()?;
        inner.inodes[self.0].resize(len, 0);
        inner.ops.push(Op::Resize { inode: self.0, len });
        Ok(())
    }
}

/// A directory and those above it, the data directory's parent not counted: that one is always there.
fn above(dir: &Path) -> impl Iterator<Item = &Path> {
    dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty())
}

fn put(all: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let len = all.len().max(at + bytes.len());
    all.resize(len, 0);
    all[at..at + bytes.len()].copy_from_slice(bytes);
}

/// What of the things that were not flushed a crash leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// All: only the process ended.
    Everything,
    Nothing,
    /// Each page and each name, or not.
    Some,
    /// All, and of the last write only some of its sectors.
    TornSector,
    /// All contents, but no names.
    NoNames,
}

/// What is on the disk while the operations are played again.
#[derive(Clone, Default)]
pub(crate) struct Platter {
    files: Vec<(Vec<u8>, Vec<Op>)>,
    names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    names_pending: Vec<Op>,
}

impl Platter {
    pub(crate) fn play(&mut self, op: &Op) {
        match op {
            Op::Create { inode, .. } => {
                assert_eq!(*inode, self.files.len());
                self.files.push(Default::default());
                self.names_pending.push(op.clone());
            }
            Op::MakeDir { .. } | Op::Rename { .. } | Op::Remove { .. } => self.names_pending.push(op.clone()),
            Op::Write { inode, .. } | Op::Resize { inode, .. } => self.files[*inode].1.push(op.clone()),
            Op::Sync { inode } => {
                let (bytes, pending) = &mut self.files[*inode];
                for op in pending.drain(..) {
                    apply(bytes, &op);
                }
            }
            Op::SyncDir { path } => {
                // What is in no directory is in that one.
                let path = if path == Path::new(".") { Path::new("") } else { path };
                let inside = |op: &Op| {
                    let (Op::MakeDir { path: at }
                    | Op::Create { path: at, .. }
                    | Op::Rename { to: at, .. }
                    | Op::Remove { path: at }) = op
                    else {
                        return false;
                    };
                    at.parent() == Some(path)
                };
                let (done, rest) = std::mem::take(&mut self.names_pending).into_iter().partition(inside);
                self.names_pending = rest;
                let done: Vec<Op> = done;
                for op in &done {
                    name(&mut self.names, &mut self.dirs, op);
                }
            }
            Op::Note(_) => {}
        }
    }

    /// The files after a crash, named as seen from the data directory.
    pub(crate) fn crash(&self, left: Left, chance: &mut Chance) -> BTreeMap<String, Vec<u8>> {
        let (mut names, mut dirs) = (self.names.clone(), self.dirs.clone());
        for op in &self.names_pending {
            let kept = match left {
                Left::Everything | Left::TornSector => true,
                Left::Nothing | Left::NoNames => false,
                Left::Some => chance.coin(),
            };
            if kept {
                name(&mut names, &mut dirs, op);
            }
        }
        // Whatever is in a directory goes with its name.
        let there = |path: &Path| above(path.parent().unwrap()).all(|dir| dirs.contains(dir));
        let files = names.into_iter().filter(|(path, _)| there(path)).map(|(path, inode)| {
            let (bytes, pending) = &self.files[inode];
            let mut bytes = bytes.clone();
            for (number, op) in pending.iter().enumerate() {
                match (left, op) {
                    (Left::Nothing, _) => {}
                    (Left::Some, Op::Write { at, bytes: new, .. }) => {
                        pieces(&mut bytes, *at, new, PAGE, chance);
                    }
                    (Left::Some, _) if chance.coin() => {}
                    (Left::TornSector, Op::Write { at, bytes: new, .. }) if number + 1 == pending.len() => {
                        pieces(&mut bytes, *at, new, SECTOR, chance);
                    }
                    _ => apply(&mut bytes, op),
                }
            }
            let name = path.strip_prefix(DIR).unwrap().to_str().unwrap().to_owned();
            (name, bytes)
        });
        files.collect()
    }
}

/// Those parts of a write that chance keeps.
fn pieces(all: &mut Vec<u8>, at: usize, new: &[u8], size: usize, chance: &mut Chance) {
    let mut from = 0;
    while from < new.len() {
        let to = ((at + from) / size + 1) * size - at;
        let to = to.min(new.len());
        if chance.coin() {
            put(all, at + from, &new[from..to]);
        }
        from = to;
    }
}

fn apply(bytes: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Write { at, bytes: new, .. } => put(bytes, *at, new),
        Op::Resize { len, .. } => bytes.resize(*len, 0),
        _ => unreachable!("not of contents"),
    }
}

fn name(names: &mut BTreeMap<PathBuf, usize>, dirs: &mut BTreeSet<PathBuf>, op: &Op) {
    match op {
        Op::MakeDir { path } => drop(dirs.insert(path.clone())),
        Op::Create { path, inode } => drop(names.insert(path.clone(), *inode)),
        Op::Rename { from, to } => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        Op::Remove { path } => drop(names.remove(path)),
        _ => unreachable!("not of names"),
    }
}

/// Chance from a seed (SplitMix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.draw() & 1 == 1
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % end as u64).unwrap()
    }
}
