//! What people copy from works: the retail workspace compiles, and the guide's snippets are a workspace that does what the
//! guide says of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::lints::CODES;
use super::shop::{Day, Files, problems, told, verdict};
use crate::{Bundle, Severity};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn folder(path: &Path, under: &str, files: &mut Files) {
    for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
        let name = format!("{under}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            folder(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

#[test]
fn the_retail_workspace_compiles() {
    let mut files = Files::new();
    folder(&root().join("examples/retail/workspace"), "", &mut files);
    let errors: Vec<_> =
        problems(&files).into_iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert_eq!(told(&errors), "");
    assert!(Bundle::compile(&files).is_ok());
}

/// Fenced blocks by the name after the language: "```cedar policies/gates.cedar". Blocks of one name are joined.
fn blocks(markdown: &str) -> BTreeMap<String, String> {
    let (mut blocks, mut open) = (BTreeMap::<String, String>::new(), None::<String>);
    for line in markdown.lines() {
        match (&open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => open = None,
            (None, Some(fence)) => open = Some(fence.split_once(' ').unwrap_or((fence, "")).1.to_owned()),
            (Some(name), None) => {
                let block = blocks.entry(name.clone()).or_default();
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks.remove("");
    blocks
}

#[test]
fn the_guide_does_what_it_says() {
    let guide = std::fs::read_to_string(root().join("docs/guide/policies.md")).unwrap();
    let mut files = blocks(&guide);
    let story = files.remove("story").expect("the guide tells a story");
    assert_eq!(told(&problems(&files)), "");
    let mut day = Day::new(&files);
    day.run.agent = "desk".parse().unwrap();
    let mut steps = 0;
    for lines in story.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().chunks(2) {
        let [call, expected] = lines else { panic!("a call without a verdict: {lines:?}") };
        assert_eq!(format!("→ {}", day.line(call)), *expected, "{call}");
        steps += 1;
    }
    assert!(steps >= 6);
}

#[test]
fn the_reference_is_complete() {
    let reference = std::fs::read_to_string(root().join("docs/reference/workspace-files.md")).unwrap();
    for code in CODES {
        assert!(reference.contains(&format!("`{code}`")), "no word on `{code}`");
    }
    let files = blocks(&reference);
    assert!(files.len() >= 4);
    assert_eq!(told(&problems(&files)), "");
}

#[test]
fn verdicts_are_told_in_one_line() {
    let mut day = Day::new(&super::shop::files());
    let arguments = serde_json::json!({"id": "A"});
    let judgement = day.ask(&super::shop::tool("crm.get_order"), arguments, "").unwrap();
    assert_eq!(verdict(&judgement), "Autonomous permitted [\"look\"]");
}
