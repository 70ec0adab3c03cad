//! ARCHITECTURE.md against the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root").to_owned()
}

fn sources(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(items) = fs::read_dir(folder) else { return };
    for item in items.flatten() {
        let path = item.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir()
            && !matches!(name.as_str(), "target" | "node_modules" | "dist" | ".git" | ".demo" | ".tools")
        {
            sources(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// Crate name to the crates of ours that its `[dependencies]` name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut manifests = Vec::new();
    sources(&root(), "Cargo.toml", &mut manifests);
    let tables: Vec<toml::Table> = manifests
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.parse().ok())
        .filter(|table: &toml::Table| table.contains_key("package"))
        .collect();
    let name = |table: &toml::Table| table["package"]["name"].as_str().unwrap_or_default().to_owned();
    let ours: BTreeSet<String> = tables.iter().map(name).collect();
    tables
        .iter()
        .map(|table| {
            let keys = table.get("dependencies").and_then(toml::Value::as_table);
            let used =
                keys.into_iter().flat_map(|keys| keys.keys().cloned()).filter(|key| ours.contains(key));
            (name(table), used.collect())
        })
        .collect()
}

/// The map of crates in ARCHITECTURE.md: rows `| \`crate\` | purpose | \`a\`, \`b\` | … |`.
fn map() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let names = |cell: &str| -> BTreeSet<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        (names(cells[1]).into_iter().next().unwrap_or_default(), names(cells[3]))
    })
    .collect()
}

#[test]
fn the_map_of_crates_is_true() {
    let (stated, actual) = (map(), dependencies());
    let names = |map: &BTreeMap<String, BTreeSet<String>>| map.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&stated), names(&actual), "crates in ARCHITECTURE.md and in the tree");
    for (name, used) in &actual {
        let extra: Vec<_> = used.difference(&stated[name]).collect();
        assert!(extra.is_empty(), "{name} uses {extra:?}, which ARCHITECTURE.md does not allow");
    }
}

#[test]
fn the_pure_crates_touch_nothing() {
    let mut files = Vec::new();
    for folder in ["crates/kernel/src", "crates/tlog/src", "crates/evidence/src"] {
        sources(&root().join(folder), ".rs", &mut files);
    }
    let forbidden = [
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "SystemTime",
        "Instant::",
        "tokio",
        "async fn",
        ".await",
        "rand::",
    ];
    for file in files {
        let text = fs::read_to_string(&file).expect("a source can be read");
        for word in forbidden {
            assert!(!text.contains(word), "{} names `{word}`", file.display());
        }
    }
}

#[test]
fn heavy_libraries_stay_at_home() {
    let homes = [
        ("cedar_policy", vec!["policy"]),
        ("jaq_core", vec!["policy"]),
        ("rusqlite", vec!["views", "vault"]),
        ("rmcp", vec!["connectors", "gateway", "retail"]),
        ("axum", vec!["server", "gateway", "retail"]),
        ("clap", vec!["countersign", "retail"]),
    ];
    let mut files = Vec::new();
    for folder in ["crates", "examples"] {
        sources(&root().join(folder), ".rs", &mut files);
    }
    for file in files.iter().filter(|file| !file.components().any(|part| part.as_os_str() == "tests")) {
        let text = fs::read_to_string(file).expect("a source can be read");
        let is_test = file.file_name().is_some_and(|name| name == "tests.rs");
        for (library, homes) in &homes {
            let at_home = homes.iter().any(|home| file.components().any(|part| part.as_os_str() == *home));
            let used = text.contains(&format!("use {library}")) || text.contains(&format!("{library}::"));
            assert!(
                at_home || is_test || !used,
                "{} names {library}, whose home is {homes:?}",
                file.display()
            );
        }
    }
}

#[test]
fn every_source_says_why_it_exists_and_fits_a_sitting() {
    let mut files = Vec::new();
    for folder in ["crates", "examples", "xtask"] {
        sources(&root().join(folder), ".rs", &mut files);
    }
    for file in files {
        let text = fs::read_to_string(&file).expect("a source can be read");
        assert!(text.starts_with("//!"), "{} does not begin with `//!`", file.display());
        let lines = text.lines().count();
        assert!(lines <= 800, "{} has {lines} lines: which second concept moved in?", file.display());
    }
}

#[test]
fn every_decision_has_its_number_once() {
    let mut pages = Vec::new();
    sources(&root().join("docs/decisions"), ".md", &mut pages);
    let mut numbers = BTreeSet::new();
    for page in pages {
        let name = page.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let number = name.split('-').next().unwrap_or_default().to_owned();
        assert!(number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()), "{name} has no number");
        assert!(numbers.insert(number), "{name}: the number is taken");
    }
}
