//! One proposed use of a tool, from proposal to outcome: the table of DESIGN §5 as pure functions.
//!
//! Each function is one row: it takes the state and what became known, and returns the entries of one append. What may
//! leave the process after that append is the engine's business.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::approval::{Approval, Binding, WithdrawnWhy};
use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::{Decided, Event, FactRef};
use crate::id::{ActionId, ApprovalId, PersonId, RunId, TimerId, ToolId};
use crate::judge::{CounterUse, EffectClass, Judgement, Obligations, Verdict};
use crate::ports::FailureClass;
use crate::refusal::Refusal;
use crate::timer::Purpose;

/// How many times one action is sent at most, look-ups and repeats with the same key included.
pub const ATTEMPTS_MAX: u32 = 5;

/// Where an action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Judged; the next entry of the same append says more.
    Decided,
    /// A person is asked.
    Waiting,
    /// Enough people said yes; it will be judged again and performed.
    Approved,
    /// A write is on its way.
    Intended,
    /// It happened.
    Confirmed,
    /// It did not happen, for certain.
    Failed,
    /// It may have happened.
    Unknown,
    /// The rules refused it.
    Refused,
    /// A person refused it.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// It was taken back.
    Withdrawn,
    /// No verdict was possible; try again.
    Deferred,
    /// It happened, and another action took it back.
    Compensated,
}

impl Status {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        match self {
            Self::Decided | Self::Waiting | Self::Approved | Self::Intended | Self::Unknown => false,
            Self::Confirmed
            | Self::Failed
            | Self::Refused
            | Self::Rejected
            | Self::Expired
            | Self::Withdrawn
            | Self::Deferred
            | Self::Compensated => true,
        }
    }

    /// The status as it stands in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Intended => "intended",
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Deferred => "deferred",
            Self::Compensated => "compensated",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why an outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// No answer in time.
    TimeOut,
    /// The connection was cut, or the answer made no sense.
    Cut,
    /// The server stopped between the intent and the record of the answer.
    Restart,
}

/// What settled an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledBy {
    /// The system's own answer.
    Answer,
    /// A read-back.
    LookUp,
    /// A person who looked.
    Person(PersonId),
}

/// An action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its id.
    pub id: ActionId,
    /// Its run.
    pub run: RunId,
    /// The tool.
    pub tool: ToolId,
    /// The tool's effect class.
    pub class: EffectClass,
    /// The tool's pinned manifest.
    pub manifest: Digest,
    /// The arguments' commitment.
    pub arguments: Digest,
    /// Commitment of the agent's own words, where it gave any.
    pub reason: Option<Digest>,
    /// Commitment of the line for people, written by the server.
    pub headline: Option<Digest>,
    /// Digest of the exact proposal.
    pub digest: Digest,
    /// The data key's name, digested.
    pub subject: Digest,
    /// Row of the idempotency key, where one was given.
    pub idempotency: Option<Digest>,
    /// What it must not touch together with others.
    pub conflict_key: Option<Digest>,
    /// Who proposed it.
    pub proposed_by: Actor,
    /// When.
    pub proposed_at: Millis,
    /// Entry of the proposal.
    pub proposed_seq: u64,
    /// Where it stands.
    pub status: Status,
    /// The last verdict.
    pub verdict: Option<Verdict>,
    /// The last reason.
    pub code: Option<String>,
    /// The bundle of the last decision and the rules that determined it.
    pub judged: Option<(Digest, Vec<String>)>,
    /// Commitment of the words that say why it stopped: what had moved, or what the system said.
    pub why: Option<Digest>,
    /// How many times it was judged.
    pub rounds: u32,
    /// The facts of the first decision, with their commitments.
    pub facts: Vec<(FactRef, Digest)>,
    /// The approval, where one was asked for.
    pub approval: Option<ApprovalId>,
    /// How many intents.
    pub attempts: u32,
    /// What the intent reserved.
    pub reserves: Vec<CounterUse>,
    /// The output's commitment.
    pub output: Option<Digest>,
    /// Why it failed.
    pub failure: Option<FailureClass>,
    /// What settled it.
    pub settled_by: Option<SettledBy>,
    /// When it reached its final state.
    pub settled_at: Option<Millis>,
    /// Neither key nor look-up can settle it: a person must.
    pub handed_over: bool,
    /// The timer after which something is done about it, besides the end of its approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<TimerId>,
    /// The answer is not what the tool's pinned output schema promises.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub output_invalid: bool,
    /// Entry that says that it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_seq: Option<u64>,
    /// Commitment of how its effect is taken back, as registered with the first intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<Digest>,
    /// The action whose effect this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<ActionId>,
    /// The last action that was to take back this one's effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversed_by: Option<ActionId>,
    /// Reads of the run that the agent relied on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub based_on: Vec<ActionId>,
}

