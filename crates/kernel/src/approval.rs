//! A person's answer, bound to the exact bytes that were shown.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::digest::Digest;
use crate::event::Event;
use crate::id::{ActionId, ApprovalId, PersonId, Role, TimerId};
use crate::judge::Obligations;
use crate::refusal::Refusal;

/// What an approval binds: nothing else may be executed on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The exact proposal.
    pub action: Digest,
    /// The tool as pinned.
    pub manifest: Digest,
    /// What a person had to be.
    pub obligations: Digest,
    /// The page that was shown: arguments, facts, headline.
    pub shown: Digest,
    /// The bundle at the time: recorded, not bound.
    pub bundle: Digest,
}

/// Why nobody is asked any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawnWhy {
    /// The agent took it back.
    ByAgent,
    /// A fact that was shown moved beyond its tolerance.
    ContextChanged,
    /// The rules changed: now nobody may lift it.
    PolicyChanged,
    /// The approvers no longer hold what the rules ask for.
    ApproversChanged,
    /// The run waited for one of several things, and another one came first.
    Lost,
    /// The run was cancelled, or was over its deadline.
    RunEnded,
    /// The journal was restored to a point before its end: what became of it since then is not known.
    Restored,
}

/// One approval given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// When.
    pub at: Millis,
    /// The roles that the person held then.
    pub roles: BTreeSet<Role>,
}

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// Somebody must answer.
    Waiting,
    /// Enough people said yes.
    Approved,
    /// The intent consumed it.
    Used,
    /// Somebody said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// It is no longer asked for.
    Withdrawn,
}

impl ApprovalStatus {
    /// The status as a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Used => "used",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A request for a countersignature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The action.
    pub action: ActionId,
    /// What it binds.
    pub binds: Binding,
    /// What it needs.
    pub obligations: Obligations,
    /// Until when it stands.
    pub expires_at: Millis,
    /// The timer that expires it.
    pub timer: TimerId,
    /// When it was asked for.
    pub requested_at: Millis,
    /// Who said yes.
    pub given: BTreeMap<PersonId, Given>,
    /// Who said no, and the commitment of the reason.
    pub rejected: Option<(PersonId, Option<Digest>)>,
    /// Where it stands.
    pub status: ApprovalStatus,
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Countersign what was shown.
    Approve { seen: Digest },
    /// Refuse it.
    Reject,
}

/// Who answers.
#[derive(Clone, Debug)]
pub struct Answerer<'a> {
    /// The person.
    pub person: &'a PersonId,
    /// The roles that the person holds now.
    pub roles: &'a BTreeSet<Role>,
    /// What the bundle says of this person and this request.
    pub allowed: Result<(), String>,
}

impl Approval {
    /// Whether these people, with these roles, meet the obligations.
    pub fn met_by<'a>(
        obligations: &Obligations,
        people: impl Iterator<Item = (&'a PersonId, &'a BTreeSet<Role>)> + Clone,
    ) -> bool {
        let quorum = obligations.quorum.max(1) as usize;
        people.clone().count() >= quorum
            && obligations
                .approver_roles
                .iter()
                .all(|role| people.clone().filter(|(_, roles)| roles.contains(role)).count() >= quorum)
    }

    /// Judges an answer. Changes nothing.
    pub fn answer(&self, answer: &Answer, by: Answerer<'_>, now: Millis) -> Result<Vec<Event>, Refusal> {
        match self.status {
            ApprovalStatus::Waiting if now >= self.expires_at => {
                return Err(Refusal::ApprovalExpired { expires_at: self.expires_at });
            }
            ApprovalStatus::Waiting => {}
            ApprovalStatus::Approved
            | ApprovalStatus::Used
            | ApprovalStatus::Rejected
            | ApprovalStatus::Expired
            | ApprovalStatus::Withdrawn => {
                return Err(Refusal::ApprovalSettled { approval: self.id.clone(), was: self.status.word() });
            }
        }
        if let Err(why) = by.allowed {
            return Err(Refusal::ApproverNotAllowed { why });
        }
        match answer {
            Answer::Approve { seen } if *seen != self.binds.shown => Err(Refusal::ApprovalStale),
            Answer::Approve { .. } if self.given.contains_key(by.person) => Err(Refusal::ApprovalTwice),
            Answer::Approve { seen } => Ok(vec![Event::ApprovalGiven {
                approval: self.id.clone(),
                action: self.action.clone(),
                by: by.person.clone(),
                roles: by.roles.clone(),
                seen: *seen,
            }]),
            Answer::Reject => Ok(vec![Event::ApprovalRejected {
                approval: self.id.clone(),
                action: self.action.clone(),
                by: by.person.clone(),
            }]),
        }
    }

    /// Judges the expiry timer: it expires only what still waits.
    pub fn expire(&self, now: Millis) -> Vec<Event> {
        match self.status {
            ApprovalStatus::Waiting if now >= self.expires_at => {
                vec![Event::ApprovalExpired { approval: self.id.clone(), action: self.action.clone() }]
            }
            _ => vec![],
        }
    }

    /// Judges a withdrawal: what nobody used yet can be taken back.
    pub fn withdraw(&self, why: WithdrawnWhy) -> Result<Vec<Event>, Refusal> {
        match self.status {
            ApprovalStatus::Waiting | ApprovalStatus::Approved => Ok(vec![Event::ApprovalWithdrawn {
                approval: self.id.clone(),
                action: self.action.clone(),
                why,
            }]),
            ApprovalStatus::Used
            | ApprovalStatus::Rejected
            | ApprovalStatus::Expired
            | ApprovalStatus::Withdrawn => {
                Err(Refusal::ApprovalSettled { approval: self.id.clone(), was: self.status.word() })
            }
        }
    }
}
