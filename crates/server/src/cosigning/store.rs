//! Cosigned checkpoints and disputes, on disk (docs/format.md).
//!
//! Apart from the journal's own checkpoints: those anchor its recovery, these are for outsiders, and losing them loses
//! nothing but a round. Disputes are kept until a person takes the file away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use kernel::clock::Millis;
use serde::{Deserialize, Serialize};
use tlog::NOTE_BYTES_MAX;

/// The file of disputes, from the data directory.
pub(crate) const DISPUTES: &str = "cosigned/disputes.jsonl";
/// Disputes that are kept: one would be enough to act on.
pub(crate) const DISPUTES_MAX: usize = 100;
/// A line of the file, with room for the checkpoint.
const LINE_BYTES_MAX: u64 = 2 * NOTE_BYTES_MAX as u64;

/// A witness said that it holds another history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dispute {
    /// When it said so.
    pub(crate) at: Millis,
    /// Its name in the policy.
    pub(crate) witness: String,
    /// Its verifier key.
    pub(crate) key: String,
    /// The log.
    pub(crate) log: String,
    /// 409 or 422.
    pub(crate) status: u16,
    /// The size that it named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// The size from which it was asked to go on.
    pub(crate) old: u64,
    /// The checkpoint that it was shown.
    pub(crate) checkpoint: String,
    /// What it said.
    pub(crate) answer: String,
}

impl Dispute {
    /// Whether this was said before.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.key, &self.log, self.status, self.size) == (&other.key, &other.log, other.status, other.size)
    }
}

/// The folder `cosigned` of a data directory.
#[derive(Debug)]
pub(crate) struct Store {
    place: PathBuf,
}

impl Store {
    pub(crate) fn open(data: &Path) -> Result<Self> {
        let place = data.join("cosigned");
        fs::create_dir_all(&place).with_context(|| format!("`{}` cannot be made", place.display()))?;
        sync(data).with_context(|| format!("`{}` cannot be flushed", data.display()))?;
        Ok(Self { place })
    }

    /// The cosigned checkpoint of a log.
    pub(crate) fn cosigned(&self, log: &str) -> Result<Option<String>> {
        let path = self.file(log);
        match File::open(&path) {
            Ok(file) => {
                let mut note = String::new();
                file.take(NOTE_BYTES_MAX as u64)
                    .read_to_string(&mut note)
                    .with_context(|| format!("`{}` cannot be read", path.display()))?;
                Ok(Some(note))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        }
    }

    /// Replaces it at once.
    pub(crate) fn keep(&self, log: &str, note: &str) -> io::Result<()> {
        let path = self.file(log);
        let draft = path.with_file_name(format!(".{}.new", log.replace('/', "~")));
        let mut file = File::create(&draft)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        sync(&self.place)
    }

    /// What witnesses said.
    pub(crate) fn disputes(&self) -> Result<Vec<Dispute>> {
        let path = self.place.join("disputes.jsonl");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        };
        let lines =
            BufReader::new(file.take(DISPUTES_MAX as u64 * LINE_BYTES_MAX)).lines().take(DISPUTES_MAX);
        // A line that a crash cut says nothing; the witness will say it again.
        Ok(lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect())
    }

    /// Adds one; durable on return.
    pub(crate) fn dispute(&self, dispute: &Dispute) -> io::Result<()> {
        let mut file =
            OpenOptions::new().create(true).append(true).open(self.place.join("disputes.jsonl"))?;
        let mut line = kernel::json::canonical(dispute);
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_all()?;
        sync(&self.place)
    }

    /// Where it is.
    pub(crate) fn file(&self, log: &str) -> PathBuf {
        self.place.join(log.replace('/', "~"))
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
