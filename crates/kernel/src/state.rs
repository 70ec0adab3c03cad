//! State as rows, and `apply`: the one way in which an entry changes them.
//!
//! `apply` cannot fail: what it takes in is already history. Rebuilding is `apply` over the whole log, so the rows in
//! memory, the rows in SQLite and the rows of a rebuild are the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::{Action, Status};
use crate::actor::{Actor, Principal, Scope};
use crate::approval::{Approval, ApprovalStatus, Given};
use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::{Entry, Event, Lapsed, Pruned};
use crate::id::{ActionId, AgentId, ApprovalId, ConnectorId, KeyId, PersonId, Role, RunId, TimerId};
use crate::retention::Retention;
use crate::run::Run;
use crate::step::Step;
use crate::timer::Timer;

/// The kinds of row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noun {
    /// One row: the workspace itself.
    Workspace,
    /// Registered agents, by name.
    Agent,
    /// People, by name.
    Person,
    /// Connectors, by name.
    Connector,
    /// API keys, by the hash of their secret.
    Key,
    /// The hash of a key's secret, by key id.
    KeyName,
    /// Runs.
    Run,
    /// Steps, by run and key.
    Step,
    /// Actions.
    Action,
    /// Approvals.
    Approval,
    /// Timers that have not fired, by due time.
    Timer,
    /// Counters, by name, subject and window.
    Counter,
    /// Conflict keys that an intent holds.
    Hold,
    /// Idempotency keys and identical calls: which action or run they made.
    Made,
    /// Actions that the server must still do something about.
    Open,
    /// Subjects that were held or erased, by pseudonym.
    Subject,
    /// Runs that ended and whose payloads are still kept, by when they ended.
    Ended,
    /// How long payloads of an agent's runs are kept, by agent. It outlives the agent's registration.
    Retention,
}

impl Noun {
    /// The noun as it stands in the store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Agent => "agent",
            Self::Person => "person",
            Self::Connector => "connector",
            Self::Key => "key",
            Self::KeyName => "key_name",
            Self::Run => "run",
            Self::Step => "step",
            Self::Action => "action",
            Self::Approval => "approval",
            Self::Timer => "timer",
            Self::Counter => "counter",
            Self::Hold => "hold",
            Self::Made => "made",
            Self::Open => "open",
            Self::Subject => "subject",
            Self::Ended => "ended",
            Self::Retention => "retention",
        }
    }
}

/// Names a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Its kind.
    pub noun: Noun,
    /// Its id within the kind.
    pub id: String,
}

impl RowKey {
    /// Names a row.
    pub fn new(noun: Noun, id: impl ToString) -> Self {
        Self { noun, id: id.to_string() }
    }
}

/// A clock that moved by more than this against the steady one has jumped (DESIGN §3).
pub const CLOCK_JUMP: Millis = Millis(5_000);

/// The workspace's own row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The bundle in force: its content address and the commitment of its files.
    pub bundle: Option<(Digest, Digest)>,
    /// When it was published.
    pub published_at: Option<Millis>,
    /// One person may publish; every connector is a sandbox.
    pub setup: bool,
    /// By how much the wall clock is off since it jumped; 0: not, or an operator accepted it. While it is off no
    /// approval expires (DESIGN §3).
    #[serde(default)]
    pub clock_off: Millis,
    /// Since when writes are paused, because the log was restored to a point in its past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciling: Option<Millis>,
    /// Where the log begins since it was pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<Pruned>,
}

/// A registered agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its name.
    pub id: AgentId,
    /// Its version.
    pub version: i64,
    /// Who answers for it.
    pub owner: PersonId,
    /// Who does when the owner cannot.
    pub deputy: Option<PersonId>,
    /// experiment, shadow, canary, production, retired.
    pub stage: String,
}

/// An API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its name.
    pub id: KeyId,
    /// Whom it speaks for.
    pub principal: Principal,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: Millis,
    /// When it was revoked.
    pub revoked_at: Option<Millis>,
}

/// A counter of one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// By confirmed actions.
    pub committed: i64,
    /// By actions on their way or unknown.
    pub reserved: i64,
}

