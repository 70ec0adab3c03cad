//! Counters: the form in the file to what the judge counts with.

use std::collections::BTreeMap;

use kernel::id::{Role, ToolId};

use super::Work;
use crate::counter::{Amount, Counter, Per, Window};
use crate::files::{AmountFile, CounterFile};
use crate::problem::line_with;
use crate::tool::ToolSpec;

const AMOUNT_HINT: &str = "a whole number from 1, or `facts.NAME` of a fact that is money or an integer";

impl Work<'_> {
    pub(super) fn counters(
        &mut self,
        file: &str,
        counted: &BTreeMap<String, CounterFile>,
        specs: &BTreeMap<ToolId, ToolSpec>,
    ) -> Vec<Counter> {
        let mut counters = Vec::new();
        for (name, form) in counted {
            let line = line_with(&self.files[file], &format!("[counters.{name}]"));
            if self.slug::<Role>(file, line, name).is_none() {
                continue;
            }
            let mut fail = |code: &str, message: String, hint: &str| {
                self.problems.error(file, line, code, message, hint);
            };
            let amount = match &form.amount {
                // What lowers a count could be used to make room.
                AmountFile::Number(amount @ 1..) => Amount::Fixed(*amount),
                AmountFile::Number(amount) => {
                    fail("counter_amount", format!("`{amount}` is not an amount"), AMOUNT_HINT);
                    continue;
                }
                AmountFile::Fact(text) => {
                    let Some(fact) = text.strip_prefix("facts.") else {
                        fail("counter_amount", format!("`{text}` is not an amount"), AMOUNT_HINT);
                        continue;
                    };
                    Amount::Fact(fact.to_owned())
                }
            };
            let per = match form.per.as_str() {
                "workspace" => Per::Workspace,
                "agent" => Per::Agent,
                "run" => Per::Run,
                "on_behalf_of" => Per::OnBehalfOf,
                other => {
                    fail(
                        "counter_per",
                        format!("`{other}` is nobody to count for"),
                        "workspace, agent, run or on_behalf_of",
                    );
                    continue;
                }
            };
            let window = match form.window.as_str() {
                "hour" => Window::Hour,
                "day" => Window::Day,
                "run" => Window::Run,
                other => {
                    fail("counter_window", format!("`{other}` is not a window"), "hour, day or run");
                    continue;
                }
            };
            let mut tools = Vec::new();
            for tool in &form.tools {
                let spec = tool.parse::<ToolId>().ok().and_then(|id| specs.get(&id));
                let Some(spec) = spec else {
                    fail(
                        "tool_unknown",
                        format!("the counter `{name}` names `{tool}`, which is no pinned tool"),
                        "write `connector.tool`",
                    );
                    continue;
                };
                if let Amount::Fact(fact) = &amount {
                    match spec.facts.iter().find(|known| known.name == *fact) {
                        None => {
                            let message = format!("`{tool}` has no fact `{fact}`");
                            fail("fact_unknown", message, "declare it at the tool");
                        }
                        Some(known) if known.kind.cedar() != "Long" => {
                            fail("counter_amount", format!("`{fact}` of `{tool}` is no number"), AMOUNT_HINT);
                        }
                        Some(_) => {}
                    }
                }
                tools.push(spec.tool.id.clone());
            }
            counters.push(Counter { name: name.clone(), tools, amount, per, window });
        }
        counters
    }
}
