//! The three verdicts (DESIGN §6): evaluate all rules; where only gates say no, evaluate again without them.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, Decision, EntityUid, PolicySet};
use kernel::id::{PersonId, Role, ToolId};
use kernel::judge::{ApproverQuestion, EffectClass, Judgement, Obligations, Question, RunSubject, Verdict};
use serde_json::{Value, json};

use crate::ask::{Ask, Ground};
use crate::rule::{Parsed, merge};
use crate::tool::ToolSpec;

/// The policies that can concern one action: Cedar evaluates every policy that it is given.
#[derive(Debug)]
pub(crate) struct Slice {
    full: PolicySet,
    /// Without the gates.
    hard: PolicySet,
}

pub(crate) fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(kind.parse().ok()?, cedar_policy::EntityId::new(id)))
}

impl Slice {
    /// The rules whose action constraint names one of these actions or groups.
    pub(crate) fn of(rules: &BTreeMap<String, Parsed>, actions: &[&str]) -> Self {
        let wanted: BTreeSet<EntityUid> = actions.iter().filter_map(|name| uid("Action", name)).collect();
        let (mut full, mut hard) = (PolicySet::new(), PolicySet::new());
        for parsed in rules.values() {
            let concerns = match parsed.policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(action) => wanted.contains(&action),
                ActionConstraint::In(actions) => actions.iter().any(|action| wanted.contains(action)),
            };
            if concerns {
                // Ids are unique over the bundle, so adding cannot fail.
                drop(full.add(parsed.policy.clone()));
                if parsed.gate.is_none() {
                    drop(hard.add(parsed.policy.clone()));
                }
            }
        }
        Self { full, hard }
    }
}

fn ids(response: &cedar_policy::Response) -> Vec<String> {
    let mut ids: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    ids.sort();
    ids
}

/// Judges a request that was built before: what an outsider does with the record.
pub(crate) fn judge(
    ground: &Ground,
    slice: &Slice,
    rules: &BTreeMap<String, Parsed>,
    request: Value,
) -> Judgement {
    let Ruled { verdict, rules, code, obligations } = ruled(ground, slice, rules, &request);
    Judgement { verdict, rules, code: code.to_owned(), obligations, request }
}

/// A judgement without its request.
struct Ruled {
    verdict: Verdict,
    rules: Vec<String>,
    code: &'static str,
    obligations: Option<Obligations>,
}

fn ruled(ground: &Ground, slice: &Slice, rules: &BTreeMap<String, Parsed>, request: &Value) -> Ruled {
    let never = |rules, code| Ruled { verdict: Verdict::Never, rules, code, obligations: None };
    // The floor is always there, so the slice is never empty by itself.
    if rules.values().all(|parsed| parsed.rule.file == crate::compile::BUILT_IN) {
        return never(vec![], "empty_policy");
    }
    // Any error of evaluation fails closed: Cedar would skip the policy, and a skipped forbid forbids nothing.
    let Ok(ask) = Ask::read(ground, request) else { return never(vec![], "policy_error") };
    let full = ask.under(&slice.full);
    let mut failed: Vec<String> = full
        .diagnostics()
        .errors()
        .map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
        })
        .collect();
    if !failed.is_empty() {
        failed.sort();
        return never(failed, "policy_error");
    }
    let determining = ids(&full);
    if full.decision() == Decision::Allow {
        let (verdict, code) = (Verdict::Autonomous, "permitted");
        return Ruled { verdict, rules: determining, code, obligations: None };
    }
    if determining.is_empty() {
        return never(vec![], "no_permit");
    }
    let gates: Vec<_> = determining.iter().filter_map(|id| rules.get(id)?.gate.as_ref()).collect();
    if gates.len() < determining.len() {
        return never(determining, "forbidden");
    }
    let hard = ask.under(&slice.hard);
    if hard.decision() == Decision::Allow && hard.diagnostics().errors().next().is_none() {
        let obligations = merge(gates.into_iter());
        return Ruled { verdict: Verdict::Approve, rules: determining, code: "gated", obligations };
    }
    // The gates decided nothing: lifted, they would leave an action that nobody permits.
    never(vec![], "no_permit")
}

fn reference(kind: &str, id: &str) -> Value {
    json!({ "__entity": { "type": kind, "id": id } })
}

fn entity(kind: &str, id: &str, attributes: Value, parents: &[(&str, &str)]) -> Value {
    let parents: Vec<Value> = parents.iter().map(|(kind, id)| json!({ "type": kind, "id": id })).collect();
    json!({ "uid": { "type": kind, "id": id }, "attrs": attributes, "parents": parents })
}

