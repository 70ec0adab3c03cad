//! The life of a dispatched run, played with a place to stop and taken up by the next process.
//!
//! The program does a step, an action that a person must approve, a wait for one of two things, a child run, and fails now
//! and then. Disk, outside system, people and the program's own flaws outlive the process; workers come and go with it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use engine::{
    Engine, Error, FinishRun, Handle, Join, NewStep, On, OpenWait, Order, Propose, SendSignal, StartRun,
};
use kernel::action::Status;
use kernel::actor::Actor;
use kernel::approval::{Answer, ApprovalStatus};
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::Entry;
use kernel::id::RunId;
use kernel::refusal::Refusal;
use kernel::run::{Run, RunOutcome};
use kernel::state::{Noun, Row, RowKey};
use kernel::step::{StepKind, StepOutcome};
use kernel::wait::Mode;
use serde_json::{Value, json};

use crate::memory::Stop;
use crate::story::{Process, World};

/// One life.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// How often the program fails before it does not any more.
    pub flaws: u32,
    /// Somebody sends the signal for which it waits; else the moment comes.
    pub told: bool,
}

/// How it ended.
#[derive(Debug)]
pub struct End {
    /// The run.
    pub run: Run,
    /// Effects on its record, by the outside system's own ledger.
    pub effects: u32,
    /// All durable entries.
    pub entries: Vec<Entry>,
    /// Appends of the last process.
    pub appends: u64,
    /// The process was stopped on the way.
    pub stopped: bool,
}

/// The agent of these stories.
pub fn agent() -> Actor {
    Actor::Agent("bot".parse().expect("a name"))
}

/// A run for a task.
pub fn dispatched(task: &str, key: &str) -> StartRun {
    StartRun {
        agent: "bot".parse().expect("a name"),
        by: agent(),
        title: None,
        on_behalf_of: None,
        conversation: None,
        idempotency: Some(key.to_owned()),
        task: Some(task.parse().expect("a name")),
        input: Some(json!({ "order": key })),
        priority: None,
        deadline: None,
        parent: None,
    }
}

/// A worker's offer.
pub fn offer(tasks: &[&str], slots: usize) -> Join {
    Join {
        agent: "bot".parse().expect("a name"),
        tasks: tasks.iter().map(|task| task.parse().expect("a name")).collect(),
        versions: vec![],
        slots,
        resume: vec![],
    }
}

/// A step of a run.
pub fn step(key: &str, value: Value) -> NewStep {
    NewStep {
        key: key.to_owned(),
        kind: StepKind::Task,
        input: Digest::of("sim/input", &[key.as_bytes()]),
        outcome: StepOutcome::Done,
        value,
    }
}

/// A wait of a run.
pub fn waits(run: &RunId, attempt: Option<u64>, key: &str, mode: Mode, on: Vec<On>) -> OpenWait {
    OpenWait { run: run.clone(), by: agent(), attempt, key: key.to_owned(), mode, on, wait: Millis(0) }
}

/// Plays a life on a paused clock, stops where told, and takes it up again until the run has ended.
pub fn play(life: Life, stop: Option<Stop>, seed: u64) -> End {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(Box::pin(live(life, stop, seed)))
}

async fn live(life: Life, stop: Option<Stop>, seed: u64) -> End {
    let world = World::new(seed);
    let flaws = AtomicU32::new(life.flaws);
    let process = world.disk.boot(stop);
    let first = tokio::select! {
        done = visit(life, &world, process, &flaws) => done.ok(),
        () = died(&world) => None,
    };
    let stopped = world.disk.stopped();
    let run = match first {
        Some(run) if !stopped => run,
        _ => {
            let process = world.disk.boot(None);
            visit(life, &world, process, &flaws).await.expect("a process that is not stopped serves")
        }
    };
    let effects = world.crm.effects().get("order-1").copied().unwrap_or(0);
    assert_eq!(world.crm.unannounced(), Vec::<String>::new(), "a write left without a durable intent");
    End { run, effects, entries: world.disk.entries(), appends: world.disk.appends(), stopped }
}

