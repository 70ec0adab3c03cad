//! What a server is started with, checked before anything is opened.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use kernel::clock::Entropy;
use kernel::id::WorkspaceId;
use vault::RootKey;

use crate::logs::PLATFORM_LOG;

/// The port unless told otherwise.
const PORT: u16 = 7400;
/// Free bytes below which somebody is told, unless told otherwise: 1 GiB.
pub(crate) const LOW_SPACE: u64 = 1 << 30;
/// Who sends slower than this is cut off: each connection takes a place.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
/// Each round costs a flush of every witness.
const WITNESS_INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);

/// What a server is started with.
#[derive(Clone)]
pub struct Config {
    /// The data directory; made if it does not exist.
    pub data: PathBuf,
    /// Name of the workspace.
    pub workspace: String,
    /// Address to listen on. Loopback only in this version.
    pub listen: SocketAddr,
    /// File of the root key, outside the data directory; made at the first start.
    pub root_key_file: Option<PathBuf>,
    /// The root key itself, as 64 hexadecimal digits. Goes before the file.
    pub root_key: Option<String>,
    /// Host names, besides those of loopback, under which the server may be addressed.
    pub allowed_hosts: Vec<String>,
    /// Whether everybody who reaches the server may read the log: checkpoint, tiles, entries.
    pub publish_log: bool,
    /// Bytes that the data directory may take; at it no new proposals are taken.
    pub quota: Option<u64>,
    /// Free bytes on the disk below which somebody is told.
    pub low_space: u64,
    /// Bytes at which the journal begins another segment; pruning takes whole ones.
    pub segment_bytes: u64,
    /// Witnesses that are shown every checkpoint, with their addresses.
    pub witnesses: Option<tlog::Policy>,
    /// How often they are, at most.
    pub witness_interval: std::time::Duration,
    /// The longest that the head of a request may take, its body, and that a connection may idle between requests.
    pub patience: std::time::Duration,
    /// Bounds of the engine.
    pub limits: engine::Limits,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { data, workspace, listen, .. } = self;
        write!(f, "Config {{ {}, {workspace}, {listen} }}", data.display())
    }
}

impl Config {
    /// The defaults for a data directory.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            workspace: "main".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            root_key_file: None,
            root_key: None,
            allowed_hosts: vec![],
            publish_log: false,
            segment_bytes: journal::Options::default().segment_bytes,
            quota: None,
            low_space: LOW_SPACE,
            witnesses: None,
            witness_interval: WITNESS_INTERVAL,
            patience: PATIENCE,
            limits: engine::Limits::default(),
        }
    }

    /// The workspace's name, if everything is as it must be.
    pub(crate) fn check(&self) -> Result<WorkspaceId> {
        if !self.listen.ip().is_loopback() {
            bail!(
                "this version serves loopback addresses only, and `{}` is none: it has no TLS of its own yet; listen \
                 on 127.0.0.1",
                self.listen
            );
        }
        let workspace: WorkspaceId = self.workspace.parse()?;
        if workspace.as_str() == PLATFORM_LOG {
            bail!("a workspace cannot be called `{PLATFORM_LOG}`: the server's own log has that name");
        }
        Ok(workspace)
    }

    /// The root key. A file that is not there is made where chance is given.
    pub(crate) fn root_key(&self, make: Option<&dyn Entropy>) -> Result<RootKey> {
        Ok(match &self.root_key {
            Some(text) => RootKey::from_text(text, "COUNTERSIGN_ROOT_KEY")?,
            None => RootKey::from_file(&self.root_key_path()?, &self.data, make)?,
        })
    }

    /// Where the root key lies: as told, else in the user's configuration.
    pub(crate) fn root_key_path(&self) -> Result<PathBuf> {
        let home = || {
            std::env::var_os("XDG_CONFIG_HOME")
                .map(PathBuf::from)
                .filter(|dir| dir.is_absolute())
                .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")))
                .map(|dir| dir.join("countersign").join("root.key"))
        };
        self.root_key_file
            .clone()
            .or_else(home)
            .context("no place for the root key is known: give --root-key FILE")
    }
}
