//! The program itself: killed in the middle of work and started again, and spoken to over standard input.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::stage::example;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_retail-crm"))
}

/// A running CRM that is killed when the test ends, however it ends.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(ledger: &Path) -> Self {
        let mut child = program()
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(example().join("data"))
            .arg("--ledger")
            .arg(ledger)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.split("http://").nth(1).and_then(|rest| rest.split("/mcp").next()).unwrap().parse().unwrap();
        Self { child, address }
    }

    fn send(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut answer = String::new();
        self.send(method, path, body).read_to_string(&mut answer).unwrap();
        answer
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The test may have killed it already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn cancel(order: &str) -> String {
    let arguments = json!({"order_id": order, "reason": "no longer needed"});
    let params = json!({"name": "cancel_pending_order", "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

#[test]
fn what_was_answered_survives_a_kill_and_nothing_is_done_twice() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.jsonl");
    let orders = ["#W1000001", "#W1000005", "#W1000006", "#W1000009", "#W1000010", "#W1000012", "#W1000019"];
    for (index, order) in orders.iter().enumerate() {
        let running = Running::start(&ledger);
        let stream = running.send("POST", "/mcp", &cancel(order));
        // Every second one is killed without waiting for its answer: it may be done or not, but not half.
        let mut answer = String::new();
        if index % 2 == 0 {
            let mut stream = stream;
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.contains("cancelled"), "{answer}");
        }
        running.kill();
    }
    let running = Running::start(&ledger);
    for order in orders {
        running.ask("POST", "/mcp", &cancel(order));
    }
    let text = running.ask("GET", "/ledger", "");
    for order in orders {
        let of_order = |line: &&str| line.contains(&format!("\"order_id\":\"{order}\""));
        let applied =
            text.lines().filter(of_order).filter(|line| line.contains("\"kind\":\"applied\"")).count();
        assert_eq!(applied, 1, "{order} in {text}");
    }
}

#[test]
fn the_tools_are_there_over_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program()
        .args(["--stdio", "--fault-503", "1", "--data"])
        .arg(example().join("data"))
        .arg("--ledger")
        .arg(folder.path().join("ledger.jsonl"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    writeln!(input, "{}", json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}))
        .unwrap();
    assert!(lines.next().unwrap().unwrap().contains("retail-crm"));
    writeln!(input, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).unwrap();
    for expected in ["Error: service unavailable (503)", "cancelled"] {
        writeln!(input, "{}", cancel("#W1000001")).unwrap();
        let answer: Json = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(expected), "{answer}");
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn wrong_options_are_told_plainly() {
    let refused = |arguments: &[&str]| {
        let output = program().args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&[]).contains("--data <DIR>"));
    let folder = tempfile::tempdir().unwrap();
    let (data, ledger) = (example().join("data"), folder.path().join("ledger.jsonl"));
    let (data, ledger) = (data.to_str().unwrap(), ledger.to_str().unwrap());
    let open = refused(&["--data", data, "--ledger", ledger, "--listen", "0.0.0.0:0"]);
    assert!(open.contains("give it a token with `--token-env`"), "{open}");
    let unset = refused(&["--data", data, "--ledger", ledger, "--token-env", "RETAIL_CRM_NO_SUCH_TOKEN"]);
    assert!(unset.contains("`RETAIL_CRM_NO_SUCH_TOKEN` holds no token"), "{unset}");
    let missing = refused(&["--data", "/nowhere", "--ledger", ledger]);
    assert!(missing.contains("`/nowhere/orders.json` cannot be read"), "{missing}");
}
