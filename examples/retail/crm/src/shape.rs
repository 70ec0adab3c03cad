//! What records must look like before anybody trusts them: checked once, when the data is loaded.
//!
//! Only what the tools rely on is checked. Other keys are kept and given back as they are.

use crate::shop::{Shop, ShopError};
use crate::value::{Record, Value};

type Checked = Result<(), String>;

/// Checks every record of a shop.
pub(crate) fn check(shop: &Shop) -> Result<(), ShopError> {
    for (id, record) in shop.products() {
        product(record).map_err(|problem| ShopError::Shape { table: "product", id: id.clone(), problem })?;
    }
    for (id, record) in shop.users() {
        user(record).map_err(|problem| ShopError::Shape { table: "user", id: id.to_owned(), problem })?;
    }
    for (id, record) in shop.orders() {
        order(shop, record).map_err(|problem| ShopError::Shape {
            table: "order",
            id: id.clone(),
            problem,
        })?;
    }
    Ok(())
}

fn product(product: &Record) -> Checked {
    texts(product, &["name", "product_id"])?;
    for (id, variant) in record(product, "variants")?.iter() {
        let variant = variant.as_record().ok_or_else(|| format!("variant `{id}` is not an object"))?;
        number(variant, "price")?;
        record(variant, "options")?;
        if !matches!(variant.get("available"), Some(Value::Bool(_))) {
            return Err(format!("variant `{id}` does not say whether it is `available`"));
        }
    }
    Ok(())
}

fn user(user: &Record) -> Checked {
    texts(user, &["email"])?;
    texts(record(user, "name")?, &["first_name", "last_name"])?;
    texts(record(user, "address")?, &["zip"])?;
    for (id, method) in record(user, "payment_methods")?.iter() {
        let method = method.as_record().ok_or_else(|| format!("payment method `{id}` is not an object"))?;
        texts(method, &["source"])?;
        let by_source = method.text("source") == Some("gift_card");
        if by_source != id.contains("gift_card") {
            return Err(format!("payment method `{id}`: id and `source` disagree about being a gift card"));
        }
        if by_source {
            number(method, "balance")?;
        }
    }
    Ok(())
}

fn order(shop: &Shop, order: &Record) -> Checked {
    texts(order, &["order_id", "user_id", "status"])?;
    record(order, "address")?;
    let user = order.text("user_id").and_then(|id| shop.user(id)).ok_or("its `user_id` is no user")?;
    for item in records(order, "items")? {
        texts(item, &["item_id", "product_id"])?;
        number(item, "price")?;
        item.text("product_id")
            .and_then(|id| shop.product(id))
            .ok_or("an item's `product_id` is no product")?;
    }
    let payments = records(order, "payment_history")?;
    if payments.is_empty() {
        return Err("`payment_history` is empty".to_owned());
    }
    for payment in payments {
        texts(payment, &["transaction_type", "payment_method_id"])?;
        number(payment, "amount")?;
        let method = payment.text("payment_method_id").unwrap_or_default();
        if method.contains("gift_card") && record(user, "payment_methods")?.get(method).is_none() {
            return Err(format!("its user does not have the gift card `{method}`"));
        }
    }
    Ok(())
}

fn texts(within: &Record, keys: &[&str]) -> Checked {
    let missing = keys.iter().find(|key| within.text(key).is_none());
    missing.map_or(Ok(()), |key| Err(format!("`{key}` is not a text")))
}

fn number(within: &Record, key: &str) -> Checked {
    within.number(key).map(|_| ()).ok_or_else(|| format!("`{key}` is not a number"))
}

fn record<'a>(within: &'a Record, key: &str) -> Result<&'a Record, String> {
    within.record(key).ok_or_else(|| format!("`{key}` is not an object"))
}

fn records<'a>(within: &'a Record, key: &str) -> Result<Vec<&'a Record>, String> {
    let list = within.list(key).ok_or_else(|| format!("`{key}` is not a list"))?;
    list.iter()
        .map(|item| item.as_record().ok_or_else(|| format!("`{key}` holds something other than objects")))
        .collect()
}
