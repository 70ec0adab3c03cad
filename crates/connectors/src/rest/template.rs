//! Paths with places for arguments: `/orders/{order_id}/cancel`.
//!
//! An argument can fill its place and nothing else: it is percent-encoded, so it opens no new segment, query or host,
//! and a segment that would mean "up" is refused (THREATS 50, 57).

use serde_json::{Map, Value};

use crate::spec::shown;

/// Longest path.
const PATH_LEN_MAX: usize = 4_096;

/// What is wrong with a path or with what should fill it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error(
        "the path `{0}` does not begin with `/`, or holds one of `?`, `#`, `%`, `\\`, a space, a control character"
    )]
    Path(String),
    #[error("the path `{0}` holds a brace that is not closed or a place without a name")]
    Place(String),
    #[error("the path holds a segment `.` or `..`")]
    Dots,
    #[error("the argument `{0}` is missing; the path needs it")]
    Missing(String),
    #[error("the argument `{0}` must be a text, number or boolean, and not empty, to stand in the path")]
    NotPlain(String),
    #[error("the path is longer than 4096 characters")]
    TooLong,
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
pub(crate) fn encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.extend([
                '%',
                char::from(HEX[usize::from(byte >> 4)]),
                char::from(HEX[usize::from(byte & 15)]),
            ]);
        }
    }
    encoded
}

/// Checks a path as declared.
pub(crate) fn check(path: &str) -> Result<(), TemplateError> {
    let forbidden = |c: char| matches!(c, '?' | '#' | '%' | '\\' | ' ') || c.is_control();
    if !path.starts_with('/') || path.starts_with("//") || path.contains(forbidden) {
        return Err(TemplateError::Path(shown(path)));
    }
    if path.len() > PATH_LEN_MAX {
        return Err(TemplateError::TooLong);
    }
    for segment in path.split('/') {
        for part in parts(segment).ok_or_else(|| TemplateError::Place(shown(path)))? {
            if matches!(part, Part::Place("")) {
                return Err(TemplateError::Place(shown(path)));
            }
        }
        no_dots(segment)?;
    }
    Ok(())
}

/// Fills a path, taking the arguments that it uses out of `arguments`.
pub(crate) fn fill(path: &str, arguments: &mut Map<String, Value>) -> Result<String, TemplateError> {
    let mut filled = String::new();
    let mut used = Vec::new();
    for segment in path.split('/').skip(1) {
        let mut text = String::new();
        for part in parts(segment).ok_or_else(|| TemplateError::Place(shown(path)))? {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Place(name) => {
                    let value = arguments.get(name).ok_or_else(|| TemplateError::Missing(shown(name)))?;
                    text.push_str(&encode(&plain(name, value)?));
                    used.push(name);
                }
            }
        }
        no_dots(&text)?;
        filled.push('/');
        filled.push_str(&text);
        if filled.len() > PATH_LEN_MAX {
            return Err(TemplateError::TooLong);
        }
    }
    for name in used {
        arguments.remove(name);
    }
    Ok(filled)
}

fn plain(name: &str, value: &Value) -> Result<String, TemplateError> {
    match value {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(TemplateError::NotPlain(shown(name))),
    }
}

fn no_dots(segment: &str) -> Result<(), TemplateError> {
    if matches!(segment, "." | "..") { Err(TemplateError::Dots) } else { Ok(()) }
}

enum Part<'a> {
    Text(&'a str),
    Place(&'a str),
}

/// Splits a segment into fixed text and places; `None`: the braces do not match.
fn parts(segment: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = segment;
    while let Some(open) = rest.find(['{', '}']) {
        let (text, after) = rest.split_at(open);
        let (name, behind) = after.strip_prefix('{')?.split_once('}')?;
        if name.contains('{') {
            return None;
        }
        parts.extend([Part::Text(text), Part::Place(name)]);
        rest = behind;
    }
    parts.push(Part::Text(rest));
    Some(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_fill(path: &str, arguments: Value) -> Result<(String, Value), String> {
        let mut map = arguments.as_object().unwrap().clone();
        check(path).map_err(|error| error.to_string())?;
        let filled = fill(path, &mut map).map_err(|error| error.to_string())?;
        Ok((filled, Value::Object(map)))
    }

    #[test]
    fn an_argument_fills_its_place_and_nothing_else() {
        let (path, rest) =
            check_fill("/orders/{id}/cancel", json!({"id": "#W1/../x?y=1", "reason": "r"})).unwrap();
        assert_eq!(path, "/orders/%23W1%2F..%2Fx%3Fy%3D1/cancel");
        assert_eq!(rest, json!({"reason": "r"}));
        assert_eq!(check_fill("/a/{n}.json", json!({"n": 7})).unwrap().0, "/a/7.json");
        assert_eq!(
            check_fill("/a/{n}/{n}", json!({"n": "é\r\n"})).unwrap().0,
            "/a/%C3%A9%0D%0A/%C3%A9%0D%0A"
        );
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused() {
        for id in [json!(".."), json!("."), json!(""), json!(null), json!(["a"]), json!({"a": 1})] {
            assert!(check_fill("/orders/{id}", json!({ "id": id })).is_err(), "{id}");
        }
        assert!(check_fill("/orders/{a}{b}", json!({"a": ".", "b": "."})).is_err());
        assert!(check_fill("/orders/{id}", json!({})).is_err());
        assert!(check_fill("/orders/{id}", json!({"id": "x".repeat(5_000)})).is_err());
        for path in [
            "orders", "//host/x", "/a?b", "/a#b", "/a%2e", "/{", "/}", "/{}", "/{a{b}}", "/..", "/a b",
            "/a\\b",
        ] {
            assert!(check(path).is_err(), "{path}");
        }
    }
}
