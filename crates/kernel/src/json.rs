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
            return Err(JsonError::TooDeep { max: limits.depth_max });
        }
        if values > limits.values_max {
            return Err(JsonError::TooMany { max: limits.values_max });
        }
    }
    Ok(())
}

/// Writes a value as canonical JSON (RFC 8785): one byte sequence for one value.
pub fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value)
        .expect("our types hold no NaN and no maps with keys other than text")
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
