//! Workers on their WebSocket: runs given, taken back, taken up again, and nothing written by those who lost them.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::world::{Got, World, got, start};

const INPUT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) struct Worker {
    socket: WebSocketStream<TcpStream>,
    heard: VecDeque<Value>,
}

async fn connect(world: &World, key: &str, protocol: Option<&str>) -> Result<Worker, u16> {
    let address = world.server.url.strip_prefix("http://").unwrap().to_owned();
    let mut request = format!("ws://{address}/v1/work").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {key}").parse().unwrap());
    if let Some(protocol) = protocol {
        headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
    }
    let stream = TcpStream::connect(&address).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(Worker { socket, heard: VecDeque::new() }),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

impl Worker {
    async fn hello(world: &World, key: &str, resume: Value) -> (Self, Value) {
        let mut worker = connect(world, key, Some("countersign.work.v1")).await.unwrap();
        worker
            .say(json!({ "type": "hello", "id": 1, "tasks": ["refund"], "slots": 4, "resume": resume }))
            .await;
        let welcome = worker.hear("welcome").await;
        (worker, welcome)
    }

    async fn say(&mut self, frame: Value) {
        self.socket.send(Message::Text(frame.to_string().into())).await.unwrap();
    }

    async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(Duration::from_mins(1), self.socket.next()).await;
        next.expect("an answer in time").expect("an open connection").unwrap()
    }

    /// The next frame of this type; others are kept.
    async fn hear(&mut self, kind: &str) -> Value {
        if let Some(at) = self.heard.iter().position(|frame| frame["type"] == kind) {
            return self.heard.remove(at).unwrap();
        }
        loop {
            let Message::Text(text) = self.next().await else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["type"] == kind {
                return frame;
            }
            self.heard.push_back(frame);
        }
    }

    async fn ask(&mut self, frame: Value) -> Value {
        let id = frame["id"].clone();
        self.say(frame).await;
        loop {
            if let Some(at) = self.heard.iter().position(|frame| frame["id"] == id) {
                return self.heard.remove(at).unwrap();
            }
            let Message::Text(text) = self.next().await else { continue };
            self.heard.push_back(serde_json::from_str(&text).unwrap());
        }
    }

    /// Code of the frame that closes the connection.
    async fn closed(&mut self) -> u16 {
        loop {
            match tokio::time::timeout(Duration::from_mins(1), self.socket.next()).await.unwrap() {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return 0,
            }
        }
    }
}

