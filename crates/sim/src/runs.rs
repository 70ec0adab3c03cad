//! Dispatched runs: what must hold whatever happens to workers and processes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::{Engine, Error, FinishRun, Handle, Joined, On, Order, Propose, SendSignal, StartRun, StopWhy};
use expect_test::expect;
use kernel::action::Status;
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::event::{Entry, Event};
use kernel::id::RunId;
use kernel::refusal::Refusal;
use kernel::run::{Phase, Run, RunOutcome};
use kernel::state::{Noun, Row, RowKey};
use kernel::wait::Mode;
use serde_json::json;

use crate::life::{End, Life, agent, dispatched, offer, play, step, waits};
use crate::memory::Stop;
use crate::story::{Process, World, rebuild};

fn kinds<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    entries.into_iter().map(|entry| entry.event.kind()).collect::<Vec<_>>().join(" ")
}

/// What holds for every life that was played to its end.
fn judge(end: &End, what: &str) {
    assert_eq!(end.run.finished.map(|(outcome, _)| outcome), Some(RunOutcome::Done), "{what}");
    assert_eq!(end.effects, 1, "the world was changed once: {what}");
    let mut steps = BTreeSet::new();
    let mut waits: BTreeMap<_, (u32, u32)> = BTreeMap::new();
    let mut attempts: BTreeMap<RunId, u64> = BTreeMap::new();
    let mut working: BTreeSet<RunId> = BTreeSet::new();
    for (seq, entry) in end.entries.iter().enumerate() {
        assert_eq!(entry.seq, seq as u64, "{what}");
        match &entry.event {
            Event::StepRecorded { run, key, .. } => {
                assert!(steps.insert((run.clone(), *key)), "a step was recorded twice: {what}");
                assert!(working.contains(run), "somebody without the run wrote on it: {what}");
            }
            Event::WaitOpened { run, key, .. } => waits.entry((run.clone(), *key)).or_default().0 += 1,
            Event::WaitMet { run, key, .. } => waits.entry((run.clone(), *key)).or_default().1 += 1,
            Event::RunDispatched { run, attempt, .. } => {
                let before = attempts.insert(run.clone(), *attempt).unwrap_or(0);
                assert_eq!(*attempt, before + 1, "{what}");
                assert!(working.insert(run.clone()), "two workers had a run at once: {what}");
            }
            Event::RunYielded { run, .. } | Event::RunFinished { run, .. } => {
                working.remove(run);
            }
            _ => {}
        }
    }
    assert_eq!(waits.len(), 3, "{what}");
    assert!(waits.values().all(|counts| *counts == (1, 1)), "a wait woke more or less than once: {what}");
    let rows = rebuild(&end.entries);
    let left: Vec<_> = rows
        .0
        .keys()
        .filter(|key| matches!(key.noun, Noun::Ready | Noun::Dispatched | Noun::Load | Noun::Signal))
        .collect();
    assert!(left.is_empty(), "{left:?}: {what}");
}

#[test]
fn a_run_lives_through_steps_waits_children_and_failures() {
    let end = play(Life { flaws: 1, told: true }, None, 3);
    judge(&end, "without a stop");
    let about: Vec<_> = end.entries.iter().filter(|entry| entry.run.as_ref() == Some(&end.run.id)).collect();
    expect![[
        r#"run.started signal.received run.dispatched step.recorded step.recorded action.proposed action.decided approval.requested timer.set wait.opened run.yielded approval.given action.decided approval.used action.intended action.confirmed wait.met run.dispatched wait.opened wait.met wait.opened run.yielded wait.met run.dispatched run.yielded timer.set timer.fired run.dispatched run.finished"#
    ]]
    .assert_eq(&kinds(about));
}

