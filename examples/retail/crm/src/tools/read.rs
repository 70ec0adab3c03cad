//! The tools that only look.

use super::{Arguments, Refusal, text_of};
use crate::python;
use crate::shop::Shop;
use crate::value::{Record, Value};

pub(super) fn user_by_email(shop: &Shop, arguments: &Arguments<'_>) -> Result<String, Refusal> {
    let email = arguments.text("email").to_lowercase();
    find_user(shop, |user| text_of(user, "email").to_lowercase() == email)
}

pub(super) fn user_by_name(shop: &Shop, arguments: &Arguments<'_>) -> Result<String, Refusal> {
    let (first, last) =
        (arguments.text("first_name").to_lowercase(), arguments.text("last_name").to_lowercase());
    let zip = arguments.text("zip");
    find_user(shop, |user| {
        let (Some(name), Some(address)) = (user.record("name"), user.record("address")) else { return false };
        text_of(name, "first_name").to_lowercase() == first
            && text_of(name, "last_name").to_lowercase() == last
            && address.text("zip") == Some(zip)
    })
}

fn find_user(shop: &Shop, matches: impl Fn(&Record) -> bool) -> Result<String, Refusal> {
    let found = shop.users().find(|(_, user)| matches(user));
    found.map(|(id, _)| id.to_owned()).ok_or("user not found".into())
}

pub(super) fn order(shop: &Shop, arguments: &Arguments<'_>) -> Result<String, Refusal> {
    shop.order(arguments.text("order_id")).map(python::answer).ok_or("order not found".into())
}

pub(super) fn product(shop: &Shop, arguments: &Arguments<'_>) -> Result<String, Refusal> {
    shop.product(arguments.text("product_id")).map(python::answer).ok_or("product not found".into())
}

pub(super) fn user(shop: &Shop, arguments: &Arguments<'_>) -> Result<String, Refusal> {
    shop.user(arguments.text("user_id")).map(python::answer).ok_or("user not found".into())
}

/// Names to product ids, sorted by name.
pub(super) fn product_types(shop: &Shop) -> String {
    let mut types: Vec<_> = shop
        .products()
        .values()
        .map(|product| (text_of(product, "name"), text_of(product, "product_id")))
        .collect();
    types.sort_unstable();
    let mut list = Record::new();
    for (name, id) in types {
        list.set(name, Value::text(id));
    }
    python::answer(&list)
}