/// What became known about a proposal before it reached the owner.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The new action's id.
    pub action: ActionId,
    /// Its run.
    pub run: RunId,
    /// The tool.
    pub tool: ToolId,
    /// Effect class, as pinned.
    pub class: EffectClass,
    /// Manifest, as pinned.
    pub manifest: Digest,
    /// The arguments' commitment.
    pub arguments: Digest,
    /// The data key's name, digested.
    pub subject: Digest,
    /// Row of the idempotency key.
    pub idempotency: Option<Digest>,
    /// The conflict key, digested.
    pub conflict_key: Option<Digest>,
    /// The action whose effect it takes back.
    pub reverses: Option<ActionId>,
    /// Reads of the run that the agent relied on.
    pub based_on: Vec<ActionId>,
}

impl Proposal {
    /// Digest of the exact proposal: run, tool, manifest and (salted) arguments.
    pub fn digest(&self) -> Digest {
        Digest::of(
            "countersign/action/v1",
            &[
                self.run.as_str().as_bytes(),
                self.tool.as_str().as_bytes(),
                &self.manifest.0,
                &self.arguments.0,
            ],
        )
    }

    fn proposed(&self) -> Event {
        Event::ActionProposed {
            action: self.action.clone(),
            run: self.run.clone(),
            tool: self.tool.clone(),
            class: self.class,
            manifest: self.manifest,
            digest: self.digest(),
            idempotency: self.idempotency,
            conflict_key: self.conflict_key,
            subject: self.subject,
            reverses: self.reverses.clone(),
            based_on: self.based_on.clone(),
        }
    }
}

/// One evaluation, ready to be written down.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// What the judge said.
    pub judgement: Judgement,
    /// The bundle.
    pub bundle: Digest,
    /// The policy engine and its version.
    pub judge: String,
    /// The facts.
    pub facts: Vec<FactRef>,
    /// What the action would move.
    pub counters: Vec<CounterUse>,
}

impl Ruling {
    fn decided(&self, action: &ActionId, round: u32) -> Event {
        Event::ActionDecided(Decided {
            action: action.clone(),
            round,
            verdict: self.judgement.verdict,
            code: self.judgement.code.clone(),
            rules: self.judgement.rules.clone(),
            bundle: self.bundle,
            judge: self.judge.clone(),
            facts: self.facts.clone(),
            obligations: self.judgement.obligations.clone(),
        })
    }
}

/// What a new approval needs from outside: ids by chance, and the commitment of the page.
#[derive(Clone, Debug)]
pub struct ApprovalDraft {
    /// The approval's id.
    pub approval: ApprovalId,
    /// The expiry timer's id.
    pub timer: TimerId,
    /// Commitment of the page that will be shown.
    pub shown: Digest,
}

/// Digest of obligations, as an approval binds it.
pub fn obligations_digest(obligations: &Obligations) -> Digest {
    Digest::of("countersign/obligations/v1", &[&crate::json::canonical(obligations)])
}

/// The provider's idempotency key of an action: one for all attempts.
pub fn provider_key(action: &ActionId, class: EffectClass) -> Option<String> {
    (class == EffectClass::Keyed).then(|| action.to_string())
}

fn intended(
    action: &ActionId,
    class: EffectClass,
    attempt: u32,
    reserves: Vec<CounterUse>,
    compensation: Option<ToolId>,
) -> Event {
    Event::ActionIntended {
        action: action.clone(),
        attempt,
        idempotency_key: provider_key(action, class),
        reserves,
        compensation,
    }
}

