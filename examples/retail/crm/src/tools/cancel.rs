//! Cancelling a pending order.

use super::{Arguments, Case, Payment, Refusal};
use crate::manifest::CANCEL_REASONS;
use crate::shop::{Change, Shop};
use crate::value::Value;

pub(super) fn cancel(shop: &Shop, arguments: &Arguments<'_>) -> Result<Vec<Change>, Refusal> {
    let mut case = Case::open(shop, arguments, "pending", "non-pending order cannot be cancelled")?;
    let reason = arguments.text("reason");
    if !CANCEL_REASONS.contains(&reason) {
        return Err("invalid reason".into());
    }
    // A habit of the old system that callers must know: it refunds every line of the payments, refunds among them. An order
    // whose payment method was changed before is refunded more than was paid.
    for line in case.payments() {
        case.book(&Payment::refund(line.amount, &line.method));
        case.credit(&line.method, line.amount);
    }
    case.order.set("status", Value::text("cancelled"));
    case.order.set("cancel_reason", Value::text(reason));
    // Keys stand in the order in which the old system sets them: `cancel_reason` comes last, payments stay in their place.
    Ok(case.close())
}
