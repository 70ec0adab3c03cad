//! The bundle as a judge: `kernel::judge::Judge`.

use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind as Kind;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::ToolId;
use kernel::judge::{
    ApproverQuestion, Compensation, CounterUse, EffectClass, Fact, FactFault, FactNeed, Judge, Judgement,
    ParseError, Question, ReadCall, Tool, Verdict,
};
use kernel::ports::Output;
use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::headline;
use crate::problem::nearest;
use crate::query::{self, Query, Scope};
use crate::tool::{ToolSpec, bind_defaults};
use crate::verdict;

/// Problems with arguments that one answer names.
const PROBLEMS_MAX: usize = 8;

impl Bundle {
    fn spec(&self, tool: &ToolId) -> Option<&ToolSpec> {
        self.specs.get(tool)
    }

    fn read_call(&self, tool: &ToolId, arguments: &Query, given: &Value) -> Result<ReadCall, FactFault> {
        let read = self.tools.get(tool).ok_or(FactFault::Invalid)?;
        let scope = Scope { arguments: Some(given), ..Scope::default() };
        let value = arguments.one(scope).map_err(|_| FactFault::Invalid)?;
        let arguments = query::to_json(&value).filter(Value::is_object).ok_or(FactFault::Invalid)?;
        Ok(ReadCall { tool: tool.clone(), arguments, manifest: read.manifest, timeout: read.timeout })
    }

    /// Judges a recorded request again with this bundle.
    pub fn judge_again(&self, tool: &ToolId, request: Value) -> Option<Judgement> {
        Some(verdict::judge(&self.ground, self.slices.get(tool)?, &self.rules, request))
    }
}

