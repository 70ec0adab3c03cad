//! Bulkhead, breaker, and replacing the set under calls that are on their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kernel::ports::Call;

use super::support::{
    Raw, Reply, answer, crm, http_call, http_spec, mcp_spec, pay, result, text, told, tool, with,
};
use crate::{BreakerState, Spec, SpecError};

#[tokio::test]
async fn a_slow_system_holds_only_its_own_places() {
    let held = |_: &super::support::Seen| {
        let Reply::Raw(bytes) = answer(200, "text/plain", "", "done") else { return Reply::Cut };
        Reply::Held(bytes)
    };
    let server = Raw::start(held).await;
    let post = tool("POST", "/pay");
    let (connectors, _) = with(Spec { max_in_flight: 1, ..http_spec(&server.url, &[("pay", post.clone())]) });
    let call = || http_call(&post, serde_json::json!({}));
    let first = told(&connectors, call());
    let second = async {
        server.wait_for(1).await;
        assert_eq!(connectors.health()[0].in_flight, 1);
        let said = told(&connectors, call()).await;
        server.release();
        said
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first, "ok: done");
    assert_eq!(second, "failed blocked (retry): `crm` already has 1 calls on their way");
    assert_eq!(server.seen().len(), 1);
    assert_eq!(connectors.health()[0].in_flight, 0);
}

#[tokio::test]
async fn a_failing_system_rests_and_one_call_probes() {
    let well = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&well);
    let server =
        Raw::mcp(
            move |request| {
                if flag.load(Ordering::SeqCst) { result(request, text("paid")) } else { Reply::Cut }
            },
        )
        .await;
    let (connectors, clock) = with(mcp_spec(&server.url));
    let state = || connectors.health()[0].state;
    for _ in 0..5 {
        assert!(told(&connectors, pay()).await.starts_with("unknown: "));
    }
    assert_eq!(state(), BreakerState::Open);
    let rests = "failed blocked (retry): `crm` failed several times in a row and rests; next try in 10 s";
    assert_eq!(told(&connectors, pay()).await, rests);
    assert_eq!(server.calls(), 5, "nothing is sent while it rests");
    clock.forward(10_000);
    assert_eq!(state(), BreakerState::HalfOpen);
    assert!(told(&connectors, pay()).await.starts_with("unknown: "));
    assert_eq!((server.calls(), state()), (6, BreakerState::Open));
    clock.forward(10_000);
    well.store(true, Ordering::SeqCst);
    assert_eq!(told(&connectors, pay()).await, "ok: paid");
    let health = &connectors.health()[0];
    assert_eq!(
        (health.state, health.last_ok_at),
        (BreakerState::Closed, Some(kernel::clock::Millis(1_020_000)))
    );
    assert!(health.last_error.as_ref().unwrap().starts_with("the connection ended"), "{health:?}");
}

#[tokio::test]
async fn only_one_call_probes_and_a_probe_that_is_dropped_frees_its_place() {
    let breaker = crate::breaker::Breaker::default();
    let now = |ms| kernel::clock::Now { wall: kernel::clock::Millis(ms), steady: kernel::clock::Millis(ms) };
    for _ in 0..5 {
        breaker.admit(now(0)).unwrap().failed(now(0), "x".to_owned());
    }
    let probe = breaker.admit(now(10_000)).unwrap();
    assert!(breaker.admit(now(10_000)).is_err(), "one probe at a time");
    drop(probe);
    assert!(breaker.admit(now(10_000)).is_ok());
}

#[tokio::test]
async fn refusals_do_not_tire_the_breaker() {
    let server = Raw::mcp(|_| answer(422, "text/plain", "", "no")).await;
    let (connectors, _) = with(mcp_spec(&server.url));
    for _ in 0..7 {
        assert_eq!(told(&connectors, pay()).await, "failed refused: the system answered 422: no");
    }
    assert_eq!(server.calls(), 7);
    assert_eq!(connectors.health()[0].state, BreakerState::Closed);
}

#[tokio::test]
async fn a_new_set_keeps_sessions_and_lets_calls_finish() {
    let server = Raw::mcp(|request| {
        let Reply::Raw(bytes) = result(request, text("paid")) else { return Reply::Cut };
        Reply::Held(bytes)
    })
    .await;
    let spec = mcp_spec(&server.url);
    let (connectors, _) = with(spec.clone());
    let opened = || server.seen().iter().filter(|seen| seen.body["method"] == "initialize").count();
    let publish = async {
        server.wait_for_calls(1).await;
        connectors.replace(vec![]).unwrap();
        assert!(connectors.health().is_empty());
        server.release();
    };
    let (said, ()) = tokio::join!(told(&connectors, pay()), publish);
    assert_eq!(said, "ok: paid", "a call on its way finishes on the old set");

    connectors.replace(vec![spec.clone()]).unwrap();
    server.release();
    assert_eq!(told(&connectors, pay()).await, "ok: paid");
    assert_eq!(opened(), 2);
    connectors.replace(vec![spec.clone()]).unwrap();
    server.release();
    assert_eq!(told(&connectors, pay()).await, "ok: paid");
    assert_eq!(opened(), 2, "an unchanged connector keeps its session");
    connectors.replace(vec![Spec { max_in_flight: 3, ..spec }]).unwrap();
    server.release();
    assert_eq!(told(&connectors, pay()).await, "ok: paid");
    assert_eq!(opened(), 3);
}

#[tokio::test]
async fn a_wrong_set_changes_nothing() {
    let server = Raw::mcp(|request| result(request, text("paid"))).await;
    let spec = mcp_spec(&server.url);
    let (connectors, _) = with(spec.clone());
    let bad = Spec { max_in_flight: 0, ..spec.clone() };
    assert!(matches!(connectors.replace(vec![bad]), Err(SpecError::Range { field: "max_in_flight", .. })));
    assert_eq!(connectors.replace(vec![spec.clone(), spec]), Err(SpecError::Twice(crm())));
    assert_eq!(told(&connectors, pay()).await, "ok: paid");
    let other = Call { tool: "erp.pay".parse().unwrap(), ..pay() };
    assert_eq!(told(&connectors, other).await, "failed blocked: there is no connector `erp`");
}
