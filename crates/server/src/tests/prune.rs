//! Pruning: segments whose runs are all past their retention go, the rest and its proofs stay, and the rows can be made
//! again.

use std::collections::BTreeMap;
use std::path::Path;

use kernel::clock::Millis;
use serde_json::json;

use super::retention::{Story, restart};
use super::world::config;
use crate::backup::backup_at;
use crate::{BackupPlan, RestorePlan, Server, restore};

const ONE_DAY: &str = "[classes.standard]\ndays = 1\nreason = \"invented people\"\n";
const SMALL: u64 = 30_000;

fn segments(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let paths = std::fs::read_dir(data.join("journal")).unwrap().map(|item| item.unwrap().path());
    let segments = paths.filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    segments.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

/// A backup of a pruned journal is whole: rows come from its base, and what went is proved still.
async fn restored_elsewhere(story: &Story, young: &str, first: u64) {
    let (data, places) = (story.world.dir.path().join("data"), tempfile::tempdir().unwrap());
    let place = |name: &str| places.path().join(name);
    story.world.server.app().journal.checkpoint_now().unwrap();
    let plan = BackupPlan { data, to: place("backup"), keys: Some(place("keys")), keep_keys_days: 35 };
    let backed_up = backup_at(&plan, Millis(1_767_225_600_000), &mut |_| ()).unwrap();
    let verified = journal::verify(&place("backup"), &mut |_| ()).unwrap();
    assert!(verified.logs.iter().any(|log| log.pruned.as_ref().is_some_and(|pruned| pruned.first == first)));
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(story.world.dir.path().join("root.key"), dir.path().join("root.key")).unwrap();
    let plan = RestorePlan {
        from: place("backup"),
        keys: backed_up.keys.unwrap(),
        to: dir.path().join("data"),
        erasures_from: None,
        last: vec![place("backup").join("checkpoints/main")],
        point: None,
        root_key_file: None,
        root_key: None,
    };
    restore(&plan, &mut |_| ()).unwrap();
    let config = crate::Config { segment_bytes: SMALL, ..config(&dir) };
    let server = Server::start_at(config, story.clock.clone()).await.unwrap();
    let get = |server: &crate::Running, token: String, path: &str| {
        story.world.http.get(format!("{}{path}", server.url)).bearer_auth(token).send()
    };
    let seen = get(&server, server.token.clone(), &format!("/v1/actions/{young}")).await.unwrap();
    assert_eq!(seen.status(), 200);
    let tile = "/log/main/tile/0/000.p/1";
    let there = get(&story.world.server, story.world.token(), tile).await.unwrap();
    let here = get(&server, server.token.clone(), tile).await.unwrap();
    assert_eq!((there.status().as_u16(), here.status().as_u16()), (200, 200));
    assert_eq!(there.bytes().await.unwrap(), here.bytes().await.unwrap(), "the hash of an entry that went");
    server.shutdown().await.unwrap();
}

impl Story {
    async fn prune(&self, dry_run: bool) -> (u64, u64) {
        let token = self.world.token();
        let done = self.world.post("/v1/retention/prune", &token, json!({ "dry_run": dry_run })).await;
        assert_eq!(done.status, 200, "{:#}", done.body);
        (done.body["segments"].as_u64().unwrap(), done.body["first_entry"].as_u64().unwrap())
    }

    async fn again(&mut self) {
        let clock = self.clock.clone();
        restart(&mut self.world, clock, SMALL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_past_their_retention_go_and_the_rest_stays() {
    let mut story = Story::begin_with(ONE_DAY, "standard", SMALL).await;
    let mut old = vec![];
    for name in 0..8 {
        let (run, actions) = story.run(&story.desk, &format!("old {name}"), &["W-a", "W-b", "W-c"]).await;
        story.finish(&story.desk, &run).await;
        old.push((run, actions));
    }
    story.day(3);
    // The files of the bundle in force are in the first segment: they have to move.
    story.apply_folder("Another title", ONE_DAY, "standard").await;
    let (_, young) = story.run(&story.desk, "young", &["W-young"]).await;
    assert_eq!(story.prune(true).await.0, 0, "nothing was let go yet");
    assert_eq!(story.apply().await["runs"], 8);

    let (token, data) = (story.world.token(), story.world.dir.path().join("data"));
    let hold = |hold: bool| json!({ "subject": old[0].0, "hold": hold, "reason": "a lawsuit" });
    assert_eq!(story.world.post("/v1/subjects/hold", &token, hold(true)).await.status, 200);
    assert_eq!(story.prune(true).await.0, 0, "a hold beats it");
    assert_eq!(story.world.post("/v1/subjects/hold", &token, hold(false)).await.status, 200);

    let before = segments(&data);
    let (count, first) = story.prune(true).await;
    assert!(count >= 2, "{count} of {}", before.len());
    assert_eq!(segments(&data).len(), before.len(), "only counted");
    assert_eq!(story.prune(false).await, (count, first));
    assert_eq!(segments(&data).len() as u64, before.len() as u64 - count);
    assert_eq!(story.prune(false).await.0, 0, "what may go went");

    for round in ["at once", "after a restart", "without its rows", "with a leftover"] {
        let token = story.world.token();
        assert!(story.tells(&young[0], "W-young").await, "{round}");
        let gone = story.world.get(&format!("/v1/actions/{}", old[0].1[0]), &token).await;
        assert_eq!(gone.code(), (404, "not_found"), "{round}: {:#}", gone.body);
        let log = story.world.get("/v1/entries?limit=500", &token).await;
        let seqs = log.body.to_string();
        assert!(
            !seqs.contains("\"seq\":0,") && seqs.contains(&format!("\"seq\":{first},")),
            "{round}: {seqs}"
        );
        let last = &story.world.get("/v1/runs", &token).await.body.to_string();
        assert!(!last.contains(&old[0].0), "{round}: {last}");
        assert_eq!(story.due().await, (json!(0), json!(0)), "{round}");
        match round {
            "at once" => {
                restored_elsewhere(&story, &young[0], first).await;
                story.again().await;
            }
            "after a restart" => {
                story.stop().await;
                let verified = journal::verify(&data, &mut |_| ()).unwrap();
                let ours = verified.logs.iter().find(|log| log.name == "main").unwrap();
                assert_eq!(ours.pruned.as_ref().unwrap().first, first);
                assert_eq!(crate::rebuild(&data).unwrap().identical, Some(true));
                std::fs::remove_file(data.join("views.db")).unwrap();
                story.again().await;
            }
            "without its rows" => {
                story.stop().await;
                // As if the process had ended before the last removal.
                let (name, bytes) = before.iter().nth(usize::try_from(count).unwrap() - 1).unwrap();
                std::fs::write(data.join("journal").join(name), bytes).unwrap();
                journal::verify(&data, &mut |_| ()).unwrap();
                story.again().await;
                assert!(!data.join("journal").join(name).exists());
            }
            _ => {}
        }
    }
    let orders: Vec<String> = (0..12).map(|number| format!("W-{number}")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    story.run(&story.desk, "later", &orders).await;
    // A front that goes further than any entry says is damage.
    story.stop().await;
    let next = segments(&data).into_iter().next().unwrap();
    std::fs::remove_file(data.join("journal").join(&next.0)).unwrap();
    let missing = journal::verify(&data, &mut |_| ()).unwrap_err();
    assert!(matches!(missing.kind, journal::FaultKind::MissingSegment { .. }), "{missing}");
    let again = Server::start_at(
        crate::Config { segment_bytes: SMALL, ..config(&story.world.dir) },
        story.clock.clone(),
    );
    assert!(again.await.unwrap_err().to_string().contains("no entry says that they were pruned"));
    std::fs::write(data.join("journal").join(&next.0), &next.1).unwrap();
    // Without its base the front is not known any more, and a false one is not believed.
    std::fs::remove_file(data.join("views.db")).unwrap();
    let bases = std::fs::read_dir(&data).unwrap().map(|item| item.unwrap().path());
    let bases: Vec<_> = bases.filter(|path| path.to_string_lossy().contains("base-")).collect();
    assert_eq!(bases.len(), 1, "{bases:?}");
    let mut text = std::fs::read(&bases[0]).unwrap();
    *text.last_mut().unwrap() ^= 1;
    std::fs::write(&bases[0], text).unwrap();
    // The start that was refused above lets go of the journal in its own time.
    let mut refused = crate::rebuild(&data).unwrap_err().to_string();
    for _ in 0..200 {
        if !refused.contains("stop the server first") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        refused = crate::rebuild(&data).unwrap_err().to_string();
    }
    assert!(refused.contains("is not the base that the journal names"), "{refused}");
}
