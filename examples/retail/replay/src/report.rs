//! What a replay found, as JSON for machines and as lines for people.

use std::collections::BTreeMap;

use serde::Serialize;

/// The result. Names are an interface.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) conversations: u64,
    pub(crate) calls: u64,
    /// Calls whose output can be compared: nothing before them was held back.
    pub(crate) outputs_compared: u64,
    pub(crate) outputs_identical: u64,
    /// Conversations whose final state can be compared.
    pub(crate) final_states_compared: u64,
    pub(crate) final_states_equal: u64,
    /// Writes that the CRM applied.
    pub(crate) writes_ok: u64,
    /// Actions that needed a person.
    pub(crate) gated: u64,
    /// Of them: approved and confirmed by the CRM without an error of its own.
    pub(crate) gated_ok: u64,
    /// Gated actions that nobody answered and that changed nothing, by the CRM's ledger.
    pub(crate) gated_untouched: u64,
    pub(crate) approved: u64,
    pub(crate) rejected: u64,
    pub(crate) refused: u64,
    /// By the CRM's ledger.
    pub(crate) effects_duplicated: u64,
    /// By the CRM's ledger.
    pub(crate) effects_lost: u64,
    pub(crate) crashes: u64,
    pub(crate) crash_windows: BTreeMap<&'static str, u64>,
    pub(crate) seed: u64,
    pub(crate) entries: u64,
    pub(crate) verified: bool,
    pub(crate) wall_s: f64,
    /// The first differences, in words.
    pub(crate) differences: Vec<String>,
}

/// More differences than this say nothing new.
const DIFFERENCES_MAX: usize = 20;

impl Report {
    /// Notes a difference.
    pub(crate) fn differs(&mut self, text: String) {
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(text);
        }
    }

    /// Everything that can be compared is equal. After a crash an answer may come from a look-up in other words, so
    /// outputs count only without crashes.
    pub(crate) fn holds(&self) -> bool {
        self.final_states_equal == self.final_states_compared
            && self.effects_duplicated == 0
            && self.effects_lost == 0
            && self.verified
            && (self.crashes > 0 || self.outputs_identical == self.outputs_compared)
    }

    /// The summary.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("conversations      {:>6}", self.conversations),
            format!("calls              {:>6}", self.calls),
            format!("outputs identical  {:>6} of {}", self.outputs_identical, self.outputs_compared),
            format!("final states equal {:>6} of {}", self.final_states_equal, self.final_states_compared),
            format!("writes applied     {:>6}", self.writes_ok),
            format!(
                "gated              {:>6}, {} approved, {} of them succeeded, {} left untouched",
                self.gated, self.approved, self.gated_ok, self.gated_untouched
            ),
            format!("rejected, refused  {:>6}, {}", self.rejected, self.refused),
            format!("effects duplicated {:>6}", self.effects_duplicated),
            format!("effects lost       {:>6}", self.effects_lost),
        ];
        if self.crashes > 0 {
            let windows: Vec<String> =
                self.crash_windows.iter().map(|(name, count)| format!("{count} {name}")).collect();
            lines.push(format!(
                "crashes            {:>6}: {} (SEED={})",
                self.crashes,
                windows.join(", "),
                self.seed
            ));
        }
        lines.push(format!(
            "journal            {:>6} entries, {}",
            self.entries,
            if self.verified { "verified" } else { "NOT VERIFIED" }
        ));
        lines.push(format!("took               {:>6.1} s", self.wall_s));
        lines.extend(self.differences.iter().map(|text| format!("differs: {text}")));
        lines
    }
}
