//! JSON and floats printed as Python prints them, because that is what the recorded answers hold.
//!
//! Two writings: the one of answers (a blank after `,` and `:`, non-ASCII escaped, keys in their order) and the canonical
//! one for hashes (no blanks, non-ASCII kept, keys sorted).

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::value::{Number, Record, Value};

/// Prints a record as the tools answer it.
pub fn answer(record: &Record) -> String {
    let mut out = String::new();
    write_record(&mut out, record, Writing::Answer);
    out
}

/// The SHA-256 of a record's canonical writing, in hexadecimal.
pub fn digest(record: &Record) -> String {
    let mut out = String::new();
    write_record(&mut out, record, Writing::Canonical);
    hex::encode(Sha256::digest(out.as_bytes()))
}

/// Prints a float with the fewest digits that give it back: `5.0`, `1799.42`, `1e+16`, `1e-05`.
pub fn float(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "nan"
        } else if value > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    let sign = if value.is_sign_negative() { "-" } else { "" };
    match usize::try_from(exponent) {
        Ok(_) if exponent >= 16 => format!("{sign}{mantissa}e+{exponent:02}"),
        Ok(whole) if digits.len() <= whole + 1 => format!("{sign}{digits:0<width$}.0", width = whole + 1),
        Ok(whole) => format!("{sign}{}.{}", &digits[..=whole], &digits[whole + 1..]),
        Err(_) if exponent < -4 => format!("{sign}{mantissa}e-{:02}", -exponent),
        Err(_) => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
    }
}

/// Rounds to two decimals as Python's `round(value, 2)`: the exact value decides, a tie goes to the even digit.
pub fn round_to_cents(value: f64) -> f64 {
    // Printing with a precision works from the exact binary value, so no error of a multiplication by 100 creeps in.
    if value.is_finite() { format!("{value:.2}").parse().unwrap_or(value) } else { value }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Answer,
    Canonical,
}

impl Writing {
    fn comma(self) -> &'static str {
        if self == Self::Answer { ", " } else { "," }
    }

    fn colon(self) -> &'static str {
        if self == Self::Answer { ": " } else { ":" }
    }
}

fn write_value(out: &mut String, value: &Value, writing: Writing) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(Number::Whole(whole)) => out.push_str(&whole.to_string()),
        Value::Number(Number::Float(value)) => out.push_str(&float(*value)),
        Value::Text(text) => write_text(out, text, writing),
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.iter().enumerate() {
                out.push_str(if index > 0 { writing.comma() } else { "" });
                write_value(out, item, writing);
            }
            out.push(']');
        }
        Value::Record(record) => write_record(out, record, writing),
    }
}

fn write_record(out: &mut String, record: &Record, writing: Writing) {
    let mut pairs: Vec<_> = record.iter().collect();
    if writing == Writing::Canonical {
        pairs.sort_by_key(|(key, _)| *key);
    }
    out.push('{');
    for (index, (key, value)) in pairs.into_iter().enumerate() {
        out.push_str(if index > 0 { writing.comma() } else { "" });
        write_text(out, key, writing);
        out.push_str(writing.colon());
        write_value(out, value, writing);
    }
    out.push('}');
}

fn write_text(out: &mut String, text: &str, writing: Writing) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            // Python escapes the rest below the blank, and DEL only as part of what is not ASCII: it keeps DEL.
            c if c < ' ' || (!c.is_ascii() && writing == Writing::Answer) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a text cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_printed_as_python_does() {
        let table = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (5.0, "5.0"),
            (1799.42, "1799.42"),
            (0.05, "0.05"),
            (0.000_1, "0.0001"),
            (0.000_01, "1e-05"),
            (53.48 - 53.43, "0.04999999999999716"),
            (-60.78, "-60.78"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (123_456_789.125, "123456789.125"),
        ];
        for (value, text) in table {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn rounding_looks_at_the_exact_value_and_ties_go_to_even() {
        let table = [
            (0.125, 0.12),
            (0.375, 0.38),
            (2.675, 2.67),
            (1.005, 1.0),
            (-0.125, -0.12),
            (499.995, 500.0),
            (1e300, 1e300),
        ];
        for (value, rounded) in table {
            assert_eq!(float(round_to_cents(value)), float(rounded), "{value}");
        }
    }

    #[test]
    fn answers_escape_and_hashes_sort() {
        let text = r#"{"b": "é\u0001\"\u007f😀", "a": [1, 2.50, null, true], "c": {}}"#;
        let Ok(Value::Record(record)) = serde_json::from_str::<Value>(text) else { panic!("not a record") };
        assert_eq!(
            answer(&record),
            "{\"b\": \"\\u00e9\\u0001\\\"\u{7f}\\ud83d\\ude00\", \"a\": [1, 2.5, null, true], \"c\": {}}"
        );
        // SHA-256 of `{"a":[1,2.5,null,true],"b":"é\u0001\"DEL😀","c":{}}`.
        let mut canonical = String::new();
        write_record(&mut canonical, &record, Writing::Canonical);
        assert_eq!(canonical, "{\"a\":[1,2.5,null,true],\"b\":\"é\\u0001\\\"\u{7f}😀\",\"c\":{}}");
    }
}
