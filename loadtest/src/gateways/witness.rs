//! One connection on the `h2` crate: slower than ours, and an independent witness that our clients speak HTTP/2.
//!
//! All streams of a connection live in one task, so that a thousand answers are one wake-up and a few writes.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use futures::stream::FuturesUnordered;
use h2::server::{Connection as H2, SendResponse};
use h2::{Reason as H2Reason, RecvStream};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::behaviour::Behaviour;
use super::connection::{End, closed, streams};
use super::delay::DelayQueue;
use super::head::Head;
use super::journal::Platform;
use super::reason::Reason;
use super::settings_gate::SettingsGate;
use super::shared::{Moment, Shared};
use super::verdict::{Body, Memory, Verdict, decide};
use super::{apns, limits};

/// A request whose body came in, or an error if its stream was reset.
type Received = (Parts, SendResponse<Bytes>, Option<Kept>);

/// A body, as far as it is kept.
struct Kept {
    bytes: Bytes,
    len: usize,
}

/// Serves one connection until it ends.
pub(super) async fn serve<T>(shared: Arc<Shared>, platform: Platform, io: T) -> End
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let behaviour = shared.behaviour();
    let (first, streams) = streams(&behaviour, platform);
    let proven = first >= streams;
    let io = if proven { SettingsGate::open(io) } else { SettingsGate::narrow(io, first, streams) };
    let mut settings = h2::server::Builder::new();
    settings
        .max_concurrent_streams(streams)
        .initial_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_header_list_size(limits::MAX_HEADERS_BYTES)
        .max_pending_accept_reset_streams(limits::MAX_EARLY_RESETS)
        .max_local_error_reset_streams(None);
    let Ok(Ok(h2)) = tokio::time::timeout(limits::HANDSHAKE_TIMEOUT, settings.handshake(io)).await else {
        return End::Closed;
    };
    let changes = shared.watch_behaviour();
    let connection = Connection {
        shared,
        platform,
        h2,
        behaviour,
        changes,
        memory: Memory::default(),
        requests: 0,
        unproven_limit: (!proven).then_some(first as usize),
        widen: false,
        receiving: FuturesUnordered::new(),
        delayed: DelayQueue::new(),
        stalled: Vec::new(),
        timer: None,
    };
    connection.run().await
}

struct Connection<T: AsyncRead + AsyncWrite + Unpin> {
    shared: Arc<Shared>,
    platform: Platform,
    h2: H2<SettingsGate<T>, Bytes>,
    behaviour: Arc<Behaviour>,
    changes: watch::Receiver<Arc<Behaviour>>,
    memory: Memory,
    requests: u64,
    /// How many streams there may be at once; `None` once the connection has proven itself.
    unproven_limit: Option<usize>,
    /// The large stream limit has still to be announced.
    widen: bool,
    receiving: FuturesUnordered<Pin<Box<dyn Future<Output = Received> + Send>>>,
    delayed: DelayQueue<(SendResponse<Bytes>, Verdict)>,
    stalled: Vec<SendResponse<Bytes>>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why a pass over a connection ended.
enum Step {
    Paused,
    Ended(End),
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    async fn run(mut self) -> End {
        loop {
            self.behaviour = Arc::clone(&self.changes.borrow_and_update());
            if self.behaviour.pause {
                if self.changes.changed().await.is_err() {
                    return End::Closed;
                }
                continue;
            }
            if let Step::Ended(end) = poll_fn(|cx| self.poll(cx)).await {
                return end;
            }
        }
    }

