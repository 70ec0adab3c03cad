//! Every row of the table in DESIGN §5, with every place at which the process can stop.

use expect_test::{Expect, expect};
use kernel::action::{Cause, Status};
use kernel::event::Event;

use crate::crm::{Fault, ReadFault};
use crate::memory::Stop;
use crate::rules::Edition;
use crate::story::{Ending, Meanwhile, Reviewer, Story, play, play_on_full_disk, rebuild, reserved};

fn story(tool: &'static str, level: &'static str, faults: &[Fault]) -> Story {
    Story { faults: faults.to_vec(), ..Story::of(tool, level) }
}

/// The entries of an ending, one word each.
fn kinds(ending: &Ending) -> String {
    let about = |entry: &&kernel::event::Entry| entry.event.action().is_some();
    ending.entries.iter().filter(about).map(|entry| entry.event.kind()).collect::<Vec<_>>().join(" ")
}

fn check(story: &Story, expected: &Expect) {
    let ending = play(story, None, 1);
    let action = ending.action();
    let code = match action.status {
        Status::Refused => format!(" ({})", action.code.as_deref().unwrap_or_default()),
        _ => String::new(),
    };
    expected.assert_eq(&format!(
        "{}{code} · {} effect(s)\n{}\n",
        action.status,
        ending.effects[0],
        kinds(&ending)
    ));
    assert_eq!(reserved(&rebuild(&ending.entries)) != 0, action.status == Status::Unknown);
}

#[test]
fn an_autonomous_write_is_intended_with_its_decision() {
    check(
        &story("crm.once", "alone", &[]),
        &expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided action.intended action.confirmed
        "#]],
    );
}

