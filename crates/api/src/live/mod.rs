//! A campaign's figures as server-sent events: computed once per campaign and process, however many people watch, and
//! sent to all of them as the same bytes. A watcher that reads slowly misses events, never the newest one.
//!
//! It decides nothing and writes nothing; a press never waits for it.

mod figures;

pub use figures::{Live, LiveWorkers, Ready};

use crate::App;
use crate::problem::{Code, Problem};
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use common::fleet::WorkerRow;
use common::ids::CampaignId;
use common::time::Clock;
use futures::stream;
use serde::Serialize;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// How often while something is being sent.
const EVERY_SENDING: Duration = Duration::from_millis(250);
/// How often else.
const EVERY: Duration = Duration::from_secs(1);
/// After a change that went through this process the next event comes at once, but never sooner than this.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// How often the workers' rows are read.
const WORKERS_EVERY: Duration = Duration::from_secs(1);
/// Without an event for this long, a watcher is told the time: the connection is there, whatever hinders the figures.
const BEAT_AFTER: Duration = Duration::from_millis(1_500);

/// An event as it goes out; `None` before the first one.
type Frame = Option<Bytes>;

/// The campaigns that are watched.
#[derive(Debug)]
pub(crate) struct Hub {
    watched: Mutex<HashMap<CampaignId, Arc<Channel>>>,
    watchers: Arc<Semaphore>,
    shutdown: CancellationToken,
}

#[derive(Debug)]
struct Channel {
    frames: watch::Sender<Frame>,
    changed: Notify,
}

impl Hub {
    pub(crate) fn new(watchers_max: usize, shutdown: CancellationToken) -> Self {
        let watchers = Arc::new(Semaphore::new(watchers_max));
        Self { watched: Mutex::default(), watchers, shutdown }
    }

    /// Something was done to this campaign here: who watches it sees it at once.
    pub(crate) fn changed(&self, id: CampaignId) {
        if let Some(channel) = self.with(|watched| watched.get(&id).cloned()) {
            channel.changed.notify_one();
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<CampaignId, Arc<Channel>>) -> T) -> T {
        f(&mut self.watched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The campaign's events; the first watcher starts the computing.
    fn subscribe(app: &Arc<App>, id: CampaignId) -> watch::Receiver<Frame> {
        app.live.with(|watched| {
            if let Some(channel) = watched.get(&id) {
                return channel.frames.subscribe();
            }
            let (frames, receiver) = watch::channel(None);
            let channel = Arc::new(Channel { frames, changed: Notify::new() });
            watched.insert(id, Arc::clone(&channel));
            tokio::spawn(compute(Arc::clone(app), id, channel));
            receiver
        })
    }

    /// Forgets a campaign whose computing has ended, however it did: who is waiting comes back, and starts another one.
    fn ended(&self, id: CampaignId, channel: &Arc<Channel>) {
        self.with(|watched| {
            if watched.get(&id).is_some_and(|current| Arc::ptr_eq(current, channel)) {
                watched.remove(&id);
            }
        });
    }

    /// Forgets a campaign that nobody watches any more; answers whether it did.
    fn forget(&self, id: CampaignId, channel: &Channel) -> bool {
        self.with(|watched| {
            let nobody = channel.frames.receiver_count() == 0;
            if nobody {
                watched.remove(&id);
            }
            nobody
        })
    }
}

/// Ends what it computed for when it is dropped: also when the computing panics.
struct Computing {
    app: Arc<App>,
    id: CampaignId,
    channel: Arc<Channel>,
}

impl Drop for Computing {
    fn drop(&mut self) {
        self.app.live.ended(self.id, &self.channel);
    }
}

/// Computes a campaign's events for as long as somebody watches.
async fn compute(app: Arc<App>, id: CampaignId, channel: Arc<Channel>) {
    let _computing = Computing { app: Arc::clone(&app), id, channel: Arc::clone(&channel) };
    let mut workers: Option<(Duration, Vec<WorkerRow>)> = None;
    let limit = app.config.limits.request_timeout();
    while !app.live.shutdown.is_cancelled() {
        let found = tokio::time::timeout(limit, look(&app, id, &mut workers)).await;
        let found = found.unwrap_or_else(|_| Err(format!("no figures within {} ms", limit.as_millis())));
        let every = match &found {
            Ok(live) if live.is_moving() => EVERY_SENDING,
            _ => EVERY,
        };
        channel.frames.send_replace(Some(match found {
            Ok(live) => event("live", &live),
            Err(why) => event("trouble", &Trouble { at: app.control.clock().now(), why }),
        }));
        tokio::time::sleep(EVERY_MIN).await;
        tokio::select! {
            () = tokio::time::sleep(every.saturating_sub(EVERY_MIN)) => {}
            () = channel.changed.notified() => {}
            () = channel.frames.closed() => {}
        }
        if app.live.forget(id, &channel) {
            return;
        }
    }
}

/// Why there are no figures just now.
#[derive(Debug, Serialize)]
struct Trouble {
    at: common::time::UnixMs,
    why: String,
}

async fn look(
    app: &App,
    id: CampaignId,
    workers: &mut Option<(Duration, Vec<WorkerRow>)>,
) -> Result<Live, String> {
    let status = app.control.status(id).await.map_err(|e| e.to_string())?;
    let now = app.control.clock().mono();
    if workers.as_ref().is_none_or(|(at, _)| now.saturating_sub(*at) >= WORKERS_EVERY) {
        *workers = Some((now, app.control.workers().await.map_err(|e| e.to_string())?));
    }
    let rows = workers.as_ref().map_or(&[][..], |(_, rows)| rows);
    Ok(Live::of(status, rows))
}

fn event(name: &str, data: &impl Serialize) -> Bytes {
    let json = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {json}\n\n").into()
}

/// The server's time.
#[derive(Debug, Serialize)]
struct Beat {
    at: common::time::UnixMs,
}

/// What one watcher holds.
struct Watcher {
    frames: watch::Receiver<Frame>,
    shutdown: CancellationToken,
    begun: bool,
    clock: Arc<dyn Clock>,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            self.frames.mark_changed();
            return Some(Bytes::from_static(b"retry: 1000\n\n"));
        }
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return None,
                () = tokio::time::sleep(BEAT_AFTER) => return Some(event("beat", &Beat { at: self.clock.now() })),
                changed = self.frames.changed() => changed.ok()?,
            }
            if let Some(frame) = self.frames.borrow_and_update().clone() {
                return Some(frame);
            }
        }
    }
}

