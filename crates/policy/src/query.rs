//! jq expressions, bounded: no definitions, no loops without end, no input or environment.
//!
//! Numbers that an expression only passes on keep their decimal text, so money never meets a float.

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Native, Vars, compile, data, unwrap_valr};
use jaq_json::{Map, Num, Rc, Val, read};
use kernel::json;
use serde_json::Value;

/// The longest expression.
const TEXT_BYTES_MAX: usize = 4_096;
/// The most outputs that are taken.
const OUTPUTS_MAX: usize = 10_000;
/// Words that could run without end, look outside, read a zone of the machine, or nest without bound.
const FORBIDDEN: [&str; 26] = [
    "def",
    "repeat",
    "recurse",
    "until",
    "while",
    "range",
    "input",
    "inputs",
    "env",
    "ENV",
    "halt",
    "halt_error",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "import",
    "include",
    "input_filename",
    "now",
    "localtime",
    "strflocaltime",
    "limit",
    "combinations",
    "fromjson",
    "infinite",
];

type Data = data::JustLut<Val>;

/// A compiled expression.
pub(crate) struct Query {
    text: String,
    filter: compile::Filter<Native<Data>>,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Query({})", self.text)
    }
}

/// What an expression looks at.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scope<'a> {
    pub(crate) arguments: Option<&'a Value>,
    pub(crate) facts: Option<&'a Value>,
    /// A tool's text: parsed where it is JSON, a string otherwise.
    pub(crate) output: Option<&'a str>,
}

impl Query {
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("the expression is longer than {TEXT_BYTES_MAX} bytes"));
        }
        let words = words(text)?;
        if let Some(word) = words.iter().find(|word| FORBIDDEN.contains(word)) {
            return Err(format!(
                "`{word}` is not allowed: an expression must end, and see only what it is given"
            ));
        }
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let modules = Loader::new(defs)
            .load(&arena, File { code: text, path: () })
            .map_err(|_| "the expression is not valid jq".to_owned())?;
        let filter = Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
            let names: Vec<String> = errors
                .iter()
                .flat_map(|(_, undefined)| {
                    undefined.iter().map(|(name, kind)| format!("{} `{name}`", kind.as_str()))
                })
                .collect();
            format!("undefined {}", names.join(", "))
        })?;
        Ok(Self { text: text.to_owned(), filter })
    }

    /// All outputs; an error of the expression, or too many outputs, is an error.
    pub(crate) fn run(&self, scope: Scope<'_>) -> Result<Vec<Val>, String> {
        let ctx = Ctx::<Data>::new(&self.filter.lut, Vars::new([]));
        let mut outputs = Vec::new();
        for output in self.filter.id.run((ctx, scope.value())).map(unwrap_valr) {
            if outputs.len() >= OUTPUTS_MAX {
                return Err(format!("more than {OUTPUTS_MAX} outputs"));
            }
            outputs.push(output.map_err(|error| error.to_string())?);
        }
        Ok(outputs)
    }

    /// The one output.
    pub(crate) fn one(&self, scope: Scope<'_>) -> Result<Val, String> {
        let mut outputs = self.run(scope)?;
        match (outputs.pop(), outputs.is_empty()) {
            (Some(value), true) => Ok(value),
            (None, _) => Err("no output".to_owned()),
            (Some(_), false) => Err("more than one output".to_owned()),
        }
    }
}

/// Names in an expression: not in its strings, but in the expressions inside them (`"order/\(.arguments.id)"`). A name
/// right after a dot is a member of a value and can do nothing.
fn words(text: &str) -> Result<Vec<&str>, String> {
    let bytes = text.as_bytes();
    // Brackets that are open in the code around each string that we are inside of.
    let (mut around, mut open, mut quoted) = (Vec::new(), 0_usize, false);
    let (mut words, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let mut next = at + 1;
        match byte {
            b'\\' if quoted => {
                if bytes.get(next) == Some(&b'(') {
                    around.push(open);
                    (open, quoted) = (0, false);
                }
                next += 1;
            }
            b'"' => quoted = !quoted,
            _ if quoted => {}
            // A quote in a comment would turn code into string and string into code.
            b'#' => return Err("comments are not allowed: write them beside the expression".to_owned()),
            b'(' => open += 1,
            b')' if open > 0 => open -= 1,
            b')' => {
                open = around.pop().ok_or("a bracket is closed that was not opened")?;
                quoted = true;
            }
            byte if is_word(*byte) => {
                let end =
                    bytes[at..].iter().position(|byte| !is_word(*byte)).map_or(bytes.len(), |len| at + len);
                if !text[..at].ends_with('.') || text[..at].ends_with("..") {
                    words.push(&text[at..end]);
                }
                next = end;
            }
            _ => {}
        }
        at = next;
    }
    Ok(words)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl Scope<'_> {
    fn value(&self) -> Val {
        let of = |value: Option<&Value>| value.map_or(Val::Null, from_json);
        let output = self.output.map_or(Val::Null, from_text);
        let members = [("arguments", of(self.arguments)), ("facts", of(self.facts)), ("output", output)];
        Val::Obj(Rc::new(members.into_iter().map(|(name, value)| (text(name), value)).collect::<Map>()))
    }
}

fn text(text: &str) -> Val {
    Val::from(text.to_owned())
}

fn from_json(value: &Value) -> Val {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    read::parse_single(&bytes).unwrap_or_default()
}

/// Only what our own strict reader takes is handed to jq's: depth and size are bounded, no key stands twice.
fn from_text(output: &str) -> Val {
    match json::parse(output.as_bytes(), json::ANSWER) {
        Ok(_) => read::parse_single(output.as_bytes()).unwrap_or_else(|_| text(output)),
        Err(_) => text(output),
    }
}

/// A value as JSON.
pub(crate) fn to_json(value: &Val) -> Option<Value> {
    json::parse(value.to_string().as_bytes(), json::ANSWER).ok()
}

/// The decimal text of a number that was only passed on, or of a string. A computed float has none.
pub(crate) fn decimal(value: &Val) -> Option<String> {
    match value {
        Val::Num(Num::Int(number)) => Some(number.to_string()),
        Val::Num(Num::BigInt(number)) => Some(number.to_string()),
        Val::Num(Num::Dec(digits)) => Some(digits.to_string()),
        Val::TStr(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        _ => None,
    }
}

/// The string, if it is one.
pub(crate) fn string(value: &Val) -> Option<String> {
    match value {
        Val::TStr(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        _ => None,
    }
}
