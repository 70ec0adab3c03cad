//! Who may answer an approval: never for one's own agent, never for a run that acts for oneself, only with a role asked for.

use expect_test::expect;
use kernel::judge::{ApproverQuestion, Judge, Obligations};

use super::shop::{Files, bundle, edited, files, run, tool};
use crate::Bundle;

/// `PERSON ROLES ASKED [BEHALF [DEPUTY]]`, lists with commas, `-` for none.
fn answer(bundle: &Bundle, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let roles =
        |text: &str| text.split(',').filter(|role| *role != "-").map(|role| role.parse().unwrap()).collect();
    let mut run = run();
    let person = |at: usize| words.get(at).filter(|name| **name != "-").map(|name| name.parse().unwrap());
    (run.on_behalf_of, run.deputy) = (person(3), person(4));
    let question = ApproverQuestion {
        workspace: "shop".parse().unwrap(),
        person: words[0].parse().unwrap(),
        roles: roles(words[1]),
        action: "act_00000000000000000000000001".parse().unwrap(),
        tool: tool("crm.refund"),
        run,
        obligations: Obligations { approver_roles: roles(words[2]), quorum: 1, ..Obligations::default() },
    };
    match bundle.may_answer(&question) {
        Ok(()) => format!("{line}: yes\n"),
        Err(reason) => format!("{line}: no: {reason}\n"),
    }
}

fn check(files: &Files, lines: &[&str], expected: expect_test::Expect) {
    let bundle = bundle(files);
    expected.assert_eq(&lines.iter().map(|line| answer(&bundle, line)).collect::<String>());
}

#[test]
fn nobody_answers_for_their_own() {
    check(
        &files(),
        &[
            "jonas finance finance",
            "mara finance finance",
            "lea finance finance lea",
            "lea finance finance mara",
            "jonas legal finance",
            "jonas - finance",
            "lea legal finance,legal",
            "jonas viewer -",
            "mara finance legal mara",
            "lea finance finance - lea",
            "lea finance finance - jonas",
        ],
        expect![[r#"
            jonas finance finance: yes
            mara finance finance: no: you own this agent
            lea finance finance lea: no: the run acts for you
            lea finance finance mara: yes
            jonas legal finance: no: you do not hold a role that the rule asks for
            jonas - finance: no: you do not hold a role that the rule asks for
            lea legal finance,legal: yes
            jonas viewer -: yes
            mara finance legal mara: no: you own this agent; the run acts for you; you do not hold a role that the rule asks for
            lea finance finance - lea: no: you stand in for the owner of this agent
            lea finance finance - jonas: yes
        "#]],
    );
}

#[test]
fn a_workspace_may_add_to_the_floor_and_not_lift_it() {
    let more = r#"
        @id("anybody") permit (principal, action == Action::"approve", resource);
        @id("not-jonas") @never("true") @reason("jonas is on leave")
        forbid (principal == Person::"jonas", action == Action::"approve", resource);
    "#;
    let files = edited("policies/shop.cedar", "", more);
    check(
        &files,
        &["mara finance finance", "jonas finance finance", "lea finance finance"],
        expect![[r#"
        mara finance finance: no: you own this agent
        jonas finance finance: no: jonas is on leave
        lea finance finance: yes
    "#]],
    );
}

#[test]
fn a_gate_on_everything_can_still_be_lifted() {
    let more =
        r#"@id("slow") @gate("approval") @approver_role("finance") forbid (principal, action, resource);"#;
    check(
        &edited("policies/shop.cedar", "", more),
        &["lea finance finance"],
        expect![[r#"
        lea finance finance: yes
    "#]],
    );
}
