//! A write whose answer never came, of a tool without a look-up: only a person can say whether it happened.

use serde_json::json;
use tokio::io::AsyncReadExt as _;

use super::world::{World, folder};

/// A system that takes calls and hangs up.
async fn cut_off() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _read = stream.read(&mut [0; 4_096]).await;
        }
    }));
    addr
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_looked_settles_an_unknown_outcome() {
    let world = World::bare().await;
    let files = folder(cut_off().await);
    let applied = world.post("/v1/apply", &world.token(), json!({ "files": files })).await;
    assert_eq!(applied.status, 200, "{:#}", applied.body);
    let (agent, mara, ines) = (world.agent().await, world.person("mara").await, world.person("ines").await);
    let run = world.run(&agent).await;
    let mut settled = vec![];
    for (name, applied, status) in [("1", true, "confirmed"), ("2", false, "failed")] {
        let refund = json!({
            "tool": "shop.refund", "arguments": { "order": format!("W{name}"), "amount": 10 }, "wait_ms": 0
        });
        let action = world.propose_raw(&agent, &run, Some(name), serde_json::to_vec(&refund).unwrap()).await;
        let id = action.text("id");
        let mut seen = action;
        for _ in 0..1_000 {
            if seen.body["handed_over"] == true {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            seen = world.get(&format!("/v1/actions/{id}"), &agent).await;
        }
        assert_eq!(seen.text("status"), "unknown", "{:#}", seen.body);
        let home = world.get("/v1/status", &world.token()).await;
        assert_eq!(home.body["handed_over"], 1, "{:#}", home.body);
        let resolve = format!("/v1/actions/{id}/resolve");
        let head = world.server.entries();
        let looked = json!({ "applied": applied, "reason": "I looked into the shop" });
        for (key, body, wanted) in [
            (&ines, looked.clone(), (403, "forbidden")),
            (&agent, looked.clone(), (403, "forbidden")),
            (&mara, json!({ "applied": applied, "reason": " " }), (422, "request_invalid")),
            (&mara, json!({ "applied": applied }), (422, "request_invalid")),
        ] {
            let no = world.post(&resolve, key, body).await;
            assert_eq!(no.code(), wanted, "{:#}", no.body);
        }
        assert_eq!(world.server.entries(), head, "nothing of it reached the journal");
        let done = world.post(&resolve, &mara, looked.clone()).await;
        assert_eq!((done.status, done.text("status")), (200, status.to_owned()), "{:#}", done.body);
        let seen = world.get(&format!("/v1/actions/{id}"), &agent).await;
        assert_eq!(seen.text("status"), status, "{:#}", seen.body);
        let twice = world.post(&resolve, &mara, looked).await;
        assert_eq!(twice.code(), (409, "action_state"), "{:#}", twice.body);
        let told = world.get(&format!("/v1/actions/{id}/explain"), &mara).await.body.to_string();
        assert!(told.contains("mara") && told.contains("I looked into the shop"), "{told}");
        let home = world.get("/v1/status", &world.token()).await;
        assert_eq!(home.body["handed_over"], 0, "{:#}", home.body);
        settled.push(id);
    }
    assert_ne!(settled[0], settled[1]);
}
