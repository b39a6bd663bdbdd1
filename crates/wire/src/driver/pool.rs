//! The connections to one origin, kept open by a task each.

use super::hub::Hub;
use super::limits;
use super::link::Link;
use super::sending::{Ended, Sending, Shape, Terms};
use super::slot::keep;
use crate::{Config, Request};
use rustls::ClientConfig;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Where a pool connects to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name or address, as the certificate must say it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// See [`client_tls`](super::client_tls).
    pub tls: Arc<ClientConfig>,
    /// Whether an address that the look-up found may be connected to; if not, why, in words.
    pub permits: fn(SocketAddr) -> Result<(), &'static str>,
}

/// How a pool is made.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Where to.
    pub target: Target,
    /// How many connections, 1 to [`limits::CONNECTIONS_MAX`].
    pub connections: u16,
    /// How each behaves.
    pub connection: Config,
}

/// How a pool is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PoolState {
    /// Connections that take requests.
    pub connections: u32,
    /// Streams that may be open at once over all of them.
    pub streams: u32,
    /// Why connections are missing, in words for people.
    pub trouble: Option<String>,
}

/// A pool of connections, owned by one thread. Dropping it cuts them; [`Pool::close`] is the polite way.
pub struct Pool {
    shared: Rc<Shared>,
    tasks: RefCell<JoinSet<()>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("host", &self.shared.target.host).finish_non_exhaustive()
    }
}

/// What the pool, its connections and its senders have in common.
pub(super) struct Shared {
    pub(super) target: Target,
    pub(super) config: Config,
    pub(super) hub: Rc<Hub>,
    slots: RefCell<Vec<Option<Rc<Link>>>>,
    /// Also those that take no more requests.
    links: RefCell<Vec<Weak<Link>>>,
    /// Whether a slot was dialled to the end at least once.
    tried: RefCell<Vec<bool>>,
    trouble: RefCell<Option<String>>,
    /// A slot changed or trouble came up.
    changed: Notify,
    closed: Cell<bool>,
    closing: Notify,
}

impl Pool {
    /// Starts to open the connections. Must be called inside a `LocalSet`.
    #[must_use]
    pub fn open(settings: PoolSettings) -> Self {
        let count = usize::from(settings.connections.clamp(1, limits::CONNECTIONS_MAX));
        let shared = Rc::new(Shared {
            target: settings.target,
            config: settings.connection,
            hub: Rc::new(Hub::new()),
            slots: RefCell::new(vec![None; count]),
            links: RefCell::default(),
            tried: RefCell::new(vec![false; count]),
            trouble: RefCell::default(),
            changed: Notify::new(),
            closed: Cell::new(false),
            closing: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        for slot in 0..count {
            tasks.spawn_local(keep(slot, Rc::clone(&shared)));
        }
        Self { shared, tasks: RefCell::new(tasks) }
    }

    /// Waits until every connection was tried, or for `within`. One that is open is enough: the state tells of the
    /// others.
    ///
    /// # Errors
    /// None is open: why, in words.
    pub async fn ready(&self, within: Duration) -> Result<(), String> {
        let all = async {
            while self.shared.tried.borrow().contains(&false) {
                self.shared.changed.notified().await;
            }
        };
        let _ = tokio::time::timeout(within, all).await;
        match self.state() {
            PoolState { connections: 0, trouble, .. } => {
                Err(trouble
                    .unwrap_or_else(|| format!("no connection to `{}` in time", self.shared.target.host)))
            }
            _ => Ok(()),
        }
    }

    /// Sends a group and waits for the end of each request: exactly one [`Ended`] each, in any order. The upper half of
    /// the requests' tags is the pool's.
    ///
    /// Groups are served in the order in which they came; a group waits while no stream is free. Requests that wait are
    /// given up as not sent once `may_write` says no, or when nothing was written or answered for `patience`.
    /// Dropping the future leaves what is on its way to itself.
    pub async fn send<'a>(
        &'a self,
        shape: Shape<'a>,
        requests: Vec<Request<'a>>,
        terms: Terms<'a>,
    ) -> Vec<Ended> {
        let mut sending = Sending::new(&self.shared, shape, requests, terms);
        std::future::poll_fn(|cx| sending.poll(cx)).await;
        sending.into_ended()
    }

    /// What was written is read by the other side within this, or not at all: a connection that shows no sign of it is cut, and
    /// what it held ends as not sent, or as ambiguous where that can't be known. For a stop.
    pub fn fence(&self, within: Duration) {
        let links: Vec<_> = self.shared.links.borrow().iter().filter_map(Weak::upgrade).collect();
        for link in links {
            link.fence(within);
        }
    }

    /// How it is at this instant.
    #[must_use]
    pub fn state(&self) -> PoolState {
        let slots = self.shared.slots.borrow();
        let open = || slots.iter().flatten();
        let sum = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let missing = open().count() < slots.len();
        PoolState {
            connections: sum(open().count()),
            streams: sum(open().map(|link| link.streams()).sum()),
            trouble: self.shared.trouble.borrow().clone().filter(|_| missing),
        }
    }

    /// Takes no more requests, waits up to [`limits::CLOSE_WITHIN`] for the answers on their way, and says goodbye.
    pub async fn close(&self) {
        self.shared.closed.set(true);
        self.shared.closing.notify_waiters();
        let mut tasks = self.tasks.take();
        let all = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(limits::CLOSE_WITHIN + limits::GOODBYE_WITHIN, all).await;
    }
}

impl Shared {
    /// The connection for the next requests, if one has a stream free: one that is about to write and has too little for
    /// a good write yet, or else the one with the fewest requests on their way.
    pub(super) fn next_link(&self) -> Option<Rc<Link>> {
        let slots = self.slots.borrow();
        let free = || slots.iter().flatten().filter(|link| link.room() > 0);
        let filling = free().find(|link| (1..limits::GOOD_WRITE_BYTES).contains(&link.waiting_bytes()));
        filling.or_else(|| free().min_by_key(|link| link.in_flight())).cloned()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// What the future says; `None` if the pool closes first.
    pub(super) async fn or_closed<F: Future>(&self, future: F) -> Option<F::Output> {
        if self.closed.get() {
            return None;
        }
        tokio::select! {
            biased;
            () = self.closing.notified() => None,
            output = future => Some(output),
        }
    }

    pub(super) fn set(&self, slot: usize, link: Option<Rc<Link>>) {
        let opened = link.is_some();
        if let Some(place) = self.slots.borrow_mut().get_mut(slot) {
            *place = link;
        }
        if opened && self.count() == self.slots.borrow().len() {
            self.trouble.take();
        }
        self.note_tried(slot);
        self.hub.turns.wake_first();
    }

    pub(super) fn note_link(&self, link: &Rc<Link>) {
        let mut links = self.links.borrow_mut();
        links.retain(|known| known.strong_count() > 0);
        links.push(Rc::downgrade(link));
    }

    pub(super) fn note_trouble(&self, slot: usize, why: String) {
        self.trouble.replace(Some(why));
        self.note_tried(slot);
    }

    fn note_tried(&self, slot: usize) {
        if let Some(tried) = self.tried.borrow_mut().get_mut(slot) {
            *tried = true;
        }
        self.changed.notify_waiters();
    }

    fn count(&self) -> usize {
        self.slots.borrow().iter().flatten().count()
    }
}
