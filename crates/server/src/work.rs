//! Workers, on a WebSocket: they say what they know how to do, get runs, and write under the attempt that they were given.
//!
//! ```text
//!   frames ──► taken up in order ──► engine ──► answers, in any order ──┐
//!                  ▲ stops while 1,024 wait for their answer            ├──► one flush
//!   engine's orders: runs given, runs taken back ───────────────────────┘
//! ```
//!
//! One task for each connection. It decides nothing: each frame is the command that REST gives, with the attempt. A
//! connection that ends leaves its leases to run out, so that the worker can come back for its runs.

use std::sync::Arc;
use std::time::Duration;

use api::{FRAME_BYTES_MAX, FromWorker, GivenRun, ToWorker, WORK_PROTOCOL};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use engine::{Join, LEASE, Order};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use kernel::actor::Actor;
use kernel::event::Event;
use kernel::id::{AgentId, RunId, WorkerId};
use kernel::ports::BoxFuture;
use kernel::state::{Noun, Row, RowKey};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::access::Right;
use crate::app::App;
use crate::caller::{Caller, Who, of_secret};
use crate::codes::Code;
use crate::problem::Fault;
use crate::routes;
use crate::show;

/// Connected workers.
pub(crate) const WORKERS_MAX: usize = 1_024;
/// Frames of one connection that wait for their answer; then no more are read.
const UNANSWERED_MAX: usize = 1_024;
/// How long the first frame may take, and how long an answer may take to be sent.
const PATIENCE: Duration = Duration::from_secs(30);
/// Whether the worker still may work, and whether it lives, is looked at this often.
const LOOK: Duration = Duration::from_secs(10);
/// Looks without a frame of the worker after which it is taken for gone.
const SILENT_LOOKS_MAX: u32 = 6;
/// Answers in one flush.
const FLUSH_MAX: usize = 256;
/// Bytes of recorded results that come with a run; the rest is asked for.
const STEPS_BYTES_MAX: usize = 1 << 20;

