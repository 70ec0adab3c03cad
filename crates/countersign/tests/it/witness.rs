//! The witness as a process: killed without a warning, it still knows what it saw.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::shop::{Shop, countersign, root, transcript};

/// Polls of a process until it is ready, 20 ms apart.
const POLLS_MAX: u32 = 1_500;

struct Witness {
    child: Child,
    addr: SocketAddr,
}

impl Drop for Witness {
    fn drop(&mut self) {
        // Without a warning: what it keeps must be on the disk already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn start(dir: &Path, log: &str) -> Witness {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let addr: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    let child = countersign()
        .arg("--data")
        .arg(dir.join("witness-data"))
        .args(["witness", "--name", "witness.example/one", "--log", log, "--listen", &addr.to_string()])
        .arg("--witness-key")
        .arg(dir.join("witness.key"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let witness = Witness { child, addr };
    for _ in 0..POLLS_MAX {
        if TcpStream::connect(addr).is_ok() {
            return witness;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the witness did not get ready");
}

/// One request, as a text; the status line and the body of the answer.
fn ask(witness: &Witness, head: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(witness.addr).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_killed_witness_still_knows_what_it_saw() {
    let mut shop = Shop::empty();
    shop.ok(&["apply", root().join("examples/retail/workspace").to_str().unwrap(), "--yes"]);
    shop.stop();
    let verified = shop.ok(&["verify"]);
    let logs = verified["logs"].as_array().unwrap();
    let log = logs.iter().find(|log| log["name"] == "retail").unwrap();
    let (vkey, size) = (log["verifier_key"].as_str().unwrap(), log["size"].as_u64().unwrap());
    let note = std::fs::read_to_string(shop.data().join("checkpoints/retail")).unwrap();
    let dir = tempfile::tempdir().unwrap();

    let witness = start(dir.path(), vkey);
    let (_, key) = ask(&witness, "GET /", "");
    assert!(key.starts_with("witness.example/one+"), "{key}");
    let (head, line) = ask(&witness, "POST /add-checkpoint", &format!("old 0\n\n{note}"));
    assert!(
        head.starts_with("HTTP/1.1 200") && line.starts_with("\u{2014} witness.example/one "),
        "{head}{line}"
    );
    drop(witness);

    let witness = start(dir.path(), vkey);
    let (head, body) = ask(&witness, "POST /add-checkpoint", &format!("old 0\n\n{note}"));
    assert!(head.starts_with("HTTP/1.1 409") && head.contains("text/x.tlog.size"), "{head}");
    assert_eq!(body, format!("{size}\n"));
    let (head, _) = ask(&witness, "POST /add-checkpoint", &format!("old {size}\n\n{note}"));
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (head, _) = ask(&witness, "POST /add-checkpoint", &"x".repeat(1 << 20));
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    let second = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("--data")
        .arg(dir.path().join("witness-data"))
        .args(["witness", "--log", vkey, "--listen", "127.0.0.1:0", "--witness-key"])
        .arg(dir.path().join("witness.key"))
        .output()
        .unwrap();
    let told = transcript(&second);
    assert!(told.contains("another witness uses") && told.ends_with("exit 1\n"), "{told}");

    let nobody = transcript(
        &countersign()
            .args(["witness", "--log", vkey, "--listen", "127.0.0.1:0", "--witness-key"])
            .arg(dir.path().join("none.key"))
            .arg("--data")
            .arg(dir.path().join("other"))
            .output()
            .unwrap(),
    );
    assert!(nobody.contains("give --name NAME once") && nobody.ends_with("exit 1\n"), "{nobody}");
}
