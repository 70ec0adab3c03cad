//! Whom a request speaks for: an API key, the operator's token, or a browser session.
//!
//! A credential is looked up by its digest, so no comparison of secrets takes place that time could tell about. It is
//! looked up at every request: a key revoked or a person removed a moment ago opens nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, Method};
use kernel::actor::{Actor, Principal, Scope};
use kernel::digest::Digest;
use kernel::id::{AgentId, PersonId, Role};
use kernel::state::{Key, Noun, Row, RowKey};

use crate::access::{self, Right};
use crate::app::App;
use crate::codes::Code;
use crate::problem::Fault;
use crate::sessions::{SessionWho, Spoken};

/// The cookie of a browser session.
pub(crate) const COOKIE_NAME: &str = "countersign_session";
/// The header that proves that our own page sent the request.
pub(crate) const CSRF_HEADER: &str = "x-countersign-csrf";
/// What API keys begin with.
pub(crate) const KEY_PREFIX: &str = "csk_";
/// Everything that a key may be used for.
pub(crate) const ALL_SCOPES: [Scope; 5] =
    [Scope::Act, Scope::Read, Scope::Answer, Scope::Publish, Scope::Keys];

/// Who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Agent(AgentId),
    Person(PersonId, BTreeSet<Role>),
    Operator,
}

impl Who {
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Agent(agent) => Actor::Agent(agent.clone()),
            Self::Person(person, _) => Actor::Person(person.clone()),
            Self::Operator => Actor::Operator,
        }
    }

    pub(crate) fn words(&self) -> String {
        match self {
            Self::Agent(agent) => format!("the agent `{agent}`"),
            Self::Person(person, _) => format!("`{person}`"),
            Self::Operator => "the operator".to_owned(),
        }
    }
}

/// Whom a request speaks for, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    pub(crate) scopes: BTreeSet<Scope>,
    /// Token against forged requests, for browser sessions.
    pub(crate) csrf: Option<String>,
    /// The session's cookie, digested, where there is one.
    pub(crate) session: Option<Digest>,
}

impl Caller {
    pub(crate) fn actor(&self) -> Actor {
        self.who.actor()
    }

    /// Fails unless the caller has the right.
    pub(crate) fn may(&self, right: Right) -> Result<(), Fault> {
        access::check(self, right)
    }

    /// The person, for what only people do.
    pub(crate) fn person(&self) -> Result<&PersonId, Fault> {
        match &self.who {
            Who::Person(person, _) => Ok(person),
            _ => Err(Fault::new(
                Code::Forbidden,
                format!("{} is not a person", self.who.words()),
                "use the key or the login link of a person",
            )),
        }
    }

    /// The agent, where the caller is one: it sees its own only.
    pub(crate) fn agent(&self) -> Option<&AgentId> {
        match &self.who {
            Who::Agent(agent) => Some(agent),
            _ => None,
        }
    }
}

/// The digest under which a secret is known.
pub(crate) fn secret_hash(secret: &str) -> Digest {
    Digest::of("countersign/secret/v1", &[secret.as_bytes()])
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Fault> {
        of_request(app, &parts.method, &parts.headers).await
    }
}

/// Whom a request speaks for.
pub(crate) async fn of_request(app: &App, method: &Method, headers: &HeaderMap) -> Result<Caller, Fault> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let secret = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).map(str::trim);
        return of_secret(app, secret.ok_or_else(unauthenticated)?).await;
    }
    let cookie = cookie(headers).ok_or_else(unauthenticated)?;
    let id = secret_hash(&cookie);
    let spoken = app.sessions.find(&id, app.clock.now()).ok_or_else(unauthenticated)?;
    let Spoken { who, scopes, csrf, key } = spoken;
    if let Some(key) = key {
        live_key(app, &key).await?;
    }
    let given = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    if !method.is_safe() && given.map(secret_hash) != Some(secret_hash(&csrf)) {
        return Err(Fault::new(
            Code::CsrfInvalid,
            "the request does not prove that the console sent it",
            "reload the page; programs use an API key instead of a session",
        ));
    }
    let who = match who {
        SessionWho::Operator => Who::Operator,
        SessionWho::Person(person) => of_person(app, person).await?,
    };
    Ok(Caller { who, scopes, csrf: Some(csrf), session: Some(id) })
}

/// Whom a secret speaks for: an API key or the operator's token.
pub(crate) async fn of_secret(app: &App, secret: &str) -> Result<Caller, Fault> {
    let hash = secret_hash(secret);
    if hash == app.operator {
        return Ok(Caller { who: Who::Operator, scopes: ALL_SCOPES.into(), csrf: None, session: None });
    }
    if !secret.starts_with(KEY_PREFIX) {
        return Err(unauthenticated());
    }
    let key = live_key(app, &hash).await?;
    let who = match key.principal {
        Principal::Person(person) => of_person(app, person).await?,
        Principal::Agent(agent) => match app.row(RowKey::new(Noun::Agent, &agent)).await?.as_deref() {
            Some(Row::Agent(_)) => Who::Agent(agent),
            _ => return Err(unauthenticated()),
        },
    };
    Ok(Caller { who, scopes: key.scopes, csrf: None, session: None })
}

async fn live_key(app: &App, hash: &Digest) -> Result<Key, Fault> {
    match app.row(RowKey::new(Noun::Key, hash)).await?.as_deref() {
        Some(Row::Key(key)) if key.revoked_at.is_none() => Ok(key.clone()),
        _ => Err(unauthenticated()),
    }
}

async fn of_person(app: &App, person: PersonId) -> Result<Who, Fault> {
    match app.row(RowKey::new(Noun::Person, &person)).await?.as_deref() {
        Some(Row::Person(roles)) => Ok(Who::Person(person, roles.clone())),
        _ => Err(unauthenticated()),
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|part| {
            let (name, value) = part.trim().split_once('=')?;
            (name == COOKIE_NAME).then(|| value.to_owned())
        })
}

fn unauthenticated() -> Fault {
    Fault::new(
        Code::Unauthenticated,
        "the request carries no credential that is valid here",
        "send `Authorization: Bearer KEY`, or log in to the console again; `countersign keys create` makes keys",
    )
}
