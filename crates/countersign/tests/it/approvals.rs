//! From the agent's proposal to the countersignature, by commands only.

use std::process::Command;

use crate::shop::{Shop, root, transcript};

/// Plays the example's recordings with the scripted agent.
pub(crate) fn play(shop: &Shop) {
    let key = shop.key("--agent", "shop-agent");
    let url = shop.url();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_countersign")).with_file_name("retail-agent");
    if !binary.is_file() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built =
            Command::new(cargo).args(["build", "--quiet", "-p", "retail-agent"]).current_dir(root()).status();
        assert!(built.unwrap().success(), "retail-agent could not be built");
    }
    let played = Command::new(binary)
        .arg(root().join("examples/retail/recordings"))
        .args(["--server", &url, "--json"])
        .env("COUNTERSIGN_KEY", key)
        .output()
        .unwrap();
    assert!(played.status.success(), "{}", transcript(&played));
}

#[test]
fn a_person_approves_what_was_shown_and_nothing_else() {
    let shop = Shop::open();
    play(&shop);
    let waiting = shop.ok(&["approvals", "list"]);
    let first = &waiting.as_array().unwrap()[0];
    let (id, digest) = (first["id"].as_str().unwrap(), first["digest"].as_str().unwrap());
    let (owner, reviewer) = (shop.key("--person", "mara"), shop.key("--person", "jonas"));

    let page = transcript(&shop.run_as(&reviewer, &["approvals", "show", id]));
    assert!(page.contains("arguments") && page.contains(digest) && page.contains("you may answer"), "{page}");

    for unasked in [&["approvals", "approve", id][..], &["--json", "approvals", "approve", id]] {
        let unasked = transcript(&shop.run_as(&reviewer, unasked));
        assert!(unasked.contains("nobody can be asked here") && unasked.ends_with("exit 2\n"), "{unasked}");
        assert!(!unasked.contains(digest), "a digest without its page: {unasked}");
    }
    let other = "0".repeat(64);
    let stale = transcript(&shop.run_as(&reviewer, &["approvals", "approve", id, "--seen", &other]));
    assert!(stale.contains("code: approval_stale") && stale.ends_with("exit 1\n"), "{stale}");
    let own = transcript(&shop.run_as(&owner, &["approvals", "approve", id, "--seen", digest]));
    assert!(own.contains("code: approver_not_allowed") && own.ends_with("exit 1\n"), "{own}");
    assert_eq!(shop.ok(&["approvals", "show", id])["status"], "waiting", "refused answers change nothing");

    let yes = transcript(&shop.run_as(&reviewer, &["approvals", "approve", id, "--seen", digest]));
    assert!(yes.ends_with("exit 0\n"), "{yes}");
    let twice = transcript(&shop.run_as(&reviewer, &["approvals", "approve", id, "--seen", digest]));
    assert!(twice.ends_with("exit 1\n"), "{twice}");

    let story = transcript(&shop.run(&["explain", first["action"].as_str().unwrap()]));
    for part in ["Decision 1:", "Countersignature", "approved by jonas", "What happened", "check it: "] {
        assert!(story.contains(part), "{part} is missing in {story}");
    }
}

#[test]
fn whoever_is_asked_sees_the_page_first_whatever_is_printed() {
    let shop = Shop::open();
    play(&shop);
    let waiting = shop.ok(&["approvals", "list"]);
    let (id, digest) = (waiting[0]["id"].as_str().unwrap(), waiting[0]["digest"].as_str().unwrap());
    let reviewer = shop.key("--person", "jonas");
    for json in [false, true] {
        let flags: &[&str] = if json { &["--json"] } else { &[] };
        let arguments = [flags, &["approvals", "approve", id]].concat();
        let (seen, printed, code) = shop.at_terminal(&reviewer, &arguments, "n\n");
        let question = seen.find("Approve exactly this?").unwrap_or_else(|| panic!("{seen}"));
        let page = &seen[..question];
        assert!(page.contains("arguments") && page.contains(digest), "{seen}");
        assert_eq!((printed.as_str(), code), ("", 1), "{seen}");
        assert!(seen[question..].contains("declined"), "{seen}");
        assert_eq!(shop.ok(&["approvals", "show", id])["status"], "waiting");
    }
    let (seen, printed, code) = shop.at_terminal(&reviewer, &["--json", "approvals", "approve", id], "y\n");
    assert_eq!(code, 0, "{seen}");
    let answered: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(answered["digest"], digest);
}

#[test]
fn a_rejection_says_why() {
    let shop = Shop::open();
    play(&shop);
    let waiting = shop.ok(&["approvals", "list"]);
    let first = &waiting.as_array().unwrap()[0];
    let reviewer = shop.key("--person", "jonas");
    let id = first["id"].as_str().unwrap();
    let no = transcript(
        &shop.run_as(&reviewer, &["approvals", "reject", id, "--reason", "the bike was not sent back"]),
    );
    assert!(no.contains("rejected") && no.ends_with("exit 0\n"), "{no}");
    let shown = shop.ok(&["approvals", "show", id]);
    assert_eq!(shown["status"], "rejected");
    assert_eq!(shown["rejected_reason"], "the bike was not sent back");
}
