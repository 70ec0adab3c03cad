//! Waits and signals.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use engine::On;
use http::{HeaderMap, StatusCode};
use kernel::clock::Millis;
use kernel::wait::Mode;

use super::actions::wait;
use super::runs::{attempt, idempotency_key, key_missing, run_id};
use crate::access::Right;
use crate::app::App;
use crate::body::Json;
use crate::caller::Caller;
use crate::codes::Code;
use crate::problem::Fault;
use crate::show;

/// Waits until something happens, or asks about a wait again: same conditions, or `step_mismatch`.
#[utoipa::path(post, path = "/v1/runs/{run}/waits", params(("run" = String, Path), ("Countersign-Attempt" = Option<u64>, Header, description = "Of the worker, where workers do the run; without an answer it has the run no more")), request_body = api::OpenWait, responses((status = 200, body = api::Wait)))]
pub(crate) async fn open_wait(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(asked): Json<api::OpenWait>,
) -> Result<Answer<api::Wait>, Fault> {
    caller.may(Right::Act)?;
    let (mode, on) = conditions(asked.any_of, asked.all_of)?;
    let open = engine::OpenWait {
        run: run_id(&id)?,
        by: caller.actor(),
        attempt: attempt(&headers)?,
        key: asked.key,
        mode,
        on,
        wait: wait(asked.wait_ms, 0),
    };
    let waited = app.engine.wait(open).await?;
    Ok(Answer(show::wait(&app, &waited)?))
}

/// What is waited for.
pub(crate) fn conditions(
    any_of: Option<Vec<api::Condition>>,
    all_of: Option<Vec<api::Condition>>,
) -> Result<(Mode, Vec<On>), Fault> {
    let (mode, conditions) = match (any_of, all_of) {
        (Some(conditions), None) => (Mode::Any, conditions),
        (None, Some(conditions)) => (Mode::All, conditions),
        _ => {
            return Err(Fault::new(
                Code::RequestInvalid,
                "a wait has either `any_of` or `all_of`",
                "give one of them",
            ));
        }
    };
    Ok((mode, conditions.into_iter().map(condition).collect::<Result<_, _>>()?))
}

fn condition(asked: api::Condition) -> Result<On, Fault> {
    match asked {
        api::Condition { signal: Some(name), at: None, after_ms: None, action: None, run: None } => {
            Ok(On::Signal(name))
        }
        api::Condition { signal: None, at: Some(at), after_ms: None, action: None, run: None } => {
            Ok(On::At(Millis(at)))
        }
        api::Condition { signal: None, at: None, after_ms: Some(span), action: None, run: None } => {
            Ok(On::AfterMs(Millis(span)))
        }
        api::Condition { signal: None, at: None, after_ms: None, action: Some(action), run: None } => {
            Ok(On::Action(action.parse().map_err(|_| Fault::not_found("action", &action))?))
        }
        api::Condition { signal: None, at: None, after_ms: None, action: None, run: Some(run) } => {
            Ok(On::Run(run_id(&run)?))
        }
        _ => Err(Fault::new(
            Code::RequestInvalid,
            "a condition is one of `signal`, `at`, `after_ms`, `action`, `run`",
            "give exactly one of them in each",
        )),
    }
}

/// Tells a run something. It is kept until the run reads it, and read once.
#[utoipa::path(post, path = "/v1/runs/{run}/signals", params(("run" = String, Path), ("Idempotency-Key" = String, Header)), request_body = api::SendSignal, responses((status = 201, body = api::SignalKept)))]
pub(crate) async fn send_signal(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(asked): Json<api::SendSignal>,
) -> Result<(StatusCode, Answer<api::SignalKept>), Fault> {
    caller.may(if caller.agent().is_some() { Right::Act } else { Right::Steer })?;
    let idempotency = Some(idempotency_key(&headers)?.ok_or_else(key_missing)?);
    let send = engine::SendSignal {
        run: run_id(&id)?,
        by: caller.actor(),
        name: asked.name,
        value: asked.value,
        idempotency,
    };
    let seq = app.engine.signal(send).await?;
    Ok((StatusCode::CREATED, Answer(api::SignalKept { seq })))
}
