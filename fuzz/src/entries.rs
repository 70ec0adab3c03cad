//! Entries: the journal's one-pass check and the kernel's parser and writer must agree on what is canonical.

use kernel::json::{Limits, canonical, parse};
use serde_json::Value;

/// Members that the journal reads, and so has more to say about.
const READ: [&str; 4] = ["at", "commits", "log", "seq"];

pub fn entry(bytes: &[u8]) {
    let checked = journal::check_entry(bytes);
    let limits = Limits { bytes_max: 1 << 20, depth_max: 64, values_max: 1 << 20 };
    match (&checked, parse(bytes, limits)) {
        (Ok(()), Ok(value)) => assert_eq!(canonical(&value), bytes),
        (Ok(()), Err(error)) => panic!("canonical, and cannot be parsed: {error}"),
        (Err(why), Ok(Value::Object(members))) => {
            let more = READ.iter().any(|name| members.contains_key(*name));
            let value = Value::Object(members);
            assert!(more || broken(&value) || canonical(&value) != bytes, "canonical, and refused: {why}");
        }
        (Err(_), _) => {}
    }
    drop(kernel::event::Entry::decode(bytes));
}

/// Whether a number is in it that entries do not have.
fn broken(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_i64().is_none_or(|number| number.unsigned_abs() > (1 << 53) - 1),
        Value::Array(items) => items.iter().any(broken),
        Value::Object(members) => members.values().any(broken),
        _ => false,
    }
}
