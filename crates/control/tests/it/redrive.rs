//! Dead letters: what lasts goes back, what is over goes away, what can't be read stays.

use super::stage::{Stage, who};
use common::envelope::{BatchEnvelope, FifoKey, NewEnvelope, ShardEnvelope};
use common::fleet::Expected;
use common::ids::{BatchKey, BatchNo};
use common::limits::RECEIVES_MAX;
use common::ports::Queue;
use contract::memory::MemoryQueue;
use control::{Light, RedriveRequest, Redriven};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// Receives everything on the queue until it is a dead letter.
async fn let_die(queue: &MemoryQueue) {
    for _ in 0..RECEIVES_MAX {
        let got = queue.receive(10, Duration::ZERO, LONG).await.unwrap();
        let acks: Vec<_> = got.into_iter().map(|r| r.ack).collect();
        queue.hide(&acks, Duration::ZERO).await.unwrap();
    }
    assert!(queue.receive(10, Duration::ZERO, LONG).await.unwrap().is_empty());
}

/// A pressed campaign: one batch envelope, one shard envelope and one piece of rubbish are dead letters.
async fn with_dead_letters() -> Stage {
    let stage = Stage::armed(10).await;
    stage.control.press(&who("marta"), stage.id).await.unwrap();
    let first = stage.parts.shards.bodies().remove(0);
    let shard = ShardEnvelope::decode(&first).unwrap();
    let no = stage.shards.iter().position(|s| s.batches() > 0).unwrap();
    let body = stage.shards[no].batch(BatchNo(0)).unwrap();
    let batch = BatchEnvelope {
        head: shard.head.clone(),
        key: BatchKey { shard: stage.shards[no].shard, number: BatchNo(0) },
        attempt: 0,
        only: Vec::new(),
        devices: u16::try_from(common::envelope::BatchBody::new(&body).devices().count()).unwrap(),
        body,
    };
    let rubbish = NewEnvelope::plain("no envelope".into());
    stage.parts.batches.send(&[NewEnvelope::plain(batch.encode()), rubbish]).await.unwrap();
    let_die(&stage.parts.batches).await;
    take_all(&stage.parts.shards).await;
    let fifo = Some(FifoKey { group: "g".into(), dedup: "d".into() });
    stage.parts.shards.send(&[NewEnvelope { fifo, ..NewEnvelope::plain(first) }]).await.unwrap();
    let_die(&stage.parts.shards).await;
    stage
}

/// Takes the press's own envelopes off the queue.
async fn take_all(queue: &MemoryQueue) {
    loop {
        let got = queue.receive(10, Duration::ZERO, LONG).await.unwrap();
        if got.is_empty() {
            return;
        }
        let acks: Vec<_> = got.into_iter().map(|r| r.ack).collect();
        queue.delete(&acks).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_run_lasts_batches_go_back() {
    let stage = with_dead_letters().await;
    let dry = RedriveRequest { dry_run: true, ..RedriveRequest::default() };
    let want = Redriven { put_back: 1, redispatched: 1, unreadable: 1, ..Redriven::default() };
    assert_eq!(stage.control.redrive(&who("sre"), &dry).await.unwrap(), want);
    assert_eq!(
        (stage.parts.batches.dead().len(), stage.parts.shards.dead().len()),
        (2, 1),
        "a dry run changes nothing"
    );
    assert!(stage.parts.batches.bodies().is_empty());
    tokio::time::sleep(LONG).await;
    assert_eq!(stage.control.redrive(&who("sre"), &RedriveRequest::default()).await.unwrap(), want);
    assert_eq!(stage.parts.batches.bodies().len(), 1);
    assert_eq!((stage.parts.batches.dead().len(), stage.parts.shards.dead().len()), (1, 0));
    tokio::time::sleep(LONG).await;
    let all = RedriveRequest { discard_unreadable: true, ..RedriveRequest::default() };
    let want = Redriven { unreadable: 1, ..Redriven::default() };
    assert_eq!(stage.control.redrive(&who("sre"), &all).await.unwrap(), want);
    assert!(stage.parts.batches.dead().is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_nothing_goes_back() {
    let stage = with_dead_letters().await;
    let deadline = stage.campaign().await.runs[0].deadline_at;
    tokio::time::sleep(deadline.since(stage.clock.now()) + Duration::from_secs(1)).await;
    let done = stage.control.redrive(&who("sre"), &RedriveRequest::default()).await.unwrap();
    assert_eq!(done, Redriven { over: 2, unreadable: 1, ..Redriven::default() });
    assert!(stage.parts.batches.bodies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_does_not_take_stays() {
    let stage = with_dead_letters().await;
    stage.parts.faults.fail_entries(contract::memory::Call::BatchesSend, 0, &[0]);
    let done = stage.control.redrive(&who("sre"), &RedriveRequest::default()).await.unwrap();
    assert_eq!((done.put_back, done.failed), (0, 1));
    assert_eq!(stage.parts.batches.dead().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_dead_letters_there_is_nothing_to_do() {
    let stage = Stage::armed(10).await;
    let done = stage.control.redrive(&who("sre"), &RedriveRequest::default()).await.unwrap();
    assert_eq!(done, Redriven::default());
}

#[tokio::test(start_paused = true)]
async fn a_poison_envelope_is_said_while_it_is_sent() {
    let stage = with_dead_letters().await;
    let checks = stage.control.preflight(stage.id, &Expected::default()).await.unwrap().checks;
    let queues = checks.into_iter().find(|c| c.name == "queues_empty").unwrap();
    assert_eq!(
        (queues.light, queues.sentence.as_str()),
        (Light::Amber, "3 dead letters: `owl redrive --dry-run` says what they are")
    );
}
