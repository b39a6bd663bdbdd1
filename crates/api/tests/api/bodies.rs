//! JSON bodies: faults name the field and the place, and nothing happens.

use super::client::Ask;
use super::fixture::{config, start, start_with};
use api::ApiLimits;
use common::campaign::State;
use serde_json::json;

#[tokio::test]
async fn faults_name_the_field() {
    let api = start().await;
    let good = json!({"texts": {"en": {"title": "Hi"}}});
    let cases = [
        (json!({"name": "n", "content": good, "nmae": 1}), "nmae"),
        (json!({"name": 7, "content": good}), "name"),
        (json!({"name": "n", "content": {"texts": {"en": {"titel": "Hi"}}}}), "content.texts.en.titel"),
        (json!({"name": "n", "content": good, "options": {"shards": -1}}), "options.shards"),
        (json!({"name": "n", "content": good, "options": {"shards": 1001}}), "options.shards"),
        (json!({"name": "", "content": good}), "name"),
        (json!({"name": "n", "content": {}}), "content.texts"),
        (json!({"name": "n", "content": good, "options": [60_000, 1]}), "options"),
        (json!({"name": "n", "content": {"texts": {"en": ["Hi", "there"]}}}), "content.texts.en"),
        (json!({"name": "n", "content": {"texts": {"en": {"body": "x".repeat(5000)}}}}), "content"),
    ];
    for (body, field) in cases {
        let reply = api.post("/v1/campaigns", &body).await;
        assert_eq!(reply.problem(), (422, "bad_field".to_owned()), "{}", reply.text());
        assert_eq!(reply.json()["field"], field, "{}", reply.text());
    }
    assert_eq!(api.get("/v1/campaigns").await.ok()["campaigns"], json!([]));
    let missing = api.post("/v1/campaigns", &json!({"name": "n"})).await;
    assert!(missing.problem() == (422, "bad_field".to_owned()) && missing.text().contains("`content`"));
}

#[tokio::test]
async fn actions_take_nothing_they_do_not_know() {
    let api = start().await;
    let id = api.campaign(State::Armed);
    let reply = api.post(format!("/v1/campaigns/{id}/press"), &json!({"force": true})).await;
    assert_eq!((reply.problem().0, &reply.json()["field"]), (422, &json!("force")));
    for (body, field) in [
        (json!({"wait": 1}), "wait"),
        (json!({"expect": {"percent": 0}}), "expect.percent"),
        (json!({"wait_ms": u64::MAX}), "wait_ms"),
    ] {
        let reply = api.post(format!("/v1/campaigns/{id}/arm"), &body).await;
        assert_eq!((reply.problem().0, &reply.json()["field"]), (422, &json!(field)));
    }
    let list = api.post(format!("/v1/campaigns/{id}/press"), &json!([])).await;
    assert_eq!(list.problem(), (422, "bad_field".to_owned()));
    assert_eq!(api.peek(id).state, State::Armed);
}

#[tokio::test]
async fn what_is_not_json_is_told_with_its_line() {
    let api = start().await;
    let ask =
        |body: &str| Ask::new("POST", "/v1/campaigns").header("content-type", "application/json").body(body);
    for (body, line) in
        [("{\n\"name\": oops}", 2), ("{", 1), ("{\"name\":\"n\",\"content\":{\"silent\":true}} x", 1)]
    {
        let reply = api.send(ask(body)).await;
        assert_eq!(reply.problem(), (400, "bad_json".to_owned()), "{}", reply.text());
        assert_eq!(reply.json()["line"], line);
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(api.send(ask(&deep)).await.status / 100, 4);
    let twice = "{\"name\":\"a\",\"name\":\"b\",\"content\":{\"silent\":true}}";
    assert_eq!(api.send(ask(twice)).await.problem().0, 422);
}

#[tokio::test]
async fn large_bodies_are_refused_announced_or_not() {
    let api = start().await;
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20));
    let ask = || Ask::new("POST", "/v1/campaigns").header("content-type", "application/json");
    assert_eq!(api.send(ask().body(large.clone())).await.problem(), (413, "body_too_large".to_owned()));
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let chunked = ask().header("transfer-encoding", "chunked").body(chunked);
    assert_eq!(api.send(chunked).await.problem(), (413, "body_too_large".to_owned()));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = ApiLimits { request_timeout_ms: 50, ..ApiLimits::default() };
    let api = start_with(config(limits)).await;
    let id = api.campaign(State::Armed);
    let ask = Ask::new("POST", format!("/v1/campaigns/{id}/arm")).header("content-type", "application/json");
    let reply = api.send(ask.header("content-length", "5").body("{")).await;
    assert_eq!(reply.problem(), (408, "body_too_slow".to_owned()));
}
