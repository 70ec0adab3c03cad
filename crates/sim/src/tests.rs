//! Every row of the table in DESIGN §5, with every place at which the process can stop.

use expect_test::expect;
use kernel::action::Status;

use crate::crm::Fault;
use crate::memory::Stop;
use crate::story::{Ending, Reviewer, Story, play, play_on_full_disk, rebuild, reserved};

fn story(tool: &'static str, level: &'static str, faults: &[Fault]) -> Story {
    Story { tool, level, faults: faults.to_vec(), reviewer: Reviewer::Approves, stricter: false }
}

/// The entries of an ending, one word each.
fn kinds(ending: &Ending) -> String {
    let about = |entry: &&kernel::event::Entry| entry.event.action().is_some();
    ending.entries.iter().filter(about).map(|entry| entry.event.kind()).collect::<Vec<_>>().join(" ")
}

fn check(story: &Story, expected: expect_test::Expect) {
    let ending = play(story, None, 1);
    expected.assert_eq(&format!(
        "{} · {} effect(s)\n{}\n",
        ending.action.status,
        ending.effects,
        kinds(&ending)
    ));
    assert_eq!(reserved(&rebuild(&ending.entries)) != 0, ending.action.status == Status::Unknown);
}

#[test]
fn an_autonomous_write_is_intended_with_its_decision() {
    check(
        &story("crm.once", "alone", &[]),
        expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided action.intended action.confirmed
        "#]],
    );
}

