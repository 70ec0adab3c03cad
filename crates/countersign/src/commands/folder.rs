//! Reads a workspace folder: the files that mean something, as texts by path.
//!
//! Editors and version control leave files behind: names that begin with a dot and endings that no workspace has are
//! left out. Symbolic links are not followed, so a folder cannot reach outside itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::failure::Failure;

const FILES_MAX: usize = 500;
const FILE_BYTES_MAX: u64 = 256 * 1024;
const DEPTH_MAX: usize = 4;
const ENDINGS: [&str; 4] = ["toml", "cedar", "json", "md"];

/// The folder's files by their path inside it, with `/` between names.
pub(super) fn read(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    if !dir.is_dir() {
        return Err(Failure::usage(format!("`{}` is not a folder", dir.display()))
            .hint("give a workspace folder, for example examples/retail/workspace")
            .into());
    }
    walk(dir, "", DEPTH_MAX, &mut files)?;
    if !files.contains_key("workspace.toml") {
        return Err(Failure::usage(format!("`{}` holds no workspace.toml", dir.display()))
            .hint("a workspace folder begins with that file: see docs/reference/workspace-files.md")
            .into());
    }
    Ok(files)
}

fn walk(dir: &Path, prefix: &str, depth: usize, files: &mut BTreeMap<String, String>) -> Result<()> {
    let unreadable = |error: std::io::Error| Failure::usage(format!("`{}`: {error}", dir.display()));
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            if depth == 0 {
                return Err(Failure::usage(format!("`{path}` lies too deep"))
                    .hint(format!("a workspace folder is at most {DEPTH_MAX} folders deep"))
                    .into());
            }
            walk(&entry.path(), &path, depth - 1, files)?;
        } else if kind.is_file() && name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending))
        {
            if entry.metadata().map_err(unreadable)?.len() > FILE_BYTES_MAX {
                return Err(Failure::usage(format!("`{path}` is longer than {FILE_BYTES_MAX} bytes")).into());
            }
            let text = fs::read_to_string(entry.path())
                .map_err(|error| Failure::usage(format!("`{path}` cannot be read as text: {error}")))?;
            files.insert(path, text);
            if files.len() > FILES_MAX {
                return Err(Failure::usage(format!("the folder holds more than {FILES_MAX} files")).into());
            }
        }
    }
    Ok(())
}
