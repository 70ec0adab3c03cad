//! How the effect of a tool is taken back: another tool, and jq for its arguments.
//!
//! What the original answered is not known here, so the expression is tried on arguments that fit its schema and on no
//! output: what names it gives, and of which types where they do not come from the output, can be checked all the same.

use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind as Kind;
use kernel::id::ToolId;
use kernel::judge::{Compensation, EffectClass, Tool};
use serde_json::{Map, Value, json};

use super::Work;
use super::connector::validator;
use crate::files::CompensationFile;
use crate::problem::{line_with, nearest};
use crate::query::{self, Scope};
use crate::tool::default_of;

/// Objects inside one another in an invented argument.
const DEPTH_MAX: usize = 8;

impl Work<'_> {
    pub(super) fn compensation(
        &mut self,
        file: &str,
        form: &CompensationFile,
        original: &Tool,
        pinned: &BTreeMap<ToolId, Tool>,
    ) -> Option<Compensation> {
        let name = original.id.name();
        let line = line_with(&self.files[file], &format!("[tools.{name}.compensation]"));
        if matches!(original.class, EffectClass::Read | EffectClass::Irreversible) {
            let message = format!("`{name}` is declared as nothing that can be taken back");
            self.problems.error(file, line, "compensation_class", message, "class = \"compensable\"");
        }
        let full = if form.tool.contains('.') {
            form.tool.clone()
        } else {
            format!("{}.{}", original.id.connector(), form.tool)
        };
        let Some(tool) = full.parse::<ToolId>().ok().and_then(|id| pinned.get(&id)) else {
            let hint = nearest(&full, pinned.keys().map(ToolId::as_str))
                .map_or_else(|| "name a pinned tool".to_owned(), |near| format!("did you mean `{near}`?"));
            self.problems.error(file, line, "tool_unknown", format!("there is no tool `{full}`"), hint);
            return None;
        };
        if !tool.class.writes() {
            let message = format!("`{}` only reads, so it takes nothing back", tool.id);
            self.problems.error(file, line, "compensation_reads", message, "name the tool that undoes it");
        }
        let query = self.query(file, &form.arguments, "compensation.arguments")?;
        let arguments = sample(&original.input_schema, 0);
        let facts = json!({});
        let scope = Scope { arguments: Some(&arguments), facts: Some(&facts), output: None };
        // An expression that looks deep into an output cannot be tried without one.
        if let Some(given) = query.one(scope).ok().as_ref().and_then(query::to_json) {
            for problem in misfits(&tool.input_schema, &given) {
                let message = format!("it gives `{}` arguments that do not fit: {problem}", tool.id);
                self.problems.error(file, line, "compensation_invalid", message, "compare with its schema");
            }
        }
        Some(Compensation { tool: tool.id.clone(), arguments: form.arguments.clone() })
    }
}

/// What is wrong with these arguments whatever the values that are not known here.
fn misfits(schema: &Value, given: &Value) -> Vec<String> {
    if !given.is_object() {
        return vec!["they are no object".to_owned()];
    }
    let Ok(validator) = validator(schema) else { return vec![] };
    let known = schema["properties"].as_object();
    let closed = schema.get("additionalProperties").is_none_or(|more| more == false);
    let unknown = given.as_object().into_iter().flatten().map(|(name, _)| name);
    let unknown = unknown.filter(|name| closed && known.is_none_or(|known| !known.contains_key(*name)));
    let mut problems: Vec<String> = unknown.map(|name| format!("`{name}` is not an argument")).collect();
    let errors = validator.iter_errors(given).filter(|error| match error.kind() {
        Kind::Required { .. } => true,
        // A null stands for what only the output or a fact would say.
        Kind::Type { .. } => !error.instance().is_null(),
        _ => false,
    });
    problems.extend(errors.map(|error| {
        let place = error.instance_path().to_string();
        if place.is_empty() { error.to_string() } else { format!("{place}: {error}") }
    }));
    problems
}

/// A value of the declared type.
fn sample(schema: &Value, depth: usize) -> Value {
    if let Some(value) = default_of(schema) {
        return value.clone();
    }
    if let Some(value) = schema["enum"].as_array().and_then(|values| values.first()) {
        return value.clone();
    }
    match schema["type"].as_str() {
        Some("string") => json!("x"),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("array") if depth < DEPTH_MAX => json!([sample(&schema["items"], depth + 1)]),
        Some("object") if depth < DEPTH_MAX => {
            let members = schema["properties"].as_object().into_iter().flatten();
            Value::Object(members.map(|(name, member)| (name.clone(), sample(member, depth + 1))).collect())
        }
        Some("array") => json!([]),
        Some("object") => Value::Object(Map::new()),
        _ => Value::Null,
    }
}
