//! Every kind of thing that can happen, and how the journal keeps it.
//!
//! Entries are small, typed, free of personal data and of floats. What is big or personal is a payload beside the
//! entry: the entry holds its salted commitment under a name in `commits`. Kinds are matched without `_` everywhere,
//! so a new one must be thought of everywhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::action::{Cause, SettledBy};
use crate::actor::{Actor, Principal, Scope};
use crate::approval::{Binding, WithdrawnWhy};
use crate::clock::Millis;
use crate::digest::Digest;
use crate::id::{
    ActionId, AgentId, ApprovalId, ConnectorId, IncidentId, KeyId, PersonId, Role, RunId, TaskName, TimerId,
    ToolId, WorkerId,
};
use crate::incident;
use crate::judge::{CounterUse, EffectClass, Obligations, Verdict};
use crate::lease::YieldWhy;
use crate::ports::FailureClass;
use crate::retention::Retention;
use crate::run::RunOutcome;
use crate::step::{StepKind, StepOutcome};
use crate::thread::{DeletedWhy, Saved, Written};
use crate::timer::Purpose;
use crate::wait::{Alarm, Condition, Mode};

/// A fact as an entry keeps it: the value itself is the payload `fact.NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactRef {
    /// Its name in policy.
    pub name: String,
    /// Where it came from.
    pub source: String,
    /// Version of the source's answer.
    pub version: Digest,
    /// When the source was read.
    pub read_at: Millis,
}

/// The outcome of one evaluation of the bundle, as `action.decided` keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The action.
    pub action: ActionId,
    /// 1 for the first decision, 2 and on for decisions taken again before a call.
    pub round: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// Stable reason.
    pub code: String,
    /// Rules that determined it.
    pub rules: Vec<String>,
    /// The bundle that judged.
    pub bundle: Digest,
    /// The policy engine and its version.
    pub judge: String,
    /// The facts that it saw.
    pub facts: Vec<FactRef>,
    /// What a person needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obligations: Option<Obligations>,
}

/// A subject whose data keys were destroyed because every run that used them is past its retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapsed {
    /// The subject.
    pub subject: Digest,
    /// The numbers of its data keys.
    pub keys: Vec<i64>,
}

/// The base of the rows: what remains of entries that are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The entries that its rows hold: those before this position.
    pub applied: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
}

/// Where a log begins from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// The number of the first frame of the first segment that is kept.
    pub first: u64,
    /// Entries of this log before it.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
    /// What the rows are rebuilt from, in the workspace's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}

