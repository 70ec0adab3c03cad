//! What a connector is made from, checked once when it is published.
//!
//! The server maps these from the workspace's files. Everything that can be found wrong without a network is found
//! here, so that a call fails for reasons of the day only.

use std::collections::BTreeMap;

use http::Method;
use http::header::HeaderName;
use kernel::clock::Millis;
use kernel::id::ConnectorId;
use reqwest::Url;
use serde_json::Value;

use crate::egress;
use crate::rest::template;
use crate::secret::{Credential, SecretRef};

/// Headers that carry the message itself; a credential or key in them would break or forge it.
const RESERVED_HEADERS: &[&str] = &[
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Longest a call may wait, whatever a file says: ten minutes.
const TIMEOUT_MAX: Millis = Millis(600_000);
/// Most bytes of an answer, whatever a file says. Answers are kept sealed in the journal.
const RESPONSE_BYTES_MAX: usize = 16 << 20;
/// Most calls at once, whatever a file says.
const IN_FLIGHT_MAX: usize = 1_024;

/// One connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name: the first half of its tools' names.
    pub name: ConnectorId,
    /// What it speaks.
    pub kind: Kind,
    /// Headers that carry credentials, resolved at each request.
    pub auth: Vec<Credential>,
    /// Whether private and loopback addresses may be reached. Link-local and metadata addresses never are.
    pub allow_private: bool,
    /// Longest wait for an answer; a call may ask for less.
    pub timeout: Millis,
    /// Most bytes of one answer.
    pub max_response_bytes: usize,
    /// Most calls at once: a slow system must not take the others down.
    pub max_in_flight: usize,
    /// The system promises that a 503 means "not begun". Without it, a 503 to a write is unknown.
    pub unavailable_is_certain: bool,
}

/// What a connector speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An MCP server, which lists its own tools.
    Mcp {
        /// Where it is.
        endpoint: Endpoint,
    },
    /// A plain HTTP API, whose tools are declared.
    Http {
        /// What all paths begin with.
        base_url: String,
        /// Tools by name.
        tools: BTreeMap<String, HttpTool>,
    },
}

/// Where an MCP server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Streamable HTTP at this address.
    Http {
        /// The address.
        url: String,
    },
    /// A child process that speaks over its standard input and output. No shell is involved, ever.
    Stdio {
        /// The program and its arguments.
        command: Vec<String>,
        /// Environment of the child. Of the server's own environment it sees `PATH`, `HOME`, `TMPDIR` and `LANG` only.
        env: BTreeMap<String, SecretRef>,
    },
}

/// Where the arguments go that the path does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentsIn {
    /// Into the query string; scalars and lists of scalars only.
    Query,
    /// Into a JSON object in the body.
    Body,
}

/// One tool of a plain HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTool {
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path; `{name}` stands for an argument, percent-encoded.
    pub path: String,
    /// Where the other arguments go; `None`: the query for GET, HEAD and DELETE, else the body.
    pub arguments_in: Option<ArgumentsIn>,
    /// The header that carries the provider's idempotency key, for tools of class `keyed`.
    pub idempotency_header: Option<String>,
    /// What it does, in words. Part of its manifest.
    pub description: Option<String>,
    /// JSON Schema of its arguments. Part of its manifest.
    pub input_schema: Value,
    /// JSON Schema of its answer. Part of its manifest.
    pub output_schema: Option<Value>,
}

impl HttpTool {
    /// Where the other arguments go.
    pub(crate) fn placement(&self) -> ArgumentsIn {
        self.arguments_in.unwrap_or(match self.method.as_str() {
            "GET" | "HEAD" | "DELETE" => ArgumentsIn::Query,
            _ => ArgumentsIn::Body,
        })
    }

    /// The tool in MCP's form: what its manifest digest is taken of.
    pub(crate) fn manifest(&self, name: &str) -> Value {
        let mut manifest = serde_json::json!({ "name": name, "inputSchema": self.input_schema });
        if let Some(description) = &self.description {
            manifest["description"] = Value::from(description.as_str());
        }
        if let Some(schema) = &self.output_schema {
            manifest["outputSchema"] = schema.clone();
        }
        manifest
    }
}

