//! A step counter under the interpreter: jq has no limit of its own, and an agent chooses how long its lists are.
//!
//! The interpreter asks its data for the table of terms once for each term that it evaluates; we count there. When the
//! budget is spent there is no value to answer with, so the stack is unwound to [`bounded`], which was waiting for it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jaq_core::data::HasLut;
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{DataT, Error, Lut};
use jaq_json::Val;

use super::guard::FORBIDDEN;

/// About a tenth of a second.
pub(super) const STEPS_MAX: u64 = 500_000;

/// The kind of data that our expressions run on: values, and a counter.
pub(super) struct Metered;

impl DataT for Metered {
    type V<'a> = Val;
    type Data<'a> = Meter<'a>;
}

/// The terms, and how many more may be evaluated.
#[derive(Clone)]
pub(super) struct Meter<'a> {
    lut: &'a Lut<Metered>,
    left: &'a Cell<u64>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(lut: &'a Lut<Metered>, left: &'a Cell<u64>) -> Self {
        Self { lut, left }
    }
}

impl<'a> HasLut<'a, Metered> for Meter<'a> {
    fn lut(&self) -> &'a Lut<Metered> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => resume_unwind(Box::new(Spent)),
        }
        self.lut
    }
}

struct Spent;

/// Runs `work`, whose expressions count down one budget; `None` once it is spent.
pub(super) fn bounded<T>(work: impl FnOnce() -> T) -> Option<T> {
    // INVARIANT: nothing outlives the unwinding: `work` owns all that it changes.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(cause) if cause.is::<Spent>() => None,
        Err(cause) => resume_unwind(cause),
    }
}

/// jq's functions without those that look outside; `fromjson`, under which `tonumber` lies, reads with our own limits.
pub(super) fn functions() -> impl Iterator<Item = Fun<Metered>> {
    let known = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    known.map(|(name, arguments, native): Fun<Metered>| match name {
        "fromjson" => run((name, v(0), |cv| bome(from_json(&cv.1)))),
        // Definitions of the library lean on it; by name nobody gets at it.
        "range" => (name, arguments, native),
        _ if FORBIDDEN.contains(&name) => {
            run((name, arguments, |_| bome(Err(Error::str("this function is not there")))))
        }
        _ => (name, arguments, native),
    })
}

fn from_json(text: &Val) -> Result<Val, Error<Val>> {
    super::string(text)
        .and_then(|text| super::parse(&text))
        .ok_or_else(|| Error::str("it cannot be read as JSON"))
}
