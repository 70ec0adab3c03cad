//! Credentials: named by reference, read when they are needed, never written anywhere.
//!
//! A secret leaves this crate only inside a request header or a child's environment. What comes back is searched for
//! every secret that was used, because upstreams do echo them (THREATS 40, 58). Nothing here is cached for use: a
//! rotated secret works at the next call. What was used is remembered for redaction only.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use http::header::HeaderValue;
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt;

use crate::fault::Fault;
use crate::spec::{self, shown};

/// Largest file that is taken for a secret.
const SECRET_BYTES_MAX: u64 = 16 << 10;
/// Shorter texts would be "found" in innocent words.
const REDACTED_LEN_MIN: usize = 6;
/// How many spellings of used secrets are remembered: a few rotations of a few credentials.
const SPELLINGS_MAX: usize = 64;
/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";

/// Where a secret is kept. Written `env:NAME` or `file:/path`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRef {
    /// A variable of the server's environment.
    Env(String),
    /// A file, by absolute path; line ends at its end do not count.
    File(PathBuf),
}

/// A reference that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not say where a secret is: write `env:NAME` or `file:/absolute/path`")]
pub struct SecretRefError(String);

impl FromStr for SecretRef {
    type Err = SecretRefError;

    fn from_str(text: &str) -> Result<Self, SecretRefError> {
        let bad = |c: char| c == '=' || c.is_control();
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(bad) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if path.starts_with('/') && !path.contains('\0') => {
                Ok(Self::File(path.into()))
            }
            // Only the part before the colon is echoed: people paste the secret itself here.
            Some((scheme, _)) => Err(SecretRefError(format!("{}:…", shown(scheme)))),
            None => Err(SecretRefError("…".to_owned())),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// A header that carries a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The header's name.
    pub header: String,
    /// What stands before the secret, such as `Bearer `.
    pub prefix: String,
    /// Where the secret is.
    pub secret: SecretRef,
}

/// The credentials of one connector, and what must never be seen outside.
pub(crate) struct Keyring {
    credentials: Vec<Credential>,
    /// Spellings of secrets that were used, longest first.
    spellings: Mutex<Vec<String>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Keyring {
    pub(crate) fn new(credentials: Vec<Credential>) -> Self {
        Self { credentials, spellings: Mutex::new(vec![]) }
    }

    /// The headers of one request, from the secrets as they are now.
    pub(crate) async fn headers(&self) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        for credential in &self.credentials {
            let secret = self.read(&credential.secret).await?;
            let name =
                spec::header_name(&credential.header).map_err(|error| Fault::blocked(error.to_string()))?;
            let mut value =
                HeaderValue::from_str(&format!("{}{secret}", credential.prefix)).map_err(|_| {
                    Fault::blocked(format!(
                        "the secret `{}` holds a character that no header can carry",
                        credential.secret
                    ))
                })?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(headers)
    }

    /// Reads one secret and remembers it for redaction.
    pub(crate) async fn read(&self, place: &SecretRef) -> Result<String, Fault> {
        let missing = |why: &str| Fault::blocked(format!("the secret `{place}` {why}"));
        let text = match place {
            SecretRef::Env(name) => std::env::var(name).map_err(|_| missing("is not set, or is not text"))?,
            SecretRef::File(path) => {
                let file = tokio::fs::File::open(path).await.map_err(|_| missing("cannot be opened"))?;
                let mut text = String::new();
                let read = file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text).await;
                read.map_err(|_| missing("cannot be read as text"))?;
                text
            }
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(missing("is empty"));
        }
        if text.len() as u64 > SECRET_BYTES_MAX {
            return Err(missing("is larger than 16 KiB"));
        }
        self.remember(text);
        Ok(text.to_owned())
    }

    fn remember(&self, secret: &str) {
        if secret.len() < REDACTED_LEN_MIN {
            return;
        }
        let quoted = Value::from(secret).to_string();
        let escaped = quoted.trim_matches('"').to_owned();
        let encoded = crate::rest::template::encode(secret);
        let mut spellings = self.spellings.lock().unwrap_or_else(PoisonError::into_inner);
        for spelling in [secret.to_owned(), escaped, encoded] {
            if !spellings.contains(&spelling) {
                if spellings.len() >= SPELLINGS_MAX {
                    spellings.pop();
                }
                spellings.push(spelling);
            }
        }
        // The longest first: a secret that contains another one must not leave its rest behind.
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
    }

    /// The text without the secrets that were used.
    pub(crate) fn redact(&self, text: &str) -> String {
        let spellings = self.spellings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for spelling in spellings.iter().filter(|spelling| !spelling.is_empty()) {
            if text.contains(spelling.as_str()) {
                text = text.replace(spelling.as_str(), REDACTED);
            }
        }
        text
    }

    /// The same for every text inside a value, keys included.
    pub(crate) fn redact_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.redact(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_value(item)),
            Value::Object(members) => {
                let taken = std::mem::take(members);
                let redacted: Map<String, Value> = taken
                    .into_iter()
                    .map(|(key, mut member)| {
                        self.redact_value(&mut member);
                        (self.redact(&key), member)
                    })
                    .collect();
                *members = redacted;
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
