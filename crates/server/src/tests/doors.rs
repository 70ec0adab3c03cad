//! Hosts, origins, sessions, tokens, keys.

use reqwest::Method;
use serde_json::json;

use super::world::{World, got};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_sites_get_in_by_no_door() {
    let world = World::shop().await;
    let me = |name: &'static str, value: &'static str| {
        world.request(Method::GET, "/v1/me").bearer_auth(world.token()).header(name, value).send()
    };
    assert_eq!(got(me("host", "evil.example").await.unwrap()).await.code(), (403, "host_not_allowed"));
    assert_eq!(
        got(me("origin", "http://evil.example").await.unwrap()).await.code(),
        (403, "host_not_allowed")
    );
    let health = world.request(Method::GET, "/healthz").header("host", "evil.example").send().await.unwrap();
    assert_eq!(health.status(), 403, "without a credential, too");
    let page = world.request(Method::GET, "/").send().await.unwrap();
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let etag = page.headers()["etag"].clone();
    let same =
        world.request(Method::GET, "/w/main/inbox").header("if-none-match", etag).send().await.unwrap();
    assert_eq!(same.status(), 304);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opens_one_session_and_a_session_needs_its_token() {
    let world = World::shop().await;
    let made = world.post("/v1/login-links", &world.token(), json!({ "person": "ines" })).await;
    assert_eq!(made.status, 201, "{:#}", made.body);
    let code = made.text("url").split_once("code=").unwrap().1.to_owned();
    let open = || world.request(Method::POST, "/v1/sessions").json(&json!({ "code": code })).send();
    let opened = open().await.unwrap();
    let cookie = opened.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let me = got(opened).await;
    assert_eq!(me.text("principal"), "person:ines");
    assert_eq!(got(open().await.unwrap()).await.code(), (401, "login_code_invalid"), "once");

    let with = |method: Method, path: &str| world.request(method, path).header("cookie", &cookie);
    assert_eq!(got(with(Method::GET, "/v1/status").send().await.unwrap()).await.status, 200);
    let change = || with(Method::POST, "/v1/keys").json(&json!({ "person": "ines" }));
    assert_eq!(got(change().send().await.unwrap()).await.code(), (403, "csrf_invalid"));
    let wrong = change().header("x-countersign-csrf", "0");
    assert_eq!(got(wrong.send().await.unwrap()).await.code(), (403, "csrf_invalid"));
    let right = change().header("x-countersign-csrf", me.text("csrf"));
    assert_eq!(got(right.send().await.unwrap()).await.code(), (403, "forbidden"), "ines is no admin");
    let out = with(Method::DELETE, "/v1/sessions").header("x-countersign-csrf", me.text("csrf"));
    assert_eq!(out.send().await.unwrap().status(), 204);
    assert_eq!(got(with(Method::GET, "/v1/me").send().await.unwrap()).await.code(), (401, "unauthenticated"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_opens_nothing_and_ends_its_sessions() {
    let world = World::shop().await;
    let ines = world.person("ines").await;
    let opened =
        world.request(Method::POST, "/v1/sessions").json(&json!({ "key": ines })).send().await.unwrap();
    let cookie = opened.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let me = || world.request(Method::GET, "/v1/me").header("cookie", &cookie).send();
    assert_eq!(got(me().await.unwrap()).await.text("principal"), "person:ines");
    let keys = world.get("/v1/keys", &world.token()).await;
    assert!(!keys.body.to_string().contains("csk_"), "no secret is told twice");
    let id =
        keys.body.as_array().unwrap().iter().find(|key| key["principal"] == "person:ines").unwrap()["id"]
            .clone();
    let revoke = format!("/v1/keys/{}/revoke", id.as_str().unwrap());
    assert_eq!(world.post(&revoke, &world.token(), json!({})).await.status, 200);
    assert_eq!(world.get("/v1/me", &ines).await.code(), (401, "unauthenticated"));
    assert_eq!(got(me().await.unwrap()).await.code(), (401, "unauthenticated"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_json_is_for_its_user_only_and_the_first_start_prints_a_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::bare().await;
    let file = world.dir.path().join("data/server.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let code = world.server.first_link.as_deref().unwrap().split_once("code=").unwrap().1;
    let opened =
        world.request(Method::POST, "/v1/sessions").json(&json!({ "code": code })).send().await.unwrap();
    assert_eq!(got(opened).await.text("principal"), "operator");
    let health = world.get("/healthz", "").await;
    assert!(health.text("policy").contains("every action is refused"), "{:#}", health.body);
    let mut config = crate::Config::new(world.dir.path().join("other"));
    config.listen = "0.0.0.0:0".parse().unwrap();
    let error = crate::Server::start(config).await.unwrap_err().to_string();
    assert!(error.contains("loopback"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_refuses_all_says_so_everywhere() {
    let world = World::bare().await;
    let check = async |policy: &str, why: &str| {
        let health = world.get("/healthz", "").await;
        assert_eq!(health.text("status"), "degraded", "{:#}", health.body);
        assert_eq!(health.text("policy"), policy);
        assert!(health.body["degraded"].to_string().contains(why), "{:#}", health.body);
        let status = world.get("/v1/status", &world.token()).await;
        assert_eq!(status.body["refuses_all"], true);
        assert!(status.body["attention"].to_string().contains(why), "{:#}", status.body);
        assert_eq!(world.get("/readyz", "").await.status, 200, "it takes `apply`");
    };
    check("none: every action is refused", "No policy is in force").await;

    let mut files = super::world::folder(world.tools);
    let rules = files.get_mut("policies/shop.cedar").unwrap();
    *rules = rules.split("\n\n").filter(|rule| !rule.contains("permit (")).collect::<Vec<_>>().join("\n\n");
    let applied = world.post("/v1/apply", &world.token(), json!({ "files": files })).await;
    assert_eq!(applied.status, 200, "{:#}", applied.body);
    check("permits_nothing: every action is refused", "permits nothing").await;

    let files = super::world::folder(world.tools);
    assert_eq!(world.post("/v1/apply", &world.token(), json!({ "files": files })).await.status, 200);
    assert_eq!(world.get("/healthz", "").await.text("policy"), "in_force");
    assert_eq!(world.get("/v1/status", &world.token()).await.body["refuses_all"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_a_secret_promises_no_replay() {
    let world = World::shop().await;
    let head = world.server.entries();
    for (path, body) in
        [("/v1/keys", json!({ "agent": "shop-agent" })), ("/v1/login-links", json!({ "person": "ines" }))]
    {
        let request = world.request(Method::POST, path).bearer_auth(world.token());
        let got =
            super::world::got(request.header("idempotency-key", "1").json(&body).send().await.unwrap()).await;
        assert_eq!(got.code(), (422, "request_invalid"), "{:#}", got.body);
    }
    assert_eq!(world.server.entries(), head);
}