#[test]
fn a_stop_anywhere_does_nothing_twice_and_wakes_each_wait_once() {
    let mut cases = 0;
    for life in [Life { flaws: 1, told: true }, Life { flaws: 0, told: false }, Life { flaws: 6, told: true }]
    {
        let whole = play(life, None, 7);
        judge(&whole, &format!("{life:?}"));
        for append in 0..whole.appends {
            for stop in [Stop::Before(append), Stop::After(append)] {
                let end = play(life, Some(stop), 7);
                let what = format!("SEED=7 {life:?} {stop:?}: {}", kinds(&end.entries));
                assert!(end.stopped, "the stop was not reached: {what}");
                judge(&end, &what);
                cases += 1;
            }
        }
    }
    println!("{cases} stops");
}

/// Runs a story against one process on a paused clock.
fn story(tell: impl AsyncFnOnce(&Engine, &World)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let world = World::new(11);
        let process = world.disk.boot(None);
        let engine = Process::start(&world, process).await.unwrap().engine;
        tell(&engine, &world).await;
    });
}

async fn row(engine: &Engine, run: &RunId) -> Run {
    let row = engine.row(RowKey::new(Noun::Run, run)).await.unwrap();
    let Some(Row::Run(run)) = row.as_deref() else { panic!("the run is gone") };
    (**run).clone()
}

async fn phase(engine: &Engine, run: &RunId) -> Option<Phase> {
    row(engine, run).await.phase()
}

async fn given(joined: &mut Joined) -> (RunId, u64) {
    let order = tokio::time::timeout(Duration::from_hours(1), joined.orders.recv()).await;
    match order.expect("a run is given").expect("the engine lives") {
        Order::Run { run, attempt } => (run, attempt),
        Order::Stop { run, why } => panic!("told to stop {run}: {why:?}"),
    }
}

async fn nothing(joined: &mut Joined) {
    let order = tokio::time::timeout(Duration::from_secs(2), joined.orders.recv()).await;
    assert!(order.is_err(), "{order:?}");
}

fn lost<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Refused(Refusal::LeaseLost { .. }))), "{result:?}");
}

fn finish(run: &RunId, attempt: Option<u64>, outcome: RunOutcome) -> FinishRun {
    FinishRun { run: run.clone(), by: agent(), attempt, outcome, result: None, error: None }
}

#[test]
fn a_worker_past_its_lease_is_refused_on_its_first_write() {
    story(async |engine, world| {
        let mut first = engine.join_work(offer(&["refund"], 1)).await.unwrap();
        let run = engine.start_run(dispatched("refund", "a")).await.unwrap();
        let (id, attempt) = given(&mut first).await;
        assert_eq!((&id, attempt), (&run.id, 1));
        engine.record_steps(&id, agent(), Some(1), vec![step("a", json!(1))]).await.unwrap();
        // Signs of life keep it.
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            engine.beat(&first.worker).await.unwrap();
        }
        engine.record_steps(&id, agent(), Some(1), vec![step("b", json!(1))]).await.unwrap();
        // Without them it is taken back, and nothing is given to who was silent; a sign of life, and it has it again, under
        // another attempt.
        tokio::time::sleep(Duration::from_secs(99)).await;
        let stop = first.orders.recv().await;
        assert!(matches!(&stop, Some(Order::Stop { why: StopWhy::Lapsed, .. })), "{stop:?}");
        nothing(&mut first).await;
        engine.beat(&first.worker).await.unwrap();
        assert_eq!(given(&mut first).await, (id.clone(), 2));
        lost(engine.record_steps(&id, agent(), Some(1), vec![step("c", json!(1))]).await);
        lost(engine.record_steps(&id, agent(), None, vec![step("c", json!(1))]).await);
        lost(engine.finish_run(finish(&id, Some(1), RunOutcome::Done)).await);
        lost(engine.fail_attempt(&id, 1, agent(), json!(null)).await);
        lost(engine.release_run(&id, 1, agent()).await);
        lost(engine.wait(waits(&id, Some(1), "w", Mode::Any, vec![On::AfterMs(Millis(1))])).await);
        engine.record_steps(&id, agent(), Some(2), vec![step("c", json!(1))]).await.unwrap();
        engine.finish_run(finish(&id, Some(2), RunOutcome::Done)).await.unwrap();
        let text = kinds(&world.disk.entries());
        assert_eq!(text.matches("run.yielded").count(), 1, "{text}");
    });
}