/// The stream of a campaign's events.
///
/// # Errors
/// When there is no such campaign, or as many people watch as allowed.
pub(crate) async fn watch(app: &Arc<App>, id: CampaignId) -> Result<Response, Problem> {
    let permit = Arc::clone(&app.live.watchers).try_acquire_owned().map_err(|_| {
        app.counts.shed();
        Problem::new(
            Code::Overloaded,
            "as many people as allowed are watching; the figures are in `status` too",
        )
    })?;
    app.control.get(id).await?;
    let (frames, shutdown) = (Hub::subscribe(app, id), app.live.shutdown.clone());
    let clock = Arc::clone(app.control.clock());
    let watcher = Watcher { frames, shutdown, begun: false, clock, _permit: permit };
    let pieces = stream::unfold(watcher, |mut watcher| async move {
        watcher.next().await.map(|piece| (Ok::<_, Infallible>(piece), watcher))
    });
    let headers = [(header::CONTENT_TYPE.as_str(), "text/event-stream"), ("x-accel-buffering", "no")];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::time::{ManualClock, UnixMs};

    fn hub() -> Hub {
        Hub::new(1, CancellationToken::new())
    }

    fn channel() -> (Arc<Channel>, watch::Receiver<Frame>) {
        let (frames, receiver) = watch::channel(None);
        (Arc::new(Channel { frames, changed: Notify::new() }), receiver)
    }

    #[tokio::test(start_paused = true)]
    async fn without_figures_a_watcher_is_told_the_time() {
        let (hub, (channel, frames)) = (hub(), channel());
        let permit = Arc::clone(&hub.watchers).try_acquire_owned().unwrap();
        let clock = Arc::new(ManualClock::at(UnixMs(7)));
        let mut watcher =
            Watcher { frames, shutdown: hub.shutdown.clone(), begun: false, clock, _permit: permit };
        assert_eq!(watcher.next().await.unwrap(), "retry: 1000\n\n");
        assert_eq!(watcher.next().await.unwrap(), "event: beat\ndata: {\"at\":7}\n\n");
        channel.frames.send_replace(Some(Bytes::from_static(b"figures")));
        assert_eq!(watcher.next().await.unwrap(), "figures");
        // Whoever computed is gone: the watcher's connection ends, so that it comes back.
        drop(channel);
        assert_eq!(watcher.next().await, None);
    }

    #[test]
    fn what_has_ended_is_forgotten_and_its_successor_is_not() {
        let (hub, id) = (hub(), CampaignId::random());
        let ((old, _), (new, _)) = (channel(), channel());
        hub.with(|watched| watched.insert(id, Arc::clone(&new)));
        hub.ended(id, &old);
        assert!(hub.with(|watched| watched.contains_key(&id)));
        hub.ended(id, &new);
        assert!(hub.with(|watched| watched.is_empty()));
    }
}
