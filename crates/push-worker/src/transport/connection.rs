//! One open connection: how many streams it has free, and the task that drives it.

use super::limits;
use super::pool::Shared;
use bytes::Bytes;
use h2::Ping;
use h2::client::SendRequest;
use std::cell::{Cell, RefCell};
use std::future::Future as _;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;

/// An open connection, as those see it who send over it.
pub(super) struct Conn {
    /// `None` once it takes no more requests; then it ends by itself when the last answer is in.
    send: RefCell<Option<SendRequest<Bytes>>>,
    blocked: Rc<Cell<bool>>,
    in_flight: Cell<usize>,
    /// Streams that the gateway allows now.
    limit: Cell<usize>,
    timeouts: Cell<u32>,
    /// It answered something, so that the next one need not wait long.
    proven: Cell<bool>,
    /// Told when it takes no more requests.
    retired: Notify,
}

impl Conn {
    pub(super) fn new(send: SendRequest<Bytes>, blocked: Rc<Cell<bool>>) -> Self {
        let limit = Cell::new(limits::STREAMS_FIRST);
        Self {
            send: RefCell::new(Some(send)),
            blocked,
            in_flight: Cell::new(0),
            limit,
            timeouts: Cell::new(0),
            proven: Cell::new(false),
            retired: Notify::new(),
        }
    }

    /// Requests that it takes now.
    pub(super) fn room(&self) -> usize {
        if self.send.borrow().is_none() || self.blocked.get() {
            return 0;
        }
        self.limit.get().saturating_sub(self.in_flight.get())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Streams that the gateway allows.
    pub(super) fn streams(&self) -> usize {
        if self.send.borrow().is_some() { self.limit.get() } else { 0 }
    }

    pub(super) fn is_proven(&self) -> bool {
        self.proven.get()
    }

    pub(super) fn note_answer(&self) {
        self.proven.set(true);
    }

    /// A request timed out on it. It is replaced after many of them.
    pub(super) fn note_timeout(&self) {
        self.timeouts.set(self.timeouts.get() + 1);
        if self.timeouts.get() >= limits::TIMEOUTS_MAX {
            self.retire();
        }
    }

    /// Whether `h2` gave this connection up, or the other side said goodbye. It is retired then.
    pub(super) fn retire_if_dead(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let dead = self
            .send
            .borrow_mut()
            .as_mut()
            .is_none_or(|send| matches!(send.poll_ready(&mut cx), Poll::Ready(Err(_))));
        if dead {
            self.retire();
        }
        dead
    }

    /// Hands one request to `h2`; `None` if `h2` did not take it.
    pub(super) fn hand_over(
        &self,
        request: http::Request<()>,
        body: Bytes,
    ) -> Option<Result<h2::client::ResponseFuture, h2::Error>> {
        let mut send = self.send.borrow_mut();
        let (response, mut stream) = send.as_mut()?.send_request(request, false).ok()?;
        Some(stream.send_data(body, true).map(|()| response))
    }

    pub(super) fn take_stream(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    pub(super) fn free_stream(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
    }

    /// Takes no more requests; answers to those on their way are still read.
    pub(super) fn retire(&self) {
        if self.send.borrow_mut().take().is_some() {
            self.retired.notify_one();
        }
    }

    /// Waits until it takes no more requests.
    pub(super) async fn retired(&self) {
        self.retired.notified().await;
    }

    /// Reads what `h2` learnt. Answers whether there may be more room than before.
    fn refresh(&self, was_blocked: bool) -> bool {
        let mut send = self.send.borrow_mut();
        let Some(handle) = send.as_mut() else { return false };
        let before = self.limit.get();
        // Ready with an error: a GOAWAY came, or the connection broke. Pending: we are over a limit that was lowered.
        let ready = handle.poll_ready(&mut Context::from_waker(Waker::noop()));
        let limit = if ready.is_pending() { 0 } else { handle.current_max_send_streams() };
        self.limit.set(limit.min(limits::STREAMS_MAX));
        drop(send);
        if let Poll::Ready(Err(_)) = ready {
            self.retire();
        }
        self.limit.get() > before || (was_blocked && !self.blocked.get())
    }
}

/// Drives a connection to its end, and notices when it is dead.
pub(super) async fn drive(
    conn: Rc<Conn>,
    mut connection: h2::client::Connection<super::dial::Io, Bytes>,
    shared: Rc<Shared>,
) {
    let ping_pong = connection.ping_pong();
    let mut alive = pin!(keep_alive(&conn, ping_pong));
    let mut connection = Some(connection);
    std::future::poll_fn(|cx| {
        let was_blocked = conn.blocked.get();
        let Some(h2) = connection.as_mut() else { return Poll::Ready(()) };
        let ended = Pin::new(h2).poll(cx).is_ready() || alive.as_mut().poll(cx).is_ready();
        if ended {
            // Dropping it tells every stream on it.
            connection = None;
            conn.retire();
            return Poll::Ready(());
        }
        if conn.refresh(was_blocked) {
            shared.turns.wake_first();
        }
        Poll::Pending
    })
    .await;
    shared.turns.wake_first();
}

/// Pings; returns if the other side does not answer.
async fn keep_alive(conn: &Conn, ping_pong: Option<h2::PingPong>) {
    let Some(mut ping_pong) = ping_pong else { return std::future::pending().await };
    let mut idle = std::time::Duration::ZERO;
    loop {
        tokio::time::sleep(limits::PING_BUSY_EVERY).await;
        idle += limits::PING_BUSY_EVERY;
        if conn.in_flight() == 0 && idle < limits::PING_IDLE_EVERY {
            continue;
        }
        idle = std::time::Duration::ZERO;
        let pong = tokio::time::timeout(limits::PONG_WITHIN, ping_pong.ping(Ping::opaque())).await;
        if !matches!(pong, Ok(Ok(_))) {
            return;
        }
    }
}
