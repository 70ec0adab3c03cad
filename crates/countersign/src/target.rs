//! Which server a command talks to, and with which credential.
//!
//! Given by flag or environment; otherwise the server of this machine, which leaves its address and a token for the
//! local operator in `server.json` of its data directory, readable by its user only.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::cli::Global;
use crate::failure::Failure;

/// The file that a running server leaves in its data directory.
pub(crate) const SERVER_FILE: &str = "server.json";

/// Where to go and as whom.
#[derive(Clone)]
pub(crate) struct Target {
    /// `http://127.0.0.1:7400`
    pub(crate) url: String,
    /// API key or operator token.
    pub(crate) key: Option<String>,
    /// Where a server of this machine has its root key.
    pub(crate) root_key: Option<PathBuf>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What `server.json` holds.
#[derive(Deserialize)]
struct ServerFile {
    url: String,
    token: String,
    #[serde(default)]
    root_key: Option<PathBuf>,
}

/// Finds the server and the credential.
pub(crate) fn find(global: &Global) -> Result<Target> {
    let key = key(global)?;
    let Some(url) = &global.server else {
        let local = local(&global.data)?;
        return Ok(Target { key: key.or(local.key.clone()), ..local });
    };
    let url = url.trim_end_matches('/').to_owned();
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return Err(Failure::usage(format!("`{url}` is not an http or https address"))
            .hint("give for example --server http://127.0.0.1:7400")
            .into());
    }
    Ok(Target { url, key, root_key: None })
}

/// The server of an address that has a path, and the path. Its own credential where it is the server that the flags
/// mean, else none: a key is for nobody else.
pub(crate) fn at(global: &Global, url: &str) -> Result<(Target, String)> {
    let wrong = || Failure::usage(format!("`{url}` is not an http or https address"));
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let (host, path) =
        rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
    let url = format!("{scheme}://{host}");
    let key = find(global).ok().filter(|target| target.url == url).and_then(|target| target.key);
    Ok((Target { url, key, root_key: None }, path))
}

/// The server of this machine, by its data directory.
pub(crate) fn local(data: &Path) -> Result<Target> {
    let path = data.join(SERVER_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::unreachable(format!("no server is running on `{}`", data.display()))
                .hint("start one with `countersign serve`, or name one with --server URL and --key-file FILE")
                .into());
        }
        Err(error) => {
            return Err(Failure::unreachable(format!("`{}` cannot be read: {error}", path.display()))
                .hint("use the account that runs the server, or give --server and --key-file")
                .into());
        }
    };
    let file: ServerFile = serde_json::from_str(&text)
        .with_context(|| format!("`{}` is not what a server writes", path.display()))?;
    Ok(Target {
        url: file.url.trim_end_matches('/').to_owned(),
        key: Some(file.token),
        root_key: file.root_key,
    })
}

fn key(global: &Global) -> Result<Option<String>> {
    if let Some(key) = &global.key {
        return Ok(Some(key.trim().to_owned()));
    }
    let Some(path) = &global.key_file else { return Ok(None) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("the key file `{}` cannot be read: {error}", shown(path))))?;
    Ok(Some(text.trim().to_owned()))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