#[test]
fn an_autonomous_read_is_recorded_after_the_call() {
    check(
        &story("crm.read", "alone", &[]),
        &expect![[r#"
            confirmed · 0 effect(s)
            action.proposed action.decided action.confirmed
        "#]],
    );
}

#[test]
fn a_gated_write_is_decided_again_and_uses_its_approval() {
    check(
        &story("crm.once", "gate", &[]),
        &expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided approval.requested timer.set approval.given action.decided approval.used action.intended action.confirmed
        "#]],
    );
}

#[test]
fn never_is_recorded_in_full() {
    check(
        &story("crm.once", "never", &[]),
        &expect![[r#"
            refused (forbidden) · 0 effect(s)
            action.proposed action.decided action.refused
        "#]],
    );
}

#[test]
fn a_rejected_and_a_forgotten_request_change_nothing() {
    check(
        &Story { reviewer: Reviewer::Rejects, ..story("crm.once", "gate", &[]) },
        &expect![[r#"
            rejected · 0 effect(s)
            action.proposed action.decided approval.requested timer.set approval.rejected
        "#]],
    );
    check(
        &Story { reviewer: Reviewer::Away, ..story("crm.once", "gate", &[]) },
        &expect![[r#"
            expired · 0 effect(s)
            action.proposed action.decided approval.requested timer.set approval.expired
        "#]],
    );
}

#[test]
fn a_stricter_rule_published_while_it_waits_refuses_it() {
    check(
        &Story { meanwhile: Meanwhile::Published(Edition::Strict), ..story("crm.once", "gate", &[]) },
        &expect![[r#"
            refused (forbidden) · 0 effect(s)
            action.proposed action.decided approval.requested timer.set approval.given action.decided approval.withdrawn action.refused
        "#]],
    );
}

#[test]
fn an_unknown_is_looked_up_and_never_blindly_repeated() {
    check(
        &story("crm.once", "alone", &[Fault::CutAfter]),
        &expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided action.intended action.unknown timer.set action.looked-up action.confirmed
        "#]],
    );
    check(
        &story("crm.once", "alone", &[Fault::CutBefore]),
        &expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided action.intended action.unknown timer.set action.looked-up action.decided action.intended action.confirmed
        "#]],
    );
}

#[test]
fn a_keyed_unknown_is_repeated_with_its_key() {
    check(
        &story("crm.keyed", "alone", &[Fault::CutAfter, Fault::CutBefore]),
        &expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided action.intended action.unknown action.intended action.unknown action.intended action.confirmed
        "#]],
    );
}

#[test]
fn a_repeat_that_does_not_arrive_settles_nothing() {
    check(
        &story("crm.keyed", "alone", &[Fault::CutAfter, Fault::Unreachable]),
        &expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided action.intended action.unknown action.intended action.unknown action.intended action.confirmed
        "#]],
    );
}

#[test]
fn an_unknown_that_nothing_can_settle_waits_for_a_person() {
    check(
        &story("crm.wire", "alone", &[Fault::CutAfter]),
        &expect![[r#"
            unknown · 1 effect(s)
            action.proposed action.decided action.intended action.unknown action.handed-over
        "#]],
    );
}

#[test]
fn a_certain_failure_releases_what_it_reserved() {
    check(
        &story("crm.once", "alone", &[Fault::Refuses]),
        &expect![[r#"
            failed · 0 effect(s)
            action.proposed action.decided action.intended action.failed
        "#]],
    );
    check(
        &story("crm.keyed", "alone", &[Fault::Unreachable]),
        &expect![[r#"
            failed · 0 effect(s)
            action.proposed action.decided action.intended action.failed
        "#]],
    );
}

#[test]
fn two_people_are_asked_one_after_the_other() {
    check(
        &story("crm.once", "quorum", &[]),
        &expect![[r#"
        confirmed · 1 effect(s)
        action.proposed action.decided approval.requested timer.set approval.given approval.given action.decided approval.used action.intended action.confirmed
    "#]],
    );
    check(
        &story("crm.once", "roles", &[]),
        &expect![[r#"
        confirmed · 1 effect(s)
        action.proposed action.decided approval.requested timer.set approval.given approval.given action.decided approval.used action.intended action.confirmed
    "#]],
    );
}

/// One yes of two does not stop the clock, whether two people of one role are asked or one of each of two roles.
#[test]
fn what_half_of_the_people_approved_expires() {
    let half = |level| Story { reviewer: Reviewer::ApprovesAlone, ..story("crm.once", level, &[]) };
    let expired = expect![[r#"
        expired · 0 effect(s)
        action.proposed action.decided approval.requested timer.set approval.given approval.expired
    "#]];
    check(&half("quorum"), &expired);
    check(&half("roles"), &expired);
}

#[test]
fn the_agent_may_take_a_request_back() {
    check(
        &Story { reviewer: Reviewer::TakesBack, ..story("crm.once", "gate", &[]) },
        &expect![[r#"
        withdrawn · 0 effect(s)
        action.proposed action.decided approval.requested timer.set approval.withdrawn
    "#]],
    );
}

#[test]
fn what_was_shown_and_moved_is_not_performed() {
    check(
        &Story { meanwhile: Meanwhile::RecordMoves, ..story("crm.once", "gate", &[]) },
        &expect![[r#"
        refused (context_changed) · 0 effect(s)
        action.proposed action.decided approval.requested timer.set approval.given action.decided approval.withdrawn action.refused
    "#]],
    );
}

#[test]
fn a_tool_that_is_not_what_was_shown_is_not_called() {
    check(
        &Story { meanwhile: Meanwhile::Published(Edition::OtherTools), ..story("crm.once", "gate", &[]) },
        &expect![[r#"
            refused (manifest_changed) · 0 effect(s)
            action.proposed action.decided approval.requested timer.set approval.given action.decided approval.withdrawn action.refused
        "#]],
    );
}

#[test]
fn an_approver_who_lost_the_role_counts_no_more() {
    check(
        &Story { meanwhile: Meanwhile::Published(Edition::OtherPeople), ..story("crm.once", "quorum", &[]) },
        &expect![[r#"
            refused (approvers_changed) · 0 effect(s)
            action.proposed action.decided approval.requested timer.set approval.given approval.given action.decided approval.withdrawn action.refused
        "#]],
    );
}

#[test]
fn a_fact_that_cannot_be_read_now_defers_and_the_same_key_may_ask_again() {
    check(
        &Story { reads: vec![ReadFault::Offline; 3], ..story("crm.once", "alone", &[]) },
        &expect![[r#"
        confirmed · 1 effect(s)
        action.proposed action.deferred action.proposed action.decided action.intended action.confirmed
    "#]],
    );
}

#[test]
fn a_fact_that_is_not_there_is_never() {
    check(
        &Story { reads: vec![ReadFault::Gone], ..story("crm.once", "alone", &[]) },
        &expect![[r#"
        refused (fact_absent) · 0 effect(s)
        action.proposed action.decided action.refused
    "#]],
    );
    check(
        &Story { meanwhile: Meanwhile::ReadsFail(ReadFault::Gone, 1), ..story("crm.once", "gate", &[]) },
        &expect![[r#"
            refused (context_changed) · 0 effect(s)
            action.proposed action.decided approval.requested timer.set approval.given action.decided approval.withdrawn action.refused
        "#]],
    );
}

#[test]
fn an_approved_action_whose_facts_cannot_be_read_is_tried_again() {
    check(
        &Story { meanwhile: Meanwhile::ReadsFail(ReadFault::Offline, 3), ..story("crm.once", "gate", &[]) },
        &expect![[r#"
            confirmed · 1 effect(s)
            action.proposed action.decided approval.requested timer.set approval.given timer.set action.decided approval.used action.intended action.confirmed
        "#]],
    );
}

#[test]
fn an_approved_action_whose_content_was_erased_ends() {
    check(
        &Story { meanwhile: Meanwhile::Erased, ..story("crm.once", "gate", &[]) },
        &expect![[r#"
        refused (content_erased) · 0 effect(s)
        action.proposed action.decided approval.requested timer.set approval.given approval.withdrawn action.refused
    "#]],
    );
}

#[test]
fn a_person_settles_what_nothing_else_can() {
    for (found, fault) in [(true, Fault::CutAfter), (false, Fault::CutBefore)] {
        let ending = play(&Story { somebody_looks: true, ..story("crm.wire", "alone", &[fault]) }, None, 1);
        let expected = if found { Status::Confirmed } else { Status::Failed };
        assert_eq!((ending.action().status, ending.effects[0]), (expected, u32::from(found)));
    }
}

#[test]
fn an_answer_that_is_not_in_time_is_told_from_one_that_was_cut() {
    let causes = |fault| {
        let ending = play(&story("crm.once", "alone", &[fault]), None, 1);
        let cause = |entry: &kernel::event::Entry| match entry.event {
            Event::ActionUnknown { cause, .. } => Some(cause),
            _ => None,
        };
        ending.entries.iter().filter_map(cause).collect::<Vec<_>>()
    };
    assert_eq!((causes(Fault::Late), causes(Fault::CutAfter)), (vec![Cause::TimeOut], vec![Cause::Cut]));
}

#[test]
fn an_odd_answer_is_flagged_and_its_effect_stands() {
    let ending = play(&story("crm.once", "alone", &[Fault::Odd]), None, 1);
    assert_eq!((ending.action().status, ending.effects[0]), (Status::Confirmed, 1));
    assert!(ending.action().output_invalid);
}

#[test]
fn what_was_done_is_taken_back_by_an_action_of_its_own() {
    check(
        &Story { undone: Some("alone"), ..story("crm.book", "alone", &[]) },
        &expect![[r#"
        compensated · 1 effect(s)
        action.proposed action.decided action.intended action.confirmed action.proposed action.decided action.intended action.confirmed action.compensated
    "#]],
    );
    check(
        &Story { undone: Some("never"), ..story("crm.book", "gate", &[]) },
        &expect![[r#"
        confirmed · 1 effect(s)
        action.proposed action.decided approval.requested timer.set approval.given action.decided approval.used action.intended action.confirmed action.proposed action.decided action.refused
    "#]],
    );
    let ending = play(&Story { undone: Some("alone"), ..story("crm.book", "alone", &[]) }, None, 1);
    assert_eq!(ending.ledger.values().sum::<u32>(), 0);
    let undoing = ending.action().reversed_by.clone().expect("it is known which action took it back");
    let undoing = kernel::state::action(&rebuild(&ending.entries), &undoing).expect("it is there");
    assert_eq!((undoing.tool.as_str(), undoing.status), ("crm.unbook", Status::Confirmed));
    assert_eq!(undoing.reverses, Some(ending.action().id.clone()));
}

/// Stories in which one thing goes wrong, each at its place; with all tools and levels where that makes a difference.
fn stories() -> Vec<Story> {
    let mut all = Vec::new();
    for tool in ["crm.read", "crm.once", "crm.keyed", "crm.wire", "crm.book"] {
        for level in ["alone", "gate", "never"] {
            for faults in [vec![], vec![Fault::CutBefore], vec![Fault::CutAfter], vec![Fault::Refuses]] {
                for reviewer in [Reviewer::Approves, Reviewer::Rejects, Reviewer::Away] {
                    if level == "gate" || reviewer == Reviewer::Approves {
                        all.push(Story { reviewer, ..story(tool, level, &faults) });
                    }
                }
            }
        }
    }
    let once = |level| story("crm.once", level, &[]);
    for level in ["quorum", "roles"] {
        for reviewer in [Reviewer::Approves, Reviewer::ApprovesAlone, Reviewer::Rejects, Reviewer::TakesBack]
        {
            all.push(Story { reviewer, ..once(level) });
        }
    }
    all.push(Story { reviewer: Reviewer::TakesBack, ..once("gate") });
    for meanwhile in [
        Meanwhile::Published(Edition::Strict),
        Meanwhile::Published(Edition::OtherTools),
        Meanwhile::RecordMoves,
        Meanwhile::ReadsFail(ReadFault::Offline, 3),
        Meanwhile::ReadsFail(ReadFault::Gone, 1),
        Meanwhile::Erased,
    ] {
        for level in ["gate", "quorum"] {
            all.push(Story { meanwhile, ..once(level) });
        }
    }
    all.push(Story { meanwhile: Meanwhile::Published(Edition::OtherPeople), ..once("quorum") });
    for reads in [vec![ReadFault::Offline; 3], vec![ReadFault::Gone]] {
        all.push(Story { reads, ..once("alone") });
    }
    for fault in [Fault::CutAfter, Fault::CutBefore] {
        all.push(Story { somebody_looks: true, ..story("crm.wire", "alone", &[fault]) });
    }
    for undone in ["alone", "never"] {
        for faults in [vec![], vec![Fault::None, Fault::CutAfter], vec![Fault::None, Fault::Refuses]] {
            all.push(Story { undone: Some(undone), ..story("crm.book", "alone", &faults) });
        }
    }
    all
}

/// Every story with every stop: before each append, and after it with nobody told.
#[test]
fn a_stop_anywhere_repeats_no_effect_and_loses_none() {
    let mut cases = 0;
    for story in stories() {
        let whole = play(&story, None, 7);
        for append in 0..whole.appends {
            for stop in [Stop::Before(append), Stop::After(append)] {
                judge_stop(&story, stop, &whole);
                cases += 1;
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
                        assert_eq!(ending.action().status, whole.action().status, "{what}");
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
    let (status, effects) = (ending.action().status, ending.effects[0]);
    let what = format!("SEED=7 {story:?} {stop:?}: {status} · {}", kinds(&ending));
    assert!(ending.stopped, "the stop was not reached: {what}");
    assert!(effects <= 1, "an effect was repeated: {what}");
    match status {
        Status::Confirmed if story.tool == "crm.read" => assert_eq!(effects, 0, "{what}"),
        Status::Confirmed | Status::Compensated => {
            assert_eq!(effects, 1, "confirmed without an effect: {what}");
        }
        // Only a person can tell; that somebody must is on record.
        Status::Unknown => assert!(ending.action().handed_over, "an unknown without an owner: {what}"),
        Status::Failed
        | Status::Refused
        | Status::Rejected
        | Status::Expired
        | Status::Withdrawn
        | Status::Deferred => assert_eq!(effects, 0, "an effect behind a no: {what}"),
        other => panic!("it ended as {other}: {what}"),
    }
    let left = u32::from(status == Status::Confirmed && story.tool != "crm.read");
    let mine = ending.ledger.get(story.record).copied().unwrap_or(0);
    if story.meanwhile != Meanwhile::RecordMoves && status != Status::Unknown {
        assert_eq!(mine, left, "the record is not as it is told: {what}");
    }
    // A stop may hide a refusal of the system, may cost an irreversible write its answer, and may use up what goes wrong
    // with reads. Else the end is the same.
    let excused = story.tool == "crm.wire"
        || story.faults.contains(&Fault::Refuses)
        || !story.reads.is_empty()
        || matches!(story.meanwhile, Meanwhile::ReadsFail(..));
    if !excused {
        assert_eq!(status, whole.action().status, "{what}");
    }
    let seqs: Vec<u64> = ending.entries.iter().map(|entry| entry.seq).collect();
    assert!(seqs.iter().copied().eq(0..seqs.len() as u64), "{what}");
    assert_eq!(reserved(&rebuild(&ending.entries)) != 0, status == Status::Unknown, "{what}");
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
