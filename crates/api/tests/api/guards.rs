//! Who may talk to it: hosts, origins, content types; and what comes back with every answer.

use super::client::Ask;
use super::fixture::{config, start, start_with};
use api::{ApiConfig, ApiError, ApiLimits};
use common::campaign::State;
use common::time::{Clock, SystemClock};
use contract::memory;
use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn only_its_own_names_are_answered() {
    let listed = vec!["owl.example".to_owned(), "owl2.example:8443".to_owned()];
    let api = start_with(ApiConfig { allowed_hosts: listed, ..config(ApiLimits::default()) }).await;
    let port = api.served.addr.port();
    for host in [
        "localhost",
        "LOCALHOST:99",
        "127.0.0.1",
        "[::1]:8080",
        "owl.example",
        "owl.example:1",
        "owl2.example:8443",
    ] {
        let reply = api.send(Ask::get("/v1/fleet").header("host", host)).await;
        assert_eq!(reply.status, 200, "{host}: {}", reply.text());
    }
    let own = format!("127.0.0.1:{port}");
    assert_eq!(api.send(Ask::get("/").header("host", &own)).await.status, 200);
    for host in [
        "evil.example",
        "localhost.evil.example",
        "owl2.example",
        "owl2.example:80",
        "192.0.2.7",
        "a@localhost",
        "0.0.0.0",
        "",
    ] {
        let reply = api.send(Ask::get("/v1/fleet").header("host", host)).await;
        assert_eq!(reply.problem(), (421, "host_not_allowed".to_owned()), "{host}");
        assert_eq!(reply.json()["field"], "host");
    }
    let twice = Ask::get("/").header("host", "localhost").header("host", "evil.example");
    assert_eq!(api.send(twice).await.status, 400);
    let absolute = Ask::get("http://evil.example/v1/fleet");
    assert_eq!(api.send(absolute).await.problem().0, 421);
}

#[tokio::test]
async fn pages_of_other_places_are_not_served() {
    let api = start().await;
    let id = api.campaign(State::Armed);
    let press =
        || Ask::post(format!("/v1/campaigns/{id}/press"), &json!({})).header("host", "localhost:8080");
    for origin in ["http://evil.example", "http://localhost:8081", "https://localhost", "null", "file://"] {
        let reply = api.send(press().header("origin", origin)).await;
        assert_eq!(reply.problem(), (403, "origin_not_allowed".to_owned()), "{origin}");
    }
    assert_eq!(api.peek(id).state, State::Armed);
    assert_eq!(api.send(press().header("origin", "http://localhost:8080")).await.ok()["result"], "pressed");
}

#[tokio::test]
async fn changes_are_json_and_say_so() {
    let api = start().await;
    let id = api.campaign(State::Armed);
    let path = format!("/v1/campaigns/{id}/press");
    for kind in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")]
    {
        let ask = Ask::new("POST", path.as_str()).body("{}");
        let ask = match kind {
            Some(kind) => ask.header("content-type", kind),
            None => ask,
        };
        assert_eq!(api.send(ask).await.problem(), (415, "not_json".to_owned()), "{kind:?}");
    }
    assert_eq!(api.send(Ask::new("POST", path.as_str())).await.problem().0, 415);
    let empty = Ask::new("POST", path.as_str()).header("content-type", "application/json");
    assert_eq!(api.send(empty.clone()).await.problem(), (400, "bad_json".to_owned()));
    assert_eq!(api.peek(id).state, State::Armed);
    let utf8 =
        Ask::new("POST", path.as_str()).header("content-type", "application/json; charset=utf-8").body("{}");
    api.send(utf8).await.ok();
    for kind in ["text/plain", "multipart/form-data"] {
        let import = Ask::new("POST", "/v1/devices").header("content-type", kind).body("user_id");
        assert_eq!(api.send(import).await.problem(), (415, "unsupported_type".to_owned()));
    }
    assert_eq!(api.send(Ask::new("POST", "/v1/devices").body("user_id")).await.problem().0, 415);
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_are_problems() {
    let api = start().await;
    assert_eq!(api.get("/v1/nothing").await.problem(), (404, "no_such_route".to_owned()));
    let wrong = api.send(Ask::new("DELETE", "/v1/campaigns")).await;
    assert_eq!(wrong.problem(), (405, "wrong_method".to_owned()));
    assert!(wrong.header("allow").unwrap().contains("POST"));
    let id = api.campaign(State::Armed);
    assert_eq!(api.get(format!("/v1/campaigns/{id}/press")).await.problem().0, 405);
    assert_eq!(api.get("/v1/campaigns/7").await.problem(), (400, "bad_path".to_owned()));
    let nobody = common::ids::CampaignId::random();
    assert_eq!(api.get(format!("/v1/campaigns/{nobody}")).await.problem(), (404, "not_found".to_owned()));
    assert_eq!(api.get("/v1/campaigns?limt=3").await.problem(), (400, "bad_query".to_owned()));
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let api = start().await;
    let own = api.send(Ask::get("/healthz").header("x-request-id", "abc-1.2_3")).await;
    assert_eq!(own.header("x-request-id"), Some("abc-1.2_3"));
    for bad in ["a b", "x\"y", &"x".repeat(65), ""] {
        let made = api.send(Ask::get("/nothing").header("x-request-id", bad)).await;
        let id = made.header("x-request-id").unwrap();
        assert!(id != bad && id.len() == 36, "{id}");
        made.problem();
    }
    let page = api.get("/").await;
    assert_eq!(
        (page.header("x-frame-options"), page.header("cache-control")),
        (Some("DENY"), Some("no-cache"))
    );
    assert!(page.text().contains("Superb Owl"));
}

#[tokio::test]
async fn listening_beyond_loopback_and_odd_limits_need_a_word() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let control = control::Control::new(memory::backend(clock.clone()), clock);
    let refused = async |config: ApiConfig| {
        api::serve(control.clone(), config, CancellationToken::new()).await.map(drop).unwrap_err()
    };
    let public = ApiConfig { listen: "0.0.0.0:0".parse().unwrap(), ..ApiConfig::default() };
    let error = refused(public.clone()).await;
    assert!(matches!(error, ApiError::Public(_)) && error.to_string().contains("allow_public"), "{error}");
    let limits = ApiLimits { presses_max: 0, uploads_max: usize::MAX, ..ApiLimits::default() };
    let odd = ApiConfig { limits, allowed_hosts: vec!["a b".to_owned()], ..ApiConfig::default() };
    let text = refused(odd).await.to_string();
    for fault in ["limits.presses_max: is 0", "limits.uploads_max: is 1844", "`a b` is neither"] {
        assert!(text.contains(fault), "{text}");
    }
    let stop = CancellationToken::new();
    let open = ApiConfig { allow_public: true, ..public };
    let served = api::serve(control.clone(), open, stop.clone()).await.unwrap();
    let taken = ApiConfig { listen: ([127, 0, 0, 1], served.addr.port()).into(), ..ApiConfig::default() };
    assert!(matches!(refused(taken).await, ApiError::Listen { .. }));
    stop.cancel();
    served.handle.await.unwrap();
    assert!(serde_json::from_value::<ApiConfig>(json!({"listn": "x"})).is_err());
    assert_eq!(serde_json::from_value::<ApiConfig>(json!({})).unwrap(), ApiConfig::default());
}
