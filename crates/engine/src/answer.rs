//! People's answers: approve, reject, withdraw, and settling by hand what the server cannot.

use kernel::action::{Action, Status};
use kernel::actor::Actor;
use kernel::approval::{Answer, Answerer, WithdrawnWhy};
use kernel::id::{ActionId, ApprovalId, PersonId};
use kernel::judge::ApproverQuestion;
use kernel::refusal::Refusal;
use kernel::state;

use crate::desk::Desk;
use crate::engine::Engine;
use crate::error::Error;
use crate::ruling::{found, subject_of};

/// The longest reason that a person may give.
const REASON_BYTES_MAX: usize = 16 * 1024;

impl Engine {
    /// A person approves what was shown, or rejects it. The returned action is as of the answer; once the quorum is
    /// met it is judged again and performed.
    pub async fn answer(
        &self,
        approval: &ApprovalId,
        by: &PersonId,
        answer: Answer,
        reason: Option<String>,
    ) -> Result<Action, Error> {
        self.check_open()?;
        check_reason(reason.as_deref())?;
        if !matches!(answer, Answer::Reject) {
            self.check_reconciled()?;
        }
        let (id, by) = (approval.clone(), by.clone());
        let action = self
            .ask(move |desk| {
                let judge = desk.judge()?;
                let approval = state::approval(desk.table(), &id)
                    .ok_or_else(|| Refusal::NotFound { what: "approval", id: id.to_string() })?;
                let action = found(desk.table(), &approval.action)?;
                let roles = state::person(desk.table(), &by).ok_or_else(|| Refusal::ApproverNotAllowed {
                    why: "you are not a person of this workspace any more".to_owned(),
                })?;
                let question = ApproverQuestion {
                    workspace: desk.workspace.clone(),
                    person: by.clone(),
                    roles: roles.clone(),
                    action: action.id.clone(),
                    tool: action.tool.clone(),
                    run: subject_of(desk.table(), &action.run)?,
                    obligations: approval.obligations.clone(),
                };
                let answerer = Answerer { person: &by, roles: &roles, allowed: judge.may_answer(&question) };
                let events = approval.answer(&answer, answerer, desk.now)?;
                let mut named = match &reason {
                    Some(text) => Some(vec![desk.seal(
                        "reason",
                        &desk.payloads.subject(action.run.as_str()),
                        action.run.as_str(),
                        text.as_bytes(),
                    )?]),
                    None => None,
                };
                let events =
                    events.into_iter().map(|event| (event, named.take().unwrap_or_default())).collect();
                desk.write(&Actor::Person(by.clone()), Some(&action.run), events)?;
                found(desk.table(), &action.id)
            })
            .await?;
        self.notify(&action.id);
        if action.status == Status::Approved {
            let (engine, id) = (self.clone(), action.id.clone());
            drop(self.spawn(async move { engine.execute(id).await }));
        }
        Ok(action)
    }

    /// Whether this person may answer this approval, and why not.
    pub async fn may_answer(
        &self,
        approval: &ApprovalId,
        by: &PersonId,
    ) -> Result<Result<(), String>, Error> {
        let (id, by) = (approval.clone(), by.clone());
        self.ask(move |desk: &mut Desk| {
            let judge = desk.judge()?;
            let approval = state::approval(desk.table(), &id)
                .ok_or_else(|| Refusal::NotFound { what: "approval", id: id.to_string() })?;
            let action = found(desk.table(), &approval.action)?;
            if approval.given.contains_key(&by) {
                return Ok(Err("you approved this already".to_owned()));
            }
            Ok(judge.may_answer(&ApproverQuestion {
                workspace: desk.workspace.clone(),
                roles: state::person(desk.table(), &by).unwrap_or_default(),
                person: by,
                action: action.id.clone(),
                tool: action.tool.clone(),
                run: subject_of(desk.table(), &action.run)?,
                obligations: approval.obligations,
            }))
        })
        .await
    }

    /// The agent takes its proposal back.
    pub async fn withdraw(&self, id: &ActionId, by: Actor) -> Result<Action, Error> {
        let id = id.clone();
        let action = self
            .ask(move |desk| {
                let not_found = || Refusal::NotFound { what: "action", id: id.to_string() };
                let action = state::action(desk.table(), &id).ok_or_else(not_found)?;
                let run = state::run(desk.table(), &action.run).ok_or_else(not_found)?;
                if !state::owns(&by, &run) {
                    return Err(not_found().into());
                }
                let approval = action.approval.as_ref().and_then(|id| state::approval(desk.table(), id));
                let Some(approval) = approval else {
                    return Err(Refusal::ActionState { action: id, status: action.status }.into());
                };
                let events = approval.withdraw(WithdrawnWhy::ByAgent)?;
                let events = events.into_iter().map(|event| (event, vec![])).collect();
                desk.write(&by, Some(&action.run), events)?;
                found(desk.table(), &id)
            })
            .await?;
        self.notify(&action.id);
        Ok(action)
    }

    /// A person who looked says whether an unknown write happened.
    pub async fn resolve(
        &self,
        id: &ActionId,
        by: &PersonId,
        applied: bool,
        reason: String,
    ) -> Result<Action, Error> {
        check_reason(Some(&reason))?;
        let (id, by) = (id.clone(), by.clone());
        let action = self
            .ask(move |desk| {
                let action = found(desk.table(), &id)?;
                let events = action.settle(action.attempts, Self::settled(applied), Self::by_person(&by))?;
                let sealed = desk.seal(
                    "reason",
                    &desk.payloads.subject(action.run.as_str()),
                    action.run.as_str(),
                    reason.as_bytes(),
                )?;
                let events = events.into_iter().map(|event| (event, vec![sealed.clone()])).collect();
                desk.write(&Actor::Person(by.clone()), Some(&action.run), events)?;
                found(desk.table(), &id)
            })
            .await?;
        self.notify(&action.id);
        Ok(action)
    }
}

pub(crate) fn check_reason(reason: Option<&str>) -> Result<(), Error> {
    match reason {
        Some(text) if text.trim().is_empty() => {
            Err(Refusal::Invalid("the reason is empty".to_owned()).into())
        }
        Some(text) if text.len() > REASON_BYTES_MAX => {
            Err(Refusal::Invalid(format!("the reason is longer than {REASON_BYTES_MAX} bytes")).into())
        }
        _ => Ok(()),
    }
}
