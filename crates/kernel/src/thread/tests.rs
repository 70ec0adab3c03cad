//! Stories of threads: rows after entries, and what deciders say to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::actor::Actor;
use crate::state;

#[derive(Default)]
struct Rows(BTreeMap<RowKey, Arc<Row>>);

impl Table for Rows {
    fn get(&self, key: &RowKey) -> Option<Arc<Row>> {
        self.0.get(key).cloned()
    }

    fn put(&mut self, key: RowKey, row: Option<Row>) {
        match row {
            Some(row) => drop(self.0.insert(key, Arc::new(row))),
            None => drop(self.0.remove(&key)),
        }
    }
}

#[derive(Default)]
struct World {
    rows: Rows,
    seq: u64,
}

fn name(text: &str) -> Digest {
    Digest::of("test", &[text.as_bytes()])
}

fn agent() -> AgentId {
    "shop-agent".parse().unwrap()
}

/// A checkpoint of thread `t`: values as `channel=content`, or `channel` alone for the parent's.
fn save(id: &str, parent: Option<&str>, values: &[&str]) -> Save {
    let parts: Vec<(&str, Option<&str>)> = values
        .iter()
        .map(|value| value.split_once('=').map_or((*value, None), |(a, b)| (a, Some(b))))
        .collect();
    Save {
        saved: Saved {
            thread: name("t"),
            agent: agent(),
            namespace: name("ns"),
            checkpoint: name(id),
            parent: parent.map(name),
            run: None,
            values: parts.iter().map(|(channel, _)| (name(channel), 10)).collect(),
            delta: vec![],
            bytes: 1,
        },
        body: name(&format!("body {id}")),
        metadata: name("metadata"),
        commits: parts.iter().map(|(_, content)| content.map(name)).collect(),
        fence: None,
    }
}

fn write(checkpoint: &str, slots: &[i32], content: &str) -> Write {
    let written = Written {
        thread: name("t"),
        agent: agent(),
        checkpoint: name(checkpoint),
        task: name("task"),
        slots: slots.to_vec(),
        bytes: 5,
    };
    Write { written, commit: name(content), fence: None }
}

impl World {
    fn take(&mut self, event: Event, commits: BTreeMap<String, Digest>) {
        let entry = Entry {
            v: 1,
            log: "log".to_owned(),
            seq: self.seq,
            at: Millis(1_000),
            run: None,
            actor: Actor::Agent(agent()),
            cause: None,
            event,
            commits,
        };
        self.seq += 1;
        state::apply(&mut self.rows, &entry);
    }

    fn save(&mut self, call: Save) -> Result<bool, &'static str> {
        let mut commits: BTreeMap<String, Digest> = call
            .commits
            .iter()
            .enumerate()
            .filter_map(|(index, commit)| Some((format!("value.{index}"), (*commit)?)))
            .collect();
        commits.insert("checkpoint".to_owned(), call.body);
        commits.insert("metadata".to_owned(), call.metadata);
        let event = call.decide(&self.rows).map_err(|refusal| refusal.code())?;
        let new = event.is_some();
        if let Some(event) = event {
            self.take(event, commits);
        }
        Ok(new)
    }

    fn write(&mut self, call: Write) -> Result<bool, &'static str> {
        let commits = BTreeMap::from([("writes".to_owned(), call.commit)]);
        let event = call.decide(&self.rows).map_err(|refusal| refusal.code())?;
        let new = event.is_some();
        if let Some(event) = event {
            self.take(event, commits);
        }
        Ok(new)
    }

    fn newest(&self) -> Option<Digest> {
        newest(&self.rows, &name("t"), &name("ns"))
    }

    fn values(&self, id: &str) -> Vec<Digest> {
        let row = checkpoint(&self.rows, &name("t"), &name(id)).unwrap();
        row.values.iter().map(|held| held.commit).collect()
    }
}

#[test]
fn the_newest_is_the_one_that_was_saved_last() {
    let mut world = World::default();
    assert_eq!(world.save(save("b", None, &[])), Ok(true));
    assert_eq!(world.save(save("a", Some("b"), &[])), Ok(true));
    assert_eq!(world.newest(), Some(name("a")));
    assert_eq!(world.save(save("b", None, &[])), Ok(false), "saved again, it stays where it was");
    assert_eq!(world.newest(), Some(name("a")));
}

