//! The background task of one process: looks at the campaigns, writes down what is to be told, and sends what is due.

use crate::deliver::Lane;
use crate::message;
use crate::notice::Looks;
use crate::sender::{Post, Sender};
use crate::sign::sign;
use common::ports::{Backend, PortError};
use common::time::UnixMs;
use common::webhook::{Came, Delivery, HookId, Progress, Webhook};
use control::Control;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use telemetry::metrics::{Told, WEBHOOK_ATTEMPTS};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the task looks at the campaign in the slot.
const EVERY: Duration = Duration::from_millis(500);
/// How often the webhooks are read.
const HOOKS_EVERY: Duration = Duration::from_secs(2);
/// How long an attempt may go on when the process is to end.
const GRACE: Duration = Duration::from_secs(2);

/// Tells webhooks what happened to campaigns.
pub struct Notifier {
    pub(crate) control: Arc<Control>,
    sender: Arc<dyn Sender>,
    lanes: Mutex<HashMap<HookId, Lane>>,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notifier")
    }
}

/// What came of trying a webhook out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The message, as it stands in the log.
    pub delivery: Delivery,
    /// The answer.
    pub came: Came,
}

impl Notifier {
    /// Of one process.
    #[must_use]
    pub fn new(control: Arc<Control>, sender: Arc<dyn Sender>) -> Arc<Self> {
        Arc::new(Self { control, sender, lanes: Mutex::default() })
    }

    pub(crate) fn backend(&self) -> &Backend {
        self.control.backend()
    }

    pub(crate) fn now(&self) -> UnixMs {
        self.control.clock().now()
    }

    pub(crate) fn lanes(&self) -> MutexGuard<'_, HashMap<HookId, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks and sends until `shutdown`. Returns when nothing is under way any more.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let (mut looks, tasks) = (Looks::default(), TaskTracker::new());
        let mut hooks = Hooks::default();
        let all = async {
            loop {
                self.step(&mut hooks, &mut looks, &tasks, &shutdown).await;
                tokio::time::sleep(EVERY).await;
            }
        };
        shutdown.run_until_cancelled(all).await;
        tasks.close();
        tasks.wait().await;
    }

    async fn step(
        self: &Arc<Self>,
        hooks: &mut Hooks,
        looks: &mut Looks,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        if hooks.refresh(self.backend()).await {
            // What was noted while a webhook was not known here may be news to it.
            looks.forget();
        }
        let live: Vec<_> = hooks.known.iter().filter(|hook| hook.disabled.is_none()).collect();
        if live.is_empty() {
            return;
        }
        if let Err(error) = self.notice(&live, looks).await {
            tracing::warn!(%error, "what webhooks are to be told was not written down; it is tried again");
        }
        for hook in live {
            self.deliver_due(hook.id, tasks, shutdown);
        }
    }

    /// Sends one message now, and writes down what came. It is not tried again.
    ///
    /// # Errors
    /// The log can't be written; the message may have been sent.
    pub async fn test(&self, hook: &Webhook, by: &str) -> Result<Tried, PortError> {
        let new = message::test(hook, by, self.now());
        let came = self.sender.send(&self.post(hook, &new)).await;
        self.disable_if_gone(hook, &came).await?;
        let sent = Delivery { attempts: 1, ..new };
        // Put for the first time: nobody else may find it waiting.
        let delivery = Delivery { version: 1, ..sent.settle_for_good(&came, self.now()) };
        count(&delivery);
        self.backend().webhooks.put_delivery(&delivery).await?;
        Ok(Tried { delivery, came })
    }

    fn post(&self, hook: &Webhook, delivery: &Delivery) -> Post {
        let (id, timestamp_s) = (delivery.message, self.now().0.div_euclid(1_000));
        let signature = sign(&hook.secret, &id.to_string(), timestamp_s, &delivery.body);
        Post { url: hook.url.clone(), id, timestamp_s, signature, body: delivery.body.clone() }
    }

    /// One attempt. One that is still under way a little after `shutdown` is given up, and comes to nothing: another process
    /// goes on.
    pub(crate) async fn attempt(
        &self,
        hook: &Webhook,
        delivery: &Delivery,
        shutdown: &CancellationToken,
    ) -> Option<Came> {
        let post = self.post(hook, delivery);
        let ended = async {
            shutdown.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            came = self.sender.send(&post) => Some(came),
            () = ended => None,
        }
    }
}

/// Counts what came of an attempt.
pub(crate) fn count(delivery: &Delivery) {
    WEBHOOK_ATTEMPTS.one(match delivery.progress {
        Progress::Delivered { .. } => Told::Delivered,
        Progress::Waiting { .. } => Told::Again,
        Progress::GivenUp { .. } => Told::GivenUp,
    });
}

/// The webhooks, as they were read last.
#[derive(Default)]
struct Hooks {
    known: Vec<Webhook>,
    read_at: Option<Instant>,
    away: bool,
}

impl Hooks {
    /// Whether there is one that was not there before.
    async fn refresh(&mut self, backend: &Backend) -> bool {
        if self.read_at.is_some_and(|at| at.elapsed() < HOOKS_EVERY) {
            return false;
        }
        self.read_at = Some(Instant::now());
        match backend.webhooks.list().await {
            Ok(hooks) => {
                let old: HashSet<_> = self.known.iter().map(|hook| hook.id).collect();
                let new = hooks.iter().any(|hook| !old.contains(&hook.id));
                (self.known, self.away) = (hooks, false);
                return new;
            }
            // Once, and not at each look.
            Err(error) if !self.away => {
                tracing::warn!(%error, "the table of webhooks can't be read");
                self.away = true;
            }
            Err(_) => {}
        }
        false
    }
}
