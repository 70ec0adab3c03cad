//! Changing where an order goes, or where a customer lives.

use super::{Arguments, Case, Refusal};
use crate::manifest::ADDRESS_KEYS;
use crate::shop::{Change, Shop, Table};
use crate::value::{Record, Value};

pub(super) fn of_order(shop: &Shop, arguments: &Arguments<'_>) -> Result<Vec<Change>, Refusal> {
    let mut case = Case::open(shop, arguments, "pending", "non-pending order cannot be modified")?;
    case.order.set("address", address(arguments));
    Ok(case.close())
}

pub(super) fn of_user(shop: &Shop, arguments: &Arguments<'_>) -> Result<Vec<Change>, Refusal> {
    let id = arguments.text("user_id");
    let mut record = shop.user(id).ok_or("user not found")?.clone();
    record.set("address", address(arguments));
    Ok(vec![Change { table: Table::Users, id: id.to_owned(), record }])
}

fn address(arguments: &Arguments<'_>) -> Value {
    let keys = ADDRESS_KEYS.iter();
    Value::Record(
        keys.fold(Record::new(), |address, key| address.with(key, Value::text(arguments.text(key)))),
    )
}
