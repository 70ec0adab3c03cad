//! Witnesses of a real server: real ones over HTTP, one that is down, and one that saw another history.

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use serde_json::json;
use tempfile::TempDir;
use tlog::{Policy, VerifierKey};

use super::prune::{ONE_DAY, SMALL};
use super::retention::Story;
use super::world::{World, config, start_with};
use crate::cosigning::Cosigning;
use crate::{Config, RunningWitness, Server, WitnessConfig};

/// A witness of one log on a directory.
async fn witness(dir: &TempDir, name: &str, log: &str) -> RunningWitness {
    RunningWitness::start(WitnessConfig {
        data: dir.path().join(name),
        key_file: dir.path().join(format!("{name}.key")),
        name: Some(format!("witness.example/{name}")),
        policy: Policy::of_log(VerifierKey::parse(log).unwrap()),
        listen: "127.0.0.1:0".parse().unwrap(),
    })
    .await
    .unwrap()
}

/// Starts the world's server again, with these lines of policy. Rounds are made by hand.
async fn watched(world: &mut World, policy: &str) -> Arc<Cosigning> {
    let mut config = Config::new(world.dir.path().join("data"));
    config.witnesses = Some(Policy::parse(policy.as_bytes()).unwrap());
    config.witness_interval = std::time::Duration::from_hours(1);
    world.server = start_with(&world.dir, config).await;
    world.server.app().cosigning.clone().unwrap()
}

fn line(witness: &RunningWitness, name: &str) -> String {
    format!("witness {name} {} http://{}/\n", witness.verifier_key, witness.addr)
}

/// The server's own key, and the server stopped.
async fn log_key(world: &mut World) -> String {
    let key = world.server.app().verifier_key.clone();
    let server =
        std::mem::replace(&mut world.server, super::world::start(&tempfile::tempdir().unwrap()).await);
    server.shutdown().await.unwrap();
    key
}

async fn grow(world: &World, agent: &str, run: &str, name: &str) {
    let read = world.propose(agent, run, name, "shop.order", json!({ "order": "W1" })).await;
    assert_eq!(read.status, 200, "{:#}", read.body);
    world.server.app().journal.checkpoint_now().unwrap();
}

async fn published(world: &World) -> String {
    let got = world.get("/log/main/checkpoint", &world.token()).await;
    got.body.as_str().unwrap().to_owned()
}