/// Row 1: a proposal with its verdict. One append: refused in full, waiting for a person, or intended.
/// An autonomous read is not intended here: it is called first and recorded with [`read_done`].
pub fn propose(
    proposal: &Proposal,
    ruling: &Ruling,
    draft: &ApprovalDraft,
    compensation: Option<ToolId>,
    now: Millis,
) -> Vec<Event> {
    let mut events = vec![proposal.proposed(), ruling.decided(&proposal.action, 1)];
    match (ruling.judgement.verdict, &ruling.judgement.obligations) {
        (Verdict::Autonomous, _) => {
            let reserves = ruling.counters.clone();
            events.push(intended(&proposal.action, proposal.class, 1, reserves, compensation));
        }
        (Verdict::Approve, Some(obligations)) => {
            let expires_at = now.plus(obligations.expires_in);
            events.push(Event::ApprovalRequested {
                approval: draft.approval.clone(),
                action: proposal.action.clone(),
                binds: Binding {
                    action: proposal.digest(),
                    manifest: proposal.manifest,
                    obligations: obligations_digest(obligations),
                    shown: draft.shown,
                    bundle: ruling.bundle,
                },
                obligations: obligations.clone(),
                expires_at,
                timer: draft.timer.clone(),
            });
            events.push(Event::TimerSet {
                timer: draft.timer.clone(),
                due: expires_at,
                purpose: Purpose::Expire {
                    approval: draft.approval.clone(),
                    action: proposal.action.clone(),
                },
            });
        }
        // A gate without obligations cannot be lifted by anybody: it fails closed.
        (Verdict::Never | Verdict::Approve, _) => events.push(Event::ActionRefused {
            action: proposal.action.clone(),
            code: ruling.judgement.code.clone(),
        }),
    }
    events
}

/// A proposal that rests on something that has moved since the agent read it: judged, recorded in full, and refused.
pub fn outdated(proposal: &Proposal, ruling: &Ruling) -> Vec<Event> {
    let refused = match ruling.judgement.verdict {
        Verdict::Never => ruling.judgement.code.clone(),
        Verdict::Autonomous | Verdict::Approve => "context_changed".to_owned(),
    };
    vec![
        proposal.proposed(),
        ruling.decided(&proposal.action, 1),
        Event::ActionRefused { action: proposal.action.clone(), code: refused },
    ]
}

/// How a call ended, as the record keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Confirmed,
    /// It happened, and the answer is not what the tool's pinned output schema promises.
    ConfirmedOddly,
    /// It did not.
    Failed(FailureClass),
    /// It may have.
    Unknown(Cause),
}

/// Row 7: an autonomous read, recorded in one append after the call, before the answer.
pub fn read_done(proposal: &Proposal, ruling: &Ruling, outcome: Outcome) -> Vec<Event> {
    let action = proposal.action.clone();
    vec![
        proposal.proposed(),
        ruling.decided(&proposal.action, 1),
        ended(action, 1, outcome, SettledBy::Answer),
    ]
}

/// A proposal on which no verdict is possible now: recorded, and the caller may try again with its key.
pub fn deferred(proposal: &Proposal, code: &str) -> Vec<Event> {
    vec![
        proposal.proposed(),
        Event::ActionDeferred { action: proposal.action.clone(), code: code.to_owned() },
    ]
}

fn ended(action: ActionId, attempt: u32, outcome: Outcome, settled_by: SettledBy) -> Event {
    match outcome {
        Outcome::Confirmed | Outcome::ConfirmedOddly => Event::ActionConfirmed {
            action,
            attempt,
            settled_by,
            output_invalid: outcome == Outcome::ConfirmedOddly,
        },
        Outcome::Failed(class) => Event::ActionFailed { action, attempt, class, settled_by },
        Outcome::Unknown(cause) => Event::ActionUnknown { action, attempt, cause },
    }
}

/// What is known when an approved action is judged again, at the last moment before the intent.
#[derive(Clone, Debug)]
pub struct Again<'a> {
    /// The approval, if there is one.
    pub approval: Option<&'a Approval>,
    /// The new ruling.
    pub ruling: &'a Ruling,
    /// A shown fact moved: the difference in words.
    pub moved: bool,
    /// The manifest that the bundle pins now.
    pub manifest: Option<Digest>,
    /// Whether the approvers, with the roles that they hold now, meet the obligations of the new ruling.
    pub met: bool,
    /// The tool that takes the effect back, where the folder declares one.
    pub compensation: Option<ToolId>,
}

