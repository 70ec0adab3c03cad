//! What a log makes of answers.

use super::world::{Log, awake, witness_key};
use crate::{ANSWER_BYTES_MAX, Next, read_answer};

fn read(status: u16, body: &str, old: u64) -> Next {
    read_answer(status, body.as_bytes(), &Log::of(30, "").note(20), old, &witness_key())
}

#[test]
fn order_is_settled_and_forks_are_alarms() {
    assert_eq!(read(409, "7\n", 12), Next::From(7), "it knows less");
    assert_eq!(read(409, "15\n", 12), Next::From(15), "it knows more, and no more than the log has");
    assert_eq!(read(409, "0\n", 12), Next::From(0), "it forgot, or is new");
    assert_eq!(read(409, "21\n", 12), Next::Disputed { size: Some(21) }, "more than there ever was");
    assert_eq!(read(409, "12\n", 12), Next::Disputed { size: Some(12) }, "another history of this size");
    assert_eq!(read(422, "no\n", 12), Next::Disputed { size: None });
    for (status, body) in [(409, ""), (409, "x\n"), (409, "007\n"), (409, "99999999999999999999999\n")] {
        assert!(matches!(read(status, body, 12), Next::Failed(_)), "{status} {body}");
    }
    assert_eq!(
        read(404, "the log is not known here\nmore", 1),
        Next::Failed("404: the log is not known here".to_owned())
    );
    assert_eq!(read(503, "", 1), Next::Failed("503".to_owned()));
}

#[test]
fn only_a_cosignature_that_holds_is_taken() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::of(30, ""));
    let line = awake(dir.path()).add(&log.request(0, 20)).body;
    let Next::Cosigned(note) = read(200, &line, 0) else { panic!("a true line is taken") };
    assert_eq!(note, log.note(20) + &line);
    assert_eq!(
        read(200, &format!("{line}\u{2014} somebody AAAAAAA=\n"), 0),
        Next::Cosigned(note),
        "others are left out"
    );
    let elsewhere = awake(tempfile::tempdir().unwrap().path()).add(&log.request(0, 19)).body;
    for bad in [
        "",
        "\n",
        "hello\n",
        &elsewhere,
        line.trim_end(),
        &line.replace("w1", "w2"),
        &"x".repeat(ANSWER_BYTES_MAX * 2),
    ] {
        assert!(matches!(read(200, bad, 0), Next::Failed(_)), "{bad}");
    }
}
