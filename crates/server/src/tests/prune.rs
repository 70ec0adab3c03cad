//! Pruning: segments whose runs are all past their retention go, the rest and its proofs stay, and the rows can be made
//! again.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::retention::{Story, restart};
use super::world::config;
use crate::Server;

const ONE_DAY: &str = "[classes.standard]\ndays = 1\nreason = \"invented people\"\n";
const SMALL: u64 = 30_000;

fn segments(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = std::fs::read_dir(data.join("journal")).unwrap().map(|item| item.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".seg"));
    names.map(|name| (name.clone(), std::fs::read(data.join("journal").join(name)).unwrap())).collect()
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
            "at once" => story.again().await,
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
    let refused = crate::rebuild(&data).unwrap_err().to_string();
    assert!(refused.contains("is not the base that the journal names"), "{refused}");
}