    /// Does everything that can be done now.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.changes.has_changed().unwrap_or(false) {
            self.behaviour = Arc::clone(&self.changes.borrow_and_update());
        }
        if self.behaviour.pause {
            return Poll::Ready(Step::Paused);
        }
        let now = Moment::now();
        self.poll_receiving(cx, now);
        self.poll_due(cx, now);
        loop {
            self.try_to_widen();
            match self.h2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    if !self.accept(request, respond, cx, now) {
                        return Poll::Ready(Step::Ended(End::Cut));
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Step::Ended(End::Closed)),
                // The acknowledgement that widening waits for may just have come in.
                Poll::Pending if self.try_to_widen() => {}
                Poll::Pending => break,
            }
        }
        // Bodies and answers that came up in this pass need a look, so that somebody wakes us.
        self.poll_receiving(cx, now);
        self.poll_due(cx, now);
        Poll::Pending
    }

    /// Announces the large stream limit, unless the client has not acknowledged our first SETTINGS yet.
    fn try_to_widen(&mut self) -> bool {
        let widened = self.widen && self.h2.set_initial_window_size(limits::STREAM_WINDOW_BYTES).is_ok();
        self.widen &= !widened;
        widened
    }

    /// Takes a request; false if the connection has to be cut instead.
    fn accept(
        &mut self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        cx: &mut Context<'_>,
        now: Moment,
    ) -> bool {
        self.requests += 1;
        let (parts, mut stream) = request.into_parts();
        let every = |n: u64| n > 0 && self.requests.is_multiple_of(n);
        if every(self.behaviour.close_every) {
            self.note_closed(&parts, now);
            return false;
        }
        if every(self.behaviour.goaway_every) {
            self.h2.graceful_shutdown();
        }
        let open = self.receiving.len() + self.delayed.len() + self.stalled.len();
        if self.unproven_limit.is_some_and(|limit| open >= limit) {
            respond.send_reset(H2Reason::REFUSED_STREAM);
            self.shared.journal.record(self.platform, None, Reason::ApnsRefusedStream, now.instant);
            return true;
        }
        match receive_at_once(&mut stream, cx) {
            Ok(body) => self.answer(&parts, &body, respond, now),
            Err(first) => self.receiving.push(Box::pin(receive(parts, stream, respond, first))),
        }
        true
    }

    /// Judges those requests whose bodies came in late.
    fn poll_receiving(&mut self, cx: &mut Context<'_>, now: Moment) {
        while !self.receiving.is_empty() {
            match Pin::new(&mut self.receiving).poll_next(cx) {
                Poll::Ready(Some((parts, respond, Some(body)))) => self.answer(&parts, &body, respond, now),
                Poll::Ready(Some((parts, _, None))) => self.note_closed(&parts, now),
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }

    /// Sends those answers whose time has come.
    fn poll_due(&mut self, cx: &mut Context<'_>, now: Moment) {
        while let Some(due) = self.delayed.next_due() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            if let Some((respond, verdict)) = self.delayed.pop() {
                self.send(respond, verdict, now);
            }
        }
    }

    fn answer(&mut self, parts: &Parts, kept: &Kept, respond: SendResponse<Bytes>, now: Moment) {
        let (head, body) = (Head::of(parts), Body { kept: &kept.bytes, len: kept.len });
        let verdict =
            decide(&self.shared, &self.behaviour, self.platform, &head, body, &mut self.memory, now);
        let stalls = matches!(verdict.reason, Reason::ApnsStalled | Reason::FcmStalled);
        let takes = self.behaviour.takes(self.platform, || self.shared.next_round_trip());
        if stalls || takes.is_zero() {
            self.send(respond, verdict, now);
        } else {
            self.delayed.push(Instant::from_std(now.instant) + takes, (respond, verdict));
        }
    }

    /// Hands an answer to h2, and writes down what became of the request.
    fn send(&mut self, mut respond: SendResponse<Bytes>, verdict: Verdict, now: Moment) {
        let Verdict { reason, token_hash, .. } = verdict;
        let [faulted, lost] =
            [reason, closed(self.platform)].map(|otherwise| verdict.unheard(self.platform, otherwise));
        let outcome = match reason {
            Reason::ApnsReset | Reason::FcmReset => {
                respond.send_reset(H2Reason::INTERNAL_ERROR);
                faulted
            }
            Reason::ApnsStalled | Reason::FcmStalled => {
                self.stalled.push(respond);
                self.forget_reset_streams();
                faulted
            }
            _ if respond_with(&mut respond, self.platform, verdict).is_ok() => reason,
            _ => lost,
        };
        self.shared.journal.record(self.platform, token_hash, outcome, now.instant);
        if outcome == Reason::ApnsAccepted && self.unproven_limit.take().is_some() {
            self.widen = true;
        }
    }

    /// A client gives up on streams that are never answered, and opens others: memory must not grow with them.
    fn forget_reset_streams(&mut self) {
        if self.stalled.len() > 2 * self.behaviour.apns_streams.max(self.behaviour.fcm_streams) as usize {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            self.stalled.retain_mut(|stream| stream.poll_reset(&mut cx).is_pending());
        }
    }

    fn note_closed(&self, parts: &Parts, now: Moment) {
        let hash = match self.platform {
            Platform::Apns => apns::path_token(parts.uri.path()).ok(),
            Platform::Fcm => None,
        };
        self.shared.journal.record(self.platform, hash, closed(self.platform), now.instant);
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Drop for Connection<T> {
    /// Whatever still waited for its answer never gets one.
    fn drop(&mut self) {
        let now = Moment::now();
        for (_, verdict) in self.delayed.drain() {
            let outcome = verdict.unheard(self.platform, closed(self.platform));
            self.shared.journal.record(self.platform, verdict.token_hash, outcome, now.instant);
        }
        for _ in 0..self.receiving.len() {
            self.shared.journal.record(self.platform, None, closed(self.platform), now.instant);
        }
    }
}

/// The body if all of it has come in, which is the rule; what of it has come in otherwise.
fn receive_at_once(stream: &mut RecvStream, cx: &mut Context<'_>) -> Result<Kept, Bytes> {
    if stream.is_end_stream() {
        return Ok(Kept { bytes: Bytes::new(), len: 0 });
    }
    let Poll::Ready(Some(Ok(data))) = stream.poll_data(cx) else { return Err(Bytes::new()) };
    // This fails only for a stream that is gone, and then nobody waits for the window.
    let _ = stream.flow_control().release_capacity(data.len());
    if !stream.is_end_stream() {
        return Err(data);
    }
    let len = data.len();
    Ok(Kept { bytes: data.slice(..len.min(limits::MAX_KEPT_BODY_BYTES)), len })
}

async fn receive(
    parts: Parts,
    mut stream: RecvStream,
    respond: SendResponse<Bytes>,
    first: Bytes,
) -> Received {
    let mut len = first.len();
    let mut kept = BytesMut::from(&first[..]);
    while let Some(data) = stream.data().await {
        let Ok(data) = data else { return (parts, respond, None) };
        let _ = stream.flow_control().release_capacity(data.len());
        len += data.len();
        let room = limits::MAX_KEPT_BODY_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&data[..data.len().min(room)]);
    }
    let body = Kept { bytes: kept.freeze(), len };
    (parts, respond, Some(body))
}

fn respond_with(
    respond: &mut SendResponse<Bytes>,
    platform: Platform,
    verdict: Verdict,
) -> Result<(), h2::Error> {
    let mut response = Response::new(());
    *response.status_mut() =
        StatusCode::from_u16(verdict.reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(mut id) = verdict.apns_id.and_then(|id| HeaderValue::from_bytes(&id).ok()) {
        // Literal, never indexed: an id is not seen twice, and would only push others out of HPACK's table.
        id.set_sensitive(true);
        headers.insert("apns-id", id);
    }
    if let Some(seconds) = verdict.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if platform == Platform::Fcm {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    }
    if verdict.body.is_empty() {
        respond.send_response(response, true)?;
        return Ok(());
    }
    respond.send_response(response, false)?.send_data(verdict.body, true)
}
