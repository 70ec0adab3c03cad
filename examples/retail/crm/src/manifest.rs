//! Names, parameters and descriptions of the sixteen tools, as data.
//!
//! Names and parameters are those of the retail domain of tau-bench (see NOTICE); the descriptions are ours. From this one
//! table come the list that MCP clients see, the check of arguments, and the manifest that a workspace pins.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// One of these texts. Other texts are a matter for the tool, not for the check of arguments.
    OneOf(&'static [&'static str]),
}

/// One parameter. All are required.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What it is, for the caller.
    pub description: &'static str,
}

/// What a tool does to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Read,
    /// Nothing, but it must not be forgotten: written to the ledger as a note.
    Note,
    /// Changes records.
    Write,
}

/// One tool.
#[derive(Clone, Copy, Debug)]
pub struct ToolSpec {
    /// Its name.
    pub name: &'static str,
    /// What it does to the data.
    pub effect: Effect,
    /// What it does, for the caller.
    pub description: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
}

/// The reasons for which a pending order may be cancelled.
pub const CANCEL_REASONS: [&str; 2] = ["no longer needed", "ordered by mistake"];

/// The keys of an address, in the order in which they are stored.
pub const ADDRESS_KEYS: [&str; 6] = ["address1", "address2", "city", "state", "country", "zip"];

const fn text(name: &'static str, description: &'static str) -> Parameter {
    Parameter { name, takes: Takes::Text, description }
}

const fn texts(name: &'static str, description: &'static str) -> Parameter {
    Parameter { name, takes: Takes::Texts, description }
}

const ORDER_ID: Parameter = text("order_id", "The order, with its leading `#`: `#W1000001`.");
const USER_ID: Parameter = text("user_id", "The customer's id: `nora_lind_1042`.");
const ADDRESS_1: Parameter = text("address1", "Street and number.");
const ADDRESS_2: Parameter = text("address2", "Flat, suite or floor; empty where there is none.");
const CITY: Parameter = text("city", "City.");
const STATE: Parameter = text("state", "State, two letters: `VT`.");
const COUNTRY: Parameter = text("country", "Country: `USA`.");
const ZIP: Parameter = text("zip", "Postal code.");

