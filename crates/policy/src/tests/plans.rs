//! What a plan shows: whatever differs, down to a fact's expression.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::shop::{bundle, edited, files};
use crate::plan;

fn check(path: &str, from: &str, to: &str, expected: Expect) {
    let changes = plan(Some(&bundle(&files())), &bundle(&edited(path, from, to)));
    let mut told = String::new();
    for change in &changes {
        writeln!(told, "{} {} {}: {}", change.kind, change.what, change.name, change.detail).unwrap();
    }
    expected.assert_eq(&told);
}

#[test]
fn nothing_changes_when_nothing_changed() {
    check(
        "runbooks/refunds.md",
        "",
        "Call finance.",
        expect![[r#"
        added runbook runbooks/refunds.md: 1 lines
    "#]],
    );
}

#[test]
fn every_kind_of_change_is_told() {
    check(
        "agents/shop-agent.toml",
        "production",
        "canary",
        expect![[r#"
        changed agent shop-agent: version 3, stage production, owner mara → version 3, stage canary, owner mara
    "#]],
    );
    check(
        "agents/shop-agent.toml",
        "jonas",
        "lea",
        expect![[r#"
        changed agent shop-agent: version 3, stage production, owner mara
    "#]],
    );
    check("agents/shop-agent.toml", "owner =", "retention = \"standard\"\nowner =", expect![[r#""#]]);
    let mut kept = edited("agents/shop-agent.toml", "owner =", "retention = \"long\"\nowner =");
    kept.insert("retention.toml".to_owned(), "[classes.long]\ndays = 3650\n".to_owned());
    let kept = plan(Some(&bundle(&files())), &bundle(&kept));
    assert_eq!(kept.len(), 1);
    assert!(
        kept[0].detail.ends_with("owner mara, kept for 3650 days after a run (long)"),
        "{}",
        kept[0].detail
    );
    check(
        "workspace.toml",
        "[\"finance\", \"legal\"]\n\n[people.noor]",
        "[\"finance\"]\n\n[people.noor]",
        expect![[r#"
            changed person lea: roles finance, legal → roles finance
        "#]],
    );
    check(
        "workspace.toml",
        "window = \"day\"",
        "window = \"hour\"",
        expect![[r#"
            changed counter refunded_today: facts.refund per workspace and day → facts.refund per workspace and hour
        "#]],
    );
    check(
        "policies/shop.cedar",
        "> 50000 ",
        "> 90000 ",
        expect![[r#"
            changed policy refund-above-500: gate in policies/shop.cedar
        "#]],
    );
    check(
        "connectors/crm.toml",
        "[.output.items[].price]",
        "[.output.items[0].price]",
        expect![[r#"
        changed tool crm.refund: once, manifest 0ef2e3b919bd
    "#]],
    );
    check(
        "connectors/crm.toml",
        "environment",
        "allow_private = true\nenvironment",
        expect![[r#"
        changed connector crm: sandbox http://127.0.0.1:7411/mcp
    "#]],
    );
    check(
        "connectors/crm.manifest.json",
        "Writes a note",
        "Writes a long note",
        expect![[r#"
        changed tool crm.note: keyed, manifest 0c6d8d2d7511 → keyed, manifest 8cd7259e8d91
    "#]],
    );
}

#[test]
fn a_first_plan_adds_everything() {
    let changes = plan(None, &bundle(&files()));
    assert!(changes.iter().all(|change| change.kind == "added"));
    let names: Vec<String> =
        changes.iter().map(|change| format!("{} {}", change.what, change.name)).collect();
    expect![[r#"
        agent shop-agent
        connector crm
        counter refunded_today
        counter refunds_of_run
        person jonas
        person lea
        person mara
        person noor
        policy day-above-1000
        policy floor-not-retired
        policy floor-not-the-deputy
        policy floor-not-the-owner
        policy floor-not-the-requester
        policy floor-people-answer
        policy floor-role-held
        policy look
        policy no-secrets-in-notes
        policy refund-above-500
        policy refund-above-5000
        policy scale-overflows
        policy work
        setting time zone
        setting title
        tool crm.get_order
        tool crm.note
        tool crm.refund
        tool crm.scale"#]]
    .assert_eq(&names.join("\n"));
}
