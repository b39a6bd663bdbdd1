//! The queues with a fifth of all requests going wrong in between: what was answered `Ok` is true, and nothing is lost.

use crate::queues::fresh_queues;
use crate::standin::endpoint;
use aws::sqs::{Kind, open_queue};
use aws::standin::{Fault, FaultProxy, Faults};
use aws::{AwsConfig, Clients};
use bytes::Bytes;
use common::envelope::{FifoKey, NewEnvelope};
use common::ports::{EntryResult, PortError, Queue, Received};
use futures::future::join_all;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ENVELOPES: u32 = 400;
const HIDDEN: Duration = Duration::from_secs(60);

/// A queue behind a proxy, impatient so that a hanging request costs little, and the same one with time for a busy stand-in.
async fn behind_a_proxy(kind: Kind) -> (FaultProxy, [Arc<dyn Queue>; 2]) {
    let proxy = FaultProxy::start(endpoint()).await.unwrap();
    let patient = fresh_queues(proxy.endpoint()).await;
    let impatient = AwsConfig {
        connect_timeout_ms: 500,
        attempt_timeout_ms: 500,
        operation_timeout_ms: 2_000,
        ..patient.clone()
    };
    let open =
        async |config: &AwsConfig| open_queue(&Clients::new(config).await, config, kind).await.unwrap();
    (proxy, [open(&impatient).await, open(&patient).await])
}

fn envelope(kind: Kind, n: u32) -> NewEnvelope {
    let fifo = || FifoKey { group: format!("g{n}"), dedup: format!("d{n}") };
    NewEnvelope { fifo: (kind == Kind::Fifo).then(fifo), ..NewEnvelope::plain(body(n)) }
}

fn body(n: u32) -> Bytes {
    n.to_le_bytes().to_vec().into()
}

fn a_fifth(seed: u64) -> Faults {
    Faults { seed, percent: 20, of: Fault::ALL.to_vec() }
}

/// What was answered `Ok` of calls of ten, side by side, each call once.
async fn oks<T: Sync, F>(items: &[T], call: impl Fn(Vec<usize>) -> F) -> Vec<usize>
where
    F: Future<Output = Result<Vec<EntryResult>, PortError>>,
{
    let places: Vec<usize> = (0..items.len()).collect();
    let calls = places.chunks(10).map(|ten| async {
        let answers = call(ten.to_vec()).await;
        // A refusal would be final: a fault is never one.
        if let Err(error) = &answers {
            assert!(error.is_transient(), "{error}");
        }
        let answers = answers.unwrap_or_default();
        ten.iter().zip(answers).filter(|(_, a)| *a == EntryResult::Ok).map(|(n, _)| *n).collect::<Vec<_>>()
    });
    join_all(calls).await.concat()
}

/// Everything that is visible, with nothing going wrong.
async fn drained(queue: &Arc<dyn Queue>) -> Vec<Received> {
    let mut all = Vec::new();
    loop {
        let got = queue.receive(10, Duration::from_secs(1), HIDDEN).await.unwrap();
        if got.is_empty() {
            return all;
        }
        all.extend(got);
    }
}

fn bodies(all: &[Received]) -> BTreeSet<Bytes> {
    all.iter().map(|r| r.body.clone()).collect()
}

