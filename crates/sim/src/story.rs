//! Lives of actions, one or several at once, played with a place to stop, and taken up by the next process.
//!
//! The disk and the outside system outlive the process; the agent and the reviewer come back with the same request and
//! the same answer. Whatever the place, the record must be true: no effect twice, none without a durable intent, none
//! lost that was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{Engine, Error, Limits, Parts, Propose, Publish, Reverse, Roster, StartRun};
use kernel::action::{Action, Status};
use kernel::actor::Actor;
use kernel::approval::{Answer, Approval, ApprovalStatus};
use kernel::clock::Millis;
use kernel::event::{Entry, Event};
use kernel::id::{ApprovalId, RunId};
use kernel::refusal::Refusal;
use kernel::state::{self, Agent, Noun, Row, RowKey};
use serde_json::json;

use crate::chance::{Dice, Virtual};
use crate::crm::{Crm, Fault, Line, ReadFault};
use crate::memory::{Disk, MemoryJournal, MemoryPayloads, MemoryStore, Rows, Stop};
use crate::rules::{BUDGET, Edition, Rules};

/// What people and the agent do about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reviewer {
    /// As many approve what is shown as it takes.
    Approves,
    /// One approves, where it takes two; nobody else comes.
    ApprovesAlone,
    /// Somebody rejects it.
    Rejects,
    /// All are away: it expires.
    Away,
    /// The agent takes it back.
    TakesBack,
}

/// What happens while a request waits, before its last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// Nothing.
    Nothing,
    /// Another edition of the rules comes into force.
    Published(Edition),
    /// Somebody else writes on the record.
    RecordMoves,
    /// The next reads go wrong like this, so many times.
    ReadsFail(ReadFault, usize),
    /// What it would be performed with is erased.
    Erased,
}

/// One action's story.
#[derive(Clone, Debug)]
pub struct Story {
    /// `crm.once`, …
    pub tool: &'static str,
    /// `alone`, `gate`, `quorum`, `roles`, `never`
    pub level: &'static str,
    /// On what it works.
    pub record: &'static str,
    /// The agent's key for it, and its mark outside.
    pub key: &'static str,
    /// What it spends of the budget.
    pub amount: i64,
    /// How long the agent waits before it proposes.
    pub after: Millis,
    /// What goes wrong outside, write by write.
    pub faults: Vec<Fault>,
    /// What goes wrong outside, read by read.
    pub reads: Vec<ReadFault>,
    /// What people do.
    pub reviewer: Reviewer,
    /// What happens before the last answer.
    pub meanwhile: Meanwhile,
    /// A person looks at what only a person can settle, and says what they find outside.
    pub somebody_looks: bool,
    /// Once it is confirmed somebody wants it undone; the rules say this about that.
    pub undone: Option<&'static str>,
}

impl Story {
    /// Nothing goes wrong, and who is asked approves.
    pub fn of(tool: &'static str, level: &'static str) -> Self {
        Self {
            tool,
            level,
            record: RECORD,
            key: "call 1",
            amount: 100,
            after: Millis(0),
            faults: vec![],
            reads: vec![],
            reviewer: Reviewer::Approves,
            meanwhile: Meanwhile::Nothing,
            somebody_looks: false,
            undone: None,
        }
    }
}

/// How it ended.
#[derive(Debug)]
pub struct Ending {
    /// The actions, in the order of their stories, once nothing moved any more.
    pub actions: Vec<Action>,
    /// Effects of each, by the outside system's own ledger.
    pub effects: Vec<u32>,
    /// Effects by record, compensations taken away.
    pub ledger: BTreeMap<String, u32>,
    /// All durable entries.
    pub entries: Vec<Entry>,
    /// Appends of the last process.
    pub appends: u64,
    /// The process was stopped on the way.
    pub stopped: bool,
}

impl Ending {
    /// The only action, or the first.
    pub fn action(&self) -> &Action {
        &self.actions[0]
    }
}

