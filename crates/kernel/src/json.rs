//! JSON from outside: bounded before it is parsed, strict while it is, canonical afterwards.
//!
//! Duplicate keys, numbers that lose digits and deep nesting are refused here, once, so that no inner function and no
//! verifier has to wonder which of two readings was meant (THREATS 36, 45, 49).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::{Map, Number, Value};

/// What a text may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the text.
    pub bytes_max: usize,
    /// Objects and arrays inside one another.
    pub depth_max: usize,
    /// Values in all (each comma and colon brings one).
    pub values_max: usize,
}

/// For one request of an agent or a person: DESIGN §10.
pub const REQUEST: Limits = Limits { bytes_max: 1 << 20, depth_max: 64, values_max: 50_000 };

/// For one answer of an outside system.
pub const ANSWER: Limits = Limits { bytes_max: 4 << 20, depth_max: 64, values_max: 500_000 };

/// For what a program keeps between its steps: 8 MiB as base64, and the names of many parts.
pub const CHECKPOINT: Limits = Limits { bytes_max: 12 << 20, depth_max: 64, values_max: 100_000 };

/// For a whole workspace folder, sent as one request.
pub const FOLDER: Limits = Limits { bytes_max: 6 << 20, depth_max: 64, values_max: 50_000 };

/// The largest integer that every JSON reader keeps exactly (RFC 7493).
pub const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// Why a text is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More bytes than allowed.
    #[error("the text has {bytes} bytes; at most {max} are taken")]
    TooLarge { bytes: usize, max: usize },
    /// Nested deeper than allowed.
    #[error("the text is nested deeper than {max} levels")]
    TooDeep { max: usize },
    /// More values than allowed.
    #[error("the text holds more than {max} values")]
    TooMany { max: usize },
    /// Not JSON, or JSON with two meanings.
    #[error("the text is not valid JSON: {0}")]
    Invalid(String),
}

impl JsonError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "body_too_large",
            Self::TooDeep { .. } => "json_too_deep",
            Self::TooMany { .. } => "json_too_many_values",
            Self::Invalid(_) => "json_invalid",
        }
    }
}

/// Parses a text within its limits.
pub fn parse(text: &[u8], limits: Limits) -> Result<Value, JsonError> {
    if text.len() > limits.bytes_max {
        return Err(JsonError::TooLarge { bytes: text.len(), max: limits.bytes_max });
    }
    measure(text, limits)?;
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict.deserialize(&mut reader).map_err(|error| JsonError::Invalid(error.to_string()))?;
    reader.end().map_err(|error| JsonError::Invalid(error.to_string()))?;
    Ok(value)
}

/// Counts depth and values in one pass, before anything is allocated.
fn measure(text: &[u8], limits: Limits) -> Result<(), JsonError> {
    let (mut depth, mut values, mut quoted, mut escaped) = (0_usize, 1_usize, false, false);
    for byte in text {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' | b':' => values += 1,
            _ => {}
        }
        if depth > limits.depth_max {
            return Err(too_deep(limits));
        }
        if values > limits.values_max {
            return Err(JsonError::TooMany { max: limits.values_max });
        }
    }
    Ok(())
}

/// Checks a value that another reader parsed, as [`parse`] would have. What that reader lost is lost: of a key that stood
/// twice nothing is left to be seen here.
pub fn check(value: &Value, limits: Limits) -> Result<(), JsonError> {
    let mut values = 0;
    count(value, 0, &mut values, limits)
}

/// Recursion is bounded by the limit of depth, or by that of the reader before it.
fn count(value: &Value, depth: usize, values: &mut usize, limits: Limits) -> Result<(), JsonError> {
    *values += 1;
    if *values > limits.values_max {
        return Err(JsonError::TooMany { max: limits.values_max });
    }
    let inside = || if depth < limits.depth_max { Ok(depth + 1) } else { Err(too_deep(limits)) };
    match value {
        Value::Number(number) => exact(number).map_err(JsonError::Invalid),
        Value::Array(items) => {
            let inside = inside()?;
            items.iter().try_for_each(|item| count(item, inside, values, limits))
        }
        Value::Object(members) => {
            let inside = inside()?;
            members.values().try_for_each(|member| count(member, inside, values, limits))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn too_deep(limits: Limits) -> JsonError {
    JsonError::TooDeep { max: limits.depth_max }
}

/// Whether every reader keeps this number as it is; what is wrong otherwise.
fn exact(number: &Number) -> Result<(), String> {
    let safe = match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => (-SAFE_INTEGER_MAX..=SAFE_INTEGER_MAX).contains(&integer),
        #[expect(clippy::cast_precision_loss, reason = "2^53 is exact in a double")]
        (None, Some(float)) => float.fract() != 0.0 || float.abs() <= SAFE_INTEGER_MAX as f64,
        (None, None) => false,
    };
    if safe { Ok(()) } else { Err(format!("{number} loses digits in other readers; send it as text")) }
}

/// Writes a value as canonical JSON (RFC 8785): one byte sequence for one value. Integers keep their digits, also those
/// beyond 2^53, which the RFC would have rounded: a number is refused at the border or kept, never changed.
pub fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("our types hold no maps with keys other than text");
    let mut out = Vec::with_capacity(256);
    write(&value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) if number.is_f64() => out.extend_from_slice(&float(number)),
        Value::Number(integer) => out.extend_from_slice(integer.to_string().as_bytes()),
        Value::String(text) => quoted(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            // In order of UTF-16 units, which is another order than that of bytes beyond the basic plane.
            members.sort_unstable_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                quoted(name, out);
                out.push(b':');
                write(member, out);
            }
            out.push(b'}');
        }
    }
}

