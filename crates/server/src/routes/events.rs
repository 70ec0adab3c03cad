//! The live stream: server-sent events of durable entries, resumable by position.
//!
//! A stream says that something changed, not what: pages read it again through the routes that check who asks. It ends
//! when keys or people change, so that a browser that lost its right finds out when it comes back.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event as Line, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use http::HeaderMap;
use kernel::event::{Entry, Event};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::access::Right;
use crate::app::App;
use crate::caller::Caller;
use crate::codes::Code;
use crate::problem::Fault;

/// Streams that one caller may hold open: a few browser tabs.
const STREAMS_EACH_MAX: usize = 16;
/// Streams in all.
const STREAMS_MAX: usize = 512;
/// Entries that are sent again after a break; who missed more reads the lists.
const RESUME_MAX: u64 = 1_000;
/// A sign of life, for proxies and for the page.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Durable entries from now on, or from `Last-Event-ID`.
#[utoipa::path(get, path = "/v1/events", params(("Last-Event-ID" = Option<String>, Header)), responses((status = 200, content_type = "text/event-stream", body = api::LiveEvent)))]
pub(crate) async fn follow_events(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Fault> {
    caller.may(Right::SeeWorkspace)?;
    let place = Place::take(&app, caller.actor().to_string())?;
    // First the live entries, then those missed: what arrives in between comes twice and is dropped by position.
    let live = app.engine.live();
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let (missed, lagged) = match last {
        Some(last) => missed(&app, last).await?,
        None => (VecDeque::new(), false),
    };
    let state = Following {
        live,
        missed,
        lagged,
        next: last.map_or(0, |last| last.saturating_add(1)),
        _place: place,
    };
    let stop = app.stop.clone();
    let lines = lines(state).take_until(stop.cancelled_owned());
    Ok(Sse::new(lines).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("alive")))
}

async fn missed(app: &Arc<App>, last: u64) -> Result<(VecDeque<Entry>, bool), Fault> {
    app.engine.views_caught_up().await;
    let head = app.engine.head().applied;
    let from = last.saturating_add(1);
    if head.saturating_sub(from) > RESUME_MAX {
        return Ok((VecDeque::new(), true));
    }
    let mut entries = VecDeque::new();
    let mut at = from;
    while at < head {
        let page = app.look(move |app| Ok(app.views.entries(at, views::LIMIT_MAX)?)).await?;
        let Some(end) = page.last() else { break };
        at = end.entry.seq + 1;
        entries.extend(page.into_iter().map(|item| item.entry));
    }
    Ok((entries, false))
}

struct Following<P> {
    live: Receiver<Arc<Entry>>,
    missed: VecDeque<Entry>,
    lagged: bool,
    next: u64,
    /// Held as long as somebody follows.
    _place: P,
}

fn lines<P>(state: Following<P>) -> impl Stream<Item = Result<Line, Infallible>> {
    stream::unfold(Some(state), |state| async move {
        let mut state = state?;
        if std::mem::take(&mut state.lagged) {
            return Some((Ok(Line::default().event("lagged").data("{}")), Some(state)));
        }
        loop {
            let entry = match state.missed.pop_front() {
                Some(entry) => Arc::new(entry),
                None => match state.live.recv().await {
                    Ok(entry) => entry,
                    Err(RecvError::Lagged(_)) => {
                        return Some((Ok(Line::default().event("lagged").data("{}")), Some(state)));
                    }
                    Err(RecvError::Closed) => return None,
                },
            };
            if entry.seq < state.next {
                continue;
            }
            state.next = entry.seq + 1;
            let ends = matches!(
                entry.event,
                Event::KeyRevoked { .. } | Event::PersonRemoved { .. } | Event::PersonRegistered { .. }
            );
            return Some((Ok(line(&entry)), (!ends).then_some(state)));
        }
    })
}

fn line(entry: &Entry) -> Line {
    let live = api::LiveEvent {
        seq: entry.seq,
        at: entry.at.0,
        kind: entry.event.kind().to_owned(),
        run: entry.run.as_ref().map(ToString::to_string),
        action: entry.event.action().map(ToString::to_string),
        approval: views::approval_of(&entry.event).map(ToString::to_string),
    };
    Line::default().event("entry").id(entry.seq.to_string()).data(kernel::json::canonical_text(&live))
}

/// A place among the open streams, given back when dropped.
struct Place {
    app: Arc<App>,
    who: String,
}

impl Place {
    fn take(app: &Arc<App>, who: String) -> Result<Self, Fault> {
        let mut streams = app.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = streams.get(&who).copied().unwrap_or(0);
        if mine >= STREAMS_EACH_MAX || streams.values().sum::<usize>() >= STREAMS_MAX {
            return Err(Fault::new(
                Code::TooManyStreams,
                "too many live streams are open",
                "close other tabs of the console, then reload",
            ));
        }
        streams.insert(who.clone(), mine + 1);
        drop(streams);
        Ok(Self { app: app.clone(), who })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = self.app.streams.lock().unwrap_or_else(PoisonError::into_inner);
        match streams.get_mut(&self.who) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(streams.remove(&self.who)),
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::actor::Actor;
    use kernel::clock::Millis;

    use super::*;

    /// The stream over these live entries, of which as many are kept for a slow reader as `room` says.
    async fn told(room: usize, entries: u64, lagged: bool) -> String {
        let (send, live) = tokio::sync::broadcast::channel(room);
        for seq in 0..entries {
            let event = Event::LogStarted { format: 1, verifier_key: String::new() };
            let (log, commits) = (String::new(), std::collections::BTreeMap::new());
            let entry = Entry {
                v: 1,
                log,
                seq,
                at: Millis(0),
                run: None,
                actor: Actor::Server,
                cause: None,
                event,
                commits,
            };
            send.send(Arc::new(entry)).unwrap();
        }
        drop(send);
        let state = Following { live, missed: VecDeque::new(), lagged, next: 0, _place: () };
        let body = Sse::new(lines(state)).into_response().into_body();
        let text = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let lines = std::str::from_utf8(&text).unwrap().lines();
        let told = lines.filter(|line| line.starts_with("event: ") || line.starts_with("id: "));
        told.collect::<Vec<_>>().join(" ")
    }

    #[tokio::test]
    async fn who_reads_too_slowly_is_told_that_something_was_left_out() {
        assert_eq!(told(4, 2, false).await, "event: entry id: 0 event: entry id: 1");
        let lagged = "event: lagged event: entry id: 3 event: entry id: 4";
        assert_eq!(told(2, 5, false).await, lagged, "told once, then the entries that are left");
        assert_eq!(told(4, 1, true).await, "event: lagged event: entry id: 0", "after a long break");
    }
}