/// A worker offers to work.
pub(crate) async fn work(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Fault> {
    caller.may(Right::Act)?;
    let agent = caller.agent().cloned().ok_or_else(|| {
        Fault::new(Code::Forbidden, "only agents have workers", "connect with an agent's key")
    })?;
    let secret = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let secret = secret.map(|secret| secret.trim().to_owned()).unwrap_or_default();
    let upgrade = upgrade.map_err(|error| {
        Fault::new(Code::RequestInvalid, error.body_text(), "open this address as a WebSocket")
    })?;
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    if !offered.flat_map(|line| line.split(',')).any(|name| name.trim() == WORK_PROTOCOL) {
        return Err(Fault::new(
            Code::RequestInvalid,
            "the connection offers no protocol that is spoken here",
            format!("send `sec-websocket-protocol: {WORK_PROTOCOL}`"),
        ));
    }
    let place = app.workers.clone().try_acquire_owned().map_err(|_| {
        Fault::new(Code::TooManyStreams, "too many workers are connected", "give each of them more slots")
    })?;
    let token = app.tasks.token();
    let upgrade = upgrade
        .protocols([WORK_PROTOCOL])
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_write_buffer_size(8 << 20);
    Ok(upgrade.on_upgrade(move |socket| {
        Box::pin(async move { Connection::new(app, agent, secret, socket, place, token).serve().await })
    }))
}

/// What is told to the worker next, once it is known.
type Answer = BoxFuture<'static, Option<ToWorker>>;

struct Connection {
    app: Arc<App>,
    agent: AgentId,
    secret: String,
    socket: WebSocket,
    answers: FuturesUnordered<Answer>,
    silent: u32,
    _place: OwnedSemaphorePermit,
    _token: TaskTrackerToken,
}

/// Why a connection is closed: code of RFC 6455, and words.
struct End(u16, &'static str);

impl Connection {
    fn new(
        app: Arc<App>,
        agent: AgentId,
        secret: String,
        socket: WebSocket,
        place: OwnedSemaphorePermit,
        token: TaskTrackerToken,
    ) -> Self {
        let answers = FuturesUnordered::new();
        Self { app, agent, secret, socket, answers, silent: 0, _place: place, _token: token }
    }

    async fn serve(mut self) {
        let end = match self.hello().await {
            Ok((worker, orders)) => {
                let end = self.work(&worker, orders).await;
                self.app.engine.leave_work(worker).await;
                end
            }
            Err(end) => end,
        };
        let close = CloseFrame { code: end.0, reason: end.1.into() };
        // Whoever is gone does not hear why.
        drop(tokio::time::timeout(PATIENCE, self.socket.send(Message::Close(Some(close)))).await);
    }

    /// The first frame must say what the worker knows how to do.
    async fn hello(&mut self) -> Result<(WorkerId, UnboundedReceiver<Order>), End> {
        let first = tokio::select! {
            () = self.app.stop.cancelled() => return Err(GOING),
            first = tokio::time::timeout(PATIENCE, self.socket.recv()) => first,
        };
        let Ok(Some(Ok(Message::Text(text)))) = first else {
            return Err(End(1008, "the first frame must be `hello`"));
        };
        let (id, hello) = match parse(text.as_bytes()) {
            Ok(FromWorker::Hello { id, tasks, slots, versions, resume }) => {
                (id, join(&self.agent, tasks, slots, versions, resume))
            }
            Ok(_) => return Err(End(1008, "the first frame must be `hello`")),
            Err((id, fault)) => (id.unwrap_or(0), Err(fault)),
        };
        let joined = match hello {
            Ok(join) => self.app.engine.join_work(join).await.map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        match joined {
            Ok(joined) => {
                let welcome = ToWorker::Welcome {
                    id,
                    worker: joined.worker.to_string(),
                    lease_ms: LEASE.0,
                    lost: joined.lost.iter().map(ToString::to_string).collect(),
                };
                self.send(vec![welcome]).await?;
                Ok((joined.worker, joined.orders))
            }
            Err(fault) => {
                self.send(vec![refused(id, &fault)]).await?;
                Err(End(1008, "`hello` was refused"))
            }
        }
    }

    async fn work(&mut self, worker: &WorkerId, mut orders: UnboundedReceiver<Order>) -> End {
        let mut look = tokio::time::interval(LOOK);
        let stop = self.app.stop.clone();
        loop {
            let room = self.answers.len() < UNANSWERED_MAX;
            let mut out = vec![];
            // Every branch is cancel-safe: none has taken anything when another one wins. Answers come first: polling
            // them begins the frames that came last, in order.
            tokio::select! {
                biased;
                () = stop.cancelled() => return GOING,
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => out.extend(answer),
                order = orders.recv() => match order {
                    Some(order) => self.order(order, &mut out),
                    None => return End(1011, "the engine stopped"),
                },
                message = self.socket.recv(), if room => {
                    if let Err(end) = self.take(message, worker, &mut out) {
                        return end;
                    }
                }
                _ = look.tick() => if let Err(end) = self.look().await {
                    return end;
                },
            }
            while out.len() < FLUSH_MAX
                && let Some(Some(answer)) = self.answers.next().now_or_never()
            {
                out.extend(answer);
            }
            while out.len() < FLUSH_MAX
                && let Ok(order) = orders.try_recv()
            {
                self.order(order, &mut out);
            }
            if let Err(end) = self.send(out).await {
                return end;
            }
        }
    }

    /// Whether the worker still lives, and may still work: keys are revoked and agents retired.
    async fn look(&mut self) -> Result<(), End> {
        self.silent += 1;
        if self.silent > SILENT_LOOKS_MAX {
            return Err(End(1008, "no frame came for a minute"));
        }
        match of_secret(&self.app, &self.secret).await {
            Ok(caller) if caller.may(Right::Act).is_ok() && caller.who == Who::Agent(self.agent.clone()) => {
                Ok(())
            }
            Err(fault) if fault.code != Code::Unauthenticated => Ok(()),
            _ => Err(End(1008, "the key is valid no more")),
        }
    }

    fn order(&self, order: Order, out: &mut Vec<ToWorker>) {
        match order {
            Order::Stop { run, why } => {
                out.push(ToWorker::Stop { run: run.to_string(), why: why.word().to_owned() });
            }
            Order::Run { run, attempt } => {
                let app = self.app.clone();
                self.answers.push(Box::pin(async move {
                    match given(&app, &run, attempt).await {
                        Ok(given) => Some(ToWorker::Run(Box::new(given))),
                        Err(fault) => {
                            // Its lease runs out, and it is given away again.
                            tracing::error!(%run, cause = %fault.detail, "a run could not be handed to a worker");
                            None
                        }
                    }
                }));
            }
        }
    }

    /// Takes up a frame.
    fn take(
        &mut self,
        message: Option<Result<Message, axum::Error>>,
        worker: &WorkerId,
        out: &mut Vec<ToWorker>,
    ) -> Result<(), End> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return Err(End(1003, "frames are text")),
            Some(Ok(Message::Close(_))) | None => return Err(End(1000, "")),
            Some(Err(error)) => {
                tracing::debug!(%error, "a worker's connection broke");
                return Err(End(1009, "a frame is too large, or the connection broke"));
            }
        };
        self.silent = 0;
        match parse(text.as_bytes()) {
            Ok(frame) => {
                let (app, agent, worker) = (self.app.clone(), self.agent.clone(), worker.clone());
                self.answers.push(Box::pin(async move { answer(&app, &agent, &worker, frame).await }));
                Ok(())
            }
            Err((Some(id), fault)) => {
                out.push(refused(id, &fault));
                Ok(())
            }
            Err((None, _)) => Err(End(1008, "a frame is no message of this protocol")),
        }
    }

    async fn send(&mut self, out: Vec<ToWorker>) -> Result<(), End> {
        if out.is_empty() {
            return Ok(());
        }
        let sending = async {
            for message in out {
                let text = serde_json::to_string(&message).map_err(axum::Error::new)?;
                self.socket.feed(Message::Text(text.into())).await?;
            }
            self.socket.flush().await
        };
        match tokio::time::timeout(PATIENCE, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End(1001, "the connection broke")),
            Err(_) => Err(End(1008, "the worker does not read")),
        }
    }
}

