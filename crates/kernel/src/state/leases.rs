//! Who works on a dispatched run.

use super::{Table, runs};
use crate::event::Entry;
use crate::id::RunId;
use crate::lease::{Dispatch, Stand, YieldWhy};

fn change(table: &mut dyn Table, run: &RunId, change: impl FnOnce(&mut Dispatch, bool)) {
    runs::change(table, run, |run| {
        let waits = !run.waits.is_empty();
        if let Some(dispatch) = &mut run.dispatch {
            change(dispatch, waits);
        }
    });
}

pub(super) fn dispatched(table: &mut dyn Table, run: &RunId, attempt: u64) {
    change(table, run, |dispatch, _| {
        dispatch.attempt = attempt;
        dispatch.stand = Stand::Working;
    });
}

pub(super) fn yielded(table: &mut dyn Table, entry: &Entry, run: &RunId, why: YieldWhy, tries: u32) {
    change(table, run, |dispatch, waits| {
        dispatch.tries = tries;
        dispatch.stand = match why {
            YieldWhy::Waiting if waits => Stand::Waiting,
            YieldWhy::Failed => Stand::Retrying,
            YieldWhy::Waiting | YieldWhy::Lapsed | YieldWhy::Released => Stand::Ready,
        };
        if let Some(error) = entry.commits.get("error") {
            dispatch.error = Some(*error);
        }
    });
}

/// The pause after a failed attempt is over.
pub(super) fn again(table: &mut dyn Table, run: &RunId) {
    change(table, run, |dispatch, _| {
        if dispatch.stand == Stand::Retrying {
            dispatch.stand = Stand::Ready;
        }
    });
}
