//! Counters: what a rule may add up over a window.

use kernel::clock::Millis;
use kernel::id::ToolId;
use kernel::judge::{CounterUse, FactFault, Question};

/// Whose count it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    Workspace,
    Agent,
    Run,
    OnBehalfOf,
}

impl Per {
    /// As the file says it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Agent => "agent",
            Self::Run => "run",
            Self::OnBehalfOf => "on_behalf_of",
        }
    }
}

impl Window {
    /// As the file says it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Run => "run",
        }
    }
}

/// Over which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Hour,
    Day,
    /// For ever, for this run.
    Run,
}

/// What is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    Fixed(i64),
    Fact(String),
}

/// A counter.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    pub(crate) name: String,
    pub(crate) tools: Vec<ToolId>,
    pub(crate) amount: Amount,
    pub(crate) per: Per,
    pub(crate) window: Window,
}

impl Counter {
    /// What this action would add, and to which count.
    pub(crate) fn used(
        &self,
        question: &Question,
        at: Millis,
        zone: &jiff::tz::TimeZone,
    ) -> Result<CounterUse, FactFault> {
        let amount = match &self.amount {
            Amount::Fixed(amount) => *amount,
            Amount::Fact(name) => {
                let fact = question.facts.iter().find(|fact| fact.name == *name).ok_or(FactFault::Absent)?;
                // What lowers a count could be used to make room.
                fact.value.as_i64().ok_or(FactFault::Invalid)?.max(0)
            }
        };
        let whose = match self.per {
            Per::Workspace => "workspace".to_owned(),
            Per::Agent => question.run.agent.to_string(),
            Per::Run => question.run.run.to_string(),
            Per::OnBehalfOf => {
                question.run.on_behalf_of.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string)
            }
        };
        let moment =
            jiff::Timestamp::from_millisecond(at.0).map_err(|_| FactFault::Invalid)?.to_zoned(zone.clone());
        let window = match self.window {
            // With the offset: an hour that comes twice in autumn is two windows.
            Window::Hour => moment.strftime("%Y-%m-%dT%H%z").to_string(),
            Window::Day => moment.strftime("%Y-%m-%d").to_string(),
            Window::Run => question.run.run.to_string(),
        };
        Ok(CounterUse { name: self.name.clone(), key: format!("{}/{whose}/{window}", self.name), amount })
    }
}
