//! Checks in one pass that an entry is canonical JSON (RFC 8785), and picks out what the journal itself relies on.
//!
//! Stricter than the RFC: entries hold no floats, no integers beyond 2^53 - 1 and no deep nesting. Nothing is built:
//! verifying a log spends its time on hashing, not on parsing.

use std::borrow::Cow;
use std::cmp::Ordering;

/// Objects and arrays inside one another.
const DEPTH_MAX: usize = 64;
/// The largest integer that every JSON reader keeps exactly (RFC 7493).
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// What the journal reads in an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    pub(crate) log: Option<Cow<'a, str>>,
    pub(crate) seq: Option<u64>,
    pub(crate) at: Option<i64>,
    /// Values of `commits`, in the order of their names.
    pub(crate) commits: Vec<[u8; 32]>,
}

/// Checks that bytes have the form of an entry. The error says what is wrong, and at which byte.
pub fn check_entry(bytes: &[u8]) -> Result<(), String> {
    check(bytes).map(drop)
}

/// Checks an entry. The error says what is wrong, and at which byte.
pub(crate) fn check(bytes: &[u8]) -> Result<Fields<'_>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("it is not UTF-8 at byte {}", error.valid_up_to()))?;
    let mut reader = Reader { text, at: 0 };
    let fields = reader.entry().map_err(|wrong| format!("{wrong} at byte {}", reader.at))?;
    if reader.at < text.len() {
        return Err(format!("something follows it at byte {}", reader.at));
    }
    Ok(fields)
}

type Wrong = &'static str;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn entry(&mut self) -> Result<Fields<'a>, Wrong> {
        let mut fields = Fields::default();
        self.object(|reader, key| {
            match key {
                r#""log""# => fields.log = Some(reader.string()?),
                r#""seq""# => {
                    let (negative, value) = reader.integer()?;
                    fields.seq = (!negative).then_some(value);
                }
                r#""at""# => {
                    let (negative, value) = reader.integer()?;
                    let value = i64::try_from(value).map_err(|_| "a number out of range")?;
                    fields.at = Some(if negative { -value } else { value });
                }
                r#""commits""# => reader.object(|reader, _| {
                    let text = reader.string()?;
                    let mut digest = [0; 32];
                    let lower =
                        text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
                    hex::decode_to_slice(&*text, &mut digest)
                        .ok()
                        .filter(|()| lower)
                        .ok_or("a bad commitment")?;
                    fields.commits.push(digest);
                    Ok(())
                })?,
                _ => reader.value(2)?,
            }
            Ok(())
        })?;
        Ok(fields)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Result<(), Wrong> {
        if depth > DEPTH_MAX {
            return Err("nesting that is too deep");
        }
        match self.peek() {
            Some(b'{') => self.object(|reader, _| reader.value(depth + 1)),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.raw_string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.integer().map(drop),
            _ => {
                let rest = &self.text[self.at..];
                let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
                self.at += word.ok_or("no value")?.len();
                Ok(())
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Wrong> {
        self.at += 1;
        if self.skip(b']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if self.skip(b']') {
                return Ok(());
            }
            if !self.skip(b',') {
                return Err("neither a comma nor the end of an array");
            }
        }
    }

    /// Reads an object; `member` is given each key as it stands, with its quotes, and reads the value.
    fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a str) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        if !self.skip(b'{') {
            return Err("no object");
        }
        if self.skip(b'}') {
            return Ok(());
        }
        let mut last: Option<&str> = None;
        loop {
            let start = self.at;
            let key = self.raw_string()?;
            if last.is_some_and(|last| order(last, key) != Ordering::Less) {
                self.at = start;
                return Err("a key that does not follow the one before it");
            }
            last = Some(key);
            if !self.skip(b':') {
                return Err("no colon after a key");
            }
            member(self, key)?;
            if self.skip(b'}') {
                return Ok(());
            }
            if !self.skip(b',') {
                return Err("neither a comma nor the end of an object");
            }
        }
    }

    /// Reads a string and returns it as it stands, with its quotes.
    fn raw_string(&mut self) -> Result<&'a str, Wrong> {
        let start = self.at;
        if !self.skip(b'"') {
            return Err("no string");
        }
        loop {
            self.at += plain_bytes(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                None => return Err("a string without its end"),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at]);
                }
                Some(b'\\') => self.at += escape(&self.text.as_bytes()[self.at..])?,
                Some(0..0x20) => return Err("a control character"),
                Some(_) => self.at += 1,
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Wrong> {
        self.raw_string().map(plain)
    }

    fn integer(&mut self) -> Result<(bool, u64), Wrong> {
        let negative = self.skip(b'-');
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = &self.text[start..self.at];
        let one_way = digits == "0" && !negative || !digits.starts_with('0');
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err("a number with a fraction or an exponent");
        }
        match digits.parse() {
            Ok(value) if one_way && value <= SAFE_INTEGER_MAX => Ok((negative, value)),
            _ => Err("a number out of range"),
        }
    }
}