/// A typed thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body")]
pub enum Event {
    /// The first entry of every log.
    #[serde(rename = "log.started")]
    LogStarted { format: u32, verifier_key: String },
    /// The log has another key from here on. The note is signed by both keys (`tlog::Succession`).
    #[serde(rename = "log.rekeyed")]
    LogRekeyed { succession: String },
    /// The log was restored to a point in its past and goes on under another origin; what came after the first `size`
    /// entries of the old one is not in it. The note is signed by both keys.
    #[serde(rename = "log.continued")]
    LogContinued { origin: String, size: u64, root: Digest, succession: String },
    /// Somebody looked at what the world did since that point: writes go on. Payload: `reason`.
    #[serde(rename = "log.reconciled")]
    LogReconciled {},
    /// The wall clock moved by more than five seconds against the steady one.
    #[serde(rename = "clock.jumped")]
    ClockJumped { by: Millis },
    /// An operator looked at a jumped clock and accepts it: expiries go on.
    #[serde(rename = "clock.accepted")]
    ClockAccepted {},
    /// A bundle of workspace files came into force. Payload: `files`.
    #[serde(rename = "bundle.published")]
    BundlePublished {
        bundle: Digest,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous: Option<Digest>,
        setup: bool,
    },
    /// An agent was registered, or its registration changed.
    #[serde(rename = "agent.registered")]
    AgentRegistered {
        agent: AgentId,
        version: i64,
        owner: PersonId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deputy: Option<PersonId>,
        stage: String,
        /// Dispatched runs that it may have at once, where its file says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        concurrency: Option<u32>,
    },
    /// An agent left the bundle: it may do nothing any more.
    #[serde(rename = "agent.retired")]
    AgentRetired { agent: AgentId },
    /// A person joined, or their roles changed.
    #[serde(rename = "person.registered")]
    PersonRegistered { person: PersonId, roles: BTreeSet<Role> },
    /// A person left.
    #[serde(rename = "person.removed")]
    PersonRemoved { person: PersonId },
    /// A connector was added or changed.
    #[serde(rename = "connector.registered")]
    ConnectorRegistered { connector: ConnectorId, environment: String, definition: Digest },
    /// A connector left the bundle.
    #[serde(rename = "connector.removed")]
    ConnectorRemoved { connector: ConnectorId },
    /// An API key was made. The secret has 256 random bits, so its plain hash gives nothing away.
    #[serde(rename = "key.created")]
    KeyCreated { key: KeyId, principal: Principal, scopes: BTreeSet<Scope>, secret_hash: Digest },
    /// An API key was revoked.
    #[serde(rename = "key.revoked")]
    KeyRevoked { key: KeyId },
    /// A run began. Payloads: `title`, `input`.
    #[serde(rename = "run.started")]
    RunStarted {
        run: RunId,
        agent: AgentId,
        agent_version: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_behalf_of: Option<PersonId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<Digest>,
        /// What its agent's workers are to do; without it, whoever started the run drives it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskName>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        priority: Option<u8>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Millis>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<RunId>,
    },
    /// A run ended. Payload: `result` or `error`.
    #[serde(rename = "run.finished")]
    RunFinished { run: RunId, outcome: RunOutcome },
    /// A worker got a run. The attempt is its fencing token.
    #[serde(rename = "run.dispatched")]
    RunDispatched { run: RunId, attempt: u64, worker: WorkerId },
    /// The worker has it no more. Payload: `error`, where the attempt failed.
    #[serde(rename = "run.yielded")]
    RunYielded { run: RunId, attempt: u64, why: YieldWhy, tries: u32 },
    /// A person holds a run. Payload: `reason`.
    #[serde(rename = "run.paused")]
    RunPaused { run: RunId },
    /// A person lets it go on. Payload: `reason`.
    #[serde(rename = "run.resumed")]
    RunResumed { run: RunId },
    /// A run waits. Payload: `wait`, its key and its conditions in words.
    #[serde(rename = "wait.opened")]
    WaitOpened {
        run: RunId,
        key: Digest,
        input: Digest,
        mode: Mode,
        on: Vec<Condition>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timer: Option<Alarm>,
    },
    /// What it waits for is there: the numbers of the conditions that hold. In the append of what met it.
    #[serde(rename = "wait.met")]
    WaitMet { run: RunId, key: Digest, by: Vec<u32> },
    /// Somebody told a run something. Payload: `signal`, its name and its value.
    #[serde(rename = "signal.received")]
    SignalReceived {
        run: RunId,
        name: Digest,
        /// Pseudonym of its idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<Digest>,
        /// Pseudonym of the request: the same key with another one is a mistake.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<Digest>,
    },
    /// Something went wrong that a person must look at. Payload: `error`.
    #[serde(rename = "incident.opened")]
    IncidentOpened {
        incident: IncidentId,
        cause: incident::Cause,
        agent: AgentId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        owner: PersonId,
    },
    /// Somebody takes it. Payload: `reason`.
    #[serde(rename = "incident.acknowledged")]
    IncidentAcknowledged { incident: IncidentId, by: Actor },
    /// It is over; what it held up goes on. Payload: `reason`.
    #[serde(rename = "incident.resolved")]
    IncidentResolved { incident: IncidentId, by: Actor },
    /// A run did a step and need not do it again. Payload: `step`, its key and its result or error.
    #[serde(rename = "step.recorded")]
    StepRecorded { run: RunId, key: Digest, kind: StepKind, input: Digest, outcome: StepOutcome },
    /// A program saved where it stands. Payloads: `checkpoint`, `metadata`, `value.N`.
    #[serde(rename = "checkpoint.saved")]
    CheckpointSaved(Box<Saved>),
    /// A task of a program wrote what the next checkpoint will hold. Payload: `writes`.
    #[serde(rename = "checkpoint.written")]
    CheckpointWritten(Written),
    /// Checkpoints are found no more; their content goes with the thread.
    #[serde(rename = "checkpoint.removed")]
    CheckpointRemoved { thread: Digest, checkpoints: Vec<Digest> },
    /// A thread is gone, and its data keys were destroyed.
    #[serde(rename = "thread.deleted")]
    ThreadDeleted { thread: Digest, keys: Vec<i64>, why: DeletedWhy },
    /// An agent proposed one use of a tool. Payloads: `arguments`, `reason`.
    #[serde(rename = "action.proposed")]
    ActionProposed {
        action: ActionId,
        run: RunId,
        tool: ToolId,
        class: EffectClass,
        manifest: Digest,
        /// Digest of the exact proposal: what an approval binds.
        digest: Digest,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conflict_key: Option<Digest>,
        /// Whose data key seals the payloads.
        subject: Digest,
    },
    /// The bundle judged it. Payloads: `request`, `fact.*`.
    #[serde(rename = "action.decided")]
    ActionDecided(Decided),
    /// It will not be performed, for this reason. Payload: `difference` where shown facts moved.
    #[serde(rename = "action.refused")]
    ActionRefused { action: ActionId, code: String },
    /// No verdict was possible now; the caller may try again with the same key.
    #[serde(rename = "action.deferred")]
    ActionDeferred { action: ActionId, code: String },
    /// A write is about to happen.
    #[serde(rename = "action.intended")]
    ActionIntended {
        action: ActionId,
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reserves: Vec<CounterUse>,
    },
    /// It happened. Payload: `output`.
    #[serde(rename = "action.confirmed")]
    ActionConfirmed { action: ActionId, attempt: u32, settled_by: SettledBy },
    /// It did not happen, for certain. Payload: `output`.
    #[serde(rename = "action.failed")]
    ActionFailed { action: ActionId, attempt: u32, class: FailureClass, settled_by: SettledBy },
    /// It may have happened.
    #[serde(rename = "action.unknown")]
    ActionUnknown { action: ActionId, attempt: u32, cause: Cause },
    /// A read-back was made on an unknown outcome. Payload: `output`.
    #[serde(rename = "action.looked-up")]
    ActionLookedUp {
        action: ActionId,
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        applied: Option<bool>,
    },
    /// An unknown outcome was handed to a person: neither key nor look-up can settle it.
    #[serde(rename = "action.handed-over")]
    ActionHandedOver { action: ActionId, attempt: u32 },
    /// A person is asked. Payload: `shown`, the page that they will see.
    #[serde(rename = "approval.requested")]
    ApprovalRequested {
        approval: ApprovalId,
        action: ActionId,
        binds: Binding,
        obligations: Obligations,
        expires_at: Millis,
        timer: TimerId,
    },
    /// A person countersigned what they saw.
    #[serde(rename = "approval.given")]
    ApprovalGiven {
        approval: ApprovalId,
        action: ActionId,
        by: PersonId,
        roles: BTreeSet<Role>,
        seen: Digest,
    },
    /// A person said no. Payload: `reason`.
    #[serde(rename = "approval.rejected")]
    ApprovalRejected { approval: ApprovalId, action: ActionId, by: PersonId },
    /// Nobody answered in time.
    #[serde(rename = "approval.expired")]
    ApprovalExpired { approval: ApprovalId, action: ActionId },
    /// It is no longer asked for.
    #[serde(rename = "approval.withdrawn")]
    ApprovalWithdrawn { approval: ApprovalId, action: ActionId, why: WithdrawnWhy },
    /// The countersignature was consumed by the intent in the same append.
    #[serde(rename = "approval.used")]
    ApprovalUsed { approval: ApprovalId, action: ActionId },
    /// Something is due later.
    #[serde(rename = "timer.set")]
    TimerSet { timer: TimerId, due: Millis, purpose: Purpose },
    /// The data keys of a subject were destroyed: what they sealed can be opened by nobody. Payload: `reason`.
    #[serde(rename = "subject.erased")]
    SubjectErased { subject: Digest, keys: Vec<i64> },
    /// A legal hold: nothing of the subject is erased or pruned. Payload: `reason`.
    #[serde(rename = "subject.held")]
    SubjectHeld { subject: Digest },
    /// The hold ended. Payload: `reason`.
    #[serde(rename = "subject.released")]
    SubjectReleased { subject: Digest },
    /// How long what the agent's runs hold is kept. Payload: `reason`, where that is less than the floor.
    #[serde(rename = "retention.set")]
    RetentionSet { agent: AgentId, retention: Retention },
    /// These runs are past their retention: the data keys that no other run needs were destroyed.
    #[serde(rename = "retention.applied")]
    RetentionApplied { runs: Vec<RunId>, lapsed: Vec<Lapsed> },
    /// The segments before this place are taken away: all of their runs are past their retention.
    #[serde(rename = "journal.pruned")]
    JournalPruned(Pruned),
    /// It is due now.
    #[serde(rename = "timer.fired")]
    TimerFired { timer: TimerId, due: Millis },
}

