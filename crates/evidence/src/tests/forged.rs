//! A server that lies in its own log: every proof and commitment holds, and the story does not.

use expect_test::expect;
use kernel::event::Event;
use kernel::judge::Verdict;
use serde_json::json;

use super::world::{Lies, failed, pack};

fn after(lies: &Lies) -> String {
    failed(&pack("crm.refund", "712.40", lies)).join("\n")
}

#[test]
fn a_request_that_does_not_rest_on_what_was_recorded_is_named() {
    let fact = Lies {
        request: Some(|value| value["request"]["context"]["facts"]["paid"] = json!(100)),
        ..Lies::default()
    };
    expect![[r#"
        decision 1: recorded is `approve` (gated) by large; the packed bundle and request give `autonomous` (permitted) by refund
        decision 1: the rules ask other things of approvers than was recorded
        decision 1, fact `paid`: decided on 100, and its own record says 71240
        decision 1, request: `/context/facts/paid` is 100; the packed parts give 71240"#]].assert_eq(&after(&fact));
    let input = Lies {
        request: Some(|value| value["request"]["context"]["input"]["order"] = json!("W2")),
        ..Lies::default()
    };
    expect![[r#"decision 1, request: `/context/input/order` is "W2"; the packed parts give "W1""#]]
        .assert_eq(&after(&input));
    let unknown = Lies {
        request: Some(|value| value["request"]["context"]["facts"]["more"] = json!(1)),
        ..Lies::default()
    };
    assert!(after(&unknown).contains("fact `more`: decided on, and the entry does not name it"));
    let person = Lies {
        request: Some(|value| {
            let text = value["request"]["entities"].to_string().replace("mara", "ines");
            value["request"]["entities"] = serde_json::from_str(&text).unwrap();
        }),
        ..Lies::default()
    };
    assert!(after(&person).contains("the packed parts give"), "{}", after(&person));
}

#[test]
fn a_verdict_that_the_rules_do_not_give_is_named() {
    let softer = Lies {
        event: Some(|event| {
            if let Event::ActionDecided(decided) = event {
                (decided.verdict, decided.obligations) = (Verdict::Autonomous, None);
                decided.code = "permitted".to_owned();
                decided.rules = vec!["refund".to_owned()];
            }
        }),
        ..Lies::default()
    };
    expect![[r#"
        `approval.requested` (entry 7): it binds other obligations than the decision's
        decision 1: recorded is `autonomous` (permitted) by refund; the packed bundle and request give `approve` (gated) by large
        decision 1: the rules ask other things of approvers than was recorded"#]].assert_eq(&after(&softer));
}

#[test]
fn a_countersignature_that_binds_something_else_is_named() {
    let page = Lies {
        event: Some(|event| {
            if let Event::ApprovalGiven { seen, .. } = event {
                seen.0[0] ^= 1;
            }
        }),
        ..Lies::default()
    };
    expect![[r#"
        `approval.given` (entry 9): `ines` saw another page than was asked about
        `approval.used` (entry 10): too few people, or none in the roles that were asked for, had countersigned
        `action.intended` (entry 11): call 1 was begun without a right to it"#]].assert_eq(&after(&page));
    let role = Lies {
        event: Some(|event| {
            if let Event::ApprovalGiven { roles, .. } = event {
                roles.clear();
            }
        }),
        ..Lies::default()
    };
    assert!(after(&role).contains("too few people"), "{}", after(&role));
    let owner = Lies {
        event: Some(|event| {
            if let Event::ApprovalGiven { by, .. } = event {
                *by = "mara".parse().unwrap();
            }
        }),
        ..Lies::default()
    };
    let report = crate::check(&pack("crm.refund", "712.40", &owner), None);
    let told = super::world::told(&report, false);
    assert!(told.contains("do not let `mara` answer"), "{told}");
    let binds = Lies {
        event: Some(|event| {
            if let Event::ApprovalRequested { binds, .. } = event {
                binds.action.0[0] ^= 1;
            }
        }),
        ..Lies::default()
    };
    assert!(after(&binds).contains("it binds another proposal"), "{}", after(&binds));
    let digest = Lies {
        event: Some(|event| {
            if let Event::ActionProposed { digest, .. } = event {
                digest.0[0] ^= 1;
            }
        }),
        ..Lies::default()
    };
    assert!(after(&digest).contains("do not give its digest"), "{}", after(&digest));
}

#[test]
fn an_entry_that_says_it_stands_elsewhere_is_none() {
    let place = Lies { entry: Some(|entry| entry.seq += 1), ..Lies::default() };
    assert!(after(&place).contains("entry 0: it names another place in the log than its proof"));
    let log = Lies { entry: Some(|entry| entry.log = "shed".to_owned()), ..Lies::default() };
    assert!(after(&log).contains("entry 0: it names another place in the log than its proof"));
    let newer = Lies { entry: Some(|entry| entry.v = 2), ..Lies::default() };
    assert!(after(&newer).contains("entry format 2 is newer than this program"));
}
