//! The press: by many, half-failed, again after minutes, in every later state.

use super::stage::{SHARDS, Stage, who};
use common::campaign::State;
use common::outcome::Outcome;
use contract::memory::Call;
use control::PressResult;
use std::time::Duration;

fn all() -> Vec<u16> {
    (0..SHARDS).collect()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_at_once_press_once() {
    let stage = Stage::armed(100).await;
    let mut presses = tokio::task::JoinSet::new();
    for i in 0..100 {
        let (control, id) = (stage.control.clone(), stage.id);
        presses.spawn(async move { control.press(&who(&format!("m{i}")), id).await.unwrap() });
    }
    let receipts = presses.join_all().await;
    let first: Vec<_> = receipts.iter().filter(|r| r.result == PressResult::Pressed).collect();
    assert_eq!(first.len(), 1);
    assert!(receipts.iter().all(|r| (&r.by, r.at) == (&first[0].by, first[0].at) && r.dispatched == SHARDS));
    assert_eq!(stage.on_queue(), all());
}

/// The queue takes k envelopes and then goes down; the next press, or the reconciler alone, sends the rest.
#[tokio::test(start_paused = true)]
async fn a_press_that_fails_after_k_envelopes_is_completed() {
    for k in 0..SHARDS {
        for by_reconciler in [false, true] {
            let stage = Stage::armed(60).await;
            let faults = stage.parts.faults.clone();
            // Every try of the calls behind the first k envelopes fails; of the call in the middle, some entries do.
            let (whole, part) = (u64::from(k / 10), usize::from(k % 10));
            for nth in 0..40 {
                if nth >= whole {
                    let left: Vec<usize> =
                        if nth == whole { (part..10).collect() } else { (0..10).collect() };
                    faults.fail_entries(Call::ShardsSend, nth, &left);
                }
            }
            let receipt = stage.control.press(&who("first"), stage.id).await.unwrap();
            assert_eq!(receipt.result, PressResult::Pressed);
            assert!(usize::from(receipt.dispatched) == stage.on_queue().len());
            assert!(stage.on_queue().len() < usize::from(SHARDS), "k = {k}: nothing failed");
            faults.clear();
            if by_reconciler {
                stage.control.reconcile().await.unwrap();
            } else {
                let again = stage.control.press(&who("second"), stage.id).await.unwrap();
                assert_eq!((again.result, again.by.as_str()), (PressResult::AlreadyPressed, "first"));
            }
            assert_eq!(stage.on_queue(), all(), "k = {k}");
        }
    }
}

/// The process that wrote the gate dies before its first envelope is through. Another process, which has seen nothing of it, sends
/// them all, and whoever presses there reads who was first.
#[tokio::test(start_paused = true)]
async fn a_process_that_dies_between_gate_and_dispatch_is_finished_by_another() {
    for by_reconciler in [false, true] {
        let stage = Stage::armed(60).await;
        stage.parts.faults.down(Call::ShardsSend, true);
        // Dropped at once, as a process that is killed drops it: long before its repetitions are over.
        let first = who("first");
        let press = stage.control.press(&first, stage.id);
        let killed = tokio::time::timeout(Duration::from_millis(5), press);
        assert!(killed.await.is_err());
        assert_eq!((stage.campaign().await.state, stage.on_queue().len()), (State::Sending, 0));
        stage.parts.faults.clear();
        let other = control::Control::new(stage.parts.backend(), stage.clock.clone());
        if by_reconciler {
            other.reconcile().await.unwrap();
        }
        let again = other.press(&who("second"), stage.id).await.unwrap();
        assert_eq!(
            (again.result, again.by.as_str(), again.dispatched),
            (PressResult::AlreadyPressed, "first", SHARDS)
        );
        assert!(
            again.sentence.starts_with("already pressed by first at ")
                && again.sentence.ends_with("; nothing was sent twice")
        );
        assert_eq!((stage.on_queue(), stage.parts.shards.sent()), (all(), u64::from(SHARDS)));
    }
}

/// Nothing could be written down: the press did not happen, says so, and pressing again is right.
#[tokio::test(start_paused = true)]
async fn a_press_that_the_table_does_not_take_is_said_and_pressed_again() {
    let stage = Stage::armed(60).await;
    stage.parts.faults.down(Call::CampaignsUpdate, true);
    let error = stage.control.press(&who("first"), stage.id).await.unwrap_err();
    assert!(error.to_string().starts_with("campaigns.update is unavailable: "), "{error}");
    assert_eq!((stage.campaign().await.state, stage.on_queue().len()), (State::Armed, 0));
    stage.parts.faults.clear();
    let receipt = stage.control.press(&who("first"), stage.id).await.unwrap();
    assert_eq!((receipt.result, stage.on_queue()), (PressResult::Pressed, all()));
    // The write was done, and only its answer lost: the second press hears of the first.
    let stage = Stage::armed(60).await;
    stage.parts.faults.lose_answer(Call::CampaignsUpdate, 0);
    let first = stage.control.press(&who("first"), stage.id).await;
    let again = stage.control.press(&who("first"), stage.id).await.unwrap();
    assert!(first.is_err() || first.unwrap().at == again.at);
    assert_eq!((stage.on_queue(), stage.parts.shards.sent()), (all(), u64::from(SHARDS)));
}

/// Also when the answer of a call is lost although its envelopes are in: deduplication drops the second ones.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_sends_nothing_twice() {
    let stage = Stage::armed(60).await;
    for nth in 0..3 {
        stage.parts.faults.lose_answer(Call::ShardsSend, nth);
    }
    stage.control.press(&who("first"), stage.id).await.unwrap();
    stage.reconcile_for(Duration::from_secs(2)).await;
    assert_eq!(stage.on_queue(), all());
    assert_eq!(stage.parts.shards.sent(), u64::from(SHARDS));
}

