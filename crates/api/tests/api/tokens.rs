//! Making, listing and revoking tokens.

use super::client::{ADMIN, ADMIN_NAME, Ask};
use super::fixture::{Api, NOW, config, start, start_with};
use api::access::AccessConfig;
use api::{ApiConfig, ApiLimits};
use common::access::Role;
use common::campaign::State;
use serde_json::{Value, json};
use std::time::Duration;

async fn make(api: &Api, body: &Value) -> Value {
    let reply = api.post("/v1/tokens", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn a_token_is_told_once_and_then_listed_without_its_secret() {
    let api = start().await;
    let made = make(&api, &json!({"name": " Bea ", "role": "marketer"})).await;
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["link"], format!("/sign-in#{token}"));
    assert_eq!(&token[4..12], made["id"].as_str().unwrap());
    let ninety_days = NOW.plus(Duration::from_secs(90 * 86_400));
    let kept = json!({"id": made["id"], "name": "Bea", "role": "marketer", "expires_at": ninety_days,
        "created": {"by": ADMIN_NAME, "at": NOW}, "revoked": null});
    let list = api.get("/v1/tokens").await;
    assert_eq!(list.ok(), json!({ "tokens": [kept] }));
    assert!(!list.text().contains(&token[13..]));
    assert_eq!(api.send(Ask::get("/v1/session").token(token)).await.ok()["name"], "Bea");
}

#[tokio::test]
async fn a_revoked_token_ends_at_once_and_stays_in_the_list() {
    let api = start().await;
    let made = make(&api, &json!({"name": "Bea", "role": "viewer"})).await;
    let path = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    let read = || Ask::get("/v1/fleet").token(made["token"].as_str().unwrap());
    assert_eq!(api.send(read()).await.status, 200);
    let gone = api.send(Ask::new("DELETE", path.as_str())).await.ok();
    assert_eq!(gone["revoked"], json!({"by": ADMIN_NAME, "at": NOW}));
    assert_eq!(api.send(read()).await.problem(), (401, "token_revoked".to_owned()));
    assert_eq!(api.send(Ask::new("DELETE", path)).await.ok(), gone, "again, it is the same");
    assert_eq!(api.get("/v1/tokens").await.ok()["tokens"], json!([gone]));
    api.until("/v1/audit", |r| r.text().contains("token.revoke")).await;
    let trail = api.get("/v1/audit").await.text();
    assert!(trail.contains("none -> viewer `Bea`") && trail.contains("viewer `Bea` (token"), "{trail}");
    assert!(!trail.contains(&made["token"].as_str().unwrap()[13..]));
}

#[tokio::test]
async fn a_token_ends_when_it_was_asked_to() {
    let api = start().await;
    let at = NOW.plus(Duration::from_secs(10));
    let made = make(&api, &json!({"name": "Bea", "role": "viewer", "expires_at": at})).await;
    let forever = make(&api, &json!({"name": "Bea", "role": "viewer", "expires_at": null})).await;
    assert_eq!(forever["expires_at"], Value::Null);
    let read = |made: &Value| Ask::get("/v1/fleet").token(made["token"].as_str().unwrap());
    assert_eq!(api.send(read(&made)).await.status, 200);
    api.clock.advance(Duration::from_secs(10));
    assert_eq!(api.send(read(&made)).await.problem(), (401, "token_expired".to_owned()));
    assert_eq!(api.send(read(&forever)).await.status, 200);
    for (field, body) in [
        ("expires_at", json!({"name": "x", "role": "viewer", "expires_at": NOW})),
        ("expires_at", json!({"name": "x", "role": "viewer", "expires_at": i64::MAX})),
        ("name", json!({"name": " ", "role": "viewer"})),
        ("name", json!({"name": "a\nb", "role": "viewer"})),
        ("role", json!({"name": "x", "role": "root"})),
    ] {
        let reply = api.post("/v1/tokens", &body).await;
        assert_eq!(reply.problem(), (422, "bad_field".to_owned()), "{body}");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
}

#[tokio::test]
async fn what_is_no_token_cannot_be_revoked() {
    let api = start().await;
    let delete = async |id: &str| api.send(Ask::new("DELETE", format!("/v1/tokens/{id}"))).await;
    assert_eq!(delete("12345678").await.problem(), (404, "not_found".to_owned()));
    assert_eq!(delete(&ADMIN[4..12]).await.problem(), (409, "configured".to_owned()));
    let whole = delete(ADMIN).await;
    assert_eq!(whole.problem(), (400, "bad_path".to_owned()));
    assert!(!whole.text().contains(&ADMIN[13..]), "{}", whole.text());
}

#[tokio::test]
async fn the_audit_trail_can_be_asked_for_one_campaign() {
    let api = start().await;
    let (one, other) = (api.campaign(State::Armed), api.campaign(State::Armed));
    for id in [one, other, one] {
        api.act(id, "press").await.ok();
    }
    let path = format!("/v1/audit?campaign={one}");
    api.until(&path, |r| r.text().matches("campaign.press").count() == 2).await;
    assert!(!api.get(path.as_str()).await.text().contains(&other.to_string()));
    let newest = api.get(format!("{path}&limit=1")).await.ok();
    assert_eq!(newest["entries"].as_array().unwrap().len(), 1);
    assert_eq!(api.get("/v1/audit?campaign=x").await.problem(), (400, "bad_query".to_owned()));
}

#[tokio::test]
async fn where_it_takes_two_the_second_person_arms() {
    let usual = config(ApiLimits::default());
    let access = AccessConfig { second_person: true, ..usual.access.clone() };
    let api = start_with(ApiConfig { access, ..usual }).await;
    let id = api.campaign(State::Ready);
    let (ada, bea) = (api.token("Ada", Role::Engineer), api.token("Bea", Role::Engineer));
    let arm = |token: &str, body: &Value| Ask::post(format!("/v1/campaigns/{id}/arm"), body).token(token);
    let now = json!({"wait_ms": 0});
    for _ in 0..2 {
        let first = api.send(arm(&ada, &now)).await;
        assert_eq!(first.problem(), (409, "second_person_needed".to_owned()));
    }
    assert_eq!(api.peek(id).arming.unwrap().stamp.by, "Ada");
    // She gets as far as the fleet, which is not there in this test.
    assert_eq!(api.send(arm(&bea, &now)).await.problem(), (409, "not_ready".to_owned()));
    let forged = api.send(arm(&ada, &json!({"second_person": false}))).await;
    assert_eq!(forged.problem(), (422, "bad_field".to_owned()));
    api.clock.advance(Duration::from_secs(3_601));
    assert_eq!(api.send(arm(&bea, &now)).await.problem(), (409, "second_person_needed".to_owned()));
}