#[test]
fn a_worker_that_stopped_leaves_its_run_to_another_one() {
    story(async |engine, world| {
        let mut stopped = engine.join_work(offer(&["refund"], 4)).await.unwrap();
        let run = engine.start_run(dispatched("refund", "a")).await.unwrap();
        assert_eq!(given(&mut stopped).await, (run.id.clone(), 1));
        let mut other = engine.join_work(offer(&["refund"], 1)).await.unwrap();
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            engine.beat(&other.worker).await.unwrap();
        }
        assert_eq!(given(&mut other).await, (run.id.clone(), 2));
        lost(engine.record_steps(&run.id, agent(), Some(1), vec![step("a", json!(1))]).await);
        engine.finish_run(finish(&run.id, Some(2), RunOutcome::Done)).await.unwrap();
        let text = kinds(&world.disk.entries());
        assert_eq!(text.matches("run.dispatched").count(), 2, "{text}");
    });
}

#[test]
fn runs_start_runs_only_so_deep() {
    story(async |engine, _| {
        let mut above = engine.start_run(StartRun { task: None, ..dispatched("x", "0") }).await.unwrap().id;
        for depth in 1..=kernel::run::DEPTH_MAX {
            let child = StartRun { parent: Some(above), task: None, ..dispatched("x", &depth.to_string()) };
            above = engine.start_run(child).await.unwrap().id;
        }
        let child = StartRun { parent: Some(above), task: None, ..dispatched("x", "too deep") };
        let refused = engine.start_run(child).await.unwrap_err();
        assert!(matches!(&refused, Error::Refused(Refusal::LimitReached { .. })), "{refused:?}");
    });
}

#[test]
fn a_lease_that_nobody_else_took_is_lost_too() {
    story(async |engine, _| {
        let mut worker = engine.join_work(offer(&["refund"], 1)).await.unwrap();
        engine.start_run(dispatched("refund", "a")).await.unwrap();
        let (id, attempt) = given(&mut worker).await;
        engine.leave_work(worker.worker).await;
        tokio::time::sleep(Duration::from_secs(33)).await;
        assert_eq!(phase(engine, &id).await, Some(Phase::Ready));
        lost(engine.record_steps(&id, agent(), Some(attempt), vec![step("a", json!(1))]).await);
    });
}

#[test]
fn a_worker_comes_back_for_its_runs_also_after_a_restart() {
    story(async |engine, world| {
        let mut worker = engine.join_work(offer(&["refund"], 2)).await.unwrap();
        engine.start_run(dispatched("refund", "a")).await.unwrap();
        let (id, attempt) = given(&mut worker).await;
        engine.leave_work(worker.worker).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        let engine = Process::start(world, world.disk.boot(None)).await.unwrap().engine;
        tokio::time::sleep(Duration::from_secs(20)).await;
        let mut join = offer(&["refund"], 2);
        join.resume = vec![(id.clone(), attempt), (id.clone(), attempt + 1)];
        let mut worker = engine.join_work(join).await.unwrap();
        assert_eq!(worker.lost, std::slice::from_ref(&id), "the attempt that there never was");
        nothing(&mut worker).await;
        engine.finish_run(finish(&id, Some(attempt), RunOutcome::Done)).await.unwrap();
    });
}

