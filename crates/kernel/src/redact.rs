//! Hiding members of arguments from the people who are asked about them (the obligation `@redact`).
//!
//! Hidden is what people see: the page, the headline, lists. What is bound and what runs is always the whole.

use std::collections::BTreeSet;

use serde_json::Value;

/// What stands where something was redacted.
pub const REDACTED: &str = "(redacted)";

/// Masks what the JSON pointers name. A pointer goes through lists: what is secret of one item is secret of all.
/// A pointer that leads nowhere hides nothing.
pub fn mask(value: &mut Value, pointers: &BTreeSet<String>) {
    for pointer in pointers {
        mask_path(value, &pointer.trim_start_matches('/').split('/').map(unescape).collect::<Vec<_>>());
    }
}

/// RFC 6901, 4: `~1` stands for `/`, `~0` for `~`.
fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn mask_path(value: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else {
        *value = Value::from(REDACTED);
        return;
    };
    match value {
        Value::Object(members) => {
            if let Some(member) = members.get_mut(first) {
                mask_path(member, rest);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_path(item, path)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn redaction_reaches_members_and_items_and_nothing_else() {
        let pointers = ["/card/number", "/notes", "/absent/x", "/a~1b"].map(str::to_owned).into();
        let mut value =
            json!({"card": [{"number": "4111", "name": "a"}], "notes": {"x": 1}, "id": 7, "a/b": "c"});
        mask(&mut value, &pointers);
        assert_eq!(
            value,
            json!({
                "card": [{"number": REDACTED, "name": "a"}], "notes": REDACTED, "id": 7, "a/b": REDACTED
            })
        );
    }
}