#[tokio::test(start_paused = true)]
async fn pressed_again_after_six_minutes_nothing_is_sent() {
    let stage = Stage::armed(60).await;
    stage.control.press(&who("first"), stage.id).await.unwrap();
    stage.expand_all().await;
    let sent = stage.parts.shards.sent();
    tokio::time::advance(Duration::from_secs(360)).await;
    let again = stage.control.press(&who("second"), stage.id).await.unwrap();
    assert_eq!((again.result, again.state), (PressResult::AlreadyPressed, State::Sending));
    stage.control.reconcile().await.unwrap();
    assert_eq!(stage.parts.shards.sent(), sent);
}

/// Takes everything off the FIFO queue.
async fn take_all(stage: &Stage) {
    let queue = stage.parts.backend().shards;
    loop {
        let got = queue.receive(10, Duration::ZERO, Duration::from_secs(30)).await.unwrap();
        if got.is_empty() {
            break;
        }
        queue.delete(&got.into_iter().map(|g| g.ack).collect::<Vec<_>>()).await.unwrap();
    }
}

/// Deduplication forgets after five minutes: neither side of that a resume loses a shard or sends one twice, also when the
/// answer to its first call is lost and somebody resumes again.
#[tokio::test(start_paused = true)]
async fn resumed_before_and_after_five_minutes_the_rest_is_sent_once() {
    for wait in [1, 299, 301, 360, 3_600] {
        let stage = Stage::armed(60).await;
        stage.control.press(&who("first"), stage.id).await.unwrap();
        take_all(&stage).await;
        stage.expand_all().await;
        let keys = stage.keys();
        for key in &keys[..keys.len() / 2] {
            stage.send(*key, Outcome::Accepted).await;
        }
        stage.control.abort(&who("worried"), stage.id).await.unwrap();
        stage.reconcile_for(Duration::from_secs(3)).await;
        let stopped = stage.campaign().await;
        assert_eq!(stopped.state, State::Stopped);
        let books = stopped.books.as_ref().unwrap();
        assert!(books.accepted > 0 && books.accepted < 60, "{books:?}");
        tokio::time::advance(Duration::from_secs(wait)).await;
        stage.parts.faults.lose_answer(Call::ShardsSend, 0);
        let before = stage.parts.shards.sent();
        stage.control.resume(&who("sre"), stage.id).await.unwrap();
        stage.control.resume(&who("another"), stage.id).await.unwrap();
        stage.reconcile_for(Duration::from_secs(2)).await;
        assert_eq!(
            (stage.on_queue(), stage.parts.shards.sent() - before),
            (all(), u64::from(SHARDS)),
            "{wait}"
        );
        take_all(&stage).await;
        for key in keys {
            stage.send(key, Outcome::Accepted).await;
        }
        stage.expand_all().await;
        stage.reconcile_for(Duration::from_secs(5)).await;
        let done = stage.campaign().await;
        let books = done.books.as_ref().unwrap();
        assert_eq!((done.state, books.accepted, books.doubled_at_most), (State::Done, 60, 0), "{wait}");
    }
}

