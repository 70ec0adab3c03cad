//! What the entries say together: one proposal, decisions in order, countersignatures of what was shown, and no call
//! without a right to it.

use std::collections::{BTreeMap, BTreeSet};

use kernel::action::{Proposal, obligations_digest};
use kernel::approval::Approval;
use kernel::digest::Digest;
use kernel::event::{Decided, Entry, Event};
use kernel::id::{ApprovalId, PersonId, Role};
use kernel::judge::{Obligations, Verdict};

use crate::check::Proved;
use crate::report::Report;

/// The bundle that an entry names.
pub(crate) fn bundle_of(entry: &Entry) -> Option<Digest> {
    match &entry.event {
        Event::ActionDecided(decided) => Some(decided.bundle),
        _ => None,
    }
}

/// A request for a countersignature, and who gave it.
struct Asked {
    shown: Digest,
    obligations: Obligations,
    given: BTreeMap<PersonId, BTreeSet<Role>>,
}

/// Checks the story; returns the proposal.
pub(crate) fn check(proved: &Proved, report: &mut Report) -> Option<Proposal> {
    let proposal = proposal(proved, report);
    let mut rounds = 0;
    let mut last: Option<&Decided> = None;
    let mut asked: BTreeMap<ApprovalId, Asked> = BTreeMap::new();
    let mut used = false;
    for entry in &proved.entries {
        let part = format!("`{}` (entry {})", entry.event.kind(), entry.seq);
        match &entry.event {
            Event::ActionDecided(decided) => {
                rounds += 1;
                if decided.round != rounds {
                    report.failed(&part, format!("it is decision {}, and {rounds} is next", decided.round));
                    rounds = decided.round;
                }
                last = Some(decided);
            }
            Event::ApprovalRequested { approval, binds, obligations, .. } => {
                let mut wrong = vec![];
                let mut must = |holds: bool, what: &'static str| {
                    if !holds {
                        wrong.push(what);
                    }
                };
                if let Some(proposal) = &proposal {
                    must(binds.action == proposal.digest(), "another proposal");
                    must(binds.manifest == proposal.manifest, "another tool");
                }
                must(binds.obligations == obligations_digest(obligations), "other obligations");
                must(entry.commits.get("shown") == Some(&binds.shown), "another page");
                must(last.is_some_and(|decided| decided.bundle == binds.bundle), "another bundle");
                must(
                    last.is_some_and(|decided| decided.obligations.as_ref() == Some(obligations)),
                    "other obligations than the decision's",
                );
                if wrong.is_empty() {
                    report.proved(&part, "it binds this proposal, this page and these obligations");
                } else {
                    report.failed(&part, format!("it binds {}", wrong.join(", ")));
                }
                let new =
                    Asked { shown: binds.shown, obligations: obligations.clone(), given: BTreeMap::new() };
                asked.insert(approval.clone(), new);
            }
            Event::ApprovalGiven { approval, by, roles, seen, .. } => match asked.get_mut(approval) {
                Some(asked) if asked.shown == *seen => {
                    report.proved(&part, format!("`{by}` countersigned the page that was asked about"));
                    asked.given.insert(by.clone(), roles.clone());
                }
                Some(_) => report.failed(&part, format!("`{by}` saw another page than was asked about")),
                None => report.failed(&part, "nobody was asked"),
            },
            Event::ApprovalUsed { approval, .. } => {
                used = asked
                    .get(approval)
                    .is_some_and(|asked| Approval::met_by(&asked.obligations, asked.given.iter()));
                if used {
                    report
                        .proved(&part, "as many people, in the roles that were asked for, had countersigned");
                } else {
                    report.failed(
                        &part,
                        "too few people, or none in the roles that were asked for, had countersigned",
                    );
                }
            }
            Event::ActionIntended { attempt, .. } => match last.map(|decided| decided.verdict) {
                Some(Verdict::Autonomous) => {}
                Some(Verdict::Approve) if used => {}
                _ => report.failed(&part, format!("call {attempt} was begun without a right to it")),
            },
            Event::LogStarted { .. }
            | Event::LogRekeyed { .. }
            | Event::LogContinued { .. }
            | Event::LogReconciled {}
            | Event::ClockJumped { .. }
            | Event::ClockAccepted {}
            | Event::BundlePublished { .. }
            | Event::AgentRegistered { .. }
            | Event::AgentRetired { .. }
            | Event::PersonRegistered { .. }
            | Event::PersonRemoved { .. }
            | Event::ConnectorRegistered { .. }
            | Event::ConnectorRemoved { .. }
            | Event::KeyCreated { .. }
            | Event::KeyRevoked { .. }
            | Event::RunStarted { .. }
            | Event::RunFinished { .. }
            | Event::RunDispatched { .. }
            | Event::RunYielded { .. }
            | Event::RunPaused { .. }
            | Event::RunResumed { .. }
            | Event::WaitOpened { .. }
            | Event::WaitMet { .. }
            | Event::SignalReceived { .. }
            | Event::IncidentOpened { .. }
            | Event::IncidentAcknowledged { .. }
            | Event::IncidentResolved { .. }
            | Event::StepRecorded { .. }
            | Event::CheckpointSaved(_)
            | Event::CheckpointWritten(_)
            | Event::CheckpointRemoved { .. }
            | Event::ThreadDeleted { .. }
            | Event::ActionProposed { .. }
            | Event::ActionRefused { .. }
            | Event::ActionDeferred { .. }
            | Event::ActionConfirmed { .. }
            | Event::ActionFailed { .. }
            | Event::ActionUnknown { .. }
            | Event::ActionLookedUp { .. }
            | Event::ActionHandedOver { .. }
            | Event::ApprovalRejected { .. }
            | Event::ApprovalExpired { .. }
            | Event::ApprovalWithdrawn { .. }
            | Event::TimerSet { .. }
            | Event::SubjectErased { .. }
            | Event::SubjectHeld { .. }
            | Event::SubjectReleased { .. }
            | Event::RetentionSet { .. }
            | Event::RetentionApplied { .. }
            | Event::JournalPruned(_)
            | Event::TimerFired { .. } => {}
        }
    }
    proposal
}

/// The proposal, if it is there once, first, and has its own digest.
fn proposal(proved: &Proved, report: &mut Report) -> Option<Proposal> {
    let proposed: Vec<&Entry> =
        proved.entries.iter().filter(|entry| matches!(entry.event, Event::ActionProposed { .. })).collect();
    let [entry] = proposed[..] else {
        report.failed("proposal", format!("there are {} of them among the proved entries", proposed.len()));
        return None;
    };
    let Event::ActionProposed {
        action,
        run,
        tool,
        class,
        manifest,
        digest,
        idempotency,
        conflict_key,
        subject,
    } = &entry.event
    else {
        return None;
    };
    if proved.entries.first().map(|first| first.seq) != Some(entry.seq) {
        report.failed("proposal", "entries stand before it");
    }
    let Some(arguments) = entry.commits.get("arguments") else {
        report.failed("proposal", "it does not commit to its arguments");
        return None;
    };
    let proposal = Proposal {
        action: action.clone(),
        run: run.clone(),
        tool: tool.clone(),
        class: *class,
        manifest: *manifest,
        arguments: *arguments,
        subject: *subject,
        idempotency: *idempotency,
        conflict_key: *conflict_key,
    };
    if proposal.digest() == *digest {
        report.proved("proposal", format!("run, tool `{tool}`, manifest and arguments give its digest"));
    } else {
        report.failed("proposal", "run, tool, manifest and arguments do not give its digest");
    }
    Some(proposal)
}
