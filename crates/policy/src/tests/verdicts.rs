//! The three levels of autonomy, and every way to end at the third.

use std::fmt::Write as _;

use expect_test::expect;
use kernel::judge::{Judge, Verdict};
use serde_json::json;

use super::shop::{Day, Files, bundle, check, edited, files, play, tool};

#[test]
fn three_levels_by_one_amount() {
    check(
        r#"
        crm.get_order {"id":"A"}
        crm.refund {"order_id":"A"} <- {"items":[{"price":500.00}]}
        crm.refund {"order_id":"A"} <- {"items":[{"price":500.01}]}
        crm.refund {"order_id":"A"} <- {"items":[{"price":5000.01}]}
        "#,
        expect![[r#"
            Autonomous permitted ["look"]
            Autonomous permitted ["work"]
            Approve gated ["day-above-1000","refund-above-500"] roles=["finance", "legal"] quorum=2 expires=14400s redact={"/memo", "/reason"} risk="high"
            Never forbidden ["day-above-1000","refund-above-500","refund-above-5000"]
        "#]],
    );
}

#[test]
fn two_gates_ask_for_the_stricter_of_each() {
    check(
        r#"crm.refund {"order_id":"A"} <- {"items":[{"price":"1000.01"}]}"#,
        expect![[r#"
        Approve gated ["day-above-1000","refund-above-500"] roles=["finance", "legal"] quorum=2 expires=14400s redact={"/memo", "/reason"} risk="high"
    "#]],
    );
}

#[test]
fn a_gate_that_fails_to_evaluate_refuses() {
    check(
        r#"
        crm.scale {"by":0}
        crm.scale {"by":1}
        crm.scale {"by":2}
        "#,
        expect![[r#"
            Autonomous permitted ["work"]
            Approve gated ["scale-overflows"] roles=["legal"] quorum=1 expires=86400s redact={} risk="-"
            Never policy_error ["scale-overflows"]
        "#]],
    );
}

#[test]
fn what_no_permit_names_is_refused() {
    check(
        r#"
        agent=other-agent
        crm.get_order {"id":"A"}
        crm.note {"order_id":"A"}
        crm.refund {"order_id":"A"} <- {"items":[{"price":900}]}
        "#,
        expect![[r#"
            ok
            Autonomous permitted ["look"]
            Never no_permit []
            Never no_permit []
        "#]],
    );
}

#[test]
fn without_policy_nothing_is_allowed() {
    let mut files = files();
    files.remove("policies/shop.cedar");
    expect![[r#"
        Never empty_policy []
    "#]]
    .assert_eq(&play(&files, r#"crm.get_order {"id":"A"}"#));
}

#[test]
fn a_retired_agent_does_nothing() {
    check(
        r#"
        stage=retired
        crm.get_order {"id":"A"}
        crm.refund {"order_id":"A"} <- {"items":[{"price":900}]}
        "#,
        expect![[r#"
            ok
            Never forbidden ["floor-not-retired"]
            Never forbidden ["floor-not-retired","refund-above-500"]
        "#]],
    );
}

#[test]
fn optional_arguments_are_tested_with_has() {
    check(
        r#"
        crm.note {"order_id":"A"}
        crm.note {"order_id":"A","text":"called back"}
        crm.note {"order_id":"A","text":"his password is 1234","tags":["a","b"]}
        "#,
        expect![[r#"
            Autonomous permitted ["work"]
            Autonomous permitted ["work"]
            Never forbidden ["no-secrets-in-notes"]
        "#]],
    );
}

#[test]
fn small_refunds_add_up_until_a_person_is_asked() {
    let refund = r#"crm.refund {"order_id":"A"} <- {"items":[{"price":95.00}]}"#;
    // Noon, ten refunds, an eleventh; eleven hours on it is still this day, then midnight passes.
    let story = format!("{}\nhours=11\n{refund}\nhours=1\n{refund}", [refund; 11].join("\n"));
    check(
        &story,
        expect![[r#"
        Autonomous permitted ["work"]
        Autonomous permitted ["work"]
        Autonomous permitted ["work"]
        Autonomous permitted ["work"]
        Autonomous permitted ["work"]
        Autonomous permitted ["work"]
        Autonomous permitted ["work"]
        Autonomous permitted ["work"]
        Autonomous permitted ["work"]
        Autonomous permitted ["work"]
        Approve gated ["day-above-1000"] roles=["legal"] quorum=2 expires=14400s redact={"/reason"} risk="high"
        ok
        Approve gated ["day-above-1000"] roles=["legal"] quorum=2 expires=14400s redact={"/reason"} risk="high"
        ok
        Autonomous permitted ["work"]
    "#]],
    );
}

#[test]
fn windows_follow_the_local_clock() {
    let mut files = files();
    let counters = ["day", "hour"].map(|window| {
        format!("[counters.{window}_count]\ntools = [\"crm.note\"]\namount = 1\nper = \"on_behalf_of\"\nwindow = \"{window}\"\n")
    });
    files.insert("counters.toml".to_owned(), counters.concat());
    let mut day = Day::new(&files);
    day.run.on_behalf_of = Some("lea".parse().unwrap());
    let question = day.question(&tool("crm.note"), json!({"order_id": "A"}), "").unwrap();
    let mut told = String::new();
    // Midnight in New York; summer time begins (no 02:30); it ends (01:30 twice).
    for at in [
        "2026-03-02T04:59:59Z",
        "2026-03-02T05:00:00Z",
        "2026-03-08T06:30:00Z",
        "2026-03-08T07:30:00Z",
        "2026-11-01T05:30:00Z",
        "2026-11-01T06:30:00Z",
    ] {
        let moment: jiff::Timestamp = at.parse().unwrap();
        let used = day.bundle.counters(&question, kernel::clock::Millis(moment.as_millisecond())).unwrap();
        let keys: Vec<&str> = used.iter().map(|used| used.key.as_str()).collect();
        writeln!(told, "{at} {}", keys.join(" ")).unwrap();
    }
    expect![[r#"
        2026-03-02T04:59:59Z day_count/lea/2026-03-01 hour_count/lea/2026-03-01T23-0500
        2026-03-02T05:00:00Z day_count/lea/2026-03-02 hour_count/lea/2026-03-02T00-0500
        2026-03-08T06:30:00Z day_count/lea/2026-03-08 hour_count/lea/2026-03-08T01-0500
        2026-03-08T07:30:00Z day_count/lea/2026-03-08 hour_count/lea/2026-03-08T03-0400
        2026-11-01T05:30:00Z day_count/lea/2026-11-01 hour_count/lea/2026-11-01T01-0400
        2026-11-01T06:30:00Z day_count/lea/2026-11-01 hour_count/lea/2026-11-01T01-0500
    "#]]
    .assert_eq(&told);
}

/// What can be forbidden, with and without a person who may lift it.
const FORBIDS: [&str; 9] = [
    r#"@id("more") @never("true") forbid (principal, action, resource);"#,
    r#"@id("more") @gate("approval") @approver_role("legal") forbid (principal, action, resource);"#,
    r#"@id("more") @gate("approval") @approver_role("legal") forbid (principal, action in Action::"tool", resource);"#,
    r#"@id("more") @never("true") forbid (principal, action in Action::"write", resource);"#,
    r#"@id("more") @gate("approval") @approver_role("finance") forbid (principal, action == Action::"crm.refund", resource);"#,
    r#"@id("more") @never("true") forbid (principal, action == Action::"crm.refund", resource) when { context.facts.refund > 10 };"#,
    r#"@id("more") @gate("approval") @approver_role("legal") forbid (principal, action == Action::"crm.scale", resource) when { context.input.by - 9223372036854775807 < -9 };"#,
    r#"@id("more") @gate("approval") @approver_role("legal") forbid (principal, action == Action::"crm.note", resource) unless { context.input has text };"#,
    r#"@id("more") @never("true") forbid (principal in Agent::"nobody", action, resource);"#,
];

#[test]
fn one_more_forbid_never_widens_a_verdict() {
    let calls = [
        ("crm.get_order", json!({"id": "A"}), ""),
        ("crm.note", json!({"order_id": "A"}), ""),
        ("crm.note", json!({"order_id": "A", "text": "password"}), ""),
        ("crm.scale", json!({"by": 0}), ""),
        ("crm.scale", json!({"by": 1}), ""),
        ("crm.scale", json!({"by": -3}), ""),
        ("crm.refund", json!({"order_id": "A"}), r#"{"items":[{"price":1}]}"#),
        ("crm.refund", json!({"order_id": "A"}), r#"{"items":[{"price":501}]}"#),
        ("crm.refund", json!({"order_id": "A"}), r#"{"items":[{"price":1001}]}"#),
        ("crm.refund", json!({"order_id": "A"}), r#"{"items":[{"price":5001}]}"#),
    ];
    let verdicts = |files: &Files, stage: &str| -> Vec<Verdict> {
        let bundle = bundle(files);
        let judged = calls.iter().map(|(name, arguments, answer)| {
            let mut day = Day::of(bundle.clone());
            stage.clone_into(&mut day.run.stage);
            day.ask(&tool(name), arguments.clone(), answer).unwrap().verdict
        });
        judged.collect()
    };
    for stage in ["production", "retired"] {
        let before = verdicts(&files(), stage);
        for forbid in FORBIDS {
            let after = verdicts(&edited("policies/shop.cedar", "", forbid), stage);
            let wider: Vec<_> =
                calls.iter().zip(before.iter().zip(&after)).filter(|(_, (was, is))| is < was).collect();
            assert!(wider.is_empty(), "{forbid} widens {wider:?}");
        }
    }
}
