//! Agents that know nothing of keys: identical calls within a while are one action, unless they say that it is meant twice
//! (DESIGN §7). And what an agent relied on.

use std::time::Duration;

use engine::{Error, Propose};
use kernel::action::{Action, Status};
use kernel::id::ActionId;
use kernel::refusal::Refusal;

use crate::crm::Fault;
use crate::story::{Process, Story, World, call, on_paused_clock, run};

/// A world with a server, and an agent's call that carries no key.
async fn begun() -> (World, Process, Propose) {
    let world = World::new(1);
    let process = Process::start(&world, world.disk.boot(None)).await.expect("it starts");
    let run = run(&process.engine).await.expect("it begins");
    let keyless = Propose { idempotency: None, ..call(run, &Story::of("crm.once", "alone")) };
    (world, process, keyless)
}

async fn made(process: &Process, propose: &Propose) -> Action {
    process.engine.propose(propose.clone()).await.expect("it is taken")
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Refused(refusal)) => refusal.code(),
        Err(Error::Json(error)) => error.code(),
        other => panic!("no refusal: {other:?}"),
    }
}

#[test]
fn an_identical_call_is_the_same_action_while_it_is_open_and_for_a_while_after() {
    on_paused_clock(async {
        let (world, process, keyless) = begun().await;
        let (first, beside) = tokio::join!(made(&process, &keyless), made(&process, &keyless));
        assert_eq!((&first.id, first.status), (&beside.id, Status::Confirmed));
        pass(20).await;
        assert_eq!(made(&process, &keyless).await.id, first.id, "within the window");
        pass(20).await;
        let later = made(&process, &keyless).await;
        assert_ne!(later.id, first.id, "after it the call is meant again");
        assert_eq!(world.crm.effects()["order-1"], 2);
    });
}

#[test]
fn a_call_whose_outcome_is_open_is_never_made_again_by_asking_again() {
    on_paused_clock(async {
        let (world, process, keyless) = begun().await;
        world.crm.plan("order-1", [Fault::CutAfter]);
        let wire = Propose { tool: "crm.wire".to_owned(), wait: kernel::clock::Millis(0), ..keyless };
        let first = made(&process, &wire).await;
        pass(3_600).await;
        let again = made(&process, &wire).await;
        assert_eq!(
            (&again.id, again.status),
            (&first.id, Status::Unknown),
            "the window begins when it is settled"
        );
        assert_eq!(world.crm.effects()["order-1"], 1);
    });
}

#[test]
fn who_says_that_it_is_meant_twice_gets_it_twice() {
    on_paused_clock(async {
        let (world, process, keyless) = begun().await;
        let first = made(&process, &keyless).await;
        let repeated = made(&process, &Propose { repeat: true, ..keyless.clone() }).await;
        assert_ne!(repeated.id, first.id);
        assert_eq!(made(&process, &keyless).await.id, repeated.id, "the last one counts");
        assert_eq!(world.crm.effects()["order-1"], 2);
    });
}

#[test]
fn other_words_for_the_same_call_are_the_same_call_without_a_key_and_another_request_with_one() {
    on_paused_clock(async {
        let (_world, process, keyless) = begun().await;
        let first = made(&process, &keyless).await;
        let reworded = Propose { reason: Some("they insisted".to_owned()), ..keyless.clone() };
        assert_eq!(made(&process, &reworded).await.id, first.id);
        let keyed = Propose { idempotency: Some("key".to_owned()), repeat: true, ..keyless };
        let first = made(&process, &keyed).await;
        assert_eq!(made(&process, &keyed).await.id, first.id);
        for reason in [Some("they insisted".to_owned()), None] {
            let other = Propose { reason, ..keyed.clone() };
            assert_eq!(code(process.engine.propose(other).await), "idempotency_mismatch");
        }
    });
}

/// A protocol library hands over numbers that the record cannot keep, and depths that were not asked for.
#[test]
fn what_the_record_cannot_keep_is_not_taken_by_whichever_surface() {
    on_paused_clock(async {
        let (world, process, keyless) = begun().await;
        let entries = world.disk.entries().len();
        let with = |text: &str| {
            let mut propose = keyless.clone();
            propose.arguments["extra"] = serde_json::from_str(text).expect("JSON");
            process.engine.propose(propose)
        };
        assert_eq!(code(with("9007199254740993").await), "json_invalid");
        assert_eq!(code(with("{\"a\": [-9007199254740992]}").await), "json_invalid");
        assert_eq!(code(with(&format!("{}{}", "[".repeat(100), "]".repeat(100))).await), "json_too_deep");
        assert_eq!(code(with(&format!("[{}0]", "0,".repeat(60_000))).await), "json_too_many_values");
        assert_eq!((world.disk.entries().len(), world.crm.effects().len()), (entries, 0));
        assert_eq!(with("9007199254740991").await.expect("it is exact").status, Status::Confirmed);
    });
}

/// A read of the record, as the agent makes it.
async fn looked(process: &Process, keyless: &Propose) -> Action {
    let mut read = Propose { tool: "crm.read".to_owned(), ..keyless.clone() };
    read.arguments = serde_json::json!({ "record": "order-1" });
    made(process, &read).await
}

#[test]
fn what_an_agent_relied_on_must_still_be_so() {
    on_paused_clock(async {
        let (world, process, keyless) = begun().await;
        let read = looked(&process, &keyless).await;
        let based = |level: &str, read: &ActionId| {
            let mut propose = Propose { based_on: vec![read.clone()], repeat: true, ..keyless.clone() };
            propose.arguments["level"] = level.into();
            propose
        };
        assert_eq!(made(&process, &based("alone", &read.id)).await.status, Status::Confirmed);
        // Its own effect is a change, too.
        let stale = made(&process, &based("alone", &read.id)).await;
        assert_eq!((stale.status, stale.code.as_deref()), (Status::Refused, Some("context_changed")));
        let why =
            process.engine.payload(&stale.why.expect("it says why")).expect("it opens").expect("it is there");
        assert_eq!(String::from_utf8(why).expect("text"), "crm.read has the answer 1 where 0 was");
        assert_eq!(world.crm.effects()["order-1"], 1);

        let read = looked(&process, &keyless).await;
        let waiting = made(&process, &based("gate", &read.id)).await;
        assert_eq!(waiting.status, Status::Waiting);
        for not_read in [&waiting.id, &"act_01kb0000000000000000000000".parse().expect("an id")] {
            let refused = process.engine.propose(based("alone", not_read)).await;
            assert!(matches!(refused, Err(Error::Refused(Refusal::Invalid(_)))), "{refused:?}");
        }
    });
}
