//! Every part of a true pack, changed: refused, with the words of that part.

use std::fmt::Write as _;

use expect_test::expect;
use kernel::digest::Digest;
use tlog::Policy;

use super::world::{Lies, failed, files, pack, refund, told};
use crate::{Pack, PackedBundle, PackedPayload, check};

fn without_digits(text: &str) -> String {
    // Content addresses change with the policy engine.
    let hex = |c: char| c.is_ascii_hexdigit();
    text.split(' ')
        .map(|word| {
            let plain = word.trim_end_matches([':', '\n']);
            if plain.len() == 12 && plain.chars().all(hex) {
                word.replace(plain, "ADDRESS")
            } else {
                word.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn an_approved_action_is_proved_and_decided_again() {
    let report = check(&refund(), None);
    expect![[r#"
        Proved checkpoint: 13 entries of `shop`, signed by its key
        Open checkpoint: the log's key is the pack's own word: hold it against a key that you know (--policy)
        Proved entry 0: `action.proposed` is entry 5 of the log
        Proved entry 1: `action.decided` is entry 6 of the log
        Proved entry 2: `approval.requested` is entry 7 of the log
        Proved entry 3: `timer.set` is entry 8 of the log
        Proved entry 4: `approval.given` is entry 9 of the log
        Proved entry 5: `approval.used` is entry 10 of the log
        Proved entry 6: `action.intended` is entry 11 of the log
        Proved payload `arguments` of entry 5: 25 bytes give the entry's commitment
        Proved payload `fact.asked` of entry 6: 176 bytes give the entry's commitment
        Proved payload `fact.paid` of entry 6: 188 bytes give the entry's commitment
        Proved payload `request` of entry 6: 973 bytes give the entry's commitment
        Proved payload `shown` of entry 7: 23 bytes give the entry's commitment
        Proved bundle ADDRESS: 4 files have the address that the decision names
        Proved proposal: run, tool `crm.refund`, manifest and arguments give its digest
        Proved `approval.requested` (entry 7): it binds this proposal, this page and these obligations
        Proved `approval.given` (entry 9): `ines` countersigned the page that was asked about
        Proved `approval.used` (entry 10): as many people, in the roles that were asked for, had countersigned
        Proved decision 1: decided again: `approve` (gated) by large, the same
        Proved decision 1, fact `asked`: 3 from `arguments`, 250 ms old when it was used
        Proved decision 1, fact `paid`: 712.40 USD from `crm.order`, 250 ms old when it was used
        Proved `approval.given` (entry 9): asked again, the rules let `ines` answer
        Proved decision 1, request: arguments, facts, counters and bundle give the same request
        1 of 1 decided again
    "#]]
    .assert_eq(&without_digits(&told(&report, true)));
}

#[test]
fn an_autonomous_one_and_a_forbidden_one_too() {
    for (tool, paid, verdict) in
        [("crm.refund", "12", "`autonomous` (permitted)"), ("crm.wipe", "12", "`never` (forbidden)")]
    {
        let report = check(&pack(tool, paid, &Lies::default()), None);
        assert!(report.holds() && report.decided_again == 1, "{}", told(&report, true));
        assert!(report.lines.iter().any(|line| line.text.contains(verdict)), "{}", told(&report, true));
    }
}

#[test]
fn a_readers_own_policy_goes_before_the_packs_word() {
    let pack = refund();
    let policy = |text: String| Policy::parse(text.as_bytes()).unwrap();
    let known = policy(format!("log {}\nquorum none\n", pack.verifier_key));
    let report = check(&pack, Some(&known));
    assert!(report.holds() && report.count(crate::Mark::Open) == 0, "{}", told(&report, false));
    let other = policy(format!("log {}\nquorum none\n", other_key()));
    let refused = told(&check(&pack, Some(&other)), true);
    expect![[r#"
        Failed checkpoint: the policy does not know the log `shop`
        0 of 0 decided again
    "#]]
    .assert_eq(&refused);
}

fn other_key() -> String {
    const OTHER: &str = "other";
    struct Other;
    impl kernel::ports::Signer for Other {
        fn name(&self) -> &str {
            OTHER
        }
        fn public_key(&self) -> [u8; 32] {
            ed25519_dalek::SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes()
        }
        fn sign(&self, _: &[u8]) -> [u8; 64] {
            [0; 64]
        }
    }
    tlog::VerifierKey::of(&Other).encode()
}

/// Changes a part and returns what fails.
fn after(change: impl FnOnce(&mut Pack)) -> String {
    let mut pack = refund();
    change(&mut pack);
    let mut lines = failed(&pack);
    assert!(!lines.is_empty(), "a changed pack is refused");
    lines.truncate(2);
    without_digits(&lines.join("\n"))
}

/// The commitment under this name.
fn commitment(pack: &Pack, name: &str) -> Digest {
    pack.entries
        .iter()
        .map(|packed| kernel::event::Entry::decode(packed.entry.as_bytes()).unwrap())
        .find_map(|entry| entry.commits.get(name).copied())
        .unwrap()
}

fn payload(pack: &mut Pack, name: &str) -> String {
    let commitment = commitment(pack, name);
    let Some(PackedPayload::Revealed { text: Some(text), .. }) = pack.payloads.get(&commitment) else {
        panic!("{name}")
    };
    text.clone()
}

fn replace(pack: &mut Pack, name: &str, from: &str, to: &str) {
    let changed = payload(pack, name).replacen(from, to, 1);
    let commitment = commitment(pack, name);
    let Some(PackedPayload::Revealed { text, .. }) = pack.payloads.get_mut(&commitment) else {
        panic!("{name}")
    };
    assert_ne!(text.as_deref(), Some(changed.as_str()), "{name} holds {from}");
    *text = Some(changed);
}

#[test]
fn each_part_that_was_changed_is_named() {
    let mut all = String::new();
    let mut tell =
        |what: &str, found: String| writeln!(all, "{what}\n  {}", found.replace('\n', "\n  ")).unwrap();
    tell("a fact", after(|pack| replace(pack, "fact.paid", "71240", "100")));
    tell("the arguments", after(|pack| replace(pack, "arguments", "W1", "W2")));
    tell("the request", after(|pack| replace(pack, "request", "W1", "W2")));
    tell("the page", after(|pack| replace(pack, "shown", "refund", "present")));
    tell(
        "a salt",
        after(|pack| {
            let at = commitment(pack, "request");
            let Some(PackedPayload::Revealed { salt, .. }) = pack.payloads.get_mut(&at) else { panic!() };
            *salt = "0".repeat(64);
        }),
    );
    tell("a payload left out", after(|pack| drop(pack.payloads.remove(&commitment(pack, "fact.paid")))));
    tell(
        "a payload of nobody",
        after(|pack| {
            drop(pack.payloads.insert(Digest([1; 32]), PackedPayload::Erased));
        }),
    );
    tell(
        "the bundle",
        after(|pack| {
            let Some(PackedBundle::Whole { files, .. }) = pack.bundles.values_mut().next() else { panic!() };
            let rules = files.get_mut("policies/shop.cedar").unwrap();
            *rules = rules.replace("50000", "90000");
        }),
    );
    tell(
        "the built-in rules",
        after(|pack| {
            let Some(PackedBundle::Whole { floor, .. }) = pack.bundles.values_mut().next() else { panic!() };
            floor.push('\n');
        }),
    );
    tell("a bundle left out", after(|pack| pack.bundles.clear()));
    tell(
        "an entry",
        after(|pack| pack.entries[1].entry = pack.entries[1].entry.replace("approve", "autonomous")),
    );
    tell("an entry left out", after(|pack| drop(pack.entries.remove(0))));
    tell("entries in another order", after(|pack| pack.entries.swap(0, 1)));
    tell(
        "a proof",
        after(|pack| {
            let other = pack.entries[1].proof.clone();
            pack.entries[0].proof = other;
        }),
    );
    tell("a proof that is none", after(|pack| pack.entries[0].proof = "c2sp.org/tlog-proof@v1\n".to_owned()));
    tell("the checkpoint", after(|pack| pack.checkpoint = pack.checkpoint.replacen("shop\n", "shop\n1", 1)));
    tell("the key", after(|pack| pack.verifier_key = other_key()));
    tell("the action", after(|pack| pack.action = "act_00000000000000000000000000".parse().unwrap()));
    tell("the log", after(|pack| pack.log = "shed".to_owned()));
    expect![[r#"
        a fact
          payload `fact.paid` of entry 6: salt and bytes do not give the commitment that the entry holds
        the arguments
          payload `arguments` of entry 5: salt and bytes do not give the commitment that the entry holds
        the request
          payload `request` of entry 6: salt and bytes do not give the commitment that the entry holds
        the page
          payload `shown` of entry 7: salt and bytes do not give the commitment that the entry holds
        a salt
          payload `request` of entry 6: salt and bytes do not give the commitment that the entry holds
        a payload left out
          payload `fact.paid` of entry 6: the entry commits to it, and the pack does not say what became of it
        a payload of nobody
          payload ADDRESS: no proved entry commits to it
        the bundle
          bundle ADDRESS: its files have another address: ADDRESS
        the built-in rules
          bundle ADDRESS: its files have another address: ADDRESS
        a bundle left out
          bundle ADDRESS: a decision names it, and it is not in the pack
        an entry
          entry 1: its proof does not hold: the checkpoint does not vouch for this entry
          payload ADDRESS: no proved entry commits to it
        an entry left out
          payload ADDRESS: no proved entry commits to it
          proposal: there are 0 of them among the proved entries
        entries in another order
          entry 1: it stands before the one in front of it in the log
          payload ADDRESS: no proved entry commits to it
        a proof
          entry 0: its proof does not hold: the checkpoint does not vouch for this entry
          payload ADDRESS: no proved entry commits to it
        a proof that is none
          entry 0: its proof cannot be read: it is not a receipt: line 1: there is no empty line
          payload ADDRESS: no proved entry commits to it
        the checkpoint
          checkpoint: the checkpoint carries no valid signature of the log `shop`
        the key
          checkpoint: the policy does not know the log `shop`
        the action
          entry 0: it is not about the action `act_00000000000000000000000000`
          entry 1: it is not about the action `act_00000000000000000000000000`
        the log
          checkpoint: it is of the log `shop`, the pack of `shed`
    "#]]
    .assert_eq(&all);
}

#[test]
fn every_byte_of_an_entry_and_of_a_payload_counts() {
    let pack = refund();
    for at in 0..pack.entries.len() {
        for byte in (0..pack.entries[at].entry.len()).step_by(41) {
            let mut changed = pack.clone();
            let mut bytes = changed.entries[at].entry.clone().into_bytes();
            bytes[byte] ^= 1;
            changed.entries[at].entry = String::from_utf8(bytes).unwrap();
            assert!(!check(&changed, None).holds(), "entry {at}, byte {byte}");
        }
    }
}

#[test]
fn what_is_not_readable_is_open_and_not_proved() {
    for state in
        [PackedPayload::Erased, PackedPayload::Redacted, PackedPayload::TooLarge, PackedPayload::Missing]
    {
        let mut pack = refund();
        let whole = check(&pack, None).count(crate::Mark::Proved);
        pack.payloads.values_mut().for_each(|payload| *payload = state.clone());
        let report = check(&pack, None);
        assert!(report.holds(), "{}", told(&report, false));
        assert_eq!((report.decisions, report.decided_again), (1, 0));
        assert!(report.count(crate::Mark::Proved) < whole);
    }
    let mut pack = refund();
    let erased = commitment(&pack, "fact.paid");
    pack.payloads.insert(erased, PackedPayload::Erased);
    expect![[r#"
        Open checkpoint: the log's key is the pack's own word: hold it against a key that you know (--policy)
        Open payload `fact.paid` of entry 6: erased: that it was there is proved, what it says is not
        Open decision 1, fact `paid`: its source and age are proved, its value is not readable in this pack
        Open decision 1, request: that it rests on the recorded facts is not shown for all of them
        1 of 1 decided again
    "#]]
    .assert_eq(&told(&check(&pack, None), false));
    let mut pack = refund();
    pack.bundles.values_mut().for_each(|bundle| *bundle = PackedBundle::Missing);
    expect![[r#"
        Open checkpoint: the log's key is the pack's own word: hold it against a key that you know (--policy)
        Open bundle ADDRESS: kept no longer: its decisions cannot be taken again
        Open decision 1: it cannot be taken again: its bundle is not usable
        0 of 1 decided again
    "#]]
    .assert_eq(&without_digits(&told(&check(&pack, None), false)));
    assert!(!files().is_empty());
}
