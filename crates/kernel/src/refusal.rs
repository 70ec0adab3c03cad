//! Refusals: the rules said no to a command. A value, never a crash; nothing changed.

use crate::action::Status;
use crate::clock::Millis;
use crate::id::{ActionId, ApprovalId, IncidentId, RunId};
use crate::run::RunOutcome;

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing, or not for this principal.
    #[error("there is no {what} `{id}`")]
    NotFound { what: &'static str, id: String },
    /// The run has ended.
    #[error("the run `{run}` has ended ({outcome:?})")]
    RunFinished { run: RunId, outcome: RunOutcome },
    /// The same idempotency key came with another request.
    #[error("this idempotency key was used before for another request")]
    IdempotencyMismatch,
    /// The approval was answered, expired or withdrawn already.
    #[error("the approval `{approval}` is no longer waiting: it was {was}")]
    ApprovalSettled { approval: ApprovalId, was: &'static str },
    /// The approver saw another page than the one that is stored.
    #[error("the request changed after it was shown, or another one was meant")]
    ApprovalStale,
    /// The person approved this one already.
    #[error("you approved this request already; it needs another person")]
    ApprovalTwice,
    /// This person may not answer.
    #[error("you may not answer this request: {why}")]
    ApproverNotAllowed { why: String },
    /// It expired before the answer came.
    #[error("the request expired at {expires_at:?}")]
    ApprovalExpired { expires_at: Millis },
    /// The action is in a state in which this cannot be done.
    #[error("the action `{action}` is {status}; this needs another state")]
    ActionState { action: ActionId, status: Status },
    /// Another action with the same conflict key has an unknown outcome.
    #[error("the action `{by}` on the same record has an unknown outcome")]
    ConflictHeld { by: ActionId },
    /// The agent is not registered, or retired.
    #[error("the agent `{agent}` is not registered in this workspace")]
    AgentUnknown { agent: String },
    /// No bundle was published yet.
    #[error("no policy has been published in this workspace")]
    NoBundle,
    /// A legal hold beats erasure and retention.
    #[error("the subject is under a legal hold; nothing of it is erased")]
    LegalHold,
    /// What the workspace keeps has reached its quota.
    #[error("the workspace keeps {used} bytes, and its quota is {quota}")]
    QuotaExceeded { used: u64, quota: u64 },
    /// The disk has too little room for new work.
    #[error("only {free} bytes are free on the disk, too few to take new work")]
    DiskFull { free: u64 },
    /// The journal was restored to a point in its past, and nobody has said yet that the world was looked at.
    #[error(
        "the journal was restored to a point in its past, and writes are paused until somebody reconciled it"
    )]
    ReconcileNeeded,
    /// The key of a step was used before for another step.
    #[error("this key was used before in this run, by a step of kind `{kind}` with another {what}")]
    StepMismatch { what: &'static str, kind: &'static str },
    /// A person holds the run.
    #[error("the run `{run}` is paused")]
    RunPaused { run: RunId },
    /// A write on a dispatched run that does not come from the worker that has it.
    #[error("the run `{run}` is not, or no longer, given to this worker")]
    LeaseLost { run: RunId },
    /// Too many signals of one name wait to be read.
    #[error("{unread} signals of this name wait for the run to read them; it takes no more")]
    InboxFull { unread: u64 },
    /// The incident is over.
    #[error("the incident `{incident}` was resolved already")]
    IncidentResolved { incident: IncidentId },
    /// Too many things of one kind are open.
    #[error("{what}: at most {max}")]
    LimitReached { what: &'static str, max: usize },
    /// A checkpoint of this name is on record with other content.
    #[error("a checkpoint of this name was saved before with other content")]
    CheckpointConflict,
    /// Somebody else went on meanwhile.
    #[error("another checkpoint is the newest now: somebody else went on with this thread")]
    CheckpointFenced,
    /// A value that was to be taken from the parent is not there.
    #[error("a value that is to be taken from the parent is not there")]
    CheckpointValuesMissing,
    /// More content than one checkpoint may have.
    #[error("this checkpoint would have {bytes} bytes; at most {max} are kept")]
    CheckpointTooLarge { bytes: u64, max: u64 },
    /// The thread has as much as a thread may have.
    #[error("the thread would have more than {max} {what}")]
    ThreadFull { what: &'static str, max: u64 },
    /// Something else about the request.
    #[error("{0}")]
    Invalid(String),
}

impl Refusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::RunFinished { .. } => "run_finished",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::ApprovalSettled { .. } => "approval_settled",
            Self::ApprovalStale => "approval_stale",
            Self::ApprovalTwice => "approval_twice",
            Self::ApproverNotAllowed { .. } => "approver_not_allowed",
            Self::ApprovalExpired { .. } => "approval_expired",
            Self::ActionState { .. } => "action_state",
            Self::ConflictHeld { .. } => "conflict_held",
            Self::AgentUnknown { .. } => "agent_unknown",
            Self::NoBundle => "no_bundle",
            Self::LegalHold => "legal_hold",
            Self::QuotaExceeded { .. } => "quota_exceeded",
            Self::DiskFull { .. } => "disk_full",
            Self::ReconcileNeeded => "reconcile_needed",
            Self::StepMismatch { .. } => "step_mismatch",
            Self::RunPaused { .. } => "run_paused",
            Self::LeaseLost { .. } => "lease_lost",
            Self::InboxFull { .. } => "inbox_full",
            Self::IncidentResolved { .. } => "incident_resolved",
            Self::LimitReached { .. } => "limit_reached",
            Self::CheckpointConflict => "checkpoint_conflict",
            Self::CheckpointFenced => "checkpoint_fenced",
            Self::CheckpointValuesMissing => "checkpoint_values_missing",
            Self::CheckpointTooLarge { .. } => "checkpoint_too_large",
            Self::ThreadFull { .. } => "thread_full",
            Self::Invalid(_) => "request_invalid",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => {
                "check the id; things of other workspaces and other agents are not visible"
            }
            Self::RunFinished { .. } => "start a new run",
            Self::IdempotencyMismatch => {
                "use a new key for a new request, or send the first request again unchanged"
            }
            Self::ApprovalSettled { .. } => "open the action to see how it ended",
            Self::ApprovalStale => {
                "open the request again, read it, and answer with the digest that it shows"
            }
            Self::ApprovalTwice => "ask another person who holds the role",
            Self::ApproverNotAllowed { .. } => {
                "ask somebody who holds the role and is neither owner nor requester"
            }
            Self::ApprovalExpired { .. } => "the agent may propose the action again",
            Self::ActionState { .. } => "open the action to see its state",
            Self::ConflictHeld { .. } => "settle that action first: the server looks it up, or a person does",
            Self::AgentUnknown { .. } => "add a file under agents/ and run `countersign apply`",
            Self::NoBundle => "run `countersign apply DIR` with a workspace folder",
            Self::LegalHold => {
                "end the hold first, if whoever asked for it agrees: `countersign hold SUBJECT --release`"
            }
            Self::QuotaExceeded { .. } => {
                "raise `serve --quota`, or keep less: docs/guide/sizing.md; answers to open requests are still taken"
            }
            Self::DiskFull { .. } => "make room on the disk; new work is taken again by itself then",
            Self::ReconcileNeeded => {
                "compare the connected systems with the journal, then run `countersign reconcile --reason TEXT`"
            }
            Self::StepMismatch { .. } => {
                "give each step of a run a key of its own, in loops with what the round is about (`line-17`); code that \
                 changed under a run that is open needs a new key for what it does differently"
            }
            Self::RunPaused { .. } => "a person lets it go on: `countersign runs resume RUN`",
            Self::LeaseLost { .. } => {
                "drop the run: another worker has it, or will get it; a write on a run that workers do needs the attempt \
                 under which it was given to this one"
            }
            Self::InboxFull { .. } => "wait until the run has read some of them",
            Self::IncidentResolved { .. } => "look at the run: it goes on, or has another incident",
            Self::LimitReached { .. } => "wait until some of them have ended",
            Self::CheckpointConflict => "save under another id: what is on record stays",
            Self::CheckpointFenced => {
                "read the newest checkpoint and go on from it, or stop: the other process has the thread"
            }
            Self::CheckpointValuesMissing => "send the values of all channels",
            Self::CheckpointTooLarge { .. } => {
                "keep large things elsewhere, and what names them in the state"
            }
            Self::ThreadFull { .. } => "prune the thread (`/v1/threads/prune`), or go on in another one",
            Self::Invalid(_) => "correct the request and send it again",
        }
    }
}
