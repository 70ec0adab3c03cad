//! Who am I; browser sessions; one-time links.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::SET_COOKIE;
use kernel::actor::Scope;
use kernel::id::PersonId;
use kernel::state::{Noun, Row, RowKey};

use super::keys::made_once;
use crate::access::{Right, word};
use crate::app::App;
use crate::body::Json;
use crate::caller::{ALL_SCOPES, COOKIE_NAME, Caller, Who, of_secret, secret_hash};
use crate::codes::Code;
use crate::problem::Fault;
use crate::sessions::{LINK_LIFE, SessionWho};

/// Whom the credential speaks for.
#[utoipa::path(get, path = "/v1/me", responses((status = 200, body = api::Me)))]
pub(crate) async fn get_me(State(app): State<Arc<App>>, caller: Caller) -> Answer<api::Me> {
    let roles = match &caller.who {
        Who::Person(_, roles) => roles.iter().map(ToString::to_string).collect(),
        _ => vec![],
    };
    Answer(api::Me {
        workspace: app.workspace.to_string(),
        principal: caller.actor().to_string(),
        roles,
        scopes: caller.scopes.iter().map(|scope| word(*scope).to_owned()).collect(),
        csrf: caller.csrf,
    })
}

/// Opens a browser session, with a one-time code or an API key of a person.
#[utoipa::path(post, path = "/v1/sessions", request_body = api::OpenSession, responses((status = 200, body = api::Me)))]
pub(crate) async fn open_session(
    State(app): State<Arc<App>>,
    Json(open): Json<api::OpenSession>,
) -> Result<Response, Fault> {
    let now = app.clock.now();
    let (who, scopes, key) = match (open.code, open.key) {
        (Some(code), None) => {
            let who = app.sessions.spend(&code, now).ok_or_else(|| {
                Fault::new(
                    Code::LoginCodeInvalid,
                    "this link was used already, or is older than ten minutes",
                    "make a new one with `countersign keys login PERSON`",
                )
            })?;
            let scopes = match &who {
                SessionWho::Operator => BTreeSet::from(ALL_SCOPES),
                // What a person may do is bounded by roles; a session adds no bound of its own.
                SessionWho::Person(_) => [Scope::Read, Scope::Answer, Scope::Publish, Scope::Keys].into(),
            };
            (who, scopes, None)
        }
        (None, Some(secret)) => {
            let secret = secret.trim();
            let caller = of_secret(&app, secret).await?;
            match caller.who {
                Who::Person(person, _) => {
                    (SessionWho::Person(person), caller.scopes, Some(secret_hash(secret)))
                }
                _ => {
                    return Err(Fault::new(
                        Code::Forbidden,
                        "only people log in to the console",
                        "use the key of a person, or a login link",
                    ));
                }
            }
        }
        _ => {
            return Err(Fault::new(
                Code::RequestInvalid,
                "the request needs either `code` or `key`",
                "send one of them",
            ));
        }
    };
    let cookie = app
        .sessions
        .open(who.clone(), scopes, key, now, &*app.entropy)
        .ok_or_else(|| Fault::new(Code::Busy, "too many sessions are open", "try again later"))?;
    let line = format!("{COOKIE_NAME}={cookie}; HttpOnly; SameSite=Strict; Path=/");
    let mut headers = HeaderMap::new();
    let value = |text: &str| http::HeaderValue::from_str(text).map_err(Fault::internal);
    headers.insert(http::header::COOKIE, value(&format!("{COOKIE_NAME}={cookie}"))?);
    // Read back as any later request is: what the answer says is what the session is.
    let caller = crate::caller::of_request(&app, &http::Method::GET, &headers).await?;
    let mut response = get_me(State(app), caller).await.into_response();
    response.headers_mut().insert(SET_COOKIE, value(&line)?);
    Ok(response)
}

/// Ends the browser session.
#[utoipa::path(delete, path = "/v1/sessions", responses((status = 204)))]
pub(crate) async fn close_session(State(app): State<Arc<App>>, caller: Caller) -> Response {
    if let Some(session) = &caller.session {
        app.sessions.close(session);
    }
    let gone = format!("{COOKIE_NAME}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    (http::StatusCode::NO_CONTENT, [(SET_COOKIE, gone)]).into_response()
}

/// Makes a one-time login link for a person.
#[utoipa::path(post, path = "/v1/login-links", request_body = api::CreateLoginLink, responses((status = 201, body = api::LoginLink)))]
pub(crate) async fn create_link(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(wanted): Json<api::CreateLoginLink>,
) -> Result<(http::StatusCode, Answer<api::LoginLink>), Fault> {
    caller.may(Right::Invite)?;
    made_once(&headers)?;
    let person: PersonId = wanted.person.parse()?;
    if !matches!(app.row(RowKey::new(Noun::Person, &person)).await?.as_deref(), Some(Row::Person(_))) {
        return Err(Fault::not_found("person", person.as_str()));
    }
    let now = app.clock.now();
    let code = app.sessions.invite(SessionWho::Person(person.clone()), now, &*app.entropy);
    let code = code
        .ok_or_else(|| Fault::new(Code::Busy, "too many links wait already", "try again in ten minutes"))?;
    Ok((
        http::StatusCode::CREATED,
        Answer(api::LoginLink {
            url: format!("{}/login?code={code}", app.url),
            person: person.to_string(),
            expires_at: now.wall.plus(LINK_LIFE).0,
        }),
    ))
}
