//! One line for people about what will run: a template of the connector's file, or the tool and its arguments.

use serde_json::Value;

use crate::query::{self, Query, Scope};

/// The longest headline.
const CHARS_MAX: usize = 200;

#[derive(Debug)]
enum Piece {
    Text(String),
    Query(Query),
}

/// A template: text with jq expressions in braces.
#[derive(Debug)]
pub(crate) struct Headline(Vec<Piece>);

impl Headline {
    pub(crate) fn compile(template: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), template);
        while let Some(start) = rest.find('{') {
            pieces.push(Piece::Text(rest[..start].to_owned()));
            let mut depth = 0_usize;
            let end = rest[start..].char_indices().find_map(|(at, c)| {
                depth = match c {
                    '{' => depth + 1,
                    '}' => depth - 1,
                    _ => depth,
                };
                (depth == 0).then_some(start + at)
            });
            let end = end.ok_or("a brace is not closed")?;
            pieces.push(Piece::Query(Query::compile(&rest[start + 1..end])?));
            rest = &rest[end + 1..];
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// Facts are given as they are shown: "712.40 USD".
    pub(crate) fn render(&self, arguments: &Value, facts: &Value) -> String {
        let scope = Scope { arguments: Some(arguments), facts: Some(facts), output: None };
        let text: String = self
            .0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Query(query) => match query.one(scope) {
                    Ok(value) => query::string(&value).unwrap_or_else(|| value.to_string()),
                    Err(_) => "(unknown)".to_owned(),
                },
            })
            .collect();
        shorten(&text)
    }
}

/// Without a template: the tool and its arguments.
pub(crate) fn plain(tool: &str, arguments: &Value) -> String {
    let members = arguments.as_object().into_iter().flatten().map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    let members: Vec<String> = members.collect();
    shorten(&if members.is_empty() { tool.to_owned() } else { format!("{tool}: {}", members.join(", ")) })
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    let kept: String = text.chars().take(CHARS_MAX - 1).collect();
    format!("{kept}…")
}
