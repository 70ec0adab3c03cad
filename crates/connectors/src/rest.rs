//! Tools of a plain HTTP API: one declared request each.
//!
//! The arguments were checked against the tool's schema before; here they are only put where the declaration says. A
//! success is the answer's text; everything else is judged by `fault`.

pub(crate) mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{ACCEPT, HeaderValue};
use http::{HeaderMap, Method};
use kernel::ports::{Call, Output};
use reqwest::{Request, Url};
use serde_json::{Map, Value};

use crate::answer;
use crate::connectors::ManifestDigest;
use crate::fault::{self, Fault, Terms};
use crate::flight::{Abandon, Flight};
use crate::mcp::Wait;
use crate::secret::Keyring;
use crate::spec::{self, ArgumentsIn, HttpTool, shown};
use crate::wire;

/// One HTTP API.
#[derive(Debug)]
pub(crate) struct Api {
    pub base: Url,
    pub tools: BTreeMap<String, HttpTool>,
    pub client: reqwest::Client,
    pub keyring: Arc<Keyring>,
    pub bytes_max: usize,
    pub unavailable_is_certain: bool,
    pub digest: ManifestDigest,
}

impl Api {
    /// Calls a tool once.
    pub(crate) async fn call(&self, call: &Call, wait: Wait) -> Result<Output, Fault> {
        let name = call.tool.name();
        let tool = self.tools.get(name);
        let tool =
            tool.ok_or_else(|| Fault::manifest(format!("there is no tool `{}` any more", call.tool)))?;
        if (self.digest)(&tool.manifest(name)) != call.manifest {
            return Err(Fault::manifest(format!("the tool `{}` is no longer what was pinned", call.tool)));
        }
        let request = self.request(tool, call)?;
        let flight = Flight::new(wait.deadline, wait.patience, self.bytes_max);
        let _abandon = Abandon(&flight);
        let exchange = self.exchange(request, call.idempotency_key.is_some(), &flight);
        let outcome = tokio::time::timeout_at(wait.deadline, exchange).await;
        outcome.unwrap_or_else(|_| Err(flight.settle_late(&wait.over())))
    }

    async fn exchange(&self, mut request: Request, keyed: bool, flight: &Flight) -> Result<Output, Fault> {
        request.headers_mut().extend(self.keyring.headers().await?);
        if !flight.leave() {
            return Err(Fault::unreachable("nobody waits for the answer any more; the call was not sent"));
        }
        let response = self.client.execute(request).await.map_err(|error| fault::of_request(&error))?;
        if !response.status().is_success() {
            let terms = Terms { keyed, unavailable_is_certain: self.unavailable_is_certain };
            return Err(wire::refusal(response, terms).await);
        }
        let media = wire::media_type(&response);
        let body = wire::body(response, self.bytes_max).await?;
        answer::of_http(&media, &body, self.bytes_max)
    }

    /// The request as declared, without credentials.
    fn request(&self, tool: &HttpTool, call: &Call) -> Result<Request, Fault> {
        let mut arguments = match &call.arguments {
            Value::Object(arguments) => arguments.clone(),
            Value::Null => Map::new(),
            _ => return Err(Fault::blocked("the arguments are not an object")),
        };
        let path =
            template::fill(&tool.path, &mut arguments).map_err(|error| Fault::blocked(error.to_string()))?;
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        let method = Method::from_bytes(tool.method.as_bytes());
        let method =
            method.map_err(|_| Fault::blocked(format!("`{}` is not a method", shown(&tool.method))))?;
        let headers = headers(tool, call)?;
        let request = match tool.placement() {
            ArgumentsIn::Query => {
                write_query(&mut url, &arguments)?;
                self.client.request(method, url).headers(headers)
            }
            ArgumentsIn::Body => self.client.request(method, url).headers(headers).json(&arguments),
        };
        request.build().map_err(|error| fault::of_request(&error))
    }

    /// Asks whether anybody is there and lets us in, with a request that changes nothing. The status, or the fault.
    pub(crate) async fn knock(&self, wait: Wait) -> Result<u16, Fault> {
        let knocking = async {
            let request = self.client.head(self.base.clone()).headers(self.keyring.headers().await?);
            let response =
                request.send().await.map_err(|error| fault::of_request(&error).before_sending())?;
            Ok(response.status().as_u16())
        };
        tokio::time::timeout_at(wait.deadline, knocking)
            .await
            .unwrap_or_else(|_| Err(Fault::unreachable(wait.over())))
    }
}

fn headers(tool: &HttpTool, call: &Call) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/*;q=0.5"));
    let Some(key) = &call.idempotency_key else {
        return Ok(headers);
    };
    // A key that is silently dropped would make a repeat a second effect.
    let Some(name) = &tool.idempotency_header else {
        return Err(Fault::blocked(format!(
            "the tool `{}` declares no `idempotency_header` for its key",
            call.tool
        )));
    };
    let name = spec::header_name(name).map_err(|error| Fault::blocked(error.to_string()))?;
    let value = HeaderValue::from_str(key)
        .map_err(|_| Fault::blocked("the idempotency key cannot stand in a header"))?;
    headers.insert(name, value);
    Ok(headers)
}

fn write_query(url: &mut Url, arguments: &Map<String, Value>) -> Result<(), Fault> {
    if arguments.is_empty() {
        return Ok(());
    }
    let mut query = url.query_pairs_mut();
    // By name: what is sent must not depend on how a map keeps its order.
    let sorted: std::collections::BTreeMap<&String, &Value> = arguments.iter().collect();
    for (name, value) in sorted {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        for item in items {
            match item {
                Value::Null => {}
                Value::String(text) => drop(query.append_pair(name, text)),
                Value::Number(_) | Value::Bool(_) => drop(query.append_pair(name, &item.to_string())),
                Value::Array(_) | Value::Object(_) => {
                    return Err(Fault::blocked(format!(
                        "the argument `{}` cannot stand in a query",
                        shown(name)
                    )));
                }
            }
        }
    }
    Ok(())
}
