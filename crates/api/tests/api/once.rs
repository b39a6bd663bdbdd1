//! Creating a campaign with an idempotency key: once, whoever asks, however often, at whichever process.

use super::client::Ask;
use super::fixture::{Api, config, start};
use api::{ApiLimits, Served, serve};
use common::access::Role;
use contract::memory::Call;
use control::Control;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn body(name: &str) -> Value {
    json!({"name": name, "content": {"texts": {"en": {"title": "Hi"}}}})
}

fn create(name: &str, key: &str) -> Ask {
    Ask::post("/v1/campaigns", &body(name)).header("idempotency-key", key)
}

async fn count(api: &Api) -> usize {
    api.get("/v1/campaigns?limit=1000").await.ok()["campaigns"].as_array().unwrap().len()
}

/// A second process on the same backend.
async fn neighbour(api: &Api) -> Served {
    let control = Control::new(api.parts.backend(), api.clock.clone());
    serve(control, config(ApiLimits::default()), api.shutdown.clone()).await.unwrap()
}

#[tokio::test]
async fn fifty_at_once_at_two_processes_make_one_campaign() {
    let api = start().await;
    let other = neighbour(&api).await;
    let asks = (0..50).map(|n| {
        let addr = if n % 2 == 0 { api.served.addr } else { other.addr };
        tokio::spawn(async move { create("final", "k-1").send(addr).await })
    });
    let mut answers = BTreeSet::new();
    for asked in asks.collect::<Vec<_>>() {
        let reply = asked.await.unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert!(reply.header("location").is_some_and(|l| l.ends_with(reply.json()["id"].as_str().unwrap())));
        answers.insert(reply.text());
    }
    assert_eq!((answers.len(), count(&api).await), (1, 1), "{answers:?}");
}

#[tokio::test]
async fn the_first_answer_is_given_again_also_when_the_campaign_went_on() {
    let api = start().await;
    let first = api.send(create("final", "k-1")).await.ok();
    let path = format!("/v1/campaigns/{}", first["id"].as_str().unwrap());
    api.send(Ask::json("PATCH", path, &json!({"name": "other"}))).await.ok();
    let spaced = Ask::new("POST", "/v1/campaigns")
        .header("content-type", "application/json")
        .header("idempotency-key", "k-1")
        .body(serde_json::to_string_pretty(&body("final")).unwrap());
    for again in [create("final", "k-1"), spaced] {
        let reply = api.send(again).await;
        assert_eq!((reply.status, reply.json()), (201, first.clone()));
    }
    assert_eq!(count(&api).await, 1);
}

#[tokio::test]
async fn a_key_is_for_one_body_and_for_one_token() {
    let api = start().await;
    let first = api.send(create("final", "k-1")).await.ok();
    let reused = api.send(create("another", "k-1")).await;
    assert_eq!(reused.problem(), (422, "idempotency_key_reused".to_owned()));
    let token = api.token("ada", Role::Engineer);
    let hers = api.send(create("final", "k-1").token(&token)).await.ok();
    assert_ne!(hers["id"], first["id"]);
    assert_eq!(hers["created"]["by"], "ada");
    let without = Ask::post("/v1/campaigns", &body("final"));
    assert_ne!(api.send(without).await.ok()["id"], first["id"]);
    assert_eq!(count(&api).await, 3);
}

#[tokio::test]
async fn what_a_dead_process_left_half_done_is_finished() {
    let api = start().await;
    // The answer is stored, the campaign is not.
    api.parts.faults.down(Call::CampaignsCreate, true);
    assert_eq!(api.send(create("final", "k-1")).await.problem().0, 503);
    api.parts.faults.down(Call::CampaignsCreate, false);
    assert_eq!(count(&api).await, 0);
    let other = neighbour(&api).await;
    let made = create("final", "k-1").send(other.addr).await.ok();
    assert_eq!(api.send(create("final", "k-1")).await.ok(), made);
    assert_eq!(count(&api).await, 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let api = start().await;
    for bad in ["", " ", "a b", "ä", &"x".repeat(256)] {
        let reply = api.send(create("final", bad)).await;
        assert_eq!(
            (reply.problem(), &reply.json()["field"]),
            ((400, "bad_header".to_owned()), &json!("idempotency-key")),
            "{bad}"
        );
    }
    let twice = create("final", "a").header("idempotency-key", "b");
    assert_eq!(api.send(twice).await.problem(), (400, "bad_header".to_owned()));
    assert_eq!(count(&api).await, 0);
    for good in ["x", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", &"x".repeat(255)] {
        assert_eq!(api.send(create("final", good)).await.status, 201, "{good}");
    }
}

#[tokio::test]
async fn what_is_refused_uses_no_key() {
    let api = start().await;
    let bad = Ask::post("/v1/campaigns", &json!({"name": "", "content": {"silent": true}}));
    assert_eq!(api.send(bad.header("idempotency-key", "k-1")).await.problem().0, 422);
    assert_eq!(api.send(create("final", "k-1")).await.status, 201);
}
