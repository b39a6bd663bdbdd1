//! The press: once, by whoever is first, completed whatever happens.

use super::client::Ask;
use super::fixture::{NOW, start};
use common::access::Role;
use common::campaign::State;
use common::envelope::ShardEnvelope;
use contract::memory::Call;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_presses_are_one() {
    let api = start().await;
    let id = api.campaign(State::Armed);
    let tokens: Vec<_> = (0..5).map(|n| api.token(&format!("p{n}"), Role::Marketer)).collect();
    let presses = (0..100).map(|n| {
        let token = &tokens[n % tokens.len()];
        api.send(Ask::post(format!("/v1/campaigns/{id}/press"), &json!({})).token(token))
    });
    let replies: Vec<_> = futures::future::join_all(presses).await.iter().map(|r| r.ok()).collect();
    let with = |result: &str| replies.iter().filter(|r| r["result"] == result).count();
    assert_eq!((with("pressed"), with("already_pressed")), (1, 99));
    let first = replies.iter().find(|r| r["result"] == "pressed").unwrap();
    for reply in &replies {
        assert_eq!((&reply["by"], &reply["at"], &reply["shards"]), (&first["by"], &json!(NOW.0), &json!(50)));
    }
    let bodies = api.parts.shards.bodies();
    let shards: BTreeSet<_> = bodies.iter().map(|b| ShardEnvelope::decode(b).unwrap().shard).collect();
    assert_eq!((bodies.len(), shards.len(), api.parts.shards.sent()), (50, 50, 50));
    assert_eq!(api.peek(id).pressed.unwrap().by, first["by"].as_str().unwrap());
}

#[tokio::test]
async fn a_second_press_completes_what_the_first_left_undone() {
    let api = start().await;
    let id = api.campaign(State::Armed);
    api.parts.faults.down(Call::ShardsSend, true);
    let first = api.act(id, "press").await.ok();
    assert_eq!((&first["result"], &first["dispatched"]), (&json!("pressed"), &json!(0)));
    assert_eq!(api.peek(id).state, State::Sending);
    api.parts.faults.down(Call::ShardsSend, false);
    api.parts.faults.fail_entries(Call::ShardsSend, 0, &[0, 3]);
    let second = api.act(id, "press").await.ok();
    assert_eq!((&second["result"], &second["dispatched"]), (&json!("already_pressed"), &json!(50)));
    assert_eq!(api.parts.shards.bodies().len(), 50);
    // Long after the queue has forgotten the deduplication ids, too.
    api.clock.advance(Duration::from_secs(360));
    assert_eq!(api.act(id, "press").await.ok()["result"], "already_pressed");
}

#[tokio::test]
async fn a_press_that_cannot_be_written_says_so_and_changes_nothing() {
    let api = start().await;
    let id = api.campaign(State::Armed);
    api.parts.faults.fail_next(Call::CampaignsUpdate, 1);
    let reply = api.act(id, "press").await;
    assert_eq!(reply.problem(), (503, "unavailable".to_owned()));
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!((api.peek(id).state, api.parts.shards.sent()), (State::Armed, 0));
    assert_eq!(api.act(id, "press").await.ok()["result"], "pressed");
}

#[tokio::test]
async fn who_pressed_is_in_the_audit_trail() {
    let api = start().await;
    let id = api.campaign(State::Armed);
    let ask =
        Ask::post(format!("/v1/campaigns/{id}/press"), &json!({})).token(&api.token("Bea", Role::Marketer));
    api.send(ask).await.ok();
    api.until("/v1/audit", |r| r.text().contains("campaign.press")).await;
    let entry = api.get("/v1/audit?limit=1").await.ok()["entries"][0].clone();
    let wanted = json!({"at": NOW.0, "by": "Bea", "from": "127.0.0.1", "action": "campaign.press",
        "campaign": id, "result": "armed -> sending"});
    assert_eq!(entry, wanted);
}

#[tokio::test]
async fn a_press_for_an_older_arming_or_a_late_one_presses_nothing() {
    let api = start().await;
    let id = api.campaign(State::Armed);
    let armed_at = api.peek(id).armed.unwrap().stamp.at.0;
    let press = |body: serde_json::Value| api.send(Ask::post(format!("/v1/campaigns/{id}/press"), &body));
    let stale = press(json!({"armed_at": armed_at - 1})).await;
    assert_eq!(stale.problem(), (409, "armed_anew".to_owned()));
    let late = press(json!({"armed_at": armed_at, "not_after": NOW.0 - 1})).await;
    assert_eq!(late.problem(), (409, "too_late".to_owned()));
    assert_eq!((api.peek(id).state, api.parts.shards.sent()), (State::Armed, 0));
    let right = press(json!({"armed_at": armed_at, "not_after": NOW.0})).await.ok();
    assert_eq!(right["result"], "pressed");
    // Once it was pressed, each press learns who it was.
    let again = press(json!({"armed_at": armed_at - 1, "not_after": NOW.0 - 1})).await.ok();
    assert_eq!(again["result"], "already_pressed");
}
