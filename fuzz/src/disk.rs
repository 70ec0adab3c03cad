//! A disk that holds one segment and nothing else, and is only read.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::Arc;

use journal::disk::{Disk, File, Held, Mode};

#[derive(Clone, Debug)]
pub struct OneSegment(pub Arc<[u8]>);

fn read_only<T>() -> Result<T> {
    Err(Error::from(ErrorKind::ReadOnlyFilesystem))
}

impl Disk for OneSegment {
    fn create_dir(&self, _: &Path) -> Result<()> {
        read_only()
    }

    fn list(&self, path: &Path) -> Result<Vec<String>> {
        let holds = path.ends_with("journal");
        Ok(if holds { vec!["0000000000000000.seg".to_owned()] } else { vec![] })
    }

    fn open(&self, path: &Path, _: Mode) -> Result<Arc<dyn File>> {
        if path.extension().is_some_and(|kind| kind == "seg") {
            Ok(Arc::new(self.clone()))
        } else {
            Err(Error::from(ErrorKind::NotFound))
        }
    }

    fn rename(&self, _: &Path, _: &Path) -> Result<()> {
        read_only()
    }

    fn remove(&self, _: &Path) -> Result<()> {
        read_only()
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        read_only()
    }

    fn lock(&self, _: &Path, _: &Path) -> std::result::Result<Box<dyn Held>, journal::Error> {
        Err(journal::Error::Closed)
    }
}

impl File for OneSegment {
    fn length(&self) -> Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> Result<()> {
        read_only()
    }

    fn sync(&self) -> Result<()> {
        read_only()
    }

    fn truncate(&self, _: u64) -> Result<()> {
        read_only()
    }

    fn allocate(&self, _: u64) -> Result<()> {
        read_only()
    }
}
