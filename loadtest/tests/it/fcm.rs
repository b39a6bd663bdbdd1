//! Every way in which Google refuses a message, and the ones in which it does not.

use loadtest::gateways::Behaviour;
use serde_json::{Value, json};

use crate::support::{Answer, fcm_token, gateways};

fn message(token: &str) -> Value {
    json!({ "message": {
        "token": token,
        "notification": { "title": "Superb owl!", "body": "Now" },
        "android": { "ttl": "60s", "priority": "HIGH", "collapse_key": "owl", "notification": { "tag": "owl" } },
        "data": { "campaign": "c1" },
    }})
}

fn error_code(answer: &Answer) -> (u16, String, Value) {
    let error = &answer.json()["error"];
    assert_eq!(error["code"], answer.status);
    let details = error["details"].as_array().unwrap().iter();
    let fcm = details.filter(|d| d["@type"] == "type.googleapis.com/google.firebase.fcm.v1.FcmError");
    let code = fcm.map(|d| d["errorCode"].clone()).next().unwrap_or(Value::Null);
    (answer.status, error["status"].as_str().unwrap().to_owned(), code)
}

#[tokio::test]
async fn good_messages_are_accepted_and_dry_runs_only_looked_at() {
    let gateways = gateways(Behaviour::default()).await;
    let mut client = gateways.fcm().await;
    let bearer = gateways.bearer().await;
    let answer =
        client.call(gateways.fcm_request(&bearer), message(&fcm_token(1)).to_string()).await.unwrap();
    let name = answer.json()["name"].as_str().unwrap().to_owned();
    assert_eq!(answer.status, 200);
    assert!(name.starts_with("projects/superb-owl-rehearsal/messages/0:"), "{name}");
    assert_eq!(client.max_streams(), 100);

    let mut dry = message(&fcm_token(2));
    dry["validate_only"] = json!(true);
    let answer = client.call(gateways.fcm_request(&bearer), dry.to_string()).await.unwrap();
    assert_eq!(answer.json()["name"], "projects/superb-owl-rehearsal/messages/fake_message_id");
    let summary = gateways.admin.summary().await.unwrap();
    assert_eq!((summary.requests, summary.accepted_devices), (2, 1));
}

#[tokio::test]
async fn each_fault_has_its_status_and_details() {
    let gateways = gateways(Behaviour::default()).await;
    let mut client = gateways.fcm().await;
    let bearer = gateways.bearer().await;
    let good = || gateways.fcm_request(&bearer);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut message = message(&fcm_token(1));
        change(&mut message);
        message.to_string()
    };
    let invalid = (400, "INVALID_ARGUMENT", json!("INVALID_ARGUMENT"));
    let other = "https://localhost/v1/projects/other/messages:send";
    let rows = [
        ((401, "UNAUTHENTICATED", Value::Null), gateways.fcm_request("ya29.c.wrong"), changed(&|_| {})),
        ((403, "PERMISSION_DENIED", Value::Null), good().uri(other), changed(&|_| {})),
        ((404, "NOT_FOUND", Value::Null), good().uri("https://localhost/fcm/send"), changed(&|_| {})),
        (invalid.clone(), good(), changed(&|m| m["message"]["token"] = json!("short"))),
        (invalid.clone(), good(), changed(&|m| m["message"]["colour"] = json!("red"))),
        (invalid.clone(), good(), changed(&|m| m["extra"] = json!(1))),
        (invalid.clone(), good(), changed(&|m| m["message"]["data"]["n"] = json!(1))),
        (invalid.clone(), good(), changed(&|m| m["message"]["android"]["ttl"] = json!("60"))),
        (invalid.clone(), good(), changed(&|m| m["message"]["data"]["big"] = json!("x".repeat(4097)))),
        (invalid.clone(), good(), changed(&|m| m["message"]["data"]["big"] = json!("x".repeat(40_000)))),
        (invalid.clone(), good(), json!({ "message": { "data": {} } }).to_string()),
        (invalid.clone(), good(), String::new()),
        (invalid.clone(), good(), "{".to_owned()),
    ];
    for ((status, name, code), request, body) in rows {
        let answer = client.call(request, body).await.unwrap();
        assert_eq!(error_code(&answer), (status, name.to_owned(), code));
        assert_eq!(answer.headers["content-type"], "application/json; charset=UTF-8");
    }
    let answer =
        client.call(good(), changed(&|m| m["message"]["android"]["ttl"] = json!("60"))).await.unwrap();
    let details = &answer.json()["error"]["details"][1];
    assert_eq!(details["@type"], "type.googleapis.com/google.rpc.BadRequest");
    assert_eq!(details["fieldViolations"][0]["field"], "message.android.ttl");
}

#[tokio::test]
async fn the_quota_runs_out_and_says_when_to_come_back() {
    let gateways = gateways(Behaviour { fcm_quota_per_minute: Some(2), ..Behaviour::default() }).await;
    let mut client = gateways.fcm().await;
    let bearer = gateways.bearer().await;
    let mut statuses = Vec::new();
    for number in 0..3 {
        let body = message(&fcm_token(number)).to_string();
        let answer = client.call(gateways.fcm_request(&bearer), body).await.unwrap();
        statuses.push(answer.status);
        if answer.status == 429 {
            let wait: u32 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait));
            assert_eq!(error_code(&answer), (429, "RESOURCE_EXHAUSTED".to_owned(), json!("QUOTA_EXCEEDED")));
        }
    }
    assert_eq!(statuses, [200, 200, 429]);
    gateways.admin.reset().await.unwrap();
    let answer =
        client.call(gateways.fcm_request(&bearer), message(&fcm_token(9)).to_string()).await.unwrap();
    assert_eq!(answer.status, 200);
}
