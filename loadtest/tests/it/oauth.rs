//! The token endpoint, by hand and with the client that the push workers use.

use loadtest::gateways::{AdminError, Behaviour};
use serde_json::{Value, json};

use crate::support::{fcm_token, gateways, grant, now_s};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

#[tokio::test]
async fn fcm_v1_gets_a_token_that_the_gateway_takes() {
    let gateways = gateways(Behaviour::default()).await;
    let file = &gateways.info().fcm_service_account_file;
    let authenticator = fcm_v1::auth::Authenticator::service_account_from_file(file).await.unwrap();
    let token = authenticator.token(&[SCOPE]).await.unwrap();
    let token = token.token().unwrap();
    assert_eq!(token.len(), 1024);
    let body = json!({ "message": { "token": fcm_token(1) } }).to_string();
    let answer = gateways.fcm().await.call(gateways.fcm_request(token), body).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn wrong_assertions_are_refused() {
    let gateways = gateways(Behaviour::default()).await;
    let mut forged = gateways.assertion(&json!({}));
    let last = if forged.pop() == Some('A') { 'Q' } else { 'A' };
    forged.push(last);
    let rows = [
        ("invalid_grant", grant(&forged)),
        ("invalid_grant", grant("abc")),
        (
            "invalid_grant",
            grant(&gateways.assertion(&json!({ "aud": "https://oauth2.googleapis.com/token" }))),
        ),
        ("invalid_grant", grant(&gateways.assertion(&json!({ "iss": "somebody@example.com" })))),
        (
            "invalid_grant",
            grant(&gateways.assertion(&json!({ "iat": now_s() - 7200, "exp": now_s() - 3600 }))),
        ),
        ("invalid_grant", grant(&gateways.assertion(&json!({ "exp": now_s() + 7200 })))),
        ("invalid_scope", grant(&gateways.assertion(&json!({ "scope": "email" })))),
        ("unsupported_grant_type", "grant_type=password&assertion=a".to_owned()),
        ("invalid_request", "grant_type=password".to_owned()),
    ];
    for (error, form) in rows {
        match gateways.admin.post_form::<Value>("/token", &form).await {
            Err(AdminError::Refused { status: 400, body }) => {
                let body: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(body["error"], error, "{body}");
            }
            other => panic!("expected {error}, got {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_token_expires() {
    let gateways = gateways(Behaviour { access_token_life_s: 0, ..Behaviour::default() }).await;
    let bearer = gateways.bearer().await;
    let body = json!({ "message": { "token": fcm_token(1) } }).to_string();
    let answer = gateways.fcm().await.call(gateways.fcm_request(&bearer), body).await.unwrap();
    assert_eq!(answer.status, 401);
}
