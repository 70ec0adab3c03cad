//! The log as outsiders read it: exactly what the checkpoint vouches for, to those who may, and nothing under other names.

use reqwest::Method;
use serde_json::json;
use tlog::{Checkpoint, Note, TILE_WIDTH, Tile, TileSource, VerifiedTiles};

use super::world::{World, config};
use crate::Server;

/// Tiles as they were fetched before.
struct Fetched(std::collections::BTreeMap<String, Vec<u8>>);

impl TileSource for Fetched {
    type Error = std::convert::Infallible;

    fn fetch(&self, tile: &Tile) -> Result<Vec<u8>, Self::Error> {
        Ok(self.0.get(&tile.to_string()).cloned().unwrap_or_default())
    }
}

#[tokio::test]
async fn the_published_tiles_are_the_tree_of_the_checkpoint() {
    let world = World::shop().await;
    let agent = world.agent().await;
    let run = world.run(&agent).await;
    for number in 0..3 {
        let name = format!("call {number}");
        world.propose(&agent, &run, &name, "shop.order", json!({ "order": name })).await;
    }
    world.server.app().journal.checkpoint_now().unwrap();
    let note = bytes(&world, "/log/main/checkpoint", &world.token()).await.1;
    let note = String::from_utf8(note).unwrap();
    let checkpoint = Checkpoint::claimed(&Note::parse(&note).unwrap()).unwrap();
    let mut fetched = Fetched(std::collections::BTreeMap::new());
    for tile in tlog::tiles(0, checkpoint.size()) {
        let names = [Some(tile), Tile::entries(tile.index(), tile.width()).filter(|_| tile.level() == 0)];
        for tile in names.into_iter().flatten() {
            let (status, bytes) = bytes(&world, &format!("/log/main/{tile}"), &world.token()).await;
            assert_eq!(status, 200, "{tile}");
            fetched.0.insert(tile.to_string(), bytes);
        }
    }
    let tiles = VerifiedTiles::open(fetched, checkpoint.size(), checkpoint.root()).unwrap();
    let entries = tiles.entries(0).unwrap();
    assert_eq!(entries.len() as u64, checkpoint.size().min(TILE_WIDTH));

    let beyond = Tile::entries(0, checkpoint.size() + 1).unwrap();
    for name in [
        format!("tile/{}", beyond.to_string().trim_start_matches("tile/")),
        "tile/0/001".to_owned(),
        "tile/0/x000/000".to_owned(),
        "tile/0/0".to_owned(),
        "tile/9/000".to_owned(),
        "tile/0/..%2f..%2fkeys.db".to_owned(),
        "tile/entries/000.p/0".to_owned(),
        "tile/".to_owned(),
    ] {
        let (status, _) = bytes(&world, &format!("/log/main/{name}"), &world.token()).await;
        assert_eq!(status, 404, "{name}");
    }
    let (other, _) = bytes(&world, "/log/other/checkpoint", &world.token()).await;
    assert_eq!(other, 404);
}

#[tokio::test]
async fn the_log_is_for_auditors_unless_it_is_published() {
    let mut world = World::shop().await;
    world.server.app().journal.checkpoint_now().unwrap();
    let (agent, viewer, auditor) =
        (world.agent().await, world.person("vera").await, world.person("gwen").await);
    let paths = ["/log/main/checkpoint", "/log/main/tile/0/000.p/1"];
    for path in paths {
        for (key, status) in [
            ("", 401),
            ("nonsense", 401),
            (&*agent, 403),
            (&*viewer, 403),
            (&*auditor, 200),
            (&*world.token(), 200),
        ] {
            assert_eq!(bytes(&world, path, key).await.0, status, "{path} {key}");
        }
    }
    let mut config = config(&world.dir);
    config.publish_log = true;
    world.server.shutdown().await.unwrap();
    world.server = Server::start(config).await.unwrap();
    for path in paths {
        assert_eq!(bytes(&world, path, "").await.0, 200, "{path}");
    }
    let entries = world.request(Method::GET, "/v1/entries").send().await.unwrap();
    assert_eq!(entries.status(), 401, "nothing else is open");
}

async fn bytes(world: &World, path: &str, key: &str) -> (u16, Vec<u8>) {
    let mut request = world.request(Method::GET, path);
    if !key.is_empty() {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}
