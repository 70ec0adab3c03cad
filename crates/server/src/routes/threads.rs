//! Threads: what an agent's program keeps between its steps. Names travel in bodies, never in addresses.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{ChannelValue, Content, Filter, Metadata, SaveCheckpoint, Typed, WriteCheckpoint};
use kernel::digest::Digest;
use kernel::id::AgentId;
use kernel::state::{Noun, Row, RowKey};
use kernel::thread::{Checkpoint, Writes};
use serde_json::Value;
use views::{CheckpointFilter, CheckpointItem};

use crate::access::Right;
use crate::app::App;
use crate::body::{INLINE_BYTES_MAX, Json, Large};
use crate::caller::Caller;
use crate::codes::Code;
use crate::problem::Fault;

/// Names in one request.
const NAMES_MAX: usize = 100;
/// Content of one page.
const PAGE_BYTES_MAX: u64 = 16 << 20;
/// Checkpoints looked at for one page.
const LOOKED_AT_MAX: usize = 500;
/// Checkpoints on one page.
const ITEMS_MAX: usize = 100;
const ITEMS: usize = 20;

/// Saves a checkpoint: the answer comes after it is on the disk. Saved again with the same content it changes nothing.
#[utoipa::path(post, path = "/v1/checkpoints", request_body = api::SaveCheckpoint, responses((status = 200, body = api::Stored)))]
pub(crate) async fn save_checkpoint(
    State(app): State<Arc<App>>,
    caller: Caller,
    Large(body, _permit): Large<api::SaveCheckpoint>,
) -> Result<Answer<api::Stored>, Fault> {
    caller.may(Right::Act)?;
    let agent = agent_of(&caller, body.agent.as_deref())?;
    let value = |value: api::NewValue| {
        let content = value.value.map(decoded).transpose()?;
        Ok::<_, Fault>(ChannelValue { channel: value.channel, version: value.version, content })
    };
    let call = SaveCheckpoint {
        agent,
        thread: body.thread,
        namespace: body.namespace,
        id: body.id,
        parent: body.parent,
        run: body.run,
        body: decoded(body.checkpoint)?,
        metadata: Metadata { typed: decoded(body.metadata)?, filter: body.filter },
        values: body.values.into_iter().map(value).collect::<Result<_, _>>()?,
        delta: body.delta,
        if_newest: body.if_newest.map(|newest| newest.checkpoint),
    };
    let stored = app.engine.save_checkpoint(call, caller.actor()).await?;
    Ok(Answer(api::Stored { stored }))
}

/// Keeps what a task wrote: the answer comes after it is on the disk.
#[utoipa::path(post, path = "/v1/checkpoints/writes", request_body = api::WriteCheckpoint, responses((status = 200, body = api::Stored)))]
pub(crate) async fn write_checkpoint(
    State(app): State<Arc<App>>,
    caller: Caller,
    Large(body, _permit): Large<api::WriteCheckpoint>,
) -> Result<Answer<api::Stored>, Fault> {
    caller.may(Right::Act)?;
    let write = |write: api::NewWrite| Ok::<_, Fault>((write.slot, write.channel, decoded(write.value)?));
    let call = WriteCheckpoint {
        agent: agent_of(&caller, body.agent.as_deref())?,
        thread: body.thread,
        namespace: body.namespace,
        checkpoint: body.checkpoint,
        task: body.task,
        path: body.path,
        writes: body.writes.into_iter().map(write).collect::<Result<_, _>>()?,
        if_newest: body.if_newest.map(|newest| newest.checkpoint),
    };
    let stored = app.engine.write_checkpoint(call, caller.actor()).await?;
    Ok(Answer(api::Stored { stored }))
}

