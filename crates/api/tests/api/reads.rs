//! What people look at: snapshots, batches, dropped users, receipts, the fleet, readiness.

use super::fixture::{Api, start, token, with_snapshot};
use common::campaign::State;
use common::ids::CampaignId;
use contract::memory::Call;
use serde_json::{Value, json};

async fn get(api: &Api, id: CampaignId, path: &str) -> Value {
    api.get(format!("/v1/campaigns/{id}/{path}")).await.ok()
}

#[tokio::test]
async fn a_snapshot_is_listed_down_to_a_device() {
    let api = start().await;
    let campaign = with_snapshot(&api).await;
    let id = campaign.id;
    let summary = get(&api, id, "snapshot").await;
    assert_eq!(summary["id"], json!(campaign.snapshot.unwrap().id));
    assert_eq!(
        (&summary["users"], &summary["batches"], &summary["dropped"]),
        (&json!(3), &json!(2), &json!({"unknown": 2}))
    );
    let batch = get(&api, id, "snapshot/shards/0/batches/1").await;
    let device = &batch["users"][0]["devices"][0];
    let wanted = json!({"place": 0, "gateway": "apns", "locale": "de", "token_hash": format!("{:016x}", token(3).hash())});
    assert_eq!((device, batch["users"].as_array().unwrap().len()), (&wanted, 1));
    for path in ["snapshot/shards/1/batches/0", "snapshot/shards/0/batches/2"] {
        assert_eq!(api.get(format!("/v1/campaigns/{id}/{path}")).await.problem().0, 404);
    }
    let far = format!("/v1/campaigns/{id}/snapshot/shards/70000/batches/0");
    assert_eq!(api.get(far).await.problem(), (400, "bad_path".to_owned()));
    let draft = api.campaign(State::Draft);
    assert_eq!(api.get(format!("/v1/campaigns/{draft}/snapshot")).await.problem().0, 404);
}

#[tokio::test]
async fn dropped_users_are_streamed_and_filtered() {
    let api = start().await;
    let id = with_snapshot(&api).await.id;
    let lines = async |query: &str| {
        let reply = api.get(format!("/v1/campaigns/{id}/dropped{query}")).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")));
        let line = |l: &str| serde_json::from_str::<Value>(l).unwrap()["line"].as_u64().unwrap();
        reply.text().lines().map(line).collect::<Vec<_>>()
    };
    assert_eq!(lines("").await, [3, 5, 6]);
    assert_eq!(lines("?reason=unknown").await, [3, 5]);
    assert_eq!(lines("?reason=opted_out&limit=5&shard=0").await, [6]);
    assert_eq!(lines("?limit=1").await, [3]);
    assert_eq!(lines("?reason=duplicate").await, Vec::<u64>::new());
    let path = format!("/v1/campaigns/{id}/dropped");
    assert_eq!(api.get(format!("{path}?reason=bored")).await.problem(), (400, "bad_query".to_owned()));
    assert_eq!(api.get(format!("{path}?shard=9")).await.problem().0, 404);
}

#[tokio::test]
async fn long_lists_of_dropped_users_come_whole_from_every_shard() {
    use common::ids::ShardNo;
    use common::snapshot::keys;
    let api = start().await;
    let campaign = with_snapshot(&api).await;
    let key = keys::dropped(campaign.id, campaign.snapshot.unwrap().id, ShardNo(0));
    let line = |n| format!("{{\"line\":{n},\"user\":\"u{n}\",\"reason\":\"unknown\"}}\n");
    let list: String = (0..20_000).map(line).collect();
    assert!(list.len() > 3 * 256 * 1024);
    // The last line's end may be missing.
    api.parts.objects.poke(&key, Some(list.trim_end().to_owned().into()));
    let reply = api.get(format!("/v1/campaigns/{}/dropped", campaign.id)).await;
    assert_eq!(reply.text(), list);
}