#[test]
fn the_same_name_with_other_content_is_a_conflict() {
    let mut world = World::default();
    assert_eq!(world.save(save("a", None, &["x=1"])), Ok(true));
    assert_eq!(world.save(save("a", None, &["x=2"])), Err("checkpoint_conflict"));
    assert_eq!(world.save(save("a", Some("other"), &["x=1"])), Err("checkpoint_conflict"));
    let body = Save { body: name("another"), ..save("a", None, &["x=1"]) };
    assert_eq!(world.save(body), Err("checkpoint_conflict"));
    assert_eq!(world.save(save("a", None, &["x=1"])), Ok(false));
}

#[test]
fn a_value_that_did_not_change_is_the_parents() {
    let mut world = World::default();
    world.save(save("a", None, &["x=1", "y=2"])).unwrap();
    assert_eq!(world.save(save("b", Some("a"), &["x", "y=3"])), Ok(true));
    assert_eq!(world.values("b"), [name("1"), name("3")]);
    assert_eq!(world.values("a"), [name("1"), name("2")]);
    assert_eq!(world.save(save("c", Some("b"), &["z"])), Err("checkpoint_values_missing"));
    assert_eq!(world.save(save("c", None, &["x"])), Err("checkpoint_values_missing"));
    assert_eq!(checkpoint(&world.rows, &name("t"), &name("b")).unwrap().bytes, 21);
}

#[test]
fn a_fence_refuses_who_was_overtaken() {
    let fenced = |id: &str, newest: Option<&str>| Save {
        fence: Some(Fence(newest.map(name))),
        ..save(id, newest, &[])
    };
    let mut world = World::default();
    assert_eq!(world.save(fenced("a", Some("x"))), Err("checkpoint_fenced"));
    assert_eq!(world.save(fenced("a", None)), Ok(true));
    assert_eq!(world.save(fenced("b", Some("a"))), Ok(true));
    assert_eq!(world.save(fenced("c", Some("a"))), Err("checkpoint_fenced"));
    assert_eq!(world.save(fenced("c", None)), Err("checkpoint_fenced"));
    assert_eq!(world.save(fenced("b", Some("a"))), Ok(false), "who repeats what was saved is told so");
    let late = Write { fence: Some((name("ns"), Fence(Some(name("a"))))), ..write("b", &[0], "w") };
    assert_eq!(world.write(late), Err("checkpoint_fenced"));
}

#[test]
fn a_plain_write_stays_and_of_special_ones_the_last_counts() {
    let mut world = World::default();
    assert_eq!(world.write(write("a", &[0, 1], "first")), Ok(true), "also before its checkpoint");
    assert_eq!(world.write(write("a", &[0, 1], "second")), Ok(false));
    assert_eq!(world.write(write("a", &[1, 2, -1], "third")), Ok(true));
    assert_eq!(world.write(write("a", &[1, 2, -1], "third")), Ok(false));
    assert_eq!(world.write(write("a", &[-1], "fourth")), Ok(true));
    let row = writes(&world.rows, &name("t"), &name("a"));
    let batches: Vec<(Digest, Vec<i32>)> =
        row.tasks[&name("task")].iter().map(|batch| (batch.commit, batch.slots.clone())).collect();
    assert_eq!(batches, [(name("first"), vec![0, 1]), (name("third"), vec![2]), (name("fourth"), vec![-1])]);
}

#[test]
fn what_is_removed_leaves_its_neighbours_together() {
    let mut world = World::default();
    for (id, parent) in [("a", None), ("b", Some("a")), ("c", Some("b")), ("d", Some("c"))] {
        world.save(save(id, parent, &["x=1"])).unwrap();
    }
    let drop = |world: &mut World, ids: &[&str]| {
        let ids: Vec<Digest> = ids.iter().map(|id| name(id)).collect();
        let events = remove(&world.rows, &name("t"), &ids);
        let count = events.len();
        for event in events {
            world.take(event, BTreeMap::new());
        }
        count
    };
    assert_eq!(drop(&mut world, &["d", "b"]), 1);
    assert_eq!(world.newest(), Some(name("c")));
    let row = checkpoint(&world.rows, &name("t"), &name("c")).unwrap();
    assert_eq!((row.older, row.newer), (Some(name("a")), None));
    assert_eq!(drop(&mut world, &["d", "b"]), 0, "they are gone already");
    assert_eq!(drop(&mut world, &["a", "c"]), 1);
    assert_eq!(world.newest(), None);
    assert_eq!(thread(&world.rows, &name("t")).unwrap().checkpoints, 0);
}