/// A checkpoint with the writes that wait at it; the newest where no id is given.
#[utoipa::path(post, path = "/v1/checkpoints/get", request_body = api::GetCheckpoint, responses((status = 200, body = api::GotCheckpoint)))]
pub(crate) async fn get_checkpoint_of_thread(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(asked): Json<api::GetCheckpoint>,
) -> Result<Answer<api::GotCheckpoint>, Fault> {
    caller.may(Right::See)?;
    let agent = agent_of(&caller, asked.agent.as_deref())?;
    let (thread, namespace) = (asked.thread, asked.namespace);
    let rows = app.engine.checkpoint_rows(&agent, &thread, &namespace, asked.id.as_deref()).await?;
    let (own, newest) = match rows {
        Some(rows) => (Some((rows.checkpoint, rows.writes)), rows.newest),
        None if asked.id.is_some() => {
            (None, app.engine.newest_checkpoint(&agent, &thread, &namespace).await?)
        }
        None => (None, None),
    };
    let bytes =
        own.as_ref().map_or(0, |(checkpoint, writes)| checkpoint.bytes.saturating_add(writes.bytes()));
    let _permit = app.large(bytes > INLINE_BYTES_MAX as u64).await?;
    let read = move |app: &App| {
        let checkpoint = match &own {
            Some((checkpoint, writes)) => shown(app, checkpoint, writes, None)?,
            None => None,
        };
        let newest = match &newest {
            Some(newest) => app.engine.checkpoint_content(newest)?.map(|content| content.id),
            None => checkpoint.as_ref().map(|checkpoint| checkpoint.id.clone()),
        };
        Ok(api::GotCheckpoint { checkpoint, newest })
    };
    // What was saved a moment ago is in memory, where the views need not know yet in which place it lies.
    let read = Arc::new(read);
    let (first, known) = (read.clone(), app.clone());
    let got = tokio::task::spawn_blocking(move || first(&known)).await.map_err(Fault::internal)?;
    match got {
        Ok(got) => Ok(Answer(got)),
        Err(_) => Ok(Answer(fresh(&app, move |app| read(app)).await?)),
    }
}

/// Checkpoints, the last saved first.
#[utoipa::path(post, path = "/v1/checkpoints/list", request_body = api::ListCheckpoints, responses((status = 200, body = api::Checkpoints)))]
pub(crate) async fn list_checkpoints(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(asked): Json<api::ListCheckpoints>,
) -> Result<Answer<api::Checkpoints>, Fault> {
    caller.may(Right::See)?;
    let agent = agent_of(&caller, asked.agent.as_deref())?;
    let thread = asked.thread.as_deref().map(|name| app.engine.thread(&agent, name)).transpose()?;
    let namespace = match (&thread, &asked.namespace) {
        (Some(thread), Some(namespace)) => Some(app.engine.thread_namespace(thread, namespace)?),
        (None, Some(_)) => return Err(needs("a namespace", "`thread` too")),
        (_, None) => None,
    };
    let named =
        |id: &String| namespace.as_ref().map(|namespace| app.engine.checkpoint_id(namespace, id)).transpose();
    if asked.id.is_some() && namespace.is_none() {
        return Err(needs("an id", "`thread` and `namespace` too"));
    }
    let list = List {
        filter: CheckpointFilter {
            agent: Some(agent),
            thread,
            namespace,
            checkpoint: asked.id.as_ref().map(named).transpose()?.flatten(),
            run: None,
        },
        before: match asked.before {
            Some(id) => Some((named(&id)?, id)),
            None => None,
        },
        wanted: asked.filter,
        channels: asked.channels.map(|channels| channels.into_iter().collect()),
        limit: asked.limit.unwrap_or(ITEMS).clamp(1, ITEMS_MAX),
        after: asked.after,
    };
    let _permit = app.large(true).await?;
    let page = match asked.ancestors_of {
        None => fresh(&app, move |app| list.page(app)).await?,
        Some(id) => {
            let (Some(thread), Some(from)) = (thread, named(&id)?) else {
                return Err(needs("`ancestors_of`", "`thread` and `namespace` too"));
            };
            fresh(&app, move |app| list.ancestors(app, thread, from)).await?
        }
    };
    Ok(Answer(page))
}

