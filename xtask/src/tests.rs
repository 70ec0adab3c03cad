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

/// Sources that are no tests, as paths from the root, with their text. What stands under `#[cfg(test)]` at the end of a file
/// is left out.
fn shipped(folders: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in folders {
        sources(&root().join(folder), ".rs", &mut files);
    }
    let shipped = files.into_iter().filter(|file| {
        let folders_of_tests = file.components().any(|part| part.as_os_str() == "tests");
        !folders_of_tests && file.file_name().is_some_and(|name| name != "tests.rs")
    });
    shipped
        .map(|file| {
            let text = fs::read_to_string(&file).expect("a source can be read");
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            let path = file.strip_prefix(root()).expect("it lies in the root").display().to_string();
            (path, code)
        })
        .collect()
}

/// Fails where a word stands in a file that is not listed, and where a listed one does not have it any more.
fn only_in(folders: &[&str], words: &[&str], listed: &[&str]) {
    let mut found = BTreeSet::new();
    for (path, code) in shipped(folders) {
        let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        if words.iter().any(|word| code.iter().any(|line| line.contains(word))) {
            // A folder may be listed as a whole.
            let place = listed.iter().find(|place| path == **place || path.starts_with(&format!("{place}/")));
            found.insert(place.map_or(path.clone(), |place| (*place).to_owned()));
        }
    }
    let listed: BTreeSet<String> = listed.iter().map(|&place| place.to_owned()).collect();
    assert_eq!(found, listed, "files that name one of {words:?}");
}

#[test]
fn views_never_write_the_journal() {
    let words = [
        "NewEntry",
        "SealedPayload",
        ".append(",
        "dyn Journal",
        "journal::Batch",
        "journal::Journal",
        "Backend",
    ];
    only_in(&["crates/views/src"], &words, &[]);
}

#[test]
fn nothing_that_decides_reads_views() {
    let decide = ["crates/kernel/src", "crates/engine/src", "crates/policy/src", "crates/gateway/src"];
    only_in(&decide, &["views::", "Views", "rusqlite"], &[]);
    // Where the server reads them: for people. Two act on what they read, and refuse to while the views are behind:
    // `payloads.rs` finds sealed bytes, `prune.rs` finds runs.
    only_in(
        &["crates/server/src"],
        &[".views\n", ".views.", "app.views", "views: &Views"],
        &[
            "crates/server/src/base.rs",
            "crates/server/src/payloads.rs",
            "crates/server/src/prune.rs",
            "crates/server/src/rebuild.rs",
            "crates/server/src/routes/actions.rs",
            "crates/server/src/routes/approvals.rs",
            "crates/server/src/routes/entries.rs",
            "crates/server/src/routes/events.rs",
            "crates/server/src/routes/health.rs",
            "crates/server/src/routes/incidents.rs",
            "crates/server/src/routes/keys.rs",
            "crates/server/src/routes/receipts.rs",
            "crates/server/src/routes/retention.rs",
            "crates/server/src/routes/runs.rs",
            "crates/server/src/routes/status.rs",
            "crates/server/src/routes/steps.rs",
            "crates/server/src/routes/subjects.rs",
            "crates/server/src/routes/threads.rs",
            "crates/server/src/show",
            "crates/server/src/work.rs",
        ],
    );
}

#[test]
fn only_connectors_speak_to_real_systems() {
    only_in(
        &["crates"],
        &["reqwest", "TcpStream::connect", "UnixStream::connect", "process::Command", "hyper_util::client"],
        &[
            "crates/connectors/src",
            // The command line speaks to its own server.
            "crates/countersign/src/client.rs",
            "crates/countersign/src/commands/bench",
            // Checkpoints, which are public, go to witnesses.
            "crates/server/src/cosigning",
        ],
    );
}

#[test]
fn the_rules_of_words_notice_a_word() {
    let noticed = std::panic::catch_unwind(|| only_in(&["crates/connectors/src"], &["reqwest"], &[]));
    assert!(noticed.is_err());
    let stale = std::panic::catch_unwind(|| {
        only_in(&["crates/kernel/src"], &["reqwest"], &["crates/kernel/src/id.rs"]);
    });
    assert!(stale.is_err());
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

#[test]
fn what_is_named_as_a_proof_is_there() {
    let (mut files, mut names) = (Vec::new(), BTreeSet::new());
    for ending in [".rs", ".mjs", ".sh", ".py"] {
        sources(&root(), ending, &mut files);
    }
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs")) {
        let text = fs::read_to_string(file).expect("a source can be read");
        names.extend(
            text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next().map(str::to_owned)),
        );
    }
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "py")) {
        let text = fs::read_to_string(file).expect("a source can be read");
        names.extend(text.split("def ").skip(1).filter_map(|rest| rest.split('(').next().map(str::to_owned)));
    }
    let mut missing = Vec::new();
    for page in ["docs/security.md", "docs/breakages.md"] {
        let text = fs::read_to_string(root().join(page)).expect("the page is there");
        for row in text.lines().filter(|line| line.starts_with("| ")) {
            let cell = row.trim_end_matches(['|', ' ']).rsplit(" | ").next().unwrap_or_default();
            for word in cell.split('`').skip(1).step_by(2) {
                // A case of a Python test stands in brackets behind its name.
                let word = word.split('[').next().unwrap_or_default();
                let last = word.rsplit("::").next().unwrap_or_default();
                let is_file = [".rs", ".mjs", ".sh", ".py"].iter().any(|ending| word.ends_with(ending));
                let is_name = last.contains('_')
                    && last.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit());
                let there = if is_file {
                    files.iter().any(|file| file.ends_with(word))
                } else {
                    !is_name || names.contains(last)
                };
                if !there {
                    missing.push(format!("{page}: `{word}` of {row}"));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}
