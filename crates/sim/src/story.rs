//! One action's life, played with a place to stop, and taken up by the next process.
//!
//! The disk and the outside system outlive the process; the agent and the reviewer come back with the same request and
//! the same answer. Whatever the place, the record must be true: no effect twice, none without a durable intent, none
//! lost that was promised.

use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, Error, Limits, Parts, Propose, Publish, StartRun};
use kernel::action::{Action, Status};
use kernel::actor::Actor;
use kernel::approval::{Answer, ApprovalStatus};
use kernel::clock::Millis;
use kernel::event::{Entry, Event};
use kernel::state::{self, Noun, RowKey, Table};
use serde_json::json;

use crate::chance::{Dice, Virtual};
use crate::crm::{Crm, Fault, Line};
use crate::memory::{Disk, MemoryJournal, MemoryPayloads, MemoryStore, Rows, Stop};
use crate::rules::Rules;

/// What the reviewer does about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reviewer {
    /// Approves what is shown.
    Approves,
    /// Rejects it.
    Rejects,
    /// Is away: it expires.
    Away,
}

/// One story.
#[derive(Clone, Debug)]
pub struct Story {
    /// `crm.once`, …
    pub tool: &'static str,
    /// `alone`, `gate`, `never`
    pub level: &'static str,
    /// What goes wrong outside, write by write.
    pub faults: Vec<Fault>,
    /// What the reviewer does.
    pub reviewer: Reviewer,
    /// Between approval and execution the bundle becomes strict.
    pub stricter: bool,
}

/// How it ended.
#[derive(Debug)]
pub struct Ending {
    /// The action, once nothing moved any more.
    pub action: Action,
    /// Effects on its record, by the outside system's own ledger.
    pub effects: u32,
    /// All durable entries.
    pub entries: Vec<Entry>,
    /// Appends of the last process.
    pub appends: u64,
    /// The process was stopped on the way.
    pub stopped: bool,
}

/// What outlives a process.
pub(crate) struct World {
    pub(crate) disk: Arc<Disk>,
    pub(crate) crm: Arc<Crm>,
    pub(crate) clock: Arc<Virtual>,
    pub(crate) dice: Arc<Dice>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let disk = Arc::new(Disk::default());
        let crm = Arc::new(Crm::new(disk.clone()));
        Self { disk, crm, clock: Arc::new(Virtual::begin()), dice: Arc::new(Dice::new(seed)) }
    }
}

const RECORD: &str = "order-1";

/// A process of the server over a disk and an outside system.
pub(crate) struct Process {
    pub(crate) engine: Engine,
}

impl Process {
    pub(crate) async fn start(world: &World, process: u64) -> Result<Self, Error> {
        let World { disk, crm, clock, dice } = world;
        let store = Arc::new(MemoryStore::default());
        let rows = store.clone();
        let parts = Parts {
            workspace: "shop".parse().expect("a name"),
            journal: Arc::new(MemoryJournal { disk: disk.clone(), process }),
            log: journal::LogId(0),
            log_name: "sim/shop".to_owned(),
            verifier_key: "sim".to_owned(),
            store,
            follow: Box::new(move |entries| rows.follow(entries)),
            effector: Arc::new(Line { crm: crm.clone(), process }),
            payloads: Arc::new(MemoryPayloads(disk.clone())),
            clock: clock.clone(),
            entropy: dice.clone(),
            limits: Limits::default(),
        };
        let engine = Engine::start(parts).await?;
        let published = engine.row(RowKey::new(Noun::Workspace, "")).await?.is_some();
        if published {
            let strict = disk
                .entries()
                .iter()
                .any(|entry| matches!(&entry.event, Event::BundlePublished { previous: Some(_), .. }));
            engine.set_judge(Arc::new(Rules::new(strict))).await?;
        } else {
            publish(&engine, false).await?;
        }
        engine.recover().await?;
        Ok(Self { engine })
    }
}

async fn publish(engine: &Engine, strict: bool) -> Result<u64, Error> {
    let finance = ["finance".parse().expect("a role")];
    let events = vec![
        Event::PersonRegistered { person: "olga".parse().expect("a name"), roles: finance.clone().into() },
        Event::PersonRegistered { person: "rita".parse().expect("a name"), roles: finance.into() },
        Event::AgentRegistered {
            agent: "bot".parse().expect("a name"),
            version: 1,
            owner: "olga".parse().expect("a name"),
            deputy: None,
            stage: "production".to_owned(),
            concurrency: None,
        },
    ];
    let expected = None;
    let judge = Arc::new(Rules::new(strict));
    engine
        .publish(Publish {
            judge,
            files: b"{}".to_vec(),
            events,
            retention: vec![],
            setup: true,
            expected,
            by: Actor::Operator,
        })
        .await
}

/// Plays a story on a paused clock, stops where told, and takes it up again until nothing moves.
pub fn play(story: &Story, stop: Option<Stop>, seed: u64) -> Ending {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(Box::pin(live(story, stop, seed)))
}

/// Plays a story on a disk that is full when it comes to an append, and takes it again after so many refusals.
pub fn play_on_full_disk(story: &Story, append: u64, refusals: u32, seed: u64) -> Ending {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(Box::pin(async {
        let world = World::new(seed);
        world.disk.fill(append, refusals);
        live_in(&world, story, None).await
    }))
}