/// Removes the checkpoints that runs of the program made. A thread of which none is left is deleted.
#[utoipa::path(post, path = "/v1/checkpoints/remove", request_body = api::RemoveCheckpoints, responses((status = 200, body = api::Counted)))]
pub(crate) async fn remove_checkpoints(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(asked): Json<api::RemoveCheckpoints>,
) -> Result<Answer<api::Counted>, Fault> {
    caller.may(Right::Act)?;
    let agent = agent_of(&caller, asked.agent.as_deref())?;
    few(&asked.runs)?;
    let mut checkpoints = 0;
    for run in &asked.runs {
        let run = Some(app.engine.checkpoint_run(&agent, run)?);
        let filter = CheckpointFilter { agent: Some(agent.clone()), run, ..CheckpointFilter::default() };
        loop {
            let filter = filter.clone();
            let page =
                fresh(&app, move |app| Ok(app.views.checkpoints(&filter, None, None, LOOKED_AT_MAX)?))
                    .await?;
            let mut threads: std::collections::BTreeMap<Digest, Vec<Digest>> =
                std::collections::BTreeMap::new();
            for item in page.items {
                threads.entry(item.thread).or_default().push(item.id);
            }
            let mut removed = 0;
            for (thread, ids) in threads {
                removed += app.engine.remove_checkpoints(thread, ids, caller.actor()).await?;
            }
            checkpoints += removed;
            if removed == 0 {
                break;
            }
        }
    }
    Ok(Answer(api::Counted { checkpoints }))
}

/// Leaves the newest checkpoint of each namespace, and what it is put together from.
#[utoipa::path(post, path = "/v1/threads/prune", request_body = api::PruneThreads, responses((status = 200, body = api::Counted)))]
pub(crate) async fn prune_threads(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(asked): Json<api::PruneThreads>,
) -> Result<Answer<api::Counted>, Fault> {
    caller.may(Right::Act)?;
    let agent = agent_of(&caller, asked.agent.as_deref())?;
    few(&asked.threads)?;
    let mut checkpoints = 0;
    for thread in &asked.threads {
        checkpoints += app.engine.prune_thread(&agent, thread, caller.actor()).await?;
    }
    Ok(Answer(api::Counted { checkpoints }))
}

/// Copies all checkpoints of a thread, with their writes, into another one of the same agent.
#[utoipa::path(post, path = "/v1/threads/copy", request_body = api::CopyThread, responses((status = 200, body = api::Counted)))]
pub(crate) async fn copy_thread(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(asked): Json<api::CopyThread>,
) -> Result<Answer<api::Counted>, Fault> {
    caller.may(Right::Act)?;
    let agent = agent_of(&caller, asked.agent.as_deref())?;
    let _permit = app.large(true).await?;
    let checkpoints = app.engine.copy_thread(&agent, &asked.from, &asked.to, caller.actor()).await?;
    Ok(Answer(api::Counted { checkpoints }))
}

/// Deletes a thread: its data keys are destroyed, and its content can be opened by nobody. A legal hold beats it.
#[utoipa::path(post, path = "/v1/threads/delete", request_body = api::DeleteThread, responses((status = 200, body = api::ThreadDeleted)))]
pub(crate) async fn delete_thread(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(asked): Json<api::DeleteThread>,
) -> Result<Answer<api::ThreadDeleted>, Fault> {
    caller.may(Right::Act)?;
    let agent = agent_of(&caller, asked.agent.as_deref())?;
    let deleted = app.engine.delete_thread(&agent, &asked.thread, caller.actor()).await?;
    Ok(Answer(api::ThreadDeleted { deleted }))
}

/// An agent's threads are its own; who speaks for no agent names one.
fn agent_of(caller: &Caller, named: Option<&str>) -> Result<AgentId, Fault> {
    let named = named.map(str::parse::<AgentId>).transpose()?;
    match (caller.agent(), named) {
        (Some(own), Some(named)) if *own != named => Err(Fault::new(
            Code::Forbidden,
            format!("the agent `{own}` has no threads of others"),
            "leave `agent` out, or use that agent's key",
        )),
        (Some(own), _) => Ok(own.clone()),
        (None, Some(named)) => Ok(named),
        (None, None) => {
            Err(Fault::new(Code::RequestInvalid, "the request names no `agent`", "name the agent"))
        }
    }
}

fn needs(what: &str, more: &str) -> Fault {
    Fault::new(Code::RequestInvalid, format!("{what} alone says too little"), format!("give {more}"))
}