#[test]
fn the_urgent_and_the_old_come_first_and_no_more_than_there_is_room() {
    story(async |engine, _| {
        let mut runs = vec![];
        for (key, priority) in [("a", None), ("b", Some(9)), ("c", Some(0)), ("d", None)] {
            let start = StartRun { priority, ..dispatched("refund", key) };
            runs.push(engine.start_run(start).await.unwrap().id);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let other = engine.start_run(dispatched("other", "e")).await.unwrap();
        let mut worker = engine.join_work(offer(&["refund"], 2)).await.unwrap();
        assert_eq!(given(&mut worker).await.0, runs[1]);
        assert_eq!(given(&mut worker).await.0, runs[0]);
        nothing(&mut worker).await;
        engine.finish_run(finish(&runs[1], Some(1), RunOutcome::Done)).await.unwrap();
        assert_eq!(given(&mut worker).await.0, runs[3]);
        engine.release_run(&runs[0], 1, agent()).await.unwrap();
        let order = worker.orders.recv().await;
        assert!(matches!(order, Some(Order::Run { attempt: 2, .. })), "{order:?}");
        assert_eq!(phase(engine, &other.id).await, Some(Phase::Ready), "nobody knows that task");
        assert_eq!(phase(engine, &runs[2]).await, Some(Phase::Ready));
    });
}

#[test]
fn a_run_that_fails_five_times_is_parked_until_somebody_resolves_it() {
    story(async |engine, _| {
        let mut worker = engine.join_work(offer(&["refund"], 1)).await.unwrap();
        let run = engine.start_run(dispatched("refund", "a")).await.unwrap().id;
        let mut pauses = vec![];
        for attempt in 1..=5 {
            let begun = tokio::time::Instant::now();
            assert_eq!(given(&mut worker).await, (run.clone(), attempt));
            pauses.push(begun.elapsed().as_secs());
            engine.fail_attempt(&run, attempt, agent(), json!({ "class": "Flaw" })).await.unwrap();
        }
        assert!(
            pauses.iter().zip([0, 1, 2, 4, 8]).all(|(pause, least)| (least..=least + 4).contains(pause)),
            "{pauses:?}"
        );
        let parked = row(engine, &run).await;
        assert_eq!(parked.phase(), Some(Phase::Parked));
        nothing(&mut worker).await;
        let incident = parked.dispatch.unwrap().incident.unwrap();
        let by = || Actor::Person("olga".parse().unwrap());
        let taken = engine.handle_incident(&incident, Handle::Acknowledge, by(), None).await.unwrap();
        assert_eq!((taken.owner.as_str(), taken.run.as_ref()), ("olga", Some(&run)));
        engine.handle_incident(&incident, Handle::Resolve, by(), Some("mended".to_owned())).await.unwrap();
        let again = engine.handle_incident(&incident, Handle::Resolve, by(), None).await;
        assert!(matches!(again, Err(Error::Refused(Refusal::IncidentResolved { .. }))));
        assert_eq!(given(&mut worker).await, (run.clone(), 6));
        // A new step between two failures begins the count anew.
        for attempt in 6..12 {
            engine
                .record_steps(&run, agent(), Some(attempt), vec![step(&attempt.to_string(), json!(1))])
                .await
                .unwrap();
            engine.fail_attempt(&run, attempt, agent(), json!(null)).await.unwrap();
            assert_eq!(given(&mut worker).await, (run.clone(), attempt + 1));
        }
    });
}

#[test]
fn a_paused_run_is_nobodys_and_takes_nothing() {
    story(async |engine, _| {
        let mut worker = engine.join_work(offer(&["refund"], 1)).await.unwrap();
        let run = engine.start_run(dispatched("refund", "a")).await.unwrap().id;
        given(&mut worker).await;
        let held = engine.pause_run(&run, Actor::Operator, Some("look".to_owned())).await.unwrap();
        assert_eq!(held.phase(), Some(Phase::Paused));
        let stop = worker.orders.recv().await;
        assert!(matches!(&stop, Some(Order::Stop { why: StopWhy::Paused, .. })), "{stop:?}");
        let written = engine.record_steps(&run, agent(), Some(1), vec![step("a", json!(1))]).await;
        assert!(matches!(written, Err(Error::Refused(Refusal::RunPaused { .. }))), "{written:?}");
        nothing(&mut worker).await;
        engine.resume_run(&run, Actor::Operator, None).await.unwrap();
        assert_eq!(given(&mut worker).await, (run, 2));
    });
}

async fn signal(engine: &Engine, run: &RunId, name: &str, value: i64) -> Result<u64, Error> {
    let send = SendSignal {
        run: run.clone(),
        by: Actor::Operator,
        name: name.to_owned(),
        value: json!(value),
        idempotency: Some(format!("{name} {value}")),
    };
    engine.signal(send).await
}

fn values(waited: &engine::Waited) -> Vec<String> {
    waited
        .answers
        .iter()
        .map(|(on, answer)| match answer {
            engine::Answered::Signal(signal) => format!("{on} {}", signal.as_ref().unwrap().1),
            other => format!("{on} {other:?}"),
        })
        .collect()
}

#[test]
fn signals_are_kept_in_order_and_each_is_read_once() {
    story(async |engine, _| {
        let run = engine.start_run(StartRun { task: None, ..dispatched("x", "a") }).await.unwrap().id;
        let first = signal(engine, &run, "go", 1).await.unwrap();
        assert_eq!(signal(engine, &run, "go", 1).await.unwrap(), first, "the same key is the same signal");
        signal(engine, &run, "go", 2).await.unwrap();
        let go = || vec![On::Signal("go".to_owned())];
        let ask = |key: &'static str, mode, on| engine.wait(waits(&run, None, key, mode, on));
        assert_eq!(values(&ask("a", Mode::Any, go()).await.unwrap()), ["0 1"]);
        assert_eq!(values(&ask("a", Mode::Any, go()).await.unwrap()), ["0 1"], "asked again");
        let both = || vec![On::Signal("go".to_owned()), On::Signal("go".to_owned())];
        assert!(ask("b", Mode::All, both()).await.unwrap().wait.met.is_none(), "one is not two");
        signal(engine, &run, "go", 3).await.unwrap();
        assert_eq!(values(&ask("b", Mode::All, both()).await.unwrap()), ["0 2", "1 3"]);
        let other = ask("b", Mode::Any, both()).await;
        assert!(matches!(other, Err(Error::Refused(Refusal::StepMismatch { .. }))));
        let as_step = engine.record_steps(&run, agent(), None, vec![step("b", json!(1))]).await;
        assert!(matches!(as_step, Err(Error::Refused(Refusal::StepMismatch { kind: "wait", .. }))));
        engine.finish_run(finish(&run, None, RunOutcome::Done)).await.unwrap();
        let late = signal(engine, &run, "go", 4).await;
        assert!(matches!(late, Err(Error::Refused(Refusal::RunFinished { .. }))));
    });
}

#[test]
fn of_several_conditions_the_first_wins_and_what_lost_is_taken_back() {
    story(async |engine, world| {
        let run = engine.start_run(StartRun { task: None, ..dispatched("x", "a") }).await.unwrap().id;
        let action = engine
            .propose(Propose {
                run: run.clone(),
                by: agent(),
                attempt: None,
                tool: "crm.once".to_owned(),
                arguments: json!({ "record": "order-1", "level": "gate", "amount": 1 }),
                reason: None,
                idempotency: Some("x".to_owned()),
                based_on: vec![],
                repeat: false,
                wait: Millis(0),
            })
            .await
            .unwrap();
        let on =
            vec![On::Action(action.id.clone()), On::Signal("go".to_owned()), On::AfterMs(Millis(3_600_000))];
        assert!(engine.wait(waits(&run, None, "w", Mode::Any, on.clone())).await.unwrap().wait.met.is_none());
        signal(engine, &run, "go", 1).await.unwrap();
        let met = engine.wait(waits(&run, None, "w", Mode::Any, on)).await.unwrap();
        assert_eq!(values(&met), ["1 1"]);
        assert_eq!(engine.action(&action.id).await.unwrap().unwrap().status, Status::Withdrawn);
        let rows = rebuild(&world.disk.entries());
        assert!(!rows.0.keys().any(|key| key.noun == Noun::Timer), "a timer that lost still stands");
        let text = kinds(&world.disk.entries());
        assert!(text.ends_with("signal.received wait.met approval.withdrawn"), "{text}");
    });
}

#[test]
fn a_held_answer_comes_with_what_meets_the_wait() {
    story(async |engine, _| {
        let run = engine.start_run(StartRun { task: None, ..dispatched("x", "a") }).await.unwrap().id;
        let mut open = waits(&run, None, "w", Mode::Any, vec![On::AfterMs(Millis(7_000))]);
        open.wait = Millis(60_000);
        let begun = tokio::time::Instant::now();
        assert!(engine.wait(open).await.unwrap().wait.met.is_some());
        assert!((7..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_cancelled_run_takes_its_children_and_its_requests_with_it() {
    story(async |engine, world| {
        let run = engine.start_run(dispatched("refund", "a")).await.unwrap().id;
        let child = StartRun { parent: Some(run.clone()), task: None, ..dispatched("x", "b") };
        let child = engine.start_run(child).await.unwrap().id;
        let action = engine
            .propose(Propose {
                run: child.clone(),
                by: agent(),
                attempt: None,
                tool: "crm.once".to_owned(),
                arguments: json!({ "record": "order-1", "level": "gate", "amount": 1 }),
                reason: None,
                idempotency: Some("x".to_owned()),
                based_on: vec![],
                repeat: false,
                wait: Millis(0),
            })
            .await
            .unwrap();
        engine
            .finish_run(FinishRun { by: Actor::Operator, ..finish(&run, None, RunOutcome::Cancelled) })
            .await
            .unwrap();
        let outcome = |run: Run| run.finished.map(|(outcome, _)| outcome);
        assert_eq!(outcome(row(engine, &child).await), Some(RunOutcome::Cancelled));
        assert_eq!(engine.action(&action.id).await.unwrap().unwrap().status, Status::Withdrawn);
        let text = kinds(&world.disk.entries());
        assert!(text.ends_with("run.finished run.finished approval.withdrawn"), "{text}");
        let rows = rebuild(&world.disk.entries());
        assert!(!rows.0.keys().any(|key| matches!(key.noun, Noun::Timer | Noun::Ready)));
    });
}

#[test]
fn a_run_over_its_deadline_is_ended_as_failed() {
    story(async |engine, _| {
        let mut worker = engine.join_work(offer(&["refund"], 1)).await.unwrap();
        let now = row(engine, &engine.start_run(dispatched("other", "0")).await.unwrap().id).await.started_at;
        let start = StartRun { deadline: Some(now.plus(Millis(20_000))), ..dispatched("refund", "a") };
        let run = engine.start_run(start).await.unwrap().id;
        given(&mut worker).await;
        engine
            .wait(waits(&run, Some(1), "w", Mode::Any, vec![On::AfterMs(Millis(3_600_000))]))
            .await
            .unwrap();
        assert_eq!(phase(engine, &run).await, Some(Phase::Waiting));
        tokio::time::sleep(Duration::from_secs(25)).await;
        let ended = row(engine, &run).await;
        assert_eq!(ended.finished.map(|(outcome, _)| outcome), Some(RunOutcome::Failed));
        let error = engine.payload(&ended.error.unwrap()).unwrap().unwrap();
        assert!(String::from_utf8(error).unwrap().contains("deadline"));
        let past = StartRun { deadline: Some(now), ..dispatched("refund", "b") };
        assert!(engine.start_run(past).await.is_err());
    });
}

#[test]
fn a_seed_plays_the_same_life_twice() {
    let texts = || {
        let end = play(Life { flaws: 2, told: true }, Some(Stop::After(9)), 42);
        end.entries.iter().map(Entry::encode).collect::<Vec<_>>()
    };
    assert_eq!(texts(), texts());
}
