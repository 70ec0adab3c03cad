//! What works without a server, and how commands fail without one.

use expect_test::expect;

use crate::shop::{countersign, root, transcript};

fn run(arguments: &[&str]) -> String {
    transcript(&countersign().args(arguments).output().unwrap())
}

#[test]
fn every_command_explains_itself() {
    for command in [
        "serve",
        "apply",
        "lint",
        "status",
        "runs",
        "signal",
        "incidents",
        "actions",
        "approvals",
        "explain",
        "evidence",
        "verify",
        "witness",
        "backup",
        "restore",
        "rebuild",
        "keys",
        "connector",
        "doctor",
        "bench",
        "completion",
    ] {
        let help = run(&[command, "--help"]);
        assert!(help.contains("Usage: countersign") && help.ends_with("exit 0\n"), "{command}: {help}");
    }
}

#[test]
fn the_help_lists_the_commands() {
    let help = run(&["--help"]);
    let commands: Vec<&str> =
        help.lines().skip_while(|line| *line != "Commands:").take_while(|line| !line.is_empty()).collect();
    expect![[r#"
        Commands:
          serve       Run the server
          apply       Put a workspace folder in force: agents, connectors, policies
          lint        Check a workspace folder without a server
          status      Show the state of the workspace
          runs        List runs, look at one, hold it, let it go on, cancel it
          signal      Tell a run something; it is kept until the run reads it
          incidents   Look at incidents, take them, say that they are over
          actions     List actions
          approvals   Look at requests for a countersignature and answer them
          explain     Tell the whole story of one action: why, by which rules, on which facts
          evidence    Pack one action with its proof into a file that anybody can check without the server
          log         Take the published log with you
          receipt     Write the receipt of an entry: the proof that it is in the log, for anybody to check
          verify      Check the journal of a data directory, evidence, a receipt, or a published log
          witness     Cosign the checkpoints of logs, and never two histories of one
          backup      Copy a data directory, beside a running server or without one
          restore     Make a data directory from a backup; what was erased stays erased
          rebuild     Build state and views again from the journal, with the server stopped
          keys        Make, list and revoke API keys; make console login links
          erase       Erase what is held about a subject: nobody can read it again, the proof stays
          hold        Put a legal hold on a subject, which beats erasure and retention, or end it
          reconcile   After a restore to a point in the past: say that the gap was looked at, so that writes
                      go on
          retention   Show how long what runs hold is kept and what is due, or let go of it
          connector   Test connectors and pin their tools
          doctor      Look for what is wrong with this installation
          bench       Measure durable decisions a second, beside what the disk can do
          completion  Print the completion script of a shell
          help        Print this message or the help of the given subcommand(s)"#]]
    .assert_eq(&commands.join("\n"));
}

#[test]
fn wrong_use_is_two_and_nobody_there_is_three() {
    assert!(run(&["frobnicate"]).ends_with("exit 2\n"));
    let dir = tempfile::tempdir().unwrap();
    let nobody = run(&["--data", dir.path().to_str().unwrap(), "status"]);
    let nobody = nobody.replace(dir.path().to_str().unwrap(), "DATA");
    expect![[r#"
        error: no server is running on `DATA`
        hint: start one with `countersign serve`, or name one with --server URL and --key-file FILE
        exit 3
    "#]]
    .assert_eq(&nobody);
    expect![[r#"
        error: no server answers at http://127.0.0.1:1
        hint: look with `countersign doctor`; start a server with `countersign serve`
        code: unreachable
        exit 3
    "#]]
    .assert_eq(&run(&["--server", "http://127.0.0.1:1", "status"]));
    expect![[r#"
        error: `ftp://x` is not an http or https address
        hint: give for example --server http://127.0.0.1:7400
        exit 2
    "#]]
    .assert_eq(&run(&["--server", "ftp://x", "status"]));
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let text = run(&["--json", "--server", "http://127.0.0.1:1", "status"]);
    let error: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "unreachable");
}

#[test]
fn a_folder_that_is_none_is_refused_before_anything_is_sent() {
    expect![[r#"
        error: `/nowhere` is not a folder
        hint: give a workspace folder, for example examples/retail/workspace
        exit 2
    "#]]
    .assert_eq(&run(&["lint", "/nowhere"]));
    let dir = tempfile::tempdir().unwrap();
    let empty = run(&["lint", dir.path().to_str().unwrap()]).replace(dir.path().to_str().unwrap(), "DIR");
    expect![[r#"
        error: `DIR` holds no workspace.toml
        hint: a workspace folder begins with that file: see docs/reference/workspace-files.md
        exit 2
    "#]]
    .assert_eq(&empty);
}

#[test]
fn the_examples_workspace_is_in_order() {
    let text = run(&["lint", root().join("examples/retail/workspace").to_str().unwrap()]);
    assert!(text.contains("in order:") && text.ends_with("exit 0\n"), "{text}");
}

#[test]
fn a_key_file_that_is_not_there_is_named() {
    let text = run(&["--server", "http://127.0.0.1:1", "--key-file", "/nowhere/key", "status"]);
    assert!(text.starts_with("error: the key file `/nowhere/key` cannot be read"), "{text}");
    assert!(text.ends_with("exit 2\n"), "{text}");
}

#[test]
fn completion_scripts_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completion", shell]).contains("approvals"), "{shell}");
    }
}