fn few(names: &[String]) -> Result<(), Fault> {
    if names.len() <= NAMES_MAX {
        return Ok(());
    }
    let detail = format!("the request names {}; at most {NAMES_MAX} are taken", names.len());
    Err(Fault::new(Code::RequestInvalid, detail, "send several requests"))
}

fn decoded(blob: api::Blob) -> Result<Typed, Fault> {
    let bytes = STANDARD.decode(&blob.data).map_err(|_| {
        Fault::new(Code::RequestInvalid, "`data` is no base64", "encode it as RFC 4648 says, with padding")
    })?;
    Ok(Typed { kind: blob.kind, bytes })
}

fn blob(typed: &Typed) -> api::Blob {
    api::Blob { kind: typed.kind.clone(), data: STANDARD.encode(&typed.bytes) }
}

/// Reads views that hold all that is durable: a checkpoint that is older than the newest would be taken for it.
async fn fresh<T: Send + 'static>(
    app: &Arc<App>,
    read: impl FnOnce(&App) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    if !app.engine.views_caught_up().await {
        return Err(engine::Error::Busy.into());
    }
    app.look(read).await
}

/// A checkpoint as the wire has it; `None` where it was erased meanwhile.
fn shown(
    app: &App,
    row: &Checkpoint,
    writes: &Writes,
    channels: Option<&BTreeSet<String>>,
) -> Result<Option<api::Checkpoint>, Fault> {
    let engine = &app.engine;
    let (Some(content), Some(metadata)) = (engine.checkpoint_content(row)?, engine.checkpoint_metadata(row)?)
    else {
        return Ok(None);
    };
    let wanted = |channel: &str| channels.is_none_or(|channels| channels.contains(channel));
    let mut values = Vec::with_capacity(row.values.len());
    for (held, channel) in row.values.iter().zip(&content.channels) {
        if !wanted(channel) {
            continue;
        }
        let Some(value) = engine.checkpoint_value(held)? else { return Ok(None) };
        if let Some(typed) = value.content {
            values.push(api::ChannelValue { channel: value.channel, value: blob(&typed) });
        }
    }
    let Some(writes) = engine.checkpoint_writes(writes)? else { return Ok(None) };
    let writes = writes.into_iter().filter(|write| wanted(&write.channel)).map(|write| api::TaskWrite {
        value: blob(&write.typed),
        task: write.task,
        path: write.path,
        slot: write.slot,
        channel: write.channel,
    });
    let writes = writes.collect();
    let Content { thread, namespace, id, parent, body, .. } = content;
    let (checkpoint, metadata) = (blob(&body), blob(&metadata.typed));
    let (entry, at) = (row.seq, row.at.0);
    Ok(Some(api::Checkpoint {
        thread,
        namespace,
        id,
        parent,
        checkpoint,
        metadata,
        values,
        writes,
        entry,
        at,
    }))
}

/// What a list is asked for.
struct List {
    filter: CheckpointFilter,
    /// The one before which all are to be, as far as it can be told which one it is, and its id.
    before: Option<(Option<Digest>, String)>,
    wanted: Filter,
    channels: Option<BTreeSet<String>>,
    limit: usize,
    after: Option<String>,
}

/// A page that is being filled.
#[derive(Default)]
struct Filling {
    items: Vec<api::Checkpoint>,
    bytes: u64,
    looked_at: usize,
}

impl List {
    fn page(self, app: &App) -> Result<api::Checkpoints, Fault> {
        let (before, id_below) = match &self.before {
            None => (None, None),
            Some((digest, id)) => {
                let filter = CheckpointFilter { checkpoint: *digest, ..self.filter.clone() };
                let known = match digest {
                    Some(_) => {
                        app.views.checkpoints(&filter, None, None, 1)?.items.pop().map(|item| item.seq)
                    }
                    None => None,
                };
                (known, known.is_none().then_some(id))
            }
        };
        let mut filling = Filling::default();
        let mut after = self.after.clone();
        loop {
            let page = app.views.checkpoints(&self.filter, before, after.as_deref(), self.limit)?;
            for item in &page.items {
                if !self.take(app, item, id_below, &mut filling)? {
                    return Ok(api::Checkpoints { items: filling.items, next: after });
                }
                after = Some(item.place());
            }
            if page.next.is_none() {
                return Ok(api::Checkpoints { items: filling.items, next: None });
            }
        }
    }

