//! Clients that send a byte now and then: cut off, and nobody else waits for them.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::world::{World, config, start, start_with};
use crate::Config;

/// What the test allows them.
const PATIENCE: Duration = Duration::from_millis(200);
/// Between two bytes.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends the first part at once and then a byte at a time, until the server has enough of it. What it answered.
async fn trickle(world: &World, first: &str) -> String {
    let stream = TcpStream::connect(world.server.addr).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    to.write_all(first.as_bytes()).await.unwrap();
    let sending = async {
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let reading = async {
        let mut part = [0; 4_096];
        // A reset counts as an end.
        while let Ok(read @ 1..) = from.read(&mut part).await {
            answer.extend_from_slice(&part[..read]);
        }
    };
    let ended = tokio::time::timeout(PATIENCE * 50, async {
        tokio::select! { () = reading => {}, () = sending => {} }
    });
    assert!(ended.await.is_ok(), "the connection is still open");
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_too_slowly_is_cut_off() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let empty = tempfile::tempdir().unwrap();
    std::mem::replace(&mut world.server, start(&empty).await).shutdown().await.unwrap();
    let server = start_with(&world.dir, Config { patience: PATIENCE, ..config(&world.dir) }).await;
    std::mem::replace(&mut world.server, server).shutdown().await.unwrap();
    let (host, before) = (world.server.addr, world.server.entries());

    let mut slow = vec![];
    for first in [
        String::new(),
        "GET /healthz HTTP/1.1\r\nhos".to_owned(),
        format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\nx-more: "),
    ] {
        let answer = trickle(&world, &first).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{first:?}: {answer}");
    }
    let head = format!(
        "POST /v1/runs HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {agent}\r\ncontent-type: \
         application/json\r\ncontent-length: 5000\r\n\r\n{{\"title\":\""
    );
    let answer = trickle(&world, &head).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    // Chunks of one byte are no way around it.
    let chunked = head
        .replace("content-length: 5000", "transfer-encoding: chunked")
        .replace("{\"title\":\"", "1\r\n{\r\n");
    let answer = trickle(&world, &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    // Beside many who say nothing, others are served.
    for _ in 0..64 {
        slow.push(TcpStream::connect(host).await.unwrap());
    }
    assert_eq!(world.get("/healthz", "").await.status, 200);
    assert_eq!(world.server.entries(), before, "nothing of it reached the journal");
}
