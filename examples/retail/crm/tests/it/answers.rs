//! What each tool answers and changes, as stories: one call a line, `tool {arguments}`.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use serde_json::Value as Json;

use crate::stage::Stage;

/// Plays calls on a fresh shop; prints what is new in the answers: everything from `"status"` on, or the end of the text.
fn check(story: &str, expected: Expect) {
    let stage = Stage::new();
    let mut out = String::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (tool, arguments) = line.split_once(' ').unwrap();
        let arguments: Json = serde_json::from_str(arguments).unwrap();
        match stage.try_call(tool, arguments) {
            Ok(answer) => {
                let from = answer.text.find("\"status\"").unwrap_or(0);
                assert_eq!(answer.is_error, answer.text.starts_with("Error: "));
                writeln!(out, "{}", &answer.text[from..]).unwrap();
            }
            Err(error) => writeln!(out, "no: {error}").unwrap(),
        }
    }
    let changed = stage.crm.changed();
    let ids: Vec<&String> = changed.orders.keys().chain(changed.users.keys()).collect();
    writeln!(out, "changed: {ids:?}").unwrap();
    expected.assert_eq(&out);
}

#[test]
fn reads_find_records_and_change_nothing() {
    check(
        r##"
        find_user_id_by_email {"email": "ZOE.mueller@example.com"}
        find_user_id_by_email {"email": "nobody@example.com"}
        find_user_id_by_name_zip {"first_name": "ZOË", "last_name": "müller", "zip": "55802"}
        find_user_id_by_name_zip {"first_name": "Zoë", "last_name": "Müller", "zip": "55803"}
        get_user_details {"user_id": "zoe_mueller_3307"}
        get_user_details {"user_id": "x"}
        get_order_details {"order_id": "#W1000008"}
        get_order_details {"order_id": "W1000008"}
        get_product_details {"product_id": "3100000007"}
        get_product_details {"product_id": "3100700001"}
        list_all_product_types {}
        calculate {"expression": "(3 + 4) * 2.5"}
        calculate {"expression": "2 + x"}
        think {"thought": "hm"}
        transfer_to_human_agents {"summary": "a question about tax"}
        "##,
        expect![[r##"
            zoe_mueller_3307
            Error: user not found
            zoe_mueller_3307
            Error: user not found
            {"name": {"first_name": "Zo\u00eb", "last_name": "M\u00fcller"}, "address": {"address1": "9 Quarry Road", "address2": "Suite 12", "city": "Duluth", "country": "USA", "state": "MN", "zip": "55802"}, "email": "zoe.mueller@example.com", "payment_methods": {"gift_card_8200002": {"source": "gift_card", "balance": 640, "id": "gift_card_8200002"}, "credit_card_8100002": {"source": "credit_card", "brand": "mastercard", "last_four": "0937", "id": "credit_card_8100002"}}, "orders": ["#W1000006", "#W1000007", "#W1000008"]}
            Error: user not found
            "status": "processed", "payment_history": [{"transaction_type": "payment", "amount": 124.85, "payment_method_id": "gift_card_8200002"}]}
            Error: order not found
            {"name": "Board Game", "product_id": "3100000007", "variants": {"3100700001": {"item_id": "3100700001", "options": {"language": "English", "players": "2-4"}, "available": true, "price": 38.5}, "3100700002": {"item_id": "3100700002", "options": {"language": "Spanish", "players": "2-4"}, "available": true, "price": 38.5}, "3100700003": {"item_id": "3100700003", "options": {"language": "English", "players": "4-8"}, "available": true, "price": 46.15}}}
            Error: product not found
            {"Board Game": "3100000007", "Coffee Grinder": "3100000002", "Desk Lamp": "3100000001", "Folding Bike": "3100000005", "Rain Jacket": "3100000003", "Sound Bar": "3100000006", "Trail Shoes": "3100000004", "Wool Blanket": "3100000008"}
            17.5
            Error: invalid characters in expression

            Transfer successful
            changed: []
        "##]],
    );
}

#[test]
fn a_cancelled_order_is_refunded_where_it_was_paid_from() {
    check(
        r##"
        cancel_pending_order {"order_id": "#W1000001", "reason": "no longer needed"}
        cancel_pending_order {"order_id": "#W1000006", "reason": "ordered by mistake"}
        get_user_details {"user_id": "zoe_mueller_3307"}
        cancel_pending_order {"order_id": "#W1000001", "reason": "no longer needed"}
        cancel_pending_order {"order_id": "#W1000002", "reason": "no longer needed"}
        cancel_pending_order {"order_id": "#W1000005", "reason": "too expensive"}
        cancel_pending_order {"order_id": "#W9", "reason": "no longer needed"}
        "##,
        expect![[r##"
            "status": "cancelled", "payment_history": [{"transaction_type": "payment", "amount": 103.4, "payment_method_id": "credit_card_8100001"}, {"transaction_type": "refund", "amount": 103.4, "payment_method_id": "credit_card_8100001"}], "cancel_reason": "no longer needed"}
            "status": "cancelled", "payment_history": [{"transaction_type": "payment", "amount": 203.35, "payment_method_id": "gift_card_8200002"}, {"transaction_type": "refund", "amount": 203.35, "payment_method_id": "gift_card_8200002"}], "cancel_reason": "ordered by mistake"}
            {"name": {"first_name": "Zo\u00eb", "last_name": "M\u00fcller"}, "address": {"address1": "9 Quarry Road", "address2": "Suite 12", "city": "Duluth", "country": "USA", "state": "MN", "zip": "55802"}, "email": "zoe.mueller@example.com", "payment_methods": {"gift_card_8200002": {"source": "gift_card", "balance": 843.35, "id": "gift_card_8200002"}, "credit_card_8100002": {"source": "credit_card", "brand": "mastercard", "last_four": "0937", "id": "credit_card_8100002"}}, "orders": ["#W1000006", "#W1000007", "#W1000008"]}
            Error: non-pending order cannot be cancelled
            Error: non-pending order cannot be cancelled
            Error: invalid reason
            Error: order not found
            changed: ["#W1000001", "#W1000006", "zoe_mueller_3307"]
        "##]],
    );
}

#[test]
fn an_order_whose_payment_was_moved_is_refunded_twice_and_more() {
    check(
        r##"
        modify_pending_order_payment {"order_id": "#W1000019", "payment_method_id": "paypal_8300004"}
        cancel_pending_order {"order_id": "#W1000019", "reason": "no longer needed"}
        "##,
        expect![[r##"
            "status": "pending", "payment_history": [{"transaction_type": "payment", "amount": 130.8, "payment_method_id": "credit_card_8100006"}, {"transaction_type": "payment", "amount": 130.8, "payment_method_id": "paypal_8300004"}, {"transaction_type": "refund", "amount": 130.8, "payment_method_id": "credit_card_8100006"}]}
            "status": "cancelled", "payment_history": [{"transaction_type": "payment", "amount": 130.8, "payment_method_id": "credit_card_8100006"}, {"transaction_type": "payment", "amount": 130.8, "payment_method_id": "paypal_8300004"}, {"transaction_type": "refund", "amount": 130.8, "payment_method_id": "credit_card_8100006"}, {"transaction_type": "refund", "amount": 130.8, "payment_method_id": "credit_card_8100006"}, {"transaction_type": "refund", "amount": 130.8, "payment_method_id": "paypal_8300004"}, {"transaction_type": "refund", "amount": 130.8, "payment_method_id": "credit_card_8100006"}], "cancel_reason": "no longer needed"}
            changed: ["#W1000019"]
        "##]],
    );
}

#[test]
fn items_go_back_once_and_to_the_right_payment_method() {
    check(
        r##"
        return_delivered_order_items {"order_id": "#W1000013", "item_ids": ["3100400003", "3100400003", "3100400003"], "payment_method_id": "gift_card_8200003"}
        return_delivered_order_items {"order_id": "#W1000013", "item_ids": ["3100400003"], "payment_method_id": "paypal_8300003"}
        return_delivered_order_items {"order_id": "#W1000013", "item_ids": ["3100400003"], "payment_method_id": "paypal_1"}
        return_delivered_order_items {"order_id": "#W1000013", "item_ids": ["3100800002", "3100400003", "3100400003"], "payment_method_id": "gift_card_8200003"}
        return_delivered_order_items {"order_id": "#W1000013", "item_ids": ["3100800002"], "payment_method_id": "gift_card_8200003"}
        return_delivered_order_items {"order_id": "#W1000001", "item_ids": [], "payment_method_id": "credit_card_8100001"}
        "##,
        expect![[r##"
            Error: some item not found
            Error: payment method should be either the original payment method or a gift card
            Error: payment method not found
            "status": "return requested", "payment_history": [{"transaction_type": "payment", "amount": 395.55, "payment_method_id": "gift_card_8200003"}], "return_items": ["3100400003", "3100400003", "3100800002"], "return_payment_method_id": "gift_card_8200003"}
            Error: non-delivered order cannot be returned
            Error: non-delivered order cannot be returned
            changed: ["#W1000013"]
        "##]],
    );
}

#[test]
fn an_exchange_needs_variants_that_are_there() {
    check(
        r##"
        exchange_delivered_order_items {"order_id": "#W1000002", "item_ids": ["3100300002"], "new_item_ids": ["3100300004"], "payment_method_id": "credit_card_8100001"}
        exchange_delivered_order_items {"order_id": "#W1000002", "item_ids": ["3100300002"], "new_item_ids": ["3100400001"], "payment_method_id": "credit_card_8100001"}
        exchange_delivered_order_items {"order_id": "#W1000002", "item_ids": ["3100300009"], "new_item_ids": ["3100300003"], "payment_method_id": "credit_card_8100001"}
        exchange_delivered_order_items {"order_id": "#W1000002", "item_ids": ["3100300002"], "new_item_ids": [], "payment_method_id": "credit_card_8100001"}
        exchange_delivered_order_items {"order_id": "#W1000002", "item_ids": ["3100300002"], "new_item_ids": ["3100300003"], "payment_method_id": "gift_card_8200001"}
        exchange_delivered_order_items {"order_id": "#W1000002", "item_ids": ["3100300002"], "new_item_ids": ["3100300003"], "payment_method_id": "paypal_8300001"}
        exchange_delivered_order_items {"order_id": "#W1000002", "item_ids": ["3100400002", "3100300002"], "new_item_ids": ["3100400003", "3100300003"], "payment_method_id": "credit_card_8100001"}
        exchange_delivered_order_items {"order_id": "#W1000018", "item_ids": ["3100100001"], "new_item_ids": ["3100100002"], "payment_method_id": "gift_card_8200004"}
        exchange_delivered_order_items {"order_id": "#W1000017", "item_ids": ["3100400001"], "new_item_ids": ["3100400002"], "payment_method_id": "gift_card_8200004"}
        "##,
        expect![[r##"
            Error: new item 3100300004 not found or available
            Error: new item 3100400001 not found or available
            Error: 3100300009 not found
            Error: the number of items to be exchanged should match
            Error: insufficient gift card balance to pay for the price difference
            Error: payment method not found
            "status": "exchange requested", "payment_history": [{"transaction_type": "payment", "amount": 226.5, "payment_method_id": "credit_card_8100001"}], "exchange_items": ["3100300002", "3100400002"], "exchange_new_items": ["3100300003", "3100400003"], "exchange_payment_method_id": "credit_card_8100001", "exchange_price_difference": 40.1}
            "status": "exchange requested", "payment_history": [{"transaction_type": "payment", "amount": 129.8, "payment_method_id": "credit_card_8100005"}], "exchange_items": ["3100100001"], "exchange_new_items": ["3100100002"], "exchange_payment_method_id": "gift_card_8200004", "exchange_price_difference": 1.5}
            Error: non-delivered order cannot be exchanged
            changed: ["#W1000002", "#W1000018"]
        "##]],
    );
}

#[test]
fn pending_items_are_replaced_and_the_difference_is_booked_unrounded() {
    check(
        r##"
        modify_pending_order_items {"order_id": "#W1000006", "item_ids": ["3100800001", "3100800001"], "new_item_ids": ["3100800002", "3100800003"], "payment_method_id": "gift_card_8200002"}
        get_user_details {"user_id": "zoe_mueller_3307"}
        modify_pending_order_items {"order_id": "#W1000016", "item_ids": ["3100600002"], "new_item_ids": ["3100600003"], "payment_method_id": "credit_card_8100005"}
        modify_pending_order_items {"order_id": "#W1000016", "item_ids": ["3100600003"], "new_item_ids": ["3100600002"], "payment_method_id": "credit_card_8100005"}
        cancel_pending_order {"order_id": "#W1000016", "reason": "no longer needed"}
        modify_pending_order_items {"order_id": "#W1000012", "item_ids": ["3100600001"], "new_item_ids": ["3100600002"], "payment_method_id": "gift_card_8200003"}
        "##,
        expect![[r##"
            "status": "pending (item modified)", "payment_history": [{"transaction_type": "payment", "amount": 203.35, "payment_method_id": "gift_card_8200002"}, {"transaction_type": "payment", "amount": 74.65, "payment_method_id": "gift_card_8200002"}]}
            {"name": {"first_name": "Zo\u00eb", "last_name": "M\u00fcller"}, "address": {"address1": "9 Quarry Road", "address2": "Suite 12", "city": "Duluth", "country": "USA", "state": "MN", "zip": "55802"}, "email": "zoe.mueller@example.com", "payment_methods": {"gift_card_8200002": {"source": "gift_card", "balance": 565.35, "id": "gift_card_8200002"}, "credit_card_8100002": {"source": "credit_card", "brand": "mastercard", "last_four": "0937", "id": "credit_card_8100002"}}, "orders": ["#W1000006", "#W1000007", "#W1000008"]}
            "status": "pending (item modified)", "payment_history": [{"transaction_type": "payment", "amount": 763.6, "payment_method_id": "gift_card_8200004"}, {"transaction_type": "refund", "amount": 14.399999999999977, "payment_method_id": "credit_card_8100005"}]}
            Error: non-pending order cannot be modified
            Error: non-pending order cannot be cancelled
            Error: insufficient gift card balance to pay for the new item
            changed: ["#W1000006", "#W1000016", "zoe_mueller_3307"]
        "##]],
    );
}

#[test]
fn a_payment_method_is_changed_once_and_must_have_enough() {
    check(
        r##"
        modify_pending_order_payment {"order_id": "#W1000012", "payment_method_id": "gift_card_8200003"}
        modify_pending_order_payment {"order_id": "#W1000012", "payment_method_id": "paypal_8300003"}
        modify_pending_order_payment {"order_id": "#W1000012", "payment_method_id": "paypal_8300004"}
        modify_pending_order_payment {"order_id": "#W1000006", "payment_method_id": "credit_card_8100002"}
        get_user_details {"user_id": "zoe_mueller_3307"}
        modify_pending_order_payment {"order_id": "#W1000006", "payment_method_id": "gift_card_8200002"}
        modify_pending_order_payment {"order_id": "#W1000008", "payment_method_id": "credit_card_8100002"}
        "##,
        expect![[r##"
            Error: insufficient gift card balance to pay for the order
            Error: the new payment method should be different from the current one
            Error: payment method not found
            "status": "pending", "payment_history": [{"transaction_type": "payment", "amount": 203.35, "payment_method_id": "gift_card_8200002"}, {"transaction_type": "payment", "amount": 203.35, "payment_method_id": "credit_card_8100002"}, {"transaction_type": "refund", "amount": 203.35, "payment_method_id": "gift_card_8200002"}]}
            {"name": {"first_name": "Zo\u00eb", "last_name": "M\u00fcller"}, "address": {"address1": "9 Quarry Road", "address2": "Suite 12", "city": "Duluth", "country": "USA", "state": "MN", "zip": "55802"}, "email": "zoe.mueller@example.com", "payment_methods": {"gift_card_8200002": {"source": "gift_card", "balance": 843.35, "id": "gift_card_8200002"}, "credit_card_8100002": {"source": "credit_card", "brand": "mastercard", "last_four": "0937", "id": "credit_card_8100002"}}, "orders": ["#W1000006", "#W1000007", "#W1000008"]}
            Error: there should be exactly one payment for a pending order
            Error: non-pending order cannot be modified
            changed: ["#W1000006", "zoe_mueller_3307"]
        "##]],
    );
}

#[test]
fn addresses_change_where_they_may() {
    let address = r#""address1": "1 Elm Street", "address2": "", "city": "Barre", "state": "VT", "country": "USA", "zip": "05641""#;
    check(
        &format!(
            r##"
            modify_pending_order_address {{"order_id": "#W1000001", {address}}}
            modify_pending_order_address {{"order_id": "#W1000002", {address}}}
            modify_user_address {{"user_id": "nora_lind_1042", {address}}}
            modify_user_address {{"user_id": "nora", {address}}}
            get_order_details {{"order_id": "#W1000001"}}
            "##
        ),
        expect![[r##"
            "status": "pending", "payment_history": [{"transaction_type": "payment", "amount": 103.4, "payment_method_id": "credit_card_8100001"}]}
            Error: non-pending order cannot be modified
            {"name": {"first_name": "Nora", "last_name": "Lind"}, "address": {"address1": "1 Elm Street", "address2": "", "city": "Barre", "state": "VT", "country": "USA", "zip": "05641"}, "email": "nora.lind@example.com", "payment_methods": {"credit_card_8100001": {"source": "credit_card", "brand": "visa", "last_four": "4410", "id": "credit_card_8100001"}, "gift_card_8200001": {"source": "gift_card", "balance": 25, "id": "gift_card_8200001"}}, "orders": ["#W1000001", "#W1000002", "#W1000003"]}
            Error: user not found
            "status": "pending", "payment_history": [{"transaction_type": "payment", "amount": 103.4, "payment_method_id": "credit_card_8100001"}]}
            changed: ["#W1000001", "nora_lind_1042"]
        "##]],
    );
}

#[test]
fn an_address_that_stays_the_same_is_no_change() {
    check(
        r##"
        modify_user_address {"user_id": "nora_lind_1042", "address1": "14 Mill Lane", "address2": "", "city": "Montpelier", "state": "VT", "country": "USA", "zip": "05602"}
        "##,
        expect![[r##"
            {"name": {"first_name": "Nora", "last_name": "Lind"}, "address": {"address1": "14 Mill Lane", "address2": "", "city": "Montpelier", "state": "VT", "country": "USA", "zip": "05602"}, "email": "nora.lind@example.com", "payment_methods": {"credit_card_8100001": {"source": "credit_card", "brand": "visa", "last_four": "4410", "id": "credit_card_8100001"}, "gift_card_8200001": {"source": "gift_card", "balance": 25, "id": "gift_card_8200001"}}, "orders": ["#W1000001", "#W1000002", "#W1000003"]}
            changed: []
        "##]],
    );
}

#[test]
fn what_is_no_call_of_a_tool_is_told_apart_from_a_refusal() {
    let long = "x".repeat(70_000);
    check(
        &format!(
            r##"
            get_order {{"order_id": "#W1000001"}}
            get_order_details {{}}
            get_order_details {{"order_id": 7}}
            get_order_details {{"order_id": "#W1000001", "verbose": true}}
            return_delivered_order_items {{"order_id": "#W1000002", "item_ids": "3100400002", "payment_method_id": "x"}}
            return_delivered_order_items {{"order_id": "#W1000002", "item_ids": [3100400002], "payment_method_id": "x"}}
            think {{"thought": "{long}"}}
            "##
        ),
        expect![[r#"
            no: there is no tool `get_order`
            no: `get_order_details` needs the argument `order_id`
            no: the argument `order_id` of `get_order_details` must be a text
            no: `get_order_details` has no argument `verbose`
            no: the argument `item_ids` of `return_delivered_order_items` must be a list of texts
            no: the argument `item_ids` of `return_delivered_order_items` must be a list of texts
            no: the argument `thought` of `think` is too large
            changed: []
        "#]],
    );
}
