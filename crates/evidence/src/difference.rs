//! Where two values differ, as lines that name the place.

use serde_json::Value;

/// Differences that are told at most.
const TOLD_MAX: usize = 8;
/// Characters of a value that are told.
const SHOWN_MAX: usize = 60;

/// A value in a message: short.
pub(crate) fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = kernel::json::canonical_text(value);
    if text.chars().count() > SHOWN_MAX {
        format!("{}…", text.chars().take(SHOWN_MAX).collect::<String>())
    } else {
        text
    }
}

/// Where two values differ: place, the one, the other.
pub(crate) fn differences(one: &Value, other: &Value) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    walk(String::new(), Some(one), Some(other), &mut found);
    found
}

fn walk(
    place: String,
    one: Option<&Value>,
    other: Option<&Value>,
    found: &mut Vec<(String, String, String)>,
) {
    if one == other || found.len() == TOLD_MAX {
        return;
    }
    match (one, other) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let more = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(more) {
                walk(format!("{place}/{key}"), left.get(key), right.get(key), found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for at in 0..left.len().max(right.len()) {
                walk(format!("{place}/{at}"), left.get(at), right.get(at), found);
            }
        }
        _ => found.push((place, shown(one), shown(other))),
    }
}
