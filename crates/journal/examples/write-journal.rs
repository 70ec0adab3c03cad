//! Writes a small journal for verifiers that are not ours (`scripts/verify-py.sh`).
//!
//! `write-journal DIR ENTRIES [WRONG]`: two logs with payloads, in segments of 8 KiB, closed and vouched for. `WRONG`
//! makes one entry in the middle something that the journal takes (to it entries are bytes) and a verifier must not; our
//! own is held to it here. `pruned` takes the first half away as retention does; `beheaded` does so without a word. `rotated` gives the first log
//! another key in the middle; in `stolen` the old one signs for more than it may.

use std::path::PathBuf;
use std::sync::mpsc::channel;

use journal::conformance::TestSigner;
use journal::{
    Backend as _, Batch, FileJournal, Journal as _, LogId, NewEntry, Options, SealedPayload, Signer, succeed,
};
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::{Entry, Event, Pruned};

const LOGS: [&str; 2] = ["test/shop", "test/platform"];
const SEGMENT_BYTES: u64 = 8 << 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, entries, wrong @ ..] = &arguments[..] else {
        panic!("write-journal DIR ENTRIES [WRONG]");
    };
    let entries: u64 = entries.parse().expect("a number of entries");
    let wrong = wrong.first().map_or("", String::as_str);
    let front = matches!(wrong, "pruned" | "beheaded" | "rotated" | "stolen");
    let rotates = matches!(wrong, "rotated" | "stolen");
    let dir = PathBuf::from(dir);
    let options = Options { segment_bytes: SEGMENT_BYTES, ..Options::default() };
    let (mut journal, _) = FileJournal::open(&dir, options.clone()).expect("opens");
    let [old, new] = [1, 2].map(|seed| TestSigner::new(LOGS[0], seed));
    let logs = LOGS.map(|name| (name, journal.define(name, TestSigner::new(name, 1)).expect("defines")));
    let mut sizes = [0; 2];
    for index in 0..entries {
        // Batches of several sizes, the second log every third time.
        let which = usize::from(index % 3 == 2);
        let (name, log) = logs[which];
        let wrong = if index == entries / 2 && !front { wrong } else { "" };
        let batch =
            Batch { entries: (0..=index % 4).map(|at| entry(log, name, sizes[which] + at, wrong)).collect() };
        sizes[which] += index % 4 + 1;
        append(&journal, batch);
        if rotates && index == entries / 2 {
            journal.close().expect("closes");
            succeed(&dir, &[(&*old as &dyn Signer, &*new as &dyn Signer)]).expect("hands over");
            journal = FileJournal::open(&dir, options.clone()).expect("opens").0;
            journal.define(LOGS[0], new.clone()).expect("has the new key");
            journal.define(LOGS[1], TestSigner::new(LOGS[1], 1)).expect("has the old key");
        }
    }
    if matches!(wrong, "pruned" | "beheaded") {
        let segments = journal.segments().expect("lists");
        let kept = &segments[segments.len() / 2];
        for ((name, log), size) in logs.into_iter().zip(sizes).filter(|_| wrong == "pruned") {
            let before = &kept.logs[log.0 as usize];
            let pruned =
                Pruned { first: kept.first, size: before.size(), root: Digest(before.root()), base: None };
            let bytes = announcement(name, size, Event::JournalPruned(pruned));
            append(&journal, Batch { entries: vec![NewEntry { log, seq: size, bytes, payloads: vec![] }] });
        }
        journal.checkpoint_now().expect("signs");
        let _segments = journal.prune(kept.first).expect("prunes");
    }
    journal.close().expect("closes");
    if wrong == "stolen" {
        let head = journal.head(logs[0].1);
        let checkpoint = tlog::Checkpoint::new(LOGS[0], head.size, head.root).expect("a name");
        let note = tlog::sign(&checkpoint.encode(), &*old).expect("signs");
        std::fs::write(dir.join("checkpoints").join(LOGS[0].replace('/', "~")), note).expect("writes");
    }
    let verified = journal::verify(&dir, &mut |_| {});
    assert_eq!(verified.is_ok(), matches!(wrong, "" | "pruned" | "rotated"), "{verified:?}");
}

fn append(journal: &FileJournal, batch: Batch) {
    let (told, answer) = channel();
    journal.append(batch, Box::new(move |result| told.send(result).expect("somebody waits")));
    answer.recv().expect("the journal answers").expect("is durable");
}

fn announcement(log: &str, seq: u64, event: Event) -> Vec<u8> {
    let at = Millis(i64::try_from(1_000 + seq).expect("small"));
    let (log, actor, commits) = (log.to_owned(), Actor::Server, std::collections::BTreeMap::new());
    Entry { v: 1, log, seq, at, run: None, actor, cause: None, event, commits }.encode()
}

fn entry(log: LogId, name: &str, seq: u64, wrong: &str) -> NewEntry {
    let mut at = 1_000 + seq / 2;
    let mut said = seq;
    let mut named = name;
    let mut text = format!("€ \\n {}", "x".repeat(usize::try_from(seq % 200).expect("small")));
    let mut nested = String::from("1");
    let commitment = |seq: u64| {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seq.to_le_bytes());
        bytes
    };
    let mut commits = vec![format!("\"a\":\"{}\"", hex::encode(commitment(seq)))];
    match wrong {
        "at" => at = 1,
        "seq" => said += 1,
        "log" => named = "test/other",
        "commits" => commits = vec![],
        "form" => text.push_str("\\u0041"),
        "number" => nested = String::from("1.5"),
        "large" => nested = String::from("9007199254740992"),
        "twice" => nested = String::from("1,\"n\":1"),
        "deep" => nested = format!("{}{}", "[".repeat(64), "]".repeat(64)),
        "" => nested = format!("{}{}", "[".repeat(63), "]".repeat(63)),
        _ => panic!("nothing is known to be wrong with `{wrong}`"),
    }
    NewEntry {
        log,
        seq,
        bytes: format!(
            "{{\"at\":{at},\"commits\":{{{}}},\"log\":\"{named}\",\"n\":{nested},\"seq\":{said},\"text\":\"{text}\"}}",
            commits.join(",")
        )
        .into_bytes(),
        payloads: vec![SealedPayload {
            commitment: commitment(seq),
            subject: "run_1".to_owned(),
            bytes: b"sealed".to_vec(),
        }],
    }
}
