//! Rows: their kinds, their names, and what each holds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::actor::{Principal, Scope};
use crate::approval::Approval;
use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Pruned;
use crate::id::{ActionId, AgentId, KeyId, PersonId, Role, RunId};
use crate::incident::Incident;
use crate::retention::Retention;
use crate::run::Run;
use crate::signal::{Inbox, Signal};
use crate::step::Step;
use crate::thread::{Checkpoint, Thread, Writes};
use crate::timer::Timer;
use crate::wait::Wait;

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
    /// Steps and waits, by run and key.
    Step,
    /// Signals that nobody read yet, by run, name and number.
    Signal,
    /// Which signals of a name wait to be read, by run and name.
    Inbox,
    /// Runs that a worker may have, by agent, task, priority and age.
    Ready,
    /// Runs that a worker has.
    Dispatched,
    /// How many runs workers have: of each agent, and (no name) in all.
    Load,
    /// Incidents.
    Incident,
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
    /// Threads, by pseudonym.
    Thread,
    /// Threads by the day of their last write.
    ThreadDay,
    /// Namespaces of threads.
    Namespace,
    /// Checkpoints of threads.
    Checkpoint,
    /// Writes that wait at a checkpoint.
    Writes,
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
            Self::Signal => "signal",
            Self::Inbox => "inbox",
            Self::Ready => "ready",
            Self::Dispatched => "dispatched",
            Self::Load => "load",
            Self::Incident => "incident",
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
            Self::Thread => "thread",
            Self::ThreadDay => "thread_day",
            Self::Namespace => "namespace",
            Self::Checkpoint => "checkpoint",
            Self::Writes => "writes",
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
    /// Dispatched runs that it may have at once, where its file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
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
    Run(Box<Run>),
    /// A step.
    Step(Step),
    /// A wait.
    Wait(Box<Wait>),
    /// A signal that nobody read yet.
    Signal(Signal),
    /// Which signals of a name wait to be read.
    Inbox(Inbox),
    /// A worker may have this run.
    Ready,
    /// A worker has this run, of this agent.
    Dispatched(AgentId),
    /// How many runs workers have.
    Load(u32),
    /// An incident.
    Incident(Box<Incident>),
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
    /// A thread.
    Thread(Thread),
    /// A thread that was written to last on that day, and its agent.
    ThreadDay(Digest, AgentId),
    /// The newest checkpoint of a namespace.
    Namespace(Digest),
    /// A checkpoint.
    Checkpoint(Box<Checkpoint>),
    /// Writes that wait at a checkpoint.
    Writes(Writes),
}
