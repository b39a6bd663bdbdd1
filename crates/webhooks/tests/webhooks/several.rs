//! Several processes over one store, and processes that die.

use super::world::{World, pass};
use common::time::Clock;
use common::webhook::delivery::LEASE;
use common::webhook::{Event, Progress};

#[tokio::test(start_paused = true)]
async fn two_processes_tell_everything_once() {
    let world = World::new();
    let hook = world.hook(1, &Event::CAMPAIGN).await;
    let processes = [world.start(), world.start(), world.start()];
    let armed = world.armed().await;
    pass(2).await;
    let sending = world.press(&armed).await;
    pass(2).await;
    world.finish(&sending).await;
    pass(600).await;
    let mut types = world.receiver.types();
    types.sort();
    assert_eq!(types, ["campaign.armed", "campaign.done", "campaign.half", "campaign.pressed"]);
    assert!(world.log(&hook).await.iter().all(|d| d.attempts == 1));
    for process in processes {
        process.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_was_sending_is_sent_again_under_the_same_id() {
    let world = World::new();
    let hook = world.hook(1, &[Event::Armed]).await;
    world.receiver.hangs.lock().unwrap().insert(hook.url.clone());
    let first = world.start();
    world.armed().await;
    pass(3).await;
    assert_eq!(world.receiver.posts().len(), 1);
    first.kill();
    world.receiver.hangs.lock().unwrap().clear();
    let second = world.start();
    pass(3).await;
    assert_eq!(world.receiver.posts().len(), 1, "the dead one's lease lasts");
    pass(LEASE.as_secs() + 6).await;
    let posts = world.receiver.posts();
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0].id, posts[1].id);
    assert!(matches!(world.log(&hook).await[0].progress, Progress::Delivered { .. }));
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_gives_up_its_attempt_and_another_goes_on() {
    let world = World::new();
    let hook = world.hook(1, &[Event::Armed]).await;
    world.receiver.hangs.lock().unwrap().insert(hook.url.clone());
    let first = world.start();
    world.armed().await;
    pass(3).await;
    let asked = world.clock.now();
    first.stop().await;
    assert!(world.clock.now().since(asked).as_secs() <= 3, "it does not wait for the receiver");
    let left = world.log(&hook).await.remove(0);
    assert_eq!((left.attempts, left.held_until, left.last), (0, None, None), "no attempt is used up");
    world.receiver.hangs.lock().unwrap().clear();
    let second = world.start();
    pass(12).await;
    assert_eq!(world.receiver.posts().len(), 2);
    second.stop().await;
}
