//! A tail of the journal that a crash or a bad disk left: cut above the checkpoint, kept, and announced.

use super::world::{World, start};

/// Whether anything of the tail is changed or missing.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// The last bytes are not there.
    Torn,
    /// One bit is another.
    Flipped,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cut_is_announced() {
    for harm in [Harm::Torn, Harm::Flipped] {
        let mut world = World::shop().await;
        let agent = world.agent().await;
        world.server.app().journal.checkpoint_now().unwrap();
        let data = world.dir.path().join("data");
        let vouched: Vec<_> = ["main", "platform"]
            .map(|log| (log, std::fs::read(data.join("checkpoints").join(log)).unwrap()))
            .into_iter()
            .collect();
        let before = world.server.entries();
        let run = world.run(&agent).await;
        let empty = tempfile::tempdir().unwrap();
        let old = std::mem::replace(&mut world.server, start(&empty).await);
        old.shutdown().await.unwrap();
        // As if the machine had stopped before the next checkpoint.
        for (log, note) in vouched {
            std::fs::write(data.join("checkpoints").join(log), note).unwrap();
        }
        let segment = data.join("journal/0000000000000000.seg");
        let mut bytes = std::fs::read(&segment).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        match harm {
            Harm::Torn => bytes[end - 20..].fill(0),
            Harm::Flipped => bytes[end - 60] ^= 4,
        }
        std::fs::write(&segment, bytes).unwrap();

        let again = start(&world.dir).await;
        std::mem::replace(&mut world.server, again).shutdown().await.unwrap();
        assert_eq!(world.server.entries(), before, "{harm:?}: what was vouched for is there");
        let gone = world.get(&format!("/v1/runs/{run}"), &world.token()).await;
        assert_eq!(gone.status, 404, "{harm:?}: {:#}", gone.body);
        let torn: Vec<_> = std::fs::read_dir(data.join("journal"))
            .unwrap()
            .map(|item| item.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("torn-"))
            .collect();
        assert_eq!(torn.len(), 1, "{harm:?}: {torn:?}");
        let health = world.get("/healthz", "").await;
        assert_eq!(health.body["status"], "degraded", "{harm:?}: {:#}", health.body);
        let status = world.get("/v1/status", &world.token()).await;
        for told in [health.body["degraded"].to_string(), status.body["attention"].to_string()] {
            assert!(told.contains("of the journal were not whole and were cut"), "{harm:?}: {told}");
            assert!(told.contains(&torn[0]), "{harm:?}: {told}");
        }
        assert_eq!(world.get("/readyz", "").await.status, 200, "{harm:?}: work goes on");
        drop(world.run(&agent).await);
    }
}