#[tokio::test]
async fn the_ledgers_word_on_every_device_is_streamed_by_batch() {
    let api = start().await;
    let id = with_snapshot(&api).await.id;
    let reply = api.get(format!("/v1/campaigns/{id}/outcomes")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")));
    let lines: Vec<Value> = reply.text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2, "a batch a line");
    let device = json!({"token_hash": format!("{:016x}", token(3).hash()), "outcome": "unsent"});
    assert_eq!(lines[1], json!({"shard": 0, "batch": 1, "doubled_at_most": 0, "devices": [device]}));
    assert_eq!(api.get(format!("/v1/campaigns/{id}/outcomes?shard=0")).await.text(), reply.text());
    assert_eq!(api.get(format!("/v1/campaigns/{id}/outcomes?shard=1")).await.problem().0, 404);
    let draft = api.campaign(State::Draft);
    assert_eq!(api.get(format!("/v1/campaigns/{draft}/outcomes")).await.problem().0, 404);
}

#[tokio::test]
async fn receipts_say_why() {
    let api = start().await;
    let id = with_snapshot(&api).await.id;
    let found = get(&api, id, "receipts/u%2F1").await;
    assert_eq!((&found["user"], &found["devices"][0]["outcome"]), (&json!("u/1"), &json!("unsent")));
    assert_eq!(get(&api, id, "receipts/%C3%BC2").await["user"], "ü2");
    let dropped = get(&api, id, "receipts/y").await;
    assert_eq!(dropped["dropped"], json!({"line": 5, "reason": "unknown"}));
    assert!(
        get(&api, id, "receipts/who").await["sentence"].as_str().unwrap().contains("not in the uploaded")
    );
    let bad = format!("/v1/campaigns/{id}/receipts/{}", "x".repeat(129));
    assert_eq!(api.get(bad).await.problem(), (422, "bad_field".to_owned()));
}

#[tokio::test]
async fn status_and_report_are_served() {
    let api = start().await;
    let id = with_snapshot(&api).await.id;
    let status = get(&api, id, "status").await;
    assert_eq!((&status["devices"], &status["campaign"]["state"]), (&json!(3), &json!("ready")));
    let report = get(&api, id, "report").await;
    assert_eq!((&report["books"]["devices"], &report["books"]["pending"]), (&json!(3), &json!(3)));
    let draft = api.campaign(State::Draft);
    assert_eq!(api.get(format!("/v1/campaigns/{draft}/report")).await.problem().0, 404);
}

#[tokio::test]
async fn damage_is_a_fault_of_ours() {
    let api = start().await;
    let campaign = with_snapshot(&api).await;
    let key = common::snapshot::keys::manifest(campaign.id, campaign.snapshot.unwrap().id);
    api.parts.objects.poke(&key, Some("{".into()));
    let reply = api.get(format!("/v1/campaigns/{}/snapshot", campaign.id)).await;
    assert_eq!(reply.problem(), (500, "corrupt".to_owned()));
}

#[tokio::test]
async fn the_fleet_and_readiness() {
    let api = start().await;
    assert_eq!(
        api.get("/v1/fleet").await.ok(),
        json!({"slot": {"version": 0, "campaign": null}, "workers": [], "sizes": []})
    );
    assert_eq!(api.get("/readyz").await.ok(), json!({"ok": true}));
    // A press needs no objects; it does need the queue. The next look shows it.
    api.parts.faults.down(Call::ObjectsHead, true);
    api.parts.faults.down(Call::ShardsDepth, true);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while api.get("/readyz").await.status == 200 {
        assert!(std::time::Instant::now() < until, "readiness does not look again");
        tokio::task::yield_now().await;
    }
    assert_eq!(api.get("/readyz").await.problem(), (503, "backend_unavailable".to_owned()));
    api.parts.faults.down(Call::ShardsDepth, false);
    while api.get("/readyz").await.status != 200 {
        assert!(std::time::Instant::now() < until, "readiness does not come back");
        tokio::task::yield_now().await;
    }
    assert_eq!(api.get("/healthz").await.ok(), json!({"ok": true}));
}