/// The shortest digits that give the same double, as ECMAScript writes them.
fn float(number: &Number) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(number).expect("a JSON number is neither NaN nor infinite")
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a text can be written to memory");
}

/// Writes a map as canonical JSON text.
pub fn canonical_text<T: Serialize>(value: &T) -> String {
    String::from_utf8(canonical(value)).expect("JSON is UTF-8")
}

/// Texts by name: how facts, commits and files travel.
pub type Texts = BTreeMap<String, String>;

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if (-SAFE_INTEGER_MAX..=SAFE_INTEGER_MAX).contains(&value) {
            Ok(Value::from(value))
        } else {
            Err(E::custom(format!("{value} loses digits in other readers; send it as text")))
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => Err(E::custom(format!("{value} loses digits in other readers; send it as text"))),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "2^53 is exact in a double")]
        if value.fract() == 0.0 && value.abs() > SAFE_INTEGER_MAX as f64 {
            return Err(E::custom(format!("{value:e} is beyond 2^53; send it as text")));
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if map.contains_key(&key) {
                return Err(serde::de::Error::custom(format!(
                    "the key `{}` stands twice",
                    key.escape_default()
                )));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str) -> Result<String, &'static str> {
        parse(text.as_bytes(), REQUEST).map(|value| canonical_text(&value)).map_err(|error| error.code())
    }

    #[test]
    fn one_value_has_one_text() {
        assert_eq!(
            check(r#"{"b":1.0,"a":[ true,null ,-0, "\u00e9"]}"#).unwrap(),
            r#"{"a":[true,null,0,"é"],"b":1}"#
        );
    }

    #[test]
    fn two_meanings_are_refused() {
        for text in
            [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, "[1,]", "1 2", "1e999", "NaN", "", "\"\u{1}\""]
        {
            assert_eq!(check(text), Err("json_invalid"), "{text}");
        }
        for text in ["9007199254740992", "-9007199254740992", "18446744073709551615", "1e20"] {
            assert_eq!(check(text), Err("json_invalid"), "{text}");
        }
        assert_eq!(check("9007199254740991").unwrap(), "9007199254740991");
    }

    /// Readers of protocol libraries keep all of an integer's digits, doubles do not.
    #[test]
    fn a_number_is_refused_or_kept_and_never_changed() {
        for digits in
            ["9007199254740991", "-9007199254740991", "9007199254740993", "18446744073709551615", "0"]
        {
            let value: Value = serde_json::from_str(digits).unwrap();
            assert_eq!(canonical_text(&value), digits);
            let within = digits.len() <= 17 && digits.trim_start_matches('-') <= "9007199254740991";
            assert_eq!(super::check(&json!({ "a": [value] }), REQUEST).is_ok(), within, "{digits}");
        }
        for (digits, text) in
            [("1e21", "1e+21"), ("0.1", "0.1"), ("-0.0", "0"), ("1.5e-7", "1.5e-7"), ("2.0", "2")]
        {
            let value: Value = serde_json::from_str(digits).unwrap();
            assert_eq!(canonical_text(&value), text);
        }
        let whole = |text: &str| super::check(&serde_json::from_str(text).unwrap(), REQUEST).is_ok();
        assert!(!whole("1e21") && !whole("9007199254740993.0") && whole("9007199254740991.0"));
    }

    #[test]
    fn a_parsed_value_is_bounded_like_a_text() {
        let nested = |levels: usize| {
            let text = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
            super::check(&serde_json::from_str(&text).unwrap(), REQUEST).map_err(|error| error.code())
        };
        assert_eq!((nested(64), nested(65)), (Ok(()), Err("json_too_deep")));
        let many = Value::Array(vec![Value::Null; 50_000]);
        assert_eq!(super::check(&many, REQUEST).map_err(|error| error.code()), Err("json_too_many_values"));
    }

    #[test]
    fn members_are_ordered_by_utf_16() {
        assert_eq!(
            check("{\"\u{ff61}\":1,\"\u{1f600}\":2,\"b\":3,\"a\\n\":4}").unwrap(),
            "{\"a\\n\":4,\"b\":3,\"\u{1f600}\":2,\"\u{ff61}\":1}"
        );
    }

    #[test]
    fn cost_is_bounded_before_it_is_paid() {
        assert_eq!(check(&"[".repeat(10_000)), Err("json_too_deep"));
        assert_eq!(check(&"[".repeat(65)), Err("json_too_deep"));
        assert!(check(&format!("{}{}", "[".repeat(64), "]".repeat(64))).is_ok());
        assert_eq!(check(&format!("[{}1]", "1,".repeat(50_000))), Err("json_too_many_values"));
        assert_eq!(check(&format!("\"{}\"", "x".repeat(1 << 20))), Err("body_too_large"));
        assert!(check(&format!("\"{}\"", "[{,:".repeat(50_000))).is_ok(), "text inside quotes costs nothing");
    }
}
