//! Policies: how they are written, and whom they make one trust.

use std::fmt::Write as _;

use super::world::{LOG, Log, log_key, signer};
use crate::{Policy, Rejected, VerifierKey, Witness, WitnessKey, sign, with_signatures};

fn witness_key(seed: u8) -> String {
    WitnessKey::of(&signer(&format!("w{seed}"), seed)).encode()
}

/// A checkpoint that the witnesses with these numbers have seen.
fn seen_by(seeds: &[u8]) -> String {
    let log = Log::of(4, "");
    let mut note = log.note(4);
    for seed in seeds {
        let mut witness = Witness::default();
        witness.follow(LOG, vec![log_key()]);
        let accepted = witness.add(&format!("old 0\n\n{}", log.note(4))).unwrap();
        let line = accepted.cosign(&signer(&format!("w{seed}"), *seed), 7).unwrap();
        note = with_signatures(&note, &line).unwrap();
    }
    note
}

/// The policy with six witnesses in two groups that the specification shows.
fn two_groups() -> String {
    let mut text = format!("# example\n\n \tlog\t{} https://log.example/ \n", log_key().encode());
    for (name, seed) in [("X1", 21), ("X2", 22), ("X3", 23), ("Y1", 31), ("Y2", 32), ("Y3", 33)] {
        writeln!(text, "witness {name} {} https://w.example/", witness_key(seed)).unwrap();
    }
    text + "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n\
        group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
}

#[test]
fn a_quorum_is_counted_as_written() {
    let policy = Policy::parse(two_groups().as_bytes()).unwrap();
    for (seeds, trusted) in [
        (&[21, 22, 31][..], true),
        (&[22, 23, 32, 33], true),
        (&[33, 23, 21], true),
        (&[21, 22, 23], false),
        (&[21, 31, 32, 33], false),
        (&[], false),
    ] {
        match policy.check(&seen_by(seeds)) {
            Ok(found) => assert!(trusted && found.seen_by.len() == seeds.len(), "{seeds:?}"),
            Err(error) => assert!(!trusted && error == Rejected::Quorum, "{seeds:?}: {error}"),
        }
    }
}

