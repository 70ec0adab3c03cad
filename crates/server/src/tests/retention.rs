//! Retention by the clock: what is past it is let go and nothing else, a hold beats it, and the proof stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use kernel::clock::{Clock, Millis, Now};
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{World, config, folder, got};
use crate::Server;
use crate::clock::SystemClock;

const DAY: i64 = 24 * 60 * 60 * 1_000;
const SHORT: &str = "[classes.short]\ndays = 30\nreason = \"a pilot with invented people\"\n";

/// The machine's clock, some days ahead.
#[derive(Debug)]
pub(super) struct Ahead(SystemClock, AtomicI64);

impl Ahead {
    /// So many milliseconds ahead of the machine, or behind it.
    pub(super) fn by(machine: SystemClock, ms: i64) -> Self {
        Self(machine, AtomicI64::new(ms))
    }
}

impl Clock for Ahead {
    fn now(&self) -> Now {
        let by = self.1.load(Ordering::SeqCst);
        let Now { wall, steady } = self.0.now();
        Now { wall: Millis(wall.0 + by), steady: Millis(steady.0 + by) }
    }
}

/// A shop with two agents and a clock of its own.
pub(super) struct Story {
    pub(super) world: World,
    pub(super) clock: Arc<Ahead>,
    pub(super) desk: String,
    pub(super) pilot: String,
    /// Of servers that stand in.
    empty: Vec<tempfile::TempDir>,
}

impl Story {
    /// Two agents, one of them with a short class; orders are subjects.
    pub(super) async fn begin() -> Self {
        Self::begin_with(SHORT, "short", 64 << 20).await
    }

    pub(super) async fn begin_with(classes: &str, class: &str, segment_bytes: u64) -> Self {
        let mut world = World::bare().await;
        let clock = Arc::new(Ahead(SystemClock::new(), AtomicI64::new(0)));
        restart(&mut world, clock.clone(), segment_bytes).await;
        let mut story = Self { world, clock, desk: String::new(), pilot: String::new(), empty: vec![] };
        story.apply_folder("Shop", classes, class).await;
        story.desk = story.world.agent().await;
        story.pilot = story.world.key("agent", "other-agent", &[]).await;
        story
    }

    pub(super) async fn apply_folder(&self, title: &str, classes: &str, class: &str) {
        let mut files = folder(self.world.tools);
        files.insert("retention.toml".to_owned(), classes.to_owned());
        let pilot = files.get_mut("agents/other-agent.toml").unwrap();
        *pilot = format!("{pilot}retention = \"{class}\"\n");
        let workspace = files.get_mut("workspace.toml").unwrap();
        *workspace = workspace.replace("title = \"Shop\"", &format!("title = \"{title}\""));
        let shop = files.get_mut("connectors/shop.toml").unwrap();
        *shop = shop.replace("\n\n[tools.order]", "\nsubject = \".arguments.order\"\n\n[tools.order]");
        let token = self.world.token();
        let applied = self.world.post("/v1/apply", &token, json!({ "files": files })).await;
        assert_eq!(applied.status, 200, "{:#}", applied.body);
    }

    /// Ends the server; another one, of another directory, stands in its place.
    pub(super) async fn stop(&mut self) {
        let empty = tempfile::tempdir().unwrap();
        let old = std::mem::replace(&mut self.world.server, super::world::start(&empty).await);
        self.empty.push(empty);
        old.shutdown().await.unwrap();
    }

    pub(super) async fn run(&self, agent: &str, name: &str, orders: &[&str]) -> (String, Vec<String>) {
        let started = self
            .world
            .request(Method::POST, "/v1/runs")
            .bearer_auth(agent)
            .json(&json!({ "title": format!("about {name}"), "conversation": name }))
            .send();
        let run = got(started.await.unwrap()).await.text("id");
        let mut actions = vec![];
        for order in orders {
            let done = self.world.propose(agent, &run, order, "shop.order", json!({ "order": order })).await;
            assert_eq!(done.text("status"), "confirmed", "{:#}", done.body);
            actions.push(done.text("id"));
        }
        (run, actions)
    }

    /// So many more entries of a run, as steps that it need not do again.
    pub(super) async fn steps(&self, agent: &str, run: &str, count: usize) {
        let input = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let step =
            |n| json!({ "key": format!("step {n}"), "kind": "task", "input_sha256": input, "result": n });
        let steps: Vec<Value> = (0..count).map(step).collect();
        let done = self.world.post(&format!("/v1/runs/{run}/steps"), agent, json!({ "steps": steps })).await;
        assert_eq!(done.status, 200, "{:#}", done.body);
    }

    pub(super) async fn finish(&self, agent: &str, run: &str) {
        let done =
            self.world.post(&format!("/v1/runs/{run}/finish"), agent, json!({ "outcome": "done" })).await;
        assert_eq!(done.status, 200, "{:#}", done.body);
    }

    pub(super) fn day(&self, day: i64) {
        self.clock.1.store(day * DAY, Ordering::SeqCst);
    }

    pub(super) async fn due(&self) -> (Value, Value) {
        let now = self.world.get("/v1/retention", &self.world.token()).await;
        (now.body["due"].clone(), now.body["held"].clone())
    }

    pub(super) async fn apply(&self) -> Value {
        let done = self.world.post("/v1/retention/apply", &self.world.token(), json!({})).await;
        assert_eq!(done.status, 200, "{:#}", done.body);
        done.body
    }

