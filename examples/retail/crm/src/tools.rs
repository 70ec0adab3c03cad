//! What each tool does: a pure function of the shop and the arguments.
//!
//! The order of the checks decides which error is answered, so it is part of the behaviour: it follows the recorded
//! answers of the domain (see NOTICE). Nothing here writes; the caller puts the changes into the ledger first.

mod address;
mod arguments; // a call's arguments, checked against the table of tools
mod cancel;
mod items; // return, exchange and replacement of items
mod payment;
mod read;

use serde_json::{Map, Value as Json};

pub use arguments::{Arguments, ArgumentsError};

use crate::calculate;
use crate::manifest::ToolSpec;
use crate::python;
use crate::shop::{Change, Shop, Table};
use crate::value::{Number, Record, Value};

/// The system's own refusal: what the caller reads after `Error: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(String);

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// What a call answers and changes.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The text of the answer.
    pub text: String,
    /// The system refused: the text starts with `Error: ` and nothing changes.
    pub refused: bool,
    /// The records as they are afterwards. The first is the one that is answered.
    pub changes: Vec<Change>,
}

/// Works out what a call does.
pub fn perform(
    shop: &Shop,
    tool: &ToolSpec,
    arguments: &Map<String, Json>,
) -> Result<Outcome, ArgumentsError> {
    let arguments = Arguments::check(tool, arguments)?;
    let result = match tool.name {
        "calculate" => calculate::calculate(arguments.text("expression"))
            .map(said)
            .map_err(|error| Refusal(error.to_string())),
        "find_user_id_by_email" => read::user_by_email(shop, &arguments).map(said),
        "find_user_id_by_name_zip" => read::user_by_name(shop, &arguments).map(said),
        "get_order_details" => read::order(shop, &arguments).map(said),
        "get_product_details" => read::product(shop, &arguments).map(said),
        "get_user_details" => read::user(shop, &arguments).map(said),
        "list_all_product_types" => Ok(said(read::product_types(shop))),
        "think" => Ok(said(String::new())),
        "transfer_to_human_agents" => Ok(said("Transfer successful".to_owned())),
        "cancel_pending_order" => cancel::cancel(shop, &arguments).map(changed),
        "return_delivered_order_items" => items::give_back(shop, &arguments).map(changed),
        "exchange_delivered_order_items" => items::exchange(shop, &arguments).map(changed),
        "modify_pending_order_items" => items::replace(shop, &arguments).map(changed),
        "modify_pending_order_payment" => payment::pay_otherwise(shop, &arguments).map(changed),
        "modify_pending_order_address" => address::of_order(shop, &arguments).map(changed),
        "modify_user_address" => address::of_user(shop, &arguments).map(changed),
        other => return Err(ArgumentsError::UnknownTool { tool: other.to_owned() }),
    };
    Ok(result.unwrap_or_else(|Refusal(text)| Outcome {
        text: format!("Error: {text}"),
        refused: true,
        changes: Vec::new(),
    }))
}

fn said(text: String) -> Outcome {
    Outcome { text, refused: false, changes: Vec::new() }
}

fn changed(changes: Vec<Change>) -> Outcome {
    let text = changes.first().map(|change| python::answer(&change.record)).unwrap_or_default();
    Outcome { text, refused: false, changes }
}

/// An order in hand, with its user: copies that a tool changes and gives back.
struct Case {
    order_id: String,
    order: Record,
    user_id: String,
    user: Record,
    user_touched: bool,
}

impl Case {
    /// Takes an order out, if it is in the state that the tool wants.
    fn open(shop: &Shop, arguments: &Arguments<'_>, status: &str, otherwise: &str) -> Result<Self, Refusal> {
        let order_id = arguments.text("order_id");
        let order = shop.order(order_id).ok_or("order not found")?;
        if order.text("status") != Some(status) {
            return Err(otherwise.into());
        }
        let user_id = text_of(order, "user_id").to_owned();
        let user = shop.user(&user_id).expect("an order's user was checked when the data was loaded").clone();
        Ok(Self { order_id: order_id.to_owned(), order: order.clone(), user_id, user, user_touched: false })
    }

    fn method(&self, id: &str) -> Option<&Record> {
        self.user.record("payment_methods")?.get(id)?.as_record()
    }

    /// The balance of a payment method, if it is a gift card.
    fn balance(&self, id: &str) -> Option<Number> {
        self.method(id).filter(|method| method.text("source") == Some("gift_card"))?.number("balance")
    }

    /// Adds to a gift card; nothing happens to other methods, which settle outside of the system.
    fn credit(&mut self, method: &str, amount: Number) {
        let Some(balance) = self.balance(method) else { return };
        let Some(Value::Record(methods)) = self.user.get_mut("payment_methods") else { return };
        let Some(Value::Record(card)) = methods.get_mut(method) else { return };
        card.set("balance", Value::Number(balance.plus(amount).rounded()));
        self.user_touched = true;
    }

    fn debit(&mut self, method: &str, amount: Number) {
        self.credit(method, Number::Whole(0).minus(amount));
    }

    fn payments(&self) -> Vec<Payment> {
        let list = self.order.list("payment_history").unwrap_or_default();
        list.iter().filter_map(Value::as_record).map(Payment::read).collect()
    }

    fn book(&mut self, payment: &Payment) {
        if let Some(Value::List(history)) = self.order.get_mut("payment_history") {
            history.push(Value::Record(payment.write()));
        }
    }

    fn close(self) -> Vec<Change> {
        let order = Change { table: Table::Orders, id: self.order_id, record: self.order };
        let user = Change { table: Table::Users, id: self.user_id, record: self.user };
        if self.user_touched { vec![order, user] } else { vec![order] }
    }
}

/// One line of an order's payments.
#[derive(Clone, Debug)]
struct Payment {
    kind: String,
    amount: Number,
    method: String,
}

impl Payment {
    fn of(amount: Number, method: &str) -> Self {
        Self { kind: "payment".to_owned(), amount, method: method.to_owned() }
    }

    fn refund(amount: Number, method: &str) -> Self {
        Self { kind: "refund".to_owned(), amount, method: method.to_owned() }
    }

    fn read(record: &Record) -> Self {
        Self {
            kind: text_of(record, "transaction_type").to_owned(),
            amount: number_of(record, "amount"),
            method: text_of(record, "payment_method_id").to_owned(),
        }
    }

    fn write(&self) -> Record {
        Record::new()
            .with("transaction_type", Value::text(&self.kind))
            .with("amount", Value::Number(self.amount))
            .with("payment_method_id", Value::text(&self.method))
    }
}

fn text_of<'a>(record: &'a Record, key: &str) -> &'a str {
    record.text(key).expect("texts that tools use were checked when the data was loaded")
}

fn number_of(record: &Record, key: &str) -> Number {
    record.number(key).expect("numbers that tools use were checked when the data was loaded")
}
