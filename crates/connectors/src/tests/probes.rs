//! `connector test`: what it says at each step where something can be wrong.

use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::{Expect, expect};
use kernel::digest::Digest;

use super::mcp::{Shop, open_shop};
use super::support::{Raw, answer, behave, crm, digest, http_spec, mcp_spec, pay_manifest, tool, with};
use crate::{Spec, StepName};

fn pinned() -> BTreeMap<String, Digest> {
    BTreeMap::from([("pay".to_owned(), digest(&pay_manifest()))])
}

/// The report as lines; ports are masked because the machine draws them.
async fn check(spec: Spec, pinned: &BTreeMap<String, Digest>, expected: Expect) {
    let (connectors, _) = with(spec);
    let report = connectors.test(&crm(), pinned).await.unwrap();
    let mut lines = String::new();
    for step in &report.steps {
        let name = serde_json::to_value(step.name).unwrap();
        let mark = if step.ok { "ok" } else { "NO" };
        let hint = step.hint.as_ref().map(|hint| format!(" -> {hint}")).unwrap_or_default();
        writeln!(lines, "{mark} {}: {}{hint}", name.as_str().unwrap(), step.detail).unwrap();
    }
    expected.assert_eq(&lines);
    assert_eq!(report.is_ok(), report.steps.iter().all(|step| step.ok));
    connectors.shutdown().await;
}

#[tokio::test]
async fn a_connector_in_order() {
    let shop = Shop::new();
    let url = open_shop(&shop, true).await;
    check(
        mcp_spec(&url),
        &pinned(),
        expect![[r#"
        ok resolve: `127.0.0.1` is at 127.0.0.1
        ok connect: the server opened a session
        ok auth: no credentials are set, and none were asked for
        ok list: 1 tools
        ok compare: 1 tools are as pinned
    "#]],
    )
    .await;
    assert_eq!(shop.calls.load(std::sync::atomic::Ordering::SeqCst), 0, "testing calls no tool");
}

#[tokio::test]
async fn tools_that_changed_are_named() {
    let server = Raw::start(behave).await;
    let other = Digest::of("test", &[b"other"]);
    let pinned = BTreeMap::from([("pay".to_owned(), other), ("refund".to_owned(), other)]);
    check(mcp_spec(&server.url), &pinned, expect![[r#"
        ok resolve: `127.0.0.1` is at 127.0.0.1
        ok connect: the server opened a session
        ok auth: no credentials are set, and none were asked for
        ok list: 1 tools
        NO compare: changed: `pay`; missing: `refund` -> read the difference, then run `countersign connector pin crm` and publish
    "#]])
    .await;
    check(
        mcp_spec(&server.url),
        &BTreeMap::new(),
        expect![[r#"
        ok resolve: `127.0.0.1` is at 127.0.0.1
        ok connect: the server opened a session
        ok auth: no credentials are set, and none were asked for
        ok list: 1 tools
        ok compare: new: `pay`
    "#]],
    )
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_said_where_it_is_wrong() {
    let server = Raw::start(behave).await;
    let named = Spec { allow_private: false, ..mcp_spec(&server.url.replace("127.0.0.1", "localhost")) };
    let (connectors, _) = with(named);
    let report = connectors.test(&crm(), &pinned()).await.unwrap();
    assert_eq!((report.steps.len(), report.steps[0].name, report.steps[0].ok), (1, StepName::Resolve, false));
    assert!(report.steps[0].hint.as_ref().unwrap().contains("allow_private"));

    let closed = Raw::start(|_| answer(401, "text/plain", "", "who are you?")).await;
    check(mcp_spec(&closed.url), &pinned(), expect![[r#"
        ok resolve: `127.0.0.1` is at 127.0.0.1
        ok connect: the system answered
        NO auth: the system answered 401: who are you? -> check the secret that `auth` refers to, and what it is allowed to do at the system
    "#]])
    .await;
    let page = Raw::start(|_| answer(404, "text/html", "", "<h1>")).await;
    check(mcp_spec(&page.url), &pinned(), expect![[r#"
        ok resolve: `127.0.0.1` is at 127.0.0.1
        NO connect: the system answered 404 -> is this the address of the MCP endpoint itself? it often ends in `/mcp`
    "#]])
    .await;
}

#[tokio::test]
async fn a_plain_api_is_knocked_at() {
    let server =
        Raw::start(|_| super::support::Reply::Raw(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n".to_vec()))
            .await;
    let tools = [("pay", tool("POST", "/pay"))];
    check(
        http_spec(&server.url, &tools),
        &BTreeMap::new(),
        expect![[r#"
        ok resolve: `127.0.0.1` is at 127.0.0.1
        ok connect: the system answered 404
        ok auth: not refused; only a call shows whether the credentials are accepted
        ok list: 1 tools are declared
        ok compare: new: `pay`
    "#]],
    )
    .await;
    let lines: Vec<String> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines, ["HEAD / HTTP/1.1"]);
    let (connectors, _) = with(http_spec(&server.url, &tools));
    let other = "erp".parse().unwrap();
    assert_eq!(connectors.tools(&other).await.unwrap_err().to_string(), "there is no connector `erp`");
}