/// What outlives a process.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) disk: Arc<Disk>,
    pub(crate) crm: Arc<Crm>,
    pub(crate) clock: Arc<Virtual>,
    pub(crate) dice: Arc<Dice>,
    /// What happened once and is not to happen again when a story is taken up.
    happened: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let disk = Arc::new(Disk::default());
        let crm = Arc::new(Crm::new(disk.clone()));
        let happened = Arc::default();
        Self { disk, crm, clock: Arc::new(Virtual::begin()), dice: Arc::new(Dice::new(seed)), happened }
    }

    fn has_happened(&self, key: &'static str) -> bool {
        self.happened.lock().expect("no panic while the lock is held").contains(key)
    }

    fn note(&self, key: &'static str) {
        self.happened.lock().expect("no panic while the lock is held").insert(key);
    }
}

const RECORD: &str = "order-1";

/// A process of the server over a disk and an outside system.
pub(crate) struct Process {
    pub(crate) engine: Engine,
}

impl Process {
    pub(crate) async fn start(world: &World, process: u64) -> Result<Self, Error> {
        let World { disk, crm, clock, dice, happened: _ } = world;
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
        let last = disk.entries().iter().rev().find_map(|entry| match &entry.event {
            Event::BundlePublished { bundle, .. } => Edition::of(*bundle),
            _ => None,
        });
        match last {
            Some(edition) => engine.set_judge(Arc::new(Rules::new(edition))).await?,
            None => drop(publish(&engine, Edition::First).await?),
        }
        engine.recover().await?;
        Ok(Self { engine })
    }
}

pub(crate) async fn publish(engine: &Engine, edition: Edition) -> Result<u64, Error> {
    let person = |name: &str, roles: &[&str]| {
        let roles = roles.iter().map(|role| role.parse().expect("a role")).collect();
        (name.parse().expect("a name"), roles)
    };
    let ritas: &[&str] = if edition == Edition::OtherPeople { &[] } else { &["finance"] };
    let people = [person("olga", &["finance"]), person("rita", ritas), person("tom", &["finance"])];
    let roster = Roster {
        people: people.into_iter().chain([person("lena", &["legal"])]).collect(),
        agents: vec![Agent {
            id: "bot".parse().expect("a name"),
            version: 1,
            owner: "olga".parse().expect("a name"),
            deputy: None,
            stage: "production".to_owned(),
            concurrency: None,
        }],
        ..Roster::default()
    };
    let expected = None;
    let judge = Arc::new(Rules::new(edition));
    engine
        .publish(Publish {
            judge,
            files: b"{}".to_vec(),
            roster,
            retention: vec![],
            production: false,
            expected,
            by: Actor::Operator,
        })
        .await
}

/// Plays a story on a paused clock, stops where told, and takes it up again until nothing moves.
pub fn play(story: &Story, stop: Option<Stop>, seed: u64) -> Ending {
    play_all(std::slice::from_ref(story), stop, seed)
}

/// Plays several stories at once.
pub fn play_all(stories: &[Story], stop: Option<Stop>, seed: u64) -> Ending {
    on_paused_clock(async { live_in(&World::new(seed), stories, stop).await })
}

/// Plays a story on a disk that is full when it comes to an append, and takes it again after so many refusals.
pub fn play_on_full_disk(story: &Story, append: u64, refusals: u32, seed: u64) -> Ending {
    on_paused_clock(async {
        let world = World::new(seed);
        world.disk.fill(append, refusals);
        live_in(&world, std::slice::from_ref(story), None).await
    })
}

pub(crate) fn on_paused_clock<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(Box::pin(work))
}

async fn live_in(world: &World, stories: &[Story], stop: Option<Stop>) -> Ending {
    for story in stories {
        world.crm.plan(story.record, story.faults.iter().copied());
        world.crm.plan_reads(story.reads.iter().copied());
    }
    let (disk, crm) = (&world.disk, &world.crm);
    let process = disk.boot(stop);
    let first = tokio::time::timeout(Duration::from_mins(5), visit_all(stories, world, process));
    // A process that stopped never answers: the time-out is the client's.
    let outcome = tokio::select! {
        done = first => done.ok(),
        () = died(disk) => None,
    };
    let stopped = disk.stopped();
    let actions = match outcome {
        Some(Ok(actions)) if !stopped => actions,
        // A start would hide what the process had forgotten.
        None if stop.is_none() => panic!("the story does not end: {stories:?}"),
        _ => {
            let process = disk.boot(None);
            visit_all(stories, world, process).await.expect("a process that is not stopped serves")
        }
    };
    assert_eq!(crm.trespasses(), Vec::<String>::new());
    let entries = disk.entries();
    check_budget(&entries);
    Ending {
        actions,
        effects: stories.iter().map(|story| crm.effects_of(story.key)).collect(),
        ledger: crm.effects(),
        entries,
        appends: disk.appends(),
        stopped,
    }
}

