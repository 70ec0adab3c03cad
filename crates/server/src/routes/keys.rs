//! API keys. A secret leaves the server once, in the answer that makes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use kernel::actor::{Principal, Scope};
use kernel::event::Event;
use kernel::id::KeyId;
use kernel::state::{Key, Noun, Row, RowKey};

use super::runs::idempotency_key;
use crate::access::{Right, word};
use crate::app::App;
use crate::body::{Json, Nothing};
use crate::caller::{Caller, KEY_PREFIX, secret_hash};
use crate::clock::secret;
use crate::codes::Code;
use crate::problem::Fault;

/// Makes a key.
#[utoipa::path(post, path = "/v1/keys", request_body = api::CreateKey, responses((status = 201, body = api::Key)))]
pub(crate) async fn create_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(wanted): Json<api::CreateKey>,
) -> Result<(StatusCode, Answer<api::Key>), Fault> {
    caller.may(Right::Keys)?;
    made_once(&headers)?;
    let principal = principal(&app, &wanted).await?;
    let scopes = scopes(&principal, &wanted.scopes)?;
    let secret = format!("{KEY_PREFIX}{}", secret::<32>(&*app.entropy));
    let now = app.clock.now().wall;
    let key = KeyId::new(now, kernel::clock::chance(&*app.entropy));
    let event = Event::KeyCreated {
        key: key.clone(),
        principal: principal.clone(),
        scopes: scopes.clone(),
        secret_hash: secret_hash(&secret),
    };
    app.engine.record(caller.actor(), vec![event]).await?;
    let row = Key { id: key, principal, scopes, created_at: now, revoked_at: None };
    Ok((StatusCode::CREATED, Answer(api::Key { secret: Some(secret), ..shown(&row) })))
}

/// A secret is told once and kept by nobody, so a repeat cannot be answered as the first request was. Whoever counts on
/// that hears it before anything is made (docs/decisions/0020).
pub(super) fn made_once(headers: &HeaderMap) -> Result<(), Fault> {
    if idempotency_key(headers)?.is_none() {
        return Ok(());
    }
    Err(Fault::new(
        Code::RequestInvalid,
        "what is made here holds a secret, which is told once and cannot be told again",
        "leave out `Idempotency-Key`; if the answer was lost, revoke what was made and make another",
    ))
}

async fn principal(app: &App, wanted: &api::CreateKey) -> Result<Principal, Fault> {
    match (&wanted.agent, &wanted.person) {
        (Some(agent), None) => {
            let agent = agent.parse()?;
            match app.row(RowKey::new(Noun::Agent, &agent)).await?.as_deref() {
                Some(Row::Agent(_)) => Ok(Principal::Agent(agent)),
                _ => Err(kernel::refusal::Refusal::AgentUnknown { agent: agent.to_string() }.into()),
            }
        }
        (None, Some(person)) => {
            let person: kernel::id::PersonId = person.parse()?;
            match app.row(RowKey::new(Noun::Person, &person)).await?.as_deref() {
                Some(Row::Person(_)) => Ok(Principal::Person(person)),
                _ => Err(Fault::not_found("person", person.as_str())),
            }
        }
        _ => Err(Fault::new(
            Code::RequestInvalid,
            "a key is for one agent or for one person",
            "name either `agent` or `person`",
        )),
    }
}

fn scopes(principal: &Principal, wanted: &[String]) -> Result<BTreeSet<Scope>, Fault> {
    let (usual, possible): (&[Scope], &[Scope]) = match principal {
        Principal::Agent(_) => (&[Scope::Act, Scope::Read], &[Scope::Act, Scope::Read]),
        Principal::Person(_) => {
            (&[Scope::Read, Scope::Answer], &[Scope::Read, Scope::Answer, Scope::Publish, Scope::Keys])
        }
    };
    if wanted.is_empty() {
        return Ok(usual.iter().copied().collect());
    }
    let known = |text: &String| {
        possible.iter().copied().find(|scope| word(*scope) == text).ok_or_else(|| {
            let possible: Vec<&str> = possible.iter().map(|scope| word(*scope)).collect();
            Fault::new(
                Code::RequestInvalid,
                format!("`{}` is no scope of such a key", text.escape_default()),
                format!("one or more of {}", possible.join(", ")),
            )
        })
    };
    wanted.iter().map(known).collect()
}

/// All keys, without their secrets.
#[utoipa::path(get, path = "/v1/keys", responses((status = 200, body = Vec<api::Key>)))]
pub(crate) async fn list_keys(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Answer<Vec<api::Key>>, Fault> {
    caller.may(Right::Keys)?;
    Ok(Answer(app.look(|app| Ok(app.views.keys()?.iter().map(shown).collect())).await?))
}

/// Revokes a key: it opens nothing from now on.
#[utoipa::path(post, path = "/v1/keys/{key}/revoke", params(("key" = String, Path)), responses((status = 200, body = api::Key)))]
pub(crate) async fn revoke_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<api::Key>, Fault> {
    caller.may(Right::Keys)?;
    let not_found = || Fault::not_found("key", &id);
    let key: KeyId = id.parse().map_err(|_| not_found())?;
    let Some(Row::KeyName(hash)) = app.row(RowKey::new(Noun::KeyName, &key)).await?.as_deref().cloned()
    else {
        return Err(not_found());
    };
    let before = app.row(RowKey::new(Noun::Key, hash)).await?;
    if matches!(before.as_deref(), Some(Row::Key(row)) if row.revoked_at.is_none()) {
        app.engine.record(caller.actor(), vec![Event::KeyRevoked { key }]).await?;
    }
    match app.row(RowKey::new(Noun::Key, hash)).await?.as_deref() {
        Some(Row::Key(row)) => Ok(Answer(shown(row))),
        _ => Err(not_found()),
    }
}

fn shown(key: &Key) -> api::Key {
    api::Key {
        id: key.id.to_string(),
        principal: key.principal.actor().to_string(),
        scopes: key.scopes.iter().map(|scope| word(*scope).to_owned()).collect(),
        created_at: key.created_at.0,
        revoked_at: key.revoked_at.map(|at| at.0),
        secret: None,
    }
}
