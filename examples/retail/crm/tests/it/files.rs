//! The example's own files say what this CRM says: the pinned manifest, the recordings, their final states.
//!
//! `UPDATE_EXPECT=1` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use expect_test::expect_file;
use retail_crm::crm::{Answer, UNAVAILABLE};
use retail_crm::manifest;
use retail_crm::python;
use retail_crm::value::{Record, Value};
use serde_json::Value as Json;

use crate::recorded::{Conversation, lines};
use crate::stage::{Stage, example, request};

#[test]
fn the_pinned_manifest_is_the_manifest() {
    let manifest = serde_json::to_string_pretty(&manifest::manifest()).unwrap() + "\n";
    expect_file![example().join("workspace/connectors/crm.manifest.json")].assert_eq(&manifest);
}

#[test]
fn tools_are_in_order_and_named_once() {
    let names: Vec<&str> = manifest::TOOLS.iter().map(|tool| tool.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
}

#[test]
fn the_recordings_are_what_the_crm_answers() {
    let path = example().join("recordings/trajectories.jsonl");
    let conversations: Vec<Conversation> = lines(&path);
    let mut texts: Vec<Record> =
        lines::<Value>(&path).iter().map(|line| line.as_record().unwrap().clone()).collect();
    let (mut recordings, mut finals) = (String::new(), String::new());
    for (conversation, text) in conversations.iter().zip(&mut texts) {
        let stage = Stage::with(&example().join("data"), conversation.faults.unavailable_writes);
        let calls = conversation.calls();
        for (call, at) in &calls {
            let request = request(&call.name, Json::Object(call.arguments.clone()));
            let answer = if stage.crm.is_unavailable(&request).unwrap() {
                Answer { text: UNAVAILABLE.to_owned(), is_error: true }
            } else {
                stage.crm.call(&request).unwrap()
            };
            put(text, *at, &answer);
        }
        writeln!(recordings, "{}", readable(text)).unwrap();
        let changed = stage.crm.changed();
        let state = Record::new()
            .with("task_id", Value::text(&conversation.task_id))
            .with("trial", number(conversation.trial))
            .with("changed_orders", hashes(&changed.orders))
            .with("changed_users", hashes(&changed.users))
            .with("tool_calls", number(calls.len() as u64));
        writeln!(finals, "{}", readable(&state)).unwrap();
    }
    expect_file![path].assert_eq(&recordings);
    expect_file![example().join("recordings/final_state.jsonl")].assert_eq(&finals);
}

#[test]
fn every_file_of_the_workspace_is_small_text() {
    fn visit(folder: &Path, files: &mut usize) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                visit(&entry.path(), files);
            } else {
                assert!(fs::read_to_string(entry.path()).unwrap().len() < 64 << 10, "{:?}", entry.path());
                *files += 1;
            }
        }
    }
    let mut files = 0;
    visit(&example().join("workspace"), &mut files);
    assert!(files >= 7);
}

fn put(conversation: &mut Record, at: usize, answer: &Answer) {
    let Some(Value::List(messages)) = conversation.get_mut("messages") else { panic!("no messages") };
    let Value::Record(message) = &mut messages[at] else { panic!("no message") };
    message.set("content", Value::text(&answer.text));
    message.set("error", Value::Bool(answer.is_error));
}

/// One line of JSON. Non-ASCII is escaped, as in the answers themselves.
fn readable(record: &Record) -> String {
    python::answer(record)
}

fn number(number: u64) -> Value {
    serde_json::from_str(&number.to_string()).unwrap()
}

fn hashes(of: &BTreeMap<String, String>) -> Value {
    Value::Record(of.iter().fold(Record::new(), |all, (id, hash)| all.with(id, Value::text(hash))))
}
