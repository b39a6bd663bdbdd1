//! When a message is tried again, and when it is given up.

use super::world::{World, answer, done, pass};
use common::time::Clock;
use common::webhook::delivery::PAUSES;
use common::webhook::{Came, Event, Progress};
use contract::memory::Call;
use std::time::Duration;

const PAUSED: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_is_tried_for_a_day() {
    let world = World::new();
    let hook = world.hook(1, &[Event::Armed]).await;
    world.receiver.answers.lock().unwrap().extend(std::iter::repeat_n(answer(503), 20));
    let process = world.start();
    world.armed().await;
    pass(48 * 3_600).await;
    let times = world.receiver.times();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert_eq!(pauses.len(), PAUSES.len(), "{pauses:?}");
    for (seen, wanted) in pauses.iter().zip(PAUSES) {
        assert!(*seen >= wanted && *seen <= wanted + PAUSED, "{pauses:?}");
    }
    let posts = world.receiver.posts();
    assert!(posts.iter().all(|p| p.id == posts[0].id && p.body == posts[0].body), "the same message");
    assert!(posts.windows(2).all(|p| p[0].timestamp_s < p[1].timestamp_s), "signed for each attempt");
    let log = world.log(&hook).await;
    assert!(matches!(log[0].progress, Progress::GivenUp { .. }), "{log:?}");
    assert_eq!((log[0].attempts, log[0].last.as_ref().unwrap().status), (11, Some(503)));
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_twice_gets_it_the_third_time() {
    let world = World::new();
    let hook = world.hook(1, &[Event::Armed]).await;
    let broken = Came::Nothing("no route".to_owned());
    world.receiver.answers.lock().unwrap().extend([answer(500), broken]);
    let process = world.start();
    world.armed().await;
    pass(10).await;
    let waiting = world.log(&hook).await.remove(0);
    assert_eq!((waiting.attempts, waiting.last.clone().unwrap().error.unwrap()), (2, "no route".to_owned()));
    assert!(waiting.due_at().unwrap() > world.clock.now());
    pass(3_600).await;
    let log = world.log(&hook).await;
    assert!(matches!(log[0].progress, Progress::Delivered { .. }) && log[0].attempts == 3, "{log:?}");
    assert_eq!(world.receiver.posts().len(), 3, "and no fourth");
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_longer_pause_is_kept_when_the_receiver_asks_for_it() {
    let world = World::new();
    world.hook(1, &[Event::Armed]).await;
    let retry_after = Some(Duration::from_secs(90));
    let busy = Came::Answer { status: 429, retry_after, text: String::new() };
    world.receiver.answers.lock().unwrap().push_back(busy);
    let process = world.start();
    world.armed().await;
    pass(200).await;
    let times = world.receiver.times();
    assert_eq!(times.len(), 2);
    let pause = times[1].since(times[0]);
    assert!(pause >= Duration::from_secs(90) && pause <= Duration::from_secs(91), "{pause:?}");
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_is_told_no_more() {
    let world = World::new();
    let hook = world.hook(1, &[Event::Armed, Event::Pressed]).await;
    world.receiver.answers.lock().unwrap().push_back(answer(410));
    let process = world.start();
    let armed = world.armed().await;
    pass(3).await;
    world.press(&armed).await;
    pass(60).await;
    assert_eq!(world.receiver.types(), ["campaign.armed"]);
    let stored = world.parts.backend().webhooks.get(hook.id).await.unwrap().unwrap();
    assert!(stored.disabled.unwrap().why.contains("410"));
    let trail = world.parts.backend().audit.list(10).await.unwrap();
    assert!(trail.iter().any(|entry| entry.action == "webhook.disable"), "{trail:?}");
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let world = World::new();
    let slow = world.hook(1, &[Event::Armed]).await;
    world.hook(2, &[Event::Armed]).await;
    world.receiver.hangs.lock().unwrap().insert(slow.url.clone());
    let process = world.start();
    world.armed().await;
    pass(2).await;
    let urls: Vec<_> = world.receiver.posts().into_iter().map(|post| post.url).collect();
    assert!(urls.contains(&"https://example.com/2".to_owned()), "{urls:?}");
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_webhook_gets_nothing_that_was_waiting() {
    let world = World::new();
    let hook = world.hook(1, &[Event::Armed]).await;
    world.receiver.answers.lock().unwrap().push_back(answer(500));
    let process = world.start();
    world.armed().await;
    pass(3).await;
    world.parts.backend().webhooks.remove(hook.id).await.unwrap();
    pass(60).await;
    assert_eq!(world.receiver.posts().len(), 1);
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_test_is_sent_once_and_stands_in_the_log() {
    let world = World::new();
    let hook = world.hook(1, &[Event::Armed]).await;
    let process = world.start();
    world.receiver.answers.lock().unwrap().push_back(answer(500));
    let tried = world.notifier().test(&hook, "ada").await.unwrap();
    assert_eq!(tried.came, answer(500));
    pass(3_600).await;
    assert_eq!(world.receiver.types(), ["webhook.test"]);
    assert_eq!(world.log(&hook).await, [tried.delivery]);
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_410_disables_it_whoever_asked_and_whatever_fails_first() {
    let world = World::new();
    let tried = world.hook(1, &[Event::Pressed]).await;
    world.receiver.answers.lock().unwrap().push_back(answer(410));
    world.notifier().test(&tried, "ada").await.unwrap();
    let hooks = world.parts.backend().webhooks;
    assert!(hooks.get(tried.id).await.unwrap().unwrap().disabled.is_some(), "by a test");
    let told = world.hook(2, &[Event::Armed]).await;
    world.receiver.answers.lock().unwrap().extend([answer(410), answer(410)]);
    world.parts.faults.fail_next(Call::WebhooksUpdate, 1);
    let process = world.start();
    world.armed().await;
    pass(60).await;
    assert!(hooks.get(told.id).await.unwrap().unwrap().disabled.is_some(), "the table was away at first");
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_new_does_not_wait_for_what_failed() {
    let world = World::new();
    world.hook(1, &[Event::Armed, Event::Pressed]).await;
    let slow = Duration::from_secs(15);
    *world.receiver.answers_after.lock().unwrap() = slow;
    world.receiver.answers.lock().unwrap().extend(std::iter::repeat_n(answer(503), 20));
    let process = world.start();
    let mut armed = world.armed().await;
    for _ in 0..2 {
        pass(1).await;
        let ready = done(armed.disarm());
        armed = done(ready.arm(world.stamp("bea"), Default::default(), Default::default()));
        world.store(&armed).await;
    }
    // Each was tried once, and the first one is being tried again.
    while world.receiver.posts().len() < 4 {
        pass(1).await;
    }
    let pressed_at = world.clock.now();
    world.press(&armed).await;
    pass(120).await;
    let waited = world.receiver.first("campaign.pressed").unwrap().since(pressed_at);
    assert!(waited <= slow + Duration::from_secs(1), "{waited:?}");
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_message_is_sent_follows_it_at_once() {
    let world = World::new();
    world.hook(1, &[Event::Armed, Event::Pressed]).await;
    *world.receiver.answers_after.lock().unwrap() = Duration::from_secs(2);
    let process = world.start();
    let armed = world.armed().await;
    pass(1).await;
    world.press(&armed).await;
    pass(3).await;
    assert_eq!(world.receiver.types(), ["campaign.armed", "campaign.pressed"]);
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_in_which_nothing_waits_is_seldom_read() {
    let world = World::new();
    world.hook(1, &[Event::Armed]).await;
    let process = world.start();
    world.armed().await;
    pass(5).await;
    let before = world.parts.faults.count(Call::WebhooksDeliveries);
    pass(600).await;
    let looks = world.parts.faults.count(Call::WebhooksDeliveries) - before;
    assert!((5..=15).contains(&looks), "{looks}");
    process.stop().await;
}