async fn dispatched(world: &World, agent: &str, key: &str, more: Value) -> String {
    let mut body = json!({ "task": "refund", "input": { "order": key } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let request = world.request(reqwest::Method::POST, "/v1/runs").bearer_auth(agent);
    let run = got(request.header("idempotency-key", key).json(&body).send().await.unwrap()).await;
    assert_eq!(run.status, 201, "{:#}", run.body);
    run.text("id")
}

async fn signal(world: &World, key: &str, run: &str, name: &str, value: Value, id: &str) -> Got {
    let request = world.request(reqwest::Method::POST, &format!("/v1/runs/{run}/signals")).bearer_auth(key);
    let request = request.header("idempotency-key", id).json(&json!({ "name": name, "value": value }));
    got(request.send().await.unwrap()).await
}

fn step(key: &str) -> Value {
    json!({ "key": key, "kind": "task", "input_sha256": INPUT, "result": { "of": key } })
}

fn steps(id: u64, run: &str, attempt: u64, keys: &[&str]) -> Value {
    let steps: Vec<Value> = keys.iter().map(|key| step(key)).collect();
    json!({ "type": "steps", "id": id, "run": run, "attempt": attempt, "steps": steps })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_from_its_start_over_a_wait_to_its_end() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let (mut worker, welcome) = Worker::hello(&world, &agent, json!([])).await;
    assert_eq!(welcome["lease_ms"], 30_000, "{welcome:#}");
    let run = dispatched(&world, &agent, "a", json!({ "priority": 7 })).await;
    let given = worker.hear("run").await;
    assert_eq!(
        (&given["run"], &given["attempt"], &given["task"]),
        (&json!(run), &json!(1), &json!("refund"))
    );
    assert_eq!((&given["input"]["order"], &given["agent_version"]), (&json!("a"), &json!(1)), "{given:#}");
    // Frames are taken up in order without waiting for answers.
    for number in 0..20_u64 {
        worker.say(steps(10 + number, &run, 1, &[&format!("s{number}")])).await;
    }
    let read = json!({ "type": "action", "id": 50, "run": run, "attempt": 1, "key": "look", "tool": "shop.order",
                       "arguments": { "order": "W1" } });
    let read = worker.ask(read).await;
    assert_eq!(read["action"]["status"], "confirmed", "{read:#}");
    for number in 0..20_u64 {
        let done = worker.hear("done").await;
        assert_eq!(done["id"], 10 + number, "{done:#}");
    }
    let wait = json!({ "type": "wait", "id": 60, "run": run, "attempt": 1, "key": "told",
                       "any_of": [{ "signal": "go" }, { "after_ms": 3_600_000 }] });
    let waits = worker.ask(wait).await;
    assert_eq!((&waits["type"], &waits["met"]), (&json!("done"), &json!(false)), "{waits:#}");
    let waiting = world.get(&format!("/v1/runs/{run}"), &agent).await;
    assert_eq!((&waiting.body["phase"], &waiting.body["priority"]), (&json!("waiting"), &json!(7)));
    let list = world.get("/v1/runs?phase=waiting", &world.token()).await;
    assert_eq!(list.body["items"][0]["id"], json!(run), "{:#}", list.body);
    assert_eq!(world.get("/v1/runs?phase=no", &world.token()).await.code(), (400, "query_invalid"));
    let told = signal(&world, &world.token(), &run, "go", json!(42), "once").await;
    assert_eq!(told.status, 201, "{:#}", told.body);
    assert_eq!(signal(&world, &world.token(), &run, "go", json!(42), "once").await.body, told.body);
    assert_eq!(signal(&world, &world.token(), &run, "go", json!(43), "once").await.status, 422);
    let given = worker.hear("run").await;
    assert_eq!((&given["run"], &given["attempt"]), (&json!(run), &json!(2)), "{given:#}");
    assert_eq!(given["steps"].as_array().map(Vec::len), Some(20), "{given:#}");
    assert_eq!(given["steps"][3]["result"]["of"], "s3");
    let met = &given["waits"][0];
    assert_eq!(
        (&met["key"], &met["met"], &met["answers"][0]["value"]),
        (&json!("told"), &json!(true), &json!(42))
    );
    let again = json!({ "type": "wait", "id": 61, "run": run, "attempt": 2, "key": "told",
                        "any_of": [{ "signal": "go" }, { "after_ms": 3_600_000 }] });
    let again = worker.ask(again).await;
    assert_eq!((&again["met"], &again["by"]), (&json!(true), &json!([0])), "{again:#}");
    let finish = json!({ "type": "finish", "id": 70, "run": run, "attempt": 2, "outcome": "done",
                         "result": { "refunded": 12 } });
    assert_eq!(worker.ask(finish.clone()).await, json!({ "type": "done", "id": 70 }));
    assert_eq!(worker.ask(finish).await["type"], "done", "whoever did not hear it asks again");
    let ended = world.get(&format!("/v1/runs/{run}"), &agent).await;
    assert_eq!((ended.text("status").as_str(), &ended.body["result"]["refunded"]), ("done", &json!(12)));
    assert!(ended.body.get("phase").is_none(), "{:#}", ended.body);
    let late = worker.ask(steps(80, &run, 2, &["late"])).await;
    assert_eq!(late["problem"]["code"], "run_finished", "{late:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_a_run_writes_nothing_and_who_comes_back_goes_on() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let (mut first, _) = Worker::hello(&world, &agent, json!([])).await;
    let run = dispatched(&world, &agent, "a", json!({})).await;
    first.hear("run").await;
    assert_eq!(first.ask(steps(2, &run, 1, &["a"])).await["type"], "done");
    // Given back, it is another attempt: the old one is worth nothing.
    let release = json!({ "type": "release", "id": 3, "run": run, "attempt": 1 });
    assert_eq!(first.ask(release).await["type"], "done");
    assert_eq!(first.hear("run").await["attempt"], 2);
    let head = world.server.entries();
    for attempt in [0, 1, 3] {
        for frame in [
            steps(4, &run, attempt, &["b"]),
            json!({ "type": "finish", "id": 4, "run": run, "attempt": attempt, "outcome": "done" }),
            json!({ "type": "fail", "id": 4, "run": run, "attempt": attempt, "error": null }),
            json!({ "type": "release", "id": 4, "run": run, "attempt": attempt }),
            json!({ "type": "wait", "id": 4, "run": run, "attempt": attempt, "key": "w", "any_of": [{ "at": 1 }] }),
            json!({ "type": "action", "id": 4, "run": run, "attempt": attempt, "key": "k", "tool": "shop.order",
                    "arguments": { "order": "W1" } }),
        ] {
            let refused = first.ask(frame.clone()).await;
            assert_eq!(refused["problem"]["code"], "lease_lost", "{frame:#} {refused:#}");
        }
    }
    let by_rest = world.post(&format!("/v1/runs/{run}/steps"), &agent, json!({ "steps": [step("b")] })).await;
    assert_eq!(by_rest.code(), (409, "lease_lost"), "{:#}", by_rest.body);
    assert_eq!(world.server.entries(), head, "nothing of it reached the journal");
    // The server stops: the worker is told, and comes back for its run when there is one again.
    let spare = tempfile::tempdir().unwrap();
    let old = std::mem::replace(&mut world.server, start(&spare).await);
    let (closed, stopped) = tokio::join!(first.closed(), old.shutdown());
    stopped.unwrap();
    assert_eq!(closed, 1001);
    let stand_in = std::mem::replace(&mut world.server, start(&world.dir).await);
    stand_in.shutdown().await.unwrap();
    let held = json!([{ "run": run, "attempt": 2 }, { "run": run, "attempt": 1 }]);
    let (mut second, welcome) = Worker::hello(&world, &agent, held).await;
    assert_eq!(welcome["lost"], json!([run]), "the attempt before");
    assert_eq!(second.ask(steps(5, &run, 2, &["c"])).await["type"], "done");
    // Somebody holds it: the worker is told, and gets it again afterwards.
    let gwen = world.person("gwen").await;
    let paused = world.post(&format!("/v1/runs/{run}/pause"), &gwen, json!({ "reason": "look" })).await;
    assert_eq!(paused.text("phase"), "paused", "{:#}", paused.body);
    let stop = second.hear("stop").await;
    assert_eq!((&stop["run"], &stop["why"]), (&json!(run), &json!("paused")));
    assert_eq!(second.ask(steps(6, &run, 2, &["d"])).await["problem"]["code"], "run_paused");
    assert_eq!(world.post(&format!("/v1/runs/{run}/resume"), &gwen, json!({})).await.status, 200);
    assert_eq!(second.hear("run").await["attempt"], 3);
    let cancel = json!({ "outcome": "cancelled", "error": { "message": "enough" } });
    let cancelled = world.post(&format!("/v1/runs/{run}/finish"), &gwen, cancel).await;
    assert_eq!(cancelled.text("status"), "cancelled", "{:#}", cancelled.body);
    assert_eq!(second.hear("stop").await["why"], "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_worker_and_no_frame_changes_nothing() {
    let world = World::shop().await;
    let (agent, person) = (world.agent().await, world.person("mara").await);
    let reader = world.key("agent", "shop-agent", &["read"]).await;
    let protocol = Some("countersign.work.v1");
    assert_eq!(connect(&world, &person, protocol).await.err(), Some(403));
    assert_eq!(connect(&world, &reader, protocol).await.err(), Some(403));
    assert_eq!(connect(&world, "csk_nobody", protocol).await.err(), Some(401));
    assert_eq!(connect(&world, &agent, None).await.err(), Some(422));
    assert_eq!(connect(&world, &agent, Some("chat")).await.err(), Some(422));
    assert_eq!(world.get("/v1/work", &agent).await.code(), (422, "request_invalid"));
    let run = dispatched(&world, &agent, "a", json!({})).await;
    let head = world.server.entries();
    for first in [
        Message::Text("{".into()),
        Message::Text(r#"{"type":"beat"}"#.into()),
        Message::Binary(vec![1].into()),
        Message::Text(json!({ "type": "hello", "id": 1, "tasks": [], "slots": 1 }).to_string().into()),
        Message::Text(json!({ "type": "hello", "id": 1, "tasks": ["A b"], "slots": 1 }).to_string().into()),
        Message::Text(json!({ "type": "hello", "id": 1, "tasks": ["a"], "slots": 0 }).to_string().into()),
        Message::Text(json!({ "type": "hello", "id": 1, "tasks": ["a"], "slots": 2_000 }).to_string().into()),
        Message::Text(
            json!({ "type": "hello", "id": 1, "tasks": ["a"], "slots": 1, "x": 1 }).to_string().into(),
        ),
    ] {
        let mut worker = connect(&world, &agent, protocol).await.unwrap();
        worker.socket.send(first.clone()).await.unwrap();
        assert_eq!(worker.closed().await, 1008, "{first:?}");
    }
    assert_eq!(world.server.entries(), head, "nobody got the run");
    let (mut worker, _) = Worker::hello(&world, &agent, json!([])).await;
    assert_eq!(worker.hear("run").await["run"], json!(run));
    let head = world.server.entries();
    let refused = |frame: Value| frame["problem"]["code"].as_str().unwrap_or_default().to_owned();
    for (frame, code) in [
        (json!({ "type": "hello", "id": 2, "tasks": ["a"], "slots": 1 }), "request_invalid"),
        (json!({ "type": "dance", "id": 2 }), "request_invalid"),
        (json!({ "type": "steps", "id": 2, "run": run, "attempt": 1 }), "request_invalid"),
        (json!({ "type": "steps", "id": 2, "run": run, "attempt": 1, "steps": [] }), "request_invalid"),
        (steps(2, "run_nobody", 1, &["a"]), "not_found"),
        (
            json!({ "type": "finish", "id": 2, "run": run, "attempt": 1, "outcome": "perhaps" }),
            "request_invalid",
        ),
        (
            json!({ "type": "finish", "id": 2, "run": run, "attempt": 1, "outcome": "done", "error": 1 }),
            "request_invalid",
        ),
        (json!({ "type": "wait", "id": 2, "run": run, "attempt": 1, "key": "w" }), "request_invalid"),
        (
            json!({ "type": "wait", "id": 2, "run": run, "attempt": 1, "key": "w", "any_of": [] }),
            "request_invalid",
        ),
        (
            json!({ "type": "wait", "id": 2, "run": run, "attempt": 1, "key": "w", "any_of": [{ "at": 1, "run": run }] }),
            "request_invalid",
        ),
        (
            json!({ "type": "wait", "id": 2, "run": run, "attempt": 1, "key": "w", "any_of": [{ "run": run }] }),
            "request_invalid",
        ),
        (
            json!({ "type": "wait", "id": 2, "run": run, "attempt": 1, "key": "w", "any_of": [{ "action": "act_x" }] }),
            "not_found",
        ),
    ] {
        assert_eq!(refused(worker.ask(frame.clone()).await), code, "{frame:#}");
    }
    let large = json!({ "type": "steps", "id": 3, "run": run, "attempt": 1, "steps": ["x".repeat(2 << 20)] });
    drop(worker.socket.send(Message::Text(large.to_string().into())).await);
    assert_ne!(worker.closed().await, 1000);
    assert_eq!(world.server.entries(), head, "nothing of it reached the journal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_fails_again_and_again_waits_for_its_owner() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let (mut worker, _) = Worker::hello(&world, &agent, json!([])).await;
    let run = dispatched(&world, &agent, "a", json!({})).await;
    for attempt in 1..=5_u64 {
        assert_eq!(worker.hear("run").await["attempt"], attempt);
        let error = json!({ "class": "Flaw", "message": format!("the {attempt}th") });
        let fail = json!({ "type": "fail", "id": attempt, "run": run, "attempt": attempt, "error": error });
        assert_eq!(worker.ask(fail).await["type"], "done");
    }
    let parked = world.get(&format!("/v1/runs/{run}"), &agent).await;
    assert_eq!((parked.text("phase").as_str(), &parked.body["error"]["class"]), ("parked", &json!("Flaw")));
    let incident = parked.text("incident");
    let mara = world.person("mara").await;
    let list = world.get("/v1/incidents?status=open", &mara).await;
    assert_eq!(
        (&list.body["items"][0]["id"], &list.body["items"][0]["owner"]),
        (&json!(incident), &json!("mara"))
    );
    assert_eq!(list.body["items"][0]["error"]["message"], "the 5th", "{:#}", list.body);
    let path = |what: &str| format!("/v1/incidents/{incident}/{what}");
    assert_eq!(world.post(&path("resolve"), &agent, json!({})).await.status, 403);
    let vera = world.person("vera").await;
    assert_eq!(world.post(&path("resolve"), &vera, json!({})).await.status, 403);
    let taken = world.post(&path("acknowledge"), &mara, json!({ "reason": "I look" })).await;
    assert_eq!(
        (taken.text("status").as_str(), &taken.body["acknowledged"]["reason"]),
        ("acknowledged", &json!("I look"))
    );
    assert_eq!(world.post(&path("resolve"), &mara, json!({})).await.text("status"), "resolved");
    assert_eq!(world.post(&path("resolve"), &mara, json!({})).await.code(), (409, "incident_resolved"));
    assert_eq!(world.get(&format!("/v1/incidents/{incident}"), &mara).await.text("status"), "resolved");
    assert_eq!(worker.hear("run").await["attempt"], 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attached_run_waits_with_a_held_answer_also_over_a_restart() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let wait = |any_of: Value, hold: u64| json!({ "key": "w", "any_of": any_of, "wait_ms": hold });
    let path = format!("/v1/runs/{run}/waits");
    let go = || json!([{ "signal": "go" }]);
    let open = world.post(&path, &agent, wait(go(), 0)).await;
    assert_eq!(open.body, json!({ "key": "w", "met": false, "by": [], "answers": [] }), "{:#}", open.body);
    assert_eq!(
        world.post(&path, &agent, wait(json!([{ "signal": "no" }]), 0)).await.code(),
        (409, "step_mismatch")
    );
    let spare = tempfile::tempdir().unwrap();
    let old = std::mem::replace(&mut world.server, start(&spare).await);
    old.shutdown().await.unwrap();
    assert_eq!(crate::rebuild(&world.dir.path().join("data")).unwrap().identical, Some(true));
    let stand_in = std::mem::replace(&mut world.server, start(&world.dir).await);
    stand_in.shutdown().await.unwrap();
    let mara = world.person("mara").await;
    let (held, told) = tokio::join!(world.post(&path, &agent, wait(go(), 60_000)), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        signal(&world, &mara, &run, "go", json!({ "ok": true }), "x").await
    });
    assert_eq!(told.status, 201, "{:#}", told.body);
    assert_eq!((&held.body["met"], &held.body["answers"][0]["value"]["ok"]), (&json!(true), &json!(true)));
    let vera = world.person("vera").await;
    assert_eq!(signal(&world, &vera, &run, "go", json!(1), "y").await.status, 403);
    let moment = json!({ "key": "soon", "all_of": [{ "after_ms": 50 }, { "at": 1 }], "wait_ms": 20_000 });
    assert_eq!(world.post(&path, &agent, moment).await.body["by"], json!([0, 1]));
}