async fn died(world: &World) {
    while !world.disk.stopped() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Worker and people do their part against one process until the run has ended.
async fn visit(life: Life, world: &World, process: u64, flaws: &AtomicU32) -> Result<Run, Error> {
    let engine = Process::start(world, process).await?.engine;
    let run = engine.start_run(dispatched("refund", "order 1")).await?;
    tokio::select! {
        done = people(life, &engine, &run.id) => done,
        done = worker(&engine, flaws) => done.and(Err(Error::Closed)),
    }
}

/// What people do: tell, approve, resolve, and look whether it is done.
async fn people(life: Life, engine: &Engine, id: &RunId) -> Result<Run, Error> {
    let person = "rita".parse().expect("a name");
    if life.told {
        let told = SendSignal {
            run: id.clone(),
            by: Actor::Operator,
            name: "go".to_owned(),
            value: json!("now"),
            idempotency: Some("told once".to_owned()),
        };
        match engine.signal(told).await {
            Ok(_) | Err(Error::Refused(Refusal::RunFinished { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    for _ in 0..3_600 {
        let row = engine.row(RowKey::new(Noun::Run, id)).await?;
        let Some(Row::Run(run)) = row.as_deref() else { panic!("the run is gone") };
        if run.finished.is_some() {
            return Ok((**run).clone());
        }
        if let Some(incident) = run.dispatch.as_ref().and_then(|dispatch| dispatch.incident.clone()) {
            let why = Some("mended".to_owned());
            engine
                .handle_incident(
                    &incident,
                    Handle::Resolve,
                    Actor::Person("rita".parse().expect("a name")),
                    why,
                )
                .await?;
        }
        for action in &run.asked {
            let Some(id) = engine.action(action).await?.and_then(|action| action.approval) else { continue };
            let key = RowKey::new(Noun::Approval, &id);
            if let Some(Row::Approval(approval)) = engine.row(key).await?.as_deref()
                && approval.status == ApprovalStatus::Waiting
            {
                let seen = approval.binds.shown;
                engine.answer(&id, &person, Answer::Approve { seen }, None).await?;
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the run did not end within an hour")
}

async fn worker(engine: &Engine, flaws: &AtomicU32) -> Result<(), Error> {
    let mut joined = engine.join_work(offer(&["refund", "check"], 4)).await?;
    while let Some(order) = joined.orders.recv().await {
        let Order::Run { run, attempt } = order else { continue };
        match program(engine, &run, attempt, flaws).await {
            Ok(())
            | Err(Error::Refused(
                Refusal::LeaseLost { .. } | Refusal::RunFinished { .. } | Refusal::RunPaused { .. },
            )) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The program. Whoever runs it again goes over what is on record.
async fn program(engine: &Engine, run: &RunId, attempt: u64, flaws: &AtomicU32) -> Result<(), Error> {
    let row = engine.row(RowKey::new(Noun::Run, run)).await?;
    let Some(Row::Run(row)) = row.as_deref() else { panic!("the run is gone") };
    let token = Some(attempt);
    let done = |result: Value| FinishRun {
        run: run.clone(),
        by: agent(),
        attempt: token,
        outcome: RunOutcome::Done,
        result: Some(result),
        error: None,
    };
    if row.parent.is_some() {
        engine.record_steps(run, agent(), token, vec![step("look", json!(7))]).await?;
        engine.finish_run(done(json!("looked"))).await?;
        return Ok(());
    }
    engine.record_steps(run, agent(), token, vec![step("read", json!(1)), step("think", json!(2))]).await?;
    let action = engine
        .propose(Propose {
            run: run.clone(),
            by: agent(),
            attempt: token,
            tool: "crm.once".to_owned(),
            arguments: json!({ "record": "order-1", "level": "gate", "amount": 100 }),
            reason: None,
            idempotency: Some("refund".to_owned()),
            repeat: false,
            wait: Millis(0),
        })
        .await?;
    let on = vec![On::Action(action.id.clone())];
    if engine.wait(waits(run, token, "approved", Mode::Any, on)).await?.wait.met.is_none() {
        return Ok(());
    }
    let settled = engine.action(&action.id).await?.map(|action| action.status);
    assert_eq!(settled, Some(Status::Confirmed), "a wait for an action was met before it was settled");
    let on = vec![On::Signal("go".to_owned()), On::AfterMs(Millis(90_000))];
    if engine.wait(waits(run, token, "either", Mode::Any, on)).await?.wait.met.is_none() {
        return Ok(());
    }
    let child = StartRun { parent: Some(run.clone()), ..dispatched("check", "order 1, checked") };
    let child = engine.start_run(child).await?;
    if engine.wait(waits(run, token, "checked", Mode::All, vec![On::Run(child.id)])).await?.wait.met.is_none()
    {
        return Ok(());
    }
    if flaws.load(Ordering::Relaxed) > 0 {
        flaws.fetch_sub(1, Ordering::Relaxed);
        let error = json!({ "class": "Flaw", "message": "this happens" });
        return engine.fail_attempt(run, attempt, agent(), error).await;
    }
    engine.finish_run(done(json!({ "refunded": true }))).await?;
    Ok(())
}
