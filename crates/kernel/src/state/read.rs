//! Reading rows: where they are, and each kind by the name of its noun.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Agent, Counter, Key, Noun, Row, RowKey, Subject, Workspace};
use crate::action::Action;
use crate::actor::Actor;
use crate::approval::Approval;
use crate::clock::Millis;
use crate::digest::Digest;
use crate::id::{ActionId, AgentId, ApprovalId, ConnectorId, IncidentId, KeyId, PersonId, Role, RunId};
use crate::incident::Incident;
use crate::retention::Retention;
use crate::run::Run;
use crate::signal::{Inbox, Signal};
use crate::step::Step;
use crate::wait::Wait;

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
    run(&RunId) -> Run = Run |Row::Run(run)| (**run).clone();
    /// The step of this run and key.
    step(&str) -> Step = Step |Row::Step(step)| step.clone();
    /// The wait of this run and key.
    wait(&str) -> Wait = Step |Row::Wait(wait)| (**wait).clone();
    /// The signals of this run and name.
    inbox(&str) -> Inbox = Inbox |Row::Inbox(inbox)| *inbox;
    /// A signal that nobody read yet.
    signal(&str) -> Signal = Signal |Row::Signal(signal)| signal.clone();
    /// How many runs of this agent, or in all, workers have.
    load(&str) -> u32 = Load |Row::Load(load)| *load;
    /// The incident of this id.
    incident(&IncidentId) -> Incident = Incident |Row::Incident(incident)| (**incident).clone();
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

/// Looks at a run without copying it.
pub fn with_run<T>(table: &dyn Table, id: &RunId, look: impl FnOnce(&Run) -> T) -> Option<T> {
    match table.get(&RowKey::new(Noun::Run, id)).as_deref() {
        Some(Row::Run(run)) => Some(look(run)),
        _ => None,
    }
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
/// Whether this actor may see and use a run: its agent, people of the workspace, the operator.
pub fn owns(actor: &Actor, run: &Run) -> bool {
    match actor {
        Actor::Agent(agent) => *agent == run.agent,
        Actor::Person(_) | Actor::Operator | Actor::Server => true,
    }
}