impl Event {
    /// The kind as it stands in the entry: `noun.verb-past`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LogStarted { .. } => "log.started",
            Self::LogRekeyed { .. } => "log.rekeyed",
            Self::LogContinued { .. } => "log.continued",
            Self::LogReconciled {} => "log.reconciled",
            Self::ClockJumped { .. } => "clock.jumped",
            Self::ClockAccepted {} => "clock.accepted",
            Self::BundlePublished { .. } => "bundle.published",
            Self::AgentRegistered { .. } => "agent.registered",
            Self::AgentRetired { .. } => "agent.retired",
            Self::PersonRegistered { .. } => "person.registered",
            Self::PersonRemoved { .. } => "person.removed",
            Self::ConnectorRegistered { .. } => "connector.registered",
            Self::ConnectorRemoved { .. } => "connector.removed",
            Self::KeyCreated { .. } => "key.created",
            Self::KeyRevoked { .. } => "key.revoked",
            Self::RunStarted { .. } => "run.started",
            Self::RunFinished { .. } => "run.finished",
            Self::RunDispatched { .. } => "run.dispatched",
            Self::RunYielded { .. } => "run.yielded",
            Self::RunPaused { .. } => "run.paused",
            Self::RunResumed { .. } => "run.resumed",
            Self::WaitOpened { .. } => "wait.opened",
            Self::WaitMet { .. } => "wait.met",
            Self::SignalReceived { .. } => "signal.received",
            Self::IncidentOpened { .. } => "incident.opened",
            Self::IncidentAcknowledged { .. } => "incident.acknowledged",
            Self::IncidentResolved { .. } => "incident.resolved",
            Self::StepRecorded { .. } => "step.recorded",
            Self::CheckpointSaved(_) => "checkpoint.saved",
            Self::CheckpointWritten(_) => "checkpoint.written",
            Self::CheckpointRemoved { .. } => "checkpoint.removed",
            Self::ThreadDeleted { .. } => "thread.deleted",
            Self::ActionProposed { .. } => "action.proposed",
            Self::ActionDecided(_) => "action.decided",
            Self::ActionRefused { .. } => "action.refused",
            Self::ActionDeferred { .. } => "action.deferred",
            Self::ActionIntended { .. } => "action.intended",
            Self::ActionConfirmed { .. } => "action.confirmed",
            Self::ActionFailed { .. } => "action.failed",
            Self::ActionUnknown { .. } => "action.unknown",
            Self::ActionLookedUp { .. } => "action.looked-up",
            Self::ActionHandedOver { .. } => "action.handed-over",
            Self::ApprovalRequested { .. } => "approval.requested",
            Self::ApprovalGiven { .. } => "approval.given",
            Self::ApprovalRejected { .. } => "approval.rejected",
            Self::ApprovalExpired { .. } => "approval.expired",
            Self::ApprovalWithdrawn { .. } => "approval.withdrawn",
            Self::ApprovalUsed { .. } => "approval.used",
            Self::SubjectErased { .. } => "subject.erased",
            Self::SubjectHeld { .. } => "subject.held",
            Self::SubjectReleased { .. } => "subject.released",
            Self::RetentionSet { .. } => "retention.set",
            Self::RetentionApplied { .. } => "retention.applied",
            Self::JournalPruned(_) => "journal.pruned",
            Self::TimerSet { .. } => "timer.set",
            Self::TimerFired { .. } => "timer.fired",
        }
    }

    /// The action that it is about, if it is about one.
    pub fn action(&self) -> Option<&ActionId> {
        match self {
            Self::ActionProposed { action, .. }
            | Self::ActionDecided(Decided { action, .. })
            | Self::ActionRefused { action, .. }
            | Self::ActionDeferred { action, .. }
            | Self::ActionIntended { action, .. }
            | Self::ActionConfirmed { action, .. }
            | Self::ActionFailed { action, .. }
            | Self::ActionUnknown { action, .. }
            | Self::ActionLookedUp { action, .. }
            | Self::ActionHandedOver { action, .. }
            | Self::ApprovalRequested { action, .. }
            | Self::ApprovalGiven { action, .. }
            | Self::ApprovalRejected { action, .. }
            | Self::ApprovalExpired { action, .. }
            | Self::ApprovalWithdrawn { action, .. }
            | Self::ApprovalUsed { action, .. } => Some(action),
            Self::TimerSet { purpose, .. } => purpose.action(),
            Self::LogStarted { .. }
            | Self::LogRekeyed { .. }
            | Self::LogContinued { .. }
            | Self::LogReconciled {}
            | Self::ClockJumped { .. }
            | Self::ClockAccepted {}
            | Self::BundlePublished { .. }
            | Self::AgentRegistered { .. }
            | Self::AgentRetired { .. }
            | Self::PersonRegistered { .. }
            | Self::PersonRemoved { .. }
            | Self::ConnectorRegistered { .. }
            | Self::ConnectorRemoved { .. }
            | Self::KeyCreated { .. }
            | Self::KeyRevoked { .. }
            | Self::RunStarted { .. }
            | Self::RunFinished { .. }
            | Self::RunDispatched { .. }
            | Self::RunYielded { .. }
            | Self::RunPaused { .. }
            | Self::RunResumed { .. }
            | Self::WaitOpened { .. }
            | Self::WaitMet { .. }
            | Self::SignalReceived { .. }
            | Self::IncidentOpened { .. }
            | Self::IncidentAcknowledged { .. }
            | Self::IncidentResolved { .. }
            | Self::StepRecorded { .. }
            | Self::CheckpointSaved(_)
            | Self::CheckpointWritten(_)
            | Self::CheckpointRemoved { .. }
            | Self::ThreadDeleted { .. }
            | Self::SubjectErased { .. }
            | Self::SubjectHeld { .. }
            | Self::SubjectReleased { .. }
            | Self::RetentionSet { .. }
            | Self::RetentionApplied { .. }
            | Self::JournalPruned(_)
            | Self::TimerFired { .. } => None,
        }
    }
}

