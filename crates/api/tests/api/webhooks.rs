//! Making, listing, trying and removing webhooks.

use super::client::{ADMIN_NAME, Ask, Reply};
use super::fixture::{Api, NOW, config, start, start_with};
use api::{ApiConfig, ApiLimits, WebhookConfig};
use common::access::Role;
use common::webhook::{Delivery, Event, MessageId};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn make(api: &Api, body: &Value) -> Reply {
    api.post("/v1/webhooks", body).await
}

async fn made(api: &Api, url: &str) -> Value {
    let reply = make(api, &json!({"url": url, "events": ["campaign.done", "campaign.pressed"]})).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn a_secret_is_told_once_and_stands_nowhere_else() {
    let api = start().await;
    let hook = made(&api, "https://chat.example.com/T1/path-secret?x=1").await;
    let secret = hook["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 44, "{secret}");
    let kept = json!({"id": hook["id"], "name": "https://chat.example.com", "disabled": null,
        "url": "https://chat.example.com/T1/path-secret?x=1", "events": ["campaign.pressed", "campaign.done"],
        "created": {"by": ADMIN_NAME, "at": NOW}});
    let list = api.get("/v1/webhooks").await;
    assert_eq!(list.ok(), json!({ "webhooks": [kept] }));
    let path = format!("/v1/webhooks/{}", hook["id"].as_str().unwrap());
    let log = api.get(format!("{path}/deliveries")).await;
    assert_eq!(log.ok(), json!({ "deliveries": [] }));
    assert_eq!(api.send(Ask::new("DELETE", path.as_str())).await.ok(), kept);
    assert_eq!(api.send(Ask::new("DELETE", path.as_str())).await.problem(), (404, "not_found".to_owned()));
    assert_eq!(api.get(format!("{path}/deliveries")).await.problem(), (404, "not_found".to_owned()));
    assert_eq!(api.get("/v1/webhooks").await.ok(), json!({ "webhooks": [] }));
    api.until("/v1/audit", |r| r.text().contains("webhook.remove")).await;
    let trail = api.get("/v1/audit").await.text();
    assert!(trail.contains("webhook.create") && trail.contains("https://chat.example.com: campaign.pressed"));
    for text in [&list.text(), &log.text(), &trail] {
        assert!(!text.contains(&secret[6..]), "{text}");
    }
    assert!(!trail.contains("path-secret"), "a path may be a secret too: {trail}");
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_by_its_field() {
    let api = start().await;
    let url = "https://example.com/";
    for (field, body) in [
        ("url", json!({"url": "http://example.com/"})),
        ("url", json!({"url": "https://127.0.0.1/"})),
        ("url", json!({"url": "https://[fe80::1]/"})),
        ("url", json!({"url": "https://u:p@example.com/"})),
        ("url", json!({"url": "nonsense"})),
        ("events", json!({"url": url, "events": []})),
        ("events", json!({"url": url, "events": ["webhook.test"]})),
        ("events[0]", json!({"url": url, "events": ["campaign.edited"]})),
        ("name", json!({"url": url, "name": "a\nb"})),
    ] {
        let reply = make(&api, &body).await;
        assert_eq!(reply.problem(), (422, "bad_field".to_owned()), "{body}");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    assert_eq!(api.get("/v1/webhooks/1/deliveries").await.problem(), (400, "bad_path".to_owned()));
    for _ in 0..20 {
        made(&api, url).await;
    }
    let more = make(&api, &json!({ "url": url })).await;
    assert_eq!(more.problem(), (409, "too_many_webhooks".to_owned()));
    let viewer = api.token("Vi", Role::Viewer);
    let looks = api.send(Ask::get("/v1/webhooks").token(&viewer)).await;
    assert_eq!(looks.problem(), (403, "not_permitted".to_owned()));
}

#[tokio::test]
async fn a_test_says_what_came_and_stands_in_the_log() {
    let usual = config(ApiLimits::default());
    let webhooks = WebhookConfig { allow_loopback: true, ..usual.webhooks };
    let api = start_with(ApiConfig { webhooks, ..usual }).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"}}") {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(read).unwrap()
    });
    let path = format!("/v1/webhooks/{}", made(&api, &url).await["id"].as_str().unwrap());
    let tested = api.post(format!("{path}/test"), &json!({})).await.ok();
    assert_eq!((&tested["delivered"], &tested["answer"]), (&json!(true), &json!("hello")));
    assert_eq!(tested["delivery"]["last"], json!({"at": NOW, "status": 200, "error": null}));
    let sent = task.await.unwrap();
    assert!(sent.contains(tested["delivery"]["message"].as_str().unwrap()), "{sent}");
    let log = api.get(format!("{path}/deliveries?limit=1")).await.ok();
    assert_eq!(log["deliveries"], json!([tested["delivery"]]));
    // Nobody listens there any more.
    let failed = api.post(format!("{path}/test"), &json!({})).await.ok();
    assert_eq!((&failed["delivered"], &failed["answer"]), (&json!(false), &Value::Null));
    assert!(
        failed["delivery"]["last"]["error"].as_str().unwrap().contains("takes no connection"),
        "{failed}"
    );
    assert_eq!(failed["delivery"]["given_up_at"], json!(NOW));
}

#[tokio::test]
async fn a_webhook_is_tried_so_often_in_an_hour() {
    let usual = config(ApiLimits::default());
    let webhooks = WebhookConfig { allow_loopback: true, ..usual.webhooks };
    let api = start_with(ApiConfig { webhooks, ..usual }).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let path = format!("/v1/webhooks/{}/test", made(&api, &url).await["id"].as_str().unwrap());
    for _ in 0..20 {
        api.post(&path, &json!({})).await.ok();
    }
    let more = api.post(&path, &json!({})).await;
    assert_eq!(more.problem(), (429, "too_many_tests".to_owned()));
    assert_eq!(more.header("retry-after"), Some("3601"));
    api.clock.advance(std::time::Duration::from_secs(3_601));
    api.post(&path, &json!({})).await.ok();
}

#[tokio::test]
async fn what_waits_for_a_disabled_webhook_is_not_said_to_be_tried_again() {
    let api = start().await;
    let id = made(&api, "https://example.com/").await["id"].as_str().unwrap().to_owned();
    let webhooks = api.parts.backend().webhooks;
    let hook = webhooks.get(id.parse().unwrap()).await.unwrap().unwrap();
    webhooks.update(&hook.disable(NOW, "gone").unwrap()).await.unwrap();
    let message = MessageId::random();
    let row = Delivery::new(hook.id, NOW, message, Event::Done, None, "{}".to_owned());
    webhooks.put_delivery(&row).await.unwrap();
    let path = format!("/v1/webhooks/{id}/deliveries");
    let shown = &api.get(&path).await.ok()["deliveries"][0];
    assert_eq!((&shown["next_at"], &shown["given_up_at"]), (&Value::Null, &Value::Null));
}
