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
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a gateway does with what it is given.
enum Manner {
    /// Accepts one after the other, this long after the one before.
    Accepts(Duration),
    /// Takes everything and reads nothing: what it was given ends with a fence only.
    Deaf(Notify),
    /// Breaks its lane as it is prepared, as a mistake of ours would.
    Breaks,
    /// Its twins are not answered before they are closed.
    Silent(CancellationToken),
}

struct Stub {
    platform: Platform,
    manner: Manner,
    /// Pushes that it took.
    sent: Arc<AtomicU32>,
}

impl Stub {
    fn took(&self, pushes: usize) {
        self.sent.fetch_add(u32::try_from(pushes).expect("few"), Ordering::SeqCst);
    }
}

fn answered(push: &Push<'_>, answer: Answer) -> Answered {
    Answered { place: push.place, answer, at: SystemClock::default().now() }
}

#[async_trait(?Send)]
impl Gateway for Stub {
    fn platform(&self) -> Platform {
        self.platform
    }
    async fn prepare(&self, _: &Prepare<'_>) -> Result<u32, String> {
        assert!(!matches!(self.manner, Manner::Breaks), "this lane is broken by its test");
        Ok(1)
    }
    async fn send(
        &self,
        pushes: &[Push<'_>],
        _: UnixMs,
        may_send: MaySend<'_>,
        _: Duration,
    ) -> Vec<Answered> {
        match &self.manner {
            Manner::Accepts(pause) => {
                let mut answers = Vec::new();
                for push in pushes {
                    tokio::time::sleep(*pause).await;
                    let answer = if may_send() { Answer::Accepted } else { Answer::NotSent };
                    self.took(usize::from(answer == Answer::Accepted));
                    answers.push(answered(push, answer));
                }
                answers
            }
            Manner::Deaf(fenced) => {
                self.took(pushes.len());
                fenced.notified().await;
                pushes.iter().map(|p| answered(p, Answer::Ambiguous)).collect()
            }
            Manner::Breaks => Vec::new(),
            Manner::Silent(closed) => {
                self.took(pushes.len());
                closed.cancelled().await;
                // One of them was answered: that is not to be lost.
                let answer = |place| if place == 0 { Answer::Accepted } else { Answer::Ambiguous };
                pushes.iter().map(|p| answered(p, answer(p.place))).collect()
            }
        }
    }
    fn fence(&self, within: Duration) {
        if let Manner::Deaf(fenced) = &self.manner {
            assert!(within < Duration::from_secs(1), "{within:?}");
            fenced.notify_waiters();
        }
    }
    fn twin(&self, _: Trial) -> Option<Box<dyn Gateway>> {
        let Manner::Silent(_) = self.manner else { return None };
        let (platform, sent) = (self.platform, Arc::clone(&self.sent));
        Some(Box::new(Self { platform, manner: Manner::Silent(CancellationToken::new()), sent }))
    }
    fn link(&self) -> LinkRow {
        LinkRow {
            gateway: self.platform.label().to_owned(),
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
    async fn close(&self) {
        if let Manner::Silent(closed) = &self.manner {
            closed.cancel();
        }
    }
}

/// One for each platform, which count together.
fn stubs(sent: &Arc<AtomicU32>, manner: impl Fn() -> Manner + Send + Sync + 'static) -> MakeGateways {
    let sent = Arc::clone(sent);
    Arc::new(move || {
        let stub = |platform| -> Box<dyn Gateway> {
            Box::new(Stub { platform, manner: manner(), sent: Arc::clone(&sent) })
        };
        Platform::ALL.map(stub).into_iter().collect()
    })
}

/// Those that accept everything.
fn sinks(sent: &Arc<AtomicU32>, pause: Duration) -> MakeGateways {
    stubs(sent, move || Manner::Accepts(pause))
}

/// A worker that runs.
struct Running {
    worker: Arc<PushWorker>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn begin(world: &World, config: PushConfig, gateways: MakeGateways) -> Self {
        let clock = Arc::clone(&world.clock);
        let worker = Arc::new(PushWorker::new(world.parts.backend(), clock, config, gateways));
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&worker).run(shutdown.clone()));
        Self { worker, shutdown, task }
    }

    /// As SIGTERM does.
    async fn end(self) {
        self.shutdown.cancel();
        self.task.await.expect("no panic");
    }
}

async fn until(mut met: impl AsyncFnMut() -> bool) {
    let all = async {
        while !met().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("the condition is met in time");
}

async fn until_the_queue_is_empty(world: &World) {
    until(async || world.parts.batches.depth().await.expect("depth").is_empty()).await;
}

/// Devices with this outcome in the ledger.
async fn count(world: &World, outcome: Outcome) -> usize {
    let records = world.records().await;
    records.iter().flat_map(|r| r.outcomes()).filter(|(o, _)| *o == outcome).count()
}

/// On the real clock: lanes have runtimes of their own.
async fn world(users: u32) -> World {
    World::on(Arc::new(SystemClock::default()), Spec { users, batch_users: 50, ..Spec::default() }).await
}

/// Pressed, every batch on the queue.
async fn press(world: &mut World) {
    world.arm().await;
    world.press().await;
    world.send_batches().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_prepare_drain_everything_and_leave() {
    let mut world = world(5_000).await;
    let sent = Arc::new(AtomicU32::new(0));
    let config = PushConfig { lanes: 2, ..PushConfig::default() };
    let running = Running::begin(&world, config, sinks(&sent, Duration::ZERO));
    let fleet = Arc::clone(&world.parts.fleet);
    until(async || fleet.workers(UnixMs(0)).await.expect("rows").iter().any(|r| r.ready)).await;
    press(&mut world).await;
    until_the_queue_is_empty(&world).await;
    running.end().await;
    assert_eq!((count(&world, Outcome::Accepted).await, sent.load(Ordering::SeqCst)), (5_000, 5_000));
    assert!(fleet.workers(UnixMs(0)).await.expect("rows").is_empty(), "it left");
    let rows = fleet.counters(world.campaign.id, 0).await.expect("rows");
    assert_eq!(rows.iter().flat_map(|r| &r.outcomes).map(|(_, n)| n).sum::<u32>(), 5_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_draining_worker_cannot_finish_is_put_back_for_the_next() {
    let mut world = world(1_000).await;
    press(&mut world).await;
    let sent = Arc::new(AtomicU32::new(0));
    let config = PushConfig { lanes: 1, drain: Duration::from_millis(2_050), ..PushConfig::default() };
    let slow = Running::begin(&world, config.clone(), sinks(&sent, Duration::from_millis(10)));
    until(async || sent.load(Ordering::SeqCst) > 100).await;
    slow.end().await;
    let first = sent.load(Ordering::SeqCst);
    assert!(first < 1_000, "it was stopped on its way");
    assert_eq!(count(&world, Outcome::Accepted).await, first as usize, "what was sent is written down");
    let fast = Running::begin(&world, config, sinks(&sent, Duration::ZERO));
    until_the_queue_is_empty(&world).await;
    fast.end().await;
    let accepted = count(&world, Outcome::Accepted).await;
    assert_eq!((accepted, sent.load(Ordering::SeqCst)), (1_000, 1_000), "and nobody twice");
    assert_eq!(world.records().await.iter().map(|r| r.doubled_at_most).sum::<u32>(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_no_gateway_that_does_not_read() {
    let mut world = world(100).await;
    press(&mut world).await;
    let sent = Arc::new(AtomicU32::new(0));
    let config = PushConfig { lanes: 1, patience: Duration::from_secs(3_600), ..PushConfig::default() };
    let running = Running::begin(&world, config, stubs(&sent, || Manner::Deaf(Notify::new())));
    until(async || sent.load(Ordering::SeqCst) == 100).await;
    world.abort().await;
    until(async || count(&world, Outcome::Ambiguous).await == 100).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_breaks_is_said_and_the_others_send_everything() {
    let mut world = world(2_000).await;
    let (sent, lanes) = (Arc::new(AtomicU32::new(0)), AtomicU32::new(0));
    let (good, broken) = (sinks(&sent, Duration::ZERO), stubs(&sent, || Manner::Breaks));
    let make: MakeGateways = Arc::new(move || match lanes.fetch_add(1, Ordering::SeqCst) {
        0 => broken(),
        _ => good(),
    });
    let running = Running::begin(&world, PushConfig { lanes: 2, ..PushConfig::default() }, make);
    let worker = &running.worker;
    tokio::time::timeout(Duration::from_secs(30), worker.broken()).await.expect("it asks to be replaced");
    until(async || worker.row().trouble.is_some_and(|t| t.ends_with("broke: restart this worker"))).await;
    assert!(!worker.row().ready);
    press(&mut world).await;
    until_the_queue_is_empty(&world).await;
    running.end().await;
    assert_eq!((count(&world, Outcome::Accepted).await, sent.load(Ordering::SeqCst)), (2_000, 2_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_to_end_closes_a_tests_gateways_and_tells_what_it_knows() {
    let world = world(100).await;
    let test = envelope(&world, &targets(&world), false);
    put(&world, &test).await;
    let sent = Arc::new(AtomicU32::new(0));
    let silent = stubs(&sent, || Manner::Silent(CancellationToken::new()));
    let running = Running::begin(&world, PushConfig { lanes: 1, ..PushConfig::default() }, silent);
    // The gateways of both platforms have theirs.
    until(async || sent.load(Ordering::SeqCst) == 5).await;
    running.end().await;
    let told = verdicts(&outcomes(&world, &test).expect("told"));
    assert_eq!((told[0], &told[1..]), (Verdict::Accepted, &[Verdict::NoAnswer; 4][..]));
}
