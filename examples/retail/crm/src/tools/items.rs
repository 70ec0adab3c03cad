//! Items that go back, are exchanged, or are replaced before they were sent.

use super::{Arguments, Case, Payment, Refusal, number_of, text_of};
use crate::shop::{Change, Shop};
use crate::value::{Number, Record, Value};

pub(super) fn give_back(shop: &Shop, arguments: &Arguments<'_>) -> Result<Vec<Change>, Refusal> {
    let mut case = Case::open(shop, arguments, "delivered", "non-delivered order cannot be returned")?;
    let method = arguments.text("payment_method_id");
    case.method(method).ok_or("payment method not found")?;
    let paid_by = case.payments().first().map(|payment| payment.method.clone());
    if !method.contains("gift_card") && paid_by.as_deref() != Some(method) {
        return Err("payment method should be either the original payment method or a gift card".into());
    }
    let items = arguments.texts("item_ids");
    if not_in_order(&case, &items).is_some() {
        return Err("some item not found".into());
    }
    case.order.set("status", Value::text("return requested"));
    case.order.set("return_items", sorted(&items));
    case.order.set("return_payment_method_id", Value::text(method));
    Ok(case.close())
}

pub(super) fn exchange(shop: &Shop, arguments: &Arguments<'_>) -> Result<Vec<Change>, Refusal> {
    let mut case = Case::open(shop, arguments, "delivered", "non-delivered order cannot be exchanged")?;
    let (items, new_items) = (arguments.texts("item_ids"), arguments.texts("new_item_ids"));
    let swap = Swap::plan(shop, &case, &items, &new_items)?;
    let difference = swap.difference.rounded();
    let method = arguments.text("payment_method_id");
    afford(&case, method, difference, "price difference")?;
    case.order.set("status", Value::text("exchange requested"));
    case.order.set("exchange_items", sorted(&items));
    case.order.set("exchange_new_items", sorted(&new_items));
    case.order.set("exchange_payment_method_id", Value::text(method));
    case.order.set("exchange_price_difference", Value::Number(difference));
    Ok(case.close())
}

pub(super) fn replace(shop: &Shop, arguments: &Arguments<'_>) -> Result<Vec<Change>, Refusal> {
    let mut case = Case::open(shop, arguments, "pending", "non-pending order cannot be modified")?;
    let (items, new_items) = (arguments.texts("item_ids"), arguments.texts("new_item_ids"));
    let swap = Swap::plan(shop, &case, &items, &new_items)?;
    let method = arguments.text("payment_method_id");
    // Unlike the exchange, the old system does not round here: it books amounts such as 0.04999999999999716.
    let difference = swap.difference;
    afford(&case, method, difference, "new item")?;
    let amount = difference.absolute();
    let charged = difference.as_f64() > 0.0;
    case.book(&if charged { Payment::of(amount, method) } else { Payment::refund(amount, method) });
    case.debit(method, difference);
    for ((item, new_item), variant) in items.iter().zip(&new_items).zip(&swap.variants) {
        if let Some(place) = item_mut(&mut case.order, item) {
            place.set("item_id", Value::text(*new_item));
            for key in ["price", "options"] {
                place.set(key, variant.get(key).cloned().unwrap_or(Value::Null));
            }
        }
    }
    case.order.set("status", Value::text("pending (item modified)"));
    Ok(case.close())
}

/// Items and the variants that take their place.
struct Swap<'a> {
    variants: Vec<&'a Record>,
    difference: Number,
}

impl<'a> Swap<'a> {
    fn plan(shop: &'a Shop, case: &Case, items: &[&str], new_items: &[&str]) -> Result<Self, Refusal> {
        if let Some(item) = not_in_order(case, items) {
            return Err(Refusal(format!("{item} not found")));
        }
        if items.len() != new_items.len() {
            return Err("the number of items to be exchanged should match".into());
        }
        let mut swap = Self { variants: Vec::new(), difference: Number::Whole(0) };
        for (item, new_item) in items.iter().zip(new_items) {
            let old = case_items(case).find(|old| text_of(old, "item_id") == *item);
            let old = old.expect("that all items are in the order was checked above");
            let product = shop.product(text_of(old, "product_id"));
            let variant = product.and_then(|product| product.record("variants")?.get(new_item)?.as_record());
            let available = variant.filter(|v| matches!(v.get("available"), Some(Value::Bool(true))));
            let variant =
                available.ok_or_else(|| Refusal(format!("new item {new_item} not found or available")))?;
            // Summed pair by pair, as floats: another order gives other last digits.
            let step = number_of(variant, "price").minus(number_of(old, "price"));
            swap.difference = swap.difference.plus(step);
            swap.variants.push(variant);
        }
        Ok(swap)
    }
}

fn afford(case: &Case, method: &str, amount: Number, what: &str) -> Result<(), Refusal> {
    case.method(method).ok_or("payment method not found")?;
    if case.balance(method).is_some_and(|balance| balance.as_f64() < amount.as_f64()) {
        return Err(Refusal(format!("insufficient gift card balance to pay for the {what}")));
    }
    Ok(())
}

fn case_items(case: &Case) -> impl Iterator<Item = &Record> {
    case.order.list("items").unwrap_or_default().iter().filter_map(Value::as_record)
}

fn item_mut<'a>(order: &'a mut Record, item_id: &str) -> Option<&'a mut Record> {
    let Some(Value::List(items)) = order.get_mut("items") else { return None };
    let records = items.iter_mut().filter_map(|item| match item {
        Value::Record(record) => Some(record),
        _ => None,
    });
    let mut records = records;
    records.find(|record| record.text("item_id") == Some(item_id))
}

/// The first item that is asked for more often than the order holds it.
fn not_in_order<'a>(case: &Case, items: &[&'a str]) -> Option<&'a str> {
    let held = |id: &str| case_items(case).filter(|item| text_of(item, "item_id") == id).count();
    let asked = |id: &str| items.iter().filter(|item| **item == id).count();
    items.iter().copied().find(|item| asked(item) > held(item))
}

fn sorted(items: &[&str]) -> Value {
    let mut items = items.to_vec();
    items.sort_unstable();
    Value::List(items.into_iter().map(Value::text).collect())
}
