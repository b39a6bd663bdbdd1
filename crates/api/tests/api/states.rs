//! The state table over HTTP: every action in every state.

use super::client::{Ask, Reply};
use super::fixture::{Api, start};
use common::access::Role;
use common::campaign::State;
use common::ids::CampaignId;
use serde_json::json;

const STATES: [State; 9] = State::ALL;

async fn act(api: &Api, id: CampaignId, action: &str) -> Reply {
    let path = format!("/v1/campaigns/{id}");
    match action {
        "edit" => {
            let content = json!({"content": {"texts": {"en": {"title": "New"}}}});
            api.send(Ask::json("PATCH", path, &content)).await
        }
        "upload" => api.send(Ask::new("PUT", format!("{path}/audience")).body("a\nb\n")).await,
        "arm" => api.post(format!("{path}/arm"), &json!({"wait_ms": 0})).await,
        other => api.act(id, other).await,
    }
}

/// What each action answers in draft, building, failed, ready, armed, sending, stopping, stopped, done: `ok`, or the
/// code of a 409.
const TABLE: [(&str, [&str; 9]); 8] = [
    ("edit", ["ok", "ok", "ok", "ok", "armed", "sending", "sending", "finished", "finished"]),
    ("upload", ["ok", "building", "ok", "ok", "armed", "sending", "sending", "finished", "finished"]),
    ("arm", ["draft", "building", "failed", "not_ready", "ok", "sending", "sending", "stopped", "finished"]),
    (
        "disarm",
        ["not_armed", "not_armed", "not_armed", "ok", "ok", "sending", "sending", "not_armed", "not_armed"],
    ),
    (
        "canary",
        [
            "not_armed",
            "not_armed",
            "not_armed",
            "not_armed",
            "ok",
            "not_armed",
            "not_armed",
            "not_armed",
            "not_armed",
        ],
    ),
    ("press", ["not_armed", "building", "not_armed", "not_armed", "ok", "ok", "ok", "stopped", "ok"]),
    ("abort", ["idle", "ok", "idle", "idle", "ok", "ok", "ok", "ok", "finished"]),
    (
        "resume",
        [
            "not_stopped",
            "not_stopped",
            "not_stopped",
            "not_stopped",
            "not_stopped",
            "not_stopped",
            "stopping",
            "ok",
            "finished",
        ],
    ),
];

#[tokio::test]
async fn every_action_in_every_state() {
    for (action, answers) in TABLE {
        for (state, wanted) in STATES.into_iter().zip(answers) {
            let api = start().await;
            let id = api.campaign(state);
            let before = api.peek(id);
            let reply = act(&api, id, action).await;
            let place = format!("{action} in {}: {}", state.label(), reply.text());
            if wanted == "ok" {
                assert!((200..300).contains(&reply.status), "{place}");
            } else {
                assert_eq!(reply.problem(), (409, wanted.to_owned()), "{place}");
                assert_eq!(api.peek(id), before, "{place}");
                assert!(api.parts.objects.keys().is_empty(), "{place}");
            }
        }
    }
}

#[tokio::test]
async fn a_refused_arming_shows_every_check() {
    let api = start().await;
    let id = api.campaign(State::Ready);
    let json = act(&api, id, "arm").await.json();
    let checks = json["preflight"]["checks"].as_array().unwrap();
    assert!(checks.iter().any(|c| c["name"] == "push_workers" && c["light"] == "red"), "{json}");
    assert!(json["detail"].as_str().unwrap().contains("push_workers: 0 of 1"), "{json}");
    let again = api.get(format!("/v1/campaigns/{id}/preflight?push=7")).await.ok();
    assert!(again.to_string().contains("0 of 7 push workers"), "{again}");
}

#[tokio::test]
async fn a_campaign_is_created_edited_cloned_and_listed() {
    let api = start().await;
    let new =
        json!({"name": " Final ", "content": {"texts": {"en": {"title": "Hi"}}}, "options": {"shards": 4}});
    let reply = api.send(Ask::post("/v1/campaigns", &new).token(&api.token("Zoë", Role::Engineer))).await;
    let made = reply.ok();
    assert_eq!(
        (reply.status, made["name"].as_str(), made["created"]["by"].as_str()),
        (201, Some("Final"), Some("Zoë"))
    );
    let path = reply.header("location").unwrap().to_owned();
    assert_eq!(api.get(path.as_str()).await.ok(), made);

    let patch = json!({"name": "Semi", "options": {"deadline_ms": 5000}});
    let edited = api.send(Ask::json("PATCH", path.as_str(), &patch)).await.ok();
    assert_eq!(
        (edited["options"]["deadline_ms"].as_u64(), edited["options"]["shards"].as_u64()),
        (Some(5000), Some(4))
    );
    assert_eq!(
        api.send(Ask::json("PATCH", path.as_str(), &json!({}))).await.problem().1,
        "nothing_to_change"
    );

    let copy = api.post(format!("{path}/clone"), &json!({})).await;
    assert_eq!((copy.status, copy.ok()["name"].as_str()), (201, Some("Semi (copy)")));
    let list = api.get("/v1/campaigns?limit=1").await.ok();
    assert_eq!(list["campaigns"], json!([copy.ok()]));
    assert_eq!(api.get("/v1/campaigns?limit=0").await.problem(), (422, "bad_field".to_owned()));
    let texts = api.get(format!("{path}/preview")).await.ok();
    assert!(texts["texts"][0]["apns_json"].as_str().unwrap().contains("Hi"), "{texts}");
}
