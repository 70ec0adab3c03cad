//! When the server is killed: every K-th call, in one of four windows, drawn from a seed.

use std::collections::BTreeMap;
use std::fmt;

/// Between which two steps of a call the server dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Window {
    /// The request has arrived in part: nothing is recorded.
    BeforeIntent,
    /// The intent is durable, the call has left the server and never reaches the CRM.
    IntentToSend,
    /// The CRM has committed and answered; the server never sees the answer.
    CommittedToRecord,
    /// The outcome is recorded; the agent never sees the answer.
    BeforeReply,
}

impl Window {
    pub(crate) const ALL: [Self; 4] =
        [Self::BeforeIntent, Self::IntentToSend, Self::CommittedToRecord, Self::BeforeReply];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BeforeIntent => "before_intent",
            Self::IntentToSend => "intent_to_send",
            Self::CommittedToRecord => "committed_to_record",
            Self::BeforeReply => "before_reply",
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Draws windows, and counts those in which the server really died.
#[derive(Debug)]
pub(crate) struct Plan {
    every: Option<u64>,
    state: u64,
    calls: u64,
    done: BTreeMap<Window, u64>,
}

impl Plan {
    pub(crate) fn new(every: Option<u64>, seed: u64) -> Self {
        Self { every, state: seed, calls: 0, done: Window::ALL.iter().map(|window| (*window, 0)).collect() }
    }

    /// The window of the next call, if it is one in which the server dies.
    pub(crate) fn next(&mut self) -> Option<Window> {
        self.calls += 1;
        let every = self.every?;
        self.calls.is_multiple_of(every).then(|| {
            let index = usize::try_from(self.draw() % 4).expect("below four");
            Window::ALL[index]
        })
    }

    pub(crate) fn count(&mut self, window: Window) {
        *self.done.entry(window).or_default() += 1;
    }

    pub(crate) fn crashes(&self) -> u64 {
        self.done.values().sum()
    }

    pub(crate) fn windows(&self) -> BTreeMap<&'static str, u64> {
        self.done.iter().map(|(window, count)| (window.name(), *count)).collect()
    }

    /// SplitMix64: enough to spread windows, and the same on every machine.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64) -> Vec<Option<Window>> {
        let mut plan = Plan::new(Some(3), seed);
        (0..120).map(|_| plan.next()).collect()
    }

    #[test]
    fn a_seed_gives_the_same_windows_again_and_hits_all_four() {
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        let windows = drawn(7);
        assert_eq!(windows.iter().flatten().count(), 40);
        assert!(Window::ALL.iter().all(|window| windows.contains(&Some(*window))));
        assert!(windows.iter().enumerate().all(|(i, w)| w.is_some() == ((i + 1) % 3 == 0)));
    }

    #[test]
    fn without_a_number_nothing_dies() {
        let mut plan = Plan::new(None, 1);
        assert_eq!((0..100).filter_map(|_| plan.next()).count(), 0);
    }
}
