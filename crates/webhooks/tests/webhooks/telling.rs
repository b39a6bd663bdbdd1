//! What is told of a campaign's life, to whom, and what is not.

use super::world::{Ahead, NOW, World, body, books, done, pass};
use common::campaign::{Campaign, Options};
use common::content::Content;
use common::device::Platform;
use common::fleet::CounterRow;
use common::ids::WorkerId;
use common::outcome::Outcome;
use common::time::Clock;
use common::webhook::{Event, Progress};
use contract::memory::Call;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use webhooks::sign;

#[tokio::test(start_paused = true)]
async fn a_life_is_told_in_order_and_signed() {
    let world = World::new();
    let hook = world.hook(1, &Event::CAMPAIGN).await;
    let process = world.start();
    let armed = world.armed().await;
    pass(2).await;
    let sending = world.press(&armed).await;
    pass(2).await;
    count_five(&world, &sending).await;
    pass(2).await;
    world.finish(&sending).await;
    pass(2).await;
    let types = ["campaign.armed", "campaign.pressed", "campaign.half", "campaign.done"];
    assert_eq!(world.receiver.types(), types);
    let posts = world.receiver.posts();
    for post in &posts {
        let id = post.id.to_string();
        assert_eq!(post.signature, sign(&hook.secret, &id, post.timestamp_s, &post.body));
        assert!(post.timestamp_s >= NOW.0 / 1_000 && post.url == hook.url);
        let body = body(post);
        assert_eq!(body["data"]["campaign"], sending.id.to_string());
        assert_eq!(body["data"]["name"], "final");
    }
    let ids: BTreeSet<_> = posts.iter().map(|post| post.id).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(body(&posts[0])["timestamp"], "2026-02-08T23:31:05.120Z");
    assert_eq!(body(&posts[0])["data"]["by"], "bea");
    assert_eq!(body(&posts[1])["data"]["state"], "sending");
    assert_eq!(body(&posts[1])["data"]["devices"], 10);
    assert_eq!(body(&posts[2])["data"]["settled"], 5);
    assert_eq!(body(&posts[3])["data"]["accepted"], 10);
    let log = world.log(&hook).await;
    assert_eq!(log.len(), 4);
    assert!(log.iter().all(|d| matches!(d.progress, Progress::Delivered { .. }) && d.attempts == 1));
    assert!(log.is_sorted_by_key(|d| std::cmp::Reverse(d.at)));
    process.stop().await;
}

