//! Cedar schema from pinned tools: the type of `context.input` is the tool's own JSON Schema.

use std::fmt::Write as _;

use kernel::judge::EffectClass;
use serde_json::Value;

use crate::counter::Counter;
use crate::tool::{ToolSpec, default_of};

/// Nested deeper than this, an argument is left out of the type.
const DEPTH_MAX: usize = 8;

const ENTITIES: &str = r"
entity Role;
entity Person in [Role];
entity Agent = { owner: Person, stage: String };
entity Run in [Agent] = {
  agent: Agent, owner: Person, stage: String, depth: Long, tainted: Bool, on_behalf_of?: Person
};
entity Connector = { environment: String };
entity Tool in [Connector] = { class: String };
entity Approval = {
  agent: Agent, owner: Person, deputy?: Person, on_behalf_of?: Person, roles: Set<Role>, any_role: Bool, tool: Tool
};
action tool;
action read in [tool];
action write in [tool];
action approve appliesTo { principal: [Person], resource: [Approval], context: {} };
";

/// What a policy cannot see of a tool's arguments.
pub(crate) struct Omitted {
    pub(crate) tool: String,
    pub(crate) path: String,
}

/// The schema as text, and what it leaves out.
pub(crate) fn generate<'a>(
    tools: impl Iterator<Item = &'a ToolSpec>,
    counters: &[Counter],
) -> (String, Vec<Omitted>) {
    let (mut text, mut omitted) = (ENTITIES.to_owned(), Vec::new());
    for spec in tools {
        let id = &spec.tool.id;
        let mut lost = Vec::new();
        let input = record(&spec.tool.input_schema, "", 0, &mut lost);
        omitted.extend(lost.into_iter().map(|path| Omitted { tool: id.to_string(), path }));
        let facts: Vec<String> =
            spec.facts.iter().map(|fact| format!("{}: {}", quote(&fact.name), fact.kind.cedar())).collect();
        let counted: Vec<String> = counters
            .iter()
            .filter(|counter| counter.tools.contains(id))
            .map(|counter| format!("{}: Long", quote(&counter.name)))
            .collect();
        let group = if spec.tool.class == EffectClass::Read { "read" } else { "write" };
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "action {} in [{group}] appliesTo {{ principal: [Run], resource: [Tool], context: {{ input: {input}, \
             facts: {{ {} }}, counters: {{ {} }} }} }};",
            quote(id.as_str()),
            facts.join(", "),
            counted.join(", ")
        );
    }
    (text, omitted)
}

pub(crate) fn quote(name: &str) -> String {
    serde_json::to_string(name).unwrap_or_else(|_| "\"\"".to_owned())
}

fn record(schema: &Value, path: &str, depth: usize, lost: &mut Vec<String>) -> String {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut members = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let here = format!("{path}/{name}");
        match kind(property, &here, depth + 1, lost) {
            Some(kind) => {
                let sure = required.contains(&name.as_str()) || default_of(property).is_some();
                members.push(format!("{}{}: {kind}", quote(name), if sure { "" } else { "?" }));
            }
            None => lost.push(here),
        }
    }
    format!("{{ {} }}", members.join(", "))
}

fn kind(schema: &Value, path: &str, depth: usize, lost: &mut Vec<String>) -> Option<String> {
    if depth > DEPTH_MAX {
        return None;
    }
    match schema["type"].as_str()? {
        // Cedar has no floats: a number is its decimal text.
        "string" | "number" => Some("String".to_owned()),
        "integer" => Some("Long".to_owned()),
        "boolean" => Some("Bool".to_owned()),
        "object" if schema["properties"].is_object() => Some(record(schema, path, depth, lost)),
        "array" => match schema["items"]["type"].as_str()? {
            "string" | "number" => Some("Set<String>".to_owned()),
            "integer" => Some("Set<Long>".to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// Arguments as Cedar sees them: the same choices as in the type. A value that its type cannot hold (2^64) stays as it
/// is, so that Cedar refuses the request: left out, it would slip past every rule that asks `has`.
pub(crate) fn input(schema: &Value, arguments: &Value) -> Value {
    let members = schema["properties"].as_object().into_iter().flatten().filter_map(|(name, property)| {
        let value = arguments.get(name)?;
        kind(property, "", 1, &mut Vec::new())?;
        Some((name.clone(), value_of(property, value)))
    });
    Value::Object(members.collect())
}

fn value_of(schema: &Value, value: &Value) -> Value {
    match (schema["type"].as_str(), value) {
        // Canonical, for 500 and 500.0 are one number.
        (Some("number"), Value::Number(_)) => Value::String(kernel::json::canonical_text(value)),
        (Some("integer"), Value::Number(number)) => whole(number).map_or_else(|| value.clone(), Value::from),
        (Some("object"), Value::Object(_)) => input(schema, value),
        (Some("array"), Value::Array(items)) => {
            Value::Array(items.iter().map(|item| value_of(&schema["items"], item)).collect())
        }
        (_, other) => other.clone(),
    }
}

/// 2.0 is an integer in JSON Schema.
fn whole(number: &serde_json::Number) -> Option<i64> {
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15);
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    number.as_i64().or_else(|| float.map(|float| float as i64))
}
