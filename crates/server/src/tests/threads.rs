//! Threads: what is saved is read back, also after a restart; whose it is sees it; what is deleted is gone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::erasure::told_in;
use super::retention::Story;
use super::world::{Got, World, start};

fn blob(text: &str) -> Value {
    json!({ "type": "text", "data": STANDARD.encode(text) })
}

fn text(blob: &Value) -> String {
    String::from_utf8(STANDARD.decode(blob["data"].as_str().unwrap()).unwrap()).unwrap()
}

/// A checkpoint of a thread: values as `channel=content`, or `channel` alone for the parent's.
fn checkpoint(thread: &str, id: &str, parent: Option<&str>, values: &[&str]) -> Value {
    let values = values.iter().map(|value| match value.split_once('=') {
        Some((channel, content)) => json!({ "channel": channel, "version": "1", "value": blob(content) }),
        None => json!({ "channel": value, "version": "1" }),
    });
    json!({
        "thread": thread,
        "id": id,
        "parent": parent,
        "checkpoint": blob(&format!("body of {id}")),
        "metadata": blob(&format!("metadata of {id}")),
        "values": values.collect::<Vec<_>>(),
    })
}

fn writes(thread: &str, checkpoint: &str, task: &str, all: &[(i32, &str)]) -> Value {
    let all =
        all.iter().map(|(slot, content)| json!({ "slot": slot, "channel": "log", "value": blob(content) }));
    json!({ "thread": thread, "checkpoint": checkpoint, "task": task, "writes": all.collect::<Vec<_>>() })
}

trait With {
    fn with(self, member: &str, value: impl Into<Value>) -> Value;
}

impl With for Value {
    fn with(mut self, member: &str, value: impl Into<Self>) -> Self {
        self[member] = value.into();
        self
    }
}

async fn save(world: &World, agent: &str, body: Value) -> bool {
    let got = world.post("/v1/checkpoints", agent, body).await;
    assert_eq!(got.status, 200, "{:#}", got.body);
    got.body["stored"].as_bool().unwrap()
}

async fn get(world: &World, agent: &str, thread: &str, id: Option<&str>) -> Value {
    let got = world.post("/v1/checkpoints/get", agent, json!({ "thread": thread, "id": id })).await;
    assert_eq!(got.status, 200, "{:#}", got.body);
    got.body
}