/// What both kinds of request hold: the agent's side of a run, and the tool.
fn common(run: &RunSubject, tool: &ToolId, class: EffectClass, environment: &str) -> Vec<Value> {
    let connector = tool.connector();
    let (owner, stage) = (reference("Person", run.owner.as_str()), &run.stage);
    vec![
        entity("Agent", run.agent.as_str(), json!({ "owner": owner, "stage": stage }), &[]),
        entity("Connector", connector.as_str(), json!({ "environment": environment }), &[]),
        entity("Tool", tool.as_str(), json!({ "class": class }), &[("Connector", connector.as_str())]),
    ]
}

/// People of the workspace with their roles.
type People = BTreeMap<PersonId, BTreeSet<Role>>;

fn person(id: &PersonId, roles: Option<&BTreeSet<Role>>) -> Value {
    let held: Vec<(&str, &str)> = roles.into_iter().flatten().map(|role| ("Role", role.as_str())).collect();
    entity("Person", id.as_str(), json!({}), &held)
}

/// The Cedar request of a question, with its slice of entities.
pub(crate) fn request_of(question: &Question, spec: &ToolSpec, environment: &str, people: &People) -> Value {
    let run = &question.run;
    let mut attributes = json!({
        "agent": reference("Agent", run.agent.as_str()),
        "owner": reference("Person", run.owner.as_str()),
        "stage": run.stage,
        "depth": run.depth,
        "tainted": run.tainted,
    });
    if let Some(behalf) = &run.on_behalf_of {
        attributes["on_behalf_of"] = reference("Person", behalf.as_str());
    }
    let mut entities = common(run, &question.tool, spec.tool.class, environment);
    entities.push(entity("Run", run.run.as_str(), attributes, &[("Agent", run.agent.as_str())]));
    let concerned: BTreeSet<&PersonId> = run.on_behalf_of.iter().chain([&run.owner]).collect();
    entities.extend(concerned.into_iter().map(|id| person(id, people.get(id))));
    let facts: serde_json::Map<String, Value> =
        question.facts.iter().map(|fact| (fact.name.clone(), fact.value.clone())).collect();
    json!({
        "principal": { "type": "Run", "id": run.run },
        "action": { "type": "Action", "id": question.tool },
        "resource": { "type": "Tool", "id": question.tool },
        "context": {
            "input": crate::schema::input(&spec.tool.input_schema, &question.arguments),
            "facts": facts,
            "counters": question.counters,
        },
        "entities": entities,
    })
}

/// The Cedar request of a person who answers an approval.
pub(crate) fn answering(
    question: &ApproverQuestion,
    class: EffectClass,
    environment: &str,
    people: &People,
) -> Value {
    let run = &question.run;
    let asked: Vec<Value> =
        question.obligations.approver_roles.iter().map(|role| reference("Role", role.as_str())).collect();
    let mut attributes = json!({
        "agent": reference("Agent", run.agent.as_str()),
        "owner": reference("Person", run.owner.as_str()),
        "any_role": asked.is_empty(),
        "roles": asked,
        "tool": reference("Tool", question.tool.as_str()),
    });
    if let Some(behalf) = &run.on_behalf_of {
        attributes["on_behalf_of"] = reference("Person", behalf.as_str());
    }
    if let Some(deputy) = &run.deputy {
        attributes["deputy"] = reference("Person", deputy.as_str());
    }
    let mut entities = common(run, &question.tool, class, environment);
    entities.push(person(&question.person, Some(&question.roles)));
    let concerned: BTreeSet<&PersonId> =
        run.on_behalf_of.iter().chain([&run.owner]).chain(&run.deputy).collect();
    let others = concerned.into_iter().filter(|id| **id != question.person);
    entities.extend(others.map(|id| person(id, people.get(id))));
    entities.push(entity("Approval", question.action.as_str(), attributes, &[]));
    json!({
        "principal": { "type": "Person", "id": question.person },
        "action": { "type": "Action", "id": "approve" },
        "resource": { "type": "Approval", "id": question.action },
        "context": {},
        "entities": entities,
    })
}

/// Whether a person may answer an approval.
pub(crate) fn may_answer(
    ground: &Ground,
    slice: &Slice,
    rules: &BTreeMap<String, Parsed>,
    request: &Value,
) -> Result<(), String> {
    // Without the gates: what a person may lift does not bind the person who lifts it.
    let response = Ask::read(ground, request)?.under(&slice.hard);
    if let Some(error) = response.diagnostics().errors().next() {
        return Err(format!("a rule about approving failed: {error}"));
    }
    if response.decision() == Decision::Allow {
        return Ok(());
    }
    let reasons: Vec<String> = ids(&response)
        .iter()
        .filter_map(|id| rules.get(id))
        .map(|parsed| {
            parsed.rule.annotations.get("reason").cloned().unwrap_or_else(|| parsed.rule.id.clone())
        })
        .collect();
    Err(if reasons.is_empty() { "no rule lets you".to_owned() } else { reasons.join("; ") })
}