async fn live(story: &Story, stop: Option<Stop>, seed: u64) -> Ending {
    live_in(&World::new(seed), story, stop).await
}

async fn live_in(world: &World, story: &Story, stop: Option<Stop>) -> Ending {
    world.crm.plan(story.faults.iter().copied());
    let (disk, crm) = (&world.disk, &world.crm);
    let process = disk.boot(stop);
    let mut published_strict = false;
    let first =
        tokio::time::timeout(Duration::from_mins(5), visit(story, world, process, &mut published_strict));
    // A process that stopped never answers: the time-out is the client's.
    let outcome = tokio::select! {
        done = first => done.ok(),
        () = died(disk) => None,
    };
    let stopped = disk.stopped();
    let action = match outcome {
        Some(Ok(action)) if !stopped => action,
        _ => {
            let process = disk.boot(None);
            let again = visit(story, world, process, &mut published_strict).await;
            again.expect("a process that is not stopped serves")
        }
    };
    let effects = crm.effects().get(RECORD).copied().unwrap_or(0);
    assert_eq!(crm.unannounced(), Vec::<String>::new(), "a write left without a durable intent");
    Ending { action, effects, entries: disk.entries(), appends: disk.appends(), stopped }
}

async fn died(disk: &Disk) {
    while !disk.stopped() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Calls that were already on their way still arrive outside.
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// What everybody does who is told that the disk is full: the same again, later.
async fn patiently<T, F: Future<Output = Result<T, Error>>>(work: impl Fn() -> F) -> Result<T, Error> {
    for _ in 0..60 {
        match work().await {
            Err(Error::NoRoom) => tokio::time::sleep(Duration::from_millis(700)).await,
            done => return done,
        }
    }
    panic!("the disk has room, and the engine does not notice");
}

/// The agent's part: its run, and its one call.
pub(crate) async fn propose(engine: &Engine, story: &Story) -> Result<Action, Error> {
    let agent = Actor::Agent("bot".parse().expect("a name"));
    let run = engine
        .start_run(StartRun {
            agent: "bot".parse().expect("a name"),
            by: agent.clone(),
            title: None,
            on_behalf_of: None,
            conversation: Some("ticket 7".to_owned()),
            idempotency: None,
            task: None,
            input: None,
            priority: None,
            deadline: None,
            parent: None,
        })
        .await?;
    engine
        .propose(Propose {
            run: run.id,
            by: agent.clone(),
            attempt: None,
            tool: story.tool.to_owned(),
            arguments: json!({ "record": RECORD, "level": story.level, "amount": 100 }),
            reason: Some("the customer asked".to_owned()),
            idempotency: Some("call 1".to_owned()),
            repeat: false,
            wait: Millis(30_000),
        })
        .await
}

/// Agent and reviewer do their part against one process, until the action is settled or only a person can go on.
async fn visit(
    story: &Story,
    world: &World,
    process: u64,
    published_strict: &mut bool,
) -> Result<Action, Error> {
    let engine = patiently(|| Process::start(world, process)).await?.engine;
    let proposed = patiently(|| propose(&engine, story)).await?;
    let agent = Actor::Agent("bot".parse().expect("a name"));
    // Durable before visible: whoever has an answer finds it on the disk.
    let promised = world.disk.entries().iter().any(|entry| entry.event.action() == Some(&proposed.id));
    assert!(promised, "an answer left before its entry was durable");
    if let (Status::Waiting, Some(id)) = (proposed.status, &proposed.approval) {
        let key = RowKey::new(Noun::Approval, id);
        if let Some(state::Row::Approval(approval)) = engine.row(key).await?.as_deref()
            && approval.status == ApprovalStatus::Waiting
        {
            let person = "rita".parse().expect("a name");
            let seen = approval.binds.shown;
            match story.reviewer {
                Reviewer::Approves => {
                    if story.stricter && !*published_strict {
                        patiently(|| publish(&engine, true)).await?;
                        *published_strict = true;
                    }
                    drop(patiently(|| engine.answer(id, &person, Answer::Approve { seen }, None)).await?);
                }
                Reviewer::Rejects => {
                    let reason = || Some("no".to_owned());
                    drop(patiently(|| engine.answer(id, &person, Answer::Reject, reason())).await?);
                }
                Reviewer::Away => {}
            }
        }
    }
    let mut action = proposed;
    for _ in 0..600 {
        action = engine.follow_action(&action.id, &agent, Millis(1_000)).await?;
        if action.status.is_final() || action.handed_over {
            break;
        }
    }
    Ok(action)
}

/// The rows that the entries make, by `apply` alone.
pub fn rebuild(entries: &[Entry]) -> Rows {
    let mut rows = Rows::default();
    for entry in entries {
        state::apply(&mut rows, entry);
    }
    rows
}

/// Counts that must hold at any place: what is reserved belongs to actions that are on their way or unknown.
pub fn reserved(rows: &Rows) -> i64 {
    match rows.get(&RowKey::new(Noun::Counter, "spent/all")).as_deref() {
        Some(state::Row::Counter(counter)) => counter.reserved,
        _ => 0,
    }
}