/// At every place in the journal: what is reserved is that of actions on their way or unknown, and nothing is spent twice.
fn check_budget(entries: &[Entry]) {
    let mut rows = Rows::default();
    for entry in entries {
        state::apply(&mut rows, entry);
        let on_their_way: i64 = rows
            .0
            .values()
            .filter_map(|row| match &**row {
                Row::Action(action) if matches!(action.status, Status::Intended | Status::Unknown) => {
                    Some(action.reserves.iter().map(|used| used.amount).sum::<i64>())
                }
                _ => None,
            })
            .sum();
        let count = state::counter(&rows, "spent/all").unwrap_or_default();
        assert_eq!(count.reserved, on_their_way, "reservations at {}", entry.seq);
        assert!(count.reserved + count.committed <= BUDGET, "more than there is at {}", entry.seq);
    }
}

async fn died(disk: &Disk) {
    while !disk.stopped() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Calls that were already on their way still arrive outside.
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// What everybody does who is told that the disk is full, or that it cannot be said now: the same again, later.
async fn patiently<T, F: Future<Output = Result<T, Error>>>(work: impl Fn() -> F) -> Result<T, Error> {
    for _ in 0..60 {
        match work().await {
            Err(Error::NoRoom | Error::Deferred { .. }) => {
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
            done => return done,
        }
    }
    panic!("there is room, and all can be read, and the engine does not notice");
}

pub(crate) fn agent() -> Actor {
    Actor::Agent("bot".parse().expect("a name"))
}

/// The agent's run.
pub(crate) async fn run(engine: &Engine) -> Result<RunId, Error> {
    let start = StartRun {
        agent: "bot".parse().expect("a name"),
        by: agent(),
        title: None,
        on_behalf_of: None,
        conversation: Some("ticket 7".to_owned()),
        idempotency: None,
        task: None,
        input: None,
        priority: None,
        deadline: None,
        parent: None,
    };
    engine.start_run(start).await.map(|run| run.id)
}

/// The agent's call as it proposes it.
pub(crate) fn call(run: RunId, story: &Story) -> Propose {
    let undo = story.undone.unwrap_or("alone");
    Propose {
        run,
        by: agent(),
        attempt: None,
        tool: story.tool.to_owned(),
        arguments: json!({
            "record": story.record, "level": story.level, "amount": story.amount, "mark": story.key, "undo": undo,
        }),
        reason: Some("the customer asked".to_owned()),
        idempotency: Some(story.key.to_owned()),
        based_on: vec![],
        repeat: false,
        wait: Millis(30_000),
    }
}

/// The agent's part: its run, and its one call.
pub(crate) async fn propose(engine: &Engine, story: &Story) -> Result<Action, Error> {
    let run = run(engine).await?;
    engine.propose(call(run, story)).await
}

/// Everybody does their part against one process.
async fn visit_all(stories: &[Story], world: &World, process: u64) -> Result<Vec<Action>, Error> {
    let engine = patiently(|| Process::start(world, process)).await?.engine;
    let mut visits = tokio::task::JoinSet::new();
    for (index, story) in stories.iter().enumerate() {
        let (story, world, engine) = (story.clone(), world.clone(), engine.clone());
        visits.spawn(async move { (index, visit(&story, &world, &engine).await) });
    }
    let mut actions = BTreeMap::new();
    while let Some(done) = visits.join_next().await {
        let (index, action) = done.expect("no visit panics");
        actions.insert(index, action?);
    }
    Ok(actions.into_values().collect())
}

/// Agent and people do their part, until the action is settled or only a person can go on.
async fn visit(story: &Story, world: &World, engine: &Engine) -> Result<Action, Error> {
    tokio::time::sleep(Duration::from_millis(story.after.0.unsigned_abs())).await;
    let proposed = patiently(|| propose(engine, story)).await?;
    // Durable before visible: whoever has an answer finds it on the disk.
    let promised = world.disk.entries().iter().any(|entry| entry.event.action() == Some(&proposed.id));
    assert!(promised, "an answer left before its entry was durable");
    if let (Status::Waiting, Some(id)) = (proposed.status, &proposed.approval) {
        answer(story, world, engine, &proposed, id).await?;
    }
    let action = followed(story, world, engine, proposed).await?;
    if story.undone.is_some() && action.status == Status::Confirmed {
        let reverse = || {
            engine.reverse(
                &action.id,
                Reverse {
                    by: agent(),
                    reason: Some("it was a mistake".to_owned()),
                    idempotency: format!("{} undone", story.key),
                    wait: Millis(30_000),
                },
            )
        };
        match patiently(reverse).await {
            Ok(undoing) => drop(followed(story, world, engine, undoing).await?),
            Err(Error::Refused(Refusal::NotReversible { .. })) => {}
            Err(error) => return Err(error),
        }
        return Ok(engine.action(&action.id).await?.unwrap_or(action));
    }
    Ok(action)
}

/// What people, and the agent, do about a request that waits.
async fn answer(
    story: &Story,
    world: &World,
    engine: &Engine,
    action: &Action,
    id: &ApprovalId,
) -> Result<(), Error> {
    let people: &[&str] = match (story.level, story.reviewer) {
        (_, Reviewer::Away | Reviewer::TakesBack | Reviewer::Rejects) => &[],
        (_, Reviewer::ApprovesAlone) => &["rita"],
        ("quorum", _) => &["rita", "tom"],
        ("roles", _) => &["rita", "lena"],
        _ => &["rita"],
    };
    for (index, person) in people.iter().enumerate() {
        let person = person.parse().expect("a name");
        let Some(approval) = waiting(engine, id).await? else { return Ok(()) };
        if index + 1 == people.len() {
            happen(story, world, engine, action).await?;
        }
        if !approval.given.contains_key(&person) {
            let seen = approval.binds.shown;
            drop(patiently(|| engine.answer(id, &person, Answer::Approve { seen }, None)).await?);
        }
    }
    if waiting(engine, id).await?.is_none() {
        return Ok(());
    }
    match story.reviewer {
        Reviewer::Rejects => {
            let person = "rita".parse().expect("a name");
            let reason = || Some("no".to_owned());
            drop(patiently(|| engine.answer(id, &person, Answer::Reject, reason())).await?);
        }
        Reviewer::TakesBack => drop(patiently(|| engine.withdraw(&action.id, agent())).await?),
        Reviewer::Approves | Reviewer::ApprovesAlone | Reviewer::Away => {}
    }
    Ok(())
}

async fn waiting(engine: &Engine, id: &ApprovalId) -> Result<Option<Approval>, Error> {
    Ok(match engine.row(RowKey::new(Noun::Approval, id)).await?.as_deref() {
        Some(Row::Approval(approval)) if approval.status == ApprovalStatus::Waiting => {
            Some((**approval).clone())
        }
        _ => None,
    })
}

/// What happens meanwhile, once.
async fn happen(story: &Story, world: &World, engine: &Engine, action: &Action) -> Result<(), Error> {
    if world.has_happened(story.key) {
        return Ok(());
    }
    match story.meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Published(edition) => drop(patiently(|| publish(engine, edition)).await?),
        Meanwhile::RecordMoves => world.crm.meddle(story.record),
        Meanwhile::ReadsFail(fault, times) => world.crm.plan_reads(std::iter::repeat_n(fault, times)),
        Meanwhile::Erased => world.disk.forget(&action.arguments),
    }
    world.note(story.key);
    Ok(())
}

/// The action once it is settled, or only a person can go on and nobody does.
async fn followed(
    story: &Story,
    world: &World,
    engine: &Engine,
    mut action: Action,
) -> Result<Action, Error> {
    for _ in 0..600 {
        action = engine.follow_action(&action.id, &agent(), Millis(1_000)).await?;
        if action.status.is_final() {
            break;
        }
        if action.handed_over {
            if !story.somebody_looks {
                break;
            }
            // It takes people a while.
            tokio::time::sleep(Duration::from_secs(15)).await;
            let person = "olga".parse().expect("a name");
            let applied = world.crm.effects_of(story.key) > 0;
            let looked = || engine.resolve(&action.id, &person, applied, "I looked".to_owned());
            action = patiently(looked).await?;
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

/// What is reserved for actions that are on their way or unknown.
pub fn reserved(rows: &Rows) -> i64 {
    state::counter(rows, "spent/all").unwrap_or_default().reserved
}
