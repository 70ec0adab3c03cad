//! Receipts: what they hold, and that no byte of them can be another.

use expect_test::expect;

use super::world::{LOG, Log, log_key, signer};
use crate::{
    Policy, RECEIPT_BYTES_MAX, Receipt, ReceiptError, Rejected, VerifierKey, Witness, WitnessKey, inclusion,
    with_signatures,
};

/// The checkpoint of a log with the cosignatures of two witnesses.
fn witnessed(log: &Log, size: u64) -> String {
    let mut note = log.note(size);
    for (name, seed) in [("witness.example/a", 11), ("witness.example/b", 12)] {
        let mut witness = Witness::default();
        witness.follow(LOG, vec![log_key()]);
        let accepted = witness.add(&format!("old 0\n\n{}", log.note(size))).unwrap();
        let line = accepted.cosign(&signer(name, seed), 1_700_000_000).unwrap();
        note = with_signatures(&note, &line).unwrap();
    }
    note
}

fn policy() -> Policy {
    let witness = |name, seed| WitnessKey::of(&signer(name, seed)).encode();
    let text = format!(
        "log {}\nwitness a {}\nwitness b {}\ngroup both all a b\nquorum both\n",
        log_key().encode(),
        witness("witness.example/a", 11),
        witness("witness.example/b", 12),
    );
    Policy::parse(text.as_bytes()).unwrap()
}

fn receipt(log: &Log, index: u64, size: u64, extra: Option<&[u8]>) -> Receipt {
    let path = inclusion(&log.levels, index, size).unwrap();
    Receipt::new(index, path, extra.map(<[u8]>::to_vec), witnessed(log, size)).unwrap()
}

#[test]
fn a_receipt_looks_like_this() {
    let log = Log::of(5, "entry ");
    let text = receipt(&log, 2, 5, Some(b"note to self")).encode();
    expect![[r#"
        c2sp.org/tlog-proof@v1
        extra bm90ZSB0byBzZWxm
        index 2
        YcoROfaBWEHVuvLQ0tm9nf7pfImN1ve6DAqpQe5sAes=
    "#]]
    .assert_eq(&text.split_inclusive('\n').take(4).collect::<String>());
    let read = Receipt::parse(&text).unwrap();
    assert_eq!(read.encode(), text);
    assert_eq!((read.index(), read.extra()), (2, Some(&b"note to self"[..])));
    let verified = read.verify(b"entry 2", &policy()).unwrap();
    assert_eq!((verified.index, verified.trusted.checkpoint.size()), (2, 5));
    let seen = [("a".to_owned(), 1_700_000_000), ("b".to_owned(), 1_700_000_000)];
    assert_eq!(verified.trusted.seen_by, seen);
    assert_eq!(read.verify(b"entry 3", &policy()), Err(ReceiptError::Inclusion));
}

#[test]
fn a_receipt_of_every_entry_of_every_small_log_holds() {
    let log = Log::of(20, "");
    let policy = Policy::of_log(log_key());
    for size in 1..=20 {
        for index in 0..size {
            let path = inclusion(&log.levels, index, size).unwrap();
            let text = Receipt::new(index, path, None, log.note(size)).unwrap().encode();
            let entry = &log.entries[usize::try_from(index).unwrap()];
            assert!(Receipt::parse(&text).unwrap().verify(entry, &policy).is_ok(), "{index} of {size}");
        }
    }
}

#[test]
fn any_other_byte_is_refused_or_changes_nothing_that_was_vouched_for() {
    let log = Log::of(5, "");
    let policy = policy();
    for extra in [None, Some(&b"x"[..])] {
        let good = receipt(&log, 3, 5, extra);
        let meaning = good.verify(b"3", &policy).unwrap();
        let text = good.encode();
        let extra_line = extra.map_or(0..0, |_| {
            "c2sp.org/tlog-proof@v1\nextra ".len().."c2sp.org/tlog-proof@v1\nextra eA==".len()
        });
        let signatures = text.rfind("\n\n").unwrap();
        let mut accepted = 0;
        for at in 0..text.len() {
            // Every byte there is, where the meaning stands; in signatures every bit, and bytes that mean something.
            let others: Vec<u8> = match text.as_bytes()[at] {
                byte if at > signatures => {
                    (0..8).map(|bit| byte ^ (1 << bit)).chain(*b"\n +-/=0AZaz\r").collect()
                }
                _ => (0..=255).collect(),
            };
            for byte in others {
                let mut bytes = text.clone().into_bytes();
                if bytes[at] == byte {
                    continue;
                }
                bytes[at] = byte;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                // Verifying costs a signature or three: what is no receipt is refused before.
                let Ok(read) = Receipt::parse(&changed) else { continue };
                assert_eq!(read.encode(), changed, "one receipt has one spelling");
                if let Ok(verified) = read.verify(b"3", &policy) {
                    assert_eq!(verified, meaning, "byte {at} as {byte}");
                    // Only the extra data may differ: nobody vouches for it.
                    assert!(extra_line.contains(&at), "byte {at} as {byte}");
                    accepted += 1;
                }
            }
        }
        assert_eq!(accepted > 0, extra.is_some());
        for end in 0..text.len() {
            let cut = text.get(..end).and_then(|text| Receipt::parse(text).ok());
            // A cut at the end of a signature line leaves too few witnesses.
            assert!(cut.is_none_or(|cut| cut.verify(b"3", &policy).is_err()), "cut at {end}");
        }
    }
}

#[test]
fn what_is_not_a_receipt_is_told_by_line() {
    let log = Log::of(3, "");
    let good = receipt(&log, 1, 3, None).encode();
    let say = |text: &str| Receipt::parse(text).unwrap_err().to_string();
    assert_eq!(say(""), "it is not a receipt: line 1: there is no empty line");
    assert!(say(&good.replace("@v1", "@v2")).contains("line 1"));
    assert!(say(&good.replace("index 1", "index 01")).contains("line 2"));
    assert!(say(&good.replace("index 1\n", "extra AA==\nindex x\n")).contains("line 3"));
    assert!(say(&good.replace("index 1", "extra ?\nindex 1")).contains("line 2"));
    assert!(say(&good.replace("index 1", "extra \nindex 1")).contains("extra data is empty"));
    assert!(say(&good.replace("index 1\n", "index 1\nAAAA\n")).contains("line 3"));
    let hash = format!("{}=\n", "A".repeat(43));
    assert!(say(&good.replace("index 1\n", &format!("index 1\n{}", hash.repeat(64)))).contains("line 66"));
    assert!(say(&good.replace("index 1", "index 3")).contains("not among those"));
    assert!(say(&"a".repeat(RECEIPT_BYTES_MAX + 1)).contains("too large"));
    assert!(say(&good.replace('\n', "\r\n")).contains("line 1"));
}

#[test]
fn a_receipt_holds_only_for_those_who_trust_its_log() {
    let log = Log::of(3, "");
    let receipt = receipt(&log, 1, 3, None);
    let other = Policy::of_log(VerifierKey::of(&signer("other.example", 3)));
    let unknown = Rejected::UnknownLog(LOG.to_owned());
    assert_eq!(receipt.verify(b"1", &other), Err(ReceiptError::Rejected(unknown)));
    let renamed = Policy::of_log(VerifierKey::of(&signer(LOG, 3)));
    let unsigned = Rejected::LogSignature(LOG.to_owned());
    assert_eq!(receipt.verify(b"1", &renamed), Err(ReceiptError::Rejected(unsigned)));
}