const GOING: End = End(1001, "the server is stopping");

fn refused(id: u64, fault: &Fault) -> ToWorker {
    ToWorker::Refused { id, problem: Box::new(fault.problem()) }
}

/// Reads a frame. Where it is none, its number is told if it has one.
fn parse(bytes: &[u8]) -> Result<FromWorker, (Option<u64>, Fault)> {
    let value = kernel::json::parse(bytes, kernel::json::REQUEST).map_err(|error| (None, error.into()))?;
    let id = value.get("id").and_then(Value::as_u64);
    serde_json::from_value(value).map_err(|error| {
        let hint = "compare it with docs/guide/durable-runs.md";
        (id, Fault::new(Code::RequestInvalid, format!("the frame does not fit: {error}"), hint))
    })
}

fn join(
    agent: &AgentId,
    tasks: Vec<String>,
    slots: usize,
    versions: Vec<i64>,
    resume: Vec<api::Held>,
) -> Result<Join, Fault> {
    let tasks = tasks.iter().map(|task| task.parse()).collect::<Result<Vec<_>, _>>()?;
    if resume.len() > engine::SLOTS_MAX {
        return Err(Fault::new(Code::RequestInvalid, "too many runs to come back for", "1,024 at most"));
    }
    let resume = resume.into_iter().map(|held| Ok((routes::run_id(&held.run)?, held.attempt)));
    Ok(Join { agent: agent.clone(), tasks, versions, slots, resume: resume.collect::<Result<_, Fault>>()? })
}

