//! A call's arguments, checked against the table of tools before anything looks at them.

use serde_json::{Map, Value as Json};

use crate::manifest::{Takes, ToolSpec};

/// Longest text of an argument.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Longest list of an argument.
const ITEMS_MAX: usize = 1_000;

/// Arguments that are no arguments of the tool: a fault of the caller, not a refusal of the shop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// There is no such tool.
    #[error("there is no tool `{tool}`")]
    UnknownTool { tool: String },
    /// A parameter was left out.
    #[error("`{tool}` needs the argument `{name}`")]
    Missing { tool: &'static str, name: &'static str },
    /// An argument that the tool does not have.
    #[error("`{tool}` has no argument `{name}`")]
    Unknown { tool: &'static str, name: String },
    /// An argument of another kind.
    #[error("the argument `{name}` of `{tool}` must be {wanted}")]
    Kind { tool: &'static str, name: &'static str, wanted: &'static str },
    /// An argument beyond the limits.
    #[error("the argument `{name}` of `{tool}` is too large")]
    TooLarge { tool: &'static str, name: &'static str },
}

/// Arguments that fit their tool.
#[derive(Debug)]
pub struct Arguments<'a>(&'a Map<String, Json>);

impl<'a> Arguments<'a> {
    /// Checks arguments against the tool's parameters.
    pub fn check(tool: &ToolSpec, arguments: &'a Map<String, Json>) -> Result<Self, ArgumentsError> {
        if let Some(name) = arguments.keys().find(|name| tool.parameters.iter().all(|p| p.name != **name)) {
            let name = name.chars().take(64).collect();
            return Err(ArgumentsError::Unknown { tool: tool.name, name });
        }
        for parameter in tool.parameters {
            let (tool, name) = (tool.name, parameter.name);
            let value = arguments.get(name).ok_or(ArgumentsError::Missing { tool, name })?;
            let texts: Vec<Option<&str>> = match (parameter.takes, value) {
                (Takes::Texts, Json::Array(list)) if list.len() <= ITEMS_MAX => {
                    list.iter().map(Json::as_str).collect()
                }
                (Takes::Texts, Json::Array(_)) => return Err(ArgumentsError::TooLarge { tool, name }),
                (Takes::Texts, _) => vec![None],
                (Takes::Text | Takes::OneOf(_), value) => vec![value.as_str()],
            };
            let wanted = if parameter.takes == Takes::Texts { "a list of texts" } else { "a text" };
            for text in texts {
                let text = text.ok_or(ArgumentsError::Kind { tool, name, wanted })?;
                if text.len() > TEXT_BYTES_MAX {
                    return Err(ArgumentsError::TooLarge { tool, name });
                }
            }
        }
        Ok(Self(arguments))
    }

    /// The text of a parameter that takes one.
    pub fn text(&self, name: &str) -> &'a str {
        self.0.get(name).and_then(Json::as_str).unwrap_or_default()
    }

    /// The texts of a parameter that takes a list.
    pub fn texts(&self, name: &str) -> Vec<&'a str> {
        self.0.get(name).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
    }
}
