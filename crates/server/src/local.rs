//! `server.json`: how the CLI of this machine finds the server, with a token for its operator.
//!
//! Only the user who runs the server can read it. The token is new at each start; the file goes at a clean end.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The file's name in the data directory.
const NAME: &str = "server.json";

/// The file, removed when told.
#[derive(Debug)]
pub(crate) struct LocalFile(PathBuf);

impl LocalFile {
    /// Writes it anew, whole or not at all.
    pub(crate) fn write(data: &Path, url: &str, token: &str, root_key: Option<&Path>) -> Result<Self> {
        let (path, fresh) = (data.join(NAME), data.join("server.json.new"));
        let text = serde_json::json!({
            "url": url,
            "token": token,
            "version": env!("CARGO_PKG_VERSION"),
            "root_key": root_key,
        });
        let write = || {
            if fresh.exists() {
                fs::remove_file(&fresh)?;
            }
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        };
        write().with_context(|| format!("`{}` cannot be written", path.display()))?;
        Ok(Self(path))
    }

    /// Removes it.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(%error, "server.json could not be removed");
        }
    }
}