/// Carries out a frame.
async fn answer(app: &Arc<App>, agent: &AgentId, worker: &WorkerId, frame: FromWorker) -> Option<ToWorker> {
    let by = Actor::Agent(agent.clone());
    let (id, done) = match frame {
        FromWorker::Hello { id, .. } => {
            let hint = "say `hello` once, first";
            (id, Err(Fault::new(Code::RequestInvalid, "this worker is known already", hint)))
        }
        FromWorker::Beat {} => {
            // An error means that the engine stops, and the connection with it.
            drop(app.engine.beat(worker).await);
            return None;
        }
        FromWorker::Steps { id, run, attempt, steps } => (id, record(app, by, &run, attempt, steps).await),
        FromWorker::Wait { id, run, attempt, key, any_of, all_of } => {
            let wait = async {
                let (mode, on) = routes::conditions(any_of, all_of)?;
                let run = routes::run_id(&run)?;
                let wait = kernel::clock::Millis(0);
                let open = engine::OpenWait { run, by, attempt: Some(attempt), key, mode, on, wait };
                let waited = app.engine.wait(open).await?;
                Ok(api::Done { wait: Some(show::wait(app, &waited)?), ..api::Done::default() })
            };
            (id, wait.await)
        }
        FromWorker::Action { id, run, attempt, key, tool, arguments, reason, wait_ms } => {
            let action = async {
                let propose = engine::Propose {
                    run: routes::run_id(&run)?,
                    by,
                    attempt: Some(attempt),
                    tool,
                    arguments: if arguments.is_null() { serde_json::json!({}) } else { arguments },
                    reason,
                    idempotency: Some(key),
                    repeat: false,
                    wait: routes::wait(wait_ms, routes::WAIT),
                };
                let action = app.engine.propose(propose).await?;
                let shown = show::action_now(app, action, agent.clone()).await?;
                Ok(api::Done { action: Some(Box::new(shown)), ..api::Done::default() })
            };
            (id, action.await)
        }
        FromWorker::Finish { id, run, attempt, outcome, result, error } => {
            let finish = async {
                let (run, outcome) = (routes::run_id(&run)?, routes::outcome(&outcome)?);
                let finish = engine::FinishRun { run, by, attempt: Some(attempt), outcome, result, error };
                app.engine.finish_run(finish).await?;
                Ok(api::Done::default())
            };
            (id, finish.await)
        }
        FromWorker::Fail { id, run, attempt, error } => {
            let fail = async {
                app.engine.fail_attempt(&routes::run_id(&run)?, attempt, by, error).await?;
                Ok(api::Done::default())
            };
            (id, fail.await)
        }
        FromWorker::Release { id, run, attempt } => {
            let release = async {
                app.engine.release_run(&routes::run_id(&run)?, attempt, by).await?;
                Ok(api::Done::default())
            };
            (id, release.await)
        }
    };
    Some(match done {
        Ok(done) => ToWorker::Done { id, done },
        Err(fault) => refused(id, &fault),
    })
}

async fn record(
    app: &App,
    by: Actor,
    run: &str,
    attempt: u64,
    steps: Vec<api::NewStep>,
) -> Result<api::Done, Fault> {
    let run = routes::run_id(run)?;
    let steps = steps.into_iter().map(routes::parse_step).collect::<Result<Vec<_>, _>>()?;
    let done = app.engine.record_steps(&run, by, Some(attempt), steps).await?;
    let steps = done.into_iter().map(|one| routes::show_step(Some(one.key), &one.step, one.value, one.memo));
    Ok(api::Done { steps: Some(steps.collect()), ..api::Done::default() })
}

/// A run as a worker gets it, with what need not be done again.
async fn given(app: &Arc<App>, id: &RunId, attempt: u64) -> Result<GivenRun, Fault> {
    let row = app.row(RowKey::new(Noun::Run, id)).await?;
    let Some(Row::Run(run)) = row.as_deref() else { return Err(Fault::not_found("run", id.as_str())) };
    let input = run.input.as_ref().map(|commitment| app.sealed(commitment)).transpose()?.flatten();
    let mut given = GivenRun {
        run: id.to_string(),
        task: run.dispatch.as_ref().map(|dispatch| dispatch.task.to_string()).unwrap_or_default(),
        attempt,
        input: input.unwrap_or_default(),
        agent_version: run.agent_version,
        steps: vec![],
        steps_next: None,
        waits: vec![],
    };
    if attempt <= 1 {
        return Ok(given);
    }
    let key = id.clone();
    let (steps, next, waits) = app.look(move |app| recorded(app, &key)).await?;
    (given.steps, given.steps_next) = (steps, next);
    for wait in waits {
        if let Some(waited) = app.engine.waited(id, &wait).await? {
            given.waits.push(show::wait(app, &waited)?);
        }
    }
    Ok(given)
}

type Recorded = (Vec<api::Step>, Option<String>, Vec<kernel::digest::Digest>);

fn recorded(app: &App, run: &RunId) -> Result<Recorded, Fault> {
    let (mut steps, mut bytes, mut after) = (vec![], 0, None::<String>);
    loop {
        let page = app.views.steps_of_run(run, after.as_deref(), 100)?;
        for item in &page.items {
            let step = routes::step_of_entry(app, &item.entry)?;
            bytes += step.as_ref().map_or(0, |step| kernel::json::canonical(step).len());
            steps.extend(step);
        }
        after = page.next;
        if after.is_none() || bytes > STEPS_BYTES_MAX {
            break;
        }
    }
    let waits = app.views.waits_of_run(run, None, views::LIMIT_MAX)?.items;
    let keys = waits.into_iter().filter_map(|item| match item.entry.event {
        Event::WaitOpened { key, .. } => Some(key),
        _ => None,
    });
    Ok((steps, after, keys.collect()))
}