/// How many bytes at the front stand for themselves, at least; found many at a time, because strings are most of an entry.
fn plain_bytes(text: &[u8]) -> usize {
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    // Without an early end within a chunk the compiler compares all of its bytes at once.
    let mut chunks = text.chunks_exact(16);
    chunks.by_ref().take_while(|chunk| !chunk.iter().fold(false, |any, byte| any | special(byte))).count()
        * 16
}

/// Length of the escape at the front, if it is the one that RFC 8785 prescribes for its character.
fn escape(text: &[u8]) -> Result<usize, Wrong> {
    match text {
        [b'\\', b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', ..] => Ok(2),
        [b'\\', b'u', b'0', b'0', high @ b'0'..=b'1', low @ (b'0'..=b'9' | b'a'..=b'f'), ..] => {
            // These five have a short form.
            let short = *high == b'0' && matches!(low, b'8' | b'9' | b'a' | b'c' | b'd');
            if short { Err("an escape that is longer than needed") } else { Ok(6) }
        }
        _ => Err("an escape that is not needed"),
    }
}

/// What a checked string with its quotes means.
fn plain(raw: &str) -> Cow<'_, str> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('f') => out.push('\u{c}'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let code =
                    chars.by_ref().take(4).fold(0, |code, digit| code * 16 + digit.to_digit(16).unwrap_or(0));
                out.extend(char::from_u32(code));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    Cow::Owned(out)
}

/// RFC 8785 sorts keys by their UTF-16 code units.
fn order(left: &str, right: &str) -> Ordering {
    let simple = |raw: &str| raw.is_ascii() && !raw.contains('\\');
    let (left, right) = if simple(left) && simple(right) {
        // The closing quote would sort among the letters.
        (&left[..left.len() - 1], &right[..right.len() - 1])
    } else {
        return plain(left).encode_utf16().cmp(plain(right).encode_utf16());
    };
    left.cmp(right)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![any::<String>(), "[a-c\"\\\\\u{0}-\u{1f}é😀\u{e000}]{0,4}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-(1_i64 << 53) + 1..1 << 53).prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(text.clone(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// The other implementation says what is canonical.
        #[test]
        fn canonical_text_is_taken_and_any_other_text_of_the_value_is_not(value in value()) {
            let object = serde_json::json!({ "value": value });
            let canonical = kernel::json::canonical(&object);
            prop_assert_eq!(check(&canonical).map(drop), Ok(()));
            for other in [serde_json::to_vec(&object).unwrap(), serde_json::to_vec_pretty(&object).unwrap()] {
                prop_assert_eq!(check(&other).is_ok(), other == canonical);
            }
        }

        #[test]
        fn what_is_taken_is_canonical(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = kernel::json::canonical(&serde_json::json!({ "value": value }));
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if check(&bytes).is_ok() {
                let read: Value = serde_json::from_slice(&bytes).unwrap();
                prop_assert_eq!(kernel::json::canonical(&read), bytes);
            }
        }
    }

    #[test]
    fn the_fields_are_found() {
        let commit = "ab".repeat(32);
        let text = format!(r#"{{"at":-5,"commits":{{"a":"{commit}"}},"log":"sh\"op","seq":7,"v":1}}"#);
        let fields = check(text.as_bytes()).unwrap();
        assert_eq!(fields.log.as_deref(), Some("sh\"op"));
        assert_eq!((fields.seq, fields.at, fields.commits.len()), (Some(7), Some(-5), 1));
    }

    #[test]
    fn two_ways_to_write_a_thing_are_one_too_many() {
        for text in [
            "",
            "[]",
            "1",
            "{",
            "{}x",
            " {}",
            "{ }",
            r#"{"a":1,"a":2}"#,
            r#"{"b":1,"a":2}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e2}"#,
            r#"{"a":-0}"#,
            r#"{"a":01}"#,
            r#"{"a":+1}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\u0041"}"#,
            r#"{"a":"\u000a"}"#,
            r#"{"a":"\u001F"}"#,
            "{\"a\":\"\u{1}\"}",
            r#"{"a":tru}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":"\"#,
            r#"{"a":"\ud83d\ude00"}"#,
            r#"{"a":-}"#,
            r#"{"commits":{"a":"AB"}}"#,
        ] {
            assert!(check(text.as_bytes()).is_err(), "{text}");
        }
        assert!(check(format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000)).as_bytes()).is_err());
        assert!(check(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn keys_sort_by_their_utf_16_units() {
        // U+1F600 is D83D DE00 in UTF-16: before U+E000, though after it in UTF-8.
        assert!(check("{\"\u{1f600}\":1,\"\u{e000}\":2}".as_bytes()).is_ok());
        assert!(check("{\"\u{e000}\":1,\"\u{1f600}\":2}".as_bytes()).is_err());
        assert!(check(br#"{"a":1,"a!":2,"ab":3}"#).is_ok());
        assert!(check(br#"{"a":1,"a\n":2,"aa":3}"#).is_ok());
    }
}
