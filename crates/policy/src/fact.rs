//! Facts: values taken out of a read tool's answer, or out of the arguments.

use jaq_json::Val;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::ToolId;
use kernel::judge::{Fact, FactFault};
use kernel::money::{self, Rounding};
use serde_json::{Value, json};

use crate::query::{self, Query, Scope};

/// What a fact is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FactKind {
    Money { currency: String, digits: u32, rounding: Rounding },
    Integer,
    Text,
    Bool,
    Texts,
}

impl FactKind {
    /// Its type in Cedar.
    pub(crate) fn cedar(&self) -> &'static str {
        match self {
            Self::Money { .. } | Self::Integer => "Long",
            Self::Text => "String",
            Self::Bool => "Bool",
            Self::Texts => "Set<String>",
        }
    }
}

/// Decimals of a currency (ISO 4217), for those that people use; two for all others.
pub(crate) fn digits_of(currency: &str) -> u32 {
    match currency {
        "JPY" | "KRW" | "VND" | "CLP" | "ISK" | "XAF" | "XOF" | "PYG" | "UGX" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// How a fact is had.
#[derive(Debug)]
pub(crate) struct FactSpec {
    pub(crate) name: String,
    pub(crate) kind: FactKind,
    pub(crate) read: Option<(ToolId, Query)>,
    pub(crate) value: Query,
    pub(crate) age_max: Millis,
    pub(crate) tolerance: i64,
}

impl FactSpec {
    pub(crate) fn take(
        &self,
        arguments: &Value,
        output: Option<&str>,
        read_at: Millis,
    ) -> Result<Fact, FactFault> {
        let scope = Scope { arguments: Some(arguments), facts: None, output };
        let outputs = self.value.run(scope).map_err(|_| FactFault::Absent)?;
        let (value, shown) = self.value_of(&outputs)?;
        let source = self.read.as_ref().map_or_else(|| "arguments".to_owned(), |(tool, _)| tool.to_string());
        let seen = match output {
            Some(text) => text.as_bytes().to_vec(),
            None => kernel::json::canonical(arguments),
        };
        Ok(Fact {
            name: self.name.clone(),
            value,
            shown,
            source,
            version: Digest::of("countersign/source/v1", &[&seen]),
            read_at,
            age_max: self.age_max,
        })
    }

    fn value_of(&self, outputs: &[Val]) -> Result<(Value, String), FactFault> {
        // A list is as good as a stream.
        let items: Vec<&Val> = match outputs {
            [Val::Arr(list)] => list.iter().collect(),
            many => many.iter().collect(),
        };
        let several = matches!(outputs, [Val::Arr(_)]);
        let one = || match outputs {
            [] | [Val::Null] => Err(FactFault::Absent),
            [value] => Ok(value),
            _ => Err(FactFault::Invalid),
        };
        match &self.kind {
            FactKind::Money { currency, digits, rounding } => {
                if (items.is_empty() && !several) || items.iter().any(|item| matches!(item, Val::Null)) {
                    return Err(FactFault::Absent);
                }
                let amounts: Result<Vec<i64>, FactFault> = items
                    .into_iter()
                    .map(|item| {
                        let text = query::decimal(item).ok_or(FactFault::Invalid)?;
                        money::minor_units(&text, *digits, *rounding).map_err(|_| FactFault::Invalid)
                    })
                    .collect();
                let total = money::sum(amounts?).map_err(|_| FactFault::Invalid)?;
                Ok((json!(total), money::shown(total, *digits, currency)))
            }
            FactKind::Integer => {
                let text = query::decimal(one()?).ok_or(FactFault::Invalid)?;
                let number = money::minor_units(&text, 0, Rounding::Exact).map_err(|_| FactFault::Invalid)?;
                Ok((json!(number), number.to_string()))
            }
            FactKind::Text => {
                let text = query::string(one()?).ok_or(FactFault::Invalid)?;
                Ok((json!(text), text))
            }
            FactKind::Bool => match one()? {
                Val::Bool(value) => Ok((json!(value), if *value { "yes" } else { "no" }.to_owned())),
                _ => Err(FactFault::Invalid),
            },
            FactKind::Texts => {
                if !several && matches!(outputs, [] | [Val::Null]) {
                    return Err(FactFault::Absent);
                }
                let texts: Option<Vec<String>> = items.into_iter().map(query::string).collect();
                let texts = texts.ok_or(FactFault::Invalid)?;
                Ok((json!(texts), texts.join(", ")))
            }
        }
    }

    /// How far it moved, in words, if it moved beyond its tolerance.
    pub(crate) fn moved(&self, shown: &Fact, current: &Fact) -> Option<String> {
        let within = match (shown.value.as_i64(), current.value.as_i64()) {
            (Some(before), Some(now)) => now.saturating_sub(before).saturating_abs() <= self.tolerance,
            _ => shown.value == current.value,
        };
        (!within).then(|| format!("{} was {}, is now {}", self.name, shown.shown, current.shown))
    }
}
