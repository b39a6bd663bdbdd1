//! The whole worker: lanes on threads, loops, drain.

use crate::testing::{envelope, outcomes, put, targets, verdicts};
use crate::world::{Spec, World};
use async_trait::async_trait;
use common::device::Platform;
use common::fleet::LinkRow;
use common::outcome::Outcome;
use common::ports::{Fleet, Queue};
use common::test_send::Verdict;
use common::time::{Clock, SystemClock, UnixMs};
use push_worker::gateway::{Answer, Answered, Gateway, MaySend, Prepare, Push, Trial};
use push_worker::{MakeGateways, PushConfig, PushWorker};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

struct Sink(Platform, Arc<AtomicU32>, Duration);

#[async_trait(?Send)]
impl Gateway for Sink {
    fn platform(&self) -> Platform {
        self.0
    }
    async fn prepare(&self, _: &Prepare<'_>) -> Result<u32, String> {
        Ok(1)
    }
    async fn send(
        &self,
        pushes: &[Push<'_>],
        _: UnixMs,
        may_send: MaySend<'_>,
        _: Duration,
    ) -> Vec<Answered> {
        let mut answers = Vec::new();
        for push in pushes {
            tokio::time::sleep(self.2).await;
            let answer = if may_send() { Answer::Accepted } else { Answer::NotSent };
            if answer == Answer::Accepted {
                self.1.fetch_add(1, Ordering::SeqCst);
            }
            answers.push(Answered { place: push.place, answer, at: SystemClock::default().now() });
        }
        answers
    }
    fn link(&self) -> LinkRow {
        LinkRow {
            gateway: self.0.label().to_owned(),
            connections: 1,
            streams: 1,
            quota_per_s: None,
            credentials_until: None,
            trouble: None,
        }
    }
    fn is_rehearsal(&self) -> bool {
        true
    }
    async fn close(&self) {}
}

fn sinks(sent: &Arc<AtomicU32>, pause: Duration) -> MakeGateways {
    let sent = Arc::clone(sent);
    Arc::new(move || {
        let sink = |p| -> Box<dyn Gateway> { Box::new(Sink(p, Arc::clone(&sent), pause)) };
        Platform::ALL.map(sink).into_iter().collect()
    })
}

async fn until(mut met: impl AsyncFnMut() -> bool) {
    let all = async {
        while !met().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("the condition is met in time");
}

async fn accepted(world: &World) -> usize {
    let records = world.records().await;
    records.iter().flat_map(|r| r.outcomes()).filter(|(o, _)| *o == Outcome::Accepted).count()
}

/// On the real clock: lanes have runtimes of their own.
async fn world(users: u32) -> World {
    World::on(Arc::new(SystemClock::default()), Spec { users, batch_users: 50, ..Spec::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_prepare_drain_everything_and_leave() {
    let mut world = world(5_000).await;
    let sent = Arc::new(AtomicU32::new(0));
    let config = PushConfig { lanes: 2, ..PushConfig::default() };
    let clock = Arc::clone(&world.clock);
    let worker =
        Arc::new(PushWorker::new(world.parts.backend(), clock, config, sinks(&sent, Duration::ZERO)));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&worker).run(shutdown.clone()));
    let fleet = Arc::clone(&world.parts.fleet);
    until(async || fleet.workers(UnixMs(0)).await.expect("rows").iter().any(|r| r.ready)).await;
    world.arm().await;
    world.press().await;
    world.send_batches().await;
    until(async || world.parts.batches.depth().await.expect("depth").is_empty()).await;
    shutdown.cancel();
    running.await.expect("no panic");
    assert_eq!((accepted(&world).await, sent.load(Ordering::SeqCst)), (5_000, 5_000));
    assert!(fleet.workers(UnixMs(0)).await.expect("rows").is_empty(), "it left");
    let rows = fleet.counters(world.campaign.id, 0).await.expect("rows");
    assert_eq!(rows.iter().flat_map(|r| &r.outcomes).map(|(_, n)| n).sum::<u32>(), 5_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_draining_worker_cannot_finish_is_put_back_for_the_next() {
    let mut world = world(1_000).await;
    world.arm().await;
    world.press().await;
    world.send_batches().await;
    let sent = Arc::new(AtomicU32::new(0));
    let config = PushConfig { lanes: 1, drain: Duration::from_millis(2_050), ..PushConfig::default() };
    let (backend, clock) = (world.parts.backend(), Arc::clone(&world.clock));
    let slow = sinks(&sent, Duration::from_millis(10));
    let worker = Arc::new(PushWorker::new(backend.clone(), Arc::clone(&clock), config.clone(), slow));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&worker).run(shutdown.clone()));
    until(async || sent.load(Ordering::SeqCst) > 100).await;
    shutdown.cancel();
    running.await.expect("no panic");
    let first = sent.load(Ordering::SeqCst);
    assert!(first < 1_000, "it was stopped on its way");
    assert_eq!(accepted(&world).await, first as usize, "what was sent is written down");
    let fast = sinks(&sent, Duration::ZERO);
    let next = Arc::new(PushWorker::new(backend, clock, config, fast));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&next).run(shutdown.clone()));
    until(async || world.parts.batches.depth().await.expect("depth").is_empty()).await;
    shutdown.cancel();
    running.await.expect("no panic");
    assert_eq!((accepted(&world).await, sent.load(Ordering::SeqCst)), (1_000, 1_000), "and nobody twice");
    assert_eq!(world.records().await.iter().map(|r| r.doubled_at_most).sum::<u32>(), 0);
}

/// Takes everything and reads nothing: what it was given ends with a fence only.
struct Deaf(Sink, tokio::sync::Notify);

#[async_trait(?Send)]
impl Gateway for Deaf {
    fn platform(&self) -> Platform {
        self.0.platform()
    }
    async fn prepare(&self, what: &Prepare<'_>) -> Result<u32, String> {
        self.0.prepare(what).await
    }
    async fn send(&self, pushes: &[Push<'_>], _: UnixMs, _: MaySend<'_>, _: Duration) -> Vec<Answered> {
        self.0.1.fetch_add(u32::try_from(pushes.len()).expect("few"), Ordering::SeqCst);
        self.1.notified().await;
        let at = SystemClock::default().now();
        pushes.iter().map(|p| Answered { place: p.place, answer: Answer::Ambiguous, at }).collect()
    }
    fn fence(&self, within: Duration) {
        assert!(within < Duration::from_secs(1), "{within:?}");
        self.1.notify_waiters();
    }
    fn link(&self) -> LinkRow {
        self.0.link()
    }
    fn is_rehearsal(&self) -> bool {
        true
    }
    async fn close(&self) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_no_gateway_that_does_not_read() {
    let mut world = world(100).await;
    world.arm().await;
    world.press().await;
    world.send_batches().await;
    let sent = Arc::new(AtomicU32::new(0));
    let config = PushConfig { lanes: 1, patience: Duration::from_secs(3_600), ..PushConfig::default() };
    let (make, clock) = (Arc::clone(&sent), Arc::clone(&world.clock));
    let deaf: MakeGateways = Arc::new(move || {
        let of = |p| Deaf(Sink(p, Arc::clone(&make), Duration::ZERO), tokio::sync::Notify::new());
        Platform::ALL.map(|p| -> Box<dyn Gateway> { Box::new(of(p)) }).into_iter().collect()
    });
    let worker = Arc::new(PushWorker::new(world.parts.backend(), clock, config, deaf));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&worker).run(shutdown.clone()));
    until(async || sent.load(Ordering::SeqCst) == 100).await;
    world.abort().await;
    let ambiguous = async || {
        let records = world.records().await;
        records.iter().flat_map(|r| r.outcomes()).filter(|(o, _)| *o == Outcome::Ambiguous).count()
    };
    until(async || ambiguous().await == 100).await;
    shutdown.cancel();
    running.await.expect("no panic");
}

/// Breaks its lane as it is prepared, as a mistake of ours would.
struct Breaking(Sink);

#[async_trait(?Send)]
impl Gateway for Breaking {
    fn platform(&self) -> Platform {
        self.0.platform()
    }
    async fn prepare(&self, _: &Prepare<'_>) -> Result<u32, String> {
        unreachable!("this lane is broken by its test")
    }
    async fn send(&self, _: &[Push<'_>], _: UnixMs, _: MaySend<'_>, _: Duration) -> Vec<Answered> {
        Vec::new()
    }
    fn link(&self) -> LinkRow {
        self.0.link()
    }
    fn is_rehearsal(&self) -> bool {
        true
    }
    async fn close(&self) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_breaks_is_said_and_the_others_send_everything() {
    let mut world = world(2_000).await;
    let (sent, lanes) = (Arc::new(AtomicU32::new(0)), AtomicU32::new(0));
    let good = sinks(&sent, Duration::ZERO);
    let make: MakeGateways = Arc::new(move || match lanes.fetch_add(1, Ordering::SeqCst) {
        0 => vec![Box::new(Breaking(Sink(Platform::Apns, Arc::default(), Duration::ZERO)))],
        _ => good(),
    });
    let config = PushConfig { lanes: 2, ..PushConfig::default() };
    let worker = Arc::new(PushWorker::new(world.parts.backend(), Arc::clone(&world.clock), config, make));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&worker).run(shutdown.clone()));
    tokio::time::timeout(Duration::from_secs(30), worker.broken()).await.expect("it asks to be replaced");
    until(async || worker.row().trouble.is_some_and(|t| t.ends_with("broke: restart this worker"))).await;
    assert!(!worker.row().ready);
    world.arm().await;
    world.press().await;
    world.send_batches().await;
    until(async || world.parts.batches.depth().await.expect("depth").is_empty()).await;
    shutdown.cancel();
    running.await.expect("no panic");
    assert_eq!((accepted(&world).await, sent.load(Ordering::SeqCst)), (2_000, 2_000));
}

/// Its twins are not answered before they are closed.
struct Silent {
    platform: Platform,
    sending: Arc<AtomicU32>,
    closed: CancellationToken,
}

#[async_trait(?Send)]
impl Gateway for Silent {
    fn platform(&self) -> Platform {
        self.platform
    }
    async fn prepare(&self, _: &Prepare<'_>) -> Result<u32, String> {
        Ok(1)
    }
    async fn send(&self, pushes: &[Push<'_>], _: UnixMs, _: MaySend<'_>, _: Duration) -> Vec<Answered> {
        self.sending.fetch_add(1, Ordering::SeqCst);
        self.closed.cancelled().await;
        let at = SystemClock::default().now();
        // One of them was answered: that is not to be lost.
        let answer = |place| if place == 0 { Answer::Accepted } else { Answer::Ambiguous };
        pushes.iter().map(|p| Answered { place: p.place, answer: answer(p.place), at }).collect()
    }
    fn twin(&self, _: Trial) -> Option<Box<dyn Gateway>> {
        let (platform, sending) = (self.platform, Arc::clone(&self.sending));
        Some(Box::new(Self { platform, sending, closed: CancellationToken::new() }))
    }
    fn link(&self) -> LinkRow {
        Sink(self.platform, Arc::default(), Duration::ZERO).link()
    }
    fn is_rehearsal(&self) -> bool {
        true
    }
    async fn close(&self) {
        self.closed.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_to_end_closes_a_tests_gateways_and_tells_what_it_knows() {
    let world = world(100).await;
    let test = envelope(&world, &targets(&world), false);
    put(&world, &test).await;
    let sending = Arc::new(AtomicU32::new(0));
    let made = Arc::clone(&sending);
    let make: MakeGateways = Arc::new(move || {
        let silent = |platform| -> Box<dyn Gateway> {
            Box::new(Silent { platform, sending: Arc::clone(&made), closed: CancellationToken::new() })
        };
        Platform::ALL.map(silent).into_iter().collect()
    });
    let config = PushConfig { lanes: 1, ..PushConfig::default() };
    let worker = PushWorker::new(world.parts.backend(), Arc::clone(&world.clock), config, make);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::new(worker).run(shutdown.clone()));
    until(async || sending.load(Ordering::SeqCst) == 2).await;
    shutdown.cancel();
    running.await.expect("no panic");
    let told = verdicts(&outcomes(&world, &test).expect("told"));
    assert_eq!((told[0], &told[1..]), (Verdict::Accepted, &[Verdict::NoAnswer; 4][..]));
}
