//! JSON that keeps the order of its keys and tells whole numbers from floats.
//!
//! Answers must come out byte for byte as the old system gave them, so the order in which a key was set is part of the
//! data. `serde_json::Value` sorts keys, and its switch for keeping order would change every crate of the workspace.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A JSON value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Record(Record),
}

/// A number as Python keeps it: arithmetic between whole numbers stays whole, anything else becomes a float.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// Written without point and exponent.
    Whole(i64),
    /// Written with one.
    Float(f64),
}

/// An object: few keys, in the order in which they were set.
#[derive(Clone, Debug, Default)]
pub struct Record(Vec<(String, Value)>);

impl Number {
    /// The number as a float.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the same loss as in the system whose answers are reproduced"
    )]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) if a.checked_add(b).is_some() => Self::Whole(a + b),
            _ => Self::Float(self.as_f64() + other.as_f64()),
        }
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) if a.checked_sub(b).is_some() => Self::Whole(a - b),
            _ => Self::Float(self.as_f64() - other.as_f64()),
        }
    }

    /// The number without its sign.
    #[must_use]
    pub fn absolute(self) -> Self {
        match self {
            Self::Whole(whole) => whole.checked_abs().map_or(Self::Float(self.as_f64().abs()), Self::Whole),
            Self::Float(float) => Self::Float(float.abs()),
        }
    }

    /// Rounded to two decimals; whole numbers stay as they are.
    #[must_use]
    pub fn rounded(self) -> Self {
        match self {
            Self::Whole(_) => self,
            Self::Float(float) => Self::Float(crate::python::round_to_cents(float)),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a == b,
            _ => self.as_f64() == other.as_f64(),
        }
    }
}

/// Equal as data: the order of keys does not matter, 5 equals 5.0.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Record(a), Self::Record(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl Record {
    /// An empty record.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value of a key, for changing it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Sets a key: in its place if it is there, at the end otherwise.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.get_mut(key) {
            Some(place) => *place = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Sets a key and returns the record: for building one.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.set(key, value);
        self
    }

    /// Keys and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The text under a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number under a key.
    pub fn number(&self, key: &str) -> Option<Number> {
        match self.get(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The list under a key.
    pub fn list(&self, key: &str) -> Option<&[Value]> {
        match self.get(key) {
            Some(Value::List(list)) => Some(list),
            _ => None,
        }
    }

    /// The record under a key.
    pub fn record(&self, key: &str) -> Option<&Self> {
        match self.get(key) {
            Some(Value::Record(record)) => Some(record),
            _ => None,
        }
    }
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The record that this value is.
    pub fn as_record(&self) -> Option<&Record> {
        match self {
            Self::Record(record) => Some(record),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
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

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(Number::Whole(value)))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value)
            .map(|whole| Value::Number(Number::Whole(whole)))
            .map_err(|_| E::custom("number too large"))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        // Up to 15 digits every reader of JSON finds the same float; beyond, this one may be off in the last bit.
        let digits =
            format!("{value:e}").bytes().take_while(|b| *b != b'e').filter(u8::is_ascii_digit).count();
        if digits > 15 {
            return Err(E::custom("number with more than 15 digits"));
        }
        Ok(Value::Number(Number::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::text(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = access.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut record = Record::new();
        while let Some((key, value)) = access.next_entry::<String, Value>()? {
            if record.get(&key).is_some() {
                return Err(serde::de::Error::custom(format!("key `{key}` stands twice")));
            }
            record.0.push((key, value));
        }
        Ok(Value::Record(record))
    }
}

/// The top of a data file: id to record, however many.
#[derive(Clone, Debug, Default)]
pub struct Rows(pub Vec<(String, Record)>);

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllRows;
        impl<'de> Visitor<'de> for AllRows {
            type Value = Rows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of records by id")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Rows, A::Error> {
                let mut rows = Vec::new();
                while let Some((id, value)) = access.next_entry::<String, Value>()? {
                    match value {
                        Value::Record(record) => rows.push((id, record)),
                        _ => return Err(serde::de::Error::custom(format!("`{id}` is not an object"))),
                    }
                }
                Ok(Rows(rows))
            }
        }
        deserializer.deserialize_map(AllRows)
    }
}
