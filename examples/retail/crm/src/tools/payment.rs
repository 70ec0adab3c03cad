//! Paying a pending order by another payment method.

use super::{Arguments, Case, Payment, Refusal};
use crate::shop::{Change, Shop};

pub(super) fn pay_otherwise(shop: &Shop, arguments: &Arguments<'_>) -> Result<Vec<Change>, Refusal> {
    let mut case = Case::open(shop, arguments, "pending", "non-pending order cannot be modified")?;
    let method = arguments.text("payment_method_id");
    case.method(method).ok_or("payment method not found")?;
    let payments = case.payments();
    let [first] = payments.as_slice() else {
        return Err("there should be exactly one payment for a pending order".into());
    };
    if first.kind != "payment" {
        return Err("there should be exactly one payment for a pending order".into());
    }
    if first.method == method {
        return Err("the new payment method should be different from the current one".into());
    }
    if case.balance(method).is_some_and(|balance| balance.as_f64() < first.amount.as_f64()) {
        return Err("insufficient gift card balance to pay for the order".into());
    }
    case.book(&Payment::of(first.amount, method));
    case.book(&Payment::refund(first.amount, &first.method));
    case.debit(method, first.amount);
    case.credit(&first.method, first.amount);
    Ok(case.close())
}