#[test]
fn a_deleted_thread_leaves_nothing_to_the_next_of_its_name() {
    for by_erasure in [false, true] {
        let mut world = World::default();
        world.save(save("a", None, &["x=1"])).unwrap();
        world.write(write("a", &[0], "w")).unwrap();
        let (thread, keys) = (name("t"), vec![7]);
        let event = if by_erasure {
            Event::SubjectErased { subject: thread, keys }
        } else {
            Event::ThreadDeleted { thread, keys, why: DeletedWhy::Asked }
        };
        world.take(event, BTreeMap::new());
        assert_eq!(world.newest(), None);
        assert_eq!(checkpoint(&world.rows, &name("t"), &name("a")), None);
        assert!(state::subject(&world.rows, &name("t")).unwrap().keys.contains(&7));
        world.save(save("b", None, &["x=2"])).unwrap();
        assert_eq!(checkpoint(&world.rows, &name("t"), &name("a")), None);
        assert_eq!(writes(&world.rows, &name("t"), &name("a")), Writes::default());
        assert_eq!(world.save(save("c", Some("a"), &["x"])), Err("checkpoint_values_missing"));
    }
}

#[test]
fn what_a_channel_is_put_together_from_is_not_superseded() {
    let mut world = World::default();
    let delta = |id: &str, parent: Option<&str>, values: &[&str], delta: &[&str]| {
        let mut call = save(id, parent, values);
        call.saved.delta = delta.iter().map(|channel| name(channel)).collect();
        call
    };
    world.save(delta("a", None, &["log=whole"], &[])).unwrap();
    world.save(delta("b", Some("a"), &["log=whole 2"], &[])).unwrap();
    world.save(delta("c", Some("b"), &[], &["log"])).unwrap();
    world.save(delta("d", Some("c"), &[], &["log"])).unwrap();
    let links = |world: &World, ids: &[&str]| -> BTreeMap<Digest, Link> {
        let row = |id: &str| checkpoint(&world.rows, &name("t"), &name(id)).unwrap();
        ids.iter().map(|id| (name(id), Link::from(&row(id)))).collect()
    };
    assert_eq!(superseded(&links(&world, &["a", "b", "c", "d"])), [name("a")]);
    world.save(delta("e", Some("d"), &["log=whole 3"], &[])).unwrap();
    let mut gone = superseded(&links(&world, &["a", "b", "c", "d", "e"]));
    gone.sort();
    let mut wanted = ["a", "b", "c", "d"].map(name);
    wanted.sort();
    assert_eq!(gone, wanted);
    // Without any value on the way, everything down to the first is needed.
    let mut world = World::default();
    world.save(delta("a", None, &[], &["log"])).unwrap();
    world.save(delta("b", Some("a"), &[], &["log"])).unwrap();
    world.save(delta("c", Some("b"), &[], &["log"])).unwrap();
    assert_eq!(superseded(&links(&world, &["a", "b", "c"])), []);
}

#[test]
fn limits_are_refusals() {
    let mut world = World::default();
    let mut large = save("a", None, &["x=1"]);
    large.saved.values[0].1 = CHECKPOINT_BYTES_MAX;
    assert_eq!(world.save(large), Err("checkpoint_too_large"));
    let mut large = write("a", &[0], "w");
    large.written.bytes = WRITES_BYTES_MAX + 1;
    assert_eq!(world.write(large), Err("checkpoint_too_large"));
    let many: Vec<i32> = (0..=i32::try_from(SLOTS_MAX).unwrap()).collect();
    assert_eq!(world.write(write("a", &many, "w")), Err("thread_full"));
    assert_eq!(world.seq, 0);
    world.save(save("a", None, &[])).unwrap();
    let full = Thread { checkpoints: CHECKPOINTS_MAX, ..thread(&world.rows, &name("t")).unwrap() };
    world.rows.put(RowKey::new(Noun::Thread, name("t")), Some(Row::Thread(full)));
    assert_eq!(world.save(save("b", Some("a"), &[])), Err("thread_full"));
}
