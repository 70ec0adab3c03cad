//! One sentence for each entry of an action. Kinds are matched without `_`: a new one must get its sentence.

use kernel::action::{Cause, SettledBy};
use kernel::approval::WithdrawnWhy;
use kernel::event::{Entry, Event};
use kernel::judge::Verdict;
use kernel::lease::YieldWhy;
use kernel::step::StepOutcome;
use kernel::thread::DeletedWhy;

use crate::app::App;
use crate::problem::Fault;

/// The line of an entry.
pub(super) fn line(app: &App, entry: &Entry) -> Result<api::TimelineEntry, Fault> {
    let mut text = sentence(&entry.event);
    for name in ["cause", "difference", "reason"] {
        // The agent's own reason stands beside the proposal; here stand those of people and systems.
        if matches!(entry.event, Event::ActionProposed { .. }) {
            break;
        }
        if let Some(commitment) = entry.commits.get(name) {
            let words = app.text(commitment)?.unwrap_or_else(|| "(erased)".to_owned());
            text = format!("{}: “{}”", text.trim_end_matches('.'), api::visible(words.trim()));
        }
    }
    Ok(api::TimelineEntry {
        seq: entry.seq,
        at: entry.at.0,
        kind: entry.event.kind().to_owned(),
        actor: entry.actor.to_string(),
        text,
    })
}

