//! Signing in: cookies, the limit of attempts, the one-time code.

use super::client::{ADMIN, ADMIN_NAME, Ask, Reply};
use super::fixture::{Api, NOW, config, start, start_with};
use api::access::AccessConfig;
use api::{ApiConfig, ApiLimits};
use common::access::Role;
use common::campaign::State;
use common::time::UnixMs;
use serde_json::json;
use std::time::Duration;

fn sign_in(token: &str) -> Ask {
    Ask::post("/v1/session", &json!({ "token": token })).nobody()
}

/// The cookie of an answer, as a browser sends it back.
fn cookie(reply: &Reply) -> String {
    reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_says_who_it_is_and_what_it_may_do() {
    let api = start().await;
    let ends = NOW.plus(Duration::from_secs(3_600));
    let token = api.token_until("Bea", Role::Marketer, Some(ends)).expose();
    let wanted = json!({"name": "Bea", "role": "marketer", "expires_at": ends,
        "can": ["read", "canary", "press", "abort", "read_users", "test", "testers"]});
    assert_eq!(api.send(Ask::get("/v1/session").token(&token)).await.ok(), wanted);
    let reply = api.send(sign_in(&token)).await;
    assert_eq!(reply.ok(), wanted);
    let set = reply.header("set-cookie").unwrap();
    assert_eq!(set, format!("owl_session={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age=3600"));
    let again = Ask::get("/v1/session").nobody().header("cookie", &cookie(&reply));
    assert_eq!(api.send(again).await.ok(), wanted);
    let admin = api.send(Ask::get("/v1/session")).await.ok();
    assert_eq!((&admin["name"], &admin["expires_at"]), (&json!(ADMIN_NAME), &json!(null)));
    assert!(admin["can"].as_array().unwrap().contains(&json!("tokens")), "{admin}");
}

#[tokio::test]
async fn signing_out_takes_the_cookie_away() {
    let api = start().await;
    let reply = api.send(Ask::new("DELETE", "/v1/session").nobody()).await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    let set = reply.header("set-cookie").unwrap();
    assert!(set.starts_with("owl_session=; ") && set.ends_with("Max-Age=0"), "{set}");
}

#[tokio::test]
async fn a_cookie_changes_nothing_for_a_foreign_page() {
    let api = start().await;
    let id = api.campaign(State::Armed);
    let token = api.token("Bea", Role::Marketer);
    let cookie = format!("owl_session={token}");
    let press =
        || Ask::post(format!("/v1/campaigns/{id}/press"), &json!({})).nobody().header("cookie", &cookie);
    let foreign = [
        press(),
        press().header("sec-fetch-site", "cross-site"),
        press().header("sec-fetch-site", "same-site"),
        press().header("sec-fetch-site", "none"),
        press().header("origin", "http://evil.example"),
        press().header("origin", "http://evil.example").header("sec-fetch-site", "same-origin"),
        press().header("origin", "null"),
    ];
    for ask in foreign {
        assert_eq!(api.send(ask.clone()).await.problem(), (403, "origin_not_allowed".to_owned()), "{ask:?}");
    }
    assert_eq!(api.peek(id).state, State::Armed);
    let read = Ask::get("/v1/campaigns").nobody().header("cookie", &cookie);
    assert_eq!(api.send(read).await.status, 200);
    let own = press().header("sec-fetch-site", "same-origin");
    assert_eq!(api.send(own).await.ok()["result"], "pressed");
    let own = press().header("origin", "http://localhost");
    assert_eq!(api.send(own).await.ok()["result"], "already_pressed");
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_right_ones_never() {
    let api = start().await;
    let good = api.token("Bea", Role::Viewer);
    let wrong = || api::access::mint().unwrap().expose();
    for n in 0..10 {
        let ask = if n % 2 == 0 { sign_in(&wrong()) } else { Ask::get("/v1/fleet").token(&wrong()) };
        assert_eq!(api.send(ask).await.problem(), (401, "bad_token".to_owned()));
    }
    for ask in [sign_in(&wrong()), sign_in("x"), Ask::get("/v1/fleet").token(&wrong())] {
        let reply = api.send(ask).await;
        assert_eq!(reply.problem(), (429, "too_many_attempts".to_owned()));
        assert_eq!(reply.header("retry-after"), Some("61"));
    }
    // A right one is let in as soon as it is known here, a second after it was made elsewhere.
    while api.send(sign_in(&good)).await.status != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(api.send(Ask::get("/v1/fleet").token(&good)).await.status, 200);
    api.until("/v1/audit", |r| r.text().contains("session.refused")).await;
    let trail = api.get("/v1/audit").await.text();
    assert_eq!(trail.matches("session.refused").count(), 1, "{trail}");
    api.clock.advance(Duration::from_secs(61));
    assert_eq!(api.send(sign_in(&wrong())).await.problem().0, 401);
}

#[tokio::test]
async fn what_is_sent_in_place_of_a_token_is_not_quoted() {
    let api = start().await;
    for (path, body) in [
        ("/v1/session", format!("\"{ADMIN}\"")),
        ("/v1/session", format!("{{\"tokn\": \"{ADMIN}\"}}")),
        ("/v1/session", format!("{{\"{ADMIN}\": 1}}")),
        ("/v1/session", format!("{{\"token\": [\"{ADMIN}\"]}}")),
        ("/v1/session", ADMIN.to_owned()),
        ("/v1/session/first", format!("{{\"code\": {{\"{ADMIN}\": 1}}}}")),
    ] {
        let ask = Ask::new("POST", path).header("content-type", "application/json").body(body).nobody();
        let reply = api.send(ask).await;
        assert!(matches!(reply.problem().0, 400 | 422), "{}", reply.text());
        assert!(!reply.text().contains(&ADMIN[..20]), "{}", reply.text());
    }
}

/// An API without a token in its configuration, and its one-time code.
async fn unadministered() -> (Api, String) {
    let access = AccessConfig::default();
    let api = start_with(ApiConfig { access, ..config(ApiLimits::default()) }).await;
    let code = api.served.access.code().await.unwrap().unwrap();
    (api, code)
}

fn first(code: &str) -> Ask {
    Ask::post("/v1/session/first", &json!({ "code": code })).nobody()
}

#[tokio::test]
async fn the_one_time_code_makes_one_administrator() {
    let (api, code) = unadministered().await;
    let (one, other) = tokio::join!(api.send(first(&code)), api.send(first(&code)));
    let (made, late) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(late.problem(), (401, "bad_code".to_owned()));
    let session = made.ok();
    assert_eq!((&session["name"], &session["role"]), (&json!("first administrator"), &json!("admin")));
    assert!(made.header("set-cookie").unwrap().contains(session["token"].as_str().unwrap()));
    let list = Ask::get("/v1/tokens").token(session["token"].as_str().unwrap());
    assert_eq!(api.send(list).await.ok()["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(api.send(first(&code)).await.problem(), (401, "bad_code".to_owned()));
    assert_eq!(api.served.access.code().await.unwrap(), None, "somebody administers it now");
}

#[tokio::test]
async fn a_code_of_yesterday_and_wrong_ones_are_refused_and_counted() {
    let (api, code) = unadministered().await;
    for _ in 0..9 {
        assert_eq!(api.send(first("wrong")).await.problem(), (401, "bad_code".to_owned()));
    }
    api.clock.advance(Duration::from_secs(30));
    api.clock.set_wall(UnixMs(NOW.0 + 24 * 3_600_000));
    assert_eq!(api.send(first(&code)).await.problem(), (401, "bad_code".to_owned()));
    assert_eq!(api.send(first("wrong")).await.problem(), (429, "too_many_attempts".to_owned()));
    api.clock.set_wall(NOW);
    assert_eq!(api.send(first(&code)).await.status, 200, "a right code is not limited");
}

#[tokio::test]
async fn a_code_whose_token_could_not_be_stored_can_be_used_again() {
    let (api, code) = unadministered().await;
    api.parts.faults.fail_next(contract::memory::Call::TokensPutNew, 1);
    assert_eq!(api.send(first(&code)).await.problem(), (503, "unavailable".to_owned()));
    assert_eq!(api.send(first(&code)).await.status, 200);
}

#[tokio::test]
async fn a_configured_token_leaves_no_code_open() {
    let api = start().await;
    assert_eq!(api.served.access.code().await.unwrap(), None);
    assert_eq!(api.send(first("")).await.problem(), (401, "bad_code".to_owned()));
}

#[tokio::test]
async fn a_trusted_balancer_says_who_asks_and_that_it_is_tls() {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let usual = config(ApiLimits::default());
    let access = AccessConfig { trusted_proxies, ..usual.access.clone() };
    let api = start_with(ApiConfig { access, ..usual }).await;
    let id = api.campaign(State::Armed);
    let from = |ask: Ask| {
        ask.header("x-forwarded-for", "9.9.9.9, 198.51.100.4").header("x-forwarded-proto", "https")
    };
    let reply = api.send(from(sign_in(ADMIN))).await;
    let set = reply.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-owl_session=") && set.contains("; Secure; Path=/"), "{set}");
    assert_eq!(reply.header("strict-transport-security"), Some("max-age=31536000"));
    let read = |name: &str| {
        from(Ask::get("/v1/session").nobody().header("sec-fetch-site", "same-origin"))
            .header("cookie", &format!("{name}={ADMIN}"))
    };
    assert_eq!(api.send(read("__Host-owl_session")).await.status, 200);
    assert_eq!(api.send(read("owl_session")).await.problem(), (401, "no_token".to_owned()));
    let two = read("__Host-owl_session").header("cookie", "__Host-owl_session=x");
    assert_eq!(api.send(two).await.problem(), (400, "bad_header".to_owned()));
    let page = |origin| api.send(from(Ask::get("/v1/session")).header("origin", origin));
    assert_eq!(page("https://localhost").await.status, 200);
    assert_eq!(page("http://localhost").await.problem(), (403, "origin_not_allowed".to_owned()));
    api.send(from(Ask::post(format!("/v1/campaigns/{id}/press"), &json!({})))).await.ok();
    api.until("/v1/audit", |r| r.text().contains("campaign.press")).await;
    assert!(api.get("/v1/audit").await.text().contains("\"from\":\"198.51.100.4\""));
    let metrics = from(Ask::get("/metrics")).nobody();
    assert_eq!(api.send(metrics).await.problem(), (401, "no_token".to_owned()));
    assert_eq!(api.send(from(Ask::get("/metrics"))).await.status, 200);
    assert_eq!(api.send(Ask::get("/metrics").nobody()).await.status, 200);
}
