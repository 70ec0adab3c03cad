//! An outcome that nobody knows: a system that takes the call and hangs up, and the person who looked.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

use crate::shop::{Shop, transcript};

/// A system that reads what it is sent and never answers.
fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().read_exact(&mut [0; 16]).ok();
        }
    });
    address
}

fn write(shop: &Shop, system: SocketAddr) -> String {
    let folder = shop.dir.path().join("silent");
    let schema = r#"'{"type":"object","properties":{"order":{"type":"string"}},"required":["order"],"additionalProperties":false}'"#;
    for (path, text) in [
        (
            "workspace.toml",
            "name = \"retail\"\ntitle = \"Shop\"\ntime_zone = \"UTC\"\n\n[people.mara]\nroles = [\"owner\"]\n".to_owned(),
        ),
        (
            "agents/shop-agent.toml",
            "name = \"shop-agent\"\ntitle = \"Agent\"\nversion = 1\nowner = \"mara\"\nstage = \"production\"\n".to_owned(),
        ),
        (
            "connectors/till.toml",
            format!(
                "name = \"till\"\ntitle = \"Till\"\nkind = \"http\"\nurl = \"http://{system}\"\nallow_private = true\n\
                 environment = \"sandbox\"\n\n[tools.refund]\nclass = \"irreversible\"\nmethod = \"POST\"\n\
                 path = \"/refund\"\ninput_schema = {schema}\n"
            ),
        ),
        (
            "policies/till.cedar",
            "@id(\"refund\")\npermit (principal, action == Action::\"till.refund\", resource);\n".to_owned(),
        ),
    ] {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder.to_str().unwrap().to_owned()
}

/// Proposes a refund as an agent does, and returns the action's id.
fn propose(shop: &Shop) -> String {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (url, key) = (shop.url(), shop.key("--agent", "shop-agent"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let post = async |path: String, body: Value| -> Value {
            let request = http.post(format!("{url}{path}")).bearer_auth(&key).header("idempotency-key", "1");
            let answer = request.header("content-type", "application/json").body(body.to_string());
            serde_json::from_str(&answer.send().await.unwrap().text().await.unwrap()).unwrap()
        };
        let run = post("/v1/runs".to_owned(), json!({})).await;
        let path = format!("/v1/runs/{}/actions", run["id"].as_str().unwrap());
        let wanted = json!({ "tool": "till.refund", "arguments": { "order": "W1" }, "wait_ms": 0 });
        post(path, wanted).await["id"].as_str().unwrap().to_owned()
    })
}

#[test]
fn a_person_settles_what_nobody_can_look_up() {
    let shop = Shop::empty();
    shop.ok(&["apply", &write(&shop, silent()), "--yes"]);
    let action = propose(&shop);
    for _ in 0..500 {
        if shop.ok(&["status"])["handed_over"] == 1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let unknown = shop.ok(&["actions", "--status", "unknown"]);
    assert_eq!(unknown[0]["id"], json!(action), "{unknown:#}");

    let settle = |key: &str, rest: &[&str]| {
        transcript(&shop.run_as(key, &[&["actions", "settle", &action], rest].concat()))
    };
    let mara = shop.key("--person", "mara");
    let reason = ["--reason", "the till's roll has it"];
    let unsaid = settle(&mara, &reason);
    assert!(unsaid.contains("--applied") && unsaid.ends_with("exit 2\n"), "{unsaid}");
    let both = settle(&mara, &["--applied", "--not-applied", "--reason", "x"]);
    assert!(both.ends_with("exit 2\n"), "{both}");
    let operator = transcript(&shop.run(&["actions", "settle", &action, "--applied", "--reason", "x"]));
    assert!(operator.contains("code: forbidden") && operator.ends_with("exit 1\n"), "{operator}");
    assert_eq!(shop.ok(&["actions"])[0]["status"], "unknown", "refused answers change nothing");

    let done = settle(&mara, &[&["--applied"], &reason[..]].concat());
    assert_eq!(done, format!("{action} is confirmed, settled by person:mara\nexit 0\n"));
    let again = settle(&mara, &[&["--not-applied"], &reason[..]].concat());
    assert!(again.contains("code: action_state") && again.ends_with("exit 1\n"), "{again}");
    let story = transcript(&shop.run(&["explain", &action]));
    assert!(story.contains("the till's roll has it"), "{story}");
}