#[test]
fn an_autonomous_read_is_recorded_after_the_call() {
    check(
        &story("crm.read", "alone", &[]),
        expect![[r#"
            confirmed · 0 effect(s)
            action.proposed action.decided action.confirmed
        "#]],
    );
}

#[test]
fn a_gated_write_is_decided_again_and_uses_its_approval() {
    check(
        &story("crm.once", "gate", &[]),
        expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided approval.requested timer.set approval.given action.decided approval.used action.intended action.confirmed
        "#]],
    );
}

#[test]
fn never_is_recorded_in_full() {
    check(
        &story("crm.once", "never", &[]),
        expect![[r#"
            refused · 0 effect(s)
            action.proposed action.decided action.refused
        "#]],
    );
}

#[test]
fn a_rejected_and_a_forgotten_request_change_nothing() {
    check(
        &Story { reviewer: Reviewer::Rejects, ..story("crm.once", "gate", &[]) },
        expect![[r#"
            rejected · 0 effect(s)
            action.proposed action.decided approval.requested timer.set approval.rejected
        "#]],
    );
    check(
        &Story { reviewer: Reviewer::Away, ..story("crm.once", "gate", &[]) },
        expect![[r#"
            expired · 0 effect(s)
            action.proposed action.decided approval.requested timer.set approval.expired
        "#]],
    );
}

#[test]
fn a_stricter_rule_published_while_it_waits_refuses_it() {
    check(
        &Story { stricter: true, ..story("crm.once", "gate", &[]) },
        expect![[r#"
            refused · 0 effect(s)
            action.proposed action.decided approval.requested timer.set approval.given action.decided approval.withdrawn action.refused
        "#]],
    );
}

#[test]
fn an_unknown_is_looked_up_and_never_blindly_repeated() {
    check(
        &story("crm.once", "alone", &[Fault::CutAfter]),
        expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided action.intended action.unknown timer.set action.looked-up action.confirmed
        "#]],
    );
    check(
        &story("crm.once", "alone", &[Fault::CutBefore]),
        expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided action.intended action.unknown timer.set action.looked-up action.decided action.intended action.confirmed
        "#]],
    );
}

#[test]
fn a_keyed_unknown_is_repeated_with_its_key() {
    check(
        &story("crm.keyed", "alone", &[Fault::CutAfter, Fault::CutBefore]),
        expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided action.intended action.unknown action.intended action.unknown action.intended action.confirmed
        "#]],
    );
}

#[test]
fn a_repeat_that_does_not_arrive_settles_nothing() {
    check(
        &story("crm.keyed", "alone", &[Fault::CutAfter, Fault::Unreachable]),
        expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided action.intended action.unknown action.intended action.unknown action.intended action.confirmed
        "#]],
    );
}

#[test]
fn an_unknown_that_nothing_can_settle_waits_for_a_person() {
    check(
        &story("crm.wire", "alone", &[Fault::CutAfter]),
        expect![[r#"
            unknown · 1 effect(s)
            action.proposed action.decided action.intended action.unknown action.handed-over
        "#]],
    );
}

#[test]
fn a_certain_failure_releases_what_it_reserved() {
    check(
        &story("crm.once", "alone", &[Fault::Refuses]),
        expect![[r#"
            failed · 0 effect(s)
            action.proposed action.decided action.intended action.failed
        "#]],
    );
    check(
        &story("crm.keyed", "alone", &[Fault::Unreachable]),
        expect![[r#"
            failed · 0 effect(s)
            action.proposed action.decided action.intended action.failed
        "#]],
    );
}

/// Every story with every stop: before each append, and after it with nobody told.
#[test]
fn a_stop_anywhere_repeats_no_effect_and_loses_none() {
    let mut cases = 0;
    for tool in ["crm.read", "crm.once", "crm.keyed", "crm.wire"] {
        for level in ["alone", "gate", "never"] {
            for faults in [vec![], vec![Fault::CutBefore], vec![Fault::CutAfter], vec![Fault::Refuses]] {
                for reviewer in [Reviewer::Approves, Reviewer::Rejects, Reviewer::Away] {
                    if level != "gate" && reviewer != Reviewer::Approves {
                        continue;
                    }
                    let story = Story { reviewer, ..story(tool, level, &faults) };
                    let whole = play(&story, None, 7);
                    for append in 0..whole.appends {
                        for stop in [Stop::Before(append), Stop::After(append)] {
                            judge_stop(&story, stop, &whole);
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{cases} stops");
}

/// Every story on a disk that fills up before any of its appends, and has room again a while later.
#[test]
fn a_full_disk_changes_no_ending() {
    let mut cases = 0;
    for tool in ["crm.read", "crm.once", "crm.keyed", "crm.wire"] {
        for level in ["alone", "gate"] {
            for faults in [vec![], vec![Fault::CutBefore], vec![Fault::CutAfter]] {
                for reviewer in [Reviewer::Approves, Reviewer::Away] {
                    if level != "gate" && reviewer != Reviewer::Approves {
                        continue;
                    }
                    let story = Story { reviewer, ..story(tool, level, &faults) };
                    let whole = play(&story, None, 7);
                    for (append, refusals) in (0..whole.appends).flat_map(|append| [(append, 1), (append, 5)])
                    {
                        let ending = play_on_full_disk(&story, append, refusals, 7);
                        let what = format!("SEED=7 {story:?} full at {append} for {refusals}");
                        assert_eq!(ending.action.status, whole.action.status, "{what}");
                        assert_eq!(ending.effects, whole.effects, "{what}");
                        assert_eq!(kinds(&ending), kinds(&whole), "{what}");
                        cases += 1;
                    }
                }
            }
        }
    }
    println!("{cases} full disks");
}

fn judge_stop(story: &Story, stop: Stop, whole: &Ending) {
    let ending = play(story, Some(stop), 7);
    let what = format!("SEED=7 {story:?} {stop:?}: {} · {}", ending.action.status, kinds(&ending));
    assert!(ending.stopped, "the stop was not reached: {what}");
    assert!(ending.effects <= 1, "an effect was repeated: {what}");
    match ending.action.status {
        Status::Confirmed if story.tool == "crm.read" => assert_eq!(ending.effects, 0, "{what}"),
        Status::Confirmed => assert_eq!(ending.effects, 1, "confirmed without an effect: {what}"),
        // Only a person can tell; that somebody must is on record.
        Status::Unknown => assert!(ending.action.handed_over, "an unknown without an owner: {what}"),
        Status::Failed | Status::Refused | Status::Rejected | Status::Expired => {
            assert_eq!(ending.effects, 0, "an effect behind a no: {what}");
        }
        other => panic!("it ended as {other}: {what}"),
    }
    // A stop may hide a refusal of the system, and may cost an irreversible write its answer; else the end is the same.
    let excused = story.tool == "crm.wire" || story.faults.contains(&Fault::Refuses);
    if !excused {
        assert_eq!(ending.action.status, whole.action.status, "{what}");
    }
    let seqs: Vec<u64> = ending.entries.iter().map(|entry| entry.seq).collect();
    assert!(seqs.iter().copied().eq(0..seqs.len() as u64), "{what}");
    assert_eq!(reserved(&rebuild(&ending.entries)) != 0, ending.action.status == Status::Unknown, "{what}");
}

#[test]
fn a_seed_plays_the_same_story_twice() {
    let story = story("crm.once", "gate", &[Fault::CutAfter]);
    let texts = || {
        play(&story, Some(Stop::Before(4)), 42)
            .entries
            .iter()
            .map(kernel::event::Entry::encode)
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(), texts());
}
