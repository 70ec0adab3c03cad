//! Hiding members of arguments from the people who are asked about them (the obligation `@redact`).
//!
//! Hidden is what people see: the page, the headline, lists. What is bound and what runs is always the whole.
//!
//! A value that is hidden among the arguments comes back by other ways: a fact reads it, a tool's answer echoes it, an
//! error quotes it. [`Secrets`] are the values themselves, and hide them wherever they stand.

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

/// Shorter values stand by chance in other texts: hiding them there would hide more than was meant, and tell what
/// they are.
const SECRET_CHARS_MIN: usize = 4;

/// The values that redaction hides, to be hidden wherever else they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// The texts and numbers under the pointers.
    pub fn of(arguments: &Value, pointers: &BTreeSet<String>) -> Self {
        let mut secrets = Self::default();
        for pointer in pointers {
            let path: Vec<String> = pointer.trim_start_matches('/').split('/').map(unescape).collect();
            secrets.collect(arguments, &path);
        }
        secrets
    }

    fn collect(&mut self, value: &Value, path: &[String]) {
        match (value, path.split_first()) {
            (value, None) => self.add(value),
            (Value::Object(members), Some((first, rest))) => {
                if let Some(member) = members.get(first) {
                    self.collect(member, rest);
                }
            }
            (Value::Array(items), _) => items.iter().for_each(|item| self.collect(item, path)),
            _ => {}
        }
    }

    /// Adds the texts and numbers in a value.
    pub fn add(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(members) => members.values().for_each(|member| self.add(member)),
            Value::Number(number) => self.add_text(&number.to_string()),
            Value::String(text) => self.add_text(text),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Adds a text, unless it is too short.
    pub fn add_text(&mut self, text: &str) {
        let text = text.trim();
        if text.chars().count() < SECRET_CHARS_MIN {
            return;
        }
        // As it stands in JSON that is itself a text.
        let quoted = Value::from(text).to_string();
        self.0.insert(quoted[1..quoted.len() - 1].to_owned());
        self.0.insert(text.to_owned());
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without them.
    pub fn hide(&self, text: &str) -> String {
        let mut longest: Vec<&String> =
            self.0.iter().filter(|secret| text.contains(secret.as_str())).collect();
        // One may be a part of another.
        longest.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        longest.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), REDACTED))
    }

    /// The value without them, names of members included.
    pub fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.hide(text),
            Value::Number(number) if self.0.contains(&number.to_string()) => *value = Value::from(REDACTED),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_in(item)),
            Value::Object(members) => {
                members.values_mut().for_each(|member| self.hide_in(member));
                if members.keys().any(|name| self.hide(name) != *name) {
                    let taken = std::mem::take(members);
                    members.extend(taken.into_iter().map(|(name, member)| (self.hide(&name), member)));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
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

    #[test]
    fn values_are_hidden_wherever_they_stand() {
        let pointers = ["/card", "/pins", "/code"].map(str::to_owned).into();
        let arguments = json!({"card": "41\"11", "pins": [{"a": 12345}, "99"], "code": "abc", "id": "W1"});
        let secrets = Secrets::of(&arguments, &pointers);
        assert_eq!(secrets.hide("card 41\"11, pin 12345, W1"), "card (redacted), pin (redacted), W1");
        let mut echoed = json!({"echo": arguments.to_string(), "41\"11": 12345, "n": 1234, "pin": "99"});
        secrets.hide_in(&mut echoed);
        let text = echoed["echo"].as_str().unwrap();
        assert!(!text.contains("11\"") && !text.contains("12345") && text.contains("abc"), "{text}");
        assert_eq!(echoed["(redacted)"], json!("(redacted)"), "names of members, and numbers");
        assert_eq!((&echoed["n"], &echoed["pin"]), (&json!(1234), &json!("99")), "short ones say nothing");
        assert!(Secrets::of(&json!({"id": 1}), &["/card".to_owned()].into()).is_empty());
    }

    #[test]
    fn the_longest_value_goes_first() {
        let mut secrets = Secrets::default();
        secrets.add(&json!(["4111", "4111-2222"]));
        assert_eq!(secrets.hide("4111-2222 and 4111"), "(redacted) and (redacted)");
    }
}
