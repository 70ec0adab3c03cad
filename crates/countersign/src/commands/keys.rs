//! `countersign keys`: API keys and console login links.
//!
//! A key's secret leaves the server once. It is shown, or written to a new file that only its owner can read.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use crate::cli::{Global, Keys};
use crate::client::encode;
use crate::failure::Failure;
use crate::output::{Out, moment, table, visible};

use super::client;

pub(super) async fn run(global: &Global, command: Keys, out: &Out) -> Result<()> {
    if let Keys::RotateRoot { root_key, new_root_key } = command {
        return rotate_root(global, root_key, &new_root_key, out);
    }
    if let Keys::RotateLog { root_key } = command {
        return rotate_log(global, root_key, out);
    }
    let client = client(global)?;
    match command {
        Keys::RotateRoot { .. } | Keys::RotateLog { .. } => {
            unreachable!("it needs no server and was carried out above")
        }
        Keys::Create { agent, person, scope, out: file } => {
            if let Some(file) = &file
                && file.exists()
            {
                return Err(Failure::usage(format!("`{}` exists already", file.display()))
                    .hint("choose another name: a key is never written over another file")
                    .into());
            }
            let body = api::CreateKey { agent, person, scopes: scope };
            let key: api::Key = client.post("/v1/keys", &body).await?;
            created(key, file.as_deref(), out)
        }
        Keys::Log => {
            let status: api::Status = client.get("/v1/status").await?;
            if out.json {
                return out.value(&json!({ "verifier_key": status.verifier_key }));
            }
            out.line(format!("# Write it down from a source that you trust, and add witnesses: docs/guide/witness.md\nlog {}\nquorum none", visible(&status.verifier_key)))
        }
        Keys::List => {
            let keys: Vec<api::Key> = client.list("/v1/keys", 10_000).await?;
            if out.json {
                return out.value(&keys);
            }
            if keys.is_empty() {
                return out.line("no keys");
            }
            out.line(table(
                ["key", "for", "scopes", "made", "revoked"],
                keys.into_iter().map(|key| {
                    [
                        key.id,
                        key.principal,
                        key.scopes.join(","),
                        moment(key.created_at),
                        key.revoked_at.map(moment).unwrap_or_default(),
                    ]
                }),
            ))
        }
        Keys::Revoke { id } => {
            let key: api::Key = client.post(&format!("/v1/keys/{}/revoke", encode(&id)), &json!({})).await?;
            if out.json { out.value(&key) } else { out.line("revoked: it opens nothing from now on") }
        }
        Keys::Login { person } => {
            let link: api::LoginLink =
                client.post("/v1/login-links", &api::CreateLoginLink { person: person.clone() }).await?;
            if out.json {
                return out.value(&link);
            }
            out.line(visible(&link.url))?;
            out.error(
                &out.dim(&format!("opens the console as {} once, within 10 minutes", visible(&person))),
            );
            Ok(())
        }
    }
}

fn rotate_root(global: &Global, old: Option<PathBuf>, new: &Path, out: &Out) -> Result<()> {
    let mut config = server::Config::new(global.data.clone());
    config.root_key_file = old.or_else(super::serve::root_key_default);
    config.root_key = std::env::var("COUNTERSIGN_ROOT_KEY").ok();
    let keys = server::rotate_root(&config, new)?;
    if out.json {
        return out.value(&json!({"keys": keys, "root_key": new}));
    }
    out.line(format!("{} {keys} keys are wrapped with `{}`", out.good("rotated:"), new.display()))?;
    out.error(&out.dim(
        "start the server with this root key from now on; keep the old one as long as copies of the keys are kept that \
         were taken before",
    ));
    Ok(())
}

fn rotate_log(global: &Global, root_key: Option<PathBuf>, out: &Out) -> Result<()> {
    let mut config = server::Config::new(global.data.clone());
    config.root_key_file = root_key.or_else(super::serve::root_key_default);
    config.root_key = std::env::var("COUNTERSIGN_ROOT_KEY").ok();
    let done = server::rotate_log(&config)?;
    if out.json {
        let logs = done.iter().map(|change| {
            json!({"log": change.new.name(), "old": change.old.encode(), "new": change.new.encode(), "size": change.size})
        });
        return out.value(&logs.collect::<Vec<_>>());
    }
    for change in &done {
        let (name, size) = (visible(change.new.name()), change.size);
        out.line(format!("{} log {name}: from entry {size} on signed by", out.good("rotated:")))?;
        out.line(format!("  {}", change.new.encode()))?;
    }
    out.error(&out.dim(
        "tell whoever verifies the log: `countersign verify` follows from the old key to the new one by itself, policies of \
         receipts and of witnesses need the new line (`countersign keys log`)",
    ));
    Ok(())
}

fn created(mut key: api::Key, file: Option<&Path>, out: &Out) -> Result<()> {
    let secret = key
        .secret
        .clone()
        .ok_or_else(|| Failure::refused("the server made the key but did not tell it").hint("revoke it"))?;
    if let Some(path) = file {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| lost(&key, path, &error))?;
        writeln!(file, "{secret}").map_err(|error| lost(&key, path, &error))?;
        key.secret = None;
    }
    if out.json {
        return out.value(&key);
    }
    if let Some(path) = file {
        return out.line(format!("{} for {} is in {}", key.id, visible(&key.principal), path.display()));
    }
    out.line(&secret)?;
    out.error(&out.dim(&format!(
        "{} for {} ({}); shown only now",
        key.id,
        visible(&key.principal),
        key.scopes.join(", ")
    )));
    Ok(())
}

fn lost(key: &api::Key, path: &Path, error: &std::io::Error) -> Failure {
    Failure::refused(format!("the key could not be written to `{}`: {error}", path.display()))
        .hint(format!("revoke it with `countersign keys revoke {}` and make another", key.id))
}
