//! Files that are no packs: refused in words, at once, and never with a panic.

use std::fmt::Write as _;

use expect_test::expect;

use super::world::refund;
use crate::{EVIDENCE_BYTES_MAX, Pack, check};

#[test]
fn what_is_no_pack_is_refused() {
    let mut all = String::new();
    let whole = String::from_utf8(refund().encode()).unwrap();
    for (what, text) in [
        ("nothing", String::new()),
        ("another file", "{\"a\":1}".to_owned()),
        ("a later form", whole.replace("evidence/v1", "evidence/v2")),
        ("a member too many", whole.replacen('{', "{\"more\":1,", 1)),
        ("a member too few", whole.replace("\"checkpoint\"", "\"checkpoimt\"")),
        ("a member twice", whole.replacen('{', "{\"log\":\"shop\",", 1)),
        ("a state that is none", whole.replacen("\"state\":\"revealed\"", "\"state\":\"sealed\"", 1)),
        ("depth", format!("{}{}", "[".repeat(9), "]".repeat(9))),
        ("many", format!("[{}1]", "1,".repeat(100_000))),
        ("too many entries", with_entries(1_001)),
        ("large", " ".repeat(EVIDENCE_BYTES_MAX + 1)),
    ] {
        let why = Pack::parse(text.as_bytes()).unwrap_err();
        writeln!(all, "{what}: {why}").unwrap();
    }
    expect![[r#"
        nothing: the text is not valid JSON: EOF while parsing a value at line 1 column 0
        another file: its format is `not told`; this program reads `countersign/evidence/v1`
        a later form: its format is `countersign/evidence/v2`; this program reads `countersign/evidence/v1`
        a member too many: it does not have the form of a pack: unknown field `more`, expected one of `format`, `log`, `verifier_key`, `checkpoint`, `action`, `made_at`, `entries`, `payloads`, `bundles`
        a member too few: it does not have the form of a pack: unknown field `checkpoimt`, expected one of `format`, `log`, `verifier_key`, `checkpoint`, `action`, `made_at`, `entries`, `payloads`, `bundles`
        a member twice: the text is not valid JSON: the key `log` stands twice at line 1 column 9969
        a state that is none: it does not have the form of a pack: unknown variant `sealed`, expected one of `revealed`, `redacted`, `erased`, `too_large`, `missing`
        depth: the text is nested deeper than 8 levels
        many: the text holds more than 100000 values
        too many entries: it has 1001 entries; at most 1000 are read
        large: the text has 67108865 bytes; at most 67108864 are taken
    "#]].assert_eq(&all);
}

#[test]
fn a_pack_of_nonsense_is_judged_without_a_panic() {
    let whole = refund();
    let mut empty = whole.clone();
    empty.entries.clear();
    assert!(!check(&empty, None).holds());
    let text = String::from_utf8(whole.encode()).unwrap();
    // A byte here and there: what still is a pack is checked, and nothing that was proved may change in silence.
    for at in (0..text.len()).step_by(131) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(pack) = Pack::parse(&bytes) {
            let same = pack == whole || Pack { made_at: whole.made_at, ..pack.clone() } == whole;
            assert!(same || !check(&pack, None).holds(), "byte {at}");
        }
    }
}

fn with_entries(count: usize) -> String {
    let mut pack = refund();
    pack.entries = vec![pack.entries[0].clone(); count];
    String::from_utf8(pack.encode()).unwrap()
}