impl Action {
    /// Row 6: decided again on current facts and bundle. Used and intended in one append, or refused in full.
    pub fn begin(&self, again: Again<'_>) -> Result<Vec<Event>, Refusal> {
        match self.status {
            Status::Approved | Status::Unknown => {}
            _ => return Err(Refusal::ActionState { action: self.id.clone(), status: self.status }),
        }
        let mut events = vec![again.ruling.decided(&self.id, self.rounds + 1)];
        let verdict = again.ruling.judgement.verdict;
        let stop = if again.manifest != Some(self.manifest) {
            Some((WithdrawnWhy::PolicyChanged, "manifest_changed"))
        } else if again.moved {
            Some((WithdrawnWhy::ContextChanged, "context_changed"))
        } else if verdict == Verdict::Never {
            Some((WithdrawnWhy::PolicyChanged, again.ruling.judgement.code.as_str()))
        } else if verdict == Verdict::Approve && !again.met {
            Some((WithdrawnWhy::ApproversChanged, "approvers_changed"))
        } else {
            None
        };
        if let Some((why, code)) = stop {
            if let Some(approval) = again.approval {
                events.extend(approval.withdraw(why).unwrap_or_default());
            }
            events.push(Event::ActionRefused { action: self.id.clone(), code: code.to_owned() });
            return Ok(events);
        }
        if self.attempts == 0
            && let Some(approval) = again.approval
        {
            events.push(Event::ApprovalUsed { approval: approval.id.clone(), action: self.id.clone() });
        }
        // A repeat keeps the reservation of the first intent.
        let first = self.attempts == 0;
        let reserves = if first { again.ruling.counters.clone() } else { vec![] };
        let compensation = again.compensation.filter(|_| first);
        events.push(intended(&self.id, self.class, self.attempts + 1, reserves, compensation));
        Ok(events)
    }

    /// What it would be performed with, or what a person was shown, was erased: nothing can be sent and nothing compared,
    /// so it ends here.
    pub fn erased(&self, approval: Option<&Approval>) -> Result<Vec<Event>, Refusal> {
        match self.status {
            Status::Approved | Status::Unknown => {}
            _ => return Err(Refusal::ActionState { action: self.id.clone(), status: self.status }),
        }
        let withdrawn = approval.and_then(|approval| approval.withdraw(WithdrawnWhy::ContentErased).ok());
        let mut events = withdrawn.unwrap_or_default();
        events.push(Event::ActionRefused { action: self.id.clone(), code: "content_erased".to_owned() });
        Ok(events)
    }

    /// Row 8 and 9: the answer of a call, or its absence.
    pub fn settle(
        &self,
        attempt: u32,
        outcome: Outcome,
        settled_by: SettledBy,
    ) -> Result<Vec<Event>, Refusal> {
        let fits = match (self.status, &settled_by) {
            (Status::Intended, SettledBy::Answer)
            | (Status::Unknown, SettledBy::LookUp | SettledBy::Person(_)) => attempt == self.attempts,
            _ => false,
        };
        if !fits {
            return Err(Refusal::ActionState { action: self.id.clone(), status: self.status });
        }
        let mut events = vec![ended(self.id.clone(), attempt, outcome, settled_by)];
        if let (Outcome::Confirmed | Outcome::ConfirmedOddly, Some(original)) = (outcome, &self.reverses) {
            events.push(Event::ActionCompensated { action: original.clone(), by: self.id.clone() });
        }
        Ok(events)
    }

    /// Whether its effect may be taken back now: it happened, how is on record, and nobody is at it already (`before` is
    /// the action that was last to do so).
    pub fn may_be_reversed(&self, before: Option<&Self>) -> Result<(), Refusal> {
        let no = |why: &str| Err(Refusal::NotReversible { action: self.id.clone(), why: why.to_owned() });
        match (self.status, self.compensation) {
            (Status::Compensated, _) => return no("it was taken back already"),
            (Status::Confirmed, Some(_)) => {}
            (Status::Confirmed, None) => {
                return no("no way of taking it back was declared when it was performed");
            }
            _ => return no(&format!("it is {}, and only what happened can be taken back", self.status)),
        }
        match before {
            Some(other) if !other.status.is_final() => {
                no(&format!("the action `{}` is to take it back and is {}", other.id, other.status))
            }
            _ => Ok(()),
        }
    }

    /// An unknown is repeated with the same provider key: no new decision, it is the same call.
    pub fn repeat(&self) -> Result<Vec<Event>, Refusal> {
        if self.status != Status::Unknown || !self.class.repeatable() || self.attempts >= ATTEMPTS_MAX {
            return Err(Refusal::ActionState { action: self.id.clone(), status: self.status });
        }
        Ok(vec![intended(&self.id, self.class, self.attempts + 1, vec![], None)])
    }
}