fn sentence(event: &Event) -> String {
    match event {
        Event::ActionProposed { tool, .. } => format!("The agent proposed {tool}."),
        Event::ActionDecided(decided) => {
            let again = if decided.round > 1 { " again, on the state of that moment" } else { "" };
            let verdict = match decided.verdict {
                Verdict::Autonomous => "may be performed without a person",
                Verdict::Approve => "needs a person's approval",
                Verdict::Never => "may not be performed",
            };
            format!("The rules were asked{again}: it {verdict} ({}).", decided.code)
        }
        Event::ActionRefused { code, .. } => format!("It was refused ({code}) and not performed."),
        Event::ActionDeferred { code, .. } => format!("No decision was possible ({code}); nothing was done."),
        Event::ActionIntended { attempt: 1, .. } => {
            "The server put on record that it is about to act.".to_owned()
        }
        Event::ActionIntended { attempt, .. } => {
            format!("The server put on record that it repeats the same call (attempt {attempt}).")
        }
        Event::ActionConfirmed { settled_by, .. } => match settled_by {
            SettledBy::Answer => "The system answered: it is done.".to_owned(),
            SettledBy::LookUp => "A look-up showed that it is done.".to_owned(),
            SettledBy::Person(person) => format!("{person} looked and put on record that it is done."),
        },
        Event::ActionFailed { settled_by, .. } => match settled_by {
            SettledBy::Answer => "The system did not do it.".to_owned(),
            SettledBy::LookUp => "A look-up showed that it did not happen.".to_owned(),
            SettledBy::Person(person) => format!("{person} looked and put on record that it did not happen."),
        },
        Event::ActionUnknown { cause, .. } => match cause {
            Cause::TimeOut => "No answer came in time: the outcome is unknown.".to_owned(),
            Cause::Cut => "No clear answer came: the outcome is unknown.".to_owned(),
            Cause::Restart => {
                "The server stopped before the answer was on record: the outcome is unknown.".to_owned()
            }
        },
        Event::ActionLookedUp { applied, .. } => match applied {
            Some(true) => "The server read back: it happened.".to_owned(),
            Some(false) => "The server read back: it did not happen.".to_owned(),
            None => "The server tried to read back and got no answer.".to_owned(),
        },
        Event::ActionHandedOver { .. } => "The server cannot find out; a person must settle it.".to_owned(),
        Event::ApprovalRequested { obligations, .. } => {
            let roles: Vec<_> = obligations.approver_roles.iter().map(ToString::to_string).collect();
            let of = if roles.is_empty() {
                String::new()
            } else {
                format!(" with the role {}", roles.join(" and "))
            };
            match obligations.quorum.max(1) {
                1 => format!("A person{of} was asked."),
                quorum => format!("{quorum} people{of} were asked."),
            }
        }
        Event::ApprovalGiven { by, .. } => format!("{by} approved exactly what was shown."),
        Event::ApprovalRejected { by, .. } => format!("{by} rejected it."),
        Event::ApprovalExpired { .. } => "Nobody answered in time; the request expired.".to_owned(),
        Event::ApprovalWithdrawn { why, .. } => match why {
            WithdrawnWhy::ByAgent => "The agent took the proposal back.".to_owned(),
            WithdrawnWhy::ContextChanged => {
                "What had been shown changed; the approval no longer holds.".to_owned()
            }
            WithdrawnWhy::PolicyChanged => "The rules changed; the approval no longer holds.".to_owned(),
            WithdrawnWhy::ApproversChanged => {
                "The approvers' roles changed; the approval no longer holds.".to_owned()
            }
            WithdrawnWhy::Lost => "Something else for which the run waited came first.".to_owned(),
            WithdrawnWhy::RunEnded => "The run was ended; nobody is asked any more.".to_owned(),
            WithdrawnWhy::Restored => "The journal was restored to a point before its end; whether this was \
                                       answered since then is not known."
                .to_owned(),
        },
        Event::ApprovalUsed { .. } => "The approval was used; it cannot be used again.".to_owned(),
        Event::TimerSet { .. } => "A timer was set.".to_owned(),
        Event::TimerFired { .. } => "A timer fired.".to_owned(),
        Event::RunStarted { agent, .. } => format!("{agent} began."),
        Event::StepRecorded { outcome: StepOutcome::Done, .. } => "A step was done.".to_owned(),
        Event::StepRecorded { outcome: StepOutcome::Failed, .. } => "A step failed for good.".to_owned(),
        Event::RunFinished { .. } => "The run ended.".to_owned(),
        Event::CheckpointSaved(saved) => format!("{} saved a checkpoint of a thread.", saved.agent),
        Event::CheckpointWritten(written) => format!("A task of {} wrote to a thread.", written.agent),
        Event::CheckpointRemoved { checkpoints, .. } => {
            format!("{} checkpoints of a thread were removed.", checkpoints.len())
        }
        Event::ThreadDeleted { why: DeletedWhy::Asked, .. } => {
            "A thread was deleted with its content.".to_owned()
        }
        Event::ThreadDeleted { why: DeletedWhy::Retention, .. } => {
            "A thread past its retention was let go.".to_owned()
        }
        Event::RunDispatched { attempt, .. } => format!("A worker got the run (attempt {attempt})."),
        Event::RunYielded { why, .. } => match why {
            YieldWhy::Waiting => "The run waits, without a worker.".to_owned(),
            YieldWhy::Failed => "The attempt failed.".to_owned(),
            YieldWhy::Lapsed => "The worker gave no sign of life; it has the run no more.".to_owned(),
            YieldWhy::Released => "The worker has the run no more.".to_owned(),
        },
        Event::RunPaused { .. } => "The run was paused.".to_owned(),
        Event::RunResumed { .. } => "The run goes on.".to_owned(),
        Event::WaitOpened { .. } => "The run began to wait.".to_owned(),
        Event::WaitMet { .. } => "What the run waited for is there.".to_owned(),
        Event::SignalReceived { .. } => "The run was told something.".to_owned(),
        Event::IncidentOpened { owner, .. } => {
            format!("It failed too often; {owner} must look at it.")
        }
        Event::IncidentAcknowledged { by, .. } => format!("{by} takes the incident."),
        Event::IncidentResolved { by, .. } => format!("{by} resolved the incident; the run goes on."),
        Event::LogStarted { .. } => "The log began.".to_owned(),
        Event::LogRekeyed { .. } => {
            "The log has another key from here on, signed by the one before.".to_owned()
        }
        Event::LogContinued { size, .. } => {
            format!("The journal was restored to its first {size} entries and goes on under another origin.")
        }
        Event::LogReconciled {} => "The restored journal was reconciled; writes go on.".to_owned(),
        Event::ClockJumped { .. } => "The server's clock jumped.".to_owned(),
        Event::SubjectErased { .. } => "The content held about a subject was erased.".to_owned(),
        Event::SubjectHeld { .. } => "A legal hold was put on a subject.".to_owned(),
        Event::SubjectReleased { .. } => "The legal hold on a subject ended.".to_owned(),
        Event::RetentionSet { agent, retention } => {
            format!("What runs of {agent} hold is kept for {} days after their end.", retention.days)
        }
        Event::RetentionApplied { .. } => "The content of runs past their retention was let go.".to_owned(),
        Event::JournalPruned(_) => "Entries past their retention were taken away.".to_owned(),
        Event::ClockAccepted {} => "The server's clock was accepted.".to_owned(),
        Event::BundlePublished { .. } => "Rules came into force.".to_owned(),
        Event::AgentRegistered { agent, .. } => format!("The agent {agent} was registered."),
        Event::AgentRetired { agent } => format!("The agent {agent} was retired."),
        Event::PersonRegistered { person, .. } => format!("{person} was given roles."),
        Event::PersonRemoved { person } => format!("{person} was removed."),
        Event::ConnectorRegistered { connector, .. } => format!("The connector {connector} was registered."),
        Event::ConnectorRemoved { connector } => format!("The connector {connector} was removed."),
        Event::KeyCreated { key, .. } => format!("The key {key} was made."),
        Event::KeyRevoked { key } => format!("The key {key} was revoked."),
    }
}
