//! One action in one file: packed by a server, checked when it is gone.

use serde_json::{Value, json};

use crate::approvals::play;
use crate::shop::{Shop, countersign, root, transcript};

#[test]
fn an_action_is_checked_without_its_server_and_every_change_is_refused() {
    let mut shop = Shop::open();
    play(&shop);
    let waiting = shop.ok(&["approvals", "list"]);
    let action = waiting[0]["action"].as_str().unwrap().to_owned();
    let file = shop.dir.path().join("evidence.json");
    let name = file.to_str().unwrap();
    let packed = transcript(&shop.run(&["evidence", &action, "-o", name]));
    assert!(packed.contains("check it anywhere") && packed.ends_with("exit 0\n"), "{packed}");
    // Whatever the agent did: no true record is called a false one.
    let actions = shop.ok(&["actions", "--limit", "1000"]);
    let ids: Vec<&str> = actions.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(ids.len() > 20, "{}", ids.len());
    for id in ids {
        drop(shop.ok(&["evidence", id, "-o", name]));
        let report = shop.ok(&["verify", "--evidence", name]);
        assert_eq!(report["open"], 1, "only the key is the pack's own word: {report:#}");
        assert_eq!(report["decided_again"], report["decisions"], "{report:#}");
    }
    drop(shop.ok(&["evidence", &action, "-o", name]));
    let unknown = transcript(&shop.run(&["evidence", "act_00000000000000000000000000", "-o", name]));
    assert!(unknown.contains("code: not_found") && unknown.ends_with("exit 1\n"), "{unknown}");
    shop.stop();
    // By other code, in another language, from the page alone.
    let python = |name: &str| {
        let script = root().join("tools/verify-evidence.py");
        transcript(&std::process::Command::new("python3").arg(script).arg(name).output().unwrap())
    };
    let elsewhere = python(name);
    assert!(
        elsewhere.contains("proved: decision 1 is `approve`") && elsewhere.ends_with("exit 0\n"),
        "{elsewhere}"
    );

    let verify = |arguments: &[&str]| {
        transcript(&countersign().args(["verify", "--evidence", name]).args(arguments).output().unwrap())
    };
    let whole = verify(&[]);
    assert!(whole.contains("holds:") && whole.ends_with("exit 0\n"), "{whole}");
    assert!(whole.contains("1 of 1 decisions taken again with the same outcome"), "{whole}");
    assert!(whole.contains("hold it against a key that you know"), "{whole}");

    let pack: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let policy = shop.dir.path().join("trust.policy");
    let trust = |text: String| std::fs::write(&policy, text).unwrap();
    trust(format!("log {}\nquorum none\n", pack["verifier_key"].as_str().unwrap()));
    let trusted = verify(&["--policy", policy.to_str().unwrap()]);
    assert!(trusted.contains(" 0 open;") && trusted.ends_with("exit 0\n"), "{trusted}");
    trust("log nonsense\n".to_owned());
    let unclear = verify(&["--policy", policy.to_str().unwrap()]);
    assert!(unclear.contains("is not a trust policy: line 1") && unclear.ends_with("exit 2\n"), "{unclear}");

    let mut changed = pack.clone();
    let text = changed["entries"][1]["entry"].as_str().unwrap().replace("approve", "autonomous");
    changed["entries"][1]["entry"] = json!(text);
    std::fs::write(&file, changed.to_string()).unwrap();
    let elsewhere = python(name);
    assert!(elsewhere.contains("FAILED: entry") && elsewhere.ends_with("exit 1\n"), "{elsewhere}");
    let refused = verify(&[]);
    assert!(refused.contains("FAILED  entry 1: its proof does not hold"), "{refused}");
    assert!(refused.contains("code: evidence_invalid") && refused.ends_with("exit 1\n"), "{refused}");
    let report: Value = serde_json::from_str(refused_json(name).as_str()).unwrap();
    assert_eq!((&report["holds"], &report["lines"][2]["mark"]), (&json!(false), &json!("proved")));
    std::fs::write(&file, "{}").unwrap();
    let none = verify(&[]);
    assert!(none.contains("is not evidence: its format is") && none.ends_with("exit 1\n"), "{none}");
}

fn refused_json(name: &str) -> String {
    let output = countersign().args(["--json", "verify", "--evidence", name]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