/// All tools, by name.
pub const TOOLS: [ToolSpec; 16] = [
    ToolSpec {
        name: "calculate",
        effect: Effect::Read,
        description: "Works out a sum and answers with its value, rounded to two decimals.",
        parameters: &[text("expression", "Numbers, `+ - * /`, brackets and blanks: `(12.50 + 3) * 2`.")],
    },
    ToolSpec {
        name: "cancel_pending_order",
        effect: Effect::Write,
        description: "Cancels an order that is still pending and refunds every payment to where it came from: to a gift \
                      card at once, to anything else within a week. Answers with the order.",
        parameters: &[
            ORDER_ID,
            Parameter {
                name: "reason",
                takes: Takes::OneOf(&CANCEL_REASONS),
                description: "Why the customer cancels.",
            },
        ],
    },
    ToolSpec {
        name: "exchange_delivered_order_items",
        effect: Effect::Write,
        description: "Requests the exchange of items of a delivered order for other variants of the same products. An \
                      order can be exchanged or returned once. Answers with the order.",
        parameters: &[
            ORDER_ID,
            texts("item_ids", "The items to give back; an item that was bought twice may stand twice."),
            texts("new_item_ids", "The variants to send instead, in the same order as the items."),
            text("payment_method_id", "The customer's payment method that settles the difference in price."),
        ],
    },
    ToolSpec {
        name: "find_user_id_by_email",
        effect: Effect::Read,
        description: "Finds a customer by e-mail address and answers with the customer's id.",
        parameters: &[text("email", "The e-mail address, in any case.")],
    },
    ToolSpec {
        name: "find_user_id_by_name_zip",
        effect: Effect::Read,
        description: "Finds a customer by name and postal code and answers with the customer's id. For customers who do \
                      not remember their e-mail address.",
        parameters: &[
            text("first_name", "First name, in any case."),
            text("last_name", "Last name, in any case."),
            text("zip", "Postal code of the customer's own address."),
        ],
    },
    ToolSpec {
        name: "get_order_details",
        effect: Effect::Read,
        description: "Answers with an order: items, status, payments, address.",
        parameters: &[ORDER_ID],
    },
    ToolSpec {
        name: "get_product_details",
        effect: Effect::Read,
        description: "Answers with a product and its variants: options, price, whether they are in stock.",
        parameters: &[text("product_id", "The product's id, which is not the id of an item.")],
    },
    ToolSpec {
        name: "get_user_details",
        effect: Effect::Read,
        description: "Answers with a customer: address, payment methods, orders.",
        parameters: &[USER_ID],
    },
    ToolSpec {
        name: "list_all_product_types",
        effect: Effect::Read,
        description: "Answers with all product names and their product ids.",
        parameters: &[],
    },
    ToolSpec {
        name: "modify_pending_order_address",
        effect: Effect::Write,
        description: "Changes where a pending order is sent. Answers with the order.",
        parameters: &[ORDER_ID, ADDRESS_1, ADDRESS_2, CITY, STATE, COUNTRY, ZIP],
    },
    ToolSpec {
        name: "modify_pending_order_items",
        effect: Effect::Write,
        description: "Replaces items of a pending order by other variants of the same products and settles the \
                      difference in price. Once per order; afterwards it cannot be cancelled. Answers with the order.",
        parameters: &[
            ORDER_ID,
            texts("item_ids", "The items to replace; an item that was bought twice may stand twice."),
            texts("new_item_ids", "The variants to send instead, in the same order as the items."),
            text("payment_method_id", "The customer's payment method that settles the difference in price."),
        ],
    },
    ToolSpec {
        name: "modify_pending_order_payment",
        effect: Effect::Write,
        description: "Pays a pending order by another payment method and refunds the first one. Answers with the order.",
        parameters: &[
            ORDER_ID,
            text("payment_method_id", "The customer's payment method that pays from now on."),
        ],
    },
    ToolSpec {
        name: "modify_user_address",
        effect: Effect::Write,
        description: "Changes a customer's own address. Orders that were placed keep theirs. Answers with the customer.",
        parameters: &[USER_ID, ADDRESS_1, ADDRESS_2, CITY, STATE, COUNTRY, ZIP],
    },
    ToolSpec {
        name: "return_delivered_order_items",
        effect: Effect::Write,
        description: "Requests the return of items of a delivered order. The refund goes to the payment method of the \
                      order or to a gift card. Answers with the order.",
        parameters: &[
            ORDER_ID,
            texts("item_ids", "The items to give back; an item that was bought twice may stand twice."),
            text("payment_method_id", "The order's own payment method, or a gift card of the customer."),
        ],
    },
    ToolSpec {
        name: "think",
        effect: Effect::Read,
        description: "Takes a thought and answers with an empty text.",
        parameters: &[text("thought", "The thought.")],
    },
    ToolSpec {
        name: "transfer_to_human_agents",
        effect: Effect::Note,
        description: "Hands the customer over to a person, with a summary of the matter.",
        parameters: &[text("summary", "What the person should know.")],
    },
];

impl ToolSpec {
    /// The tool of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TOOLS.iter().find(|tool| tool.name == name)
    }

    /// The JSON Schema of the arguments. Keys are put in by name, so that the text is the same whether or not maps sort.
    pub fn input_schema(&self) -> Map<String, Json> {
        let schemas: BTreeMap<&str, Json> = self.parameters.iter().map(|p| (p.name, p.schema())).collect();
        let properties: Map<String, Json> =
            schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
        let required: Vec<&str> = self.parameters.iter().map(|parameter| parameter.name).collect();
        let mut schema = Map::new();
        schema.insert("additionalProperties".to_owned(), json!(false));
        schema.insert("properties".to_owned(), Json::Object(properties));
        schema.insert("required".to_owned(), json!(required));
        schema.insert("type".to_owned(), json!("object"));
        schema
    }
}

impl Parameter {
    fn schema(&self) -> Json {
        match self.takes {
            Takes::Text => json!({"description": self.description, "type": "string"}),
            Takes::Texts => {
                json!({"description": self.description, "items": {"type": "string"}, "type": "array"})
            }
            Takes::OneOf(choices) => {
                json!({"description": self.description, "enum": choices, "type": "string"})
            }
        }
    }
}

/// The list of tools as an MCP client sees it: what a workspace pins.
pub fn manifest() -> Json {
    let tool = |tool: &ToolSpec| {
        json!({
            "description": tool.description,
            "inputSchema": tool.input_schema(),
            "name": tool.name,
        })
    };
    TOOLS.iter().map(tool).collect()
}
