//! Applying a folder: the plan first, then in force; and what the server says afterwards.

use crate::shop::{Shop, root, transcript};

#[test]
fn a_plan_is_shown_and_changes_nothing_until_it_is_applied() {
    let shop = Shop::empty();
    let folder = root().join("examples/retail/workspace");
    let folder = folder.to_str().unwrap();

    let plan = transcript(&shop.run(&["apply", folder, "--dry-run"]));
    assert!(plan.contains("+ agent shop-agent") && plan.ends_with("exit 0\n"), "{plan}");
    assert_eq!(shop.ok(&["status"])["bundle"], serde_json::Value::Null, "a dry run changes nothing");

    let unasked = transcript(&shop.run(&["apply", folder]));
    assert!(unasked.contains("nobody can be asked here") && unasked.ends_with("exit 2\n"), "{unasked}");
    assert_eq!(shop.ok(&["status"])["bundle"], serde_json::Value::Null, "without a yes nothing is applied");

    let operator = shop.operator();
    let (seen, printed, code) = shop.at_terminal(&operator, &["--json", "apply", folder], "n\n");
    let question = seen.find("Put this in force?").unwrap_or_else(|| panic!("{seen}"));
    assert!(seen[..question].contains("+ agent shop-agent"), "the plan comes before the question: {seen}");
    assert!(seen[question..].contains("declined") && printed.is_empty() && code == 1, "{seen}");
    assert_eq!(shop.ok(&["status"])["bundle"], serde_json::Value::Null, "a no changes nothing");

    let applied = transcript(&shop.run(&["apply", folder, "--yes"]));
    assert!(applied.contains("in force: bundle ") && applied.ends_with("exit 0\n"), "{applied}");
    let again = transcript(&shop.run(&["apply", folder, "--yes"]));
    assert!(again.contains("nothing changes: this folder is in force"), "{again}");
}

#[test]
fn the_doctor_says_what_is_missing_and_what_is_well() {
    let shop = Shop::open();
    let checks = shop.ok(&["doctor", "--no-probe"]);
    let names: Vec<&str> =
        checks.as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    for name in ["data directory", "root key", "disk space", "server", "policy", "views", "connector"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
}

#[test]
fn keys_are_made_once_listed_without_secrets_and_revoked() {
    let shop = Shop::open();
    let file = shop.dir.path().join("agent.key");
    let made = shop.ok(&["keys", "create", "--agent", "shop-agent", "--out", file.to_str().unwrap()]);
    assert!(made["secret"].is_null(), "a key in a file is not shown");
    let secret = std::fs::read_to_string(&file).unwrap();
    assert!(secret.starts_with("csk_"), "{secret}");

    let listed = transcript(&shop.run(&["keys", "list"]));
    assert!(listed.contains("agent:shop-agent") && !listed.contains("csk_"), "{listed}");
    let twice =
        transcript(&shop.run(&["keys", "create", "--agent", "shop-agent", "--out", file.to_str().unwrap()]));
    assert!(twice.contains("exists already") && twice.ends_with("exit 2\n"), "{twice}");

    assert!(shop.run_as(secret.trim(), &["runs"]).status.success());
    shop.ok(&["keys", "revoke", made["id"].as_str().unwrap()]);
    let revoked = transcript(&shop.run_as(secret.trim(), &["runs"]));
    assert!(revoked.ends_with("exit 1\n") && revoked.contains("code: "), "{revoked}");
}
