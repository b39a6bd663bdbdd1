//! Notifiers on paused time, on one backend in memory, with a receiver that answers as it is told.

use async_trait::async_trait;
use common::campaign::{Campaign, Decision, ListFormat, Options, SnapshotRef, Stamp, Upload};
use common::content::Content;
use common::fleet::{Expect, Slot};
use common::ids::SnapshotId;
use common::ports::Written;
use common::report::{Books, Times};
use common::time::{Clock, UnixMs};
use common::webhook::{Came, Delivery, Event, HookId, HookSecret, Webhook};
use contract::memory::{MemoryParts, TokioClock};
use control::Control;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use webhooks::{Notifier, Post, Sender};

pub(super) const NOW: UnixMs = UnixMs(1_770_593_465_120);

pub(super) fn answer(status: u16) -> Came {
    Came::Answer { status, retry_after: None, text: String::new() }
}

/// A receiver: answers in turn as it was told, then 204. One without an answer for a URL never answers.
pub(super) struct Receiver {
    clock: TokioClock,
    pub(super) answers: Mutex<VecDeque<Came>>,
    pub(super) hangs: Mutex<BTreeSet<String>>,
    /// How long it takes to answer.
    pub(super) answers_after: Mutex<Duration>,
    posts: Mutex<Vec<(UnixMs, Post)>>,
}

#[async_trait]
impl Sender for Receiver {
    async fn send(&self, post: &Post) -> Came {
        self.posts.lock().unwrap().push((self.clock.now(), post.clone()));
        if self.hangs.lock().unwrap().contains(&post.url) {
            std::future::pending::<()>().await;
        }
        let answers_after = *self.answers_after.lock().unwrap();
        tokio::time::sleep(answers_after).await;
        self.answers.lock().unwrap().pop_front().unwrap_or_else(|| answer(204))
    }
}

impl Receiver {
    pub(super) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().iter().map(|(_, post)| post.clone()).collect()
    }

    pub(super) fn times(&self) -> Vec<UnixMs> {
        self.posts.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }

    /// When the first message of this type came.
    pub(super) fn first(&self, label: &str) -> Option<UnixMs> {
        self.types().iter().position(|t| t == label).map(|at| self.times()[at])
    }

    /// The types of what came, in order.
    pub(super) fn types(&self) -> Vec<String> {
        self.posts().iter().map(|post| body(post)["type"].as_str().unwrap().to_owned()).collect()
    }
}

pub(super) fn body(post: &Post) -> Value {
    serde_json::from_str(&post.body).unwrap()
}

/// One backend and one receiver; as many processes as a test starts.
pub(super) struct World {
    pub(super) parts: MemoryParts,
    pub(super) clock: TokioClock,
    pub(super) receiver: Arc<Receiver>,
}

/// A process with its background task.
pub(super) struct Process {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Process {
    /// Without warning.
    pub(super) fn kill(self) {
        self.task.abort();
    }

    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

impl World {
    pub(super) fn new() -> Self {
        let clock = TokioClock::at(NOW);
        let receiver = Arc::new(Receiver {
            clock,
            answers: Mutex::default(),
            hangs: Mutex::default(),
            answers_after: Mutex::default(),
            posts: Mutex::default(),
        });
        Self { parts: MemoryParts::new(Arc::new(clock)), clock, receiver }
    }

    pub(super) fn notifier(&self) -> Arc<Notifier> {
        self.notifier_by(Arc::new(self.clock))
    }

    fn notifier_by(&self, clock: Arc<dyn Clock>) -> Arc<Notifier> {
        let control = Control::new(self.parts.backend(), clock);
        Notifier::new(control, self.receiver.clone())
    }

    pub(super) fn start(&self) -> Process {
        self.start_by(Arc::new(self.clock))
    }

    /// A process with a clock of its own.
    pub(super) fn start_by(&self, clock: Arc<dyn Clock>) -> Process {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(self.notifier_by(clock).run(shutdown.clone()));
        Process { shutdown, task }
    }

    /// A webhook for these events, made now.
    pub(super) async fn hook(&self, n: u8, events: &[Event]) -> Webhook {
        let hook = Webhook {
            id: HookId(n.into()),
            version: 1,
            name: format!("hook {n}"),
            url: format!("https://example.com/{n}"),
            events: events.iter().copied().collect(),
            secret: HookSecret::new([n; 32]),
            created: self.stamp("ada"),
            disabled: None,
        };
        assert_eq!(self.parts.backend().webhooks.put_new(&hook).await, Ok(Written::Yes));
        hook
    }

    pub(super) fn stamp(&self, by: &str) -> Stamp {
        Stamp::new(by, self.clock.now())
    }

    pub(super) async fn log(&self, hook: &Webhook) -> Vec<Delivery> {
        self.parts.backend().webhooks.deliveries(hook.id, UnixMs(0), 100).await.unwrap()
    }

    /// Stores the record, and gives it the fleet.
    pub(super) async fn store(&self, campaign: &Campaign) {
        self.parts.campaigns.poke(campaign.clone());
        let campaigns = self.parts.backend().campaigns;
        let version = campaigns.slot().await.unwrap().version + 1;
        let slot = Slot { version, campaign: Some(campaign.id), scale: None };
        assert_eq!(campaigns.set_slot(&slot).await, Ok(Written::Yes));
    }

    /// A campaign of ten devices that is armed now.
    pub(super) async fn armed(&self) -> Campaign {
        let new =
            Campaign::new("final", Content::english("Over", "It is"), Options::default(), self.stamp("ada"));
        let upload =
            Upload { object: "up".to_owned(), format: ListFormat::Csv, bytes: 9, stamp: self.stamp("ada") };
        let ready = done(done(new.upload(upload)).build_done(self.snapshot()));
        let armed = done(ready.arm(self.stamp("bea"), Expect::default(), BTreeMap::new()));
        self.store(&armed).await;
        armed
    }

    fn snapshot(&self) -> SnapshotRef {
        SnapshotRef {
            id: SnapshotId([7; 32]),
            uploaded: 9,
            users: 8,
            devices: BTreeMap::from([("apns".to_owned(), 10)]),
            batches: 2,
            dropped: BTreeMap::new(),
            dropped_devices: BTreeMap::new(),
            built_at: self.clock.now(),
            build_ms: 12,
        }
    }

    pub(super) async fn press(&self, armed: &Campaign) -> Campaign {
        let sending = done(armed.press(self.stamp("cal")));
        self.store(&sending).await;
        sending
    }

    pub(super) async fn finish(&self, sending: &Campaign) -> Campaign {
        let end = done(sending.done(self.clock.now(), books(10)));
        self.store(&end).await;
        end
    }
}

/// A clock that is ahead.
#[derive(Debug)]
pub(super) struct Ahead {
    pub(super) clock: TokioClock,
    pub(super) by_s: AtomicU64,
}

impl Clock for Ahead {
    fn now(&self) -> UnixMs {
        self.clock.now().plus(Duration::from_secs(self.by_s.load(Ordering::Relaxed)))
    }

    fn mono(&self) -> Duration {
        self.clock.mono()
    }
}

/// Books in which so many of ten were accepted, half of them within a second.
pub(super) fn books(accepted: u64) -> Books {
    let times = Times { p50_ms: Some(1_000), ..Times::default() };
    Books { devices: 10, accepted, aborted: 10 - accepted, times, ..Books::default() }
}

pub(super) fn done(decision: Decision) -> Campaign {
    match decision {
        Decision::Change(next) => *next,
        other => panic!("{other:?}"),
    }
}

/// Lets so much time pass on tokio's paused clock.
pub(super) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