/// Whose payloads were held or erased.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Under a legal hold.
    pub held: bool,
    /// When keys of it were destroyed last, on request or by retention.
    pub erased_at: Option<Millis>,
    /// The numbers of the data keys that were destroyed: a restored backup must not have them.
    pub keys: BTreeSet<i64>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// The workspace.
    Workspace(Workspace),
    /// An agent.
    Agent(Agent),
    /// A person's roles.
    Person(BTreeSet<Role>),
    /// A connector: environment and digest of its definition.
    Connector(String, Digest),
    /// An API key.
    Key(Key),
    /// The hash of a key's secret.
    KeyName(Digest),
    /// A run.
    Run(Run),
    /// A step.
    Step(Step),
    /// An action.
    Action(Box<Action>),
    /// An approval.
    Approval(Box<Approval>),
    /// A timer.
    Timer(Timer),
    /// A counter.
    Counter(Counter),
    /// The action that holds a conflict key.
    Hold(ActionId),
    /// The action or run that a key made.
    Made(String),
    /// Something is still to be done about this action.
    Open,
    /// A subject.
    Subject(Subject),
    /// A run that ended: its id and its agent.
    Ended(RunId, AgentId),
    /// How long payloads of an agent's runs are kept.
    Retention(Retention),
}

/// Where rows are read and written while entries are applied.
pub trait Table {
    /// The row, if there is one.
    fn get(&self, key: &RowKey) -> Option<Arc<Row>>;
    /// Writes a row, or removes it.
    fn put(&mut self, key: RowKey, row: Option<Row>);
}