/// What is wrong with a connector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// An address that is none.
    #[error("`{url}` is not an address of an HTTP server: {why}")]
    Url { url: String, why: String },
    /// An address that may not be reached.
    #[error(transparent)]
    Egress(#[from] egress::EgressError),
    /// No program to start.
    #[error("the command is empty; name a program and its arguments")]
    EmptyCommand,
    /// Text that no process can be given.
    #[error("the command or its environment holds a character that no process can be given")]
    CommandText,
    /// A header that cannot be set.
    #[error("`{header}` cannot be set as a header: {why}")]
    Header { header: String, why: &'static str },
    /// A tool that cannot be called as declared.
    #[error("tool `{tool}`: {why}")]
    Tool { tool: String, why: String },
    /// A number out of range.
    #[error("`{field}` must lie between {min} and {max}")]
    Range { field: &'static str, min: i64, max: i64 },
    /// The TLS library refuses to work here.
    #[error("no secure connection can be made on this machine: {0}")]
    Tls(String),
    /// The same name twice.
    #[error("two connectors are named `{0}`")]
    Twice(ConnectorId),
}

impl Spec {
    /// A connector with the defaults: 30 s, 1 MiB, 32 at once, public addresses only.
    pub fn new(name: ConnectorId, kind: Kind) -> Self {
        Self {
            name,
            kind,
            auth: vec![],
            allow_private: false,
            timeout: Millis(30_000),
            max_response_bytes: 1 << 20,
            max_in_flight: 32,
            unavailable_is_certain: false,
        }
    }

    /// Finds what is wrong without touching the network.
    pub fn check(&self) -> Result<(), SpecError> {
        range("timeout", self.timeout.0, 1, TIMEOUT_MAX.0)?;
        range("max_response_bytes", int(self.max_response_bytes), 1, int(RESPONSE_BYTES_MAX))?;
        range("max_in_flight", int(self.max_in_flight), 1, int(IN_FLIGHT_MAX))?;
        for credential in &self.auth {
            header_name(&credential.header)?;
        }
        match &self.kind {
            Kind::Mcp { endpoint: Endpoint::Http { url } } => parse_url(url, self.allow_private).map(drop),
            Kind::Mcp { endpoint: Endpoint::Stdio { command, env } } => check_command(command, env),
            Kind::Http { base_url, tools } => {
                let base = parse_url(base_url, self.allow_private)?;
                if base.query().is_some() {
                    return Err(SpecError::Url {
                        url: base_url.clone(),
                        why: "a base has no query".to_owned(),
                    });
                }
                tools.iter().try_for_each(|(name, tool)| check_tool(name, tool))
            }
        }
    }
}

/// Reads an address: HTTP or HTTPS, no user name, no fragment, no forbidden literal address.
pub(crate) fn parse_url(text: &str, allow_private: bool) -> Result<Url, SpecError> {
    let wrong = |why: &str| SpecError::Url { url: shown(text), why: why.to_owned() };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it begins with neither `http://` nor `https://`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a user name or password; use `auth` with a reference instead"));
    }
    if url.fragment().is_some() {
        return Err(wrong("it holds a `#`"));
    }
    egress::check_url(&url, allow_private)?;
    Ok(url)
}

/// A header that a file may set.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, SpecError> {
    let wrong = |why| SpecError::Header { header: shown(text), why };
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| wrong("it is not a header's name"))?;
    if RESERVED_HEADERS.contains(&name.as_str()) {
        return Err(wrong("it belongs to the protocol"));
    }
    Ok(name)
}

fn check_command(command: &[String], env: &BTreeMap<String, SecretRef>) -> Result<(), SpecError> {
    if command.first().is_none_or(String::is_empty) {
        return Err(SpecError::EmptyCommand);
    }
    let bad_name = |name: &String| name.is_empty() || name.contains(['=', '\0']);
    if command.iter().any(|part| part.contains('\0')) || env.keys().any(bad_name) {
        return Err(SpecError::CommandText);
    }
    Ok(())
}

fn check_tool(name: &str, tool: &HttpTool) -> Result<(), SpecError> {
    let wrong = |why: String| SpecError::Tool { tool: shown(name), why };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(wrong("a tool's name is 1 to 64 of A-Z, a-z, 0-9, `-`, `_`".to_owned()));
    }
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    if !methods.iter().any(|method| method.as_str() == tool.method) {
        return Err(wrong(format!(
            "`{}` is not one of GET, HEAD, POST, PUT, PATCH, DELETE",
            shown(&tool.method)
        )));
    }
    if let Some(header) = &tool.idempotency_header {
        header_name(header)?;
    }
    template::check(&tool.path).map_err(|error| wrong(error.to_string()))
}

fn range(field: &'static str, value: i64, min: i64, max: i64) -> Result<(), SpecError> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(SpecError::Range { field, min, max }) }
}

fn int(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Text from outside, short and free of control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}
