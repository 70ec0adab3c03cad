//! The server under test, with a shop of three tools and five people.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::post;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Config, Running, Server};

/// Cedar of the shop: reads run alone, refunds above 500 need finance, above 5000 two of them, wiping is forbidden.
const POLICY: &str = r#"
@id("look-up-orders")
permit (principal, action == Action::"shop.order", resource);

@id("refund")
permit (principal, action == Action::"shop.refund", resource);

@id("large-refund")
@gate("approval")
@approver_role("finance")
@expires("PT1H")
@redact("input.card")
@risk("high")
@reason("Refunds above 500 need a person of finance.")
forbid (principal, action == Action::"shop.refund", resource) when { context.input has amount && context.input.amount > 500 };

@id("very-large-refund")
@gate("approval")
@approver_role("finance")
@quorum("2")
@expires("PT1H")
@reason("Refunds above 5000 need two people of finance.")
forbid (principal, action == Action::"shop.refund", resource) when { context.input has amount && context.input.amount > 5000 };

@id("never-wipe")
@never("true")
@reason("Nothing is wiped by an agent.")
forbid (principal, action == Action::"shop.wipe", resource);
"#;

/// The workspace folder for a tool server.
pub(super) fn folder(tools: SocketAddr) -> BTreeMap<String, String> {
    let schema = |members: &str| {
        format!(
            r#"'{{"type":"object","properties":{{{members}}},"required":["order"],"additionalProperties":false}}'"#
        )
    };
    let tool = |name: &str, class: &str, members: &str| {
        format!(
            "[tools.{name}]\nclass = \"{class}\"\nmethod = \"POST\"\npath = \"/{name}\"\ninput_schema = {}\n\n",
            schema(members)
        )
    };
    let order = r#""order":{"type":"string"}"#;
    let refund = r#""order":{"type":"string"},"amount":{"type":"integer"},"card":{"type":"string"}"#;
    let connector = format!(
        "name = \"shop\"\ntitle = \"Shop\"\nkind = \"http\"\nurl = \"http://{tools}\"\nallow_private = true\n\
         environment = \"sandbox\"\n\n{}{}{}",
        tool("order", "read", order),
        tool("refund", "irreversible", refund),
        tool("wipe", "irreversible", order),
    );
    let agent = |name: &str| {
        format!(
            "name = \"{name}\"\ntitle = \"Agent\"\nversion = 1\nowner = \"mara\"\nstage = \"production\"\n"
        )
    };
    let people = "name = \"main\"\ntitle = \"Shop\"\ntime_zone = \"UTC\"\nroles = [\"finance\"]\n\n\
                  [people.mara]\nroles = [\"owner\", \"finance\"]\n\n[people.ines]\nroles = [\"finance\"]\n\n\
                  [people.omar]\nroles = [\"finance\"]\n\n[people.vera]\nroles = [\"viewer\"]\n\n\
                  [people.gwen]\nroles = [\"governor\", \"admin\", \"auditor\"]\n";
    [
        ("workspace.toml", people.to_owned()),
        ("agents/shop-agent.toml", agent("shop-agent")),
        ("agents/other-agent.toml", agent("other-agent")),
        ("connectors/shop.toml", connector),
        ("policies/shop.cedar", POLICY.to_owned()),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text))
    .collect()
}

/// An answer: status, and body as a value.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Got {
    pub(super) fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_default().to_owned()
    }
}

/// Everything.
pub(super) struct World {
    pub(super) server: Running,
    pub(super) http: Client,
    pub(super) calls: Arc<AtomicU64>,
    pub(super) dir: TempDir,
    pub(super) tools: SocketAddr,
}

/// What a server on a directory is started with.
pub(super) fn config(dir: &TempDir) -> Config {
    let mut config = Config::new(dir.path().join("data"));
    config.listen = "127.0.0.1:0".parse().unwrap();
    config.root_key_file = Some(dir.path().join("root.key"));
    config
}

/// Starts a server on a directory, with a configuration.
pub(super) async fn start_with(dir: &TempDir, mut other: Config) -> Running {
    let Config { listen, root_key_file, .. } = config(dir);
    (other.listen, other.root_key_file) = (listen, root_key_file);
    Server::start(other).await.unwrap()
}

