//! How long what an agent's runs hold is kept, counted from the end of each run.
//!
//! A class is a name and a number of days. The floor is the six months for which deployers of high-risk systems keep
//! logs (Regulation (EU) 2024/1689, Article 26(6)); who goes below it says why, and that is on record.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::id::RetentionClass;

/// The class of an agent that names none.
pub const STANDARD: &str = "standard";
/// Three years: what `standard` means unless the workspace says otherwise.
pub const STANDARD_DAYS: i64 = 1_095;
/// Fewer days need a reason.
pub const FLOOR_DAYS: i64 = 183;
/// A hundred years: more is "for ever", and moments must not overflow.
pub const DAYS_MAX: i64 = 36_500;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// How long what an agent's runs hold is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The class that the agent names.
    pub class: RetentionClass,
    /// Days after the end of a run.
    pub days: i64,
}

impl Default for Retention {
    fn default() -> Self {
        let class = STANDARD.parse().expect("`standard` has the form of a name");
        Self { class, days: STANDARD_DAYS }
    }
}

impl Retention {
    /// When a run that ended then is past it.
    pub fn until(&self, ended: Millis) -> Millis {
        Millis(ended.0.saturating_add(self.days.saturating_mul(DAY_MS)))
    }
}
