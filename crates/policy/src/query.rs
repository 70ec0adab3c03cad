//! jq expressions, bounded in length, nesting, steps and outputs: no definitions, no loops, no input, no environment.
//!
//! Numbers that an expression only passes on keep their decimal text, so money never meets a float.

mod guard; // what an expression may not say
mod meter; // how long it may run

use std::cell::Cell;

use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Native, Vars, compile, unwrap_valr};
use jaq_json::{Map, Num, Rc, Val, read};
use kernel::json;
use serde_json::Value;

use meter::{Meter, Metered};

/// The most outputs that are taken.
const OUTPUTS_MAX: usize = 10_000;

/// A compiled expression.
pub(crate) struct Query {
    text: String,
    filter: compile::Filter<Native<Metered>>,
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
        guard::check(text)?;
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let arena = Arena::default();
        let modules = Loader::new(defs).load(&arena, File { code: text, path: () }).map_err(|errors| {
            errors.first().map_or_else(|| "it is not jq".to_owned(), |(_, error)| syntax(error))
        })?;
        let filter =
            Compiler::default().with_funs(meter::functions()).compile(modules).map_err(|errors| {
                let names: Vec<String> = errors
                    .iter()
                    .flat_map(|(_, undefined)| {
                        undefined.iter().map(|(name, kind)| format!("there is no {} `{name}`", kind.as_str()))
                    })
                    .collect();
                names.join(", ")
            })?;
        Ok(Self { text: text.to_owned(), filter })
    }

    /// All outputs; an error of the expression, too many steps or too many outputs are errors.
    pub(crate) fn run(&self, scope: Scope<'_>) -> Result<Vec<Val>, String> {
        let left = Cell::new(meter::STEPS_MAX);
        let work = || {
            let ctx = Ctx::<Metered>::new(Meter::new(&self.filter.lut, &left), Vars::new([]));
            let mut outputs = Vec::new();
            for output in self.filter.id.run((ctx, scope.value())).map(unwrap_valr) {
                if outputs.len() >= OUTPUTS_MAX {
                    return Err(format!("more than {OUTPUTS_MAX} outputs"));
                }
                outputs.push(output.map_err(|error| error.to_string())?);
            }
            Ok(outputs)
        };
        meter::bounded(work).unwrap_or_else(|| Err(format!("more than {} steps", meter::STEPS_MAX)))
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

/// The first thing that is wrong with an expression, and where.
fn syntax(error: &load::Error<&str>) -> String {
    let (expected, rest) = match error {
        load::Error::Lex(errors) => match errors.first() {
            Some((expected, rest)) => (expected.as_str(), *rest),
            None => return "it is not jq".to_owned(),
        },
        load::Error::Parse(errors) => match errors.first() {
            Some((expected, rest)) => (expected.as_str(), *rest),
            None => return "it is not jq".to_owned(),
        },
        load::Error::Io(_) => return "it may not load other files".to_owned(),
    };
    let shown: String = rest.chars().take(20).collect();
    match shown.trim() {
        "" => format!("it ends where jq expects: {expected}"),
        shown => format!("at `{shown}` jq expects: {expected}"),
    }
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

/// A tool's text: what is no JSON is a string.
fn from_text(output: &str) -> Val {
    parse(output).unwrap_or_else(|| text(output))
}

/// Only what our own strict reader takes is handed to jq's: depth and size are bounded, no key stands twice.
fn parse(json: &str) -> Option<Val> {
    json::parse(json.as_bytes(), json::ANSWER).ok()?;
    read::parse_single(json.as_bytes()).ok()
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
