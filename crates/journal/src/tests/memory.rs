//! A disk in memory: quick enough to try every byte, and moody on demand.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::disk::{Disk, File, Held, Mode};
use crate::verify::verify_on;
use crate::{Error, Fault, FileJournal, Options, Recovery, Verified};

use super::world::options;

/// What fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// Writes get halfway.
    Writes,
    Flushes,
    Renames,
    NewFiles,
}

type Bytes = Arc<Mutex<Vec<u8>>>;

/// A file system that holds one data directory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    files: Arc<Mutex<BTreeMap<PathBuf, Bytes>>>,
    mood: Arc<Mutex<Mood>>,
}

pub(crate) const DIR: &str = "data";

impl Memory {
    /// Another disk with the same files: what a crash leaves.
    pub(crate) fn copy(&self) -> Self {
        let files = self.files.lock().unwrap();
        let copies = files.iter().map(|(path, bytes)| {
            let bytes = bytes.lock().unwrap().clone();
            (path.clone(), Arc::new(Mutex::new(bytes)))
        });
        Self { files: Arc::new(Mutex::new(copies.collect())), mood: Arc::default() }
    }

    /// A disk with these files, named as seen from the data directory.
    pub(crate) fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let files =
            files.into_iter().map(|(name, bytes)| (Path::new(DIR).join(name), Arc::new(Mutex::new(bytes))));
        Self { files: Arc::new(Mutex::new(files.collect())), mood: Arc::default() }
    }

    /// Another disk with other bytes in one file.
    pub(crate) fn with(&self, name: &str, bytes: &[u8]) -> Self {
        let copy = self.copy();
        copy.files.lock().unwrap().insert(Path::new(DIR).join(name), Arc::new(Mutex::new(bytes.to_vec())));
        copy
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        self.files.lock().unwrap()[&Path::new(DIR).join(name)].lock().unwrap().clone()
    }

    /// Takes a file away.
    pub(crate) fn forget(&self, name: &str) {
        self.files.lock().unwrap().remove(&Path::new(DIR).join(name)).unwrap();
    }

    pub(crate) fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn try_open(&self) -> Result<(FileJournal, Recovery), Error> {
        self.open_with(options())
    }

    pub(crate) fn open_with(&self, options: Options) -> Result<(FileJournal, Recovery), Error> {
        FileJournal::open_on(Arc::new(self.clone()), Path::new(DIR), options)
    }

    pub(crate) fn open(&self) -> FileJournal {
        self.try_open().unwrap().0
    }

    pub(crate) fn verify(&self) -> Result<Verified, Fault> {
        verify_on(self, Path::new(DIR), &BTreeMap::new(), &mut |_| {})
    }

    pub(crate) fn verify_with(&self, keys: &BTreeMap<String, String>) -> Result<Verified, Fault> {
        verify_on(self, Path::new(DIR), keys, &mut |_| {})
    }

    /// What is wrong.
    pub(crate) fn fault(&self) -> Fault {
        match self.verify() {
            Ok(verified) => panic!("nothing is wrong: {verified:?}"),
            Err(fault) => fault,
        }
    }

    fn check(&self, mood: Mood) -> io::Result<()> {
        if *self.mood.lock().unwrap() == mood { Err(io::Error::other("the disk is moody")) } else { Ok(()) }
    }
}

#[derive(Debug)]
struct MemoryFile(Bytes, Memory);

#[derive(Debug)]
struct NoLock;

impl Held for NoLock {}

impl Disk for Memory {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let files = self.files.lock().unwrap();
        let inside = files.keys().filter(|file| file.parent() == Some(path));
        Ok(inside.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect())
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let mut files = self.files.lock().unwrap();
        let bytes = match files.get(path) {
            Some(bytes) => bytes.clone(),
            None if mode == Mode::Read => return Err(io::ErrorKind::NotFound.into()),
            None => {
                self.check(Mood::NewFiles)?;
                files.entry(path.to_owned()).or_default().clone()
            }
        };
        Ok(Arc::new(MemoryFile(bytes, self.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Mood::Renames)?;
        let mut files = self.files.lock().unwrap();
        let bytes = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.lock().unwrap().remove(path);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path, _: &Path) -> Result<Box<dyn Held>, Error> {
        Ok(Box::new(NoLock))
    }
}

impl File for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.0.lock().unwrap();
        let rest = bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let failed = self.1.check(Mood::Writes);
        let written = if failed.is_err() { &bytes[..bytes.len() / 2] } else { bytes };
        let mut all = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let end = start + written.len();
        let len = all.len().max(end);
        all.resize(len, 0);
        all[start..end].copy_from_slice(written);
        failed
    }

    fn sync(&self) -> io::Result<()> {
        self.1.check(Mood::Flushes)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn allocate(&self, end: u64) -> io::Result<()> {
        let mut all = self.0.lock().unwrap();
        let len = all.len().max(usize::try_from(end).unwrap());
        all.resize(len, 0);
        Ok(())
    }
}
