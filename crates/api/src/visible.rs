//! Text for people: characters that hide, reorder or imitate are made visible.
//!
//! What a person reads must be what the bytes say (THREATS 34). The raw text stays in the payload; only what is shown
//! passes through here.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Returns the text with control, bidirectional and zero-width characters written out as `⟨U+202E⟩`. Line ends and
/// tabs stay.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            write!(out, "⟨U+{:04X}⟩", u32::from(c)).expect("a text takes everything");
        } else {
            out.push(c);
        }
    }
    out
}

/// Returns the value with every text in it, keys included, made visible.
pub fn visible_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(visible(text)),
        Value::Array(items) => Value::Array(items.iter().map(visible_value).collect()),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (visible(key), visible_value(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        _ if c.is_control() => true,
        // Soft hyphen, Mongolian separators, zero-width and directional marks, joiners, invisible operators, fillers,
        // byte order mark, interlinear marks, tags.
        '\u{ad}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_hides_is_written_out() {
        assert_eq!(visible("pay\u{202e}001\u{200b}\u{7}"), "pay⟨U+202E⟩001⟨U+200B⟩⟨U+0007⟩");
        assert_eq!(visible("two\nlines\tand é, 漢, שלום"), "two\nlines\tand é, 漢, שלום");
        assert_eq!(
            visible_value(&json!({"a\u{feff}": ["\u{1b}[2J", 1]})),
            json!({"a⟨U+FEFF⟩": ["⟨U+001B⟩[2J", 1]})
        );
    }
}