/// An event as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of this form: 1.
    pub v: u32,
    /// Name of the log.
    pub log: String,
    /// Position in the log, from 0.
    pub seq: u64,
    /// When it was written; never goes back within a log.
    pub at: Millis,
    /// The run that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Who did it.
    pub actor: Actor,
    /// The entry that brought it about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// What happened: `kind` and `body`.
    #[serde(flatten)]
    pub event: Event,
    /// Commitments to the payloads beside it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commits: BTreeMap<String, Digest>,
}

/// The largest entry that the journal takes: published logs have two bytes for its length.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

impl Entry {
    /// The bytes that are hashed and kept: canonical JSON.
    pub fn encode(&self) -> Vec<u8> {
        crate::json::canonical(self)
    }

    /// Reads an entry back; the bytes stay what they are.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let entry: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if entry.v == 1 {
            Ok(entry)
        } else {
            Err(format!("entry format {} is newer than this program", entry.v))
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::lease::YieldWhy;

    fn entry(event: Event) -> Entry {
        let run = "run_000000yp100000000000000001".parse().unwrap();
        Entry {
            v: 1,
            log: "shop".to_owned(),
            seq: 7,
            at: Millis(1_000),
            run: Some(run),
            actor: Actor::Server,
            cause: None,
            event,
            commits: BTreeMap::new(),
        }
    }

    /// Bytes are hashed and kept for ever: what stands here must never change.
    #[test]
    fn entries_of_durable_runs_keep_their_bytes() {
        let run: RunId = "run_000000yp100000000000000001".parse().unwrap();
        let started = |task: Option<&str>| Event::RunStarted {
            run: run.clone(),
            agent: "bot".parse().unwrap(),
            agent_version: 1,
            on_behalf_of: None,
            conversation: None,
            fingerprint: None,
            task: task.map(|task| task.parse().unwrap()),
            priority: task.map(|_| 7),
            deadline: task.map(|_| Millis(9)),
            parent: task.map(|_| run.clone()),
        };
        let key = Digest([1; 32]);
        let timer: TimerId = "tmr_00000000010000000000000007".parse().unwrap();
        let incident: IncidentId = "inc_00000000010000000000000007".parse().unwrap();
        let events = [
            started(None),
            started(Some("refund")),
            Event::RunDispatched {
                run: run.clone(),
                attempt: 2,
                worker: "wrk_00000000010000000000000007".parse().unwrap(),
            },
            Event::RunYielded { run: run.clone(), attempt: 2, why: YieldWhy::Lapsed, tries: 1 },
            Event::RunPaused { run: run.clone() },
            Event::RunResumed { run: run.clone() },
            Event::WaitOpened {
                run: run.clone(),
                key,
                input: key,
                mode: Mode::Any,
                on: vec![
                    Condition::Signal(key),
                    Condition::At(Millis(5)),
                    Condition::Action("act_000000yppw0000000000000002".parse().unwrap()),
                    Condition::Run(run.clone()),
                ],
                timer: Some(Alarm { id: timer.clone(), due: Millis(5) }),
            },
            Event::WaitMet { run: run.clone(), key, by: vec![0, 2] },
            Event::SignalReceived { run: run.clone(), name: key, signal: Some(key), fingerprint: Some(key) },
            Event::IncidentOpened {
                incident: incident.clone(),
                cause: incident::Cause::RunFailing,
                agent: "bot".parse().unwrap(),
                run: Some(run.clone()),
                owner: "olga".parse().unwrap(),
            },
            Event::IncidentAcknowledged { incident: incident.clone(), by: Actor::Operator },
            Event::IncidentResolved { incident, by: Actor::Operator },
            Event::TimerSet { timer, due: Millis(5), purpose: Purpose::Wake { run: run.clone(), wait: key } },
        ];
        let mut text = String::new();
        for event in events {
            let bytes = entry(event).encode();
            let whole = String::from_utf8(bytes.clone()).unwrap().replace(&"01".repeat(32), "DIGEST");
            assert_eq!(Entry::decode(&bytes).unwrap().encode(), bytes);
            text.push_str(&whole.replace(
                ",\"log\":\"shop\",\"run\":\"run_000000yp100000000000000001\",\"seq\":7,\"v\":1",
                "",
            ));
            text.push('\n');
        }
        expect![[r#"
            {"actor":"server","at":1000,"body":{"agent":"bot","agent_version":1,"run":"run_000000yp100000000000000001"},"kind":"run.started"}
            {"actor":"server","at":1000,"body":{"agent":"bot","agent_version":1,"deadline":9,"parent":"run_000000yp100000000000000001","priority":7,"run":"run_000000yp100000000000000001","task":"refund"},"kind":"run.started"}
            {"actor":"server","at":1000,"body":{"attempt":2,"run":"run_000000yp100000000000000001","worker":"wrk_00000000010000000000000007"},"kind":"run.dispatched"}
            {"actor":"server","at":1000,"body":{"attempt":2,"run":"run_000000yp100000000000000001","tries":1,"why":"lapsed"},"kind":"run.yielded"}
            {"actor":"server","at":1000,"body":{"run":"run_000000yp100000000000000001"},"kind":"run.paused"}
            {"actor":"server","at":1000,"body":{"run":"run_000000yp100000000000000001"},"kind":"run.resumed"}
            {"actor":"server","at":1000,"body":{"input":"DIGEST","key":"DIGEST","mode":"any","on":[{"signal":"DIGEST"},{"at":5},{"action":"act_000000yppw0000000000000002"},{"run":"run_000000yp100000000000000001"}],"run":"run_000000yp100000000000000001","timer":{"due":5,"id":"tmr_00000000010000000000000007"}},"kind":"wait.opened"}
            {"actor":"server","at":1000,"body":{"by":[0,2],"key":"DIGEST","run":"run_000000yp100000000000000001"},"kind":"wait.met"}
            {"actor":"server","at":1000,"body":{"fingerprint":"DIGEST","name":"DIGEST","run":"run_000000yp100000000000000001","signal":"DIGEST"},"kind":"signal.received"}
            {"actor":"server","at":1000,"body":{"agent":"bot","cause":"run_failing","incident":"inc_00000000010000000000000007","owner":"olga","run":"run_000000yp100000000000000001"},"kind":"incident.opened"}
            {"actor":"server","at":1000,"body":{"by":"operator","incident":"inc_00000000010000000000000007"},"kind":"incident.acknowledged"}
            {"actor":"server","at":1000,"body":{"by":"operator","incident":"inc_00000000010000000000000007"},"kind":"incident.resolved"}
            {"actor":"server","at":1000,"body":{"due":5,"purpose":{"do":"wake","run":"run_000000yp100000000000000001","wait":"DIGEST"},"timer":"tmr_00000000010000000000000007"},"kind":"timer.set"}
        "#]].assert_eq(&text);
    }
}