#[test]
fn witnesses_are_where_the_policy_says() {
    let text = format!(
        "witness a {} https://w.example/x\nwitness b {}\nquorum none\n",
        witness_key(1),
        witness_key(2)
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let told: Vec<_> = policy.witnesses().map(|(name, key, url)| (name, key.name(), url)).collect();
    assert_eq!(told, [("a", "w1", Some("https://w.example/x")), ("b", "w2", None)]);
    let twice = policy.with_log(log_key()).with_log(log_key());
    assert_eq!(twice.logs(), [log_key()]);
}

#[test]
fn nobody_is_asked_where_nobody_need_be() {
    let text = format!("log {}\nquorum none\n", log_key().encode());
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!(policy, Policy::of_log(log_key()));
    assert_eq!(policy.check(&seen_by(&[21])).unwrap().seen_by, []);
    let nobody = Policy::parse(b"quorum none\n").unwrap();
    assert_eq!(nobody.check(&seen_by(&[])), Err(Rejected::UnknownLog(LOG.to_owned())));
}

#[test]
fn a_signature_that_says_it_is_somebodys_and_is_not_spoils_the_checkpoint() {
    let policy = Policy::parse(two_groups().as_bytes()).unwrap();
    let note = seen_by(&[21, 22, 31]);
    let other = Log::of(3, "").note(3);
    let mut witness = Witness::default();
    witness.follow(LOG, vec![log_key()]);
    let line = witness.add(&format!("old 0\n\n{other}")).unwrap().cosign(&signer("w23", 23), 7).unwrap();
    let spoilt = with_signatures(&note, &line).unwrap();
    assert_eq!(policy.check(&spoilt), Err(Rejected::WitnessSignature("X3".to_owned())));
    // A log's signature is no witness' cosignature, though the key be the same.
    let text = format!(
        "log {}\nwitness w {}\nquorum w\n",
        log_key().encode(),
        WitnessKey::of(&signer(LOG, 1)).encode()
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!(policy.check(&seen_by(&[])), Err(Rejected::Quorum));
}

#[test]
fn a_log_may_have_two_keys_and_must_bear_its_name() {
    let next = VerifierKey::of(&signer(LOG, 2));
    let text = format!("log {}\nlog {}\nquorum none\n", log_key().encode(), next.encode());
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert!(policy.check(&seen_by(&[])).is_ok());
    let checkpoint = seen_by(&[]).split_once("\n\n").unwrap().0.to_owned() + "\n";
    assert!(policy.check(&sign(&checkpoint, &signer(LOG, 2)).unwrap()).is_ok());
    assert!(policy.check(&sign(&checkpoint, &signer(LOG, 3)).unwrap()).is_err());
    let named = Policy::of_log(VerifierKey::of(&signer("x", 1)));
    assert!(named.check(&sign(&checkpoint, &signer("x", 1)).unwrap()).is_err());
    assert!(matches!(named.check("x"), Err(Rejected::Note(_))));
    assert!(matches!(policy.check(&sign("x\n", &signer("x", 1)).unwrap()), Err(Rejected::Checkpoint(_))));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let (log, a, b) = (log_key().encode(), witness_key(1), witness_key(2));
    let say = |text: String| Policy::parse(text.as_bytes()).unwrap_err().to_string();
    for (text, expected) in [
        (String::new(), "line 1: there is no `quorum` line"),
        ("quorum none".to_owned(), "line 1: the line is not ended by a line break"),
        (format!("log {log}\n\n"), "line 2: there is no `quorum` line"),
        ("quorum none\nquorum none\n".to_owned(), "line 2: there is a second `quorum` line"),
        ("quorum w\n".to_owned(), "line 1: `w` is not defined above"),
        ("# x\nquorom none\n".to_owned(), "line 2: `quorom` is not `log`, `witness`, `group` or `quorum`"),
        ("quorum none x\n".to_owned(), "line 1: `quorum` has too few words or too many"),
        ("log\n".to_owned(), "line 1: `log` has too few words or too many"),
        (format!("log {log}\nlog {log}\n"), "line 2: the log's key stands there already"),
        (format!("log {a}\n"), &format!("line 1: `{a}` is not the key of a log")),
        (format!("witness w {log}\n"), &format!("line 1: `{log}` is not the key of a witness")),
        (format!("witness w {a}\nwitness w {b}\n"), "line 2: the name `w` is taken"),
        (format!("witness w {a}\nwitness v {a}\n"), "line 2: the witness' key stands there already"),
        (format!("witness none {a}\n"), "line 1: the name `none` is taken"),
        (format!("witness w {a}\ngroup g 2 w\n"), "line 2: a group of 1 cannot ask for 2"),
        (format!("witness w {a}\ngroup g 0 w\n"), "line 2: a group of 1 cannot ask for 0"),
        (format!("witness w {a}\ngroup g 01 w\n"), "line 2: `01` is not `all`, `any` or a number"),
        (format!("witness w {a}\ngroup g most w\n"), "line 2: `most` is not `all`, `any` or a number"),
        ("group g all\n".to_owned(), "line 1: a group of 0 cannot ask for 0"),
        ("group g any\n".to_owned(), "line 1: a group of 0 cannot ask for 1"),
        ("group g any none\n".to_owned(), "line 1: `none` is not defined above"),
        ("group g any g\n".to_owned(), "line 1: `g` is not defined above"),
        (format!("witness w {a}\ngroup g 2 w w\n"), "line 2: `w` is a member of a group already"),
        (
            format!("witness w {a}\ngroup g any w\ngroup h any w\n"),
            "line 3: `w` is a member of a group already",
        ),
        ("quorum none\r\n".to_owned(), "line 1: the line has control characters"),
        ("# \u{7f}\nquorum none\n".to_owned(), "line 1: the line has control characters"),
        ("quorum\u{b}none\n".to_owned(), "line 1: the line has control characters"),
    ] {
        assert_eq!(say(text.clone()), expected, "{text}");
    }
}

#[test]
fn names_are_bytes() {
    let mut text = format!("log {}\n# \u{fffd}", log_key().encode()).into_bytes();
    text.extend_from_slice(b"\xff\nwitness K ");
    text.extend_from_slice(witness_key(1).as_bytes());
    text.extend_from_slice(b"\nwitness \xe2\x84\xaa ");
    text.extend_from_slice(witness_key(2).as_bytes());
    text.extend_from_slice(b"\nwitness \xff ");
    text.extend_from_slice(witness_key(3).as_bytes());
    let both = [&text[..], b"\ngroup g all K \xe2\x84\xaa \xff\nquorum g\n"].concat();
    let policy = Policy::parse(&both).unwrap();
    assert_eq!(policy.check(&seen_by(&[1, 2])), Err(Rejected::Quorum));
    assert!(policy.check(&seen_by(&[1, 2, 3])).is_ok());
    let other = [&text[..], b"\nquorum \xfe\n"].concat();
    assert!(Policy::parse(&other).is_err());
}

#[test]
fn as_many_as_the_specification_asks_for_are_read_and_not_any_number() {
    let many = |count: u8| {
        let mut text = String::new();
        for seed in 0..count {
            let key = VerifierKey::of(&signer(&format!("l{seed}"), seed)).encode();
            let witness = witness_key(seed);
            writeln!(text, "log {key}\nwitness {seed} {witness}\ngroup g{seed} 1 {seed}").unwrap();
        }
        text + "quorum none\n"
    };
    assert!(Policy::parse(many(255).as_bytes()).is_ok());
    assert!(Policy::parse(" \n".repeat(200_000).as_bytes()).is_err());
}

/// A checkpoint that a public log of certificates published, signed by it and by public witnesses.
const PUBLISHED: &str = "arche2025h1.staging.ct.transparency.dev\n\
    1432088532\n\
    U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n\
    \n\
    \u{2014} arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n\
    \u{2014} arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n\
    \u{2014} transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n\
    \u{2014} witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==\n\
    \u{2014} remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n\
    \u{2014} witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==\n";

#[test]
fn a_published_checkpoint_is_trusted_by_the_keys_of_its_log_and_witnesses() {
    let policy = |quorum: &str| {
        let text = format!(
            "log arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f\n\
             witness garden transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM\n\
             witness remora remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2\n\
             witness stagemole witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv\n\
             witness nobody {}\n{quorum}",
            witness_key(1)
        );
        Policy::parse(text.as_bytes()).unwrap()
    };
    let all = policy("group three all garden remora stagemole\nquorum three\n");
    let trusted = all.check(PUBLISHED).unwrap();
    assert_eq!(trusted.checkpoint.size(), 1_432_088_532);
    let seen = ["garden", "remora", "stagemole"].map(|name| (name.to_owned(), 1_779_573_024));
    assert_eq!(trusted.seen_by, seen);
    let more = policy("group four all garden remora stagemole nobody\nquorum four\n");
    assert_eq!(more.check(PUBLISHED), Err(Rejected::Quorum));
    assert!(all.check(&PUBLISHED.replace("1432088532", "1432088533")).is_err());
}