/// Starts a server on a directory.
pub(super) async fn start(dir: &TempDir) -> Running {
    Server::start(config(dir)).await.unwrap()
}

impl World {
    /// A server without a policy.
    pub(super) async fn bare() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let calls = Arc::new(AtomicU64::new(0));
        let counted = calls.clone();
        let answer = move |body: String| {
            let counted = counted.clone();
            async move {
                counted.fetch_add(1, Ordering::SeqCst);
                axum::Json(json!({ "done": true, "echo": body }))
            }
        };
        let router = Router::new()
            .route("/order", post(answer.clone()))
            .route("/refund", post(answer.clone()))
            .route("/wipe", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tools = listener.local_addr().unwrap();
        drop(tokio::spawn(async move { axum::serve(listener, router).await }));
        let dir = tempfile::tempdir().unwrap();
        let server = start(&dir).await;
        let http = Client::builder().no_proxy().build().unwrap();
        Self { server, http, calls, dir, tools }
    }

    /// A server with the shop applied.
    pub(super) async fn shop() -> Self {
        let world = Self::bare().await;
        let applied = world.post("/v1/apply", &world.token(), json!({ "files": folder(world.tools) })).await;
        assert_eq!(applied.status, 200, "{:#}", applied.body);
        world
    }

    pub(super) fn token(&self) -> String {
        self.server.token.clone()
    }

    pub(super) async fn key(&self, kind: &str, name: &str, scopes: &[&str]) -> String {
        let made = self.post("/v1/keys", &self.token(), json!({ kind: name, "scopes": scopes })).await;
        assert_eq!(made.status, 201, "{:#}", made.body);
        made.text("secret")
    }

    pub(super) async fn agent(&self) -> String {
        self.key("agent", "shop-agent", &[]).await
    }

    pub(super) async fn person(&self, name: &str) -> String {
        self.key("person", name, &[]).await
    }

    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server.url))
    }

    pub(super) async fn get(&self, path: &str, key: &str) -> Got {
        got(self.request(Method::GET, path).bearer_auth(key).send().await.unwrap()).await
    }

    pub(super) async fn post(&self, path: &str, key: &str, body: Value) -> Got {
        got(self.request(Method::POST, path).bearer_auth(key).json(&body).send().await.unwrap()).await
    }

    pub(super) async fn run(&self, key: &str) -> String {
        let run = self
            .request(Method::POST, "/v1/runs")
            .bearer_auth(key)
            .header("idempotency-key", "run")
            .json(&json!({ "title": "a complaint" }))
            .send()
            .await
            .unwrap();
        let run = got(run).await;
        assert_eq!(run.status, 201, "{:#}", run.body);
        run.text("id")
    }

    pub(super) async fn propose(
        &self,
        key: &str,
        run: &str,
        name: &str,
        tool: &str,
        arguments: Value,
    ) -> Got {
        let body = json!({ "tool": tool, "arguments": arguments, "reason": "the customer\u{202e} asked" });
        self.propose_raw(key, run, Some(name), serde_json::to_vec(&body).unwrap()).await
    }

    pub(super) async fn propose_raw(&self, key: &str, run: &str, name: Option<&str>, body: Vec<u8>) -> Got {
        let mut request = self
            .request(Method::POST, &format!("/v1/runs/{run}/actions"))
            .bearer_auth(key)
            .header("content-type", "application/json");
        if let Some(name) = name {
            request = request.header("idempotency-key", name);
        }
        got(request.body(body).send().await.unwrap()).await
    }

    /// A refund that waits: action, approval, digest of the page.
    pub(super) async fn waiting(&self, key: &str, run: &str, name: &str) -> (String, String, String) {
        let refund = json!({ "order": "W1", "amount": 900, "card": "4111" });
        let action = self.propose(key, run, name, "shop.refund", refund).await;
        assert_eq!((action.status, action.text("status").as_str()), (202, "waiting"), "{:#}", action.body);
        let approval = action.text("approval");
        let page = self.get(&format!("/v1/approvals/{approval}"), &self.token()).await;
        (action.text("id"), approval, page.text("digest"))
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

pub(super) async fn got(response: Response) -> Got {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    Got { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}
