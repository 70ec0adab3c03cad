//! Credentials go in; nothing of them comes out.

use std::path::Path;

use serde_json::json;

use super::support::{
    Raw, answer, behave, crm, http_call, http_spec, mcp_spec, pay, result, told, tool, with,
};
use crate::{Credential, Kind, SecretRef, Spec};

const SECRET: &str = "tok-\"42\"/äö+secret";
const ASCII: &str = "tok-42/+secret";

fn secured(spec: Spec, path: &Path) -> Spec {
    let secret = format!("file:{}", path.display()).parse().unwrap();
    Spec {
        auth: vec![Credential { header: "Authorization".to_owned(), prefix: "Bearer ".to_owned(), secret }],
        ..spec
    }
}

fn file(secret: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    (dir, path)
}

#[tokio::test]
async fn a_secret_is_sent_and_never_seen_again() {
    let (_dir, path) = file(ASCII);
    let echo = |request: &super::support::Seen| {
        let body = json!({
            "content": [{"type": "text", "text": format!("you sent {ASCII} and tok-42%2F%2Bsecret.")}],
            "structuredContent": {ASCII: {"deep": [format!("x{ASCII}x")]}},
        });
        result(request, body)
    };
    let server = Raw::mcp(echo).await;
    let (connectors, _) = with(secured(mcp_spec(&server.url), &path));
    let said = told(&connectors, pay()).await;
    let clean = r#"ok: you sent [redacted] and [redacted]. {"[redacted]":{"deep":["x[redacted]x"]}}"#;
    assert_eq!(said, clean);
    let header = format!("authorization: bearer {ASCII}\r\n");
    assert!(server.seen().iter().all(|seen| seen.head.contains(&header)), "every request carries it");
    assert!(!format!("{connectors:?}").contains(ASCII));
}

#[tokio::test]
async fn errors_are_redacted_too() {
    let (_dir, path) = file(ASCII);
    let bad = answer(400, "text/plain", "", &format!("bad token {ASCII}"));
    let reply = bad.clone();
    let server = Raw::mcp(move |_| reply.clone()).await;
    let (connectors, _) = with(secured(mcp_spec(&server.url), &path));
    assert_eq!(
        told(&connectors, pay()).await,
        "failed refused: the system answered 400: bad token [redacted]"
    );
    assert!(!format!("{:?}", connectors.health()).contains(ASCII));

    let server = Raw::start(move |_| bad.clone()).await;
    let (connectors, _) = with(secured(mcp_spec(&server.url), &path));
    let told_before = told(&connectors, pay()).await;
    assert_eq!(told_before, "failed refused: the system answered 400: bad token [redacted]");
    let error = connectors.tools(&crm()).await.unwrap_err().to_string();
    assert_eq!(error, "`crm`: the system answered 400: bad token [redacted]");
    let report = connectors.test(&crm(), &std::collections::BTreeMap::new()).await.unwrap();
    assert!(!serde_json::to_string(&report).unwrap().contains(ASCII));
}

#[tokio::test]
async fn a_secret_is_read_at_each_request() {
    let (_dir, path) = file("first-token");
    let server = Raw::start(|_| answer(200, "text/plain", "", "first-token second-token")).await;
    let post = tool("POST", "/pay");
    let (connectors, _) = with(secured(http_spec(&server.url, &[("pay", post.clone())]), &path));
    let call = || http_call(&post, json!({}));
    assert_eq!(told(&connectors, call()).await, "ok: [redacted] second-token");
    std::fs::write(&path, "second-token").unwrap();
    assert_eq!(told(&connectors, call()).await, "ok: [redacted] [redacted]", "a rotated secret stays secret");
    let heads: Vec<String> = server.seen().into_iter().map(|seen| seen.head).collect();
    assert!(heads[0].contains("bearer first-token") && heads[1].contains("bearer second-token"));
}

#[tokio::test]
async fn without_its_secret_nothing_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let server = Raw::start(behave).await;
    let shown = path.display().to_string();
    let (connectors, _) = with(secured(mcp_spec(&server.url), &path));
    assert_eq!(
        told(&connectors, pay()).await,
        format!("failed blocked: the secret `file:{shown}` cannot be opened")
    );
    std::fs::write(&path, "\n").unwrap();
    assert_eq!(told(&connectors, pay()).await, format!("failed blocked: the secret `file:{shown}` is empty"));
    std::fs::write(&path, "to\r\nken: x").unwrap();
    let split =
        format!("failed blocked: the secret `file:{shown}` holds a character that no header can carry");
    assert_eq!(told(&connectors, pay()).await, split);
    std::fs::write(&path, "x".repeat(20_000)).unwrap();
    assert!(told(&connectors, pay()).await.ends_with("is larger than 16 KiB"));
    let unset = Credential {
        header: "X-Key".to_owned(),
        prefix: String::new(),
        secret: "env:COUNTERSIGN_NOT_SET_IN_TESTS".parse().unwrap(),
    };
    connectors.replace(vec![Spec { auth: vec![unset], ..mcp_spec(&server.url) }]).unwrap();
    let said = told(&connectors, pay()).await;
    assert_eq!(
        said,
        "failed blocked: the secret `env:COUNTERSIGN_NOT_SET_IN_TESTS` is not set, or is not text"
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn other_spellings_of_a_secret_are_found() {
    let (_dir, path) = file(SECRET);
    let keyring = crate::secret::Keyring::new(vec![]);
    let place = SecretRef::File(path);
    assert_eq!(keyring.read(&place).await.unwrap(), SECRET);
    let quoted = json!({"token": SECRET}).to_string();
    assert_eq!(keyring.redact(&quoted), r#"{"token":"[redacted]"}"#);
    assert_eq!(keyring.redact(&format!("?t={}", crate::rest::template::encode(SECRET))), "?t=[redacted]");
}

#[test]
fn a_reference_says_where_and_a_pasted_secret_is_not_echoed() {
    for text in ["env:CRM_TOKEN", "file:/run/secrets/crm"] {
        assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
    }
    for text in
        ["sk-live-12345", "env:", "file:relative", "vault:x-secret", "env:A=B", "Bearer: sk-live-12345"]
    {
        let error = text.parse::<SecretRef>().unwrap_err().to_string();
        assert!(!error.contains("12345") && !error.contains("x-secret"), "{error}");
    }
    let header = |name: &str| {
        let secret = SecretRef::Env("X".to_owned());
        let credential = Credential { header: name.to_owned(), prefix: String::new(), secret };
        let kind = Kind::Http {
            base_url: "https://example.com".to_owned(),
            tools: std::collections::BTreeMap::new(),
        };
        Spec { auth: vec![credential], ..Spec::new(crm(), kind) }.check()
    };
    assert!(header("X-Api-Key").is_ok());
    for name in ["Host", "Mcp-Session-Id", "Content-Length", "x y", ""] {
        assert!(header(name).is_err(), "{name}");
    }
}
