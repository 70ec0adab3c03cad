//! Several actions at once: on one record, and on one budget; with every place at which the process can stop.

use kernel::action::{Action, Status};
use kernel::clock::Millis;
use kernel::event::Event;

use crate::crm::Fault;
use crate::memory::Stop;
use crate::story::{Ending, Reviewer, Story, play_all, rebuild, reserved};

/// Another story beside the first: another key.
fn second(story: Story) -> Story {
    Story { key: "call 2", ..story }
}

fn statuses(ending: &Ending) -> Vec<Status> {
    ending.actions.iter().map(|action| action.status).collect()
}

/// The entries that are about this action.
fn kinds(ending: &Ending, action: &Action) -> String {
    let about = ending.entries.iter().filter(|entry| entry.event.action() == Some(&action.id));
    about.map(|entry| entry.event.kind()).collect::<Vec<_>>().join(" ")
}

fn deferred(ending: &Ending) -> Vec<String> {
    let code = |entry: &kernel::event::Entry| match &entry.event {
        Event::ActionDeferred { code, .. } => Some(code.clone()),
        _ => None,
    };
    ending.entries.iter().filter_map(code).collect()
}

fn place(ending: &Ending, action: &Action, kind: &str) -> u64 {
    let found = ending
        .entries
        .iter()
        .find(|entry| entry.event.action() == Some(&action.id) && entry.event.kind() == kind);
    found.unwrap_or_else(|| panic!("there is no {kind}")).seq
}

#[test]
fn two_writes_on_one_record_go_one_after_the_other() {
    let stories = [Story::of("crm.once", "alone"), second(Story::of("crm.keyed", "alone"))];
    let ending = play_all(&stories, None, 1);
    assert_eq!((statuses(&ending), &ending.effects), (vec![Status::Confirmed; 2], &vec![1, 1]));
    let [first, second] = &ending.actions[..] else { panic!("two actions") };
    assert!(
        place(&ending, first, "action.confirmed") < place(&ending, second, "action.decided"),
        "the second was decided on facts of before"
    );
}

#[test]
fn an_unknown_holds_its_record_until_somebody_settles_it() {
    let unknown =
        Story { faults: vec![Fault::CutAfter], somebody_looks: true, ..Story::of("crm.wire", "alone") };
    let stories = [unknown, second(Story { after: Millis(1_000), ..Story::of("crm.once", "alone") })];
    let ending = play_all(&stories, None, 1);
    assert_eq!((statuses(&ending), &ending.effects), (vec![Status::Confirmed; 2], &vec![1, 1]));
    let told = deferred(&ending);
    assert!(!told.is_empty() && told.iter().all(|code| code == "conflict_held"), "{told:?}");
    assert!(
        place(&ending, &ending.actions[0], "action.confirmed")
            < place(&ending, &ending.actions[1], "action.decided")
    );
}

#[test]
fn an_approved_write_waits_for_the_unknown_on_its_record() {
    // Asked for and shown before; approved while the other one is unknown, and looked at again until it is not.
    let unknown = Story {
        tool: "crm.wire",
        key: "call 2",
        after: Millis(10),
        faults: vec![Fault::CutBefore],
        somebody_looks: true,
        ..Story::of("crm.wire", "alone")
    };
    let ending = play_all(&[Story::of("crm.once", "quorum"), unknown], None, 1);
    assert_eq!(statuses(&ending), [Status::Confirmed, Status::Failed]);
    let retries = kinds(&ending, &ending.actions[0]).matches("timer.set").count();
    assert!(retries >= 2, "it was looked at {retries} times");
    assert!(
        place(&ending, &ending.actions[1], "action.failed")
            < place(&ending, &ending.actions[0], "action.intended")
    );
}

/// What one of two gets of a budget that is enough for one of them.
fn racing(first: Story) -> Vec<Status> {
    let first = Story { amount: 200, ..first };
    let late =
        Story { record: "order-2", amount: 200, after: Millis(3_000), ..Story::of("crm.once", "alone") };
    statuses(&play_all(&[first, second(late)], None, 1))
}

