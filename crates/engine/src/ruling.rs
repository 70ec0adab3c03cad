//! Judging inside the owner, and what the journal keeps of it.

use std::collections::BTreeMap;

use kernel::action::{Action, Ruling};
use kernel::digest::Digest;
use kernel::event::FactRef;
use kernel::id::{ActionId, RunId, ToolId};
use kernel::judge::{Fact, FactFault, Judge, Judgement, Question, RunSubject, Verdict};
use kernel::refusal::Refusal;
use kernel::state::{self, Table};
use serde_json::{Value, json};

use crate::desk::{Desk, Named};
use crate::engine::Engine;
use crate::error::Error;

/// Seals each fact under its name.
pub(crate) fn seal_facts(
    engine: &Engine,
    facts: &[Fact],
    subject: &Digest,
    scope: &str,
) -> Result<Named, Error> {
    facts
        .iter()
        .map(|fact| {
            let bytes = kernel::json::canonical(fact);
            let sealed = engine.inner.payloads.seal(subject, scope, &bytes).map_err(Error::Payload)?;
            Ok((format!("fact.{}", fact.name), sealed))
        })
        .collect()
}

pub(crate) fn fact_refs(facts: &[Fact]) -> Vec<FactRef> {
    facts
        .iter()
        .map(|fact| FactRef {
            name: fact.name.clone(),
            source: fact.source.clone(),
            version: fact.version,
            read_at: fact.read_at,
        })
        .collect()
}

/// What policy may know of a run now.
pub(crate) fn subject_of(table: &dyn Table, run: &RunId) -> Result<RunSubject, Error> {
    let row = state::run(table, run)
        .ok_or_else(|| Error::Refused(Refusal::NotFound { what: "run", id: run.to_string() }))?;
    let agent = state::agent(table, &row.agent)
        .ok_or_else(|| Error::Refused(Refusal::AgentUnknown { agent: row.agent.to_string() }))?;
    Ok(RunSubject {
        run: row.id,
        agent: row.agent,
        owner: agent.owner,
        deputy: agent.deputy,
        stage: agent.stage,
        on_behalf_of: row.on_behalf_of,
        depth: 0,
        tainted: false,
    })
}

/// Judges inside the owner: counters are read where they are reserved, so no two actions see the same room.
pub(crate) fn rule(
    desk: &Desk,
    judge: &dyn Judge,
    run: &RunId,
    tool: &ToolId,
    arguments: &Value,
    facts: Result<&[Fact], &(String, FactFault)>,
) -> Result<(Ruling, Value), Error> {
    let mut question = Question {
        workspace: desk.workspace.clone(),
        run: subject_of(desk.table(), run)?,
        tool: tool.clone(),
        arguments: arguments.clone(),
        facts: facts.unwrap_or(&[]).to_vec(),
        counters: BTreeMap::new(),
    };
    let counters = facts
        .map_err(|(name, fault)| (name.clone(), *fault))
        .and_then(|_| judge.counters(&question, desk.now).map_err(|fault| ("counters".to_owned(), fault)));
    let (judgement, counters) = match counters {
        Ok(counters) => {
            for used in &counters {
                let count = state::counter(desk.table(), &used.key).unwrap_or_default();
                question.counters.insert(used.name.clone(), count.committed.saturating_add(count.reserved));
            }
            (judge.judge(&question), counters)
        }
        Err((name, fault)) => (no_fact(&name, fault), vec![]),
    };
    let values = json!(question.counters);
    let ruling = Ruling {
        judgement,
        bundle: judge.bundle(),
        judge: judge.version().to_owned(),
        facts: fact_refs(facts.unwrap_or(&[])),
        counters,
    };
    Ok((ruling, values))
}

/// A fact that is not there, or not what was declared: `never`, with that reason.
fn no_fact(name: &str, fault: FactFault) -> Judgement {
    let code = match fault {
        FactFault::Absent => "fact_absent",
        FactFault::Invalid => "fact_invalid",
    };
    Judgement {
        verdict: Verdict::Never,
        rules: vec![],
        code: code.to_owned(),
        obligations: None,
        request: json!({ "fact": name, "fault": fault }),
    }
}

/// The payloads of `action.decided`.
pub(crate) fn decided_payloads(
    desk: &Desk,
    ruling: &Ruling,
    counters: &Value,
    headline: &str,
    subject: &Digest,
    scope: &str,
    facts: Named,
) -> Result<Named, Error> {
    let request = json!({ "request": ruling.judgement.request, "counters": counters });
    let mut named = facts;
    named.push(desk.seal("request", subject, scope, &kernel::json::canonical(&request))?);
    named.push(desk.seal("headline", subject, scope, headline.as_bytes())?);
    Ok(named)
}

pub(crate) fn found(table: &dyn Table, id: &ActionId) -> Result<Action, Error> {
    state::action(table, id).ok_or_else(|| Refusal::NotFound { what: "action", id: id.to_string() }.into())
}