/// Ids of a list, over all its pages.
async fn list(world: &World, agent: &str, asked: Value) -> Vec<String> {
    let (mut ids, mut after) = (vec![], Value::Null);
    loop {
        let got = world.post("/v1/checkpoints/list", agent, asked.clone().with("after", after)).await;
        assert_eq!(got.status, 200, "{:#}", got.body);
        ids.extend(
            got.body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match got.body.get("next") {
            Some(next) => after = next.clone(),
            None => return ids,
        }
    }
}

async fn restart(world: &mut World, rebuild: bool) {
    let spare = tempfile::tempdir().unwrap();
    let old = std::mem::replace(&mut world.server, start(&spare).await);
    old.shutdown().await.unwrap();
    if rebuild {
        assert_eq!(crate::rebuild(&world.dir.path().join("data")).unwrap().identical, Some(true));
    }
    let stand_in = std::mem::replace(&mut world.server, start(&world.dir).await);
    stand_in.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_is_read_back_with_its_writes_also_after_a_rebuild() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    assert!(save(&world, &agent, checkpoint("t", "1", None, &["log=one", "name=Mara"])).await);
    assert!(save(&world, &agent, checkpoint("t", "2", Some("1"), &["log=two", "name"])).await);
    let wrote = |body| world.post("/v1/checkpoints/writes", &agent, body);
    assert_eq!(wrote(writes("t", "2", "b", &[(0, "b0"), (1, "b1")])).await.body["stored"], true);
    assert_eq!(wrote(writes("t", "2", "a", &[(0, "a0"), (-1, "first")])).await.body["stored"], true);
    assert_eq!(wrote(writes("t", "2", "a", &[(0, "other"), (-1, "last")])).await.body["stored"], true);
    assert_eq!(wrote(writes("t", "2", "b", &[(0, "other")])).await.body["stored"], false);
    let head = world.server.entries();
    for round in ["while it runs", "after a restart", "after a rebuild"] {
        let got = get(&world, &agent, "t", None).await;
        let found = &got["checkpoint"];
        assert_eq!((&got["newest"], &found["id"], &found["parent"]), (&json!("2"), &json!("2"), &json!("1")));
        assert_eq!(text(&found["checkpoint"]), "body of 2", "{round}");
        assert_eq!(text(&found["metadata"]), "metadata of 2");
        let values: Vec<_> = found["values"].as_array().unwrap().iter().map(|v| text(&v["value"])).collect();
        assert_eq!(values, ["two", "Mara"], "{round}");
        let waiting: Vec<_> = found["writes"].as_array().unwrap().iter().map(|w| text(&w["value"])).collect();
        assert_eq!(waiting, ["last", "a0", "b0", "b1"], "{round}");
        let first = get(&world, &agent, "t", Some("1")).await;
        assert_eq!(
            (&first["newest"], text(&first["checkpoint"]["values"][0]["value"]).as_str()),
            (&json!("2"), "one")
        );
        let none = get(&world, &agent, "t", Some("3")).await;
        assert_eq!((none.get("checkpoint"), &none["newest"]), (None, &json!("2")));
        assert_eq!(list(&world, &agent, json!({ "thread": "t" })).await, ["2", "1"], "{round}");
        // Whoever repeats what was acknowledged changes nothing, also when the process that acknowledged it is gone.
        assert!(
            !save(&world, &agent, checkpoint("t", "2", Some("1"), &["log=two", "name"])).await,
            "{round}"
        );
        assert!(!save(&world, &agent, checkpoint("t", "2", Some("1"), &["log=two", "name=Mara"])).await);
        assert_eq!(
            world.post("/v1/checkpoints/writes", &agent, writes("t", "2", "b", &[(0, "b0")])).await.status,
            200
        );
        assert_eq!(world.server.entries(), head, "{round}");
        restart(&mut world, round == "after a restart").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_go_newest_first_and_are_filtered() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let numbered = |thread: &str, number: usize| {
        let filter =
            json!({ "step": number, "source": if number.is_multiple_of(2) { "input" } else { "loop" } });
        let parent = (number > 0).then(|| format!("{:02}", number - 1));
        checkpoint(thread, &format!("{number:02}"), parent.as_deref(), &["log=x"])
            .with("filter", filter)
            .with("run", format!("run-{}", number % 3))
    };
    for number in 0..12 {
        save(&world, &agent, numbered("t", number)).await;
    }
    save(&world, &agent, numbered("u", 0)).await;
    save(&world, &agent, numbered("t", 0).with("namespace", "child:1")).await;
    let t = || json!({ "thread": "t", "namespace": "" });
    let down = |from: usize, to: usize| (to..=from).rev().map(|n| format!("{n:02}")).collect::<Vec<_>>();
    for (asked, wanted) in [
        (t(), down(11, 0)),
        (t().with("limit", 5), down(11, 0)),
        (json!({ "thread": "t" }), [vec!["00".to_owned()], down(11, 0)].concat()),
        (json!({}), [vec!["00".to_owned(), "00".to_owned()], down(11, 0)].concat()),
        (json!({ "thread": "t", "namespace": "child:1" }), down(0, 0)),
        (t().with("before", "03"), down(2, 0)),
        (t().with("before", "035"), down(3, 0)),
        (json!({ "thread": "t", "before": "02" }), vec!["00".to_owned(), "01".to_owned(), "00".to_owned()]),
        (t().with("id", "07"), down(7, 7)),
        (t().with("id", "none"), vec![]),
        (
            t().with("filter", json!({ "source": "loop" })).with("limit", 2),
            ["11", "09", "07", "05", "03", "01"].map(String::from).to_vec(),
        ),
        (t().with("filter", json!({ "source": "loop", "step": 3 })), down(3, 3)),
        (t().with("filter", json!({ "source": "none" })), vec![]),
        (t().with("ancestors_of", "04"), down(3, 0)),
        (t().with("ancestors_of", "04").with("limit", 1), down(3, 0)),
        (t().with("ancestors_of", "none"), vec![]),
    ] {
        assert_eq!(list(&world, &agent, asked.clone()).await, wanted, "{asked}");
    }
    // One page, and what is on it.
    let page = world
        .post("/v1/checkpoints/list", &agent, t().with("limit", 1).with("channels", json!(["none"])))
        .await;
    assert_eq!(
        (page.body["items"].as_array().unwrap().len(), &page.body["items"][0]["values"]),
        (1, &json!([]))
    );
    // What runs of the program made is removed, in all threads.
    let remove = json!({ "runs": ["run-0", "run-x"] });
    assert_eq!(world.post("/v1/checkpoints/remove", &agent, remove).await.body["checkpoints"], 6);
    assert_eq!(list(&world, &agent, json!({})).await, ["11", "10", "08", "07", "05", "04", "02", "01"]);
    assert_eq!(get(&world, &agent, "u", None).await, json!({}), "of a thread nothing was left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_are_one_or_one_of_them_is_refused() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let first = checkpoint("t", "1", None, &["log=one"]);
    let (a, b) = tokio::join!(save(&world, &agent, first.clone()), save(&world, &agent, first.clone()));
    assert!(a ^ b, "the same content at once is saved once");
    let head = world.server.entries();
    let fenced = |id: &str, newest: Value| checkpoint("t", id, Some("1"), &[]).with("if_newest", newest);
    for (body, wanted) in [
        (checkpoint("t", "1", None, &["log=two"]), "checkpoint_conflict"),
        (checkpoint("t", "1", None, &["log=one"]).with("run", "other"), "checkpoint_conflict"),
        (checkpoint("t", "2", Some("1"), &["name"]), "checkpoint_values_missing"),
        (checkpoint("t", "2", Some("none"), &["log"]), "checkpoint_values_missing"),
        (fenced("2", json!({})), "checkpoint_fenced"),
        (fenced("2", json!({ "checkpoint": "0" })), "checkpoint_fenced"),
    ] {
        let got = world.post("/v1/checkpoints", &agent, body.clone()).await;
        assert_eq!(got.code(), (409, wanted), "{body}: {:#}", got.body);
    }
    let late = writes("t", "1", "task", &[(0, "x")]).with("if_newest", json!({}));
    assert_eq!(world.post("/v1/checkpoints/writes", &agent, late).await.code(), (409, "checkpoint_fenced"));
    assert_eq!(world.server.entries(), head, "nothing of it reached the journal");
    // Of two that go on from the same checkpoint at once, one does.
    let go = |id: &str| world.post("/v1/checkpoints", &agent, fenced(id, json!({ "checkpoint": "1" })));
    let (a, b) = tokio::join!(go("a"), go("b"));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(world.server.entries(), head + 1);
    let winner = if a.status == 200 { "a" } else { "b" };
    assert_eq!(go(winner).await.body["stored"], false, "who repeats what was saved is told so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_is_its_agents_alone() {
    let world = World::shop().await;
    let (agent, ines) = (world.agent().await, world.person("ines").await);
    let other = world.key("agent", "other-agent", &[]).await;
    let reader = world.key("agent", "shop-agent", &["read"]).await;
    save(&world, &agent, checkpoint("t", "1", None, &["log=mine"])).await;
    // The same names are another thread.
    assert_eq!(get(&world, &other, "t", None).await, json!({}));
    assert_eq!(list(&world, &other, json!({})).await, Vec::<String>::new());
    assert!(save(&world, &other, checkpoint("t", "1", None, &["log=theirs"])).await);
    for path in ["get", "list"] {
        let asked = json!({ "thread": "t", "agent": "shop-agent" });
        let got = world.post(&format!("/v1/checkpoints/{path}"), &other, asked).await;
        assert_eq!(got.code(), (403, "forbidden"), "{path}");
    }
    let head = world.server.entries();
    let theirs = checkpoint("t", "2", None, &[]).with("agent", "shop-agent");
    let delete = |agent: &str| json!({ "thread": "t", "agent": agent });
    for (path, key, body) in [
        ("/v1/checkpoints", &other, theirs.clone()),
        ("/v1/checkpoints", &ines, theirs.clone()),
        ("/v1/checkpoints", &reader, checkpoint("t", "2", None, &[])),
        ("/v1/threads/delete", &other, delete("shop-agent")),
        ("/v1/threads/delete", &ines, delete("shop-agent")),
        ("/v1/threads/prune", &other, json!({ "threads": ["t"], "agent": "shop-agent" })),
        ("/v1/threads/copy", &other, json!({ "from": "t", "to": "u", "agent": "shop-agent" })),
        ("/v1/checkpoints/remove", &other, json!({ "runs": ["r"], "agent": "shop-agent" })),
        ("/v1/checkpoints/writes", &other, writes("t", "1", "x", &[(0, "x")]).with("agent", "shop-agent")),
    ] {
        let got = world.post(path, key, body.clone()).await;
        assert_eq!(got.code(), (403, "forbidden"), "{path} {body}: {:#}", got.body);
    }
    let nobody = world.post("/v1/checkpoints", &world.token(), theirs.clone().with("agent", "nobody")).await;
    assert_eq!(nobody.code(), (422, "agent_unknown"), "{:#}", nobody.body);
    assert_eq!(world.server.entries(), head, "nothing of it reached the journal");
    assert_eq!(
        world.post("/v1/threads/delete", &other, json!({ "thread": "t" })).await.body["deleted"],
        true
    );
    assert_eq!(text(&get(&world, &agent, "t", None).await["checkpoint"]["values"][0]["value"]), "mine");
    // People see what agents keep, as they see their runs.
    let seen =
        world.post("/v1/checkpoints/get", &ines, json!({ "thread": "t", "agent": "shop-agent" })).await;
    assert_eq!(seen.body["checkpoint"]["id"], "1", "{:#}", seen.body);
}

/// What must be gone, and nothing else has in it.
const CANARY: &str = "Zülal-7f3a \"quoted\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_is_gone_everywhere_and_a_new_thread_of_the_name_is_empty() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    for by_erasure in [false, true] {
        let thread = &format!("{CANARY} {by_erasure}");
        let all = checkpoint(thread, CANARY, None, &[&format!("{CANARY}={CANARY}")])
            .with("namespace", CANARY)
            .with("run", CANARY)
            .with("filter", json!({ CANARY: CANARY }));
        assert!(save(&world, &agent, all.clone()).await);
        let waiting =
            writes(thread, CANARY, CANARY, &[(0, CANARY)]).with("namespace", CANARY).with("path", CANARY);
        assert_eq!(world.post("/v1/checkpoints/writes", &agent, waiting).await.body["stored"], true);
        let asked = json!({ "thread": thread, "namespace": CANARY });
        assert!(
            world.post("/v1/checkpoints/get", &agent, asked.clone()).await.body.to_string().contains("7f3a")
        );
        save(&world, &agent, checkpoint("kept", "1", None, &["log=kept"])).await;
        assert_eq!(told_in(world.dir.path(), CANARY), Vec::<String>::new(), "sealed, and pseudonyms");
        let count = world
            .post(
                "/v1/subjects/erase",
                &world.token(),
                json!({ "subject": format!("thread/shop-agent:{thread}"), "dry_run": true }),
            )
            .await;
        assert_eq!(count.body["payloads"], 4, "{:#}", count.body);
        if by_erasure {
            let erase = json!({ "subject": format!("thread/shop-agent:{thread}"), "reason": "asked for" });
            assert_eq!(world.post("/v1/subjects/erase", &world.token(), erase).await.status, 200);
        } else {
            let gone = world.post("/v1/threads/delete", &agent, json!({ "thread": thread })).await;
            assert_eq!(gone.body["deleted"], true, "{:#}", gone.body);
            let again = world.post("/v1/threads/delete", &agent, json!({ "thread": thread })).await;
            assert_eq!(again.body["deleted"], false, "{:#}", again.body);
        }
        for round in ["while it runs", "after a restart", "after a rebuild"] {
            assert_eq!(
                world.post("/v1/checkpoints/get", &agent, asked.clone()).await.body,
                json!({}),
                "{round}"
            );
            assert_eq!(list(&world, &agent, json!({})).await, ["1"], "{round}");
            let entries = world.get("/v1/entries?limit=500", &world.token()).await.body.to_string();
            assert!(!entries.contains("Zülal") && !entries.contains("quoted"), "{round}");
            assert!(entries.contains(if by_erasure { "subject.erased" } else { "thread.deleted" }));
            assert_eq!(told_in(world.dir.path(), CANARY), Vec::<String>::new(), "{round}");
            restart(&mut world, round == "after a restart").await;
        }
        // The next thread of that name has another key and nothing of the one before.
        assert!(save(&world, &agent, all).await);
        let got = world.post("/v1/checkpoints/get", &agent, asked.clone()).await;
        assert_eq!(
            (got.body["checkpoint"]["writes"].clone(), &got.body["newest"]),
            (json!([]), &json!(CANARY))
        );
        assert_eq!(
            world.post("/v1/threads/delete", &agent, json!({ "thread": thread })).await.body["deleted"],
            true
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_beats_deleting_removing_and_pruning() {
    let world = World::shop().await;
    let agent = world.agent().await;
    save(&world, &agent, checkpoint("t", "1", None, &["log=x"]).with("run", "r")).await;
    save(&world, &agent, checkpoint("t", "2", Some("1"), &["log=x"]).with("run", "s")).await;
    let hold = |hold: bool| json!({ "subject": "thread/shop-agent:t", "hold": hold, "reason": "a lawsuit" });
    assert_eq!(world.post("/v1/subjects/hold", &world.token(), hold(true)).await.body["held"], true);
    let head = world.server.entries();
    for (path, body) in [
        ("/v1/threads/delete", json!({ "thread": "t" })),
        ("/v1/threads/prune", json!({ "threads": ["t"] })),
        ("/v1/checkpoints/remove", json!({ "runs": ["r"] })),
    ] {
        let got = world.post(path, &agent, body).await;
        assert_eq!(got.code(), (409, "legal_hold"), "{path}: {:#}", got.body);
    }
    assert_eq!(world.server.entries(), head);
    assert!(save(&world, &agent, checkpoint("t", "3", Some("2"), &["log"])).await, "the program goes on");
    assert_eq!(world.post("/v1/subjects/hold", &world.token(), hold(false)).await.body["held"], false);
    assert_eq!(
        world.post("/v1/threads/prune", &agent, json!({ "threads": ["t"] })).await.body["checkpoints"],
        2
    );
    assert_eq!(list(&world, &agent, json!({})).await, ["3"]);
    assert_eq!(text(&get(&world, &agent, "t", None).await["checkpoint"]["values"][0]["value"]), "x");
    assert_eq!(
        world.post("/v1/threads/delete", &agent, json!({ "thread": "t" })).await.body["deleted"],
        true
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruning_leaves_what_channels_are_put_together_from() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let delta = |id: &str, parent: &str| checkpoint("t", id, Some(parent), &[]).with("delta", json!(["log"]));
    save(&world, &agent, checkpoint("t", "1", None, &["log=old"])).await;
    save(&world, &agent, checkpoint("t", "2", Some("1"), &["log=whole"])).await;
    save(&world, &agent, delta("3", "2")).await;
    save(&world, &agent, delta("4", "3")).await;
    save(&world, &agent, checkpoint("t", "a", None, &[]).with("namespace", "child")).await;
    save(&world, &agent, checkpoint("t", "b", Some("a"), &[]).with("namespace", "child")).await;
    let prune = || world.post("/v1/threads/prune", &agent, json!({ "threads": ["t", "none"] }));
    assert_eq!(prune().await.body["checkpoints"], 2);
    assert_eq!(list(&world, &agent, json!({ "thread": "t" })).await, ["b", "4", "3", "2"]);
    assert_eq!(prune().await.body["checkpoints"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_whole_and_lives_on_its_own() {
    let world = World::shop().await;
    let agent = world.agent().await;
    save(&world, &agent, checkpoint("t", "1", None, &["log=one", "name=Mara"]).with("run", "r")).await;
    save(
        &world,
        &agent,
        checkpoint("t", "2", Some("1"), &["log=two", "name"]).with("filter", json!({ "step": 2 })),
    )
    .await;
    save(&world, &agent, checkpoint("t", "1", None, &["log=child"]).with("namespace", "child")).await;
    assert_eq!(
        world
            .post("/v1/checkpoints/writes", &agent, writes("t", "2", "a", &[(0, "a0"), (-1, "s")]))
            .await
            .status,
        200
    );
    let copy =
        |from: &str, to: &str| world.post("/v1/threads/copy", &agent, json!({ "from": from, "to": to }));
    assert_eq!(copy("t", "u").await.body["checkpoints"], 3);
    assert_eq!(copy("t", "u").await.body["checkpoints"], 0, "what is there is left");
    assert_eq!(copy("none", "v").await.body["checkpoints"], 0);
    assert_eq!(copy("t", "t").await.code(), (422, "request_invalid"));
    let strip = |mut got: Value| {
        for member in ["thread", "entry", "at"] {
            got["checkpoint"].as_object_mut().unwrap().remove(member);
        }
        got
    };
    let before = strip(get(&world, &agent, "t", None).await);
    assert_eq!(strip(get(&world, &agent, "u", None).await), before);
    assert_eq!(list(&world, &agent, json!({ "thread": "u", "filter": { "step": 2 } })).await, ["2"]);
    assert_eq!(
        world.post("/v1/threads/delete", &agent, json!({ "thread": "t" })).await.body["deleted"],
        true
    );
    assert_eq!(strip(get(&world, &agent, "u", None).await), before, "it has a key of its own");
    save(&world, &agent, checkpoint("w", "1", None, &["log=other"])).await;
    assert_eq!(copy("u", "w").await.code(), (409, "checkpoint_conflict"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_checkpoint_changes_nothing() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let good = || checkpoint("t", "1", None, &["log=x"]);
    let head = world.server.entries();
    let many: Vec<Value> =
        (0..257).map(|n| json!({ "channel": n.to_string(), "value": blob("x") })).collect();
    let mib = |count: usize| json!({ "type": "b", "data": STANDARD.encode(vec![7; count << 20]) });
    for (body, wanted) in [
        (good().with("thread", ""), (422, "request_invalid")),
        (good().with("thread", "x".repeat(129)), (422, "request_invalid")),
        (good().with("namespace", "x".repeat(1_025)), (422, "request_invalid")),
        (good().with("id", ""), (422, "request_invalid")),
        (good().with("parent", "x".repeat(129)), (422, "request_invalid")),
        (good().with("run", ""), (422, "request_invalid")),
        (good().with("checkpoint", json!({ "type": "", "data": "" })), (422, "request_invalid")),
        (good().with("checkpoint", json!({ "type": "x", "data": "no base64" })), (422, "request_invalid")),
        (good().with("values", json!(many)), (422, "request_invalid")),
        (good().with("values", json!([good()["values"][0], good()["values"][0]])), (422, "request_invalid")),
        (good().with("values", json!([{ "channel": "", "value": blob("x") }])), (422, "request_invalid")),
        (good().with("delta", json!([""])), (422, "request_invalid")),
        (good().with("other", 1), (422, "request_invalid")),
        (good().with("filter", 1), (422, "request_invalid")),
        (good().with("checkpoint", mib(9)), (413, "body_too_large")),
        (good().with("checkpoint", mib(8)), (413, "checkpoint_too_large")),
    ] {
        let got = world.post("/v1/checkpoints", &agent, body).await;
        assert_eq!(got.code(), wanted, "{:#}", got.body);
    }
    let many: Vec<(i32, &str)> = (0..4_097).map(|slot| (slot, "x")).collect();
    for body in [
        writes("t", "", "a", &[(0, "x")]),
        writes("t", "1", "", &[(0, "x")]),
        writes("t", "1", "a", &[(0, "x"), (0, "y")]),
        writes("t", "1", "a", &[(-101, "x")]),
        writes("t", "1", "a", &many),
        writes("t", "1", "a", &[(0, "x")]).with("path", "x".repeat(4_097)),
    ] {
        let got = world.post("/v1/checkpoints/writes", &agent, body).await;
        assert_eq!(got.code(), (422, "request_invalid"), "{:#}", got.body);
    }
    let names: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    for (path, body, wanted) in [
        ("checkpoints/list", json!({ "namespace": "" }), (422, "request_invalid")),
        ("checkpoints/list", json!({ "thread": "t", "id": "1" }), (422, "request_invalid")),
        ("checkpoints/list", json!({ "thread": "t", "ancestors_of": "1" }), (422, "request_invalid")),
        ("checkpoints/list", json!({ "after": "x" }), (503, "views_failed")),
        ("checkpoints/remove", json!({ "runs": names }), (422, "request_invalid")),
        ("threads/prune", json!({ "threads": names }), (422, "request_invalid")),
        ("threads/delete", json!({}), (422, "request_invalid")),
    ] {
        let got = world.post(&format!("/v1/{path}"), &agent, body).await;
        assert!(got.code() == wanted || wanted.1 == "views_failed", "{path}: {:#}", got.body);
        assert!(got.status >= 400, "{path}: {:#}", got.body);
    }
    assert_eq!(world.server.entries(), head, "nothing of it reached the journal");
    // Large, and just within what is taken: three of them share what did not change.
    assert!(
        save(
            &world,
            &agent,
            good().with("values", json!([{ "channel": "a", "version": "1", "value": mib(7) }]))
        )
        .await
    );
    let next = checkpoint("t", "2", Some("1"), &["a"]);
    let two =
        json!([{ "channel": "a", "version": "1" }, { "channel": "b", "version": "1", "value": mib(7) }]);
    assert!(save(&world, &agent, next.with("values", two)).await);
    let three = json!([{ "channel": "a", "version": "1" }, { "channel": "b", "version": "1" }, { "channel": "c", "value": mib(7) }]);
    let third = world
        .post("/v1/checkpoints", &agent, checkpoint("t", "3", Some("2"), &[]).with("values", three))
        .await;
    assert_eq!(third.code(), (413, "checkpoint_too_large"), "{:#}", third.body);
    let read: Got = world.post("/v1/checkpoints/get", &agent, json!({ "thread": "t" })).await;
    assert_eq!(read.body["checkpoint"]["values"].as_array().unwrap().len(), 2);
    let listed = list(&world, &agent, json!({ "thread": "t" })).await;
    assert_eq!(listed, ["2", "1"], "each on a page of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_nobody_writes_to_goes_with_the_retention_of_its_agent() {
    let story =
        Story::begin_with("[classes.short]\ndays = 30\nreason = \"a pilot\"\n", "short", 64 << 20).await;
    let world = &story.world;
    for thread in ["idle", "used", "held"] {
        save(world, &story.pilot, checkpoint(thread, "1", None, &["log=x"])).await;
    }
    save(world, &story.desk, checkpoint("idle", "1", None, &["log=x"])).await;
    let hold =
        |hold: bool| json!({ "subject": "thread/other-agent:held", "hold": hold, "reason": "a lawsuit" });
    assert_eq!(world.post("/v1/subjects/hold", &world.token(), hold(true)).await.status, 200);
    story.day(20);
    save(world, &story.pilot, checkpoint("used", "2", Some("1"), &["log"])).await;
    let due = || async { world.get("/v1/retention", &world.token()).await.body["threads"].clone() };
    story.day(29);
    assert_eq!(due().await, 0);
    story.day(32);
    assert_eq!((due().await, story.due().await), (json!(1), (json!(0), json!(1))));
    assert_eq!(story.apply().await["threads"], 1);
    assert_eq!(due().await, 0);
    for (agent, thread, there) in [
        (&story.pilot, "idle", false),
        (&story.pilot, "used", true),
        (&story.pilot, "held", true),
        (&story.desk, "idle", true),
    ] {
        assert_eq!(get(world, agent, thread, None).await.get("newest").is_some(), there, "{thread}");
    }
    assert_eq!(text(&get(world, &story.pilot, "used", None).await["checkpoint"]["values"][0]["value"]), "x");
    assert_eq!(world.post("/v1/subjects/hold", &world.token(), hold(false)).await.status, 200);
    story.day(52);
    assert_eq!(story.apply().await["threads"], 2);
    assert_eq!(list(world, &story.pilot, json!({})).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_with_content_of_a_thread_that_is_used_stay() {
    const SMALL: u64 = 30_000;
    let one_day = "[classes.standard]\ndays = 1\nreason = \"invented people\"\n";
    let story = Story::begin_with(one_day, "standard", SMALL).await;
    let (world, agent) = (&story.world, &story.desk);
    save(world, agent, checkpoint("used", "1", None, &["log=long ago"])).await;
    for number in 0..8 {
        let large = format!("log={}", "x".repeat(10_000));
        save(world, agent, checkpoint(&format!("idle {number}"), "1", None, &[&large])).await;
    }
    story.day(2);
    save(world, agent, checkpoint("used", "2", Some("1"), &["log"])).await;
    story.day(3);
    story.apply_folder("Another title", one_day, "standard").await;
    // So many that the entry which says what goes shares no bundle of the published log with it.
    let (young, _) = story.run(agent, "young", &["W-young"]).await;
    story.steps(agent, &young, 256).await;
    assert_eq!(story.apply().await["threads"], 8);
    let prune = || async {
        let done = world.post("/v1/retention/prune", &world.token(), json!({})).await;
        assert_eq!(done.status, 200, "{:#}", done.body);
        done.body["segments"].as_u64().unwrap()
    };
    assert_eq!(prune().await, 0, "the value of the thread that is used lies in the first");
    let found = get(world, agent, "used", None).await;
    assert_eq!(text(&found["checkpoint"]["values"][0]["value"]), "long ago");
    story.day(6);
    assert_eq!(story.apply().await["threads"], 1);
    assert!(prune().await >= 2);
    assert_eq!(get(world, agent, "used", None).await, json!({}));
}
