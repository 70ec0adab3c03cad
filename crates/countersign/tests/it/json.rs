//! Scripts read errors: with `--json` every command that fails says so as JSON on standard error, and in nothing else.

use serde_json::Value;

use crate::shop::countersign;

/// The error of a command that must fail, and its exit code.
fn failing(arguments: &[&str]) -> (Value, i32) {
    let dir = tempfile::tempdir().unwrap();
    let output = countersign()
        .current_dir(dir.path())
        .env("HOME", dir.path())
        .args(["--data", "nothing", "--json"])
        .args(arguments)
        .output()
        .unwrap();
    let code = output.status.code().unwrap();
    assert!(code != 0, "{arguments:?} must fail");
    let text = String::from_utf8(output.stderr).unwrap();
    let error: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"));
    assert!(!error["error"]["message"].as_str().unwrap().is_empty(), "{arguments:?}: {error}");
    if !output.stdout.is_empty() {
        let out = serde_json::from_slice::<Value>(&output.stdout);
        assert!(out.is_ok(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    (error, code)
}

#[test]
fn every_command_fails_in_json_where_json_is_asked_for() {
    let nowhere = "http://127.0.0.1:1";
    let digest = "0".repeat(64);
    let cases: &[&[&str]] = &[
        &["serve", "--witness-policy", "no-policy"],
        &["apply", "no-folder"],
        &["lint", "no-folder"],
        &["status"],
        &["runs"],
        &["runs", "show", "run_x"],
        &["runs", "brief", "run_x"],
        &["runs", "pause", "run_x"],
        &["runs", "resume", "run_x"],
        &["runs", "cancel", "run_x"],
        &["signal", "run_x", "name"],
        &["signal", "run_x", "name", "--value", "no json"],
        &["incidents", "list"],
        &["incidents", "show", "inc_x"],
        &["incidents", "acknowledge", "inc_x"],
        &["incidents", "resolve", "inc_x"],
        &["actions"],
        &["actions", "reverse", "act_x"],
        &["actions", "settle", "act_x", "--applied", "--reason", "x"],
        &["approvals", "list"],
        &["approvals", "show", "apr_x"],
        &["approvals", "approve", "apr_x"],
        &["approvals", "approve", "apr_x", "--seen", &digest],
        &["approvals", "reject", "apr_x", "--reason", "x"],
        &["explain", "act_x"],
        &["evidence", "act_x", "-o", "x"],
        &["log", "export", "x"],
        &["receipt", "0"],
        &["verify"],
        &["verify", "--evidence", "x"],
        &["verify", "--receipt", "x", "--policy", "x"],
        &["verify", "--log", nowhere, "--policy", "x"],
        &["witness", "--witness-key", "x", "--policy", "x"],
        &["backup", "x"],
        &["restore", "x", "--keys", "x", "--to", "x"],
        &["rebuild"],
        &["keys", "create", "--agent", "x"],
        &["keys", "log"],
        &["keys", "list"],
        &["keys", "revoke", "key_x"],
        &["keys", "login", "x"],
        &["keys", "rotate-log"],
        &["keys", "rotate-root", "--new-root-key", "x"],
        &["erase", "x", "--reason", "x"],
        &["hold", "x", "--reason", "x"],
        &["reconcile", "--reason", "x"],
        &["retention"],
        &["retention", "prune"],
        &["retention", "apply"],
        &["connector", "list"],
        &["connector", "test", "x"],
        &["connector", "pin", "x", "--workspace", "x"],
        &["doctor", "--server", nowhere, "--accept-clock"],
        &["bench", "--dir", "no-folder"],
        &["bench", "journal", "--dir", "no-folder"],
        &["completion", "no-shell"],
    ];
    for case in cases {
        failing(case);
    }
    // A command that is new must be here, too.
    let help = countersign().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let named = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    let missing: Vec<&str> =
        named.filter(|name| *name != "help" && !cases.iter().any(|case| case[0] == *name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "commands without a failing call");
}

#[test]
fn wrong_use_has_a_code_and_says_how() {
    let (error, code) = failing(&["approvals", "reject", "apr_x"]);
    assert_eq!((&error["error"]["code"], code), (&"usage".into(), 2));
    assert!(error["error"]["message"].as_str().unwrap().contains("--reason"), "{error}");
    assert!(error["error"]["hint"].as_str().unwrap().contains("Usage: countersign"), "{error}");
    let (error, code) = failing(&["approvals", "approve", "apr_x", "--yes"]);
    assert_eq!((&error["error"]["code"], code), (&"usage".into(), 2), "{error}");
    let (error, code) = failing(&["approvals", "approve", "apr_x", "--server", "http://127.0.0.1:1"]);
    assert_eq!((&error["error"]["code"], code), (&"not_interactive".into(), 2), "{error}");
}