async fn attention(world: &World) -> String {
    world.get("/v1/status", &world.token()).await.body["attention"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_are_cosigned_kept_and_published() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let key = log_key(&mut world).await;
    let homes = tempfile::tempdir().unwrap();
    let (one, two) = (witness(&homes, "one", &key).await, witness(&homes, "two", &key).await);
    let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let policy = format!(
        "{}{}witness three {} http://{down}\ngroup two-of-three 2 one two three\nquorum two-of-three\n",
        line(&one, "one"),
        line(&two, "two"),
        witness(&homes, "three", &key).await.verifier_key,
    );
    let cosigning = watched(&mut world, &policy).await;
    let run = world.run(&agent).await;
    let trust = Policy::parse(policy.as_bytes()).unwrap().with_log(VerifierKey::parse(&key).unwrap());
    let mut last = 0;
    for round in ["1", "2", "3"] {
        grow(&world, &agent, &run, round).await;
        cosigning.round().await.unwrap();
        let found = trust.check(&published(&world).await).unwrap();
        assert!(found.checkpoint.size() > last, "round {round}");
        assert_eq!(found.seen_by.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        last = found.checkpoint.size();
    }
    // The third is down: no effect on work, and it is said.
    let told = attention(&world).await;
    assert!(told.contains("The witness three has not cosigned") && !told.contains("witness one"), "{told}");
    assert_eq!(world.get("/readyz", "").await.status, 200);
    let metrics = world.get("/metrics", "").await.body.as_str().unwrap().to_owned();
    assert!(metrics.contains("countersign_witness_failing{witness=\"three\"} 1"), "{metrics}");
    assert!(metrics.contains(&format!("countersign_witness_size{{witness=\"one\"}} {last}")), "{metrics}");

    // Below the quorum, the last one that had it stays published; a new life finds it, and goes on from what they saw.
    two.shutdown().await;
    grow(&world, &agent, &run, "4").await;
    cosigning.round().await.unwrap();
    assert_eq!(trust.check(&published(&world).await).unwrap().checkpoint.size(), last);
    drop(cosigning);
    drop(log_key(&mut world).await);
    let two = witness(&homes, "two", &key).await;
    let policy =
        policy.replace(&policy.lines().nth(1).map(|line| format!("{line}\n")).unwrap(), &line(&two, "two"));
    let cosigning = watched(&mut world, &policy).await;
    assert_eq!(trust.check(&published(&world).await).unwrap().checkpoint.size(), last);
    cosigning.round().await.unwrap();
    assert!(trust.check(&published(&world).await).unwrap().checkpoint.size() > last);
    assert_eq!(cosigning.disputes(), 0);

    // Evidence rests on it.
    let actions = world.get("/v1/actions", &world.token()).await;
    let id = actions.body["items"][0]["id"].as_str().unwrap().to_owned();
    let pack = world.get(&format!("/v1/actions/{id}/evidence"), &world.token()).await;
    let pack = evidence::Pack::parse(pack.body.to_string().as_bytes()).unwrap();
    let report = evidence::check(&pack, Some(&trust));
    assert!(report.holds() && report.lines[0].text.ends_with("seen by `one`, seen by `two`"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_history_is_an_alarm_that_is_kept() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    grow(&world, &agent, &run, "1").await;
    let key = log_key(&mut world).await;
    // A copy of the log from here on: what a restore of a backup under the same key would be.
    let copy = tempfile::tempdir().unwrap();
    copy_all(world.dir.path(), copy.path());
    let homes = tempfile::tempdir().unwrap();
    let one = witness(&homes, "one", &key).await;
    let policy = format!("{}quorum one\n", line(&one, "one"));
    let first = watched(&mut world, &policy).await;
    grow(&world, &agent, &run, "2").await;
    grow(&world, &agent, &run, "3").await;
    first.round().await.unwrap();
    assert_eq!((first.disputes(), first.witnesses()["one"].failing.clone()), (0, None));
    drop(first);
    drop(log_key(&mut world).await);

    // Beside what witnesses signed, the older copy is known for one at once.
    let signed = std::fs::read(world.dir.path().join("data/cosigned/main")).unwrap();
    world.dir = copy;
    let kept = world.dir.path().join("data/cosigned/main");
    std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
    std::fs::write(&kept, signed).unwrap();
    let mut config = Config::new(world.dir.path().join("data"));
    config.listen = "127.0.0.1:0".parse().unwrap();
    config.root_key_file = Some(world.dir.path().join("root.key"));
    config.witnesses = Some(Policy::parse(policy.as_bytes()).unwrap());
    let refused = crate::Server::start(config).await.unwrap_err().to_string();
    assert!(refused.contains("this is an older copy of it"), "{refused}");
    std::fs::remove_file(kept).unwrap();
    let second = watched(&mut world, &policy).await;
    for _ in 0..2 {
        second.round().await.unwrap();
    }
    assert_eq!(second.disputes(), 1, "409 with more than this log has, said once");
    let told = attention(&world).await;
    assert!(told.contains("holds another history of the log main (it answered 409)"), "{told}");
    for name in ["4", "5", "6", "7", "8", "9"] {
        grow(&world, &agent, &run, name).await;
    }
    second.round().await.unwrap();
    assert_eq!(second.disputes(), 2, "422, once this log is longer");
    let metrics = world.get("/metrics", "").await.body.as_str().unwrap().to_owned();
    assert!(metrics.contains("countersign_log_disputes 2"), "{metrics}");
    assert_eq!(world.get("/readyz", "").await.status, 200, "work goes on");
    assert_eq!(world.get("/healthz", "").await.body["status"], "degraded");
    drop(second);
    drop(log_key(&mut world).await);
    let third = watched(&mut world, &policy).await;
    assert_eq!(third.disputes(), 2, "an alarm outlives a start");
    let file = std::fs::read_to_string(world.dir.path().join("data/cosigned/disputes.jsonl")).unwrap();
    assert!(
        file.lines().count() == 2 && file.contains("\"status\":409") && file.contains("\"status\":422"),
        "{file}"
    );
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    for item in std::fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_all(&path, &target);
        } else if !path.to_string_lossy().contains("views.db") {
            // The views are made anew; the last reader of the old ones may be closing them just now.
            std::fs::copy(path, target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_witness_answers_is_not_believed() {
    let mut world = World::shop().await;
    let key = log_key(&mut world).await;
    let homes = tempfile::tempdir().unwrap();
    let real = witness(&homes, "one", &key).await.verifier_key;
    let lies = ["", "\u{2014} witness.example/one AAAAAAAAAAAA\n", "no"].map(str::to_owned);
    let long = "x".repeat(1 << 20);
    for lie in lies.into_iter().chain([long]) {
        let router = Router::new().route("/w/add-checkpoint", post(move || async move { lie }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        drop(tokio::spawn(async move { axum::serve(listener, router).await }));
        let cosigning =
            watched(&mut world, &format!("witness one {real} http://{addr}/w\nquorum one\n")).await;
        cosigning.round().await.unwrap();
        assert!(cosigning.trusted().is_none() && cosigning.witnesses()["one"].failing.is_some());
        assert!(!published(&world).await.contains("witness.example"), "nothing of it is published");
        drop(cosigning);
        drop(log_key(&mut world).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witnesses_go_on_over_a_prune_and_a_restart() {
    let mut story = Story::begin_with(ONE_DAY, "standard", SMALL).await;
    let homes = tempfile::tempdir().unwrap();
    let one = witness(&homes, "one", &story.world.server.app().verifier_key).await;
    let policy = Policy::parse(format!("{}quorum one\n", line(&one, "one")).as_bytes()).unwrap();
    let mut sizes = vec![];
    for life in ["before the prune", "pruned meanwhile", "pruned before it starts", "once more"] {
        story.stop().await;
        let hour = std::time::Duration::from_hours(1);
        let config = config(&story.world.dir);
        let config = Config {
            segment_bytes: SMALL,
            witnesses: Some(policy.clone()),
            witness_interval: hour,
            ..config
        };
        let server = Server::start_at(config, story.clock.clone()).await.unwrap();
        std::mem::replace(&mut story.world.server, server).shutdown().await.unwrap();
        for name in 0..8 {
            let (run, _) = story.run(&story.desk, &format!("{life} {name}"), &["W-a", "W-b", "W-c"]).await;
            story.finish(&story.desk, &run).await;
        }
        if life == "pruned meanwhile" {
            story.day(3);
            story.apply_folder("Another title", ONE_DAY, "standard").await;
            story.apply().await;
            let (run, _) = story.run(&story.desk, "young", &[]).await;
            story.steps(&story.desk, &run, 256).await;
            let (segments, first) = story.prune(false).await;
            assert!(segments > 0 && first > 0, "{segments} segments before entry {first}");
        }
        let app = story.world.server.app();
        app.journal.checkpoint_now().unwrap();
        let cosigning = app.cosigning.clone().unwrap();
        cosigning.round().await.unwrap();
        let seen = cosigning.witnesses()["one"].clone();
        assert_eq!((seen.failing, cosigning.disputes()), (None, 0), "{life}");
        assert_eq!(seen.size, story.world.server.entries(), "{life}");
        sizes.push(seen.size);
    }
    assert!(sizes.is_sorted(), "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_hashes_are_no_second_history() {
    let mut world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    let key = log_key(&mut world).await;
    let homes = tempfile::tempdir().unwrap();
    let one = witness(&homes, "one", &key).await;
    let cosigning = watched(&mut world, &format!("{}quorum one\n", line(&one, "one"))).await;
    grow(&world, &agent, &run, "1").await;
    cosigning.round().await.unwrap();
    assert_eq!(cosigning.witnesses()["one"].failing, None);
    grow(&world, &agent, &run, "2").await;
    let app = world.server.app();
    app.hashes(app.journal.head(app.log).size).unwrap();
    let tiles = world.dir.path().join("data/tiles/main/0");
    let mut hashes = std::fs::read(&tiles).unwrap();
    hashes[40] ^= 1;
    std::fs::write(&tiles, &hashes).unwrap();
    cosigning.round().await.unwrap();
    let (_, why) = cosigning.witnesses()["one"].failing.clone().unwrap();
    assert!(why.contains("are damaged"), "{why}");
    assert_eq!(cosigning.disputes(), 0, "a proof that does not hold would be an alarm");
    hashes[40] ^= 1;
    std::fs::write(&tiles, &hashes).unwrap();
    cosigning.round().await.unwrap();
    assert_eq!(cosigning.witnesses()["one"].failing, None);
}