async fn ok_is_true(kind: Kind, seed: u64) {
    let (proxy, [queue, patient]) = behind_a_proxy(kind).await;
    let all: Vec<_> = (0..ENVELOPES).map(|n| envelope(kind, n)).collect();
    proxy.set(Some(a_fifth(seed)));
    let mut sent = BTreeSet::new();
    let once = oks(&all, |ten| {
        let call: Vec<_> = ten.iter().map(|n| all[*n].clone()).collect();
        let queue = queue.clone();
        async move { queue.send(&call).await }
    });
    sent.extend(once.await);
    proxy.set(None);
    let got = drained(&patient).await;
    let there = bodies(&got);
    let lost: Vec<_> = sent.iter().filter(|n| !there.contains(&all[**n].body)).collect();
    assert!(lost.is_empty(), "answered Ok, and not there: {lost:?}");
    if kind == Kind::Fifo {
        assert_eq!(there.len(), got.len(), "a repeated send put an envelope in twice");
    }

    proxy.set(Some(a_fifth(seed + 1)));
    let deleted = oks(&got, |ten| {
        let acks: Vec<_> = ten.iter().map(|n| got[*n].ack.clone()).collect();
        let queue = queue.clone();
        async move { queue.delete(&acks).await }
    })
    .await;
    proxy.set(None);
    let depth = patient.depth().await.unwrap();
    let left = got.len() - deleted.len();
    assert!(depth.in_flight <= left as u64, "{depth:?}, and {left} were not answered Ok");
    let (seen, done) = proxy.counts();
    println!(
        "{kind:?}: {} of {} sent, {} deleted, {seen} requests, {done:?}",
        sent.len(),
        all.len(),
        deleted.len()
    );
    assert!(done.len() >= 5, "too few kinds of faults to say anything: {done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fifo_queue_answers_is_true_when_a_fifth_goes_wrong() {
    ok_is_true(Kind::Fifo, 11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_standard_queue_answers_is_true_when_a_fifth_goes_wrong() {
    ok_is_true(Kind::Standard, 12).await;
}

/// Sends until every entry is in, as the interim worker does.
async fn send_all(queue: &Arc<dyn Queue>, mut call: Vec<NewEnvelope>) {
    while !call.is_empty() {
        let answers = queue.send(&call).await.unwrap_or_default();
        let mut answers = answers.into_iter();
        call.retain(|_| answers.next() != Some(EntryResult::Ok));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_a_fifth_goes_wrong() {
    let (proxy, [queue, _]) = behind_a_proxy(Kind::Standard).await;
    proxy.set(Some(a_fifth(13)));
    let all: Vec<_> = (0..ENVELOPES).map(|n| envelope(Kind::Standard, n)).collect();
    join_all(all.chunks(10).map(|ten| send_all(&queue, ten.to_vec()))).await;
    let (mut seen, began) = (BTreeSet::new(), Instant::now());
    while seen.len() < all.len() && began.elapsed() < Duration::from_secs(60) {
        let wait = Duration::from_secs(1);
        let rounds = (0..4).map(|_| queue.receive(10, wait, Duration::from_secs(3)));
        for got in join_all(rounds).await.into_iter().flatten() {
            seen.extend(bodies(&got));
            let acks: Vec<_> = got.iter().map(|r| r.ack.clone()).collect();
            // What is not deleted comes back, and is no news then.
            drop(queue.delete(&acks).await);
        }
    }
    assert_eq!(seen.len(), all.len(), "handed out at least once");
}

#[tokio::test]
async fn throttling_ends_with_the_last_attempt_and_says_so() {
    let (proxy, [_, queue]) = behind_a_proxy(Kind::Standard).await;
    proxy.set(Some(Faults { seed: 1, percent: 100, of: vec![Fault::Throttle] }));
    let before = proxy.counts().0;
    let error = queue.send(&[envelope(Kind::Standard, 1)]).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("RequestThrottled"), "{error}");
    assert_eq!(proxy.counts().0 - before, 4, "attempts");
}

#[tokio::test]
async fn every_attempt_is_counted_by_what_it_came_to() {
    use telemetry::metrics::{AWS_CALLS, AwsClass, AwsOperation};
    let (proxy, [queue, _]) = behind_a_proxy(Kind::Fifo).await;
    // No other test asks for attributes while something goes wrong, so nobody else counts here.
    let count = |class| AWS_CALLS.total((AwsOperation::SqsAttributes, class));
    for (fault, class) in [
        (Fault::Throttle, AwsClass::Throttled),
        (Fault::Hang, AwsClass::TimedOut),
        (Fault::Cut, AwsClass::Unreachable),
        (Fault::ServerError, AwsClass::Broken),
    ] {
        let before = count(class);
        proxy.set(Some(Faults { seed: 1, percent: 100, of: vec![fault] }));
        assert!(queue.depth().await.is_err());
        assert!(count(class) >= before + 2, "{fault:?} is not counted as {class:?}, attempt by attempt");
    }
}
