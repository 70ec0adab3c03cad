//! One-time links and browser sessions. In memory: after a restart people log in again.
//!
//! Codes and cookies are kept as digests. A code works once and for ten minutes, a session until it was idle for twelve
//! hours. A session that an API key opened ends with that key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use kernel::actor::Scope;
use kernel::clock::{Entropy, Millis, Now};
use kernel::digest::Digest;
use kernel::id::PersonId;

use crate::caller::secret_hash;
use crate::clock::secret;

/// How long a link works.
pub(crate) const LINK_LIFE: Millis = Millis(10 * 60 * 1_000);
/// How long a session lives without a request.
const SESSION_IDLE_MAX: Millis = Millis(12 * 60 * 60 * 1_000);
/// Links that wait at once.
const LINKS_MAX: usize = 1_000;
/// Sessions at once.
const SESSIONS_MAX: usize = 10_000;

/// For whom a session speaks. Roles are not kept: they are looked up at every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionWho {
    Operator,
    Person(PersonId),
}

/// What a session says about a request.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    pub(crate) who: SessionWho,
    pub(crate) scopes: BTreeSet<Scope>,
    pub(crate) csrf: String,
    /// The API key that opened it.
    pub(crate) key: Option<Digest>,
}

#[derive(Debug)]
struct Link {
    who: SessionWho,
    until: Millis,
}

#[derive(Debug)]
struct Session {
    spoken: Spoken,
    used: Millis,
}

#[derive(Debug, Default)]
struct Inner {
    links: BTreeMap<Digest, Link>,
    sessions: BTreeMap<Digest, Session>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Inner>);

impl Sessions {
    /// A new one-time code; `None` where too many wait already.
    pub(crate) fn invite(&self, who: SessionWho, now: Now, entropy: &dyn Entropy) -> Option<String> {
        let code = secret::<16>(entropy);
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.links.retain(|_, link| link.until > now.steady);
        if inner.links.len() >= LINKS_MAX {
            return None;
        }
        inner.links.insert(secret_hash(&code), Link { who, until: now.steady.plus(LINK_LIFE) });
        Some(code)
    }

    /// For whom a code speaks. It is spent by asking.
    pub(crate) fn spend(&self, code: &str, now: Now) -> Option<SessionWho> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.links.remove(&secret_hash(code)).filter(|link| link.until > now.steady).map(|link| link.who)
    }

    /// Opens a session and returns its cookie; `None` where too many are open.
    pub(crate) fn open(
        &self,
        who: SessionWho,
        scopes: BTreeSet<Scope>,
        key: Option<Digest>,
        now: Now,
        entropy: &dyn Entropy,
    ) -> Option<String> {
        let (cookie, csrf) = (secret::<16>(entropy), secret::<16>(entropy));
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sessions.retain(|_, session| !idle(session, now));
        if inner.sessions.len() >= SESSIONS_MAX {
            return None;
        }
        let spoken = Spoken { who, scopes, csrf, key };
        inner.sessions.insert(secret_hash(&cookie), Session { spoken, used: now.steady });
        Some(cookie)
    }

    /// The session of a cookie.
    pub(crate) fn find(&self, id: &Digest, now: Now) -> Option<Spoken> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = inner.sessions.get_mut(id)?;
        if idle(session, now) {
            inner.sessions.remove(id);
            return None;
        }
        session.used = now.steady;
        Some(session.spoken.clone())
    }

    /// Ends a session.
    pub(crate) fn close(&self, id: &Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sessions.remove(id);
    }
}

fn idle(session: &Session, now: Now) -> bool {
    now.steady.since(session.used) >= SESSION_IDLE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;

    fn at(hours: i64) -> Now {
        Now { wall: Millis(0), steady: Millis(hours * 3_600_000) }
    }

    #[test]
    fn a_code_works_once_and_for_ten_minutes() {
        let sessions = Sessions::default();
        let code = sessions.invite(SessionWho::Operator, at(0), &SystemEntropy).unwrap();
        assert_eq!(code.len(), 32, "128 bits");
        assert_eq!(sessions.spend("0000", at(0)), None);
        assert_eq!(sessions.spend(&code, at(0)), Some(SessionWho::Operator));
        assert_eq!(sessions.spend(&code, at(0)), None);
        let late = sessions.invite(SessionWho::Operator, at(0), &SystemEntropy).unwrap();
        assert_eq!(sessions.spend(&late, at(1)), None);
    }

    #[test]
    fn a_session_ends_twelve_hours_after_its_last_use() {
        let sessions = Sessions::default();
        let cookie =
            sessions.open(SessionWho::Operator, BTreeSet::new(), None, at(0), &SystemEntropy).unwrap();
        let id = secret_hash(&cookie);
        assert!(sessions.find(&id, at(11)).is_some());
        assert!(sessions.find(&id, at(22)).is_some());
        assert!(sessions.find(&id, at(34)).is_none());
        let cookie =
            sessions.open(SessionWho::Operator, BTreeSet::new(), None, at(0), &SystemEntropy).unwrap();
        sessions.close(&secret_hash(&cookie));
        assert!(sessions.find(&secret_hash(&cookie), at(0)).is_none());
    }
}
