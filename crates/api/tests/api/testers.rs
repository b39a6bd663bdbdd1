//! Lists of testers, and test sends to them.

use super::client::{Ask, Reply};
use super::fixture::{Api, config, start, start_with};
use api::ApiLimits;
use common::access::Role;
use common::campaign::State;
use common::content::Content;
use common::ports::PutMode;
use common::test_send::{TestEnvelope, TestId, keys};
use contract::memory::Call;
use serde_json::{Value, json};

fn ann(n: u32) -> String {
    json!({"person": "Ann's iPhone", "platform": "apns", "token": format!("{n:064x}"), "locale": "de-DE"})
        .to_string()
}

fn put(name: &str, body: impl Into<Vec<u8>>) -> Ask {
    Ask::new("PUT", format!("/v1/testers/{name}")).header("content-type", "application/x-ndjson").body(body)
}

async fn test(api: &Api, id: impl std::fmt::Display, body: &Value) -> Reply {
    api.post(format!("/v1/campaigns/{id}/test"), body).await
}

#[tokio::test]
async fn a_list_is_put_shown_without_tokens_and_removed() {
    let api = start().await;
    assert_eq!(api.get("/v1/testers").await.ok(), json!({"lists": []}));
    let stored = api.send(put("marketing", format!("{}\n{}\n", ann(1), ann(2)))).await.ok();
    let shown = api.get("/v1/testers/marketing").await.ok();
    assert_eq!(stored, shown);
    let hash = common::device::Target::Apns([vec![0; 31], vec![1]].concat().into()).hash();
    assert_eq!(shown["devices"][0]["token_hash"], format!("{hash:016x}"));
    assert_eq!(
        (&shown["devices"][0]["person"], &shown["devices"][1]["locale"]),
        (&json!("Ann's iPhone"), &json!("de-DE"))
    );
    assert!(!shown.to_string().contains(&"0".repeat(40)));
    let brief = &api.get("/v1/testers").await.ok()["lists"][0];
    assert_eq!((&brief["name"], &brief["devices"]), (&json!("marketing"), &json!(2)));
    assert_eq!(api.send(Ask::new("DELETE", "/v1/testers/marketing")).await.ok(), json!({}));
    assert_eq!(api.get("/v1/testers/marketing").await.problem(), (404, "not_found".to_owned()));
    assert_eq!(api.send(Ask::new("DELETE", "/v1/testers/marketing")).await.status, 404);
    api.until("/v1/audit", |r| r.text().contains("testers.put") && r.text().contains("testers.remove")).await;
}