/// A worker has counted five of the ten devices.
async fn count_five(world: &World, sending: &Campaign) {
    let row = CounterRow {
        worker: WorkerId(1),
        second: world.clock.now().0 / 1_000,
        outcomes: vec![(Outcome::Accepted.to_byte(Platform::Apns), 5)],
        ..CounterRow::default()
    };
    world.parts.backend().fleet.count(sending.id, &row).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn once_half_is_told_the_figures_are_not_read_any_more() {
    let world = World::new();
    world.hook(1, &[Event::Half]).await;
    let process = world.start();
    let sending = world.press(&world.armed().await).await;
    let reads = || world.parts.faults.count(Call::FleetCounters);
    pass(5).await;
    assert!(reads() > 0);
    count_five(&world, &sending).await;
    pass(5).await;
    let before = reads();
    pass(60).await;
    assert_eq!((world.receiver.types(), reads()), (vec!["campaign.half".to_owned()], before));
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn half_is_told_also_when_it_comes_days_after_the_press() {
    let world = World::new();
    let hook = world.hook(1, &[Event::Half]).await;
    let armed = world.armed().await;
    let stopping = done(world.press(&armed).await.abort(world.stamp("dan")));
    let stopped = done(stopping.stopped(world.clock.now(), books(3)));
    world.store(&stopped).await;
    let process = world.start();
    pass(4 * 24 * 3_600).await;
    let resumed = done(stopped.resume(world.stamp("dan")));
    world.store(&resumed).await;
    count_five(&world, &resumed).await;
    pass(3).await;
    assert_eq!(world.receiver.types(), ["campaign.half"]);
    assert_eq!(world.log(&hook).await.len(), 1);
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_campaign_that_leaves_the_slot_at_once_is_told() {
    let world = World::new();
    world.hook(1, &[Event::Done]).await;
    let armed = world.armed().await;
    let sending = world.press(&armed).await;
    pass(1).await;
    // So many newer ones that the list does not have it.
    for _ in 0..200 {
        let content = Content::english("Hi", "there");
        let newer = Campaign::new("newer", content, Options::default(), world.stamp("ada"));
        world.parts.campaigns.poke(newer);
    }
    let process = world.start();
    pass(5).await;
    world.parts.campaigns.poke(done(sending.done(world.clock.now(), books(10))));
    world.armed().await;
    pass(2).await;
    assert_eq!(world.receiver.types(), ["campaign.done"]);
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_wrong_clock_hid_is_told_once_it_is_right() {
    let world = World::new();
    world.hook(1, &[Event::Armed]).await;
    let clock = Arc::new(Ahead { clock: world.clock, by_s: AtomicU64::new(2 * 24 * 3_600) });
    let process = world.start_by(clock.clone());
    world.armed().await;
    pass(5).await;
    assert_eq!(world.receiver.types(), [""; 0], "it seems to be two days old");
    clock.by_s.store(0, Ordering::Relaxed);
    pass(700).await;
    assert_eq!(world.receiver.types(), ["campaign.armed"]);
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_clock_that_is_ahead_wrote_down_is_sent_at_once() {
    let world = World::new();
    world.hook(1, &[Event::Armed]).await;
    let process = world.start();
    let armed = world.armed().await;
    pass(3).await;
    let ready = done(armed.disarm());
    let ahead =
        common::campaign::Stamp::new("bea", world.clock.now().plus(std::time::Duration::from_secs(180)));
    world.store(&done(ready.arm(ahead, Default::default(), Default::default()))).await;
    pass(3).await;
    assert_eq!(world.receiver.types(), ["campaign.armed"; 2]);
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_saw_is_told_from_the_record() {
    let world = World::new();
    world.hook(1, &Event::CAMPAIGN).await;
    let armed = world.armed().await;
    let sending = world.press(&armed).await;
    pass(5).await;
    world.finish(&sending).await;
    // Everything was over within one look, or before any process was there.
    let process = world.start();
    pass(3).await;
    let types: BTreeSet<_> = world.receiver.types().into_iter().collect();
    let all = ["campaign.armed", "campaign.pressed", "campaign.half", "campaign.done"];
    assert_eq!(types, all.map(str::to_owned).into());
    let half = world.receiver.posts().into_iter().find(|post| body(post)["type"] == "campaign.half");
    assert_eq!(body(&half.unwrap())["timestamp"], "2026-02-08T23:31:06.120Z", "a second after the press");
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_stop_is_told_with_its_books_and_each_arming() {
    let world = World::new();
    world.hook(1, &[Event::Armed, Event::Aborted, Event::Half]).await;
    let process = world.start();
    let armed = world.armed().await;
    pass(2).await;
    let ready = done(armed.disarm());
    let again = done(ready.arm(world.stamp("bea"), Default::default(), Default::default()));
    world.store(&again).await;
    pass(2).await;
    let sending = world.press(&again).await;
    let stopping = done(sending.abort(world.stamp("dan")));
    world.store(&stopping).await;
    pass(2).await;
    assert_eq!(world.receiver.types(), ["campaign.armed", "campaign.armed"], "stopping is not stopped");
    let stopped = done(stopping.stopped(world.clock.now(), books(4)));
    world.store(&stopped).await;
    pass(2).await;
    let resumed = done(stopped.resume(world.stamp("dan")));
    let stopping = done(resumed.abort(world.stamp("eva")));
    let stopped = done(stopping.stopped(world.clock.now(), books(6)));
    world.store(&stopped).await;
    pass(2).await;
    let types = ["campaign.armed", "campaign.armed", "campaign.aborted", "campaign.half", "campaign.aborted"];
    let mut told = world.receiver.types();
    told[3..].sort_by_key(|t| t != "campaign.half");
    assert_eq!(told, types);
    let stops: Vec<_> = world.receiver.posts().iter().map(body).collect();
    let stops: Vec<_> =
        stops.iter().filter(|b| b["type"] == "campaign.aborted").map(|b| &b["data"]).collect();
    assert_eq!((&stops[0]["by"], &stops[0]["accepted"]), (&"dan".into(), &4.into()));
    assert_eq!((&stops[1]["by"], &stops[1]["accepted"]), (&"eva".into(), &6.into()));
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_webhook_is_told_what_it_asked_for_and_nothing_from_before() {
    let world = World::new();
    let early = world.armed().await;
    pass(1).await;
    world.hook(1, &[Event::Pressed]).await;
    world.hook(2, &[Event::Armed]).await;
    let process = world.start();
    pass(3).await;
    assert_eq!(world.receiver.types(), [""; 0], "it was armed before anybody wanted to know");
    world.press(&early).await;
    pass(3).await;
    assert_eq!(world.receiver.posts()[0].url, "https://example.com/1");
    // Made while the process goes by what it read a moment ago, and the event is in between too.
    pass(1).await;
    world.hook(3, &[Event::Armed]).await;
    let next = world.armed().await;
    pass(4).await;
    let urls: Vec<_> = world.receiver.posts().into_iter().skip(1).map(|post| post.url).collect();
    assert_eq!(urls.len(), 2, "{urls:?}");
    assert!(urls.contains(&"https://example.com/3".to_owned()), "{urls:?}");
    assert_eq!(
        world.log(&world.parts.backend().webhooks.list().await.unwrap()[2]).await[0].campaign,
        Some(next.id)
    );
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_happened_more_than_a_day_ago_is_not_told() {
    let world = World::new();
    let hook = world.hook(1, &Event::CAMPAIGN).await;
    let armed = world.armed().await;
    pass(23 * 3_600).await;
    world.press(&armed).await;
    pass(2 * 3_600).await;
    let process = world.start();
    pass(3).await;
    assert_eq!(world.receiver.types(), ["campaign.pressed"]);
    assert_eq!(world.log(&hook).await.len(), 1);
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn tables_that_are_away_delay_it_and_lose_nothing() {
    let world = World::new();
    world.hook(1, &Event::CAMPAIGN).await;
    let process = world.start();
    let calls = [
        Call::WebhooksList,
        Call::CampaignsSlot,
        Call::CampaignsList,
        Call::CampaignsGet,
        Call::WebhooksPutDelivery,
        Call::WebhooksDeliveries,
        Call::WebhooksUpdateDelivery,
        Call::WebhooksGet,
    ];
    let mut campaign = world.armed().await;
    for call in calls {
        campaign =
            done(done(campaign.disarm()).arm(world.stamp("bea"), Default::default(), Default::default()));
        world.store(&campaign).await;
        world.parts.faults.down(call, true);
        let before = world.receiver.posts().len();
        pass(60).await;
        world.parts.faults.down(call, false);
        pass(60).await;
        assert!(world.receiver.posts().len() > before, "{call:?}");
    }
    // One whose answer got lost is sent again, under the same id.
    let ids: BTreeSet<_> = world.receiver.posts().into_iter().map(|post| post.id).collect();
    assert_eq!(ids.len(), calls.len());
    process.stop().await;
}
