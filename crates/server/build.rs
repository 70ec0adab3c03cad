//! Lists the files of the console and the pages of errors, so that the binary carries them.
//!
//! A console that was not built is replaced by a plain page that says how to build it: the server is whole without
//! Node. Why not a crate for it: two folders and twenty lines need none.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What stands in for a console that was not built.
const PLACEHOLDER: &str = "<!doctype html><meta charset=\"utf-8\"><title>Countersign</title>\
<h1>Countersign is running</h1><p>This build has no console. Run <code>npm ci && npm run build</code> in \
<code>console/</code>, then build the server again. The API is described at <a href=\"/openapi.json\">/openapi.json</a>.\n";

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let (console, docs) = (root.join("../../console/dist"), root.join("../../docs/errors"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", console.display());
    println!("cargo::rerun-if-changed={}", docs.display());
    let mut files = vec![];
    collect(&console, "", &mut files);
    if !files.iter().any(|(name, _)| name == "index.html") {
        let page = out.join("placeholder.html");
        fs::write(&page, PLACEHOLDER).expect("the build directory can be written");
        files = vec![("index.html".to_owned(), page)];
    }
    let mut pages = vec![];
    collect(&docs, "", &mut pages);
    let mut text = String::new();
    list(&mut text, "CONSOLE", &files);
    list(&mut text, "ERROR_PAGES", &pages);
    fs::write(out.join("assets.rs"), text).expect("the build directory can be written");
}

fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else {
            files.push((name, path.canonicalize().unwrap_or(path)));
        }
    }
}

fn list(text: &mut String, name: &str, files: &[(String, PathBuf)]) {
    writeln!(text, "pub(crate) static {name}: &[(&str, &[u8])] = &[").expect("a text takes everything");
    for (name, path) in files {
        writeln!(text, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())
            .expect("a text takes everything");
    }
    text.push_str("];\n");
}