#[tokio::test]
async fn rubbish_is_refused_with_its_line_and_field() {
    let api = start().await;
    let secret = "f".repeat(63);
    let short = json!({"person": "Bo", "platform": "apns", "token": secret}).to_string();
    let cases = [
        (put("l", format!("{}\n{short}\n", ann(1))), 422, "bad_field", Some((2, "token"))),
        (put("l", ""), 422, "bad_field", Some((1, "line"))),
        (put("l", "\u{0}"), 422, "bad_field", Some((1, "line"))),
        (put("l", vec![0xff, 0xfe]), 422, "bad_field", Some((1, "line"))),
        (put("l", r#"{"user_id":"u"}"#), 422, "bad_field", Some((1, "line"))),
        (put("..%2fx", ann(1)), 422, "bad_field", None),
        (put("a%20b", ann(1)), 422, "bad_field", None),
        (put("l", "x".repeat(300_000)), 413, "body_too_large", None),
        (Ask::json("PUT", "/v1/testers/l", &json!({})), 415, "not_ndjson", None),
        (Ask::new("PUT", "/v1/testers/l").body(ann(1)), 415, "not_ndjson", None),
    ];
    for (ask, status, code, place) in cases {
        let reply = api.send(ask.clone()).await;
        assert_eq!(reply.problem(), (status, code.to_owned()), "{ask:?}");
        let problem = reply.json();
        if let Some((line, field)) = place {
            assert_eq!((&problem["line"], &problem["field"]), (&json!(line), &json!(field)), "{problem}");
        }
        assert!(!reply.text().contains(&secret));
    }
    assert_eq!(api.get("/v1/testers").await.ok(), json!({"lists": []}), "nothing was taken");
}

#[tokio::test]
async fn a_test_is_accepted_and_its_report_is_asked_for() {
    let api = start().await;
    api.send(put("marketing", ann(1))).await.ok();
    let id = api.campaign(State::Armed);
    let before = api.peek(id);
    let begun = test(&api, id, &json!({"list": "marketing", "dry_run": false})).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let (test_id, at) =
        (begun.json()["test"].as_str().unwrap().to_owned(), begun.header("location").unwrap().to_owned());
    assert_eq!(at, format!("/v1/campaigns/{id}/test/{test_id}"));
    assert_eq!(api.get(&at).await.ok(), begun.json());
    assert_eq!(begun.json()["state"], "waiting");
    let envelope = TestEnvelope::decode(&api.parts.batches.bodies()[0]).unwrap();
    assert_eq!((envelope.campaign, envelope.dry_run, envelope.content), (id, false, before.content_id));
    assert_eq!(api.peek(id), before, "the record is not touched");
    api.clock.advance(std::time::Duration::from_secs(17));
    let over = api.get(&at).await.ok();
    assert_eq!(over["state"], "not_taken");
    assert!(over["sentence"].as_str().unwrap().contains("no push worker took it within 15 s"), "{over}");
    assert_eq!(over, api.get(&at).await.ok());
    for wrong in [format!("/v1/campaigns/{id}/test/{}", TestId::random()), format!("{at}0")] {
        assert!(matches!(api.get(&wrong).await.status, 400 | 404), "{wrong}");
    }
    api.until(&format!("/v1/audit?campaign={id}"), |r| r.text().contains("campaign.test")).await;
}

#[tokio::test]
async fn a_test_that_cannot_be_is_refused() {
    let api = start().await;
    api.send(put("marketing", ann(1))).await.ok();
    let draft = api.campaign(State::Draft);
    let sending = api.campaign(State::Sending);
    for (id, body, wanted) in [
        (draft, json!({}), (422, "bad_field")),
        (draft, json!({"list": "nobody"}), (404, "not_found")),
        (draft, json!({"list": "../x"}), (422, "bad_field")),
        (draft, json!({"list": 7}), (422, "bad_field")),
        (draft, json!({"lists": "marketing"}), (422, "bad_field")),
        (draft, json!([]), (422, "bad_field")),
        (sending, json!({"list": "marketing"}), (409, "too_late_to_test")),
        (sending, json!({"dry_run": true}), (409, "too_late_to_test")),
        (common::ids::CampaignId::random(), json!({"dry_run": true}), (404, "not_found")),
    ] {
        let reply = test(&api, id, &body).await;
        assert_eq!(reply.problem(), (wanted.0, wanted.1.to_owned()), "{body}");
    }
    assert!(api.parts.batches.bodies().is_empty());
    let rendered = test(&api, draft, &json!({"dry_run": true})).await;
    assert_eq!((rendered.status, rendered.header("location")), (200, None));
    assert_eq!(rendered.json()["rendered"].as_array().unwrap().len(), 2);
    api.parts.faults.down(Call::BatchesSend, true);
    assert_eq!(
        test(&api, draft, &json!({"list": "marketing"})).await.problem(),
        (503, "unavailable".to_owned())
    );
}

#[tokio::test]
async fn who_may_test_what() {
    let api = start_with(config(ApiLimits::default())).await;
    api.send(put("marketing", ann(1))).await.ok();
    let (loud, silent) = (api.campaign(State::Ready), api.campaign(State::Ready));
    let mut content = api.peek(silent);
    content.content = Content::silent();
    content.content_id = content.content.id();
    api.parts.campaigns.poke(content);
    let lea = api.token("Lea", Role::LoadTester);
    let asked = |id, token: &str| {
        Ask::post(format!("/v1/campaigns/{id}/test"), &json!({"list": "marketing"})).token(token)
    };
    assert_eq!(api.send(asked(loud, &lea)).await.problem(), (403, "not_permitted".to_owned()));
    assert!(api.parts.batches.bodies().is_empty());
    assert_eq!(api.send(asked(silent, &lea)).await.status, 202);
    for role in [Role::Marketer, Role::Engineer, Role::Sre] {
        assert_eq!(api.send(asked(loud, &api.token(role.label(), role))).await.status, 202, "{role}");
    }
    let vic = api.token("Vic", Role::Viewer);
    assert_eq!(api.send(asked(loud, &vic)).await.status, 403);
    assert_eq!(api.send(Ask::get("/v1/testers/marketing").token(&vic)).await.status, 403, "names of people");
    assert_eq!(api.send(put("marketing", ann(2)).token(&lea)).await.status, 403);
}

#[tokio::test]
async fn damaged_records_are_said_to_be() {
    let api = start().await;
    let (id, test_id) = (api.campaign(State::Ready), TestId::random());
    let objects = api.parts.backend().objects;
    let store = async |key: String, text: &str| {
        objects.put(&key, text.to_owned().into(), PutMode::Replace).await.unwrap();
    };
    store(keys::asked(id, test_id), "{").await;
    let path = format!("/v1/campaigns/{id}/test/{test_id}");
    assert_eq!(api.get(&path).await.problem(), (500, "corrupt".to_owned()));
    store(keys::list(&"odd".parse().unwrap()), "[]").await;
    assert_eq!(api.get("/v1/testers/odd").await.problem(), (500, "corrupt".to_owned()));
}
