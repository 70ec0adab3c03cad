//! Tools as pinned: what an MCP server said of itself when somebody looked, kept in the folder.

use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::ToolId;
use kernel::judge::{Compensation, Tool};
use serde_json::{Value, json};

use crate::fact::FactSpec;
use crate::headline::Headline;
use crate::query::Query;

/// SHA-256 over a tool's name, description and schemas: the same for a pinned and a live tool that do not differ.
pub fn manifest_digest(tool: &Value) -> Digest {
    let said = json!({
        "name": tool.get("name"),
        "description": tool.get("description"),
        "inputSchema": tool.get("inputSchema"),
        "outputSchema": tool.get("outputSchema"),
    });
    Digest::of("countersign/manifest/v1", &[&kernel::json::canonical(&said)])
}

/// How an unknown outcome is looked up.
#[derive(Debug)]
pub(crate) struct LookUp {
    pub(crate) tool: ToolId,
    pub(crate) arguments: Query,
    pub(crate) applied: Query,
    pub(crate) settle_after: Millis,
}

/// A tool with everything that the folder says of it.
#[derive(Debug)]
pub(crate) struct ToolSpec {
    pub(crate) tool: Tool,
    pub(crate) validator: jsonschema::Validator,
    /// Of the structured result, where the tool promises one.
    pub(crate) output_validator: Option<jsonschema::Validator>,
    pub(crate) conflict_key: Option<Query>,
    pub(crate) subject: Option<Query>,
    pub(crate) headline: Option<Headline>,
    pub(crate) look_up: Option<LookUp>,
    pub(crate) compensation: Option<Compensation>,
    pub(crate) facts: Vec<FactSpec>,
}

/// Binds the defaults that a schema names, in the objects that are there.
pub(crate) fn bind_defaults(schema: &Value, arguments: &mut Value) {
    let Some(members) = arguments.as_object_mut() else { return };
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        match (members.get_mut(name), default_of(property)) {
            (Some(member), _) => bind_defaults(property, member),
            (None, Some(default)) => drop(members.insert(name.clone(), default.clone())),
            (None, None) => {}
        }
    }
}

/// A property's default, if it is one: many generators write `null`, or another type, for "not given".
pub(crate) fn default_of(property: &Value) -> Option<&Value> {
    let default = property.get("default")?;
    let fits = match property["type"].as_str() {
        Some("string") => default.is_string(),
        Some("integer") => default.is_i64(),
        Some("number") => default.is_number(),
        Some("boolean") => default.is_boolean(),
        Some("array") => default.is_array(),
        Some("object") => default.is_object(),
        _ => !default.is_null(),
    };
    fits.then_some(default)
}