macro_rules! typed_get {
    ($($(#[$doc:meta])* $name:ident($id:ty) -> $out:ty = $noun:ident |$row:pat_param| $take:expr;)*) => {
        $($(#[$doc])*
        pub fn $name(table: &dyn Table, id: $id) -> Option<$out> {
            match table.get(&RowKey::new(Noun::$noun, id)).as_deref() {
                Some($row) => Some($take),
                _ => None,
            }
        })*
    };
}

typed_get! {
    /// The run of this id.
    run(&RunId) -> Run = Run |Row::Run(run)| run.clone();
    /// The step of this run and key.
    step(&str) -> Step = Step |Row::Step(step)| step.clone();
    /// The action of this id.
    action(&ActionId) -> Action = Action |Row::Action(action)| (**action).clone();
    /// The approval of this id.
    approval(&ApprovalId) -> Approval = Approval |Row::Approval(approval)| (**approval).clone();
    /// The agent of this name.
    agent(&AgentId) -> Agent = Agent |Row::Agent(agent)| agent.clone();
    /// The roles of this person.
    person(&PersonId) -> BTreeSet<Role> = Person |Row::Person(roles)| roles.clone();
    /// The connector's environment and definition.
    connector(&ConnectorId) -> (String, Digest) = Connector |Row::Connector(env, digest)| (env.clone(), *digest);
    /// The key whose secret has this hash.
    key(&Digest) -> Key = Key |Row::Key(key)| key.clone();
    /// The hash of the secret of the key of this id.
    key_hash(&KeyId) -> Digest = KeyName |Row::KeyName(hash)| *hash;
    /// The counter of this key.
    counter(&str) -> Counter = Counter |Row::Counter(counter)| *counter;
    /// The action that holds this conflict key.
    hold(&Digest) -> ActionId = Hold |Row::Hold(action)| action.clone();
    /// What was done about the payloads of this subject.
    subject(&Digest) -> Subject = Subject |Row::Subject(subject)| subject.clone();
    /// How long payloads of this agent's runs are kept, where it is not the default.
    retention_set(&AgentId) -> Retention = Retention |Row::Retention(retention)| retention.clone();
    /// What this idempotency key made.
    made(&Digest) -> String = Made |Row::Made(id)| id.clone();
}

/// The workspace's row; a log that has none yet is in setup.
pub fn workspace(table: &dyn Table) -> Workspace {
    match table.get(&RowKey::new(Noun::Workspace, "")).as_deref() {
        Some(Row::Workspace(workspace)) => workspace.clone(),
        _ => Workspace { setup: true, ..Workspace::default() },
    }
}

/// How long payloads of this agent's runs are kept.
pub fn retention(table: &dyn Table, agent: &AgentId) -> Retention {
    retention_set(table, agent).unwrap_or_default()
}

/// The id of the row of a run that ended then: sorts by that moment.
pub fn ended_id(at: Millis, run: &RunId) -> String {
    format!("{:016x}-{run}", at.0.max(0))
}

/// The key under which an identical call of a run is remembered (DESIGN §7, foreign agents).
pub fn same_call(run: &RunId, tool: &str, arguments: &Digest) -> Digest {
    Digest::of("countersign/same-call/v1", &[run.as_str().as_bytes(), tool.as_bytes(), &arguments.0])
}

fn change_action(table: &mut dyn Table, id: &ActionId, change: impl FnOnce(&mut Action)) {
    if let Some(mut action) = action(table, id) {
        let was = action.status;
        change(&mut action);
        let open = matches!(action.status, Status::Approved | Status::Intended | Status::Unknown);
        if open != matches!(was, Status::Approved | Status::Intended | Status::Unknown) {
            table.put(RowKey::new(Noun::Open, id), open.then_some(Row::Open));
        }
        table.put(RowKey::new(Noun::Action, id), Some(Row::Action(Box::new(action))));
    }
}

fn change_approval(table: &mut dyn Table, id: &ApprovalId, change: impl FnOnce(&mut Approval)) {
    if let Some(mut approval) = approval(table, id) {
        change(&mut approval);
        if approval.status != ApprovalStatus::Waiting {
            table.put(RowKey::new(Noun::Timer, Timer::row_id(approval.expires_at, &approval.timer)), None);
        }
        table.put(RowKey::new(Noun::Approval, id), Some(Row::Approval(Box::new(approval))));
    }
}

fn change_counters(table: &mut dyn Table, action: &Action, change: impl Fn(&mut Counter, i64)) {
    for used in &action.reserves {
        let mut count = counter(table, &used.key).unwrap_or_default();
        change(&mut count, used.amount);
        table.put(RowKey::new(Noun::Counter, &used.key), Some(Row::Counter(count)));
    }
}

fn release_hold(table: &mut dyn Table, action: &Action) {
    if let Some(key) = &action.conflict_key
        && hold(table, key).as_ref() == Some(&action.id)
    {
        table.put(RowKey::new(Noun::Hold, key), None);
    }
}

fn finish(table: &mut dyn Table, id: &ActionId, at: Millis, change: impl FnOnce(&mut Action)) {
    change_action(table, id, |action| {
        change(action);
        action.settled_at = Some(at);
    });
    if let Some(action) = action(table, id) {
        release_hold(table, &action);
    }
}

fn change_subject(table: &mut dyn Table, id: &Digest, change: impl FnOnce(&mut Subject)) {
    let mut row = subject(table, id).unwrap_or_default();
    change(&mut row);
    table.put(RowKey::new(Noun::Subject, id), Some(Row::Subject(row)));
}

/// Takes an entry into the rows. Replay is this alone.
pub fn apply(table: &mut dyn Table, entry: &Entry) {
    let at = entry.at;
    match &entry.event {
        Event::LogStarted { .. } | Event::LogRekeyed { .. } | Event::ActionLookedUp { .. } => {}
        Event::LogContinued { .. } => {
            let row = Workspace { reconciling: Some(at), ..workspace(table) };
            table.put(RowKey::new(Noun::Workspace, ""), Some(Row::Workspace(row)));
        }
        Event::LogReconciled {} => {
            let row = Workspace { reconciling: None, ..workspace(table) };
            table.put(RowKey::new(Noun::Workspace, ""), Some(Row::Workspace(row)));
        }
        Event::ClockJumped { by } => {
            let mut row = workspace(table);
            let off = Millis(row.clock_off.0.saturating_add(by.0));
            // A jump back to where it was resolves it; otherwise an operator does.
            row.clock_off = if off.0.saturating_abs() > CLOCK_JUMP.0 { off } else { Millis(0) };
            table.put(RowKey::new(Noun::Workspace, ""), Some(Row::Workspace(row)));
        }
        Event::ClockAccepted {} => {
            let row = Workspace { clock_off: Millis(0), ..workspace(table) };
            table.put(RowKey::new(Noun::Workspace, ""), Some(Row::Workspace(row)));
        }
        Event::SubjectErased { subject, keys } => change_subject(table, subject, |row| {
            row.erased_at = Some(at);
            row.keys.extend(keys);
        }),
        Event::SubjectHeld { subject } => change_subject(table, subject, |row| row.held = true),
        Event::SubjectReleased { subject } => change_subject(table, subject, |row| row.held = false),
        Event::RetentionSet { agent, retention } => {
            table.put(RowKey::new(Noun::Retention, agent), Some(Row::Retention(retention.clone())));
        }
        Event::RetentionApplied { runs, lapsed } => {
            for id in runs {
                let Some(mut row) = run(table, id) else { continue };
                if let Some((_, ended)) = row.finished {
                    table.put(RowKey::new(Noun::Ended, ended_id(ended, id)), None);
                }
                row.lapsed_at = Some(at);
                table.put(RowKey::new(Noun::Run, id), Some(Row::Run(row)));
            }
            for Lapsed { subject, keys } in lapsed {
                change_subject(table, subject, |row| {
                    row.erased_at = Some(at);
                    row.keys.extend(keys);
                });
            }
        }
        Event::JournalPruned(pruned) => {
            let row = Workspace { pruned: Some(pruned.clone()), ..workspace(table) };
            table.put(RowKey::new(Noun::Workspace, ""), Some(Row::Workspace(row)));
        }
        Event::BundlePublished { bundle, previous: _, setup } => {
            let files = entry.commits.get("files").copied().unwrap_or(*bundle);
            let row = Workspace {
                bundle: Some((*bundle, files)),
                published_at: Some(at),
                setup: *setup,
                ..workspace(table)
            };
            table.put(RowKey::new(Noun::Workspace, ""), Some(Row::Workspace(row)));
        }
        Event::AgentRegistered { agent, version, owner, deputy, stage } => {
            let row = Agent {
                id: agent.clone(),
                version: *version,
                owner: owner.clone(),
                deputy: deputy.clone(),
                stage: stage.clone(),
            };
            table.put(RowKey::new(Noun::Agent, agent), Some(Row::Agent(row)));
        }
        Event::AgentRetired { agent } => table.put(RowKey::new(Noun::Agent, agent), None),
        Event::PersonRegistered { person, roles } => {
            table.put(RowKey::new(Noun::Person, person), Some(Row::Person(roles.clone())));
        }
        Event::PersonRemoved { person } => table.put(RowKey::new(Noun::Person, person), None),
        Event::ConnectorRegistered { connector, environment, definition } => {
            let row = Row::Connector(environment.clone(), *definition);
            table.put(RowKey::new(Noun::Connector, connector), Some(row));
        }
        Event::ConnectorRemoved { connector } => table.put(RowKey::new(Noun::Connector, connector), None),
        Event::KeyCreated { key, principal, scopes, secret_hash } => {
            let row = Key {
                id: key.clone(),
                principal: principal.clone(),
                scopes: scopes.clone(),
                created_at: at,
                revoked_at: None,
            };
            table.put(RowKey::new(Noun::Key, secret_hash), Some(Row::Key(row)));
            table.put(RowKey::new(Noun::KeyName, key), Some(Row::KeyName(*secret_hash)));
        }
        Event::KeyRevoked { key: id } => {
            if let Some(hash) = key_hash(table, id)
                && let Some(mut row) = key(table, &hash)
            {
                row.revoked_at.get_or_insert(at);
                table.put(RowKey::new(Noun::Key, hash), Some(Row::Key(row)));
            }
        }
        Event::RunStarted { run, agent, agent_version, on_behalf_of, conversation, fingerprint } => {
            let row = Run {
                id: run.clone(),
                agent: agent.clone(),
                agent_version: *agent_version,
                on_behalf_of: on_behalf_of.clone(),
                title: entry.commits.get("title").copied(),
                started_at: at,
                fingerprint: *fingerprint,
                finished: None,
                actions: 0,
                lapsed_at: None,
            };
            table.put(RowKey::new(Noun::Run, run), Some(Row::Run(row)));
            if let Some(key) = conversation {
                table.put(RowKey::new(Noun::Made, key), Some(Row::Made(run.to_string())));
            }
        }
        Event::StepRecorded { run, key, kind, input, outcome } => {
            let result = entry.commits.get("step").copied();
            let row = Step { kind: *kind, input: *input, outcome: *outcome, result, seq: entry.seq, at };
            table.put(RowKey::new(Noun::Step, Step::row_id(run, key)), Some(Row::Step(row)));
        }
        Event::RunFinished { run: id, outcome } => {
            if let Some(mut row) = run(table, id) {
                row.finished = Some((*outcome, at));
                let ended = Row::Ended(id.clone(), row.agent.clone());
                table.put(RowKey::new(Noun::Ended, ended_id(at, id)), Some(ended));
                table.put(RowKey::new(Noun::Run, id), Some(Row::Run(row)));
            }
        }
        Event::ActionProposed {
            action: id,
            run: run_id,
            tool,
            class,
            manifest,
            digest,
            idempotency,
            conflict_key,
            subject,
            reverses,
            based_on,
        } => {
            let arguments = entry.commits.get("arguments").copied().unwrap_or(*digest);
            let row = Action {
                id: id.clone(),
                run: run_id.clone(),
                tool: tool.clone(),
                class: *class,
                manifest: *manifest,
                arguments,
                reason: entry.commits.get("reason").copied(),
                headline: None,
                digest: *digest,
                subject: *subject,
                idempotency: *idempotency,
                conflict_key: *conflict_key,
                proposed_by: entry.actor.clone(),
                proposed_at: at,
                proposed_seq: entry.seq,
                status: Status::Decided,
                verdict: None,
                code: None,
                judged: None,
                why: None,
                rounds: 0,
                facts: vec![],
                approval: None,
                attempts: 0,
                reserves: vec![],
                output: None,
                failure: None,
                settled_by: None,
                settled_at: None,
                handed_over: false,
                output_invalid: false,
                confirmed_seq: None,
                compensation: None,
                reverses: reverses.clone(),
                reversed_by: None,
                based_on: based_on.clone(),
            };
            if let Some(original) = reverses {
                change_action(table, original, |action| action.reversed_by = Some(id.clone()));
            }
            table.put(RowKey::new(Noun::Action, id), Some(Row::Action(Box::new(row))));
            if let Some(key) = idempotency {
                table.put(RowKey::new(Noun::Made, key), Some(Row::Made(id.to_string())));
            }
            if class.writes() {
                let key = same_call(run_id, tool.as_str(), &arguments);
                table.put(RowKey::new(Noun::Made, key), Some(Row::Made(id.to_string())));
            }
            if let Some(mut row) = run(table, run_id) {
                row.actions += 1;
                table.put(RowKey::new(Noun::Run, run_id), Some(Row::Run(row)));
            }
        }
        Event::ActionDecided(decided) => change_action(table, &decided.action, |action| {
            if action.rounds == 0 {
                let value =
                    |fact: &crate::event::FactRef| entry.commits.get(&format!("fact.{}", fact.name)).copied();
                action.facts =
                    decided.facts.iter().filter_map(|fact| Some((fact.clone(), value(fact)?))).collect();
            }
            if let Some(headline) = entry.commits.get("headline") {
                action.headline = Some(*headline);
            }
            action.rounds = decided.round;
            action.verdict = Some(decided.verdict);
            action.code = Some(decided.code.clone());
            action.judged = Some((decided.bundle, decided.rules.clone()));
        }),
        Event::ActionRefused { action: id, code } => {
            // Refused after a look-up showed that the first attempt did not happen: the reservation goes back.
            if let Some(row) = action(table, id) {
                change_counters(table, &row, |count, amount| {
                    count.reserved = count.reserved.saturating_sub(amount);
                });
            }
            finish(table, id, at, |action| {
                action.status = Status::Refused;
                action.code = Some(code.clone());
                action.why = entry.commits.get("difference").copied();
                action.reserves.clear();
            });
        }
        Event::ActionDeferred { action: id, code } => {
            if let Some(row) = action(table, id) {
                for key in row.idempotency.into_iter().chain([same_call(
                    &row.run,
                    row.tool.as_str(),
                    &row.arguments,
                )]) {
                    table.put(RowKey::new(Noun::Made, key), None);
                }
            }
            finish(table, id, at, |action| {
                action.status = Status::Deferred;
                action.code = Some(code.clone());
            });
        }
        Event::ActionIntended { action: id, attempt, idempotency_key: _, reserves, compensation: _ } => {
            change_action(table, id, |action| {
                action.status = Status::Intended;
                action.attempts = *attempt;
                if let Some(registered) = entry.commits.get("compensation") {
                    action.compensation = Some(*registered);
                }
                if !reserves.is_empty() {
                    action.reserves.clone_from(reserves);
                }
            });
            if let Some(row) = action(table, id) {
                if !reserves.is_empty() {
                    change_counters(table, &row, |count, amount| {
                        count.reserved = count.reserved.saturating_add(amount);
                    });
                }
                if let Some(key) = row.conflict_key {
                    table.put(RowKey::new(Noun::Hold, key), Some(Row::Hold(id.clone())));
                }
            }
        }
        Event::ActionConfirmed { action: id, attempt: _, settled_by, output_invalid } => {
            if let Some(row) = action(table, id) {
                change_counters(table, &row, |count, amount| {
                    count.reserved = count.reserved.saturating_sub(amount);
                    count.committed = count.committed.saturating_add(amount);
                });
            }
            finish(table, id, at, |action| {
                action.status = Status::Confirmed;
                action.confirmed_seq = Some(entry.seq);
                action.output_invalid = *output_invalid;
                action.output = entry.commits.get("output").copied();
                action.settled_by = Some(settled_by.clone());
            });
        }
        Event::ActionCompensated { action: id, by } => change_action(table, id, |action| {
            action.status = Status::Compensated;
            action.reversed_by = Some(by.clone());
        }),
        Event::ActionFailed { action: id, attempt: _, class, settled_by } => {
            if let Some(row) = action(table, id) {
                change_counters(table, &row, |count, amount| {
                    count.reserved = count.reserved.saturating_sub(amount);
                });
            }
            finish(table, id, at, |action| {
                action.status = Status::Failed;
                action.failure = Some(*class);
                action.why = entry.commits.get("cause").copied();
                action.output = entry.commits.get("output").copied();
                action.settled_by = Some(settled_by.clone());
            });
        }
        Event::ActionUnknown { action: id, .. } => {
            change_action(table, id, |action| {
                action.status = Status::Unknown;
                action.why = entry.commits.get("cause").copied();
            });
        }
        Event::ActionHandedOver { action: id, .. } => {
            change_action(table, id, |action| action.handed_over = true);
        }
        Event::ApprovalRequested { approval, action: id, binds, obligations, expires_at, timer } => {
            let row = Approval {
                id: approval.clone(),
                action: id.clone(),
                binds: binds.clone(),
                obligations: obligations.clone(),
                expires_at: *expires_at,
                timer: timer.clone(),
                requested_at: at,
                given: std::collections::BTreeMap::new(),
                rejected: None,
                status: ApprovalStatus::Waiting,
            };
            table.put(RowKey::new(Noun::Approval, approval), Some(Row::Approval(Box::new(row))));
            change_action(table, id, |action| {
                action.status = Status::Waiting;
                action.approval = Some(approval.clone());
            });
        }
        Event::ApprovalGiven { approval: id, action, by, roles, seen: _ } => {
            let mut met = false;
            change_approval(table, id, |approval| {
                approval.given.insert(by.clone(), Given { at, roles: roles.clone() });
                met = Approval::met_by(
                    &approval.obligations,
                    approval.given.iter().map(|(p, g)| (p, &g.roles)),
                );
                if met {
                    approval.status = ApprovalStatus::Approved;
                }
            });
            if met {
                change_action(table, action, |action| action.status = Status::Approved);
            }
        }
        Event::ApprovalRejected { approval, action, by } => {
            change_approval(table, approval, |approval| {
                approval.status = ApprovalStatus::Rejected;
                approval.rejected = Some((by.clone(), entry.commits.get("reason").copied()));
            });
            finish(table, action, at, |action| action.status = Status::Rejected);
        }
        Event::ApprovalExpired { approval, action } => {
            change_approval(table, approval, |approval| approval.status = ApprovalStatus::Expired);
            finish(table, action, at, |action| action.status = Status::Expired);
        }
        Event::ApprovalWithdrawn { approval, action, why: _ } => {
            change_approval(table, approval, |approval| approval.status = ApprovalStatus::Withdrawn);
            finish(table, action, at, |action| action.status = Status::Withdrawn);
        }
        Event::ApprovalUsed { approval, action: _ } => {
            change_approval(table, approval, |approval| approval.status = ApprovalStatus::Used);
        }
        Event::TimerSet { timer, due, purpose } => {
            let row = Timer { id: timer.clone(), due: *due, purpose: purpose.clone() };
            table.put(RowKey::new(Noun::Timer, Timer::row_id(*due, timer)), Some(Row::Timer(row)));
        }
        Event::TimerFired { timer, due } => fired(table, timer, *due),
    }
}

fn fired(table: &mut dyn Table, timer: &TimerId, due: Millis) {
    table.put(RowKey::new(Noun::Timer, Timer::row_id(due, timer)), None);
}

/// Whether this actor may see and use a run: its agent, people of the workspace, the operator.
pub fn owns(actor: &Actor, run: &Run) -> bool {
    match actor {
        Actor::Agent(agent) => *agent == run.agent,
        Actor::Person(_) | Actor::Operator | Actor::Server => true,
    }
}
