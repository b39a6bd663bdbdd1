//! Every route by every role, and by nobody: made from the table that the router is held against.

use super::client::{Ask, Reply};
use super::fixture::{Api, NOW, config, start, start_with};
use api::access::AccessConfig;
use api::access::rules::{Lets, RULES, Rule};
use api::{ApiConfig, ApiLimits};
use common::access::{Role, TokenRecord};
use common::campaign::{Stamp, State};
use common::content::Content;
use common::ids::CampaignId;
use contract::memory::Call;
use serde_json::json;
use std::time::Duration;

/// The request of a rule, about a campaign; without a body, which only who is let in would be asked for.
fn ask(rule: &Rule, id: CampaignId) -> Ask {
    let path = match rule.path {
        "/v1/tokens/{id}" => "/v1/tokens/00000001".to_owned(),
        hook if hook.starts_with("/v1/webhooks/") => hook.replace("{id}", "0000000000000001"),
        // Figures of a campaign that is there would not end.
        live if live.ends_with("/live") => fill(live, CampaignId::random()),
        path => fill(path, id),
    };
    Ask::new(rule.method, path)
}

fn fill(path: &str, id: CampaignId) -> String {
    let path = path.replace("{id}", &id.to_string());
    path.replace("{user}", "u1").replace("{shard}", "0").replace("{batch}", "0")
}

/// A campaign in draft that nobody would see.
fn silent(api: &Api, state: State) -> CampaignId {
    let id = api.campaign(state);
    let mut campaign = api.peek(id);
    campaign.content = Content::silent();
    api.parts.campaigns.poke(campaign);
    id
}

/// The problem's code when somebody is not let in; `None` for every other answer.
fn refusal(reply: &Reply) -> Option<String> {
    matches!(reply.status, 401 | 403 | 429).then(|| reply.problem().1)
}

#[tokio::test]
async fn every_route_lets_in_whom_its_rule_lets_in() {
    let api = start().await;
    let tokens: Vec<_> = Role::ALL.map(|role| (role, api.token(role.label(), role))).into();
    for rule in RULES {
        for (role, token) in &tokens {
            let id = silent(&api, State::Draft);
            let reply = api.send(ask(rule, id).token(token)).await;
            let wanted = (!rule.lets.role(*role)).then(|| "not_permitted".to_owned());
            assert_eq!(refusal(&reply), wanted, "{role}: {rule:?}: {}", reply.text());
            if wanted.is_some() {
                assert_eq!(reply.status, 403);
                assert!(reply.text().contains("admin"), "it says who may: {}", reply.text());
                assert_eq!(api.peek(id).version, 1, "{role}: {rule:?}");
            }
        }
    }
}

#[tokio::test]
async fn every_route_refuses_nobody_and_tokens_that_are_not_good() {
    let api = start().await;
    let good = api.token("ada", Role::Admin);
    let expired = api.token_until("eve", Role::Admin, Some(NOW)).expose();
    let revoked = api.token_until("mallory", Role::Admin, None);
    let record = TokenRecord::new(&revoked, "mallory", Role::Admin, Stamp::new("root", NOW), None);
    api.parts.tokens.poke(record.revoke(Stamp::new("ada", NOW)).unwrap());
    let unknown = api::access::mint().unwrap().expose();
    let wrong_secret = format!("{}{}", &good[..13], &unknown[13..]);
    for rule in RULES {
        // Wrong tokens are limited by the minute.
        api.clock.advance(Duration::from_secs(61));
        let id = silent(&api, State::Draft);
        let cases = [
            (ask(rule, id).nobody(), "no_token"),
            (ask(rule, id).header("authorization", "Basic YTpi"), "no_token"),
            (ask(rule, id).token(&unknown), "bad_token"),
            (ask(rule, id).token(&wrong_secret), "bad_token"),
            (ask(rule, id).token("owl_"), "bad_token"),
            (ask(rule, id).token(&expired), "token_expired"),
            (ask(rule, id).token(&revoked.expose()), "token_revoked"),
            (
                ask(rule, id).nobody().header("cookie", &format!("a=b; owl_session={expired}; c=d")),
                "token_expired",
            ),
        ];
        for (ask, code) in cases {
            let with_cookie = ask.headers.iter().any(|(name, _)| name == "cookie");
            let ask = if with_cookie { ask.header("sec-fetch-site", "same-origin") } else { ask };
            let reply = api.send(ask).await;
            let closed = matches!(rule.lets, Lets::Roles(_));
            let wanted = closed.then(|| code.to_owned());
            assert_eq!(refusal(&reply), wanted, "{rule:?}: {}", reply.text());
            if closed {
                assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer")));
            }
            for token in [&good, &unknown, &expired] {
                assert!(!reply.text().contains(&token[13..]), "a secret is shown: {}", reply.text());
            }
        }
        assert_eq!(api.peek(id).version, 1, "{rule:?}");
    }
}