impl Judge for Bundle {
    fn bundle(&self) -> Digest {
        self.digest
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn tools(&self) -> &BTreeMap<ToolId, Tool> {
        &self.tools
    }

    fn parse(&self, tool: &ToolId, arguments: Value) -> Result<Value, ParseError> {
        let Some(spec) = self.spec(tool) else {
            let nearest = nearest(tool.as_str(), self.tools.keys().map(ToolId::as_str));
            return Err(ParseError::UnknownTool { tool: tool.to_string(), nearest });
        };
        let mut arguments = if arguments.is_null() { json!({}) } else { arguments };
        bind_defaults(&spec.tool.input_schema, &mut arguments);
        // INVARIANT: what policy cannot see does not reach the tool, unless its schema says so. One condition rules both
        // halves: where it drops the validator's words for an unknown name, ours follow.
        let schema = &spec.tool.input_schema;
        let closed = schema.get("additionalProperties").is_none_or(|more| more == false);
        let mut problems: Vec<String> = spec
            .validator
            .iter_errors(&arguments)
            .filter(|error| {
                let here = error.instance_path().to_string().is_empty();
                !(closed && here && matches!(error.kind(), Kind::AdditionalProperties { .. }))
            })
            .take(PROBLEMS_MAX)
            .map(|error| {
                let place = error.instance_path().to_string();
                // The message may quote the value: it is the caller's own, but short.
                let text: String = error.to_string().chars().take(200).collect();
                if place.is_empty() { text } else { format!("{place}: {text}") }
            })
            .collect();
        if !arguments.is_object() && problems.is_empty() {
            problems.push("arguments are an object".to_owned());
        }
        if closed {
            problems.extend(unknown_names(schema, &arguments));
        }
        if problems.is_empty() {
            Ok(arguments)
        } else {
            Err(ParseError::Arguments { tool: tool.to_string(), problems })
        }
    }

    fn needs(&self, tool: &ToolId, arguments: &Value) -> Result<Vec<FactNeed>, FactFault> {
        let spec = self.spec(tool).ok_or(FactFault::Invalid)?;
        spec.facts
            .iter()
            .map(|fact| {
                let read = fact.read.as_ref().map(|(tool, query)| self.read_call(tool, query, arguments));
                Ok(FactNeed { name: fact.name.clone(), read: read.transpose()? })
            })
            .collect()
    }

    fn fact(
        &self,
        tool: &ToolId,
        name: &str,
        arguments: &Value,
        answer: Option<&Output>,
        read_at: Millis,
    ) -> Result<Fact, FactFault> {
        let fact = self.spec(tool).and_then(|spec| spec.facts.iter().find(|fact| fact.name == name));
        let fact = fact.ok_or(FactFault::Invalid)?;
        // A system that refuses to tell has not told.
        if answer.is_some_and(|answer| answer.is_error) {
            return Err(FactFault::Absent);
        }
        // An answer that its own tool's schema does not know is no ground for a decision.
        if let (Some(answer), Some((source, _))) = (answer, &fact.read)
            && self.output_problem(source, answer).is_some()
        {
            return Err(FactFault::Invalid);
        }
        let text = answer.map(Output::text);
        fact.take(arguments, text.as_deref(), read_at)
    }

    fn moved(&self, tool: &ToolId, shown: &Fact, current: &Fact) -> Option<String> {
        let fact = self.spec(tool).and_then(|spec| spec.facts.iter().find(|fact| fact.name == shown.name));
        match fact {
            Some(fact) => fact.moved(shown, current),
            None => (shown.value != current.value).then(|| format!("{} changed", shown.name)),
        }
    }

    fn conflict_key(
        &self,
        tool: &ToolId,
        arguments: &Value,
        facts: &[Fact],
    ) -> Result<Option<String>, FactFault> {
        let Some(query) = self.spec(tool).and_then(|spec| spec.conflict_key.as_ref()) else {
            return Ok(None);
        };
        let facts: serde_json::Map<String, Value> =
            facts.iter().map(|fact| (fact.name.clone(), fact.value.clone())).collect();
        let facts = Value::Object(facts);
        let scope = Scope { arguments: Some(arguments), facts: Some(&facts), output: None };
        let value = query.one(scope).map_err(|_| FactFault::Absent)?;
        let key = query::decimal(&value).ok_or(FactFault::Absent)?;
        Ok(Some(format!("{}:{key}", tool.connector())))
    }

    fn counters(&self, question: &Question, at: Millis) -> Result<Vec<CounterUse>, FactFault> {
        let moved = self.counters.iter().filter(|counter| counter.tools.contains(&question.tool));
        moved.map(|counter| counter.used(question, at, &self.zone)).collect()
    }

    fn judge(&self, question: &Question) -> Judgement {
        match (self.spec(&question.tool), self.slices.get(&question.tool)) {
            (Some(spec), Some(slice)) => {
                let connector = self.connectors.get(&question.tool.connector());
                let environment = connector.map_or("production", |connector| connector.environment.as_str());
                let request = verdict::request_of(question, spec, environment, &self.people);
                verdict::judge(&self.ground, slice, &self.rules, request)
            }
            _ => Judgement {
                verdict: Verdict::Never,
                rules: vec![],
                code: "no_permit".to_owned(),
                obligations: None,
                request: Value::Null,
            },
        }
    }

    fn may_answer(&self, question: &ApproverQuestion) -> Result<(), String> {
        let connector = self.connectors.get(&question.tool.connector());
        let environment = connector.map_or("production", |connector| connector.environment.as_str());
        let class = self.spec(&question.tool).map_or(EffectClass::Irreversible, |spec| spec.tool.class);
        let request = verdict::answering(question, class, environment, &self.people);
        verdict::may_answer(&self.ground, &self.approving, &self.rules, &request)
    }

    fn look_up(&self, tool: &ToolId, arguments: &Value) -> Option<(ReadCall, Millis)> {
        let look_up = self.spec(tool)?.look_up.as_ref()?;
        let read = self.read_call(&look_up.tool, &look_up.arguments, arguments).ok()?;
        Some((read, look_up.settle_after))
    }

    fn looked_up(&self, tool: &ToolId, arguments: &Value, answer: &Output) -> Result<bool, FactFault> {
        let look_up = self.spec(tool).and_then(|spec| spec.look_up.as_ref()).ok_or(FactFault::Invalid)?;
        if answer.is_error {
            return Err(FactFault::Absent);
        }
        if self.output_problem(&look_up.tool, answer).is_some() {
            return Err(FactFault::Invalid);
        }
        let text = answer.text();
        let scope = Scope { arguments: Some(arguments), facts: None, output: Some(&text) };
        match look_up.applied.one(scope) {
            Ok(jaq_json::Val::Bool(applied)) => Ok(applied),
            Ok(_) => Err(FactFault::Invalid),
            Err(_) => Err(FactFault::Absent),
        }
    }

    fn compensation(&self, tool: &ToolId) -> Option<Compensation> {
        self.spec(tool)?.compensation.clone()
    }

    fn compensate(
        &self,
        registered: &Compensation,
        arguments: &Value,
        facts: &[Fact],
        output: &Output,
    ) -> Result<Value, FactFault> {
        let query = Query::compile(&registered.arguments).map_err(|_| FactFault::Invalid)?;
        let facts: serde_json::Map<String, Value> =
            facts.iter().map(|fact| (fact.name.clone(), fact.value.clone())).collect();
        let (facts, text) = (Value::Object(facts), output.text());
        let scope = Scope { arguments: Some(arguments), facts: Some(&facts), output: Some(&text) };
        let value = query.one(scope).map_err(|_| FactFault::Absent)?;
        query::to_json(&value).filter(Value::is_object).ok_or(FactFault::Invalid)
    }

    fn output_problem(&self, tool: &ToolId, output: &Output) -> Option<String> {
        let validator = self.spec(tool)?.output_validator.as_ref()?;
        // An error has no structured result to promise.
        if output.is_error {
            return None;
        }
        let Some(structured) = &output.structured else {
            return Some("the structured result that its schema promises is not there".to_owned());
        };
        let error = validator.iter_errors(structured).next()?;
        let (place, text) = (error.instance_path().to_string(), error.to_string());
        let text: String = text.chars().take(200).collect();
        Some(if place.is_empty() { text } else { format!("{place}: {text}") })
    }

    fn headline(&self, tool: &ToolId, arguments: &Value, facts: &[Fact]) -> String {
        let shown: serde_json::Map<String, Value> =
            facts.iter().map(|fact| (fact.name.clone(), json!(fact.shown))).collect();
        match self.spec(tool).and_then(|spec| spec.headline.as_ref()) {
            Some(template) => template.render(arguments, &Value::Object(shown)),
            None => headline::plain(tool.as_str(), arguments),
        }
    }

    fn subject(&self, tool: &ToolId, arguments: &Value) -> Option<String> {
        let query = self.spec(tool)?.subject.as_ref()?;
        let scope = Scope { arguments: Some(arguments), ..Scope::default() };
        let name = query.one(scope).ok().and_then(|value| query::decimal(&value))?;
        Some(format!("{}:{name}", tool.connector()).chars().take(200).collect())
    }
}

/// Arguments that the schema does not name; a schema without `properties` names none.
fn unknown_names(schema: &Value, arguments: &Value) -> Vec<String> {
    let known = schema["properties"].as_object();
    let given = arguments.as_object().into_iter().flatten().map(|(name, _)| name);
    let unknown = given.filter(|name| known.is_none_or(|known| !known.contains_key(*name)));
    let told = unknown.take(PROBLEMS_MAX).map(|name| {
        let shown: String = name.chars().take(80).collect();
        match nearest(name, known.into_iter().flatten().map(|(name, _)| name.as_str())) {
            Some(near) => format!("`{shown}` is not an argument; did you mean `{near}`?"),
            None => format!("`{shown}` is not an argument"),
        }
    });
    told.collect()
}
