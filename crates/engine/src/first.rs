//! The first append of a proposal, decided inside the owner: refused, waiting with its page, intended, or a read to make.

use std::sync::Arc;

use kernel::action::{self, Action, ApprovalDraft, Proposal, Ruling};
use kernel::actor::Actor;
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::{ActionId, ApprovalId, TimerId};
use kernel::judge::{Fact, FactFault, Judge, ParseError, Verdict};
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
        // A lease may have run out while facts were fetched.
        state::with_run(desk.table(), &self.proposal.run, |run| run.fenced(self.attempt)).transpose()?;
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
            "run_title": title.map(|title| String::from_utf8_lossy(&title).into_owned()),
            "undo": self.proposal.class.undo(),
        });
        let shown = desk.seal("shown", &self.subject, &scope, &kernel::json::canonical(&page))?;
        let draft = ApprovalDraft {
            approval: ApprovalId::new(desk.now, kernel::clock::chance(&*desk.entropy)),
            timer: TimerId::new(desk.now, kernel::clock::chance(&*desk.entropy)),
            shown: shown.1.commitment,
        };
        let events = action::propose(&self.proposal, &ruling, &draft, desk.now);
        let (mut proposed, mut decided, mut shown) = (Some(self.payloads), Some(decided), Some(vec![shown]));
        let events = events
            .into_iter()
            .map(|event| {
                let named = match &event {
                    Event::ActionProposed { .. } => proposed.take(),
                    Event::ActionDecided(_) => decided.take(),
                    Event::ApprovalRequested { .. } => shown.take(),
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
