//! The first append of a proposal, decided inside the owner: refused, waiting with its page, intended, or a read to make.

use std::sync::Arc;

use kernel::action::{self, Action, ApprovalDraft, Proposal, Ruling};
use kernel::actor::Actor;
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::{ActionId, ApprovalId, TimerId, ToolId};
use kernel::judge::{Compensation, Fact, FactFault, Judge, ParseError, Verdict};
use kernel::state;
use serde_json::{Value, json};

use crate::desk::{Desk, Named};
use crate::error::Error;
use crate::ruling::{decided_payloads, found, rule, subject_of};

/// What the first append decided.
pub(crate) enum First {
    /// Perform it: a write is intended.
    Perform(Box<Action>),
    /// An autonomous read: call first, record after.
    Read(Box<Ruling>, Named),
    /// Nothing to perform now.
    Done(Box<Action>),
    /// Another action holds the record.
    Held(ActionId),
}

pub(crate) struct FirstOrder {
    pub(crate) attempt: Option<u64>,
    pub(crate) judge: Arc<dyn Judge>,
    pub(crate) proposal: Proposal,
    pub(crate) by: Actor,
    pub(crate) arguments: Value,
    pub(crate) payloads: Named,
    pub(crate) fact_payloads: Named,
    pub(crate) facts: Result<Vec<Fact>, (String, FactFault)>,
    /// What the agent relied on and is not so any more, in words.
    pub(crate) moved: Vec<String>,
    pub(crate) subject: Digest,
    pub(crate) reason: Option<String>,
}

impl FirstOrder {
    /// `writes`: whether the tool changes anything.
    pub(crate) fn decide(self, desk: &mut Desk, writes: bool) -> Result<(First, Option<Verdict>), Error> {
        let scope = self.proposal.run.to_string();
        // The bundle may have changed since the request was parsed; the one in force judges.
        let judge = desk.judge()?;
        if judge.tools().get(&self.proposal.tool).map(|tool| tool.manifest) != Some(self.proposal.manifest) {
            return Err(
                ParseError::UnknownTool { tool: self.proposal.tool.to_string(), nearest: None }.into()
            );
        }
        match &self.proposal.reverses {
            // A lease may have run out while facts were fetched.
            None => {
                state::with_run(desk.table(), &self.proposal.run, |run| run.fenced(self.attempt))
                    .transpose()?;
            }
            Some(original) => {
                let original = found(desk.table(), original)?;
                let before = original.reversed_by.as_ref().and_then(|id| state::action(desk.table(), id));
                original.may_be_reversed(before.as_ref())?;
            }
        }
        if let Some(key) = &self.proposal.conflict_key
            && let Some(by) = state::hold(desk.table(), key)
        {
            return Ok((First::Held(by), None));
        }
        let judge = if judge.bundle() == self.judge.bundle() { self.judge } else { judge };
        let facts = self.facts.as_deref();
        let known = facts.unwrap_or(&[]);
        let (ruling, counters) =
            rule(desk, &*judge, &self.proposal.run, &self.proposal.tool, &self.arguments, facts)?;
        let mut readable = self.arguments.clone();
        if let Some(obligations) = &ruling.judgement.obligations {
            kernel::redact::mask(&mut readable, &obligations.redact);
        }
        let headline = judge.headline(&self.proposal.tool, &readable, known);
        let decided =
            decided_payloads(desk, &ruling, &counters, &headline, &self.subject, &scope, self.fact_payloads)?;
        let verdict = ruling.judgement.verdict;
        if !self.moved.is_empty() {
            let difference =
                desk.seal("difference", &self.subject, &scope, self.moved.join("; ").as_bytes())?;
            let mut named = vec![self.payloads, decided, vec![difference]].into_iter();
            let events = action::outdated(&self.proposal, &ruling);
            let events = events.into_iter().map(|event| (event, named.next().unwrap_or_default())).collect();
            desk.write(&self.by, Some(&self.proposal.run), events)?;
            let action = found(desk.table(), &self.proposal.action)?;
            return Ok((First::Done(Box::new(action)), Some(verdict)));
        }
        if !writes && verdict == Verdict::Autonomous {
            return Ok((First::Read(Box::new(ruling), decided), Some(verdict)));
        }
        let subject = subject_of(desk.table(), &self.proposal.run)?;
        let title = state::run(desk.table(), &self.proposal.run).and_then(|run| run.title);
        let title = title.and_then(|title| desk.payloads.open(&title).ok().flatten());
        let page = json!({
            "headline": headline,
            "tool": self.proposal.tool,
            "class": self.proposal.class,
            "arguments": self.arguments,
            "facts": known,
            "rules": ruling.judgement.rules,
            "agent_says": self.reason,
            "agent": subject.agent,
            "on_behalf_of": subject.on_behalf_of,
            "action": self.proposal.action,
            "reverses": self.proposal.reverses,
            "based_on": self.proposal.based_on,
            "run_title": title.map(|title| String::from_utf8_lossy(&title).into_owned()),
            "undo": undo(&*judge, &self.proposal),
        });
        let shown = desk.seal("shown", &self.subject, &scope, &kernel::json::canonical(&page))?;
        let draft = ApprovalDraft {
            approval: ApprovalId::new(desk.now, kernel::clock::chance(&*desk.entropy)),
            timer: TimerId::new(desk.now, kernel::clock::chance(&*desk.entropy)),
            shown: shown.1.commitment,
        };
        let (tool, compensation) = registered(desk, &*judge, &self.proposal.tool, &self.subject, &scope)?;
        let events = action::propose(&self.proposal, &ruling, &draft, tool, desk.now);
        let (mut proposed, mut decided, mut shown) = (Some(self.payloads), Some(decided), Some(vec![shown]));
        let mut compensation = Some(compensation);
        let events = events
            .into_iter()
            .map(|event| {
                let named = match &event {
                    Event::ActionProposed { .. } => proposed.take(),
                    Event::ActionDecided(_) => decided.take(),
                    Event::ApprovalRequested { .. } => shown.take(),
                    Event::ActionIntended { .. } => compensation.take(),
                    _ => None,
                };
                (event, named.unwrap_or_default())
            })
            .collect();
        desk.write(&self.by, Some(&self.proposal.run), events)?;
        let action = found(desk.table(), &self.proposal.action)?;
        let first = if action.status == action::Status::Intended {
            First::Perform(Box::new(action))
        } else {
            First::Done(Box::new(action))
        };
        Ok((first, Some(verdict)))
    }
}

/// How the effect will be taken back, as it stands with the intent: so that a folder which changes later takes back what
/// this one did in the way that was meant.
pub(crate) fn registered(
    desk: &Desk,
    judge: &dyn Judge,
    tool: &ToolId,
    subject: &Digest,
    scope: &str,
) -> Result<(Option<ToolId>, Named), Error> {
    let Some(compensation) = judge.compensation(tool) else { return Ok((None, vec![])) };
    let named = desk.seal("compensation", subject, scope, &kernel::json::canonical(&compensation))?;
    Ok((Some(compensation.tool), vec![named]))
}

/// What a person who is asked should know about taking it back: what would be run.
fn undo(judge: &dyn Judge, proposal: &Proposal) -> String {
    match judge.compensation(&proposal.tool) {
        Some(Compensation { tool, arguments }) => format!(
            "It can be undone by `{tool}` with the arguments `{}`, as an action of its own that the rules judge anew.",
            arguments.split_whitespace().collect::<Vec<_>>().join(" ")
        ),
        None => proposal.class.undo().to_owned(),
    }
}