    /// Takes a checkpoint onto the page; false where the page is full without it.
    fn take(
        &self,
        app: &App,
        item: &CheckpointItem,
        id_below: Option<&String>,
        filling: &mut Filling,
    ) -> Result<bool, Fault> {
        let bytes = item.checkpoint.bytes.saturating_add(item.writes.bytes());
        let begun = filling.looked_at > 0;
        if begun
            && (filling.items.len() >= self.limit
                || filling.looked_at >= LOOKED_AT_MAX
                || filling.bytes.saturating_add(bytes) > PAGE_BYTES_MAX)
        {
            return Ok(false);
        }
        filling.looked_at += 1;
        if !self.wanted.is_empty() {
            let said = app.engine.checkpoint_metadata(&item.checkpoint)?;
            if !said.is_some_and(|said| matches(&said.filter, &self.wanted)) {
                return Ok(true);
            }
        }
        if let Some(below) = id_below {
            let content = app.engine.checkpoint_content(&item.checkpoint)?;
            if content.is_none_or(|content| content.id >= *below) {
                return Ok(true);
            }
        }
        if let Some(shown) = shown(app, &item.checkpoint, &item.writes, self.channels.as_ref())? {
            filling.bytes += bytes;
            filling.items.push(shown);
        }
        Ok(true)
    }

    fn ancestors(self, app: &App, thread: Digest, of: Digest) -> Result<api::Checkpoints, Fault> {
        let end = |items| Ok(api::Checkpoints { items, next: None });
        let Some(Row::Thread(row)) = app.views.row(&RowKey::new(Noun::Thread, thread))?.as_deref().cloned()
        else {
            return end(vec![]);
        };
        let rows = |noun, id: &Digest| app.views.row(&RowKey::new(noun, row.row_id(&thread, id)));
        let read = |id: &Digest| {
            Ok::<_, Fault>(match rows(Noun::Checkpoint, id)?.as_deref() {
                Some(Row::Checkpoint(checkpoint)) => Some((**checkpoint).clone()),
                _ => None,
            })
        };
        let mut last = match &self.after {
            Some(after) => after.parse().map_err(|_| {
                Fault::new(
                    Code::QueryInvalid,
                    "`after` is no place in this list",
                    "give the `next` of the page before",
                )
            })?,
            None => of,
        };
        let mut filling = Filling::default();
        loop {
            let Some(id) = read(&last)?.and_then(|checkpoint| checkpoint.parent) else {
                return end(filling.items);
            };
            let Some(checkpoint) = read(&id)? else { return end(filling.items) };
            let writes = match rows(Noun::Writes, &id)?.as_deref() {
                Some(Row::Writes(writes)) => writes.clone(),
                _ => Writes::default(),
            };
            let item = CheckpointItem { seq: checkpoint.seq, thread, id, checkpoint, writes };
            if !self.take(app, &item, None, &mut filling)? {
                return Ok(api::Checkpoints { items: filling.items, next: Some(last.to_string()) });
            }
            last = id;
        }
    }
}

/// Whether all members that are wanted are there. What is wanted as `null` may be absent.
fn matches(said: &Filter, wanted: &Filter) -> bool {
    wanted.iter().all(|(name, wanted)| match (said.get(name).unwrap_or(&Value::Null), wanted) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::matches;

    #[test]
    fn a_filter_compares_values_and_not_their_form() {
        let said = json!({ "source": "loop", "step": 1, "nested": { "a": [1] } });
        let said = said.as_object().unwrap();
        for (wanted, fits) in [
            (json!({}), true),
            (json!({ "source": "loop", "step": 1 }), true),
            (json!({ "step": 1.0 }), true),
            (json!({ "step": "1" }), false),
            (json!({ "nested": { "a": [1] } }), true),
            (json!({ "nested": { "a": [] } }), false),
            (json!({ "absent": null }), true),
            (json!({ "absent": 0 }), false),
        ] {
            assert_eq!(matches(said, wanted.as_object().unwrap()), fits, "{wanted}");
        }
    }
}