#[tokio::test]
async fn a_load_tester_works_with_silent_campaigns_only() {
    let api = start().await;
    let token = api.token("lou", Role::LoadTester);
    for rule in RULES.iter().filter(|r| r.silent && r.path.contains("{id}")) {
        let id = api.campaign(State::Ready);
        let reply = api.send(ask(rule, id).token(&token)).await;
        assert_eq!(reply.problem(), (403, "not_permitted".to_owned()), "{rule:?}");
        assert!(reply.text().contains("silent"), "{}", reply.text());
        assert_eq!(api.peek(id).version, 3, "{rule:?}");
    }
    let loud = json!({"name": "n", "content": {"texts": {"en": {"title": "Hi"}}}});
    let quiet = json!({"name": "n", "content": {"silent": true}});
    let create = |body| Ask::post("/v1/campaigns", body).token(&token);
    assert_eq!(api.send(create(&loud)).await.problem(), (403, "not_permitted".to_owned()));
    let made = api.send(create(&quiet)).await.ok();
    let path = format!("/v1/campaigns/{}", made["id"].as_str().unwrap());
    let edit = |body| Ask::json("PATCH", path.as_str(), body).token(&token);
    let text = json!({"content": {"texts": {"en": {"title": "Hi"}}}});
    assert_eq!(api.send(edit(&text)).await.problem(), (403, "not_permitted".to_owned()));
    assert_eq!(api.send(edit(&json!({"name": "m"}))).await.ok()["name"], "m");
    let armed = silent(&api, State::Armed);
    let press = Ask::post(format!("/v1/campaigns/{armed}/press"), &json!({})).token(&token);
    assert_eq!(api.send(press).await.ok()["by"], "lou");
}

#[tokio::test]
async fn only_who_has_the_fleet_overrides_a_check() {
    let api = start().await;
    let arm = json!({"overrides": {"push_workers": "they come"}, "wait_ms": 0});
    for (role, may) in [(Role::Engineer, false), (Role::Sre, true), (Role::Admin, true)] {
        let id = api.campaign(State::Ready);
        let token = api.token(role.label(), role);
        let reply = api.send(Ask::post(format!("/v1/campaigns/{id}/arm"), &arm).token(&token)).await;
        assert_eq!(reply.problem().1, if may { "not_ready" } else { "not_permitted" }, "{role}");
        assert!(may || (reply.json()["field"] == "overrides" && reply.text().contains("sre, admin")));
    }
}

#[tokio::test]
async fn a_press_does_not_wait_for_the_table_of_tokens() {
    let api = start().await;
    let (known, unknown) = (api.token("ada", Role::Marketer), api.token("bea", Role::Marketer));
    let id = api.campaign(State::Armed);
    api.send(Ask::get("/v1/session").token(&known)).await.ok();
    api.parts.faults.down(Call::TokensGet, true);
    api.parts.faults.down(Call::TokensList, true);
    let press = |token: &str| Ask::post(format!("/v1/campaigns/{id}/press"), &json!({})).token(token);
    assert_eq!(api.send(press(&unknown)).await.problem(), (503, "unavailable".to_owned()));
    assert_eq!(api.send(press(&known)).await.ok()["result"], "pressed");
}

#[tokio::test]
async fn what_is_revoked_elsewhere_ends_here_too() {
    let api = start().await;
    let token = api.token_until("ada", Role::Viewer, None);
    let read = || Ask::get("/v1/campaigns").token(&token.expose());
    assert_eq!(api.send(read()).await.status, 200);
    // Another process's write.
    let record = TokenRecord::new(&token, "ada", Role::Viewer, Stamp::new("root", NOW), None);
    api.parts.tokens.poke(record.revoke(Stamp::new("eve", NOW)).unwrap());
    while api.send(read()).await.status == 200 {
        tokio::task::yield_now().await;
    }
    let reply = api.send(read()).await;
    assert_eq!(reply.problem(), (401, "token_revoked".to_owned()));
    assert!(reply.text().contains("eve"), "{}", reply.text());
}

