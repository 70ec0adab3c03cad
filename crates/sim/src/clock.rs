//! The wall clock jumps while a request waits for a person.

use std::time::Duration;

use kernel::action::Status;
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::state;

use crate::rules::EXPIRES_IN;
use crate::story::{Process, Reviewer, Story, World, on_paused_clock, propose, rebuild};

const HOUR: Millis = Millis(3_600_000);

/// Virtual seconds go by.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// A world in which a request waits, its clock has jumped an hour ahead, and ten minutes went by.
async fn waiting_and_jumped() -> (World, Process, Story) {
    let world = World::new(1);
    let process = Process::start(&world, world.disk.boot(None)).await.expect("it starts");
    let story = Story { reviewer: Reviewer::Away, ..Story::of("crm.once", "gate") };
    let waiting = propose(&process.engine, &story).await.expect("it is taken");
    assert_eq!(waiting.status, Status::Waiting);
    world.clock.jump(HOUR);
    pass(600).await;
    assert_eq!(status(&world), Status::Waiting, "no approval expires while the clock is off");
    assert_eq!(process.engine.stats().clock_off, HOUR.0);
    (world, process, story)
}

fn status(world: &World) -> Status {
    let entries = world.disk.entries();
    let id = entries.iter().find_map(|entry| entry.event.action()).expect("there is an action");
    state::action(&rebuild(&entries), id).expect("it is known").status
}

#[test]
fn a_jump_pauses_expiries_until_an_operator_accepts_the_clock() {
    on_paused_clock(async {
        let (world, process, _) = waiting_and_jumped().await;
        process.engine.accept_clock(Actor::Operator).await.expect("it is recorded");
        pass(2).await;
        assert_eq!(status(&world), Status::Expired);
        let kinds: Vec<&str> = world.disk.entries().iter().map(|entry| entry.event.kind()).collect();
        assert!(kinds.contains(&"clock.jumped") && kinds.contains(&"clock.accepted"), "{kinds:?}");
        process.engine.accept_clock(Actor::Operator).await.expect("a second time does nothing");
        assert_eq!(world.disk.entries().len(), kinds.len());
    });
}

#[test]
fn a_jump_there_and_back_takes_no_time_from_anybody() {
    on_paused_clock(async {
        let world = World::new(1);
        let process = Process::start(&world, world.disk.boot(None)).await.expect("it starts");
        let story = Story { reviewer: Reviewer::Away, ..Story::of("crm.once", "gate") };
        propose(&process.engine, &story).await.expect("it is taken");
        world.clock.jump(HOUR);
        pass(10).await;
        world.clock.jump(Millis(-HOUR.0));
        pass(10).await;
        assert_eq!(process.engine.stats().clock_off, 0);
        assert_eq!(status(&world), Status::Waiting, "its minute is not over");
        pass(EXPIRES_IN.0.unsigned_abs() / 1_000).await;
        assert_eq!(status(&world), Status::Expired);
    });
}

#[test]
fn a_restart_forgets_no_jump() {
    on_paused_clock(async {
        let (world, process, _) = waiting_and_jumped().await;
        drop(process);
        let again = Process::start(&world, world.disk.boot(None)).await.expect("it starts");
        pass(600).await;
        assert_eq!(status(&world), Status::Waiting);
        again.engine.accept_clock(Actor::Operator).await.expect("it is recorded");
        pass(2).await;
        assert_eq!(status(&world), Status::Expired);
    });
}
