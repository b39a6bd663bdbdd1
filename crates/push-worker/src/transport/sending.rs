//! One group on its way: writes as streams come free, and gathers the answers.

use super::classify::after_hand_over;
use super::connection::Conn;
use super::pool::Shared;
use super::{Completion, Reply, Request, Response, Template, Terms, limits};
use bytes::{Bytes, BytesMut};
use futures::stream::{FuturesUnordered, StreamExt as _};
use h2::client::ResponseFuture;
use http::uri::{Authority, PathAndQuery, Scheme};
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// A group of requests.
pub(super) struct Sending<'a, F> {
    shared: &'a Rc<Shared>,
    template: &'a Template,
    authority: Option<Authority>,
    terms: Terms<'a>,
    number: u64,
    /// Not handed over yet.
    unsent: VecDeque<Request>,
    /// Handed over and not answered yet.
    on_their_way: FuturesUnordered<F>,
    done: Vec<Completion>,
    /// While requests wait for a stream: when to ask again.
    ask: Interval,
    /// When something was last written or answered.
    progress: Instant,
    exchange: fn(u16, Held, ResponseFuture, Instant) -> F,
}

/// A stream of a connection, given back when dropped.
pub(super) struct Held {
    conn: Rc<Conn>,
    shared: Rc<Shared>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.conn.free_stream();
        self.shared.turns.wake_first();
    }
}

impl<'a> Sending<'a, ()> {
    /// A group that has not begun.
    pub(super) fn new(
        shared: &'a Rc<Shared>,
        template: &'a Template,
        requests: Vec<Request>,
        terms: Terms<'a>,
    ) -> Sending<'a, impl Future<Output = (u16, Reply)>> {
        let mut ask = tokio::time::interval_at(Instant::now() + limits::ASK_EVERY, limits::ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Sending {
            shared,
            template,
            authority: shared.authority.parse().ok(),
            terms,
            number: shared.turns.number(),
            done: Vec::with_capacity(requests.len()),
            unsent: requests.into(),
            on_their_way: FuturesUnordered::new(),
            ask,
            progress: Instant::now(),
            exchange,
        }
    }
}

impl<F> Drop for Sending<'_, F> {
    fn drop(&mut self) {
        self.shared.turns.leave(self.number);
    }
}

impl<F: Future<Output = (u16, Reply)>> Sending<'_, F> {
    /// Does what can be done now; ready when every request has come to its end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.write(cx);
            let answered = self.gather(cx);
            if self.unsent.is_empty() {
                self.shared.turns.leave(self.number);
                return if self.on_their_way.is_empty() { Poll::Ready(()) } else { Poll::Pending };
            }
            if !answered && self.ask.poll_tick(cx).is_pending() {
                return Poll::Pending;
            }
            self.give_up_if_told();
        }
    }

    pub(super) fn into_completions(mut self) -> Vec<Completion> {
        std::mem::take(&mut self.done)
    }

    /// Hands requests over while it is this group's turn and streams are free, a connection's share at a time, so that
    /// they leave in one write.
    fn write(&mut self, cx: &Context<'_>) {
        while !self.unsent.is_empty() && self.shared.turns.is_mine(self.number, cx) {
            let Some(conn) = self.shared.least_loaded() else { return };
            if !(self.terms.may_send)() || self.shared.is_closed() {
                return self.give_up();
            }
            for _ in 0..conn.room().min(limits::WRITE_GROUP) {
                let Some(request) = self.unsent.pop_front() else { return };
                self.write_one(&conn, request);
            }
        }
    }

    fn write_one(&mut self, conn: &Rc<Conn>, request: Request) {
        self.progress = Instant::now();
        let place = request.place;
        let Some(head) = self.head(request.path.clone()) else { return self.finish(place, Reply::NotSent) };
        match conn.hand_over(head, request.body.clone()) {
            Some(Ok(response)) => {
                conn.take_stream();
                let held = Held { conn: Rc::clone(conn), shared: Rc::clone(self.shared) };
                let until = self.progress + self.terms.patience;
                self.on_their_way.push((self.exchange)(place, held, response, until));
            }
            // Its head may be out; without its body it can't be processed, but `h2` does not promise that it isn't.
            Some(Err(_)) => self.finish(place, Reply::Ambiguous),
            // The connection is gone: another takes it.
            None if conn.retire_if_dead() => self.unsent.push_front(request),
            None => self.finish(place, Reply::NotSent),
        }
    }

    fn head(&self, path: PathAndQuery) -> Option<http::Request<()>> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority.clone_from(&self.authority);
        parts.path_and_query = Some(path);
        let mut request = http::Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_parts(parts).ok()?;
        request.headers_mut().clone_from(&self.template.headers);
        Some(request)
    }

    /// Takes the answers that are there. Answers whether there were any.
    fn gather(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(Some((place, reply))) = self.on_their_way.poll_next_unpin(cx) {
            self.progress = Instant::now();
            self.finish(place, reply);
            any = true;
        }
        any
    }

    fn give_up_if_told(&mut self) {
        let stuck = self.progress.elapsed() >= self.terms.patience;
        if stuck || self.shared.is_closed() || !(self.terms.may_send)() {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        while let Some(request) = self.unsent.pop_front() {
            self.finish(request.place, Reply::NotSent);
        }
    }

    fn finish(&mut self, place: u16, reply: Reply) {
        self.done.push(Completion { place, reply, at: self.shared.clock.now() });
    }
}

/// Waits for one answer.
async fn exchange(place: u16, held: Held, response: ResponseFuture, until: Instant) -> (u16, Reply) {
    let reply = match tokio::time::timeout_at(until, response).await {
        // Dropping the future resets the stream, which does no harm to the others.
        Err(_) => {
            held.conn.note_timeout();
            Reply::Ambiguous
        }
        Ok(Err(error)) => after_hand_over(&error),
        Ok(Ok(response)) => {
            held.conn.note_answer();
            Reply::Answered(read(response, until).await)
        }
    };
    drop(held);
    (place, reply)
}

/// The status counts, whatever becomes of the body after it.
async fn read(response: http::Response<h2::RecvStream>, until: Instant) -> Response {
    let (parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    let retry_after =
        parts.headers.get(http::header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        tokio::time::timeout_at(until, read_body(body, status != 200)).await.unwrap_or_default()
    };
    Response { status, retry_after: retry_after.map(Duration::from_secs), body }
}

async fn read_body(mut body: h2::RecvStream, keep: bool) -> Bytes {
    let mut kept = BytesMut::new();
    let mut seen = 0;
    while let Some(Ok(data)) = body.data().await {
        // It fails only for a stream that is gone, and then nobody waits for the window.
        let _ = body.flow_control().release_capacity(data.len());
        seen += data.len();
        if keep {
            kept.extend_from_slice(&data);
        }
        if seen > limits::ANSWER_BYTES_MAX {
            break;
        }
    }
    kept.truncate(limits::ANSWER_BYTES_MAX);
    kept.freeze()
}