#[test]
fn two_actions_never_spend_one_budget_twice() {
    let at_once = [
        Story { amount: 200, ..Story::of("crm.once", "alone") },
        second(Story { amount: 200, record: "order-2", ..Story::of("crm.once", "alone") }),
    ];
    let mut statuses = statuses(&play_all(&at_once, None, 1));
    statuses.sort();
    assert_eq!(statuses, [Status::Confirmed, Status::Refused]);
}

#[test]
fn an_unknown_keeps_what_it_reserved_and_a_failure_gives_it_back() {
    let faulty = |tool, fault| racing(Story { faults: vec![fault], ..Story::of(tool, "alone") });
    assert_eq!(faulty("crm.wire", Fault::CutAfter), [Status::Unknown, Status::Refused]);
    assert_eq!(faulty("crm.wire", Fault::Refuses), [Status::Failed, Status::Confirmed]);
    assert_eq!(racing(Story::of("crm.wire", "alone")), [Status::Confirmed, Status::Refused]);
}

#[test]
fn a_waiting_request_reserves_nothing_and_is_decided_again() {
    // Both approvers come after the other one has spent the budget.
    let waiting = Story { reviewer: Reviewer::Away, ..Story::of("crm.once", "gate") };
    assert_eq!(racing(waiting), [Status::Expired, Status::Confirmed]);
    let gated = |key, record| Story { key, record, amount: 200, ..Story::of("crm.once", "gate") };
    let ending = play_all(&[gated("call 1", "order-1"), gated("call 2", "order-2")], None, 1);
    let mut both = statuses(&ending);
    both.sort();
    assert_eq!(
        both,
        [Status::Confirmed, Status::Refused],
        "both were approved, one was decided again and refused"
    );
}

/// Each pair of stories with every stop: whatever the place, no effect is repeated or lost, no record is written twice at
/// once, and no budget is spent twice (both are looked at for every story).
#[test]
fn a_stop_anywhere_among_several_repeats_no_effect_and_loses_none() {
    let wire = |fault| Story { faults: vec![fault], somebody_looks: true, ..Story::of("crm.wire", "alone") };
    let big = |story: Story| Story { amount: 200, ..story };
    let pairs = [
        [Story::of("crm.once", "alone"), second(Story::of("crm.keyed", "alone"))],
        [
            Story { faults: vec![Fault::CutAfter], ..Story::of("crm.once", "alone") },
            second(Story::of("crm.keyed", "gate")),
        ],
        [wire(Fault::CutAfter), second(Story { after: Millis(500), ..Story::of("crm.once", "alone") })],
        [
            Story::of("crm.once", "quorum"),
            Story { key: "call 2", after: Millis(10), ..wire(Fault::CutBefore) },
        ],
        [
            big(Story::of("crm.once", "alone")),
            big(second(Story { record: "order-2", ..Story::of("crm.keyed", "alone") })),
        ],
        [
            big(Story::of("crm.once", "gate")),
            big(second(Story { record: "order-2", ..Story::of("crm.once", "gate") })),
        ],
    ];
    let mut cases = 0;
    for pair in &pairs {
        let whole = play_all(pair, None, 7);
        for append in 0..whole.appends {
            for stop in [Stop::Before(append), Stop::After(append)] {
                judge_stop(pair, stop);
                cases += 1;
            }
        }
    }
    println!("{cases} stops");
}

fn judge_stop(stories: &[Story], stop: Stop) {
    let ending = play_all(stories, Some(stop), 7);
    let what = format!("SEED=7 {stories:?} {stop:?}: {:?}", statuses(&ending));
    assert!(ending.stopped, "the stop was not reached: {what}");
    for (action, effects) in ending.actions.iter().zip(&ending.effects) {
        assert!(*effects <= 1, "an effect was repeated: {what}");
        match action.status {
            Status::Confirmed => assert_eq!(*effects, 1, "confirmed without an effect: {what}"),
            Status::Failed | Status::Refused | Status::Rejected | Status::Expired => {
                assert_eq!(*effects, 0, "an effect behind a no: {what}");
            }
            other => panic!("one ended as {other}: {what}"),
        }
    }
    assert_eq!(reserved(&rebuild(&ending.entries)), 0, "{what}");
}
