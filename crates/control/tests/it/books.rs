//! Settling: done, stopped, expired, and the books that go with each.

use super::stage::{Stage, who};
use common::campaign::State;
use common::limits::CLAIM_LEASE;
use common::outcome::Outcome;
use common::ports::{Audit, Devices};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn done_when_everything_has_its_outcome_and_dead_tokens_leave_the_table() {
    use common::device::{Device, Environment, Target, UserDevices};
    let stage = Stage::armed(40).await;
    stage.control.press(&who("m"), stage.id).await.unwrap();
    let keys = stage.keys();
    for (i, key) in keys.iter().enumerate() {
        stage.send(*key, if i == 0 { Outcome::Unregistered } else { Outcome::Accepted }).await;
    }
    stage.reconcile_for(Duration::from_secs(4)).await;
    assert_eq!(stage.campaign().await.state, State::Sending, "shards are still to be expanded");
    stage.expand_all().await;
    // The first user of the first batch has that token in the table; it registered before it died.
    let body = stage.shards[usize::from(keys[0].shard.0)].batch(keys[0].number).unwrap();
    let user = common::envelope::BatchBody::new(&body).users().next().unwrap();
    let device = Device {
        target: user.devices[0].target.to_owned(),
        locale: "".into(),
        timezone: "".into(),
        registered_at: common::time::UnixMs(1),
        app: "".into(),
        environment: Environment::Production,
    };
    assert!(matches!(device.target, Target::Apns(_)));
    stage.parts.devices.poke(user.id, UserDevices { opted_out: false, devices: vec![device] });
    stage.reconcile_for(Duration::from_secs(4)).await;
    let campaign = stage.campaign().await;
    let books = campaign.books.unwrap();
    assert_eq!((campaign.state, campaign.tokens_removed), (State::Done, Some(1)));
    assert!(books.balance() && books.pending == 0 && books.devices == 40 && books.rejected > 0, "{books:?}");
    assert_eq!(stage.parts.devices.get_many(&[user.id]).await.unwrap()[0].as_ref().unwrap().devices, []);
    let receipt = stage.control.receipts(stage.id, user.id).await.unwrap();
    assert_eq!(receipt.devices[0].outcome, "unregistered");
    // The end is one entry, and what became of dead tokens another: no state changed there.
    stage.control.flush_audit().await;
    let trail = stage.parts.audit.list(100).await.unwrap();
    let by_itself: Vec<_> = trail.iter().filter(|e| e.by == "reconciler").collect();
    let said: Vec<_> = by_itself.iter().rev().map(|e| (e.action.as_str(), e.result.as_str())).collect();
    let wanted = [
        ("campaign.settle", "sending -> done"),
        ("campaign.write_back", "dead tokens taken out of the device table: 1"),
    ];
    assert_eq!(said, wanted);
}

#[tokio::test(start_paused = true)]
async fn stopped_waits_for_leases_and_its_counts_add_up() {
    let stage = Stage::armed(40).await;
    stage.control.press(&who("m"), stage.id).await.unwrap();
    let keys = stage.keys();
    stage.send(keys[0], Outcome::Accepted).await;
    stage.claim(keys[1]).await.unwrap();
    stage.control.abort(&who("worried"), stage.id).await.unwrap();
    stage.reconcile_for(CLAIM_LEASE.checked_sub(Duration::from_secs(1)).unwrap()).await;
    assert_eq!(stage.campaign().await.state, State::Stopping, "a claim is still out");
    stage.reconcile_for(Duration::from_secs(3)).await;
    let campaign = stage.campaign().await;
    let books = campaign.books.unwrap();
    assert_eq!((campaign.state, books.pending), (State::Stopped, 0));
    assert!(books.balance() && books.accepted > 0 && books.ambiguous > 0 && books.aborted > 0, "{books:?}");
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_the_rest_is_expired_or_ambiguous() {
    let stage = Stage::armed(40).await;
    stage.control.press(&who("m"), stage.id).await.unwrap();
    let keys = stage.keys();
    stage.send(keys[0], Outcome::Accepted).await;
    tokio::time::advance(Duration::from_secs(598)).await;
    stage.claim(keys[1]).await.unwrap();
    stage.reconcile_for(Duration::from_secs(4)).await;
    assert_eq!(stage.campaign().await.state, State::Sending, "a lease still runs");
    stage.reconcile_for(Duration::from_secs(10)).await;
    let campaign = stage.campaign().await;
    let books = campaign.books.unwrap();
    assert_eq!((campaign.state, books.pending, books.aborted), (State::Done, 0, 0));
    assert!(books.balance() && books.accepted > 0 && books.ambiguous > 0 && books.expired > 0, "{books:?}");
}

#[tokio::test(start_paused = true)]
async fn the_latest_are_named_by_their_users() {
    let stage = Stage::armed(300).await;
    stage.control.press(&who("m"), stage.id).await.unwrap();
    let keys = stage.keys();
    tokio::time::advance(Duration::from_secs(6)).await;
    for key in &keys {
        stage.send(*key, Outcome::Accepted).await;
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let late = stage.control.late(stage.id).await.unwrap();
    assert_eq!((late.devices, late.latest.len()), (300, 100));
    assert!(late.latest.is_sorted_by_key(|one| std::cmp::Reverse(one.ms)));
    // Those of the batch that was sent last, by the names that its shard has.
    let last = *keys.last().unwrap();
    let body = stage.shards[usize::from(last.shard.0)].batch(last.number).unwrap();
    let users: Vec<_> = common::envelope::BatchBody::new(&body).users().map(|u| u.id.to_owned()).collect();
    let named: Vec<_> = late.latest.iter().take(users.len()).map(|one| one.user.clone().unwrap()).collect();
    assert_eq!((named, late.latest[0].gateway.as_deref(), late.latest[0].batch), (users, Some("apns"), last));
    let all: std::collections::BTreeSet<_> =
        late.latest.iter().map(|one| one.user.clone().unwrap()).collect();
    assert_eq!(all.len(), 100);
    // A shard that is gone takes the names of its own with it, and nothing else.
    let gone =
        stage.parts.objects.keys().into_iter().find(|k| k.contains(&format!("/shards/{:04}-", last.shard.0)));
    stage.parts.objects.poke(&gone.unwrap(), Some("x".into()));
    let late = stage.control.late(stage.id).await.unwrap().latest;
    let without = |one: &&control::LateUser| one.user.is_none();
    assert!(late.iter().filter(without).all(|one| one.batch.shard == last.shard) && late[0].user.is_none());
    assert!(late.iter().any(|one| one.user.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_snapshot_is_said_and_changes_nothing() {
    let stage = Stage::armed(40).await;
    stage.control.press(&who("m"), stage.id).await.unwrap();
    let key = stage.parts.objects.keys().into_iter().find(|k| k.ends_with("manifest.json")).unwrap();
    stage.parts.objects.poke(&key, Some("{}".into()));
    assert!(stage.control.report(stage.id).await.is_err());
    assert_eq!(stage.campaign().await.state, State::Sending);
}
