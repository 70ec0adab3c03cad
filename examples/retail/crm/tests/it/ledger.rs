//! What the ledger holds, and what is made of it at start.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use expect_test::expect;
use retail_crm::crm::Crm;
use serde_json::json;

use crate::stage::{Stage, clock, example, request};

fn cancel() -> serde_json::Value {
    json!({"order_id": "#W1000006", "reason": "no longer needed"})
}

#[test]
fn a_line_says_what_was_tried_and_what_became_of_it() {
    let stage = Stage::with(&example().join("data"), 1);
    let mut first = request("cancel_pending_order", cancel());
    first.meta = json!({"trace": "t-1"}).as_object().cloned();
    assert!(stage.crm.is_unavailable(&first).unwrap());
    assert!(!stage.crm.is_unavailable(&first).unwrap());
    stage.crm.call(&first).unwrap();
    stage.call("cancel_pending_order", cancel());
    stage.call("get_order_details", json!({"order_id": "#W1000006"}));
    stage.call("transfer_to_human_agents", json!({"summary": "s"}));
    expect![[r##"
        {"kind":"opened","at":"2026-03-02T15:04:05Z","data":"6bf2b6e34f6630fcb1b639a3ec4ca4e45c37c376192051ae6aa29a7e906b9f25"}
        {"kind":"unavailable","id":1,"at":"2026-03-02T15:04:05Z","tool":"cancel_pending_order","arguments":{"order_id":"#W1000006","reason":"no longer needed"},"meta":{"trace":"t-1"},"error":"Error: service unavailable (503)"}
        {"kind":"applied","id":2,"at":"2026-03-02T15:04:05Z","tool":"cancel_pending_order","arguments":{"order_id":"#W1000006","reason":"no longer needed"},"meta":{"trace":"t-1"},"changes":[{"record":"orders/#W1000006","before":"3b160d64744742b291b0507d7a580d9a79c1052dce80870a9345b8026425d236","after":"02dfaebd7b6615deb721d85962a7c18261b6aee125cc337af4e850c9fa590b9e"},{"record":"users/zoe_mueller_3307","before":"6a1f9310ed31dd1b1f1a42f2e13322130cf1547894656d27bfb312751b7c8aa9","after":"6711bf0b692e22e5cc8590d9fed5cb646714f186003b772c3cb1b7dd302da25a"}]}
        {"kind":"refused","id":3,"at":"2026-03-02T15:04:05Z","tool":"cancel_pending_order","arguments":{"order_id":"#W1000006","reason":"no longer needed"},"error":"Error: non-pending order cannot be cancelled"}
        {"kind":"noted","id":4,"at":"2026-03-02T15:04:05Z","tool":"transfer_to_human_agents","arguments":{"summary":"s"}}
    "##]].assert_eq(&stage.lines());
    let health = serde_json::to_string(&stage.crm.health()).unwrap();
    expect![[r#"{"status":"ok","ledger":{"applied":1,"noted":1,"refused":1,"unavailable":1},"calls":{"cancel_pending_order":3,"get_order_details":1,"transfer_to_human_agents":1},"faults_left":0}"#]].assert_eq(&health);
}

#[test]
fn what_was_done_is_there_after_a_restart() {
    let stage = Stage::new();
    stage.call("cancel_pending_order", cancel());
    stage.call("cancel_pending_order", cancel());
    let (lines, changed) = (stage.lines(), stage.crm.changed());
    let stage = stage.restart().unwrap();
    assert_eq!(stage.crm.changed(), changed);
    assert_eq!(changed.users.len() + changed.orders.len(), 2);
    assert!(stage.call("cancel_pending_order", cancel()).is_error);
    assert!(stage.lines().starts_with(&lines));
    assert!(stage.lines().contains(r#""kind":"refused","id":3"#));
}

#[test]
fn every_prefix_of_the_file_is_a_start() {
    let stage = Stage::new();
    stage.call("cancel_pending_order", json!({"order_id": "#W1000001", "reason": "no longer needed"}));
    let whole = fs::read(stage.ledger()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.jsonl");
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let crm = Crm::open(&example().join("data"), &path, 0, clock()).unwrap();
        let ends = whole[..cut].split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(crm.changed().orders.len(), ends.saturating_sub(1), "cut after {cut} bytes");
        let last_end = whole[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        assert_eq!(crm.torn(), (cut - last_end) as u64);
    }
}

#[test]
fn damage_before_the_end_stops_the_start() {
    let start = |damage: fn(&mut String)| {
        let stage = Stage::new();
        stage.call("cancel_pending_order", cancel());
        let mut text = stage.lines();
        damage(&mut text);
        fs::write(stage.ledger(), text).unwrap();
        stage.restart().map(|_| ()).unwrap_err().to_string()
    };
    expect!["line 2 of the ledger is damaged: expected value at line 1 column 1"]
        .assert_eq(&start(|text| *text = text.replacen("{\"kind\":\"applied\"", "oops", 1)));
    expect!["attempt 1 of the ledger does not lead to the state that it names"]
        .assert_eq(&start(|text| *text = text.replacen("no longer needed", "ordered by mistake", 1)));
    let error = start(|text| *text = text.replacen("\"data\":\"", "\"data\":\"0", 1));
    assert!(error.starts_with("the ledger belongs to other data"), "{error}");
    let error = start(|text| *text = text.split_once('\n').unwrap().1.to_owned());
    assert_eq!(error, "line 1 of the ledger is damaged: it is not `opened`");
}

#[test]
fn a_ledger_has_one_writer() {
    let stage = Stage::new();
    let error = Crm::open(&example().join("data"), &stage.ledger(), 0, clock()).unwrap_err();
    assert!(error.to_string().ends_with("is in use by another process"), "{error}");
}

#[test]
fn a_reset_keeps_the_old_ledger() {
    let stage = Stage::new();
    stage.call("cancel_pending_order", cancel());
    let before = stage.lines();
    let kept = stage.crm.reset(2).unwrap();
    assert_eq!(fs::read_to_string(kept).unwrap(), before);
    assert_eq!(stage.crm.changed().orders.len(), 0);
    assert_eq!(stage.lines().lines().count(), 1);
    assert_eq!(stage.crm.health().faults_left, 2);
    stage.call("cancel_pending_order", cancel());
    assert_eq!(stage.restart().unwrap().crm.changed().orders.len(), 1);
}

#[test]
fn data_that_is_no_shop_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let open = |orders: &str| {
        for name in ["users.json", "products.json"] {
            fs::copy(example().join("data").join(name), folder.path().join(name)).unwrap();
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(folder.path().join("orders.json"));
        file.as_mut().unwrap().write_all(orders.as_bytes()).unwrap();
        let ledger = folder.path().join("ledger.jsonl");
        Crm::open(folder.path(), &ledger, 0, clock()).map(|_| ()).unwrap_err().to_string()
    };
    let order = |user: &str, price: &str| {
        format!(
            r#"{{"O": {{"order_id": "O", "user_id": "{user}", "status": "pending", "address": {{}}, "payment_history": [],
                "items": [{{"item_id": "1", "product_id": "3100000001", "price": {price}}}]}}}}"#
        )
    };
    assert!(open("[").contains("orders.json` is not valid JSON"));
    assert!(open(r#"{"O": 1}"#).contains("`O` is not an object"));
    assert_eq!(open(r#"{"O": {}}"#), "order `O`: `order_id` is not a text");
    assert_eq!(open(&order("nobody", "1")), "order `O`: its `user_id` is no user");
    assert_eq!(open(&order("nora_lind_1042", "\"1\"")), "order `O`: `price` is not a number");
    assert_eq!(open(&order("nora_lind_1042", "1")), "order `O`: `payment_history` is empty");
    assert!(
        open(&order("nora_lind_1042", "0.1000000000000000055511151231257827")).contains("payment_history")
    );
    assert!(
        open(&order("nora_lind_1042", "0.30000000000000004")).contains("number with more than 15 digits")
    );
    assert!(open(&order("nora_lind_1042", "1, \"price\": 2")).contains("key `price` stands twice"));
}