    /// Whether the server still tells the order of an action.
    pub(super) async fn tells(&self, action: &str, order: &str) -> bool {
        let told = self.world.get(&format!("/v1/actions/{action}"), &self.world.token()).await;
        assert_eq!(told.status, 200, "{:#}", told.body);
        told.body.to_string().contains(order)
    }

    async fn kinds(&self, kind: &str) -> usize {
        let all = self.world.get("/v1/entries?limit=500", &self.world.token()).await;
        all.body.to_string().matches(&format!("\"kind\":\"{kind}\"")).count()
    }
}

pub(super) async fn restart(world: &mut World, clock: Arc<Ahead>, segment_bytes: u64) {
    let config = crate::Config { segment_bytes, ..config(&world.dir) };
    let empty = tempfile::tempdir().unwrap();
    let old = std::mem::replace(&mut world.server, super::world::start(&empty).await);
    old.shutdown().await.unwrap();
    let new = Server::start_at(config, clock).await.unwrap();
    std::mem::replace(&mut world.server, new).shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_past_its_retention_goes_and_nothing_else() {
    let mut story = Story::begin().await;
    assert_eq!(story.kinds("retention.set").await, 1, "the standard is not worth an entry");
    let (long, of_long) = story.run(&story.desk, "long", &["W-one", "W-both"]).await;
    let (short, of_short) = story.run(&story.pilot, "short", &["W-both", "W-three"]).await;
    let (_open, of_open) = story.run(&story.pilot, "open", &["W-open"]).await;
    let (held, of_held) = story.run(&story.pilot, "held", &["W-held"]).await;
    for (agent, run) in [(&story.desk, &long), (&story.pilot, &short), (&story.pilot, &held)] {
        story.finish(agent, run).await;
    }
    let hold = |hold: bool| json!({ "subject": held, "hold": hold, "reason": "a lawsuit" });
    let token = story.world.token();
    assert_eq!(story.world.post("/v1/subjects/hold", &token, hold(true)).await.status, 200);

    story.day(29);
    assert_eq!(story.due().await, (json!(0), json!(0)));
    assert_eq!(story.apply().await["runs"], 0);
    story.day(31);
    assert_eq!(story.due().await, (json!(1), json!(1)));
    let done = story.apply().await;
    assert_eq!(
        (&done["runs"], &done["subjects"], &done["held"]),
        (&json!(1), &json!(2), &json!(1)),
        "{done}"
    );
    assert!(story.tells(&of_short[0], "W-both").await, "a younger run needs the key of this subject");
    assert!(!story.tells(&of_short[1], "W-three").await);
    assert!(story.tells(&of_held[0], "W-held").await);
    let run = story.world.get(&format!("/v1/runs/{short}"), &token).await;
    assert!(run.status == 200 && !run.body.to_string().contains("about short"), "{:#}", run.body);
    assert_eq!(story.due().await, (json!(0), json!(1)), "what went is not due again");
    assert_eq!(story.kinds("retention.applied").await, 1);

    assert_eq!(story.world.post("/v1/subjects/hold", &token, hold(false)).await.status, 200);
    assert_eq!(story.apply().await["runs"], 1);
    assert!(!story.tells(&of_held[0], "W-held").await);

    // By the server's own timer, over a restart: after a long absence it waits for somebody's word.
    story.day(1_100);
    restart(&mut story.world, story.clock.clone(), 64 << 20).await;
    let status = story.world.get("/v1/status", &story.world.token()).await;
    assert!(status.body["attention"].to_string().contains("away for long"), "{:#}", status.body);
    assert_eq!(story.world.server.app().engine.sweep().await.unwrap().due.runs, 0);
    assert!(story.tells(&of_long[0], "W-one").await);
    let done = story.apply().await;
    assert_eq!((&done["runs"], &done["subjects"]), (&json!(1), &json!(3)), "{done}");
    for (action, order) in [(&of_long[0], "W-one"), (&of_long[1], "W-both"), (&of_short[0], "W-both")] {
        assert!(!story.tells(action, order).await, "{order}");
    }
    assert!(story.tells(&of_open[0], "W-open").await, "an open run is kept");
    assert_eq!(story.world.server.app().engine.sweep().await.unwrap().due.runs, 0);

    let world = story.world;
    world.server.shutdown().await.unwrap();
    let data = world.dir.path().join("data");
    journal::verify(&data, &mut |_| ()).unwrap();
    assert_eq!(crate::rebuild(&data).unwrap().identical, Some(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_that_comes_back_gets_a_new_key() {
    let story = Story::begin().await;
    let (run, actions) = story.run(&story.pilot, "first", &["W-back"]).await;
    story.finish(&story.pilot, &run).await;
    story.day(31);
    assert_eq!(story.world.server.app().engine.sweep().await.unwrap().due.runs, 1);
    assert!(!story.tells(&actions[0], "W-back").await);
    let (_, again) = story.run(&story.pilot, "second", &["W-back"]).await;
    assert!(story.tells(&again[0], "W-back").await);
    assert!(!story.tells(&actions[0], "W-back").await);
    let world = &story.world;
    let shorter = world.post("/v1/retention/apply", &story.pilot, json!({})).await;
    assert_eq!(shorter.code(), (403, "forbidden"));
}