#[tokio::test]
async fn made_up_tokens_do_not_load_the_table() {
    let api = start().await;
    let before = api.parts.faults.count(Call::TokensGet);
    for n in 0..60 {
        let token = api::access::mint().unwrap().expose();
        let status = api.send(Ask::get("/v1/fleet").token(&token)).await.status;
        assert_eq!(status, if n < 10 { 401 } else { 429 });
    }
    let looked = api.parts.faults.count(Call::TokensGet) - before;
    assert_eq!(looked, 10, "who is over the limit is not looked up");
}

#[tokio::test]
async fn a_good_token_is_never_called_wrong_because_of_a_crowd() {
    let usual = config(ApiLimits::default());
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let access = AccessConfig { trusted_proxies, ..usual.access.clone() };
    let api = start_with(ApiConfig { access, ..usual }).await;
    // Whatever the table lists, it is not learned: only looking one up would help.
    api.parts.faults.down(Call::TokensList, true);
    let from = |n: u8, token: &str| {
        Ask::get("/v1/fleet").token(token).header("x-forwarded-for", &format!("198.51.100.{n}"))
    };
    for n in 0..20 {
        let token = api::access::mint().unwrap().expose();
        let reply = api.send(from(n, &token)).await;
        assert!(matches!(reply.status, 401 | 503), "503 from the moment that the list is missed");
    }
    let good = api.token("ada", Role::Viewer);
    for _ in 0..15 {
        let reply = api.send(from(77, &good)).await;
        assert_eq!(reply.problem(), (503, "unavailable".to_owned()));
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    api.parts.faults.down(Call::TokensList, false);
    while api.send(from(77, &good)).await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn while_the_table_is_away_a_good_token_is_not_wrong_and_afterwards_it_is_not_limited() {
    let api = start().await;
    api.parts.faults.down(Call::TokensGet, true);
    api.parts.faults.down(Call::TokensList, true);
    let good = api.token("ada", Role::Viewer);
    let ask = || Ask::get("/v1/fleet").token(&good);
    for _ in 0..60 {
        assert_eq!(api.send(ask()).await.problem(), (503, "unavailable".to_owned()));
    }
    api.parts.faults.down(Call::TokensGet, false);
    api.parts.faults.down(Call::TokensList, false);
    while api.send(ask()).await.status == 503 {
        tokio::task::yield_now().await;
    }
    assert_eq!(api.send(ask()).await.status, 200);
}

#[tokio::test]
async fn who_waits_or_watches_is_asked_again() {
    let api = start().await;
    let viewer = api.token_until("vera", Role::Viewer, None);
    let engineer = api.token_until("ada", Role::Engineer, None);
    let tester = api.token("lou", Role::LoadTester);
    let (id, quiet) = (api.campaign(State::Ready), silent(&api, State::Ready));
    let arm = |id, token: &str| {
        let ask = Ask::post(format!("/v1/campaigns/{id}/arm"), &json!({"wait_ms": 60_000})).token(token);
        let addr = api.served.addr;
        tokio::spawn(async move { ask.send(addr).await.problem() })
    };
    let (waits, load) = (arm(id, &engineer.expose()), arm(quiet, &tester));
    let watch = Ask::get(format!("/v1/campaigns/{id}/live")).token(&viewer.expose());
    let addr = api.served.addr;
    let watches = tokio::spawn(async move { watch.send(addr).await });
    api.until("/metrics", |r| r.text().contains("owl_api_requests_in_flight 3\n")).await;
    assert!(!waits.is_finished() && !load.is_finished() && !watches.is_finished());
    // Somebody makes it loud; others take the tokens back.
    let mut loud = api.peek(quiet);
    loud.content = Content::english("Hi", "there");
    api.parts.campaigns.poke(loud);
    assert_eq!(load.await.unwrap(), (403, "not_permitted".to_owned()));
    for (name, role, token) in [("vera", Role::Viewer, &viewer), ("ada", Role::Engineer, &engineer)] {
        let record = TokenRecord::new(token, name, role, Stamp::new("root", NOW), None);
        api.parts.tokens.poke(record.revoke(Stamp::new("eve", NOW)).unwrap());
    }
    assert_eq!(waits.await.unwrap(), (401, "token_revoked".to_owned()));
    assert_eq!(watches.await.unwrap().status, 200, "it was let in, and its stream ended");
    assert_eq!(api.peek(id).state, State::Ready);
}