/// An envelope that vanished from the FIFO queue is sent again as another attempt, once the queue is idle.
#[tokio::test(start_paused = true)]
async fn a_lost_envelope_is_sent_again() {
    let stage = Stage::armed(60).await;
    stage.control.press(&who("first"), stage.id).await.unwrap();
    take_all(&stage).await;
    stage.reconcile_for(Duration::from_secs(5)).await;
    assert!(stage.on_queue().is_empty(), "it may still be on its way");
    stage.reconcile_for(Duration::from_secs(20)).await;
    assert_eq!(stage.on_queue(), all());
}

#[tokio::test(start_paused = true)]
async fn in_every_later_state_a_press_sends_nothing() {
    let stage = Stage::armed(60).await;
    let press = || async { stage.control.press(&who("late"), stage.id).await };
    stage.control.press(&who("first"), stage.id).await.unwrap();
    let sent = stage.parts.shards.sent();
    stage.control.abort(&who("worried"), stage.id).await.unwrap();
    assert_eq!(press().await.unwrap().state, State::Stopping);
    stage.reconcile_for(Duration::from_secs(3)).await;
    assert_eq!(stage.campaign().await.state, State::Stopped);
    assert!(press().await.unwrap_err().to_string().contains("resume"));
    assert_eq!(stage.parts.shards.sent(), sent);
    stage.control.resume(&who("sre"), stage.id).await.unwrap();
    assert_eq!(stage.parts.shards.sent(), 2 * sent);
    for key in stage.keys() {
        stage.send(key, Outcome::Accepted).await;
    }
    stage.expand_all().await;
    stage.reconcile_for(Duration::from_secs(5)).await;
    let done = press().await.unwrap();
    assert_eq!((done.state, done.by.as_str()), (State::Done, "first"));
    assert_eq!(stage.parts.shards.sent(), 2 * sent);
}

#[tokio::test(start_paused = true)]
async fn a_canary_is_one_envelope_a_shard_with_a_scope_and_the_press_asks_for_the_rest() {
    use common::envelope::{Scope, ShardEnvelope};
    let stage = Stage::armed(60).await;
    let scopes = || {
        stage
            .parts
            .shards
            .bodies()
            .iter()
            .map(|b| ShardEnvelope::decode(b).unwrap().scope)
            .collect::<Vec<_>>()
    };
    stage.control.canary(&who("careful"), stage.id).await.unwrap();
    assert_eq!(scopes(), vec![Scope::EveryNth(100); usize::from(SHARDS)]);
    stage.control.canary(&who("careful"), stage.id).await.unwrap();
    assert_eq!(scopes().len(), usize::from(SHARDS));
    stage.control.press(&who("m"), stage.id).await.unwrap();
    assert_eq!(scopes().iter().filter(|s| **s == Scope::Rest).count(), usize::from(SHARDS));
}

#[tokio::test(start_paused = true)]
async fn a_resume_warns_when_nobody_is_there_to_send_and_never_refuses() {
    let stage = Stage::armed(60).await;
    stage.control.press(&who("first"), stage.id).await.unwrap();
    for there in [true, false] {
        stage.control.abort(&who("worried"), stage.id).await.unwrap();
        stage.reconcile_for(Duration::from_secs(10)).await;
        if there {
            stage.beat(|_| {}).await;
        }
        let resumed = stage.control.resume(&who("sre"), stage.id).await.unwrap();
        assert_eq!((resumed.campaign.state, resumed.warning.is_none()), (State::Sending, there));
        assert!(there || resumed.warning.unwrap().contains("no worker is there"));
    }
}
